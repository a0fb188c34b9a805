"""The unit of work: one transaction, bound to an actor, that cannot end without its audit record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import event, insert
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction
from sqlalchemy.sql import ClauseElement, visitors
from sqlalchemy.sql.schema import Table

from wetread.kit.clock import Clock, SystemClock
from wetread.kit.db import Database
from wetread.kit.errors import Denied
from wetread.kit.events import Event, publish, publish_all
from wetread.kit.failpoints import failpoint
from wetread.security.model import AuditRecord
from wetread.security.rules import AUDIT_ACTIONS, AuditEventID, Permission, Role, permissions_of


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person at a browser, a program with a token, a DICOM peer, a live session's guest, or the system itself."""

    user_pk: int | None
    username: str
    display_name: str
    roles: frozenset[Role]
    permissions: frozenset[Permission]
    kind: Literal["user", "token", "ae", "guest", "system"]
    practitioner_pk: int | None = None
    site_pks: frozenset[int] | None = None  # None: every site
    network_address: str | None = None
    session_pk: int | None = None
    participant_pk: int | None = None  # of a guest, in the live session that they were let into

    @classmethod
    def system(cls, name: str) -> Actor:
        """A part of the system acting by itself, e.g. `system("hl7")`."""
        return cls(None, name, name, frozenset(), frozenset(Permission), "system")

    @classmethod
    def application_entity(
        cls, ae_title: str, network_address: str, permissions: frozenset[Permission]
    ) -> Actor:
        """A DICOM peer with what it was granted."""
        return cls(None, ae_title, ae_title, frozenset(), permissions, "ae", network_address=network_address)

    def may(self, permission: Permission) -> bool:
        """Whether the actor holds the permission."""
        return permission in self.permissions


class AuditMissing(RuntimeError):
    """A transaction wrote something, or read patient data, and did not say so. A fault of ours: nothing is committed."""


AUDIT_ENTRY_COLUMNS = tuple(
    column.name
    for column in AuditRecord.__table__.columns
    if column.name not in ("audit_record_pk", "seal_number", "seal_hash")
)
"""The columns of audit_record that an entry fills; the rest is the chain's."""


def audit_entry(
    actor: Actor,
    at: datetime,
    event_id: AuditEventID,
    action: str,
    *,
    patient_pk: int | None = None,
    study_instance_uid: str | None = None,
    object_type: str | None = None,
    object_id: str | int | None = None,
    detail: dict[str, str] | None = None,
    outcome: int = 0,
) -> dict[str, Any]:
    """The row of audit_record for an event, by column, for those who write below units of work; others call `Work.audit`."""
    if action not in AUDIT_ACTIONS:
        raise ValueError(f"audit action {action!r}")
    return {
        "event_date_time": at,
        "event_id": event_id.value,
        "event_action_code": action,
        "event_outcome_indicator": outcome,
        "actor_kind": actor.kind,
        "user_pk": actor.user_pk,
        "user_id": actor.username[:64],
        "network_access_point_id": actor.network_address,
        "patient_pk": patient_pk,
        "study_instance_uid": study_instance_uid,
        "object_type": object_type,
        "object_id": None if object_id is None else str(object_id)[:128],
        "detail": detail,
    }


# Written once per use case: below the ORM, with a statement that is compiled once.
_INSERT_AUDIT = insert(AuditRecord.__table__).inline()  # type: ignore[arg-type]
_UNAUDITED_TABLES = frozenset({"outbox_event", "audit_record", "user_session", "api_token"})


@dataclass(slots=True)
class _Touched:
    wrote: set[str] = field(default_factory=set)
    read_phi: set[str] = field(default_factory=set)


