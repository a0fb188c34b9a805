"""A small hospital with two sites in two time zones, and a hand to place orders in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, time

import pytest

from case_fixtures import committed_ward
from wetread.orders import service as orders
from wetread.orders.model import RequestedProcedure
from wetread.patients.service import IdentifierInput, PatientInput, register_patient
from wetread.scheduling import service
from wetread.security.model import Site
from wetread.security.service import Work

__all__ = ["committed_ward"]

ISSUER = "CITY"


@dataclass
class Hospital:
    """Keys of what is there."""

    work: Work
    east: int
    west: int
    ct1: int
    ct2: int
    ct_west: int
    mr: int
    number: int = 0

    def patient(self, name: str = "Doe^Jane", **fields: object) -> int:
        """A fresh patient `P<n>` of the issuer CITY, born 1980-03-04, female."""
        self.number += 1
        values = {"patient_birth_date": date(1980, 3, 4), "patient_sex": "F", **fields}
        given = PatientInput(name, identifiers=[IdentifierInput(f"P{self.number}", ISSUER)], **values)
        return register_patient(self.work, given).patient_pk

    def order(
        self, patient_pk: int | None = None, *codes: str, site_pk: int | None = None, **fields: object
    ) -> list[RequestedProcedure]:
        """An order of these procedures (a CT head unless named)."""
        request = orders.place_order(
            self.work,
            orders.OrderInput(
                patient_pk or self.patient(),
                site_pk or self.east,
                [orders.ProcedureChoice(code_value=code) for code in codes or ("CTHEAD",)],
                **fields,
            ),
        )
        return orders.procedures_of(self.work, request.imaging_service_request_pk)


def furnish(work: Work) -> Hospital:
    """The sites, scanners and the catalogue."""
    sites = [
        Site(code="EAST", institution_name="Eastgate", time_zone="America/New_York"),
        Site(code="WEST", institution_name="Westgate", time_zone="America/Los_Angeles"),
    ]
    work.session.add_all(sites)
    work.session.flush()
    east, west = (site.site_pk for site in sites)
    for code, modality, minutes in (("CTHEAD", "CT", 15), ("CTCHEST", "CT", 30), ("MRHEAD", "MR", 45)):
        orders.add_procedure(
            work, orders.ProcedureInput(code, f"{modality} {code[2:].lower()}", modality, minutes)
        )

    def scanner(site_pk: int, title: str, modality: str) -> int:
        given = service.ResourceInput(
            site_pk, title.replace("_", " "), title, title, modality, time(7), time(19), (0, 1, 2, 3, 4)
        )
        return service.add_resource(work, given).modality_resource_pk

    return Hospital(
        work, east, west, scanner(east, "EAST_CT1", "CT"), scanner(east, "EAST_CT2", "CT"),
        scanner(west, "WEST_CT1", "CT"), scanner(east, "EAST_MR1", "MR"),
    )  # fmt: skip


@pytest.fixture
def hospital(work: Work) -> Hospital:
    """The hospital on the rolled-back transaction."""
    return furnish(work)


@pytest.fixture
def furnished() -> Callable[[Work], Hospital]:
    """See furnish; for tests that really commit."""
    return furnish
