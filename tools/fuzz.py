"""Feeds parsers what they do not expect, and tells what broke them: `make fuzz`, or some seconds of it in the tests.

Each target takes bytes and may raise what its callers know how to answer; anything else, more than two seconds, or more
memory than the limit is a finding: it is written to a file, and the exit code is 1. Inputs are mutations of good ones
(lengths, tags, delimiters are what it likes best) and small structures made at random. A run is repeated by its seed.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import resource
import signal
import socket
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pydicom.data

from tools import fuzz_texts
from wetread.dicom import header, message, pdu, sopclass
from wetread.dicom.errors import DicomError
from wetread.dicom.jsonmodel import canonical, character_set_of, encode, encode_json, to_json
from wetread.dicom.part10 import read_meta
from wetread.dicom.transfersyntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from wetread.dicomweb import accept
from wetread.dicomweb.multipart import Malformed, MultipartParser, PartBegun, PartData, PartEnded
from wetread.dicomweb.nativexml import NotNative, from_xml, to_xml
from wetread.dicomweb.responses import parse_ranges
from wetread.dicomweb.search import wanted_of
from wetread.dicomweb.workitems import keys_of
from wetread.dimse.server import Node
from wetread.dimse.services import Done, Found, Peer, RefusedOperation, StoreOutcome
from wetread.kit.errors import WetreadError
from wetread.query import values
from wetread.query.values import BadValue
from wetread.workitems import matching

SLOW_S = 2.0
MEMORY_BYTES = 4 * 1024**3
SEED_BYTES_MAX = 3000
SYNTAXES = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)
_LENGTHS = (0, 1, 2, 7, 8, 0xFF, 0xFFFE, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


Change = Callable[[random.Random, bytes], bytes]


class Slow(Exception):
    """An input took too long."""


# Inputs


@dataclass
class Mutator:
    """Makes inputs from good ones."""

    random: random.Random
    seeds: list[bytes]
    words: list[bytes] = field(default_factory=list)
    change: Change | None = None

    def next(self) -> bytes:
        """One input."""
        if self.change is not None and self.random.random() < 0.7:
            return self.change(self.random, self.random.choice(self.seeds))
        data = bytearray(self.random.choice(self.seeds))
        for _ in range(self.random.choice((1, 1, 1, 2, 3, 5, 12))):
            self._change(data)
        return bytes(data)

    def _change(self, data: bytearray) -> None:
        pick = self.random
        at = pick.randrange(len(data) + 1)
        kind = pick.randrange(9)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << pick.randrange(8)
        elif kind == 1:
            value = pick.choice(_LENGTHS)
            shape = pick.choice(("<H", ">H", "<I", ">I"))
            raw = struct.pack(shape, value & (0xFFFF if shape[1] == "H" else 0xFFFFFFFF))
            data[at : at + len(raw)] = raw
        elif kind == 2:
            del data[at : at + pick.choice((1, 2, 4, 8, 64))]
        elif kind == 3:
            data[at:at] = data[at : at + pick.choice((1, 8, 64, 512))]
        elif kind == 4:
            data[at:at] = pick.randbytes(pick.choice((1, 2, 4, 16)))
        elif kind == 5:
            other = pick.choice(self.seeds)
            cut = pick.randrange(len(other) + 1)
            data[at:] = other[cut:]
        elif kind == 6:
            del data[at:]
        elif kind == 7 and self.words:
            data[at:at] = pick.choice(self.words)
        elif self.words:
            word = pick.choice(self.words)
            data[at : at + len(word)] = word


def _elements(pick: random.Random, depth: int = 0) -> dict[str, Any]:
    """A small data set at random, in the JSON model."""
    vrs = ("PN", "LO", "UI", "DA", "TM", "DT", "DS", "IS", "US", "FD", "AT", "OB", "UN", "SQ", "UT", "CS")
    model: dict[str, Any] = {}
    for _ in range(pick.randrange(1, 6)):
        tag = f"{pick.choice((0x0008, 0x0010, 0x0011, 0x0020, 0x0040, 0x0074, 0x7FE0)):04X}{pick.randrange(0x10000):04X}"
        vr = pick.choice(vrs)
        if vr == "SQ":
            model[tag] = (
                {"vr": "SQ", "Value": [_elements(pick, depth + 1) for _ in range(pick.randrange(3))]}
                if depth < 6
                else {"vr": "SQ"}
            )
        elif vr in ("US", "AT"):
            number = pick.randrange(0x10000)
            model[tag] = {"vr": vr, "Value": [f"{number:08X}" if vr == "AT" else number]}
        elif vr == "FD":
            model[tag] = {"vr": vr, "Value": [pick.random() * 10 ** pick.randrange(300)]}
        elif vr in ("OB", "UN"):
            model[tag] = {"vr": vr, "InlineBinary": "AAEC"}
        else:
            model[tag] = {
                "vr": vr,
                "Value": ["".join(pick.choices("0123456789.^=\\ Aé山\x1b", k=pick.randrange(20)))],
            }
    return model


def data_sets() -> list[bytes]:
    """Good data sets: the beginnings of pydicom's files, and some made."""
    found = []
    folder = Path(pydicom.data.__file__).parent
    for path in sorted((folder / "test_files").rglob("*.dcm")) + sorted(
        (folder / "charset_files").rglob("*.dcm")
    ):
        raw = path.read_bytes()[: SEED_BYTES_MAX + 400]
        with contextlib.suppress(DicomError):
            found.append(raw[read_meta(raw).data_set_offset :][:SEED_BYTES_MAX])
    pick = random.Random(1)
    for _ in range(40):
        with contextlib.suppress(DicomError, ValueError, struct.error):
            found.append(encode_json(_elements(pick), explicit=pick.random() < 0.7))
    return [one for one in found if one]


