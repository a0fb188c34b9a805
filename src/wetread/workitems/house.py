"""The house's own steps as Workitems.

The step is what counts: its Workitem says what its room says of it, and follows it by events. Who moves the Workitem moves
the step in the same transaction, by the step's own rules, and where these refuse, the Workitem does not move either.

The order of locks: who subscribes, the Workitem, then the rows of the step. Rooms that move a step lock no Workitem.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydicom.datadict import keyword_for_tag

from wetread.dicom.uid import new_uid
from wetread.kit.errors import Conflict, IllegalTransition, Invalid, NotFound
from wetread.security.service import AuditEventID, Work
from wetread.workitems import changes, rules, store
from wetread.workitems.model import State, StepKind, Workitem
from wetread.workitems.rules import Answer, JsonDict, WorkitemRefused, element


@dataclass(frozen=True, slots=True)
class Described:
    """A step as its room says that it stands. `attributes` are those of table CC.2.5-3 that a requester gives; `performer`
    is who performs it, where another one's work is another Workitem; `performed` is what Performed Procedure Sequence says
    of one that is COMPLETED, `canceled` why one is not done, or not by whom it was."""

    site_pk: int
    state: State
    attributes: JsonDict
    performer: str | None = None
    performed: JsonDict = field(default_factory=dict)
    canceled: JsonDict = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Instances:
    """Items of the Referenced Instances and Access Macro (PS3.3 table 10-3b): what a step works on, and what it made."""

    used: Sequence[JsonDict] = ()
    made: Sequence[JsonDict] = ()


class Keeper(Protocol):
    """The room of a kind of steps. What it refuses it raises as WorkitemRefused, or as an error of the house's own."""

    def describe(self, work: Work, step_pk: int) -> Described | None:
        """The step as it stands; None where there is none (any more)."""

    def instances(self, work: Work, step_pk: int) -> Instances:
        """The images of the step, where they hang now."""

    def begin(self, work: Work, step_pk: int) -> None:
        """The actor takes it up."""

    def go_on(self, work: Work, step_pk: int) -> None:
        """The actor is still at it."""

    def complete(self, work: Work, step_pk: int) -> None:
        """The actor has done it."""

    def discontinue(self, work: Work, step_pk: int, code: str, words: str) -> None:
        """The actor breaks it off. `code` is of CID 9300."""

    def cancel(self, work: Work, step_pk: int, words: str) -> None:
        """Somebody asks that it is not done; nobody has begun."""

    def ask(self, work: Work, workitem_pk: int, step_pk: int) -> bool:
        """Somebody asks that it is broken off: whether a person who does it was told."""


_keepers: dict[StepKind, Keeper] = {}


def use_keeper(kind: StepKind, keeper: Keeper) -> None:
    """Names the room of a kind of steps (called once by the composition root)."""
    _keepers[kind] = keeper


def keeper_of(workitem: Workitem) -> tuple[Keeper, int] | None:
    """The room of its step, and the step's key; None of a Workitem that is not of the house."""
    if workitem.step_kind is None or workitem.step_pk is None:
        return None
    return _keepers[StepKind(workitem.step_kind)], workitem.step_pk


@contextmanager
def by_its_rules(otherwise: Answer) -> Iterator[None]:
    """What the step's own rules refuse is refused with this status."""
    try:
        yield
    except (IllegalTransition, Conflict, Invalid, NotFound) as refused:
        raise WorkitemRefused(otherwise, refused.detail[:64]) from None


# What clients may change of it

_CLIENTS = frozenset({rules.PROGRESS, rules.PERFORMED_SEQUENCE, rules.MODIFIED_AT})
WHO = tuple(
    rules.tag_of(keyword)
    for keyword in (
        "PatientName", "PatientID", "IssuerOfPatientID", "OtherPatientIDsSequence", "PatientBirthDate", "PatientSex",
    )
)  # fmt: skip


def updatable(work: Work, workitem: Workitem, sent: JsonDict) -> JsonDict:
    """What a client may change of what it sent: what is scheduled is changed where it was scheduled, a client adds progress
    and what was performed. To say again what was told is no change. Raises WorkitemRefused 0106."""
    if workitem.step_kind is None:
        return sent
    kept = dict(sent)
    for tag, entry in sent.items():
        present = workitem.attributes.get(tag)
        if present is None or tag in _CLIENTS or (tag in rules.BY_TAG and rules.BY_TAG[tag].update == "-"):
            continue
        said = entry.get("Value")
        if present.get("Value") == said:
            continue
        if tag == rules.INPUT and with_instances(work, workitem)[tag].get("Value") == said:
            del kept[tag]  # they are looked up whenever it is read
            continue
        keyword = keyword_for_tag(int(tag, 16)) or tag
        raise WorkitemRefused(
            Answer.INVALID_ATTRIBUTE_VALUE, f"{keyword} is kept by its order"[:64], [int(tag, 16)]
        )
    return kept


