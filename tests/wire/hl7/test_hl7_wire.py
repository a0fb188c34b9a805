"""MLLP over real sockets: orders in, results out, and peers that misbehave."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select

from wetread.hl7 import inbound
from wetread.hl7.acknowledgment import read_acknowledgment
from wetread.hl7.client import NoAcknowledgment, send
from wetread.hl7.framing import Framer, frame
from wetread.hl7.inbound import Interface, InterfaceSettings
from wetread.hl7.jobs import deliver
from wetread.hl7.message import Message
from wetread.hl7.server import MllpServer
from wetread.kit import limits
from wetread.kit.db import Database
from wetread.orders.model import ImagingServiceRequest
from wetread.orders.service import ProcedureInput, add_procedure
from wetread.patients.model import Patient, Payer
from wetread.security.model import Practitioner, Site
from wetread.security.service import Actor, AuditEventID, Offices, Work
from wetread.sharing import messages_service as queue
from wetread.sharing.messages import InterfaceMessage, InterfaceReceiver

ORDER = (
    "MSH|^~\\&|HIS|CITY|WETREAD|RIV|20261125||ORM^O01|{n}|P|2.3.1||||||UNICODE UTF-8\r"
    "PID|1||{n}^^^CITY^MR||Doe^Jane||19800101|F\rORC|NW|P{n}^HIS||||1|^^^^^S\rOBR|1|P{n}||CTHEAD^CT head^99WETREAD\r"
)


@pytest.fixture
def committed(clean_database: Database) -> Offices:
    offices = Offices(clean_database)
    with offices.work(Actor.system("test")) as work:
        work.session.add(Site(code="RIV", institution_name="Riverside", time_zone="America/New_York"))
        work.session.flush()
        add_procedure(work, ProcedureInput("CTHEAD", "CT head without contrast", "CT"))
    return offices


@contextlib.contextmanager
def serving(handle, **limits) -> Iterator[MllpServer]:
    server = MllpServer("127.0.0.1", 0, handle, **limits)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def server(committed: Offices) -> Iterator[MllpServer]:
    with serving(Interface(committed, InterfaceSettings("WETREAD")).handle) as server:
        yield server


def count(offices: Offices, table: type) -> int:
    with offices.work(Actor.system("test")) as work:
        work.audit(AuditEventID.QUERY, "E")
        return work.session.scalar(select(func.count()).select_from(table)) or 0


def talk(address: tuple[str, int], data: bytes, answers: int = 1, timeout: float = 5) -> list[bytes]:
    framer, got = Framer(1 << 20), []
    with socket.create_connection(address, timeout) as connection:
        connection.sendall(data)
        while len(got) < answers and (received := connection.recv(65536)):
            got += framer.feed(received)
    return got


def test_an_order_over_the_wire(server: MllpServer, committed: Offices) -> None:
    ack = send(*server.address, ORDER.replace("{n}", "1"))
    assert ack.accepted and ack.control_id == "1"
    assert count(committed, ImagingServiceRequest) == 1
    again = send(*server.address, ORDER.replace("{n}", "1"))
    assert again.message.encode() == ack.message.encode()
    assert count(committed, ImagingServiceRequest) == 1 == count(committed, Patient)


def test_senders_in_parallel_and_repeated_are_applied_once_each(
    server: MllpServer, committed: Offices
) -> None:
    answers: list[str] = []

    def sender(start: int) -> None:
        for n in range(start, start + 4):
            answers.append(send(*server.address, ORDER.replace("{n}", str(n))).code)

    threads = [threading.Thread(target=sender, args=(start,)) for start in (10, 10, 12, 20, 20, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["AA"] * 24
    assert count(committed, ImagingServiceRequest) == 14 == count(committed, InterfaceMessage)


def test_first_orders_for_a_new_patient_at_one_instant_are_all_taken(
    committed: Offices, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, together = inbound._known_patient, threading.Barrier(2)
    waited: set[int] = set()

    def known_patient(*given: Any) -> Patient | None:
        found = look(*given)
        if threading.get_ident() not in waited:
            waited.add(threading.get_ident())
            together.wait(10)  # both have seen that nobody is there
        return found

    monkeypatch.setattr(inbound, "_known_patient", known_patient)
    interface = Interface(committed, InterfaceSettings("WETREAD"))
    more = "IN1|1|PPO|BWH01|Bluewater|||||||||||CI|Doe^Jane|SEL" + "|" * 19 + "B1\r"
    referrer = "|" * 5 + "1679576722^Smith^Ann"

    def tell(number: str, order: str) -> str:
        text = ORDER.replace("P{n}", order).replace("|1|^^^^^S", f"|1|^^^^^S{referrer}") + more
        text = text.replace("ORM^O01|{n}", f"ORM^O01|{number}").replace("{n}", "4711")
        ack = read_acknowledgment(interface.handle(text.encode()))
        assert ack is not None
        return f"{ack.code} {ack.text}".strip()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(tell, ("1", "2"), ("P1", "P2"))) == ["AA", "AA"]
        waited.clear()
        # The same order under two control numbers is one.
        assert list(pool.map(tell, ("3", "4"), ("P3", "P3"))) == ["AA", "AA"]
    assert count(committed, Patient) == count(committed, Payer) == count(committed, Practitioner) == 1
    assert count(committed, ImagingServiceRequest) == 3


def test_many_messages_on_one_connection_with_sloppy_framing(server: MllpServer) -> None:
    raw = [ORDER.replace("{n}", str(n)).encode() for n in (1, 2, 3)]
    stream = (
        b"noise"
        + frame(raw[0])
        + b"\r\n"
        + b"\x0b\xef\xbb\xbf"
        + raw[1].replace(b"\r", b"\r\n")
        + b"\x1c"
        + frame(raw[2])
    )
    codes = [read_acknowledgment(answer) for answer in talk(server.address, stream, 3)]
    assert [(ack.code, ack.control_id) for ack in codes if ack] == [("AA", "1"), ("AA", "2"), ("AA", "3")]


def test_after_bad_messages_the_socket_still_serves(server: MllpServer) -> None:
    stream = b"".join(
        frame(raw) for raw in (b"", b"MSH|^~\\&", b"\x00\xff", b"MSH|^~\\&|A|B|C|D|2026|||M7|P|2.3")
    )
    answers = talk(server.address, stream + frame(ORDER.replace("{n}", "5").encode()), 5)
    acks = [read_acknowledgment(answer) for answer in answers]
    assert [ack.code for ack in acks if ack] == ["AR", "AR", "AR", "AR", "AA"]
    assert acks[3] and acks[3].control_id == "M7" and acks[3].message.has("ERR")


def test_too_large_is_answered_before_it_is_read_to_the_end() -> None:
    with serving(lambda raw, address: raw, message_bytes_max=1000) as server:
        answers = talk(server.address, b"\x0bMSH|^~\\&|A|B|C|D|2026||ORM^O01|M1|P|2.5\r" + b"x" * 5000)
        ack = read_acknowledgment(answers[0])
        assert ack and (ack.code, ack.control_id) == ("AR", "M1") and "longer" in ack.text


def test_idle_and_excess_connections_are_closed() -> None:
    with serving(lambda raw, address: raw, idle_s=0.2, connections_max=2) as server:
        first, second = (socket.create_connection(server.address, 5) for _ in range(2))
        while server.connections < 2:
            time.sleep(0.01)
        with socket.create_connection(server.address, 5) as third:
            assert third.recv(1) == b""
        assert first.recv(1) == b"" and second.recv(1) == b""
        first.close()
        second.close()
        deadline = time.monotonic() + 5
        while server.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.connections == 0


def test_a_handler_that_fails_does_not_end_the_server() -> None:
    calls = []

    def handle(raw: bytes, address: str | None) -> bytes:
        calls.append(raw)
        if len(calls) == 1:
            raise RuntimeError
        return raw

    with serving(handle) as server:
        assert talk(server.address, frame(b"one")) == []
        assert talk(server.address, frame(b"two")) == [b"two"]


# --- out ----------------------------------------------------------------------------------------------------

RESULT = Message.parse(b"MSH|^~\\&|WETREAD|RIV|HIS|CITY|2026||ORU^R01|R1|P|2.5.1\rPID|1||1\rOBR|1\r")


class Peer:
    """A receiver that answers as scripted: a function of the message, or None to stay silent."""

    def __init__(self, *answers) -> None:
        self.answers, self.got = list(answers), []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while self.answers:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                framer = Framer(1 << 24)
                while data := connection.recv(65536):
                    for message in framer.feed(data):
                        self.got.append(message)
                        answer = self.answers.pop(0)(message)
                        if answer is None:
                            break
                        connection.sendall(answer)
                    else:
                        continue
                    break


def answer(code: str, control: str | None = None):
    def made(message: bytes) -> bytes:
        number = control or Message.parse(message).control_id
        return frame(
            f"MSH|^~\\&|HIS|CITY|WETREAD|RIV|2026||ACK|9|P|2.5.1\rMSA|{code}|{number}|because\r".encode()
        )

    return made


def test_only_the_answer_to_this_message_counts() -> None:
    peer = Peer(
        lambda m: frame(b"garbage") + answer("AA", "OLD")(m) + answer("AE", "R0")(m) + answer("AA")(m)
    )
    assert send("127.0.0.1", peer.port, RESULT, timeout_s=3).accepted
    late = Peer(answer("AA", "OLD"))
    with pytest.raises(NoAcknowledgment, match="No answer"):
        send("127.0.0.1", late.port, RESULT, timeout_s=0.4)
    closing = Peer(lambda m: None)
    with pytest.raises(NoAcknowledgment, match="closed"):
        send("127.0.0.1", closing.port, RESULT, timeout_s=2)
    with pytest.raises(NoAcknowledgment, match="Not delivered"):
        send("127.0.0.1", 1, RESULT, timeout_s=1)


def queued(offices: Offices, port: int, *keys: str) -> int:
    with offices.work(Actor.system("test")) as work:
        receiver = work.session.scalar(select(InterfaceReceiver)) or queue.save_receiver(
            work, queue.ReceiverInput("HIS", "127.0.0.1", port)
        )
        for key in keys:
            text = RESULT.encode().replace(b"|R1|", f"|{key}|".encode())
            made = queue.enqueue(
                work, receiver, content=text, message_type="ORU^R01", message_control_id=key, source_key=key,
                patient_pk=None, accession_number=None,
            )  # fmt: skip
            assert made is not None
            assert queue.enqueue(
                work, receiver, content=text, message_type="ORU^R01", message_control_id=key, source_key=key,
                patient_pk=None, accession_number=None,
            ) is None  # fmt: skip
        return receiver.interface_receiver_pk


def run(offices: Offices, receiver: int, times: int = 1) -> None:
    for _ in range(times):
        with offices.work(Actor.system("hl7.deliver")) as work:
            deliver(work, interface_receiver_pk=receiver)


def states(offices: Offices) -> list[tuple[str, int, str | None]]:
    with offices.work(Actor.system("test")) as work:
        work.audit(AuditEventID.QUERY, "E")
        rows = work.session.scalars(select(InterfaceMessage).order_by(InterfaceMessage.interface_message_pk))
        return [(row.state, row.attempts, row.acknowledgment_code) for row in rows]


def due_now(offices: Offices) -> None:
    with offices.work(Actor.system("test")) as work:
        work.audit(AuditEventID.QUERY, "E")
        for row in work.session.scalars(select(InterfaceMessage)):
            row.next_attempt_at = work.now()


def test_results_are_delivered_in_order_one_at_a_time(committed: Offices) -> None:
    peer = Peer(*[answer("AA")] * 3)
    receiver = queued(committed, peer.port, "A", "B", "C")
    run(committed, receiver, 4)
    assert [Message.parse(m).control_id for m in peer.got] == ["A", "B", "C"]
    assert states(committed) == [("delivered", 1, "AA")] * 3


def test_an_error_is_tried_again_and_holds_the_queue_a_refusal_does_not(committed: Offices) -> None:
    peer = Peer(answer("AE"), answer("AA"), answer("AR"), answer("AA"))
    receiver = queued(committed, peer.port, "A", "B", "C")
    run(committed, receiver, 2)
    assert states(committed) == [("queued", 1, "AE"), ("queued", 0, None), ("queued", 0, None)]
    due_now(committed)
    run(committed, receiver, 3)
    assert states(committed) == [("delivered", 2, "AA"), ("dead", 1, "AR"), ("delivered", 1, "AA")]


def test_a_receiver_that_is_away_is_tried_without_end_and_seen(committed: Offices) -> None:
    receiver = queued(committed, 1, "A")
    for _ in range(12):
        due_now(committed)
        run(committed, receiver)
    assert states(committed) == [("queued", 12, None)]
    with committed.work(Actor.system("test")) as work:
        found = queue.receivers(work)[0]
        assert found.last_error and "Not delivered" in found.last_error and found.last_error_at
        assert queue.waiting_receivers(work) == []
        peer = Peer(answer("AA"))
        queue.save_receiver(work, queue.ReceiverInput("HIS", "127.0.0.1", peer.port), receiver)
    run(committed, receiver)
    assert states(committed) == [("delivered", 13, "AA")]


def test_errors_without_end_become_a_dead_letter_that_a_person_resends(committed: Offices) -> None:
    peer = Peer(*[answer("AE")] * 10, answer("AA"))
    receiver = queued(committed, peer.port, "A")
    for _ in range(10):
        due_now(committed)
        run(committed, receiver)
    assert states(committed) == [("dead", 10, "AE")]
    with committed.work(Actor.system("admin")) as work:
        pk = queue.list_messages(work).items[0][0].interface_message_pk
        queue.resend(work, pk)
    run(committed, receiver)
    assert states(committed) == [("delivered", 1, "AA")]
    assert len({Message.parse(m).control_id for m in peer.got}) == 1


def test_who_was_away_for_long_and_is_still_starting_is_not_given_up_at_the_first_error(
    committed: Offices,
) -> None:
    receiver = queued(committed, 1, "A")
    for _ in range(limits.INTERFACE_ATTEMPTS_MAX + 1):
        due_now(committed)
        run(committed, receiver)
    peer = Peer(answer("AE"), answer("AA"))
    with committed.work(Actor.system("test")) as work:
        queue.save_receiver(work, queue.ReceiverInput("HIS", "127.0.0.1", peer.port), receiver)
    run(committed, receiver)
    assert states(committed) == [("queued", limits.INTERFACE_ATTEMPTS_MAX + 2, "AE")]
    due_now(committed)
    run(committed, receiver)
    assert states(committed) == [("delivered", limits.INTERFACE_ATTEMPTS_MAX + 3, "AA")]


def test_killed_between_sending_and_commit_sends_the_same_message_again(committed: Offices) -> None:
    peer = Peer(answer("AA"), answer("AA"))
    receiver = queued(committed, peer.port, "A")
    with pytest.raises(KeyboardInterrupt), committed.work(Actor.system("hl7.deliver")) as work:
        deliver(work, interface_receiver_pk=receiver)
        raise KeyboardInterrupt
    assert states(committed) == [("queued", 0, None)]
    run(committed, receiver)
    assert states(committed) == [("delivered", 1, "AA")] and peer.got[0] == peer.got[1]


def _waiting(work: Work) -> list[int]:
    return queue.waiting_receivers(work)


def test_a_disabled_receiver_waits(committed: Offices) -> None:
    receiver = queued(committed, 1, "A")
    with committed.work(Actor.system("test")) as work:
        assert _waiting(work) == [receiver]
        queue.save_receiver(work, queue.ReceiverInput("HIS", "127.0.0.1", 1, enabled=False), receiver)
        assert _waiting(work) == []
    run(committed, receiver)
    assert states(committed) == [("queued", 0, None)]
