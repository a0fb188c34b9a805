"""Getting objects out: who may see them, where they lie, their frames, metadata and whole files.

Everything passes `Retrieval.admit`: it checks that the actor may see the study and records the viewing, once per
actor and study in a viewing session (PS3.15 A.5.3.6), so that scrolling is not slowed by it. What it found is
remembered for a few seconds; taking a right away therefore works within that time.
"""

from __future__ import annotations

import base64
import gzip
import threading
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
from sqlalchemy import ColumnElement, false, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from wetread.archive import pixels, store
from wetread.archive.layers import NONE, Layers, layers_of
from wetread.archive.model import SeriesMetadata, StoredRole, Study
from wetread.archive.overlay import overlay
from wetread.archive.references import OF_ONE_STUDY, with_references
from wetread.archive.rules import FrameTable, JsonDict, corrected
from wetread.archive.sealing import Unsealer
from wetread.archive.store import StoredInstance
from wetread.archive.vault import Vault
from wetread.dicom import codestream, jsonmodel
from wetread.dicom import header as scanner
from wetread.dicom.part10 import build_meta
from wetread.dicom.transfersyntax import EXPLICIT_VR_LITTLE_ENDIAN, transfer_syntax
from wetread.kit import limits
from wetread.kit.errors import NotFound, TooLarge
from wetread.security.service import Actor, AuditEventID, Offices, Permission, Role, Work

ADMITTED_S = 5.0
VIEWING_SESSION_S = 15 * 60.0
LOCATED_S = 5.0
DICOM_WEB = "/dicom-web"
_BEGINNING_BYTES = 32 * 1024  # holds most beginnings, and is read at once


class StudyVisibility(Protocol):
    """Decides which studies an actor may see, beyond the permission to read studies at all."""

    def condition(self, work: Work) -> ColumnElement[bool] | None:
        """A condition on Study; None: all of them."""


class RoleVisibility:
    """The rule where no other is given: whoever works here sees all; an actor who is only a referrer sees none."""

    def condition(self, work: Work) -> ColumnElement[bool] | None:
        """See StudyVisibility."""
        roles = work.actor.roles
        return false() if roles and roles <= {Role.REFERRER} else None


@dataclass(frozen=True, slots=True)
class InstanceFiles:
    """The objects of one instance: as received, and its rendition for viewing where there is one."""

    original: StoredInstance
    rendition: StoredInstance | None = None


@dataclass(frozen=True, slots=True)
class BulkData:
    """A long value: its length in bytes, its media type where that is known, and `read(start, end)` in pieces."""

    length: int
    media_type: str | None
    read: Callable[[int, int], Iterator[memoryview | bytes]]


@dataclass(frozen=True, slots=True)
class _Located:
    files: dict[str, InstanceFiles]
    until: float


