"""The Requested Procedure's state machine, the order's derived state, and what an order must say."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from typing import Final

from wetread.kit.errors import IllegalTransition
from wetread.orders.model import Priority, RequestedProcedureState

State = RequestedProcedureState

ACCESSION_NUMBER_CHARACTERS_MAX: Final = 16  # VR SH
DIAGNOSES_MAX: Final = 12  # a claim carries twelve (837P HI)
PROCEDURES_PER_ORDER_MAX: Final = 10
# Within this, the same order from a form is the same one, asked for again because the answer was lost.
ASKED_AGAIN: Final = timedelta(minutes=5)
LATERALITY_WORD: Final = {"L": "LEFT", "R": "RIGHT", "B": "BILATERAL"}


class Move(StrEnum):
    """What can happen to a Requested Procedure."""

    SCHEDULE = "schedule"
    UNSCHEDULE = "unschedule"
    START = "start"
    COMPLETE = "complete"
    DISCONTINUE = "discontinue"
    REVERT = "revert"
    CANCEL = "cancel"
    REINSTATE = "reinstate"


# (state, move) → state. What is not here is refused.
MOVES: Final[dict[tuple[State, Move], State]] = {
    (State.REQUESTED, Move.SCHEDULE): State.SCHEDULED,
    (State.REQUESTED, Move.START): State.IN_PROGRESS,  # images or MPPS of an order that nobody scheduled
    (State.REQUESTED, Move.CANCEL): State.CANCELED,
    (State.SCHEDULED, Move.SCHEDULE): State.SCHEDULED,
    (State.SCHEDULED, Move.UNSCHEDULE): State.REQUESTED,
    (State.SCHEDULED, Move.START): State.IN_PROGRESS,
    (State.SCHEDULED, Move.CANCEL): State.CANCELED,
    (State.IN_PROGRESS, Move.START): State.IN_PROGRESS,
    (State.IN_PROGRESS, Move.COMPLETE): State.COMPLETED,
    (State.IN_PROGRESS, Move.DISCONTINUE): State.DISCONTINUED,
    (State.IN_PROGRESS, Move.REVERT): State.SCHEDULED,  # wrong worklist entry selected
    (State.COMPLETED, Move.START): State.COMPLETED,  # append case: more images of a finished procedure
    (State.COMPLETED, Move.REVERT): State.SCHEDULED,
    (State.DISCONTINUED, Move.SCHEDULE): State.SCHEDULED,  # another try
    (State.DISCONTINUED, Move.REVERT): State.SCHEDULED,
    (State.CANCELED, Move.REINSTATE): State.REQUESTED,
}
CHANGEABLE: Final = frozenset({State.REQUESTED, State.SCHEDULED})  # what was asked for may still be said anew
FINAL: Final = frozenset({State.COMPLETED, State.DISCONTINUED, State.CANCELED})


def moved(state: str, move: Move) -> State:
    """The state after `move`. Raises IllegalTransition."""
    try:
        return MOVES[State(state), move]
    except KeyError:
        raise IllegalTransition("The requested procedure", state.lower(), move.value) from None


def order_state(states: Iterable[str]) -> State:
    """The state of an order, from those of its Requested Procedures; cancelled ones count only if all are."""
    everything = [State(state) for state in states]
    living = [state for state in everything if state is not State.CANCELED]
    if not living:
        return State.CANCELED if everything else State.REQUESTED
    ended = [state for state in living if state in FINAL]
    if len(ended) == len(living):
        return State.COMPLETED if State.COMPLETED in living else State.DISCONTINUED
    if ended or State.IN_PROGRESS in living:
        return State.IN_PROGRESS
    return State.SCHEDULED if State.SCHEDULED in living else State.REQUESTED


def priority_of(word: str) -> Priority | None:
    """The DICOM priority for what people and interfaces say: STAT, urgent, HIGH, ASAP, routine; None if unknown."""
    return {
        "STAT": Priority.STAT,
        "URGENT": Priority.HIGH,
        "HIGH": Priority.HIGH,
        "ASAP": Priority.HIGH,
        "ROUTINE": Priority.ROUTINE,
        "": Priority.ROUTINE,
    }.get(word.strip().upper())


def accession_prefix(site_code: str, year: int) -> str:
    """Up to four letters of the site and two digits of the year."""
    letters = "".join(c for c in site_code.upper() if c.isascii() and c.isalnum())[:4] or "X"
    return f"{letters}{year % 100:02d}"


def accession_number(prefix: str, number: int) -> str:
    """At most 16 characters (SH): prefix and seven digits, more digits when seven are used up."""
    made = f"{prefix}{number:07d}"
    if len(made) > ACCESSION_NUMBER_CHARACTERS_MAX:
        raise OverflowError("the accession numbers of this prefix are used up")
    return made


def described(code_meaning: str, laterality: str | None) -> str:
    """A procedure's words with the side spelt: `XR knee, LEFT`; at most 64 characters (LO)."""
    side = LATERALITY_WORD.get(laterality or "")
    if side is None:
        return code_meaning[:64]
    return f"{code_meaning[: 62 - len(side)]}, {side}"
