"""Who bills in the demo hospital, for how much, and where results go. All numbers are invented."""

from __future__ import annotations

from sqlalchemy import select

from wetread.billing import service as billing
from wetread.patients.service import PayerInput, payer_by_identifier
from wetread.security.model import Site
from wetread.security.service import Work
from wetread.sharing import messages_service as queue

# Cents: whole, technical, professional. The ultrasound has no fee yet, so that the biller meets a gap.
_FEES = {
    "70450": (42_000, 31_000, 11_000),
    "71250": (48_500, 36_000, 12_500),
    "70551": (96_000, 77_500, 18_500),
    "71046": (9_400, 6_300, 3_100),
    "73562": (8_800, 6_000, 2_800),
    "77067": (31_500, 23_000, 8_500),
}
_MEDICARE_FEES = {"70450": (11_890, 7_930, 3_960), "71046": (3_420, 2_310, 1_110)}


def set_up_billing(work: Work) -> None:
    """Billing entities, fees, clearing house, and a receiver of results that waits to be switched on."""
    medicare = payer_by_identifier(work, PayerInput("14112", "Medicare Part B", "MB"))
    address = {
        "address_line": "12 Harbor Street",
        "city": "Portland",
        "state": "ME",
        "postal_code": "041011234",
        "phone": "2075550110",
    }
    clinic = billing.save_provider(
        work,
        billing.ProviderInput("River Clinic Imaging", "1999999802", "987654321", "261QR0200X", **address),
    )
    readers = billing.save_provider(
        work,
        billing.ProviderInput("Harbor Radiologists", "1999999810", "123456789", "2085R0202X", **address),
    )
    hospital = billing.save_provider(
        work, billing.ProviderInput("Northside Hospital", "1999999828", "555443333", "282N00000X", **address)
    )
    for site in work.session.scalars(select(Site)):
        technical = clinic if site.bills_global else hospital
        professional = clinic if site.bills_global else readers
        billing.set_site_billing(
            work, site.site_pk, technical.billing_provider_pk, professional.billing_provider_pk
        )
    billing.save_submitter(
        work,
        billing.SubmitterInput(
            "Northside Billing Office",
            "NORTHSIDE",
            "Ada Okafor",
            "2075550110",
            "Harbor Clearing House",
            "HARBORCLEAR",
        ),
    )
    for payer_pk, table in ((None, _FEES), (medicare.payer_pk, _MEDICARE_FEES)):
        for code, amounts in table.items():
            for modifier, amount in zip(("", "TC", "26"), amounts, strict=True):
                billing.set_fee(work, code, modifier, amount, payer_pk)
    queue.save_receiver(
        work,
        queue.ReceiverInput(
            "City hospital system",
            "127.0.0.1",
            2576,
            receiving_application="HIS",
            receiving_facility="NORTH",
            enabled=False,
        ),
    )
