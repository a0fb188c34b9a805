"""The state machine of interface messages."""

from datetime import timedelta
from itertools import product

import pytest

from wetread.kit.errors import IllegalTransition
from wetread.sharing.messages import MessageState
from wetread.sharing.messages_rules import MOVES, Move, moved, wait

IN_ONLY = {Move.APPLY, Move.FAIL, Move.REJECT, Move.REPROCESS}
OUT_ONLY = {Move.DELIVER, Move.RETRY, Move.GIVE_UP, Move.RESEND}


@pytest.mark.parametrize(("direction", "state", "move"), list(product(("in", "out"), MessageState, Move)))
def test_messages_move_by_the_table_and_keep_their_direction(
    direction: str, state: MessageState, move: Move
) -> None:
    wrong_way = move in (OUT_ONLY if direction == "in" else IN_ONLY)
    if (state, move) in MOVES and not wrong_way:
        assert moved(direction, state, move) is MOVES[state, move]
    elif wrong_way or (state, move) not in MOVES:
        with pytest.raises(IllegalTransition):
            moved(direction, state, move)


def test_waits_grow_and_end_at_a_quarter_of_an_hour() -> None:
    waits = [wait(n) for n in range(40)]
    assert waits == sorted(waits)
    assert waits[1] == timedelta(seconds=2) and waits[-1] == timedelta(minutes=15)
