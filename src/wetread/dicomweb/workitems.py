"""UPS-RS, the Worklist Service (PS3.18 section 11): Workitems made, read, changed, claimed, canceled, found and watched.

Statuses and warnings are those of PS3.18; what a state allows is decided in the Workitems' own room, once for DIMSE and
for this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import orjson
from fastapi import APIRouter, Request, Response
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from starlette.concurrency import run_in_threadpool

from wetread.dicom.personname import PersonName
from wetread.dicom.sopclass import UPS_FILTERED_SUBSCRIPTION, UPS_GLOBAL_SUBSCRIPTION
from wetread.dicomweb import accept as accepting
from wetread.dicomweb.accept import DICOM_JSON, DICOM_XML, JSON, MediaRange
from wetread.dicomweb.common import (
    NO_STORE,
    PREFIX,
    BadRequest,
    DicomWebRoute,
    UnsupportedMediaType,
    base_url,
    chosen,
    streamed_parts,
)
from wetread.dicomweb.multipart import Malformed, MultipartParser, PartBegun, PartData
from wetread.dicomweb.nativexml import NotNative, from_xml, to_xml
from wetread.kit import limits
from wetread.kit.errors import Conflict, FieldError, TooLarge, WetreadError
from wetread.security.door import Gate, door, stream_door
from wetread.security.service import Permission, Work
from wetread.workitems import service
from wetread.workitems.service import WORDS, Answer, WorkitemRefused

JsonDict = dict[str, Any]
T = TypeVar("T")

ITEM = "/workitems/{workitem}"
SUBSCRIBER = ITEM + "/subscribers/{subscriber}"
_BODY_BYTES_MAX = 4 * limits.WORKITEM_BYTES_MAX  # XML says the same at greater length
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{8}\Z")
_RESERVED = frozenset({"limit", "offset", "fuzzymatching", "includefield", "accept", "charset"})
_NUMBERS = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})
_STATE, _TRANSACTION_UID = "00741000", "00081195"
_TAKEN = (DICOM_JSON, JSON, DICOM_XML)


def warning(text: str) -> dict[str, str]:
    """The header in which UPS-RS says what went otherwise (PS3.18 11.1.3, RFC 7234 5.5)."""
    plain = text.encode("ascii", "replace").decode().replace('"', "'")
    return {"Warning": f'299 wetread "{plain}."'}


_INCONSISTENT = "The submitted request is inconsistent with the current state of the Workitem"
# What PS3.18 11.6.3.2 and 11.7.3.2 have it say; our own words, which say more, follow.
_STANDARD: Mapping[Answer, str] = {
    Answer.NOT_YET_IN_PROGRESS: "The target URI did not reference a claimed Workitem",
    **dict.fromkeys(
        (
            Answer.NO_LONGER_UPDATABLE,
            Answer.ALREADY_IN_PROGRESS,
            Answer.SCHEDULED_BY_CREATION_ONLY,
            Answer.NOT_MET_FINAL_STATE,
            Answer.IS_COMPLETED,
        ),
        _INCONSISTENT,
    ),
}


class Inconsistent(WetreadError):
    """A refusal with its warning (PS3.18 11.1.3)."""

    def __init__(self, refused: WorkitemRefused) -> None:
        super().__init__(
            refused.detail,
            fields=[
                FieldError(keyword_for_tag(tag) or f"{tag:08X}", f"{refused.answer:04X}")
                for tag in refused.tags
            ],
        )
        self.status, self.code, self.title = refused.status, refused.code, refused.title
        self.headers = warning(refused.detail)
        if (words := _STANDARD.get(refused.answer)) is not None:
            self.headers = {"Warning": f"{warning(words)['Warning']}, {self.headers['Warning']}"}


class WorkitemRoute(DicomWebRoute):
    """A route whose refusals carry the warning that PS3.18 asks for."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler; refusals are raised on, so that nothing of the request is kept."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except WorkitemRefused as refused:
                raise Inconsistent(refused) from None

        return handled


router = APIRouter(prefix=PREFIX, route_class=WorkitemRoute, tags=["dicomweb"])


