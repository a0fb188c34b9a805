"""What `tools/fuzz.py` feeds that comes from other systems as text: HL7 v2, metadata of uploads, Workitems, settings."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import random
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import orjson

from wetread.archive.service import Status
from wetread.dicom import header
from wetread.dicom.part10 import read_meta
from wetread.dicomweb import accept as accepting
from wetread.dicomweb.client import WebFailed, data_sets_in
from wetread.dicomweb.multipart import Malformed
from wetread.dicomweb.storing import _Composed
from wetread.dicomweb.workitems import _data_set
from wetread.hl7 import inbound
from wetread.hl7.acknowledgment import Fault, acknowledge, read_acknowledgment, reject
from wetread.hl7.fields import readable
from wetread.hl7.framing import Framer, FrameTooLarge, frame
from wetread.hl7.message import Message, NotHl7
from wetread.kit.config import SettingsError, load_settings
from wetread.kit.errors import WetreadError
from wetread.workitems import nested
from wetread.workitems import rules as workitems
from wetread.workitems.model import State
from wetread.workitems.service import _clean

_NASTY: tuple[Any, ...] = (
    None, "", "x", 0, -1, 1e300, True, [], {}, [[]], [None], [{}], {"vr": "SQ"}, {"vr": "SQ", "Value": [None]}, {"vr": "SQ", "Value": ["x"]}, {"vr": "CS", "Value": [{}]},
    {"vr": "PN", "Value": ["A^B"]}, {"vr": "OB", "InlineBinary": "AAEC"}, {"vr": "UN", "BulkDataURI": "1"}, {"vr": "??"}, "1.2.3", "é山\ud800", "A" * 70_000, "\\", "\x00",
)  # fmt: skip


def changed_json(pick: random.Random, data: bytes) -> bytes:
    """JSON with one to some nodes replaced, removed, doubled, wrapped or put elsewhere; other bytes as they are."""
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        return data
    for _ in range(pick.choice((1, 1, 2, 4))):
        places: list[tuple[Any, Any]] = []
        _walk(document, places)
        if not places:
            break
        holder, key = pick.choice(places)
        kind = pick.randrange(6)
        if kind < 2:
            holder[key] = copy.deepcopy(pick.choice(_NASTY))
        elif kind == 2:
            del holder[key]
        elif kind == 3:
            holder[key] = [holder[key]] if pick.random() < 0.5 else {"vr": "SQ", "Value": [holder[key]]}
        elif kind == 4:
            other, at = pick.choice(places)
            if key in other if isinstance(other, dict) else False:
                other[key] = copy.deepcopy(holder[key])
            else:
                holder[key] = copy.deepcopy(other[at])
        elif isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        else:
            holder[f"{pick.randrange(1 << 32):08X}"] = copy.deepcopy(holder[key])
    return json.dumps(document).encode()


def changed_upload(pick: random.Random, data: bytes) -> bytes:
    """The same, of the metadata in the first part."""
    head, blank, rest = data.partition(b"\r\n\r\n")
    metadata, boundary, bulk = rest.partition(b"\r\n--b")
    if not boundary:
        return changed_json(pick, data)
    return head + blank + changed_json(pick, metadata) + boundary + bulk


def _walk(node: Any, places: list[tuple[Any, Any]]) -> None:
    for key, value in (
        node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    ):
        places.append((node, key))
        _walk(value, places)


_NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)

HL7_ORDER = "\r".join((
    "MSH|^~\\&|EPIC|CITYHOSP|WETREAD|RIV|20261125031500-0500||ORM^O01|M1|P|2.3.1||||||UNICODE UTF-8",
    "PID|1||4711^^^CITY^MR~999-99-9999^^^SSA^SS||Müller^Jörg^A^^Dr~山田^太郎^^^^^^I||19601231|M|||1 Main St^Apt 2^Boston^MA^02115^USA||617-555-0100",
    "PV1|1|E|ER^^^CITYHOSP||||||||||||||||V77",
    "IN1|1|PPO^Bluewater PPO|BWH01|Bluewater Health|PO Box 1^^Boston^MA^02101|||GRP9|||||||CI|Müller^Jörg|SPO|19601231||||||||||||||||||BW998877",
    "ORC|NW|P-1^EPIC||||1|^^^20261126080000-0500^^S||20261125031400-0500|||1679576722^Smith^Ann^^^Dr^^^NPI^^^^NPI",
    "OBR|1|P-1^EPIC||CTHEAD^CT head without contrast^99WETREAD|S|||||||||||1679576722^Smith^Ann|||||||||||||||Thunderclap\\.br\\headache",
    "DG1|1||R51.9^Headache, unspecified^I10", "NTE|1||GCS 14, collapsed \\T\\ found at home\\X0A\\", "ZDS|1.2.840.99999.1.1^WETREAD^Application^DICOM", "",
))  # fmt: skip
HL7_MERGE = "MSH|^~\\&|EPIC|CITY|WETREAD|RIV|20261125||ADT^A40^ADT_A39|M2|P|2.5.1\rEVN|A40\rPID|1||4711^^^CITY||A^B\rMRG|4712^^^CITY\r"
HL7_CANCEL = "MSH|^~\\&|EPIC|CITY|WETREAD|RIV|20261125||OMI^O23|M3|P|2.5.1\rPID|1||4711^^^CITY||A^B\rORC|CA|P-1^EPIC||||||||||||||R^gone\rOBR|1|P-1^EPIC||CTHEAD\r"
HL7_WORDS = (
    b"|", b"^", b"~", b"\\", b"&", b"\r", b"\n", b"\x0b", b"\x1c\r", b'""', b"MSH|^~\\&|", b"\rPID|", b"\rORC|NW|", b"\rOBR|", b"\\X00\\", b"\\XE5B1B1\\",
    b"\\.sp99\\", b"\x00", b"\xff\xfe", b"UNICODE UTF-16", b"ISO IR87", b"\x1b$B", b"99999999", b"20261131", b"+9999", b"XO", b"CA", b"RO", "é山".encode(),
    b"\r" + b"a\r" * 3000, b"|" * 5000, b"^" * 5000, b"~1^^^A" * 1000, b"\\" * 5001, b"\rDG1|1||R51.9^^I10" * 300, b"&" * 5000,
)  # fmt: skip


def hl7_messages() -> list[bytes]:
    """Good messages, in several writings, and answers."""
    texts = (HL7_ORDER, HL7_MERGE, HL7_CANCEL)
    found = [text.encode() for text in texts]
    found += [HL7_ORDER.replace("UNICODE UTF-8", name).encode(codec, "replace") for name, codec in (("8859/1", "latin-1"), ("UNICODE UTF-16", "utf-16"))]  # fmt: skip
    found += [HL7_ORDER.replace("\r", "\n").encode(), HL7_ORDER.replace("|", "#").encode()]
    message = Message.parse(found[0])
    found.append(acknowledge(message, _NOW, "A1", fault=reject("103", "PID^1^3", "no & such")).encode())
    found.append(acknowledge(message, _NOW, "A2").encode())
    return found


def hl7(data: bytes) -> None:
    """F4: a stream of frames, cut anywhere, and each message in it, with what is asked of it and its answer."""
    streamed = data if data.startswith(b"\x0b") else frame(data) + frame(data[:50])

    def read(step: int) -> list[bytes] | None:
        framer, found = Framer(1 << 20), []
        try:
            for at in range(0, len(streamed), step):
                found += framer.feed(streamed[at : at + step])
        except FrameTooLarge:
            return None
        return found

    messages = read(len(streamed) or 1)
    assert messages == read(7) == read(1000), "what is read depends on how it was cut"
    for raw in messages or ():
        hl7_message(raw)


def hl7_message(raw: bytes) -> None:
    """One message; its answer is one that the sender can read, and knows for its own."""
    read_acknowledgment(raw)
    try:
        message: Message | bytes = inbound._readable(raw)  # noqa: SLF001
    except Fault as fault:
        answer = acknowledge(raw, _NOW, "A", fault=fault).encode()
        _check_answer(answer, fault.acknowledgment_code, None)
        with contextlib.suppress(NotHl7):
            readable(Message.parse(raw))
        return
    assert isinstance(message, Message)
    readable(message)
    pid = message.first("PID")
    with contextlib.suppress(Fault):
        inbound._demographics(message)  # noqa: SLF001
    with contextlib.suppress(Fault):
        inbound._identity(message, inbound.InterfaceSettings("ISSUER"))  # noqa: SLF001
    for segment in message.segments:
        for number in (3, 5, 12, 16):
            inbound.person_name(segment, number)
            segment.components(number)
        inbound.moment(segment.value(7), "America/New_York")
    message.groups("ORC")
    assert pid.value(10_000) == ""
    _check_answer(acknowledge(message, _NOW, "A").encode(), "AA", message.control_id)


def _check_answer(raw: bytes, code: str, control_id: str | None) -> None:
    assert not {0x00, 0x0B, 0x1C} & set(raw), "an answer breaks its frame"
    ack = read_acknowledgment(raw)
    assert ack is not None, "an answer is none"
    assert ack.code == code, "an answer says something else"
    assert control_id is None or ack.control_id == control_id, "the answer is for another message"
    assert code == "AA" or ack.message.has("ERR"), "the reason is missing"


# Uploads in metadata and bulk data


class _Kept:
    """An archive that remembers one object, and lets it go."""

    def __init__(self) -> None:
        self.content = io.BytesIO()
        self.committed: list[bytes] = []

    def transfer(self) -> _Kept:
        """Takes objects."""
        return self

    def file(self) -> _Kept:
        """Takes one."""
        self.content = io.BytesIO()
        return self

    def write(self, data: bytes) -> None:
        """More of it."""
        self.content.write(data)

    def commit(self, only_study: str | None = None) -> Any:
        """Keeps it."""
        self.committed.append(self.content.getvalue())
        return Status.SUCCESS

    def abort(self) -> None:
        """Nothing to undo."""

    def close(self) -> None:
        """Nothing to record."""


def upload(data: bytes) -> None:
    """F3: an upload of metadata and bulk data: refused in words, or an object that can be read from its beginning to its end."""
    for media_type in (accepting.DICOM_JSON, accepting.DICOM_XML):
        boundary = "b" if data[:4].lstrip(b"\r\n").startswith(b"--") else None
        kept = _Kept()
        taken = _Composed(cast(Any, kept), None, boundary, media_type)
        try:
            for at in range(0, len(data), 100):
                taken.feed(data[at : at + 100])
            taken.finish()
        except Malformed:
            pass
        finally:
            taken.close()
        for raw in kept.committed:
            meta = read_meta(raw)
            header.scan(raw[meta.data_set_offset :], meta.transfer_syntax_uid, set(), whole=True)


def _part(head: str, body: bytes) -> bytes:
    return f"--b\r\n{head}\r\n\r\n".encode() + body + b"\r\n"


def uploads(models: list[bytes]) -> list[bytes]:
    """Metadata alone and with bulk data."""
    image = {
        "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.7"]},
        "00080018": {"vr": "UI", "Value": ["1.2.3"]},
        "0020000D": {"vr": "UI", "Value": ["1.2.4"]},
        "00280010": {"vr": "US", "Value": [2]},
        "00081140": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2.5"]}}]},
        "7FE00010": {"vr": "OW", "BulkDataURI": "http://x/1"},
    }
    said = orjson.dumps([image])
    whole = (
        _part("Content-Type: application/dicom+json", said)
        + _part("Content-Type: application/octet-stream\r\nContent-Location: http://x/1", bytes(range(64)))
        + b"--b--"
    )
    jpeg = (
        _part("Content-Type: application/dicom+json", said)
        + _part(
            "Content-Type: image/jpeg\r\nContent-Location: 1", b"\xff\xd8\xff\xc0\0\x0b\x08\0\2\0\2\1\1\x11\0\xff\xd9"
        )
        + b"--b--"
    )  # fmt: skip
    return [*models, said, whole, jpeg]


# Workitems


def workitem(data: bytes) -> None:
    """F5: the body of a Workitem, and what is decided about making and changing one that says this."""
    for media_type in ("application/dicom+json", "application/dicom+xml"):
        try:
            sent = _clean(_data_set(media_type, data))
        except WetreadError:
            continue
        at = "20261125120000.000000+0000"
        good = orjson.loads(workitems_sent()[0])
        kept: list[dict[str, Any]] = []
        for one in (sent, good | sent):
            with contextlib.suppress(workitems.WorkitemRefused):
                kept.append(workitems.create("1.2.3", one, at=at).attributes)
        with contextlib.suppress(workitems.WorkitemRefused):
            kept.append(workitems.update(State.SCHEDULED, None, good, sent, at=at))
        with contextlib.suppress(workitems.WorkitemRefused):
            kept.append(workitems.update(State.IN_PROGRESS, "1.2", good, sent, at=at))
        asked: dict[str, Any] = {}
        with contextlib.suppress(workitems.WorkitemRefused):
            asked = workitems.cancel_information(sent)
        orjson.dumps(workitems.cancel_requested(asked, "AE"))
        for one in [good, *kept]:
            cancelled = workitems.with_cancellation(one, asked, at=at, default_reason=True)
            assert nested.complete(cancelled, creating=False)[1] is None, (
                "what is kept is not as it has to be"
            )
            for present in (one, cancelled):
                for wanted in ("COMPLETED", "CANCELED", workitems.text_of(sent, workitems.STATE)):
                    with contextlib.suppress(workitems.WorkitemRefused):
                        workitems.change_state(State.IN_PROGRESS, "1.2", present, wanted, "1.2")
                orjson.dumps(workitems.events_of_update(good, present, State.CANCELED))
                orjson.dumps(workitems.state_report(present, State.CANCELED))


def workitems_sent() -> list[bytes]:
    """Workitems as they are sent."""
    code = {
        "vr": "SQ",
        "Value": [
            {
                "00080100": {"vr": "SH", "Value": ["110001"]},
                "00080102": {"vr": "SH", "Value": ["DCM"]},
                "00080104": {"vr": "LO", "Value": ["Image Processing"]},
            }
        ],
    }
    reference = {
        "vr": "SQ",
        "Value": [{"00081150": {"vr": "UI", "Value": ["1.2"]}, "00081155": {"vr": "UI", "Value": ["1.3"]}}],
    }
    given = {
        "00741000": {"vr": "CS", "Value": ["SCHEDULED"]},
        "00741200": {"vr": "CS", "Value": ["HIGH"]},
        "00741204": {"vr": "LO", "Value": ["Read"]},
        "00404005": {"vr": "DT", "Value": ["20261125120000"]},
        "00404041": {"vr": "CS", "Value": ["READY"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]},
        "00100040": {"vr": "CS", "Value": ["F"]},
        "00404018": code,
        "00404021": {
            "vr": "SQ",
            "Value": [
                {
                    "0040E020": {"vr": "CS", "Value": ["DICOM"]},
                    "0020000D": {"vr": "UI", "Value": ["1.4"]},
                    "0020000E": {"vr": "UI", "Value": ["1.5"]},
                    "00081199": reference,
                }
            ],
        },
    }
    performed = {
        "00081195": {"vr": "UI", "Value": ["1.2"]},
        "00741002": {
            "vr": "SQ",
            "Value": [{"00741004": {"vr": "DS", "Value": [50]}, "0074100E": code}],
        },
        "00741216": {
            "vr": "SQ",
            "Value": [
                {
                    "00404028": code,
                    "00404050": {"vr": "DT", "Value": ["20261125"]},
                    "00404051": {"vr": "DT", "Value": ["20261125"]},
                    "00404019": code,
                    "00404033": {"vr": "SQ"},
                }
            ],
        },
    }
    cancelling = {
        "0074100E": code,
        "00741238": {"vr": "LT", "Value": ["gone"]},
        "0074100A": {"vr": "UR", "Value": ["tel:1"]},
        "0074100C": {"vr": "LO", "Value": ["Ann"]},
    }
    return [orjson.dumps(one) for one in (given, performed, given | performed, cancelling, [given])]


def answer_of_an_archive(data: bytes) -> None:
    """F3: what another archive answers to a search."""
    with contextlib.suppress(WebFailed):
        assert isinstance(data_sets_in("elsewhere", data), list)


# Settings


_FOLDER: list[tempfile.TemporaryDirectory[str]] = []
SETTINGS = (
    b'dicom_port = 11112\nhl7_port = 2575\nroles = ["web", "node"]\nextra_sop_classes = ["1.2.3"]\n',
    b'[[stores]]\nname = "near"\nfolder = "/tmp/x"\nquota_bytes = 5\n[[stores]]\nname = "far"\nbucket = "b"\nregion = "eu"\n',
    b'data = "/tmp/x"\ntls_profile = "bcp195"\nae_title = "WETREAD"\nlog_format = "json"\n',
)


def settings(data: bytes) -> None:
    """F6: a settings file: settings, or words for who wrote it."""
    if not _FOLDER:
        _FOLDER.append(tempfile.TemporaryDirectory(prefix="wetread-fuzz-"))
    path = Path(_FOLDER[0].name) / "wetread.toml"
    path.write_bytes(data)
    with contextlib.suppress(SettingsError):
        load_settings({"WETREAD_CONFIG": str(path)})
