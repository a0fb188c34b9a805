"""Who bills in the demo hospital, for how much, and where results go. All numbers are invented."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, datetime, timedelta

from sqlalchemy import func, select

from wetread.billing import service as billing
from wetread.billing.model import Claim, ClaimState
from wetread.kit.clock import FixedClock
from wetread.patients.service import PayerInput, payer_by_identifier
from wetread.security.model import Site
from wetread.security.service import Actor, AuditEventID, Offices, Work
from wetread.sharing import messages_service as queue

# Cents: whole, technical, professional. The ultrasound has no fee yet, so that the biller meets a gap.
_FEES = {
    "70450": (42_000, 31_000, 11_000),
    "71250": (48_500, 36_000, 12_500),
    "70551": (96_000, 77_500, 18_500),
    "71046": (9_400, 6_300, 3_100),
    "73560": (8_200, 5_600, 2_600),
    "73120": (7_900, 5_400, 2_500),
    "74176": (56_000, 42_000, 14_000),
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


def settle(offices: Offices, now: datetime, *, patience_s: float) -> None:
    """What the biller did before today: old claims are handed in, those of this week stand in a file, new ones wait.

    Charges come by events, so the worker is given some time to catch up.
    """
    _wait_for_charges(offices, patience_s)
    today = now.date()
    if _any_batch(offices):
        return
    # Handed in some days after the service, month by month, as a biller does; the last file is made but not handed in.
    _hand_in(offices, now - timedelta(days=25), lambda day: day < today - timedelta(days=30), send=True)
    _hand_in(offices, now - timedelta(days=4), lambda day: day < today - timedelta(days=4), send=True)
    _hand_in(offices, now - timedelta(hours=2), lambda day: day < today - timedelta(days=2), send=False)


def _wait_for_charges(offices: Offices, patience_s: float) -> None:
    """Until the numbers of claims and of ready ones have stood still for a while."""
    last, still, deadline = (-1, -1), 0, time.monotonic() + patience_s
    while still < 8 and time.monotonic() < deadline:
        with offices.work(Actor.system("demo")) as work:
            ready = func.count().filter(Claim.state == ClaimState.READY)
            every, good = work.session.execute(select(func.count(), ready).select_from(Claim)).one()
            work.audit(AuditEventID.QUERY, "E", object_type="claim")
        still = still + 1 if (every, good) == last and good else 0
        last = (every, good)
        time.sleep(0.7)


def _any_batch(offices: Offices) -> bool:
    with offices.work(Actor.system("demo")) as work:
        return bool(billing.batches(work, limit=1))


def _hand_in(offices: Offices, at: datetime, concerns: Callable[[date], bool], *, send: bool) -> None:
    history = Offices(offices.database, FixedClock(at))
    with history.work(Actor.system("demo")) as work:
        ready = [
            claim.claim_pk
            for claim in work.session.scalars(select(Claim).where(Claim.state == ClaimState.READY))
            if concerns(claim.service_date)
        ]
        work.audit(AuditEventID.QUERY, "E", object_type="claim")
        if not ready:
            return
        made = billing.make_batch(work, ready)
        if made.batch is None:
            return
        batch_pk = made.batch.claim_batch_pk
    if send:
        with Offices(offices.database, FixedClock(at + timedelta(minutes=20))).work(
            Actor.system("demo")
        ) as work:
            billing.mark_sent(work, batch_pk)
