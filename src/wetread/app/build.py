"""What every process makes first from its settings: database, units of work, identities."""

from __future__ import annotations

from dataclasses import dataclass

from wetread.kit.clock import Clock
from wetread.kit.config import Settings
from wetread.kit.db import Database
from wetread.security.service import FileMasterKey, Identity, MasterKey, Offices, Security, use_identity


@dataclass(frozen=True, slots=True)
class House:
    """The collaborators of one process."""

    settings: Settings
    database: Database
    offices: Offices
    master_key: MasterKey
    identity: Identity

    @property
    def security(self) -> Security:
        """What the HTTP doors need."""
        return Security(self.offices, self.identity, self.settings.secure_cookies)

    def close(self) -> None:
        """Closes the database connections."""
        self.database.close()


def build_house(settings: Settings, *, part: str, clock: Clock | None = None) -> House:
    """Opens the database named in the settings (which the supervisor fills in for the embedded one) and the keys."""
    if settings.database_url is None:
        raise RuntimeError("the database's address is not known; start with `wetread serve`")
    database = Database(settings.database_url, application_name=f"wetread-{part}")
    offices = Offices(database, clock)
    master_key = FileMasterKey.open(settings.master_key_path)
    identity = Identity(
        offices,
        master_key,
        idle_s=settings.session_idle_minutes * 60,
        mfa_required=settings.mfa_required,
    )
    use_identity(identity)
    return House(settings, database, offices, master_key, identity)