# Following the step


def keep(work: Work, kind: StepKind, step_pk: int) -> None:
    """Makes the Workitem of a step say what the step says. Idempotent."""
    store.hold_subscriptions(work.session, alone=False)
    store.hold_step(work.session, kind, step_pk)
    known = store.of_step(work.session, kind, step_pk)
    described = _keepers[kind].describe(work, step_pk)
    work.audit(
        AuditEventID.PROCEDURE_RECORD,
        "U",
        object_type="workitem",
        object_id=known[-1].workitem_pk if known else None,
        detail={"step": kind.value, "step_pk": str(step_pk)},
    )
    if described is None:
        return
    for one in known:
        _tell_who(work, one, described.attributes)
    current = known[-1] if known else None
    if current is None or current.state.is_final:
        begins_anew = not described.state.is_final or (
            current is not None and current.state is State.CANCELED and described.state is State.COMPLETED
        )
        if not begins_anew:
            return
        current = _made(work, kind, step_pk, described, replaced=current)
    elif current.state is State.IN_PROGRESS and (
        described.state is State.SCHEDULED
        or (described.state is State.IN_PROGRESS and _is_another(described, current))
    ):
        _end(work, current, State.CANCELED, described)
        current = _made(work, kind, step_pk, described, replaced=current)
    _follow(work, current, described)


def _is_another(described: Described, current: Workitem) -> bool:
    return described.performer is not None and described.performer[:64] != current.performed_by


def _tell_who(work: Work, workitem: Workitem, attributes: JsonDict) -> None:
    """Whose it is, of a Workitem that ended too: after a merge nobody may find it under who is no more."""
    if not workitem.state.is_final:
        return  # it follows as a whole
    who = {tag: attributes[tag] for tag in WHO if tag in attributes}
    if any(workitem.attributes.get(tag) != entry for tag, entry in who.items()):
        changes.put(work, workitem, dict(sorted({**workitem.attributes, **who}.items())))
        changes.changed(work, workitem)


def _made(
    work: Work, kind: StepKind, step_pk: int, described: Described, *, replaced: Workitem | None
) -> Workitem:
    """A new one; one that cannot be SCHEDULED again is replaced by it (PS3.3 C.30.1, Replaced Procedure Step Sequence)."""
    uid = new_uid()
    sent = described.attributes | element("ProcedureStepState", State.SCHEDULED.value)
    if replaced is not None:
        sent |= element(
            "ReplacedProcedureStepSequence",
            element("ReferencedSOPClassUID", rules.UPS_CLASS)
            | element("ReferencedSOPInstanceUID", replaced.sop_instance_uid),
        )
    made = rules.create(uid, sent, at=changes.present(work))
    workitem = Workitem(
        sop_instance_uid=uid,
        attributes=made.attributes | element("ProcedureStepState", State.SCHEDULED.value),
        requested_by=changes.TITLE[0],
        step_kind=kind.value,
        step_pk=step_pk,
        site_pk=described.site_pk,
    )
    changes.add(work, workitem)
    if replaced is not None:
        changes.watched_as(work, workitem, replaced)
    return workitem


def _follow(work: Work, workitem: Workitem, described: Described) -> None:
    before = workitem.attributes
    after = {**before, **described.attributes}
    if after != before:
        after |= element("ScheduledProcedureStepModificationDateTime", changes.present(work))
        workitem.site_pk = described.site_pk
        changes.put(work, workitem, dict(sorted(after.items())))
        for event_type, information in rules.events_of_update(before, workitem.attributes, workitem.state):
            changes.tell(work, workitem, event_type, information)
        changes.changed(work, workitem)
    if described.state is workitem.state:
        return
    if workitem.state is State.SCHEDULED:
        # This system's own Transaction UID: it tells nobody, so that nobody else can end what a person here does.
        workitem.transaction_uid = new_uid()
        workitem.performed_by = (described.performer or changes.TITLE[0])[:64]
        changes.move(work, workitem, State.IN_PROGRESS, workitem.attributes)
    if described.state.is_final:
        _end(work, workitem, described.state, described)
    changes.changed(work, workitem)


