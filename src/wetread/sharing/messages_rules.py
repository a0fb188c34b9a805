"""The state machine of interface messages, and when a delivery is tried again."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final

from wetread.kit.errors import IllegalTransition
from wetread.sharing.messages import MessageState

State = MessageState


class Move(StrEnum):
    """What can happen to a message. SKIP, REPROCESS and RESEND are a person's."""

    APPLY = "apply"
    FAIL = "fail"
    REJECT = "reject"
    REPROCESS = "reprocess"
    DELIVER = "deliver"
    RETRY = "retry"
    GIVE_UP = "give up"
    RESEND = "resend"
    SKIP = "skip"


# (state, move) → state. What is not here is refused.
MOVES: Final[dict[tuple[State, Move], State]] = {
    (State.RECEIVED, Move.APPLY): State.APPLIED,
    (State.RECEIVED, Move.FAIL): State.FAILED,
    (State.RECEIVED, Move.REJECT): State.REJECTED,
    (State.FAILED, Move.REPROCESS): State.RECEIVED,
    (State.REJECTED, Move.REPROCESS): State.RECEIVED,
    (State.SKIPPED, Move.REPROCESS): State.RECEIVED,
    (State.FAILED, Move.SKIP): State.SKIPPED,
    (State.REJECTED, Move.SKIP): State.SKIPPED,
    (State.QUEUED, Move.DELIVER): State.DELIVERED,
    (State.QUEUED, Move.RETRY): State.QUEUED,
    (State.QUEUED, Move.GIVE_UP): State.DEAD,
    (State.QUEUED, Move.SKIP): State.SKIPPED,
    (State.DEAD, Move.SKIP): State.SKIPPED,
    (State.QUEUED, Move.RESEND): State.QUEUED,
    (State.DELIVERED, Move.RESEND): State.QUEUED,
    (State.DEAD, Move.RESEND): State.QUEUED,
    (State.SKIPPED, Move.RESEND): State.QUEUED,
}
INBOUND: Final = frozenset({State.RECEIVED, State.APPLIED, State.FAILED, State.REJECTED, State.SKIPPED})
OUTBOUND: Final = frozenset({State.QUEUED, State.DELIVERED, State.DEAD, State.SKIPPED})


def moved(direction: str, state: str, move: Move) -> State:
    """The state after `move`. Raises IllegalTransition."""
    after = MOVES.get((State(state), move))
    allowed = INBOUND if direction == "in" else OUTBOUND
    if after is None or after not in allowed:
        raise IllegalTransition("The message", state, move.value)
    return after


def wait(attempts: int) -> timedelta:
    """The time until the next attempt, after so many: 2 s, 4 s, … at most 15 minutes."""
    return timedelta(seconds=min(2 ** max(1, min(attempts, 20)), 900))
