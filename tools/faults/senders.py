"""Modalities and order systems that never give up: what has no answer is sent again, and every answer is written down."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom
import pydicom.data
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from wetread.dimse.client import Association, AssociationFailed, OperationFailed
from wetread.hl7.client import NoAcknowledgment
from wetread.hl7.client import send as send_message

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
KEPT_ASIDE = 0xB000
BY_WEB = "by STOW-RS"
_SIDES = (64, 256)  # small ones are kept beside their rows at first, larger ones are files at once
_STUDY, _SERIES, _INSTANCE = (f"2.25.{digit}{'7' * 38}" for digit in "234")
_PATIENT = "P00000000"
_OBJECTS_A_STUDY = 40


def new_uid(chance: random.Random) -> str:
    """Always of the same length."""
    return f"2.25.1{chance.randrange(10**38):038d}"


class Template:
    """A CT slice as bytes, up to its pixels."""

    def __init__(self, side: int) -> None:
        ds = pydicom.dcmread(Path(pydicom.data.__file__).parent / "test_files" / "CT_small.dcm")
        ds.remove_private_tags()
        del ds[0xFFFC, 0xFFFC]
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = _STUDY, _SERIES, _INSTANCE
        ds.PatientID, ds.AccessionNumber = _PATIENT, ""
        ds.file_meta.MediaStorageSOPInstanceUID = _INSTANCE
        ds.Rows = ds.Columns = side
        self._pixels = 2 * side * side
        ds.PixelData = bytes(self._pixels)
        plain = DicomBytesIO()
        plain.is_little_endian, plain.is_implicit_VR = True, False
        write_dataset(plain, ds)
        self._head = bytes(plain.getvalue())[: -self._pixels]
        whole = io.BytesIO()
        ds.save_as(whole, enforce_file_format=True)
        self._meta = whole.getvalue()[: -len(self._head) - self._pixels]

    def make(
        self, study: str, series: str, instance: str, patient: str, pixels: bytes
    ) -> tuple[bytes, bytes]:
        """(meta information, data set)."""
        head = self._head
        for old, new in ((_STUDY, study), (_SERIES, series), (_INSTANCE, instance), (_PATIENT, patient)):
            head = head.replace(old.encode(), new.encode())
        return self._meta.replace(_INSTANCE.encode(), instance.encode()), head + pixels

    def pixels(self, chance: random.Random) -> bytes:
        """Others each time."""
        return chance.randbytes(self._pixels)


@dataclass(frozen=True, slots=True)
class Sent:
    """One object as it was sent."""

    study: str
    instance: str
    meta: bytes
    data: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the data set."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass
class Ledger:
    """What was sent, and what was answered."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    attempted: dict[str, str] = field(default_factory=dict)
    """SOP Instance UID → SHA-256 of what was filed under it, if anything was."""
    acknowledged: dict[str, str] = field(default_factory=dict)
    """SOP Instance UID → Study Instance UID."""
    aside: set[str] = field(default_factory=set)
    """SHA-256 of twins that were answered as kept in quarantine."""
    twins: set[str] = field(default_factory=set)
    """SHA-256 of all twins that were sent."""
    orders: set[str] = field(default_factory=set)
    """Message control ids that were answered AA."""
    counts: Counter[str] = field(default_factory=Counter)
    senders: list[Sender] = field(default_factory=list)
    going: threading.Event = field(default_factory=threading.Event)
    """Not set while senders are to wait."""

    def __post_init__(self) -> None:
        self.going.set()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nothing is sent meanwhile."""
        self.going.clear()
        try:
            yield
        finally:
            self.going.set()

    def end(self) -> None:
        """Ends all senders, and waits for them."""
        for sender in self.senders:
            sender.ending.set()
        for sender in self.senders:
            sender.join(40)

    def attempt(self, one: Sent, *, twin: bool = False) -> None:
        """It is about to be sent."""
        with self.lock:
            if twin:
                self.twins.add(one.digest)
            else:
                self.attempted.setdefault(one.instance, one.digest)

    def answered(self, one: Sent, status: int, *, twin: bool) -> bool:
        """Notes the answer; whether the sender may forget the object."""
        with self.lock:
            self.counts[f"{status:04X}"] += 1
            if status == 0 and not twin:
                self.acknowledged[one.instance] = one.study
            elif status == KEPT_ASIDE and twin:
                self.aside.add(one.digest)
            elif status == 0 or status == KEPT_ASIDE:
                self.counts["wrong answer"] += 1
            return status in (0, KEPT_ASIDE)

    @property
    def answers(self) -> int:
        """How many times something was acknowledged."""
        return len(self.acknowledged) + len(self.aside) + len(self.orders)


class Sender(threading.Thread):
    """Sends until told to end."""

    def __init__(self, ledger: Ledger, number: int, seed: int, port: int) -> None:
        super().__init__(daemon=True, name=f"sender-{number}")
        self.ledger, self.number, self.seed, self.port = ledger, number, seed, port
        self.chance = random.Random(f"{seed} {number}")
        self.ending = threading.Event()
        self._templates = [Template(side) for side in _SIDES]
        self._sent_of_study = _OBJECTS_A_STUDY
        self._study = self._series = self._patient = ""

    def goes_on(self) -> bool:
        """Waits where senders are to wait; False at the end."""
        while not self.ledger.going.wait(0.2):
            if self.ending.is_set():
                return False
        return not self.ending.is_set()

    def broken(self) -> None:
        """No answer: it is sent again a little later."""
        with self.ledger.lock:
            self.ledger.counts["no answer"] += 1
        self.ending.wait(0.1)

    def next(self, *, large: bool = False) -> Sent:
        """A new object, of any size or a large one; a new study now and then."""
        if self._sent_of_study >= _OBJECTS_A_STUDY:
            self._sent_of_study = 0
            self._study, self._series = new_uid(self.chance), new_uid(self.chance)
            self._patient = f"P{self.chance.randrange(10**8):08d}"
        self._sent_of_study += 1
        template = self._templates[-1] if large else self.chance.choice(self._templates)
        instance = new_uid(self.chance)
        meta, data = template.make(
            self._study, self._series, instance, self._patient, template.pixels(self.chance)
        )
        return Sent(self._study, instance, meta, data)

    def twin_of(self, one: Sent) -> Sent:
        """The same UIDs over other pixels."""
        return Sent(one.study, one.instance, one.meta, one.data[:-8] + self.chance.randbytes(8))


class StoreSender(Sender):
    """C-STORE, some objects an association."""

    def run(self) -> None:
        """See Sender."""
        waiting: list[tuple[Sent, bool]] = []
        while self.goes_on():
            try:
                with self.association() as association:
                    for _ in range(self.chance.randrange(1, 12)):
                        if self.ending.is_set():
                            return
                        if not self.ledger.going.is_set():
                            break
                        self._one(association, waiting)
            except (AssociationFailed, OperationFailed, OSError):
                self.broken()
                if waiting and self.chance.random() < 0.2:
                    # A person switched the modality off. A twin is one only after what it is a twin of.
                    waiting.clear()

    def association(self) -> Association:
        """A new one. Raises AssociationFailed."""
        return Association(
            "127.0.0.1", self.port, "WETREAD", f"CT{self.number}", [(CT, [EXPLICIT])], timeout_s=20
        )

    def _one(self, association: Association, waiting: list[tuple[Sent, bool]]) -> None:
        if not waiting:
            one = self.next()
            waiting.append((one, False))
            if self.chance.random() < 0.05:
                waiting.insert(0, (self.twin_of(one), True))
        one, twin = waiting[-1]
        self.ledger.attempt(one, twin=twin)
        answer = association.store(CT, one.instance, EXPLICIT, [one.data])
        if self.ledger.answered(one, answer.status, twin=twin):
            waiting.pop()
        else:
            self.ending.wait(0.05)


class WebSender(Sender):
    """STOW-RS, some objects a request."""

    def __init__(self, ledger: Ledger, number: int, seed: int, port: int, token: str) -> None:
        super().__init__(ledger, number, seed, port)
        self._token = token

    def run(self) -> None:
        """See Sender."""
        waiting: list[Sent] = []
        while self.goes_on():
            if not waiting:
                waiting = [self.next() for _ in range(self.chance.randrange(1, 5))]
            try:
                waiting = self.upload(waiting)
            except (OSError, http.client.HTTPException, ValueError):
                self.broken()
                if self.chance.random() < 0.2:
                    waiting = []

    def upload(self, waiting: list[Sent]) -> list[Sent]:
        """One request; what is left. Raises OSError, HTTPException, ValueError."""
        body = b""
        for one in waiting:
            self.ledger.attempt(one)
            body += b"--x\r\nContent-Type: application/dicom\r\n\r\n" + one.meta + one.data + b"\r\n"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(
                "POST",
                "/dicom-web/studies",
                body + b"--x--\r\n",
                {
                    "Content-Type": 'multipart/related; type="application/dicom"; boundary=x',
                    "Accept": "application/dicom+json",
                    "Authorization": f"Bearer {self._token}",
                },
            )
            response = connection.getresponse()
            text = response.read()
            if response.status not in (200, 202, 409):
                with self.ledger.lock:
                    self.ledger.counts[f"HTTP {response.status}"] += 1
            answer: dict[str, Any] = json.loads(text)
        finally:
            connection.close()
        kept = {
            item["00081155"]["Value"][0]
            for item in answer.get("00081199", {}).get("Value", ())
            if "00081196" not in item
        }
        with self.ledger.lock:
            self.ledger.counts[BY_WEB] += len(kept)
            for item in answer.get("00081198", {}).get("Value", ()):
                self.ledger.counts[f"{item['00081197']['Value'][0]:04X}"] += 1
        for one in waiting:
            if one.instance in kept:
                self.ledger.answered(one, 0, twin=False)
        left = [one for one in waiting if one.instance not in kept]
        if left:
            self.broken()
        return left


ORDER = (
    "MSH|^~\\&|HIS|CITY|WETREAD|RIV|20261125||ORM^O01|{n}|P|2.3.1||||||UNICODE UTF-8\r"
    "PID|1||{n}^^^CITY^MR||Doe^Jane||19800101|F\rORC|NW|P{n}^HIS||||1|^^^^^S\rOBR|1|P{n}||CTHEAD^CT head^99WETREAD\r"
)


class OrderSender(Sender):
    """HL7 orders, one after the other."""

    def run(self) -> None:
        """See Sender."""
        count = 0
        while self.goes_on():
            if self.order(f"{self.seed % 10**6}{self.number}{count:06d}"):
                count += 1
            else:
                time.sleep(0.1)  # AE: for want of the database
            self.ending.wait(0.05)

    def order(self, control_id: str) -> bool:
        """Whether this one was acknowledged."""
        try:
            ack = send_message(
                "127.0.0.1", self.port, ORDER.replace("{n}", control_id), timeout_s=10, connect_s=1
            )
        except NoAcknowledgment:
            self.broken()
            return False
        with self.ledger.lock:
            self.ledger.counts[f"HL7 {ack.code}"] += 1
            if ack.code == "AA":
                self.ledger.orders.add(control_id)
        return ack.code == "AA"