def files() -> list[bytes]:
    """The beginnings of good Part 10 files."""
    folder = Path(pydicom.data.__file__).parent / "test_files"
    return [path.read_bytes()[:SEED_BYTES_MAX] for path in sorted(folder.rglob("*.dcm"))]


def _request(*classes: str) -> bytes:
    return pdu.build_associate_request(
        pdu.AssociateRequest(
            "WETREAD",
            "FUZZ",
            tuple(pdu.ProposedContext(2 * index + 1, uid, SYNTAXES[:2]) for index, uid in enumerate(classes)),
            max_length=16384,
            roles={classes[0]: (True, True)},
            extended={classes[0]: b"\x01\x01\x01"},
            user_identity=pdu.UserIdentity(2, b"name", b"secret", True),
            asynchronous=(4, 4),
        )
    )


def _message(context_id: int, data: dict[str, Any] | None, **command: Any) -> bytes:
    raw = message.build_command(
        {"message_id": 1, "command_data_set_type": 0x0101 if data is None else 1, **command}
    )
    out = pdu.build_p_data(context_id, command=True, last=True, fragment=raw)
    if data is not None:
        out += pdu.build_p_data(context_id, command=False, last=True, fragment=encode(data))
    return out


def conversations() -> list[bytes]:
    """Whole associations as a requestor sends them."""
    ct = "1.2.840.10008.5.1.4.1.1.2"
    classes = (
        sopclass.STUDY_ROOT_FIND, sopclass.VERIFICATION, ct, sopclass.STUDY_ROOT_MOVE, sopclass.STUDY_ROOT_GET,
        sopclass.PERFORMED_PROCEDURE_STEP, sopclass.STORAGE_COMMITMENT_PUSH, sopclass.UPS_PUSH, sopclass.UPS_PULL,
        sopclass.UPS_WATCH,
    )  # fmt: skip
    place = {uid: 2 * index + 1 for index, uid in enumerate(classes)}
    query = {"QueryRetrieveLevel": "STUDY", "PatientName": "DOE*", "StudyInstanceUID": "1.2.3"}
    step = {"ProcedureStepState": "SCHEDULED", "ProcedureStepLabel": "x"}
    c = message.Command
    messages = [
        _message(place[sopclass.VERIFICATION], None, command_field=c.C_ECHO_RQ, affected_sop_class_uid=sopclass.VERIFICATION),
        _message(place[sopclass.STUDY_ROOT_FIND], query, command_field=c.C_FIND_RQ, affected_sop_class_uid=sopclass.STUDY_ROOT_FIND, priority=0),
        _message(place[ct], {"SOPInstanceUID": "1.2.3", "Rows": 4}, command_field=c.C_STORE_RQ, affected_sop_class_uid=ct, affected_sop_instance_uid="1.2.3", priority=0),
        _message(place[sopclass.STUDY_ROOT_MOVE], query, command_field=c.C_MOVE_RQ, affected_sop_class_uid=sopclass.STUDY_ROOT_MOVE, move_destination="NOWHERE", priority=0),
        _message(place[sopclass.STUDY_ROOT_GET], query, command_field=c.C_GET_RQ, affected_sop_class_uid=sopclass.STUDY_ROOT_GET, priority=0),
        _message(place[sopclass.PERFORMED_PROCEDURE_STEP], {"Modality": "CT"}, command_field=c.N_CREATE_RQ, affected_sop_class_uid=sopclass.PERFORMED_PROCEDURE_STEP, affected_sop_instance_uid="1.2.4"),
        _message(place[sopclass.PERFORMED_PROCEDURE_STEP], {"Modality": "CT"}, command_field=c.N_SET_RQ, requested_sop_class_uid=sopclass.PERFORMED_PROCEDURE_STEP, requested_sop_instance_uid="1.2.4"),
        _message(place[sopclass.UPS_PUSH], step, command_field=c.N_CREATE_RQ, affected_sop_class_uid=sopclass.UPS_PUSH, affected_sop_instance_uid="1.2.5"),
        _message(place[sopclass.UPS_WATCH], None, command_field=c.N_GET_RQ, requested_sop_class_uid=sopclass.UPS_PUSH, requested_sop_instance_uid="1.2.5", attribute_identifier_list=b"\x74\x00\x00\x10"),
        _message(place[sopclass.UPS_PULL], step, command_field=c.N_ACTION_RQ, requested_sop_class_uid=sopclass.UPS_PUSH, requested_sop_instance_uid="1.2.5", action_type_id=1),
        _message(place[sopclass.UPS_PULL], {"ProcedureStepState": ""}, command_field=c.C_FIND_RQ, affected_sop_class_uid=sopclass.UPS_PULL, priority=0),
        _message(1, None, command_field=c.C_CANCEL_RQ, message_id_being_responded_to=1),
    ]  # fmt: skip
    begin = _request(*classes)
    end = pdu.build_release_request()
    return [begin + one + end for one in messages] + [
        begin + b"".join(messages) + pdu.build_abort(),
        begin + end,
    ]