def _done(answer: Answer, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response without content; a warning is told in its header."""
    told = warning(WORDS[answer]) if answer is not Answer.SUCCESS else {}
    return Response(status_code=status, headers={**NO_STORE, **(headers or {}), **told})


# Bodies


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_BYTES_MAX:
            raise TooLarge(f"A Workitem has at most {limits.WORKITEM_BYTES_MAX} bytes.")
    return bytes(body)


def _data_set(content_type: str, body: bytes) -> JsonDict:
    """The one data set of a body: JSON or XML, alone or as the only part. An empty body is an empty data set."""
    kind = (
        accepting.parse_accept([content_type])[0] if content_type else MediaRange(DICOM_JSON, False, None, 1)
    )
    media_type = kind.media_type
    if kind.multipart:
        media_type, body = _only_part(kind, body)
    if media_type not in _TAKEN:
        raise UnsupportedMediaType(
            f"A Workitem comes as {', '.join(_TAKEN)}, alone or as the only part of multipart/related."
        )
    if not body.strip():
        return {}
    if media_type == DICOM_XML:
        try:
            return from_xml(body)
        except NotNative as error:
            raise BadRequest(f"The body is no Native DICOM Model: {error}.") from None
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadRequest("The body is not JSON.") from None
    items = content if isinstance(content, list) else [content]
    if len(items) != 1 or not isinstance(items[0], dict):
        raise BadRequest("The body has to be one data set of the DICOM JSON Model.")
    return items[0]


def _only_part(kind: MediaRange, body: bytes) -> tuple[str, bytes]:
    media_type, content, parts = kind.media_type, bytearray(), 0
    try:
        parser = MultipartParser(kind.parameters.get("boundary", ""))
        for happening in parser.feed(body):
            if isinstance(happening, PartBegun):
                parts += 1
                named = happening.headers.get("content-type")
                media_type = accepting.parse_accept([named])[0].media_type if named else media_type
            elif isinstance(happening, PartData):
                content += happening.data
        parser.finish()
    except Malformed as error:
        raise BadRequest(f"The body is not multipart: {error}.") from None
    if parts != 1:
        raise BadRequest("The body has to have one part.")
    return media_type, bytes(content)


async def _with_body(request: Request, gate: Gate, use: Callable[[Work, JsonDict], T]) -> T:
    """Runs `use` with the body's data set in a transaction that begins when all of the body is here."""
    body = await _body(request)

    def run() -> T:
        sent = _data_set(request.headers.get("content-type", ""), body)
        with gate.offices.work(gate.actor) as work:
            return use(work, sent)

    return await run_in_threadpool(run)


def _told(request: Request, items: Sequence[JsonDict], status: int, headers: Mapping[str, str]) -> Response:
    offer = chosen(request, "Workitems are", accepting.METADATA_OFFERS)
    if offer.media_type == DICOM_XML:
        answer: Response = streamed_parts(DICOM_XML, ((DICOM_XML, [to_xml(one)], None) for one in items))
        answer.status_code = status
        answer.headers.update(headers)
        return answer
    return Response(
        orjson.dumps(items), status_code=status, media_type=offer.media_type, headers={**NO_STORE, **headers}
    )


def _first(attributes: JsonDict, tag: str) -> str:
    entry = attributes.get(tag)
    values = entry.get("Value") if isinstance(entry, dict) else None
    return str(values[0]) if isinstance(values, list) and values and values[0] is not None else ""


# Workitems


@router.post("/workitems", status_code=201)
async def create_workitem(request: Request, gate: Gate = stream_door(Permission.WORKITEM_WRITE)) -> Response:
    """UPS-RS: makes a Workitem (PS3.18 11.4)."""
    query = request.query_params
    named = query.get("AffectedSOPInstanceUID") or query.get("workitem") or ""
    if not named and len(query) == 1 and not next(iter(query.values())):
        named = next(iter(query))  # the bare UID, as earlier editions wrote it

    def use(work: Work, sent: JsonDict) -> service.Made:
        own = _first(sent, "00080018")
        if named and own and own != named:
            raise Conflict("The UID of the request is not that of the data set.")
        return service.create(work, named or own or None, sent)

    made = await _with_body(request, gate, use)
    location = f"{base_url(request)}/workitems/{made.sop_instance_uid}"
    return _done(made.answer, 201, {"Location": location, "Content-Location": location})


@router.get("/workitems")
def search_workitems(request: Request, work: Work = door(Permission.WORKITEM_READ)) -> Response:
    """UPS-RS: searches Workitems, oldest first (PS3.18 11.9)."""
    keys = keys_of(
        [(name, value) for name, value in request.query_params.multi_items() if name.lower() not in _RESERVED]
    )
    limit = min(_whole(request, "limit", limits.PAGE_ITEMS_MAX), limits.WORKITEM_MATCHES_MAX)
    found = service.find(work, keys, limit=limit, offset=_whole(request, "offset", 0))
    headers: dict[str, str] = {}
    if found.cut:
        headers = warning(
            "The number of results exceeded the maximum supported by the server. Additional results can be requested"
        )
    if not found.items:
        return Response(status_code=204, headers={**NO_STORE, **headers})
    return _told(request, found.items, 206 if found.cut else 200, headers)


@router.get(ITEM)
def retrieve_workitem(
    request: Request, workitem: str, work: Work = door(Permission.WORKITEM_READ)
) -> Response:
    """UPS-RS: one Workitem, without its Transaction UID (PS3.18 11.5)."""
    attributes, _ = service.get(work, workitem)
    return _told(request, [attributes], 200, {})


@router.post(ITEM)
async def update_workitem(
    request: Request, workitem: str, gate: Gate = stream_door(Permission.WORKITEM_WRITE)
) -> Response:
    """UPS-RS: changes attributes; of one in progress with `transactionUID` of its performer (PS3.18 11.6)."""
    query = request.query_params
    transaction_uid = query.get("transactionUID") or query.get("transaction-uid") or ""
    if not transaction_uid and len(query) == 1 and not next(iter(query.values())):
        transaction_uid = next(iter(query))

    def use(work: Work, sent: JsonDict) -> Answer:
        return service.update(work, workitem, sent, transaction_uid or None)

    answer = await _with_body(request, gate, use)
    return _done(answer, headers={"Content-Location": f"{base_url(request)}/workitems/{workitem}"})


@router.put(ITEM + "/state")
async def change_workitem_state(
    request: Request, workitem: str, gate: Gate = stream_door(Permission.WORKITEM_WRITE)
) -> Response:
    """UPS-RS: claims, completes or cancels a Workitem, as its performer (PS3.18 11.7)."""

    def use(work: Work, sent: JsonDict) -> Answer:
        return service.change_state(work, workitem, _first(sent, _STATE), _first(sent, _TRANSACTION_UID))

    return _done(await _with_body(request, gate, use))


@router.post(ITEM + "/cancelrequest", status_code=202)
async def request_workitem_cancellation(
    request: Request, workitem: str, gate: Gate = stream_door(Permission.WORKITEM_WRITE)
) -> Response:
    """UPS-RS: asks that a Workitem be canceled (PS3.18 11.8)."""

    def use(work: Work, sent: JsonDict) -> Answer:
        return service.request_cancel(work, workitem, sent)

    return _done(await _with_body(request, gate, use), 202)


# Subscriptions


@router.post(SUBSCRIBER, status_code=201)
def subscribe_to_workitem(
    request: Request, workitem: str, subscriber: str, work: Work = door(Permission.WORKITEM_READ)
) -> Response:
    """UPS-RS: subscribes to a Workitem, to all, or to all that match `filter` (PS3.18 11.10)."""
    lock = request.query_params.get("deletionlock", "false").lower()
    if lock not in ("true", "false"):
        raise BadRequest(
            "deletionlock is not understood.", fields=[FieldError("deletionlock", "is true or false")]
        )
    answer = service.subscribe(
        work,
        workitem,
        subscriber,
        deletion_lock=lock == "true",
        keys=_filter(request) if workitem == UPS_FILTERED_SUBSCRIPTION else None,
        is_web=True,
    )
    base = base_url(request)
    scheme = "wss" if base.startswith("https") else "ws"
    return _done(
        answer,
        201,
        {"Content-Location": f"{scheme}://{base.partition('://')[2]}/subscribers/{subscriber}"},
    )


@router.delete(SUBSCRIBER)
def unsubscribe_from_workitem(
    workitem: str, subscriber: str, work: Work = door(Permission.WORKITEM_READ)
) -> Response:
    """UPS-RS: ends a subscription; that to all ends with every one of the subscriber's (PS3.18 11.11)."""
    return _done(service.unsubscribe(work, workitem, subscriber))


@router.post(SUBSCRIBER + "/suspend")
def suspend_subscription(
    workitem: str, subscriber: str, work: Work = door(Permission.WORKITEM_READ)
) -> Response:
    """UPS-RS: the subscriber is subscribed to nothing new any more, and keeps what it has (PS3.18 11.12)."""
    if workitem not in (UPS_GLOBAL_SUBSCRIPTION, UPS_FILTERED_SUBSCRIPTION):
        raise WorkitemRefused(Answer.ACTION_NOT_APPROPRIATE)
    return _done(service.suspend(work, workitem, subscriber))


def _filter(request: Request) -> JsonDict:
    """The matching keys of `filter=key=value,key=value`, or of query parameters of their own."""
    pairs: list[tuple[str, str]] = []
    for name, value in request.query_params.multi_items():
        if name.lower() == "filter":
            for one in filter(None, value.split(",")):
                attribute, equals, wanted = one.partition("=")
                if not equals:
                    raise BadRequest(
                        "The filter is not understood.", fields=[FieldError("filter", "key=value")]
                    )
                pairs.append((attribute, wanted))
        elif name.lower() != "deletionlock":
            pairs.append((name, value))
    return keys_of(pairs)


# Keys


def keys_of(parameters: Sequence[tuple[str, str]]) -> JsonDict:
    """Matching keys as a data set in the JSON model; attributes by keyword or tag, within sequences by a path of them
    (PS3.18 8.3.4). Raises BadRequest for a name that no dictionary knows."""
    keys: JsonDict = {}
    for name, value in parameters:
        here = keys
        *outer, last = [_attribute(part, name) for part in name.split(".")]
        for tag, vr in outer:
            if vr != "SQ":
                raise BadRequest(f"{name[:64]} leads through what is no sequence.")
            here = here.setdefault(tag, {"vr": "SQ", "Value": [{}]})["Value"][0]
        tag, vr = last
        if vr == "SQ" or (tag in here and here[tag]["vr"] == "SQ"):
            here.setdefault(tag, {"vr": "SQ", "Value": [{}]})
            continue
        values = value.split(",") if vr == "UI" else value.split("\\")
        known = here.setdefault(tag, {"vr": vr, "Value": []})
        known["Value"] += [_value(vr, one, name) for one in values if one]
    return keys


def _attribute(text: str, parameter: str) -> tuple[str, str]:
    tag = tag_for_keyword(text)
    if tag is None and _HEXADECIMAL.match(text):
        tag = int(text, 16)
    try:
        if tag is not None:
            return f"{int(tag):08X}", dictionary_VR(int(tag)).split(" or ")[0]
    except KeyError:
        pass
    raise BadRequest(
        f"{text[:64]} is no DICOM attribute.",
        fields=[FieldError(parameter[:64], f"{text[:64]} is neither a keyword nor a tag of the dictionary")],
    )


def _value(vr: str, text: str, parameter: str) -> Any:
    if vr == "PN":
        return PersonName.parse(text).as_json() or None
    if vr not in _NUMBERS:
        return text
    try:
        number = float(text)
        return number if vr in ("DS", "FD", "FL") else int(number)
    except (ValueError, OverflowError):
        raise BadRequest(
            f"{parameter[:64]} is not understood.", fields=[FieldError(parameter[:64], "is a number")]
        ) from None


def _whole(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise BadRequest(f"{name} is a whole number.", fields=[FieldError(name, "is a whole number from 0")])
    return int(text)
