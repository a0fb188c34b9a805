"""What a participant's message may be: read byte by byte, and judged by what it changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Map, Text

from wetread.together import rules
from wetread.together.room import Bucket, Shared
from wetread.together.rules import Refused


class Peer:
    """A browser's document."""

    def __init__(self, shared: Shared, client_id: int) -> None:
        self.doc = Doc(client_id=client_id)
        self.parts = {name: self.doc.get(name, type=Map) for name in rules.PARTS}
        self.doc.apply_update(shared.doc.get_update())

    def put(self, part: str, key: str, value: object) -> bytes:
        before = self.doc.get_state()
        if value is None:
            del self.parts[part][key]
        else:
            self.parts[part][key] = value
        return self.doc.get_update(before)


@pytest.fixture
def shared() -> Shared:
    made = Shared(None)
    made.put(rules.SESSION, "lead", 1)
    return made


def kept(shared: Shared) -> dict[str, object]:
    """What stands in the document, read by another one."""
    doc = Doc()
    parts = {name: doc.get(name, type=Map) for name in rules.PARTS}
    doc.apply_update(shared.doc.get_update())
    return {name: part.to_py() for name, part in parts.items()}


def test_who_leads_drives_and_who_follows_may_only_draw(shared: Shared) -> None:
    lead, follower, guest = (Peer(shared, number) for number in (11, 12, 13))
    shared.change(lead.put("view", "pane:a", {"index": 4}), 11, "lead", 1)
    with pytest.raises(Refused, match="Only who leads"):
        shared.change(follower.put("view", "pane:a", {"index": 9}), 12, "follower", 2)
    with pytest.raises(Refused, match="not draw"):
        shared.change(guest.put("marks", "m1", {"by": 3}), 13, "guest", 3)
    assert kept(shared) == {"view": {"pane:a": {"index": 4}}, "marks": {}, "session": {"lead": 1}}


@pytest.mark.parametrize("standing", ["lead", "follower", "guest"])
def test_nobody_says_by_the_document_who_leads(shared: Shared, standing: rules.Standing) -> None:
    with pytest.raises(Refused):
        shared.change(Peer(shared, 21).put("session", "lead", 2), 21, standing, 2)
    assert kept(shared)["session"] == {"lead": 1}


def test_marks_are_their_drawers_and_the_lead_may_take_them_away(shared: Shared) -> None:
    one, other, lead = Peer(shared, 31), Peer(shared, 32), None
    with pytest.raises(Refused, match="name of who drew"):
        shared.change(one.put("marks", "m1", {"by": 9}), 31, "follower", 2)
    one = Peer(shared, 33)
    shared.change(one.put("marks", "m1", {"by": 2, "x": 1}), 33, "follower", 2)
    other = Peer(shared, 34)
    with pytest.raises(Refused, match="somebody else"):
        shared.change(other.put("marks", "m1", None), 34, "follower", 4)
    lead = Peer(shared, 35)
    with pytest.raises(Refused, match="name of who drew"):
        shared.change(lead.put("marks", "m1", {"by": 1}), 35, "lead", 1)
    lead = Peer(shared, 36)
    shared.change(lead.put("marks", "m1", None), 36, "lead", 1)
    assert kept(shared)["marks"] == {}


def test_a_message_with_a_gap_is_refused_and_nothing_of_it_waits(shared: Shared) -> None:
    peer = Peer(shared, 41)
    first, second = peer.put("view", "a", 1), peer.put("view", "b", 2)
    with pytest.raises(Refused, match="missing"):
        shared.change(second, 41, "lead", 1)
    shared.change(first, 41, "lead", 1)
    assert kept(shared)["view"] == {"a": 1}
    with pytest.raises(Refused, match="twice"):
        shared.change(first, 41, "lead", 1)


def test_another_clients_structures_and_other_parts_are_refused(shared: Shared) -> None:
    with pytest.raises(Refused, match="another client"):
        shared.change(Peer(shared, 51).put("view", "a", 1), 52, "lead", 1)
    doc = Doc(client_id=53)
    doc.get("elsewhere", type=Map)["a"] = 1
    with pytest.raises(Refused, match="no such part"):
        shared.change(doc.get_update(), 53, "lead", 1)
    doc = Doc(client_id=54)
    doc.get("view", type=Map)["a"] = Text("a type of its own")
    with pytest.raises(Refused, match="plain values"):
        shared.change(doc.get_update(), 54, "lead", 1)


def test_what_builds_on_what_is_not_there_is_refused(shared: Shared) -> None:
    # A removal of what client 99 has not written yet would take effect once it does.
    ahead = bytes((0, 1, 99, 1, 0, 1))
    with pytest.raises(Refused, match="not there"):
        shared.change(ahead, 61, "lead", 1)
    # One structure of client 61 whose left neighbour is client 99's.
    forged = bytes((1, 1, 61, 0, 0x88, 99, 0, 1, 120, 0))
    with pytest.raises(Refused, match="not there"):
        shared.change(forged, 61, "lead", 1)


def test_it_holds_only_so_much(shared: Shared) -> None:
    with pytest.raises(Refused, match="too large"):
        shared.change(Peer(shared, 71).put("view", "a", "x" * 40_000), 71, "lead", 1)
    with pytest.raises(Refused, match="key"):
        shared.change(Peer(shared, 72).put("view", "a b", 1), 72, "lead", 1)
    assert kept(shared)["view"] == {}


def test_a_session_goes_on_from_what_was_kept(shared: Shared) -> None:
    peer = Peer(shared, 81)
    shared.change(peer.put("view", "a", {"index": 7}), 81, "lead", 1)
    again = Shared(shared.doc.get_update())
    assert again.get("view", "a") == {"index": 7}
    again.change(peer.put("view", "a", {"index": 8}), 81, "lead", 1)
    assert kept(again)["view"] == {"a": {"index": 8}}


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_refused_or_change_nothing_they_may_not(data: bytes, ours: bool) -> None:
    shared = Shared(None)
    shared.put(rules.SESSION, "lead", 1)
    head = bytes((1, 1, 5, 0, 0x28, 1, 4)) + b"view" if ours else b""
    with pytest.raises(Refused):
        shared.change(head + data, 5, "guest", 3)
        raise Refused("changed nothing")
    assert kept(shared) == {"view": {}, "marks": {}, "session": {"lead": 1}}


def test_pointers_are_read_and_written_as_the_protocol_has_them() -> None:
    update = rules.awareness_update(300, 7, '{"participant":1}')
    assert rules.awareness_of(update) == (300, 7, '{"participant":1}')
    with pytest.raises(Refused):
        rules.awareness_of(update + b"x")
    with pytest.raises(Refused):
        rules.awareness_of(update[:-1])


def test_a_bucket_is_empty_once_what_it_holds_was_taken() -> None:
    bucket = Bucket(0.0, 3)
    assert [bucket.take(1) for _ in range(5)] == [True, True, True, False, False]