# Targets: they raise what is expected by themselves.


def data_set(data: bytes) -> None:
    """F1: header scan, JSON model, and back."""
    for syntax in SYNTAXES:
        for whole in (True, False):
            with contextlib.suppress(DicomError, header.MoreNeeded):
                header.scan(data, syntax, {0x00080005, 0x00100010, 0x0020000D}, whole=whole)
    for syntax in SYNTAXES[: 1 + zlib.crc32(data) % 3]:
        model = to_json(data, syntax, lambda path, *_: path)
        assert isinstance(model, dict)
        orjson.dumps(model)
        with contextlib.suppress(NotNative):
            from_xml(to_xml(model))
        try:
            clean = canonical(model)
        except DicomError:
            continue
        assert canonical(clean) == clean, "what was written once is written otherwise the second time"
        matching.matches(clean, {})
        matching.select(clean, clean)
    character_set_of(data, explicit=True)
    character_set_of(data, explicit=False)


def part10(data: bytes) -> None:
    """F1: file meta information, deflated data sets."""
    with contextlib.suppress(DicomError):
        meta = read_meta(data)
        if meta.transfer_syntax_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
            header.inflate(data[meta.data_set_offset :], bytes_max=1 << 20)
    with contextlib.suppress(DicomError):
        header.inflate(data, bytes_max=1 << 20)


def pdus(data: bytes) -> None:
    """F2: each parser of a PDU's body, and of command sets."""
    for parse in (
        pdu.parse_associate_request,
        pdu.parse_associate_accept,
        pdu.parse_associate_reject,
        lambda raw: list(pdu.pdvs(memoryview(raw))),
        message.parse_command,
    ):
        with contextlib.suppress(DicomError):
            parse(data)


class _Wire(socket.socket):
    """A connection on which everything was said already."""

    def feed(self, data: bytes) -> None:
        """What the other side says."""
        self.data, self.at = data, 0

    def setsockopt(self, *_: Any) -> None:
        """Nothing to set."""

    def settimeout(self, _: Any) -> None:
        """Nobody waits."""

    def gettimeout(self) -> float:
        """As if."""
        return 1.0

    def recv_into(self, view: Any, *_: Any) -> int:  # type: ignore[override]
        """The next bytes."""
        count = min(len(view), len(self.data) - self.at, 1500)
        view[:count] = self.data[self.at : self.at + count]
        self.at += count
        return count

    def sendall(self, *_: Any) -> None:
        """Nobody listens."""


