"""First accounts: the one-time link of a plain installation, and one account a role for the demo hospital."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from sqlalchemy import func, select

from wetread.app.build import House
from wetread.security.model import Practitioner, User
from wetread.security.service import Actor, AuditEventID, Role, Work, create_token, create_user

_DEMO: tuple[tuple[Role, str, str | None, str | None], ...] = (
    # role, display name, practitioner's PN, NPI (fictional, with a valid check digit)
    (Role.RADIOLOGIST, "Dr. Ines Moreau", "Moreau^Ines^^Dr.", "1999999984"),
    (Role.TECHNOLOGIST, "Jun Tanaka", None, None),
    (Role.FRONT_DESK, "Farah Haddad", None, None),
    (Role.REFERRER, "Dr. Tom Berg", "Berg^Tom^^Dr.", "1999999992"),
    (Role.BILLER, "Ada Okafor", None, None),
    (Role.MANAGER, "Eero Lindqvist", None, None),
    (Role.ADMIN, "Hana Novak", None, None),
)
_WORDS = [
    "amber",
    "anchor",
    "birch",
    "canyon",
    "cedar",
    "cobalt",
    "copper",
    "coral",
    "delta",
    "ember",
    "falcon",
    "fjord",
    "garnet",
    "glacier",
    "harbor",
    "hazel",
    "heron",
    "indigo",
    "island",
    "jasper",
    "juniper",
    "kestrel",
    "lagoon",
    "lantern",
    "linden",
    "maple",
    "meadow",
    "mistral",
    "north",
    "oak",
    "opal",
    "orchard",
    "osprey",
    "pebble",
    "pine",
    "prairie",
    "quartz",
    "raven",
    "reef",
    "river",
    "saffron",
    "sierra",
    "silver",
    "slate",
    "sparrow",
    "spruce",
    "summit",
    "tamarack",
    "thistle",
    "timber",
    "tundra",
    "valley",
    "violet",
    "walnut",
    "willow",
    "winter",
    "zephyr",
]


def first_administrator_link(house: House) -> str | None:
    """A one-time link while nobody can sign in yet; None once somebody can."""
    with house.offices.work(Actor.system("setup")) as work:
        if work.session.scalar(select(func.count()).where(User.password_hash.is_not(None))):
            return None
        user = work.session.scalar(select(User).where(User.username == "admin"))
        if user is None:
            user = create_user(work, username="admin", display_name="Administrator", roles=[Role.ADMIN])
        secret = house.identity.invite(work, user.user_pk)
    # Behind the hash sign, so that the secret is in no server's log.
    return f"{house.settings.base_url}/welcome#{secret}"


def ensure_demo_accounts(house: House) -> Path:
    """One account a role with a random password and a token, written to `<data>/demo-credentials.json` (0600)."""
    path = house.settings.data / "demo-credentials.json"
    if path.exists():
        return path
    accounts: list[dict[str, str]] = []
    with house.offices.work(Actor.system("demo")) as work:
        for role, display_name, person_name, npi in _DEMO:
            password = "-".join(secrets.choice(_WORDS) for _ in range(5))
            user = create_user(
                work,
                username=f"{role.value}.{secrets.token_hex(2)}",
                display_name=display_name,
                roles=[role],
                practitioner_pk=_practitioner(work, person_name, npi) if person_name else None,
                password=password,
                mfa_required=False,
            )
            _, token = create_token(work, user.user_pk, "demo", [], days=None)
            accounts.append(
                {"role": role.value, "username": user.username, "password": password, "token": token}
            )
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        json.dump(accounts, file, indent=1)
    return path


def _practitioner(work: Work, person_name: str, npi: str | None) -> int:
    row = work.session.scalar(select(Practitioner).where(Practitioner.npi == npi))
    if row is None:
        row = Practitioner(person_name=person_name, npi=npi)
        work.session.add(row)
        work.session.flush()
        work.audit(
            AuditEventID.SECURITY_ALERT, "C", object_type="practitioner", object_id=row.practitioner_pk
        )
    return row.practitioner_pk
