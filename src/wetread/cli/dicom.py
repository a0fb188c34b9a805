"""`wetread echo|find|move|send`: the node's own client for people at a terminal, to try a peer and to bring data in.

A peer is written TITLE@host:port. Exit codes: 0 all went well, 1 the peer refused or something was not done, 2 what was
asked makes no sense. What comes from a peer is shown without control characters: it could drive the terminal.
"""

from __future__ import annotations

import re
import ssl
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from wetread.dicom import sopclass
from wetread.dicom.dicomdir import MEDIA_STORAGE_DIRECTORY
from wetread.dicom.errors import DicomError
from wetread.dicom.header import scan
from wetread.dicom.message import Status, number_of
from wetread.dicom.part10 import read_meta
from wetread.dicom.transfersyntax import EXPLICIT_VR_LITTLE_ENDIAN, transfer_syntax
from wetread.dimse.client import (
    Association,
    AssociationFailed,
    JsonDict,
    OperationFailed,
    open_plain,
    storage_contexts,
)
from wetread.kit.config import Settings, SettingsError, load_settings
from wetread.kit.tls import TlsUnusable, client_context

out = Console()
err = Console(stderr=True)

_PEER = re.compile(r"(?P<title>[^@\\]{1,16})@(?P<host>\[[0-9a-fA-F:.]+\]|[^:@\[\]]+):(?P<port>\d{1,5})\Z")
_NUMBERS = ("US", "SS", "UL", "SL")
_HEAD_BYTES = 64 * 1024
_PIECE_BYTES = 1024 * 1024
_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018

PeerArgument = Annotated[str, typer.Argument(metavar="TITLE@HOST:PORT", help="The peer.")]
CallingOption = Annotated[
    str | None, typer.Option("--calling", help="Our title (default: the setting ae_title).")
]
TlsOption = Annotated[bool, typer.Option("--tls", help="By TLS, with the files of the settings peer_tls_….")]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=1, help="Seconds of silence that are waited for.")
]
KeyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        "-k",
        metavar="KEYWORD[=VALUE]",
        help="A key; without a value it is only asked for. A.B for sequences.",
    ),
]
DataOption = Annotated[Path | None, typer.Option("--data", help="Data folder (WETREAD_DATA).")]


class Level(StrEnum):
    """Query/Retrieve Level (0008,0052)."""

    PATIENT = "patient"
    STUDY = "study"
    SERIES = "series"
    IMAGE = "image"


class Model(StrEnum):
    """What is asked."""

    STUDY = "study"
    PATIENT = "patient"
    WORKLIST = "worklist"
    WORKITEMS = "workitems"


_FIND = {
    Model.STUDY: sopclass.STUDY_ROOT_FIND,
    Model.PATIENT: sopclass.PATIENT_ROOT_FIND,
    Model.WORKLIST: sopclass.MODALITY_WORKLIST,
    Model.WORKITEMS: sopclass.UPS_QUERY,
}
_ASKED = {
    Level.PATIENT: ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    Level.STUDY: ("StudyDate", "PatientName", "PatientID", "AccessionNumber", "ModalitiesInStudy", "StudyDescription",
                  "StudyInstanceUID"),
    Level.SERIES: ("SeriesNumber", "Modality", "SeriesDescription", "SeriesInstanceUID"),
    Level.IMAGE: ("InstanceNumber", "SOPClassUID", "SOPInstanceUID"),
}  # fmt: skip


_ASKED_OF_WORKITEMS = (
    "ProcedureStepState", "ScheduledProcedureStepPriority", "ProcedureStepLabel", "WorklistLabel", "PatientName",
    "ScheduledProcedureStepStartDateTime", "SOPInstanceUID",
)  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (echo, find, move, send, conformance):
        app.command()(command)


@dataclass(frozen=True, slots=True)
class _Peer:
    title: str
    host: str
    port: int
    calling: str
    tls: ssl.SSLContext | None
    timeout_s: float

    def plain(self, *sop_classes: str, extended: Mapping[str, bytes] | None = None) -> Association:
        return open_plain(
            self.host, self.port, self.title, self.calling, sop_classes,
            timeout_s=self.timeout_s, tls=self.tls, extended=extended,
        )  # fmt: skip