class _House:
    """A house in which nothing is."""

    def admit(self, caller: Any) -> Peer:
        """Everybody, with every right."""
        rights = frozenset(
            {"verify", "store", "find", "move", "get", "worklist", "mpps", "commitment", "workitems"}
        )
        return Peer(caller.calling_ae_title, caller.called_ae_title, caller.network_address, rights)

    def transfer(self, peer: Any) -> _House:
        """Takes objects."""
        return self

    def open(self, *_: Any) -> _House:
        """Takes one."""
        return self

    def write(self, _: Any) -> None:
        """Drops it."""

    def commit(self) -> StoreOutcome:
        """Says that it was kept."""
        return StoreOutcome(0)

    def abort(self) -> None:
        """Nothing to undo."""

    def answered(self) -> None:
        """Nothing was put off."""

    def close(self) -> None:
        """Nothing to record."""

    def find(self, *_: Any) -> Found:
        """One match."""
        return Found([{"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]}}])

    find_workitems = find

    def retrieve(self, *_: Any) -> list[Any]:
        """Nothing."""
        return []

    def retrieved(self, *_: Any) -> None:
        """Nothing to record."""

    def destination(self, _: str) -> None:
        """Nobody is known."""

    def worklist(self, *_: Any) -> Iterator[Any]:
        """Nothing is scheduled."""
        return iter(())

    def create_performed_step(self, *_: Any) -> None:
        """Kept."""

    set_performed_step = create_performed_step

    def request_commitment(self, *_: Any) -> None:
        """Refused."""
        raise RefusedOperation(0x0110, "nothing is promised here")

    def _done(self, *_: Any) -> Done:
        return Done(0)

    create_workitem = get_workitem = set_workitem = act_on_workitem = _done


_node: list[Node] = []


def association(data: bytes) -> None:
    """F2: a whole association as the node serves it, whatever comes in whatever order."""
    if not _node:
        _node.append(Node(_House(), "127.0.0.1", None))  # type: ignore[arg-type]
    wire = _Wire()
    wire.feed(data)
    node = _node[0]
    node._strangers += 1  # noqa: SLF001 - as the listener counts a caller
    node._serve(wire, "127.0.0.1", secure=False)  # noqa: SLF001
    assert not node.open_associations(), "an association was left open"
    assert node._strangers == 0, "a caller is still counted"  # noqa: SLF001
    if faults:
        raise faults.pop()


faults: list[Exception] = []


def multipart(data: bytes) -> None:
    """F3: multipart bodies say the same however they are cut."""

    def read(step: int) -> list[Any] | None:
        parser = MultipartParser("b")
        parts: list[Any] = []
        try:
            for at in range(0, len(data), step):
                for happening in parser.feed(data[at : at + step]):
                    if isinstance(happening, PartBegun):
                        parts.append([happening.headers, b""])
                    elif isinstance(happening, PartData):
                        parts[-1][1] += happening.data
                    else:
                        assert isinstance(happening, PartEnded)
            parser.finish()
        except Malformed:
            return None
        return parts

    assert read(len(data) or 1) == read(7) == read(64), "what is read depends on how it was cut"


def queries(data: bytes) -> None:
    """F3: query strings, matching values, media ranges, ranges of bytes."""
    text = data.decode("utf-8", "replace")
    pairs = [(name, value) for name, _, value in (one.partition("=") for one in text.split("&"))]
    for parse in (wanted_of, keys_of):
        with contextlib.suppress(WetreadError):
            parse(pairs)
    for _, value in pairs[:4]:
        for read in (values.date_range, values.time_range, values.uid_list, matching.date_time_range):
            with contextlib.suppress(BadValue):
                read(value)
        values.like_pattern(values.name_pattern(value))
        values.name_words(value)
        key = {
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": value}]},
            "00404005": {"vr": "DT", "Value": [value]},
        }
        with contextlib.suppress(BadValue):
            matching.check(key)
            matching.matches(key, key)
        with contextlib.suppress(ValueError):
            parse_ranges(value, 1000)
    accept.choose(accept.parse_accept([text]), accept.METADATA_OFFERS)
    accept.parse_query_accept([text])


def documents(data: bytes) -> None:
    """F3: Native DICOM Models in XML, data sets in JSON."""
    with contextlib.suppress(NotNative):
        model = from_xml(data)
        with contextlib.suppress(DicomError):
            canonical(model)
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError:
        return
    with contextlib.suppress(DicomError):
        clean = canonical(content)
        for explicit in (True, False):
            encode_json(clean, explicit=explicit)


def _documents() -> list[bytes]:
    pick = random.Random(2)
    models = [_elements(pick) for _ in range(30)]
    return [orjson.dumps(one) for one in models] + [to_xml(one) for one in models]


_MULTIPART = [
    b"--b\r\nContent-Type: application/dicom\r\n\r\nabc\r\n--b\r\n\r\n\r\n--b--\r\n",
    b"preamble\r\n--b  \r\nContent-Type: x\r\nContent-Location: http://x/1\r\n\r\n--b\r\n--b--",
    b"--b\r\n\r\n" + bytes(range(256)) + b"\r\n--b--\r\nepilogue",
]
_QUERIES = [
    b"PatientName=DOE*&StudyDate=20260101-20261231&includefield=all&limit=10",
    b"0020000D=1.2.3,1.2.4&RequestAttributesSequence.ScheduledProcedureStepID=A&fuzzymatching=true",
    b"ScheduledProcedureStepStartDateTime=20260101120000.000000-0500&ProcedureStepState=SCHEDULED",
    b'accept=multipart/related; type="application/dicom"; transfer-syntax=*;q=0.5, image/*',
    b"x=bytes=0-10&y=-5&ContentTime=1200-",
]


@dataclass(frozen=True)
class Target:
    """What is fed, with what."""

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    words: tuple[bytes, ...] = ()
    change: Change | None = None
    """Changes that keep the form, where most others only break it."""


_DICOM_WORDS = (
    b"\xfe\xff\x00\xe0\xff\xff\xff\xff", b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0", b"\x08\0\x05\0CS\x0a\0ISO_IR 192",
    b"\x40\0\x70\xa3SQ\0\0\xff\xff\xff\xff", b"\xe0\x7f\x10\0OW\0\0\xff\xff\xff\xff", b"\x10\0\x10\0PN\x04\0A^B ", b"UN\0\0\xff\xff\xff\xff",
    b"\x08\0\x05\0CS\x1a\0\\ISO 2022 IR 87\\ISO 2022 IR 13", b"\x1b$B", b"\xfc\xff\xfc\xffOB\0\0\0\0\0\0",
)  # fmt: skip
TARGETS = (
    Target("data set (F1)", data_set, data_sets, _DICOM_WORDS),
    Target("file (F1)", part10, lambda: [*files(), zlib.compress(b"\x08\0\x05\0CS\0\0" * 50)[2:-4]], _DICOM_WORDS),
    Target("PDU (F2)", pdus, lambda: [one[6:] for one in conversations()], (b"\x50\0\0\x08\x51\0\0\x04", b"\x20\0\0\x10", b"\x58\0")),
    Target("association (F2)", association, conversations, (b"\x04\0\0\0\0\x08", b"\x05\0\0\0\0\x04\0\0\0\0", b"\x07\0\0\0\0\x04\0\0\0\0", b"\x01\0")),
    Target("multipart (F3)", multipart, lambda: _MULTIPART, (b"\r\n--b", b"--", b"\r\n\r\n", b"\r\n", b"Content-Type:")),
    Target("query (F3)", queries, lambda: _QUERIES, (b"*", b"?", b"\\", b"-", b",", b"=", b"&", b'"', b";q=", b"%", b".", "é山".encode())),
    Target("document (F3)", documents, _documents, (b"<DicomAttribute", b'number="999999999"', b"null", b"1e999", b'"Value":', b"[[", b"<!DOCTYPE x>", b"&#0;"), fuzz_texts.changed_json),
    Target("upload (F3)", fuzz_texts.upload, lambda: fuzz_texts.uploads(_documents()), (b'"BulkDataURI":"1"', b'"Value":', b"--b\r\n\r\n", b"Content-Location: 1\r\n", b"7FE00010", b"null", b"1e999", b"-1"), fuzz_texts.changed_upload),
    Target("answer (F3)", fuzz_texts.answer_of_an_archive, lambda: [b"[" + one + b"]" for one in _documents()[:30]], (b"[[", b"null", b"{}", b"1e999"), fuzz_texts.changed_json),
    Target("HL7 (F4)", fuzz_texts.hl7, fuzz_texts.hl7_messages, fuzz_texts.HL7_WORDS),
    Target("Workitem (F5)", fuzz_texts.workitem, fuzz_texts.workitems_sent, (b'"Value":', b"null", b"{}", b"[[", b'"vr":"SQ"', b"1e999", b'"00081195"', b"IN PROGRESS"), fuzz_texts.changed_json),
    Target("settings (F6)", fuzz_texts.settings, lambda: list(fuzz_texts.SETTINGS), (b"=", b"[[", b"{", b"nan", b"inf", b"1e999", b"true", b'"', b"\xff", b"\x00", b"data", b"stores", b"[1]", b"-5", b"1979-05-27")),
)  # fmt: skip


@dataclass
class Outcome:
    """What a run came to."""

    name: str
    inputs: int
    seconds: float
    slowest_s: float
    findings: list[tuple[bytes, str]]

    def __str__(self) -> str:
        rate = self.inputs / max(self.seconds, 1e-9)
        return (
            f"{self.name:18} {self.inputs:>10,} inputs  {rate:>9,.0f}/s  slowest {self.slowest_s * 1000:7.1f} ms  "
            f"{len(self.findings)} findings"
        )


def _alarm(*_: object) -> None:
    raise Slow


@contextlib.contextmanager
def _watched() -> Iterator[None]:
    """The node answers faults of ours too, by an abort or a status: here they are findings. What hangs is woken."""
    from wetread.dimse import server

    class Told:
        def info(self, *_: Any, **__: Any) -> None:
            """Expected."""

        def warning(self, event: str, **facts: Any) -> None:
            """Not expected."""
            faults.append(RuntimeError(f"{event}: {facts}"))

    own_log, own_alarm = server.log, signal.signal(signal.SIGALRM, _alarm)
    server.log = Told()
    try:
        yield
    finally:
        server.log = own_log
        signal.signal(signal.SIGALRM, own_alarm)


def run(target: Target, *, seconds: float | None = None, inputs: int | None = None, seed: int = 0) -> Outcome:
    """Feeds one target for so long, or so many inputs."""
    with _watched():
        return _run(target, seconds, inputs, seed)


def _run(target: Target, seconds: float | None, inputs: int | None, seed: int) -> Outcome:
    mutator = Mutator(random.Random(seed), target.seeds(), list(target.words), target.change)
    findings: list[tuple[bytes, str]] = []
    known: set[str] = set()
    began, count, slowest = time.monotonic(), 0, 0.0
    while (inputs is None or count < inputs) and (seconds is None or time.monotonic() - began < seconds):
        data = mutator.next() if count >= len(mutator.seeds) else mutator.seeds[count]
        count += 1
        at = time.process_time()  # a machine that does other work beside says nothing of an input
        signal.setitimer(signal.ITIMER_REAL, SLOW_S * 5)
        try:
            target.run(data)
        except Exception as error:
            trace = error.__traceback__
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            where = "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
            words = f"{type(error).__name__}: {str(error)[:200]} at {where}"
            kind = (
                f"{type(error).__name__} {where} {str(error)[:60] if isinstance(error, RuntimeError) else ''}"
            )
            if kind not in known:
                known.add(kind)
                findings.append((data, words))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        took = time.process_time() - at
        slowest = max(slowest, took)
        if took > SLOW_S and "slow" not in known:
            known.add("slow")
            findings.append((data, f"took {took:.1f} s"))
    return Outcome(target.name, count, time.monotonic() - began, slowest, findings)


def main() -> int:
    """Runs all targets, one after the other; prints figures and findings."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--inputs", type=int, default=None, help="at most so many for each target")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", default="", help="targets whose name holds this")
    parser.add_argument("--out", type=Path, default=Path(".state/fuzz"), help="where findings are written")
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    print(f"seed {given.seed}")
    failed = False
    total = 0
    for target in TARGETS:
        if given.only not in target.name:
            continue
        outcome = run(target, seconds=given.seconds, inputs=given.inputs, seed=given.seed)
        total += outcome.inputs
        print(outcome, flush=True)
        for number, (data, words) in enumerate(outcome.findings):
            failed = True
            given.out.mkdir(parents=True, exist_ok=True)
            path = given.out / f"{target.run.__name__}-{given.seed}-{number}.bin"
            path.write_bytes(data)
            print(f"   {words}\n   {path}")
    print(f"{total:,} inputs in all")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
