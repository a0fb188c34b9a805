"""When other archives are asked: for an order at once, with fetching before its appointment; for images without one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from case_fixtures import Ward
from common import NOW
from wetread.archive.model import Study
from wetread.archive.service import save_remote_ae
from wetread.orders.model import RequestedProcedure
from wetread.orders.service import Move, move_requested_procedure
from wetread.patients.model import PatientIdentifier
from wetread.priors import service
from wetread.priors.model import PriorLookup, RemoteArchive, RemoteStudy, Retrieve
from wetread.priors.rules import Named, Person
from wetread.priors.service import Access, Step, Unreachable
from wetread.scheduling.model import Appointment
from wetread.scheduling.service import ResourceInput, add_resource
from wetread.security.service import FileMasterKey

ISSUER = "OTHER"


class Network:
    """Stands for an archive: what it names, or that it is away."""

    def __init__(self) -> None:
        self.named: list[Named] = []
        self.away = False
        self.asked: list[Person] = []

    def look(self, access: Access, person: Person) -> tuple[list[Named], bool]:
        self.asked.append(person)
        if self.away:
            raise Unreachable(f"{access.name} does not answer")
        return self.named, False

    def fetch(self, access: Access, archive: Any, study: Named) -> Iterator[Step]:
        raise AssertionError

    def check(self, access: Access) -> None:
        raise AssertionError


@pytest.fixture
def network() -> Network:
    made = Network()
    service.use_network(made, FileMasterKey(b"k" * 32))
    return made


@pytest.fixture
def archive_pk(ward: Ward, network: Network) -> int:
    with ward.made() as work:
        peer = save_remote_ae(
            work, ae_title="OLD", host="127.0.0.1", port=11112, description=None, rights=["verify"]
        )
        given = service.ArchiveInput(
            "Old archive", True, Retrieve.C_GET, peer.remote_ae_pk, None, None, None, ISSUER, 2, 10, 24
        )
        return service.save_archive(work, given).archive.remote_archive_pk


def told(ward: Ward, requested: RequestedProcedure) -> None:
    with ward.made() as work:
        service.order_changed(work, {"keys": {"requested_procedure_pk": requested.requested_procedure_pk}})


def plans(ward: Ward) -> list[PriorLookup]:
    with ward.made() as work:
        return list(work.session.scalars(select(PriorLookup).order_by(PriorLookup.prior_lookup_pk)))


def booked(ward: Ward, requested: RequestedProcedure, starts_at: datetime) -> int:
    with ward.made() as work:
        given = ResourceInput(ward.site_pk, "CT 1", "CT1", "CT1", "CT", time(7), time(19), (0, 1, 2, 3, 4))
        made = Appointment(
            modality_resource_pk=add_resource(work, given).modality_resource_pk,
            requested_procedure_pk=requested.requested_procedure_pk,
            starts_at=starts_at, ends_at=starts_at + timedelta(minutes=15), state="booked", booked_at=NOW, booked_by="test",
        )  # fmt: skip
        work.session.add(made)
        work.session.flush()
        return made.appointment_pk


def test_an_order_has_archives_asked_at_once_and_fetched_before_its_appointment(
    ward: Ward, archive_pk: int
) -> None:
    requested = ward.ordered("CTHEAD")
    told(ward, requested)
    (plan,) = plans(ward)
    assert (plan.state, plan.is_prefetch, plan.not_before) == ("waiting", False, NOW)
    assert (plan.modality, plan.body_part_examined, plan.requested_by) == ("CT", "HEAD", "order")
    appointment_pk = booked(ward, requested, NOW + timedelta(days=10))
    with ward.made() as work:
        service.appointment_changed(work, {"keys": {"appointment_pk": appointment_pk}})
    (plan,) = plans(ward)
    assert (plan.is_prefetch, plan.not_before) == (True, NOW + timedelta(days=9))
    with ward.made() as work:
        times = work.session.execute(
            text("SELECT scheduled_at FROM procrastinate_jobs WHERE task_name = 'priors.look' ORDER BY id")
        ).scalars()
        assert list(times) == [NOW, NOW + timedelta(days=9)]


def test_an_emergency_waits_for_nothing(ward: Ward, archive_pk: int) -> None:
    requested = ward.ordered("CTHEAD", priority="STAT")
    booked(ward, requested, NOW + timedelta(days=10))
    told(ward, requested)
    (plan,) = plans(ward)
    assert (plan.is_prefetch, plan.not_before) == (True, NOW)


def test_a_cancelled_order_asks_nothing_more(ward: Ward, archive_pk: int) -> None:
    requested = ward.ordered("CTHEAD")
    told(ward, requested)
    with ward.made() as work:
        move_requested_procedure(work, requested.requested_procedure_pk, Move.CANCEL, "not needed")
    told(ward, requested)
    assert plans(ward) == []


def test_two_orders_of_one_patient_do_not_displace_each_other(ward: Ward, archive_pk: int) -> None:
    patient_pk = ward.patient()
    for code in ("CTHEAD", "CTCHEST"):
        told(ward, ward.ordered(code, patient_pk=patient_pk))
    assert [plan.body_part_examined for plan in plans(ward)] == ["HEAD", "CHEST"]


def linked(ward: Ward, study_pk: int, requested_procedure_pk: int | None = None) -> None:
    with ward.made() as work:
        service.study_linked(
            work, {"keys": {"study_pk": study_pk, "requested_procedure_pk": requested_procedure_pk}}
        )


def test_images_without_an_order_have_archives_asked(ward: Ward, archive_pk: int) -> None:
    patient_pk = ward.patient()
    linked(ward, ward.study(patient_pk, study_date=NOW.date() - timedelta(days=400)))
    linked(ward, ward.study(None, study_date=NOW.date()))
    assert plans(ward) == []  # history itself; nobody's
    linked(ward, ward.study(patient_pk, study_date=NOW.date()))
    (plan,) = plans(ward)
    assert (plan.patient_pk, plan.is_prefetch, plan.requested_by) == (patient_pk, True, "images")
    assert (plan.modality, plan.body_part_examined) == ("CT", "HEAD")


def test_a_prior_that_was_fetched_asks_for_no_more(ward: Ward, archive_pk: int) -> None:
    patient_pk = ward.patient()
    study_pk = ward.study(patient_pk, study_date=NOW.date(), uid="1.2.3")
    with ward.made() as work:
        work.session.add(
            RemoteStudy(
                remote_archive_pk=archive_pk, patient_pk=patient_pk, study_instance_uid="1.2.3", seen_at=NOW, agreement="agrees",
                reasons=[], fetch_state="fetched", updated_at=NOW,
            )
        )  # fmt: skip
    linked(ward, study_pk)
    assert plans(ward) == []


def named(**fields: Any) -> Named:
    values: dict[str, Any] = {
        "study_instance_uid": "1.2.9", "study_date": date(2024, 1, 5), "study_description": "CT head",
        "accession_number": None, "modalities_in_study": ("CT",), "body_parts_examined": ("HEAD",),
        "sop_classes_in_study": (), "number_of_study_related_instances": 3, "patient_name": "Moss^Ada", "patient_id": "X9",
        "issuer_of_patient_id": None, "patient_birth_date": date(1960, 5, 4), "patient_sex": "F", **fields,
    }  # fmt: skip
    return Named(**values)


def test_only_who_has_an_identifier_there_is_asked_about(
    ward: Ward, archive_pk: int, network: Network
) -> None:
    patient_pk = ward.patient()
    requested = ward.ordered("CTHEAD", patient_pk=patient_pk, priority="STAT")
    told(ward, requested)
    (plan,) = plans(ward)
    network.named = [named()]
    service.look(ward.offices, plan.prior_lookup_pk)
    assert network.asked == []
    with ward.made() as work:
        work.session.add(
            PatientIdentifier(
                patient_pk=patient_pk, patient_id="X9", issuer_of_patient_id=ISSUER, is_primary=False
            )
        )
    told(ward, requested)
    service.look(ward.offices, plan.prior_lookup_pk)
    assert [(one.patient_id, one.issuer_of_patient_id) for one in network.asked] == [("X9", ISSUER)]
    with ward.made() as work:
        (row,) = work.session.scalars(select(RemoteStudy))
        assert (row.agreement, row.fetch_state, row.requested_by) == ("agrees", "waiting", "prefetch")
    # What the archive no longer names is forgotten, what is on its way is not.
    network.named = []
    told(ward, requested)
    service.look(ward.offices, plan.prior_lookup_pk)
    with ward.made() as work:
        assert len(work.session.scalars(select(RemoteStudy)).all()) == 1


def test_who_is_merged_is_asked_about_anew(ward: Ward, archive_pk: int) -> None:
    first, second = ward.patient(), ward.patient("Moss^Adah")
    told(ward, ward.ordered("CTHEAD", patient_pk=second))
    with ward.made() as work:
        service.patient_merged(
            work,
            {"keys": {"surviving_patient_pk": first, "merged_patient_pk": second, "undone": False}},
        )
    assert {plan.patient_pk for plan in plans(ward)} == {first, second}


def test_a_disabled_archive_is_not_asked(ward: Ward, archive_pk: int, network: Network) -> None:
    requested = ward.ordered("CTHEAD")
    told(ward, requested)
    with ward.made() as work:
        work.session.get_one(RemoteArchive, archive_pk).is_enabled = False
    (plan,) = plans(ward)
    service.look(ward.offices, plan.prior_lookup_pk)
    assert network.asked == []
    (plan,) = plans(ward)
    assert (plan.state, plan.last_error) == ("failed", "the archive is not asked any more")


def test_who_may_not_see_the_study_sees_nothing_elsewhere(ward: Ward, archive_pk: int) -> None:
    with ward.made() as work:
        other = ward.add_site(work, "FAR")
    case = ward.case()
    stranger = ward.person("Dr. Far", site_pks=[other])
    with pytest.raises(service.NotFound), ward.offices.work(stranger) as work:
        service.elsewhere(work, case.study_pk)
    with ward.made() as work:
        assert work.session.get_one(Study, case.study_pk).patient_pk == case.patient_pk
    with ward.offices.work(ward.person()) as work:
        assert service.elsewhere(work, case.study_pk).archives == 1