def _stop(message: str, code: int = 2) -> NoReturn:
    err.print(Text(_shown(message), style="bold red"), soft_wrap=True)
    raise typer.Exit(code)


def _shown(text: object) -> str:
    return "".join(character if character.isprintable() else "�" for character in str(text))


def _peer(text: str, calling: str | None, tls: bool, timeout_s: float, data: Path | None) -> _Peer:
    match = _PEER.match(text)
    if match is None or not 1 <= int(match["port"]) <= 65535:
        _stop(f"{text} is not a peer: write it as TITLE@host:port, e.g. PACS@10.0.0.7:104.")
    try:
        settings: Settings = load_settings(data=data)
        context = client_context(settings.peer_tls) if tls else None
    except (SettingsError, TlsUnusable) as error:
        _stop(str(error))
    own = settings.ae_title if calling is None else calling
    if not 1 <= len(own) <= 16 or "\\" in own or not own.isascii() or not own.isprintable():
        _stop(f"{own} is no AE title: 1 to 16 plain characters without a backslash.")
    return _Peer(match["title"], match["host"].strip("[]"), int(match["port"]), own, context, timeout_s)


def _identifier(keys: list[str], level: str | None) -> dict[str, Any]:
    """The keys as written, by keyword; `A.B=x` is B in the one item of A."""
    found: dict[str, Any] = {} if level is None else {"QueryRetrieveLevel": level.upper()}
    for key in keys:
        path, _, value = key.partition("=")
        *sequences, last = (_keyword(word) for word in path.split("."))
        place = found
        for sequence in sequences:
            if dictionary_VR(tag_for_keyword(sequence) or 0) != "SQ":
                _stop(f"{sequence} is no sequence.")
            place = place.setdefault(sequence, [{}])[0]
        vr = dictionary_VR(tag_for_keyword(last) or 0)
        if vr == "SQ":
            place.setdefault(last, [{}])
        elif value and vr in _NUMBERS:
            if not re.fullmatch(r"-?\d+", value):
                _stop(f"{last} takes a whole number, not {value}.")
            place[last] = int(value)
        else:
            place[last] = value or None
    return found


def _keyword(word: str) -> str:
    """A keyword, or a tag as ggggeeee or gggg,eeee."""
    if re.fullmatch(r"[0-9a-fA-F]{4},?[0-9a-fA-F]{4}", word):
        keyword = keyword_for_tag(int(word.replace(",", ""), 16))
        if keyword:
            return keyword
    elif tag_for_keyword(word) is not None:
        return word
    _stop(f"{word} is not in the DICOM dictionary; keywords are written like PatientName.")


def echo(
    peer: PeerArgument,
    calling: CallingOption = None,
    tls: TlsOption = False,
    timeout: TimeoutOption = 10.0,
    data: DataOption = None,
) -> None:
    """Asks a DICOM peer whether it is there (C-ECHO)."""
    called = _peer(peer, calling, tls, timeout, data)
    try:
        with called.plain(sopclass.VERIFICATION) as association:
            association.echo()
    except (AssociationFailed, OperationFailed) as failed:
        _stop(str(failed), 1)
    out.print(f"{called.title} answers{' by TLS' if tls else ''}.", highlight=False, markup=False)