def _end(work: Work, workitem: Workitem, state: State, described: Described) -> None:
    """Into a final state, with all that this demands; what a client said before stays."""
    attributes = workitem.attributes
    if state is State.COMPLETED:
        said = rules.first(attributes, rules.PERFORMED_SEQUENCE) or {}
        item = {
            **described.performed,
            **{tag: one for tag, one in said.items() if rules.has_value(said, tag)},
        }
        item.setdefault(rules.OUTPUT, {"vr": "SQ"})
        attributes = attributes | element(
            "UnifiedProcedureStepPerformedProcedureSequence", dict(sorted(item.items()))
        )
    else:
        attributes = rules.with_cancellation(
            attributes, described.canceled, at=changes.present(work), default_reason=True
        )
    changes.move(work, workitem, state, attributes)
    changes.changed(work, workitem)


# The client's moves


def moved(work: Work, workitem: Workitem, state: State, attributes: JsonDict) -> None:
    """A client brings the Workitem into another state: its step goes there too, or it is refused."""
    if (found := keeper_of(workitem)) is None:
        return
    keeper, step_pk = found
    if state is State.IN_PROGRESS:
        with by_its_rules(Answer.ALREADY_IN_PROGRESS):
            keeper.begin(work, step_pk)
    elif state is State.COMPLETED:
        with by_its_rules(Answer.NOT_MET_FINAL_STATE):
            keeper.complete(work, step_pk)
    else:
        progress = rules.first(attributes, rules.PROGRESS) or {}
        code = rules.first(progress, rules.REASON_CODES) or {}
        words = rules.text_of(progress, rules.REASON) or rules.text_of(code, "00080104")
        with by_its_rules(Answer.NO_LONGER_UPDATABLE):
            keeper.discontinue(work, step_pk, rules.text_of(code, "00080100"), words)


def went_on(work: Work, workitem: Workitem) -> None:
    """Its performer says how far it is."""
    if workitem.state is State.IN_PROGRESS and (found := keeper_of(workitem)) is not None:
        keeper, step_pk = found
        keeper.go_on(work, step_pk)


def canceled(work: Work, workitem: Workitem, asked: Mapping[str, Any]) -> None:
    """Somebody asks that what nobody has begun is not done: its step is canceled too, or it is refused (C313)."""
    if (found := keeper_of(workitem)) is None:
        return
    keeper, step_pk = found
    code = rules.first(asked, rules.REASON_CODES) or {}
    words = rules.text_of(asked, rules.REASON) or rules.text_of(code, "00080104")
    with by_its_rules(Answer.PERFORMER_DECLINES):
        keeper.cancel(work, step_pk, words or "canceled by request")


def hears(work: Work, workitem: Workitem) -> bool:
    """Whether a person of the house who performs it is told that somebody asks to break it off."""
    if workitem.state is not State.IN_PROGRESS or (found := keeper_of(workitem)) is None:
        return False
    keeper, step_pk = found
    return keeper.ask(work, workitem.workitem_pk, step_pk)


def with_instances(work: Work, workitem: Workitem) -> JsonDict:
    """Its attributes, with the images of its step as they hang at this moment."""
    attributes = workitem.attributes
    if (found := keeper_of(workitem)) is None:
        return attributes
    keeper, step_pk = found
    instances = keeper.instances(work, step_pk)
    if instances.used:
        attributes = attributes | element("InputInformationSequence", *map(_to_be_had_here, instances.used))
    performed = rules.first(attributes, rules.PERFORMED_SEQUENCE)
    if instances.made and isinstance(performed, dict) and not rules.has_value(performed, rules.OUTPUT):
        attributes = attributes | element(
            "UnifiedProcedureStepPerformedProcedureSequence",
            dict(
                sorted(
                    (
                        performed
                        | element("OutputInformationSequence", *map(_to_be_had_here, instances.made))
                    ).items()
                )
            ),
        )
    return dict(sorted(attributes.items()))


def _to_be_had_here(item: JsonDict) -> JsonDict:
    """With where the images are retrieved (PS3.3 table 10-3b)."""
    retrieval = element("DICOMRetrievalSequence", element("RetrieveAETitle", changes.TITLE[0]))
    return dict(sorted((item | retrieval).items()))
