"""Objects that come again after they were removed here: kept for a person, refused or taken in, as the hospital decided.

Whether an object was removed is found by the functions that file it, in the same statement, so that the usual object
pays nothing for it and no removal can be missed.
"""

from __future__ import annotations

from wetread.archive.head import Head, HeadReader
from wetread.archive.hiding import policy_of, revive
from wetread.archive.ingest import Incoming, Intake, StoreResult, Transfer, _StudyTally
from wetread.archive.model import QuarantineReason
from wetread.archive.rules import Filing, InstanceRow, NotFilable, Status
from wetread.archive.vault import SealedWriter
from wetread.kit.errors import Denied
from wetread.security.service import Actor, AuditEventID, Permission

_DETAIL = "this object was removed here before"


class Removed(Exception):
    """The object was removed here; it is kept for a person, or refused."""

    def __init__(self, *, refused: bool) -> None:
        super().__init__(_DETAIL)
        self.refused = refused


class Admission(Intake):
    """The way in, with the policy about what was removed."""

    def transfer(
        self, actor: Actor, *, received_from: str, network_address: str | None = None
    ) -> AdmittedTransfer:
        """See Intake."""
        if not actor.may(Permission.STUDY_STORE):
            raise Denied(f"This needs the permission {Permission.STUDY_STORE}.")
        return AdmittedTransfer(self, actor, received_from[:64], network_address)


class AdmittedTransfer(Transfer):
    """See Transfer."""

    def object(self, *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> Incoming:
        """See Transfer."""
        return AdmittedIncoming(
            self, self._intake, HeadReader.of_dataset(sop_class_uid, sop_instance_uid, transfer_syntax_uid)
        )

    def file(
        self, *, keep_unfilable: bool = True, other_patient: bool = False, returning: bool = False
    ) -> Incoming:
        """See Transfer. `returning`: a person lets it in though it was removed."""
        incoming = AdmittedIncoming(
            self,
            self._intake,
            HeadReader.of_file(),
            keep_unfilable=keep_unfilable,
            other_patient=other_patient,
        )
        self._returning = returning
        return incoming

    _returning = False

    def file_instance(
        self, filing: Filing, head: Head, row: InstanceRow, writer: SealedWriter, *, other_patient: bool
    ) -> str:
        """See Transfer. Raises Removed."""
        outcome = super().file_instance(filing, head, row, writer, other_patient=other_patient)
        if outcome != "removed":
            return outcome
        with self._intake.offices.work(self._actor) as work:
            policy = "accept" if self._returning else policy_of(work.session).on_return
            if policy == "accept":
                revive(
                    work.session,
                    filing.study_instance_uid,
                    filing.series_instance_uid,
                    filing.sop_instance_uid,
                )
            work.audit(
                AuditEventID.INSTANCES_TRANSFERRED,
                "C",
                study_instance_uid=filing.study_instance_uid,
                object_type="removed object",
                detail={"from": self.received_from, "policy": policy},
                outcome=0 if policy == "accept" else 4,
            )
        if policy != "accept":
            raise Removed(refused=policy == "refuse")
        first = filing.study_instance_uid not in self._studies
        outcome, study_pk, _ = self._file_first(
            filing, head, row, writer, first=first, other_patient=other_patient
        )
        if outcome in ("stored", "duplicate"):
            self._studies.setdefault(filing.study_instance_uid, _StudyTally(study_pk)).instances += 1
        return outcome


class AdmittedIncoming(Incoming):
    """See Incoming."""

    def commit(self, *, only_study: str | None = None) -> StoreResult:
        """See Incoming."""
        result = super().commit(only_study=only_study)
        if result.outcome == "refused" and (
            "ForeignKeyViolation" in result.detail or "IntegrityError" in result.detail
        ):
            # Its study's key was destroyed with what was purged: sent again, it is sealed with a new one.
            self._intake.vault.forget_keys()
        return result

    def _commit(self, only_study: str | None) -> StoreResult:
        try:
            return super()._commit(only_study)
        except Removed as removed:
            if removed.refused:
                self.abort()
                return self._result(Status.NOT_AUTHORIZED, "refused", _DETAIL)
            return self._quarantine(
                NotFilable(QuarantineReason.REMOVED, f"{_DETAIL}; it waits for a decision", Status.COERCED)
            )