def find(
    peer: PeerArgument,
    key: KeyOption = None,
    level: Annotated[Level, typer.Option("--level", "-l")] = Level.STUDY,
    model: Annotated[Model, typer.Option("--model", "-m")] = Model.STUDY,
    limit: Annotated[int, typer.Option(min=1, help="Cancels after so many matches.")] = 500,
    fuzzy: Annotated[bool, typer.Option("--fuzzy", help="Proposes fuzzy matching of names.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One match a line, in the DICOM JSON model.")] = False,
    calling: CallingOption = None,
    tls: TlsOption = False,
    timeout: TimeoutOption = 60.0,
    data: DataOption = None,
) -> None:
    """Asks a DICOM peer what it has (C-FIND)."""
    called = _peer(peer, calling, tls, timeout, data)
    has_levels = model in (Model.STUDY, Model.PATIENT)
    if level is Level.PATIENT and model is not Model.PATIENT:
        _stop("The level patient belongs to --model patient.")
    asked = key or []
    identifier = _identifier(asked, level if has_levels else None)
    for keyword in _ASKED[level] if has_levels else _ASKED_OF_WORKITEMS if model is Model.WORKITEMS else ():
        identifier.setdefault(keyword, None)
    sop_class = _FIND[model]
    found: list[JsonDict] = []
    cut = False
    try:
        extended = {sop_class: b"\1\1\1"} if fuzzy else None
        with called.plain(sop_class, extended=extended) as association:
            for match in association.find(identifier, sop_class):
                if len(found) == limit:
                    if not cut:
                        association.cancel()
                    cut = True
                    continue
                found.append(match)
                if json:
                    _json_line(match)
    except OperationFailed as failed:
        if not json:
            _table(found, identifier)
        _stop(f"{failed}{f' (after {len(found)} matches)' if found else ''}", 1)
    except AssociationFailed as failed:
        _stop(str(failed), 1)
    if not json:
        _table(found, identifier)
        noun = "match" if len(found) == 1 else "matches"
        err.print(f"{len(found)} {noun}{', cut at the limit' if cut else ''}.", highlight=False)


def _json_line(match: JsonDict) -> None:
    import orjson

    sys.stdout.buffer.write(orjson.dumps(match) + b"\n")
    sys.stdout.buffer.flush()


def _table(found: list[JsonDict], identifier: Mapping[str, Any]) -> None:
    if not found:
        return
    columns = [
        (keyword, f"{tag_for_keyword(keyword):08X}")
        for keyword in identifier
        if keyword != "QueryRetrieveLevel"
    ]
    table = Table(*(keyword for keyword, _ in columns))
    for match in found:
        table.add_row(*(Text(_shown(_cell(match.get(tag, {})))) for _, tag in columns))
    out.print(table)


def _cell(element: JsonDict) -> str:
    values = element.get("Value") or []
    if element.get("vr") == "SQ":
        return f"{len(values)} item{'' if len(values) == 1 else 's'}" if values else ""
    if element.get("vr") == "PN":
        return "\\".join("=".join(group for group in value.values() if group) for value in values if value)
    return "\\".join("" if value is None else str(value) for value in values)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=err
    )


def move(
    peer: PeerArgument,
    destination: Annotated[str, typer.Argument(help="The title that it is to send to.")],
    key: KeyOption = None,
    level: Annotated[Level, typer.Option("--level", "-l")] = Level.STUDY,
    model: Annotated[Model, typer.Option("--model", "-m")] = Model.STUDY,
    calling: CallingOption = None,
    tls: TlsOption = False,
    timeout: TimeoutOption = 300.0,
    data: DataOption = None,
) -> None:
    """Has a DICOM peer send objects to a third (C-MOVE). Ctrl-C cancels."""
    called = _peer(peer, calling, tls, timeout, data)
    if model in (Model.WORKLIST, Model.WORKITEMS):
        _stop("A worklist holds nothing that could be moved.")
    sop_class = sopclass.PATIENT_ROOT_MOVE if model is Model.PATIENT else sopclass.STUDY_ROOT_MOVE
    identifier = _identifier(key or [], level)
    if len(identifier) < 2:
        _stop("Say what: e.g. -k StudyInstanceUID=1.2.3")
    last = None
    try:
        with called.plain(sop_class) as association, _progress() as progress:
            bar = progress.add_task(f"to {destination}", total=None)
            answers = association.moving(identifier, destination, sop_class)
            while True:
                try:
                    answer = next(answers, None)
                except KeyboardInterrupt:
                    association.cancel()
                    continue
                if answer is None:
                    break
                last = answer
                done = sum(number_of(answer.command, f"number_of_{one}_suboperations") for one in _COUNTS)
                left = number_of(answer.command, "number_of_remaining_suboperations")
                progress.update(bar, completed=done, total=done + left or None)
    except (AssociationFailed, OperationFailed) as failed:
        _stop(str(failed), 1)
    assert last is not None
    counts = {one: number_of(last.command, f"number_of_{one}_suboperations") for one in _COUNTS}
    out.print(", ".join(f"{count} {one}" for one, count in counts.items()), highlight=False)
    for uid in (last.data or {}).get("00080058", {}).get("Value", []):
        err.print(f"failed {_shown(uid)}", highlight=False, markup=False)
    if last.status == Status.CANCEL:
        _stop("Cancelled.", 1)
    if last.status != Status.SUCCESS:
        _stop(str(OperationFailed("C-MOVE", last.status, last.comment)), 1)


