"""Cases that wait to be read: patients, orders and images on a real database, and the people who read them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from itertools import count

import pytest

from common import NOW
from wetread.archive.model import Instance, Series, Study
from wetread.dicom.uid import new_uid
from wetread.kit.clock import FixedClock
from wetread.kit.db import Database
from wetread.orders.model import RequestedProcedure
from wetread.orders.service import (
    Move,
    OrderInput,
    ProcedureChoice,
    ProcedureInput,
    add_procedure,
    move_requested_procedure,
    place_order,
    procedure_by_code,
    procedures_of,
)
from wetread.patients.service import PatientInput, register_patient
from wetread.scheduling.model import StudyLink
from wetread.security.identity import actor_of
from wetread.security.model import Practitioner, Site, User
from wetread.security.service import (
    Actor,
    FileMasterKey,
    Identity,
    Offices,
    Role,
    Work,
    create_user,
    use_identity,
)

PASSWORD = "correct horse battery staple"
CATALOGUE = (
    ProcedureInput("CTHEAD", "CT head", "CT", body_part_examined="HEAD"),
    ProcedureInput("CTCHEST", "CT chest", "CT", body_part_examined="CHEST"),
    ProcedureInput("XRKNEE", "Radiograph knee", "DX", body_part_examined="KNEE", laterality_required=True),
)


@dataclass(frozen=True, slots=True)
class Case:
    """A Requested Procedure with its images."""

    requested_procedure_pk: int
    study_pk: int
    patient_pk: int


class Ward:
    """Makes cases and people; every call is a transaction of its own."""

    def __init__(self, offices: Offices, identity: Identity) -> None:
        self.offices, self.identity = offices, identity
        self._numbers = count(1)
        with self.made() as work:
            self.site_pk = self.add_site(work, "RIV")
            for one in CATALOGUE:
                add_procedure(work, one)

    @contextmanager
    def made(self) -> Iterator[Work]:
        with self.offices.work(Actor.system("test")) as work:
            yield work
            work.audited += 1

    def add_site(self, work: Work, code: str) -> int:
        site = Site(
            code=code, institution_name=f"{code} Hospital", time_zone="America/New_York", phone="555-0100"
        )
        work.session.add(site)
        work.session.flush()
        return site.site_pk

    def patient(self, name: str = "Moss^Ada", sex: str = "F") -> int:
        with self.made() as work:
            given = PatientInput(name, patient_birth_date=date(1960, 5, 4), patient_sex=sex)
            return register_patient(work, given).patient_pk

    def ordered(
        self, code: str = "CTHEAD", *, patient_pk: int | None = None, priority: str = "ROUTINE", side: str | None = None,
        site_pk: int | None = None,
    ) -> RequestedProcedure:  # fmt: skip
        """A Requested Procedure without images."""
        patient_pk = patient_pk or self.patient()
        with self.made() as work:
            order = place_order(
                work,
                OrderInput(
                    patient_pk,
                    site_pk or self.site_pk,
                    [ProcedureChoice(code_value=code, laterality=side)],
                    requested_procedure_priority=priority,
                    reason_for_the_requested_procedure="Sudden headache",
                    diagnosis_codes=["R51.9"],
                    referring_physician_name="Berg^Tom^^Dr.",
                ),
            )
            return procedures_of(work, order.imaging_service_request_pk)[0]

    def study(
        self, patient_pk: int | None, *, modality: str = "CT", part: str | None = "HEAD", at: datetime = NOW,
        study_date: date | None = None, uid: str | None = None,
    ) -> int:  # fmt: skip
        """Images of a patient: one series of one image of three frames."""
        with self.made() as work:
            study = Study(
                study_instance_uid=uid or new_uid(), patient_pk=patient_pk, patient_name="As^Sent", study_date=study_date,
                modalities_in_study=["SR", modality], received_attributes={}, created_at=at, updated_at=at,
                number_of_study_related_series=1, number_of_study_related_instances=1,
            )  # fmt: skip
            work.session.add(study)
            work.session.flush()
            series = Series(
                study_pk=study.study_pk,
                series_instance_uid=new_uid(),
                modality=modality,
                body_part_examined=part,
            )
            work.session.add(series)
            work.session.flush()
            work.session.add(
                Instance(
                    study_pk=study.study_pk, series_pk=series.series_pk, sop_instance_uid=new_uid(),
                    sop_class_uid="1.2.840.10008.5.1.4.1.1.2", number_of_frames=3,
                )
            )  # fmt: skip
            return study.study_pk

    def image(self, study_pk: int) -> tuple[str, str]:
        """(Series Instance UID, SOP Instance UID) of a study's image."""
        with self.made() as work:
            series = work.session.query(Series).filter_by(study_pk=study_pk).one()
            instance = work.session.query(Instance).filter_by(study_pk=study_pk).one()
            return series.series_instance_uid, instance.sop_instance_uid

    def link(self, study_pk: int, requested_procedure_pk: int | None) -> None:
        with self.made() as work:
            work.session.add(
                StudyLink(
                    study_pk=study_pk, requested_procedure_pk=requested_procedure_pk, state="matched", linked_at=NOW,
                    linked_by="test",
                )
            )  # fmt: skip

    def case(
        self, code: str = "CTHEAD", *, name: str = "Moss^Ada", sex: str = "F", priority: str = "ROUTINE",
        at: datetime = NOW, side: str | None = None, site_pk: int | None = None,
    ) -> Case:  # fmt: skip
        """A Requested Procedure with its images."""
        patient_pk = self.patient(name, sex)
        requested = self.ordered(code, patient_pk=patient_pk, priority=priority, side=side, site_pk=site_pk)
        with self.made() as work:
            procedure = procedure_by_code(work, code)
            assert procedure is not None
            modality, part = procedure.modality, procedure.body_part_examined
            move_requested_procedure(work, requested.requested_procedure_pk, Move.START)
        study_pk = self.study(
            patient_pk, modality=modality, part=part, at=at, uid=requested.study_instance_uid
        )
        self.link(study_pk, requested.requested_procedure_pk)
        return Case(requested.requested_procedure_pk, study_pk, patient_pk)

    def person(self, name: str = "Dr. Ines Moreau", *roles: Role, **fields: object) -> Actor:
        """A signed-in person; a radiologist unless told otherwise."""
        with self.made() as work:
            practitioner = Practitioner(person_name="Moreau^Ines^^Dr.")
            work.session.add(practitioner)
            work.session.flush()
            user = create_user(
                work, username=f"person{next(self._numbers)}", display_name=name, roles=list(roles) or [Role.RADIOLOGIST],
                password=PASSWORD, practitioner_pk=practitioner.practitioner_pk, **{"mfa_required": False, **fields},
            )  # fmt: skip
            return actor_of(work.session.get_one(User, user.user_pk), kind="user", address=None)


@pytest.fixture
def ward(offices: Offices, identity: Identity) -> Ward:
    """A ward whose doings are rolled back."""
    return Ward(offices, identity)


@pytest.fixture
def committed_ward(clean_database: Database, clock: FixedClock) -> Ward:
    """A ward that really commits, for what several connections do to one another."""
    offices = Offices(clean_database, clock)
    identity = Identity(offices, FileMasterKey(b"k" * 32))
    use_identity(identity)
    return Ward(offices, identity)