class _Recent:
    """A small map whose entries are forgotten in the order they came."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._entries: OrderedDict[Any, Any] = OrderedDict()

    def get(self, key: Any) -> Any:
        with self._lock:
            return self._entries.get(key)

    def put(self, key: Any, value: Any) -> None:
        with self._lock:
            self._entries[key] = value
            self._entries.move_to_end(key)
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


@dataclass(frozen=True, slots=True)
class RetrieveObject:
    """One object to be sent by C-STORE sub-operations; `chunks` gives its data set with corrections laid over."""

    stored: StoredInstance
    corrections: Sequence[tuple[JsonDict, JsonDict]]
    retrieval: Retrieval = field(repr=False)

    @property
    def sop_class_uid(self) -> str:
        """SOP Class UID."""
        return self.stored.sop_class_uid

    @property
    def sop_instance_uid(self) -> str:
        """SOP Instance UID."""
        return self.stored.sop_instance_uid

    @property
    def transfer_syntax_uid(self) -> str:
        """The syntax of what `chunks` gives."""
        return self.retrieval.outgoing_syntax(self.stored, self.corrections)

    def chunks(self) -> Iterator[memoryview | bytes]:
        """The data set without preamble and meta information, piece by piece."""
        return self.retrieval.dataset(self.stored, self.corrections)


class Retrieval:
    """Reads what the archive holds."""

    def __init__(
        self,
        offices: Offices,
        vault: Vault,
        *,
        visibility: StudyVisibility | None = None,
        decoder: pixels.Decoder,
    ) -> None:
        self.offices = offices
        self.vault = vault
        self.visibility: StudyVisibility = visibility or RoleVisibility()
        self.decoder = decoder
        self._admitted = _Recent(20_000)
        self._viewed = _Recent(50_000)
        self._located = _Recent(400)
        self._fragments = _Recent(20_000)
        # Few bytes to find, many to keep: no more than the last.
        self._last_inflated = _Recent(1)

    def visible(self, work: Work) -> ColumnElement[bool] | None:
        """The condition on Study for this actor."""
        return self.visibility.condition(work)

    # Admission and look-up

    def admit(self, actor: Actor, study_instance_uid: str) -> int:
        """study_pk of a study that the actor may see. Raises Denied, NotFound; records the viewing."""
        now = time.monotonic()
        key = (actor.kind, actor.user_pk, actor.username, study_instance_uid)
        known = self._admitted.get(key)
        if known is not None and known[1] > now:
            return int(known[0])
        with self.offices.work(actor) as work:
            work.require(Permission.STUDY_READ, Permission.RESULT_READ, Permission.LIVE_JOIN)
            query = select(Study.study_pk, Study.patient_pk).where(
                Study.study_instance_uid == study_instance_uid, Study.removal_pk.is_(None)
            )
            condition = self.visible(work)
            # Below the ORM, which would note patient data as read: the viewing is recorded once, here.
            row = (
                work.session.connection()
                .execute(query if condition is None else query.where(condition))
                .first()
            )
            if row is None:
                raise NotFound("There is no such study.")
            viewed = self._viewed.get(key)
            if viewed is None or now - viewed > VIEWING_SESSION_S:
                work.audit(
                    AuditEventID.INSTANCES_ACCESSED,
                    "R",
                    patient_pk=row[1],
                    study_instance_uid=study_instance_uid,
                    object_type="study",
                    object_id=row[0],
                )
        if viewed is None or now - viewed > VIEWING_SESSION_S:
            self._viewed.put(key, now)
        self._admitted.put(key, (row[0], now + ADMITTED_S))
        return int(row[0])

    def files(
        self, actor: Actor, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str
    ) -> InstanceFiles:
        """Where the bytes of an instance are. Raises NotFound, Denied."""
        self.admit(actor, study_instance_uid)
        now = time.monotonic()
        key = (study_instance_uid, series_instance_uid)
        located: _Located | None = self._located.get(key)
        if located is None or located.until < now or sop_instance_uid not in located.files:
            located = _Located(self._locate(*key), now + LOCATED_S)
            self._located.put(key, located)
        found = located.files.get(sop_instance_uid)
        if found is None:
            raise NotFound("There is no such instance.")
        return found

    def note_opened(self, actor: Actor, stored: StoredInstance) -> None:
        """Records that an actor who was admitted opened this object, once in a viewing."""
        now = time.monotonic()
        key = (actor.kind, actor.user_pk, actor.username, stored.sop_instance_uid)
        viewed = self._viewed.get(key)
        if viewed is not None and now - viewed <= VIEWING_SESSION_S:
            return
        with self.offices.work(actor) as work:
            work.require(Permission.STUDY_READ, Permission.RESULT_READ, Permission.LIVE_JOIN)
            work.audit(
                AuditEventID.INSTANCES_ACCESSED,
                "R",
                study_instance_uid=stored.study_instance_uid,
                object_type="instance",
                object_id=stored.sop_instance_uid,
            )
        self._viewed.put(key, now)

    def _locate(self, study_instance_uid: str, series_instance_uid: str) -> dict[str, InstanceFiles]:
        # The viewing was recorded by admit(); one query serves the whole series' frames.
        with self.offices.database.transaction() as session:
            stored = store.stored_instances(
                session,
                study_instance_uids=[study_instance_uid],
                series_instance_uids=[series_instance_uid],
                roles=(StoredRole.ORIGINAL, StoredRole.RENDITION),
            )
        renditions = {one.instance_pk: one for one in stored if one.role == StoredRole.RENDITION}
        return {
            one.sop_instance_uid: InstanceFiles(one, renditions.get(one.instance_pk))
            for one in stored
            if one.role == StoredRole.ORIGINAL
        }

    def pictures(
        self, actor: Actor, study_instance_uid: str, series_instance_uid: str
    ) -> list[InstanceFiles]:
        """The instances of a series that have a picture, in order."""
        self.admit(actor, study_instance_uid)
        return [
            files
            for files in self._locate(study_instance_uid, series_instance_uid).values()
            if files.original.number_of_frames
        ]

    def middle(self, actor: Actor, study_instance_uid: str, series_instance_uid: str) -> InstanceFiles | None:
        """The instance in the middle of a series, among those with a picture."""
        pictures = self.pictures(actor, study_instance_uid, series_instance_uid)
        return pictures[(len(pictures) - 1) // 2] if pictures else None

    def forget(self) -> None:
        """Drops everything remembered, e.g. after a correction or a resolved quarantine."""
        self._located.clear()
        self._admitted.clear()
        self._fragments.clear()
        self._last_inflated.clear()

    # Frames

    def frame(self, stored: StoredInstance, number: int) -> memoryview | bytes:
        """Frame `number` (from 1) as it is stored. Raises NotFound."""
        if stored.frame_table is not None:
            fragments = FrameTable.frame(stored.frame_table, number)
            if fragments is None:
                raise NotFound("There is no such frame.")
            with self._open(stored) as unsealer:
                parts = [unsealer.read(offset, length) for offset, length in fragments]
            return parts[0] if len(parts) == 1 else b"".join(parts)
        if stored.pixel_data_offset is None or stored.frame_length is None:
            plain = self._cut(stored, number)
            return self._decoded(stored, number) if plain is None else plain
        start = stored.pixel_data_offset + (number - 1) * stored.frame_length
        if not 1 <= number <= stored.number_of_frames or start + stored.frame_length > stored.size_bytes:
            raise NotFound("There is no such frame.")
        with self._open(stored) as unsealer:
            return unsealer.read(start, stored.frame_length)

    def beginning(self, stored: StoredInstance, number: int, halvings: int) -> tuple[memoryview, int] | None:
        """What of frame `number` is a picture of half the rows and columns `halvings` times over, and the frame's length.

        None where it is not HTJ2K of which that can be told. Raises NotFound.
        """
        fragments = FrameTable.frame(stored.frame_table, number) if stored.frame_table is not None else None
        if fragments is None:
            raise NotFound("There is no such frame.")
        (offset, total), *more = fragments
        if more:
            return None
        with self._open(stored) as unsealer:
            start = unsealer.read(offset, min(total, _BEGINNING_BYTES))
            length = codestream.beginning(bytes(start[: codestream.MAIN_HEADER_BYTES_MAX]), halvings)
            if length is None or length >= total:
                return None
            return (start[:length] if length <= len(start) else unsealer.read(offset, length)), total

    def decoded_frame(
        self, stored: StoredInstance, number: int, *, planes: bool = False
    ) -> memoryview | bytes:
        """Frame `number` as plain little-endian pixels; `planes` as in `Decoder.decode`. Raises NotFound, CannotDecode."""
        syntax = transfer_syntax(stored.transfer_syntax_uid)
        if stored.frame_table is None and not syntax.big_endian and stored.frame_length is not None:
            return self.frame(stored, number)
        return self._decoded(stored, number, planes=planes)

    def _cut(self, stored: StoredInstance, number: int) -> bytes | None:
        """A plain frame that a range of bytes does not give: of single bits that do not end on a byte, or in a deflated data
        set. None: it is another kind. Raises NotFound."""
        syntax = transfer_syntax(stored.transfer_syntax_uid)
        is_plain = stored.frame_table is None and not syntax.encapsulated and not syntax.big_endian
        samples, bits = stored.samples_per_pixel or 1, stored.bits_allocated
        halved = "422" in (stored.photometric_interpretation or "")
        if not is_plain or halved or not stored.rows or not stored.columns or not bits:
            return None
        size = stored.rows * stored.columns * samples * bits
        first = (number - 1) * size
        begin, end = first // 8, -(-(first + size) // 8)
        if not 1 <= number <= stored.number_of_frames:
            raise NotFound("There is no such frame.")
        if syntax.deflated:
            dataset, offset = self._inflated(stored)
            if offset is None:
                raise NotFound("There is no such frame.")
            data = dataset[offset + begin : offset + end]
        elif bits == 1 and stored.pixel_data_offset is not None:
            start = stored.pixel_data_offset + begin
            if stored.pixel_data_offset + end > stored.size_bytes:
                raise NotFound("There is no such frame.")
            with self._open(stored) as unsealer:
                data = bytes(unsealer.read(start, end - begin))
        else:
            return None
        if len(data) < end - begin:
            raise NotFound("There is no such frame.")
        if first % 8 == 0 and size % 8 == 0:
            return data
        cut = int.from_bytes(data, "little") >> (first % 8) & ((1 << size) - 1)
        return cut.to_bytes(-(-size // 8), "little")

    def _decoded(self, stored: StoredInstance, number: int, *, planes: bool = False) -> bytes:
        if not 1 <= number <= stored.number_of_frames:
            raise NotFound("There is no such frame.")
        return self.decoder.decode(self._picture(stored, number), planes=planes)

    def frame_syntax(self, stored: StoredInstance) -> str:
        """The transfer syntax of the frames: that of the object, unless they are compressed though it is not."""
        syntax = stored.transfer_syntax_uid
        if stored.frame_table is None or transfer_syntax(syntax).encapsulated or not stored.number_of_frames:
            return syntax
        return pixels.syntax_of_stream(bytes(self.frame(stored, 1)[: 1 << 16])) or syntax

    def rendered(self, stored: StoredInstance, number: int, rendering: pixels.Rendering) -> bytes:
        """Frame `number` as an image for looking at. Raises NotFound, CannotDecode."""
        if stored.number_of_frames == 0:
            raise NotFound("This object has no picture.")
        if not 1 <= number <= stored.number_of_frames:
            raise NotFound("There is no such frame.")
        return self.decoder.render(self._picture(stored, number), rendering)

    def _picture(self, stored: StoredInstance, number: int) -> pixels.Picture:
        """The frame with the attributes that say how it is to be read."""
        document = self.instance_json(stored)
        tables: dict[str, bytes] = {}
        for tag, reference in pixels.table_references(document).items():
            table = self.bulk_data(stored, reference)
            tables[tag] = b"".join(table.read(0, min(table.length, limits.OBJECT_JSON_BYTES_MAX)))
        syntax = transfer_syntax(stored.transfer_syntax_uid)
        odd_pairs = syntax.big_endian and stored.bits_allocated == 8
        if stored.frame_table is not None or (
            stored.frame_length is not None and stored.pixel_data_offset is not None and not odd_pairs
        ):
            data = bytes(self.frame(stored, number))
            return pixels.Picture(document, data, self.frame_syntax(stored), number, tables=tables)
        plain = self._cut(stored, number)
        if plain is not None:
            return pixels.Picture(document, plain, EXPLICIT_VR_LITTLE_ENDIAN, number, tables=tables)
        # Of some kinds a frame cannot be cut out: the decoder gets all pixel data.
        if stored.size_bytes > limits.OBJECT_DECODE_BYTES_MAX:
            raise TooLarge("This object is too large to be decoded at once.")
        with self._open(stored) as unsealer:
            dataset = bytes(unsealer.read(stored.dataset_offset, stored.size_bytes))
        if syntax.deflated:
            dataset = scanner.inflate(dataset)
        found = scanner.scan(
            dataset, EXPLICIT_VR_LITTLE_ENDIAN if syntax.deflated else syntax.uid, (), whole=True
        )
        if found.pixel_offset is None:
            raise NotFound("This object has no picture.")
        return pixels.Picture(
            document,
            dataset[found.pixel_offset :],
            EXPLICIT_VR_LITTLE_ENDIAN if syntax.deflated else stored.transfer_syntax_uid,
            number,
            whole=True,
            tables=tables,
        )

    # Whole objects

    def outgoing_syntax(
        self, stored: StoredInstance, corrections: Sequence[tuple[JsonDict, JsonDict]]
    ) -> str:
        """Transfer syntax of what `dataset` gives: as stored, but inflated where corrections are laid over."""
        if corrections and transfer_syntax(stored.transfer_syntax_uid).deflated:
            return EXPLICIT_VR_LITTLE_ENDIAN
        return stored.transfer_syntax_uid

    def dataset(
        self, stored: StoredInstance, corrections: Sequence[tuple[JsonDict, JsonDict]] = ()
    ) -> Iterator[memoryview | bytes]:
        """The data set's bytes as received, with corrections laid over, in pieces of bounded size."""
        with self._open(stored) as unsealer:
            position = stored.dataset_offset
            if corrections:
                if transfer_syntax(stored.transfer_syntax_uid).deflated:
                    whole = scanner.inflate(unsealer.read(position, stored.size_bytes))
                    found = scanner.scan(whole, EXPLICIT_VR_LITTLE_ENDIAN, (), whole=True)
                    end = found.pixel_offset if found.pixel_offset is not None else len(whole)
                    yield overlay(whole[:end], EXPLICIT_VR_LITTLE_ENDIAN, corrections)
                    yield whole[end:]
                    return
                end = stored.pixel_data_offset or stored.size_bytes
                yield overlay(
                    bytes(unsealer.read(position, end - position)), stored.transfer_syntax_uid, corrections
                )
                position = end
            yield from unsealer.iterate(position, stored.size_bytes - position)

    def file(
        self, stored: StoredInstance, corrections: Sequence[tuple[JsonDict, JsonDict]] = ()
    ) -> Iterator[memoryview | bytes]:
        """A Part 10 file. Preamble and meta information are our own: a received preamble could be a program."""
        yield self.file_meta(stored, corrections)
        yield from self.dataset(stored, corrections)

    def file_meta(
        self, stored: StoredInstance, corrections: Sequence[tuple[JsonDict, JsonDict]] = ()
    ) -> bytes:
        """Preamble and File Meta Information of an outgoing file."""
        return build_meta(
            stored.sop_class_uid, stored.sop_instance_uid, self.outgoing_syntax(stored, corrections)
        )

    def bytes_of(self, stored: StoredInstance, offset: int, length: int) -> memoryview:
        """A range of the data set (where it is deflated, of what it inflates to). Raises NotFound outside of it."""
        if transfer_syntax(stored.transfer_syntax_uid).deflated:
            whole, _ = self._inflated(stored)
            if offset < 0 or length < 0 or offset + length > len(whole):
                raise NotFound("There is no such bulk data.")
            return memoryview(whole)[offset : offset + length]
        if offset < 0 or length < 0 or stored.dataset_offset + offset + length > stored.size_bytes:
            raise NotFound("There is no such bulk data.")
        with self._open(stored) as unsealer:
            return unsealer.read(stored.dataset_offset + offset, length)

    def _inflated(self, stored: StoredInstance) -> tuple[bytes, int | None]:
        """A deflated data set, and where its pixel data begin. The last one is kept: more of it is asked for next."""
        kept: tuple[bytes, int | None] | None = self._last_inflated.get(stored.stored_object_pk)
        if kept is not None:
            return kept
        if stored.size_bytes > limits.OBJECT_DECODE_BYTES_MAX:
            raise TooLarge("This object is too large to be inflated at once.")
        with self._open(stored) as unsealer:
            dataset = scanner.inflate(
                unsealer.read(stored.dataset_offset, stored.size_bytes - stored.dataset_offset)
            )
        found = dataset, scanner.scan(dataset, EXPLICIT_VR_LITTLE_ENDIAN, (), whole=True).pixel_offset
        if len(dataset) <= limits.INFLATED_KEPT_BYTES_MAX:
            self._last_inflated.put(stored.stored_object_pk, found)
        return found

    def bulk_data(self, stored: StoredInstance, reference: str) -> BulkData:
        """The value that a BulkDataURI of `instance_json` names: `offset-length`, and for values in big endian
        `-width` of the words that go out in little endian (PS3.18 8.7.3.2). Raises NotFound."""
        parts = reference.split("-")
        if len(parts) not in (2, 3) or not all(part.isascii() and part.isdigit() for part in parts):
            raise NotFound("There is no such bulk data.")
        if any(len(part) > 15 for part in parts):
            raise NotFound("There is no such bulk data.")
        offset, length, width = (*map(int, parts), 1)[:3]
        plain = not transfer_syntax(stored.transfer_syntax_uid).deflated and width == 1
        if plain and stored.dataset_offset + offset + length > stored.size_bytes:
            raise NotFound("There is no such bulk data.")
        if plain:
            return BulkData(
                length,
                self._document_type(stored, reference),
                lambda start, end: self._pieces(
                    stored, [(stored.dataset_offset + offset, length)], start, end
                ),
            )
        value = bytes(self.bytes_of(stored, offset, length))
        if width in (2, 4, 8):
            words = array({2: "H", 4: "I", 8: "Q"}[width], value[: length // width * width])
            words.byteswap()
            value = words.tobytes()
        return BulkData(len(value), None, lambda start, end: iter([value[start:end]]))

    def _pieces(
        self, stored: StoredInstance, pieces: Sequence[tuple[int, int]], start: int, end: int
    ) -> Iterator[memoryview | bytes]:
        """The bytes `start … end` of pieces of the object that follow each other."""
        with self._open(stored) as unsealer:
            position = 0
            for offset, length in pieces:
                first, last = max(start - position, 0), min(end - position, length)
                if first < last:
                    yield from unsealer.iterate(offset + first, last - first)
                position += length

    def _document_type(self, stored: StoredInstance, reference: str) -> str | None:
        if stored.number_of_frames:
            return None
        document = self.instance_json(stored)
        if not document.get("00420011", {}).get("BulkDataURI", "").endswith(f"/{reference}"):
            return None
        return str((document.get("00420012", {}).get("Value") or [""])[0]).lower() or None

    def encapsulated_document(self, stored: StoredInstance) -> BulkData | None:
        """The document inside of an encapsulated PDF, CDA, STL, OBJ or MTL, without padding; None for other objects."""
        if stored.number_of_frames:
            return None
        document = self.instance_json(stored)
        element = document.get("00420011", {})
        media_type = str((document.get("00420012", {}).get("Value") or [""])[0]).strip().lower() or None
        if "BulkDataURI" in element:
            data = self.bulk_data(stored, element["BulkDataURI"].rsplit("/", 1)[1])
        elif "InlineBinary" in element:
            value = base64.b64decode(element["InlineBinary"])
            data = BulkData(len(value), None, lambda start, end: iter([value[start:end]]))
        else:
            return None
        told = (document.get("00420015", {}).get("Value") or [data.length])[0]
        exact = told if isinstance(told, int) and 0 <= data.length - told <= 1 else data.length
        return BulkData(exact, media_type, data.read)

    def video(self, stored: StoredInstance) -> BulkData | None:
        """The stream of an object whose frames are a video, all fragments joined (PS3.5 A.4.5); None for others."""
        media_type = transfer_syntax(stored.transfer_syntax_uid).media_type
        if stored.frame_table is None or not media_type.startswith("video/"):
            return None
        fragments = FrameTable.fragments(stored.frame_table)
        return BulkData(
            sum(length for _, length in fragments),
            "video/mp4" if media_type == "video/H265" else media_type,
            lambda start, end: self._pieces(stored, fragments, start, end),
        )

    def all_bulk_data(self, stored: StoredInstance) -> Iterator[tuple[str, BulkData]]:
        """Every value that the metadata leave out, as (BulkDataURI, value); of pixel data each frame is one."""
        for uri in _bulk_uris(self.instance_json(stored)):
            reference = uri.rsplit("/", 1)[1]
            if reference != "pixeldata":
                yield uri, self.bulk_data(stored, reference)
            elif (video := self.video(stored)) is not None:
                yield uri, video
            else:
                syntax = transfer_syntax(stored.transfer_syntax_uid)
                known = syntax.uid if syntax.encapsulated else EXPLICIT_VR_LITTLE_ENDIAN
                for number in range(1, stored.number_of_frames + 1):
                    frame = (
                        self.frame(stored, number)
                        if syntax.encapsulated
                        else self.decoded_frame(stored, number)
                    )
                    yield (
                        uri,
                        BulkData(
                            len(frame),
                            f"{syntax.media_type}; transfer-syntax={known}",
                            lambda start, end, frame=frame: iter([frame[start:end]]),  # type: ignore[misc]
                        ),
                    )

    def _open(self, stored: StoredInstance) -> AbstractContextManager[Unsealer]:
        return self.vault.open(stored.location, stored.study_key_pk, stored.sealed_key, stored.size_bytes)

    def objects(
        self,
        session: Session,
        *,
        visible: ColumnElement[bool] | None = None,
        study_instance_uids: Sequence[str] = (),
        series_instance_uids: Sequence[str] = (),
        sop_instance_uids: Sequence[str] = (),
    ) -> list[RetrieveObject]:
        """Objects for sending, with what is laid over them."""
        stored = store.stored_instances(
            session,
            study_instance_uids=study_instance_uids,
            series_instance_uids=series_instance_uids,
            sop_instance_uids=sop_instance_uids,
            visible=visible,
        )
        layers = self._layers(session, stored)
        return [RetrieveObject(one, layers.get(one.instance_pk, NONE).corrections, self) for one in stored]

    def _layers(self, session: Session, stored: Sequence[StoredInstance]) -> dict[int, Layers]:
        """What is laid over instances, and over their references to what was moved."""
        return with_references(session, stored, layers_of(session, stored), self._referring_json)

    def _referring_json(self, stored: StoredInstance) -> JsonDict:
        # Of a presentation state all is looked at: what is about one image may be long.
        return self.instance_json(stored, inline=stored.sop_class_uid in OF_ONE_STUDY)

    # Metadata

    def series_metadata(self, actor: Actor, study_instance_uid: str, series_instance_uid: str) -> bytes:
        """The series' metadata as gzipped DICOM JSON (an array), ready-made where nothing changed since. NotFound."""
        self.admit(actor, study_instance_uid)
        return self.build_series_metadata(study_instance_uid, series_instance_uid)

    def ready_series_metadata(
        self, actor: Actor, study_instance_uid: str, series_instance_uid: str
    ) -> bytes | None:
        """The same where it is ready-made; None: it has to be made first. NotFound."""
        self.admit(actor, study_instance_uid)
        with self.offices.database.transaction() as session:
            state = store.series_state(session, study_instance_uid, series_instance_uid)
            return state.cached.gzipped_json if state and state.current and state.cached else None

    def build_series_metadata(self, study_instance_uid: str, series_instance_uid: str) -> bytes:
        """The same without asking who wants it, for background work."""
        with self.offices.database.transaction() as session:
            state = store.series_state(session, study_instance_uid, series_instance_uid)
            if state is None:
                raise NotFound("There is no such series.")
            if state.current:
                assert state.cached is not None
                return state.cached.gzipped_json
            stored = store.stored_instances(session, series_instance_uids=[series_instance_uid])
            layers = self._layers(session, stored)
        # Numbers compress well enough at the fastest level, and a reader waits.
        made = gzip.compress(
            b"[" + b",".join(self._fragment(one, layers.get(one.instance_pk, NONE)) for one in stored) + b"]",
            compresslevel=1,
        )
        with self.offices.database.transaction() as session:
            row = {
                "series_updated_at": state.series_updated_at,
                "last_study_correction_pk": state.last_study_correction_pk,
                "gzipped_json": made,
            }
            session.execute(
                insert(SeriesMetadata)
                .values(series_pk=state.series_pk, **row)
                .on_conflict_do_update(index_elements=["series_pk"], set_=row)
            )
        return made

    def series_of(self, study_instance_uid: str) -> list[str]:
        """Series Instance UIDs of a study, in order."""
        with self.offices.database.transaction() as session:
            return store.series_uids(session, study_instance_uid)

    def instance_metadata(self, stored: StoredInstance) -> bytes:
        """One instance's metadata as a JSON array."""
        with self.offices.database.transaction() as session:
            layers = self._layers(session, [stored])
        return b"[" + self._fragment(stored, layers.get(stored.instance_pk, NONE)) + b"]"

    def _fragment(self, stored: StoredInstance, layers: Layers) -> bytes:
        # The study's UID stands in the addresses of bulk data.
        key = (stored.stored_object_pk, stored.study_instance_uid, layers.key)
        known: bytes | None = self._fragments.get(key)
        if known is None:
            document = self.instance_json(stored)
            document = corrected(document, layers.corrections) if layers.key else document
            known = orjson.dumps(document)
            if len(known) <= 64 * 1024:
                self._fragments.put(key, known)
        return known

    def instance_json(self, stored: StoredInstance, *, inline: bool = False) -> JsonDict:
        """The instance in the DICOM JSON model, as received; long values as BulkDataURIs, or `inline` too."""
        base = (
            f"{DICOM_WEB}/studies/{stored.study_instance_uid}/series/{stored.series_instance_uid}"
            f"/instances/{stored.sop_instance_uid}/bulkdata"
        )

        syntax = transfer_syntax(stored.transfer_syntax_uid)

        def bulk_uri(path: str, offset: int, length: int) -> str | None:
            if inline:
                return None
            if path in ("7FE00010", "7FE00008", "7FE00009"):
                return f"{base}/pixeldata"
            width = jsonmodel.word_bytes(int(path[-8:], 16)) if syntax.big_endian else 1
            return f"{base}/{offset}-{length}" + (f"-{width}" if width > 1 else "")

        if syntax.deflated:
            head: memoryview | bytes = self._inflated(stored)[0][: limits.OBJECT_JSON_BYTES_MAX]
            document = jsonmodel.to_json(head, EXPLICIT_VR_LITTLE_ENDIAN, bulk_uri)
        else:
            end = min(
                stored.pixel_data_offset or stored.size_bytes,
                stored.dataset_offset + limits.OBJECT_JSON_BYTES_MAX,
            )
            with self._open(stored) as unsealer:
                head = unsealer.read(stored.dataset_offset, end - stored.dataset_offset)
            document = jsonmodel.to_json(
                head, stored.transfer_syntax_uid, bulk_uri, size=stored.size_bytes - stored.dataset_offset
            )
        document["00083002"] = {"vr": "UI", "Value": [stored.transfer_syntax_uid]}
        return dict(sorted(document.items()))


def _bulk_uris(document: JsonDict) -> Iterator[str]:
    for element in document.values():
        if "BulkDataURI" in element:
            yield element["BulkDataURI"]
        elif element.get("vr") == "SQ":
            for item in element.get("Value", []):
                yield from _bulk_uris(item)