_COUNTS = ("completed", "failed", "warning")


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    offset: int
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str

    def pieces(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            while piece := file.read(_PIECE_BYTES):
                yield piece


def _file(path: Path) -> _File:
    """What a file is by its header. Raises DicomError, OSError."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    meta = read_meta(head)
    uids = (meta.media_storage_sop_class_uid, meta.media_storage_sop_instance_uid)
    if not all(uids):
        # The file meta information does not say it: the data set does, near its beginning.
        syntax = transfer_syntax(meta.transfer_syntax_uid)
        known = EXPLICIT_VR_LITTLE_ENDIAN if syntax.encapsulated else syntax.uid
        found = scan(head[meta.data_set_offset :], known, (_SOP_CLASS, _SOP_INSTANCE), whole=False)
        raw = [found.values.get(tag, b"") for tag in (_SOP_CLASS, _SOP_INSTANCE)]
        uids = (raw[0].decode("latin-1").strip(" \0"), raw[1].decode("latin-1").strip(" \0"))
    if not all(uids):
        raise DicomError("it has no SOP Class or Instance UID")
    return _File(path, meta.data_set_offset, *uids, meta.transfer_syntax_uid)


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(one for one in path.rglob("*") if one.is_file())
        else:
            yield path


def send(
    peer: PeerArgument,
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders with all in them.")],
    commit: Annotated[
        bool, typer.Option("--commit", help="Then asks for storage commitment and waits for the outcome.")
    ] = False,
    calling: CallingOption = None,
    tls: TlsOption = False,
    timeout: TimeoutOption = 60.0,
    data: DataOption = None,
) -> None:
    """Sends DICOM files to a peer as they are (C-STORE)."""
    called = _peer(peer, calling, tls, timeout, data)
    if missing := [path for path in paths if not path.exists()]:
        _stop(f"There is no {missing[0]}.")
    files: list[_File] = []
    unreadable = 0
    for path in _files(paths):
        try:
            file = _file(path)
            # The directory of a disc is of the disc alone (PS3.10 8.6).
            if file.sop_class_uid != MEDIA_STORAGE_DIRECTORY:
                files.append(file)
        except (DicomError, OSError) as error:
            unreadable += 1
            why = error.reason if isinstance(error, DicomError) else error.strerror
            err.print(f"{path}: not sent, {why}", highlight=False, markup=False, soft_wrap=True)
    if not files:
        _stop("There is no DICOM file in it.", 1)
    sent = _Sent()
    try:
        with _progress() as progress:
            bar = progress.add_task(f"to {called.title}", total=len(files))
            for contexts in storage_contexts((one.sop_class_uid, one.transfer_syntax_uid) for one in files):
                pairs = {(uid, syntaxes[0]) for uid, syntaxes in contexts}
                waiting = [one for one in files if (one.sop_class_uid, one.transfer_syntax_uid) in pairs]
                for one in _deliver(called, contexts, waiting, sent):
                    progress.advance(bar)
                    if one is not None:
                        progress.console.print(Text(_shown(one)), soft_wrap=True)
    except AssociationFailed as failed:
        out.print(f"{sent.stored} of {len(files)} sent", highlight=False)
        _stop(str(failed), 1)
    words = [f"{sent.stored} sent"]
    words += [f"{sent.warned} with a warning"] if sent.warned else []
    words += [f"{sent.failed + unreadable} not sent"] if sent.failed + unreadable else []
    out.print(", ".join(words), highlight=False)
    committed = not commit or not sent.objects or _committed(called, sent.objects)
    if sent.failed or unreadable or not committed:
        raise typer.Exit(1)


def _committed(peer: _Peer, objects: list[tuple[str, str]]) -> bool:
    """Asks for a promise for all of them, and says what was promised. The outcome is waited for on the association that
    asked: this program has no door for another."""
    try:
        with peer.plain(sopclass.STORAGE_COMMITMENT_PUSH) as association:
            association.request_commitment(objects)
            event = association.await_event(peer.timeout_s)
    except (AssociationFailed, OperationFailed) as failed:
        _stop(str(failed), 1)
    if event is None:
        _stop(f"{peer.title} has taken the request, but does not report on the association that asked.", 1)
    _, outcome = event
    lost = outcome.get("00081198", {}).get("Value", [])
    for item in lost:
        uid = (item.get("00081155", {}).get("Value") or [""])[0]
        reason = (item.get("00081197", {}).get("Value") or [0])[0]
        err.print(
            f"not committed {_shown(uid)}: reason {reason:04X}", highlight=False, markup=False, soft_wrap=True
        )
    promised = len(outcome.get("00081199", {}).get("Value", []))
    out.print(f"{promised} of {len(objects)} committed", highlight=False)
    return promised == len(objects) and not lost


@dataclass(slots=True)
class _Sent:
    stored: int = 0
    warned: int = 0
    failed: int = 0
    objects: list[tuple[str, str]] = field(default_factory=list)


def _deliver(peer: _Peer, contexts: list[Any], waiting: list[_File], sent: _Sent) -> Iterator[str | None]:
    """Sends each; yields what is to be said of it, or None. An association that breaks after it took something is opened
    again once more. Raises AssociationFailed."""
    while waiting:
        before = len(waiting)
        try:
            with Association(
                peer.host,
                peer.port,
                peer.title,
                peer.calling,
                contexts,
                timeout_s=peer.timeout_s,
                tls=peer.tls,
            ) as association:
                while waiting:
                    word = _deliver_one(association, waiting[0], sent)
                    waiting.pop(0)
                    yield word
        except OSError as error:
            # The file broke in the middle of its own transfer, which was aborted with the association.
            broken = waiting.pop(0)
            sent.failed += 1
            yield f"{broken.path}: not sent, {error.strerror}"
        except AssociationFailed:
            if len(waiting) == before:
                raise


def _deliver_one(association: Association, one: _File, sent: _Sent) -> str | None:
    try:
        answer = association.store(
            one.sop_class_uid, one.sop_instance_uid, one.transfer_syntax_uid, one.pieces()
        )
    except OperationFailed:
        sent.failed += 1
        kind, syntax = sopclass.name_of(one.sop_class_uid), transfer_syntax(one.transfer_syntax_uid).name
        return f"{one.path}: not sent, the peer takes no {kind} in {syntax}"
    if answer.status == Status.SUCCESS or answer.status & 0xF000 == 0xB000:
        sent.stored += 1
        sent.objects.append((one.sop_class_uid, one.sop_instance_uid))
    if answer.status == Status.SUCCESS:
        return None
    if answer.status & 0xF000 == 0xB000:
        sent.warned += 1
        return f"{one.path}: sent, warning {answer.status:04X} {answer.comment}"
    sent.failed += 1
    return f"{one.path}: refused with status {answer.status:04X} {answer.comment}"


class Form(StrEnum):
    """How the statement is written."""

    MARKDOWN = "markdown"
    HTML = "html"


def conformance(
    form: Annotated[Form, typer.Option("--form", help="Markdown or HTML.")] = Form.MARKDOWN,
) -> None:
    """Prints the DICOM conformance statement (PS3.2), made from the tables that the product runs on."""
    from wetread.app.conformance import as_html, statement
    from wetread.app.rooms import MODELS, load

    load(MODELS)
    text = statement()
    sys.stdout.buffer.write((as_html(text) if form is Form.HTML else text).encode())