class Work:
    """One transaction of one actor.

    Services take it first, call `require` for what they do, `audit` once per use case, and never commit. At the
    end, a transaction that wrote, or read tables marked as patient data, without an audit record is refused.
    """

    def __init__(self, session: Session, actor: Actor, clock: Clock) -> None:
        self.session = session
        self.actor = actor
        self.clock = clock
        self._touched: _Touched = session.info.setdefault("touched", _Touched())
        self.audited = 0

    def now(self) -> datetime:
        """The time by the house's clock, aware UTC."""
        return self.clock.now()

    def require(self, *permissions: Permission) -> None:
        """Raises Denied unless the actor holds one of the permissions."""
        if not any(permission in self.actor.permissions for permission in permissions):
            raise Denied(f"This needs the permission {' or '.join(permissions)}.")

    def publish(self, fact: Event) -> None:
        """Tells the rest of the house, once this transaction commits."""
        publish(self.session, fact)

    def publish_all(self, facts: Sequence[Event]) -> None:
        """The same for several, together."""
        publish_all(self.session, facts)

    def audit_studies(
        self, event_id: AuditEventID, action: str, studies: Mapping[int, str], *, object_type: str
    ) -> None:
        """A record for each study (key → Study Instance UID), written together."""
        entries = [
            audit_entry(
                self.actor,
                self.now(),
                event_id,
                action,
                study_instance_uid=study_instance_uid,
                object_type=object_type,
                object_id=key,
            )
            for key, study_instance_uid in studies.items()
        ]
        if entries:
            self.session.connection().execute(_INSERT_AUDIT, entries)
            self.audited += len(entries)

    def audit(
        self,
        event_id: AuditEventID,
        action: str,
        *,
        patient_pk: int | None = None,
        study_instance_uid: str | None = None,
        object_type: str | None = None,
        object_id: str | int | None = None,
        detail: dict[str, str] | None = None,
        outcome: int = 0,
    ) -> None:
        """Records an event of PS3.15 A.5.3 in this transaction. `action` is one of C R U D E; `outcome` 0, 4, 8 or 12."""
        entry = audit_entry(
            self.actor,
            self.now(),
            event_id,
            action,
            patient_pk=patient_pk,
            study_instance_uid=study_instance_uid,
            object_type=object_type,
            object_id=object_id,
            detail=detail,
            outcome=outcome,
        )
        self.session.connection().execute(_INSERT_AUDIT, entry)
        self.audited += 1

    def check_audited(self) -> None:
        """Raises AuditMissing where something happened that was not recorded."""
        self.session.flush()
        touched = self._touched
        if not self.audited and (touched.wrote or touched.read_phi):
            raise AuditMissing(
                f"no audit record for writes to {sorted(touched.wrote)}, reads of {sorted(touched.read_phi)}"
            )


class Offices:
    """Makes units of work on one database; handed to edges and workers by the composition root."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self.database = database
        self.clock: Clock = clock or SystemClock()

    @contextmanager
    def work(self, actor: Actor) -> Iterator[Work]:
        """One transaction of `actor`: commits at the end of the block, rolls back on an exception."""
        with self.database.transaction() as session:
            work = Work(session, actor, self.clock)
            yield work
            work.check_audited()
            failpoint("work.before_commit")
        failpoint("work.after_commit")


def effective_permissions(roles: frozenset[Role], scopes: list[str]) -> frozenset[Permission]:
    """The permissions of the roles, cut to the scopes of a token where it has any."""
    permissions = permissions_of(roles)
    return permissions & frozenset(map(Permission, scopes)) if scopes else permissions


def _is_phi(table: Any) -> bool:
    return bool(table.info.get("phi"))


@event.listens_for(Session, "do_orm_execute")
def _note_statement(state: ORMExecuteState) -> None:
    touched = state.session.info.get("touched")
    if touched is None:
        return
    statement = state.statement
    if state.is_select:
        for element in visitors.iterate(cast(ClauseElement, statement)):
            if isinstance(element, Table) and _is_phi(element):
                touched.read_phi.add(element.name)
    else:
        table = getattr(statement, "table", None)
        if table is not None and table.name not in _UNAUDITED_TABLES:
            touched.wrote.add(table.name)


@event.listens_for(Session, "after_flush")
def _note_flush(session: Session, _context: UOWTransaction) -> None:
    touched = session.info.get("touched")
    if touched is None:
        return
    for thing in (
        *session.new,
        *session.deleted,
        *(one for one in session.dirty if session.is_modified(one)),
    ):
        name = thing.__table__.name
        if name not in _UNAUDITED_TABLES:
            touched.wrote.add(name)


@event.listens_for(Session, "loaded_as_persistent")
def _note_load(session: Session, thing: Any) -> None:
    touched = session.info.get("touched")
    if touched is not None and _is_phi(thing.__table__):
        touched.read_phi.add(thing.__table__.name)
