"""What all DICOMweb services share: errors in the standard's own statuses, the archive, negotiation, answers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.routing import APIRoute

from wetread.archive.service import Archive, CannotDecode, the_archive
from wetread.dicomweb import accept as accepting
from wetread.dicomweb.accept import MediaRange, Offer
from wetread.dicomweb.multipart import PART_END, closing, part_header
from wetread.dicomweb.responses import (
    BOUNDARY,
    Buffer,
    BuffersResponse,
    cut,
    in_large_pieces,
    multipart_parts,
    parse_ranges,
)
from wetread.kit.errors import FieldError, Invalid, WetreadError
from wetread.security.service import Permission

PREFIX = "/dicom-web"
STUDY = "/studies/{study}"
SERIES = STUDY + "/series/{series}"
INSTANCE = SERIES + "/instances/{instance}"
NO_STORE = {"Cache-Control": "no-store"}
READ = (Permission.STUDY_READ, Permission.RESULT_READ)
VIEW = (
    *READ,
    Permission.LIVE_JOIN,
)  # to look, and to take nothing away: what the guest of a live session may


class BadRequest(WetreadError):
    """The request cannot be understood (PS3.18 8.5.2)."""

    status = 400
    code = "bad-request"
    title = "The request is not understood"


class NotAcceptable(WetreadError):
    """Nothing that the client takes can be made of this; `fields` lists the media ranges that would be answered."""

    status = 406
    code = "not-acceptable"
    title = "Not available in this form"

    def __init__(self, what: str, offers: Iterable[Offer] = ()) -> None:
        available = list(dict.fromkeys(offer.range for offer in offers))
        super().__init__(
            f"{what} available as: {', '.join(available)}." if available else what,
            fields=[FieldError("Accept", media_range) for media_range in available],
        )


class UnsupportedMediaType(WetreadError):
    """The body is of a kind that is not taken."""

    status = 415
    code = "unsupported-media-type"
    title = "This kind of content is not taken"


class RangeNotSatisfiable(WetreadError):
    """The range lies outside of the content."""

    status = 416
    code = "range"
    title = "The range lies outside of the content"

    def __init__(self, size: int) -> None:
        super().__init__("The range lies outside of the content.")
        self.size = size


class DicomWebRoute(APIRoute):
    """A route whose malformed requests are 400, as PS3.18 has it, and not the 422 of this system's own interface."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler with the errors in DICOMweb's terms."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                raise BadRequest(
                    "A parameter is not understood.",
                    fields=[FieldError(str(item["loc"][-1]), str(item["msg"])) for item in error.errors()],
                ) from None
            except RangeNotSatisfiable as error:
                # RFC 9110 15.5.17: told how long the content is, the client can ask again.
                return JSONResponse(
                    {"title": error.title, "status": 416, "detail": error.detail},
                    416,
                    {**NO_STORE, "Content-Range": f"bytes */{error.size}"},
                    "application/problem+json",
                )
            except CannotDecode:
                raise
            except Invalid as error:
                raise BadRequest(error.detail, fields=error.fields) from None

        return handled


def archive_of(request: Request) -> Archive:
    """The archive of this process."""
    return getattr(request.app.state, "archive", None) or the_archive()


def base_url(request: Request) -> str:
    """Where DICOMweb is, as the client sees it."""
    return str(request.base_url).rstrip("/") + PREFIX


def ranges_of(request: Request) -> list[MediaRange]:
    """What the client takes: its `accept` query parameters before its headers (PS3.18 8.3.3.1, 8.7.5).

    Raises NotAcceptable where it asks for text in another character set than the only one there is.
    """
    charset = ",".join(request.query_params.getlist("charset")).lower()
    if charset and not any(
        part.split(";")[0].strip() in ("utf-8", "utf8", "*") for part in charset.split(",")
    ):
        raise NotAcceptable("Text is available in UTF-8 alone.")
    named = request.query_params.getlist("accept")
    if named:
        return accepting.parse_query_accept(named)
    return accepting.parse_accept(request.headers.getlist("accept"))


def chosen(request: Request, what: str, offers: Sequence[Offer]) -> Offer:
    """The offer that the client likes best. Raises NotAcceptable with all of them."""
    offer = accepting.choose(ranges_of(request), offers)
    if offer is None:
        raise NotAcceptable(what, offers)
    return offer


def ranged(
    request: Request, buffers: Sequence[Buffer], content_type: str, etag: str | None = None
) -> Response:
    """The buffers, or of them what a Range header asks for (206). Raises RangeNotSatisfiable."""
    headers = {**NO_STORE, "Content-Type": content_type, "Accept-Ranges": "bytes"}
    if etag:
        headers["ETag"] = etag
    size = sum(map(len, buffers))
    span = span_of(request, size, etag)
    if span is None:
        return BuffersResponse(buffers, headers=headers)
    headers["Content-Range"] = f"bytes {span[0]}-{span[1] - 1}/{size}"
    return BuffersResponse(cut(buffers, *span), status_code=206, headers=headers)


def span_of(request: Request, size: int, etag: str | None = None) -> tuple[int, int] | None:
    """(start, end) of what the Range header asks of `size` bytes; None is all of it. Raises RangeNotSatisfiable.

    If-Range (RFC 9110 13.1.5): who has a part of other content, or of what has no `etag` to tell by, gets all.
    """
    wanted = request.headers.get("range")
    if not wanted or request.headers.get("if-range", etag) != etag:
        return None
    try:
        return parse_ranges(wanted, size)
    except ValueError:
        raise RangeNotSatisfiable(size) from None


def ranged_parts(
    request: Request, offer: Offer, contents: Sequence[Buffer], etag: str | None = None
) -> Response:
    """Contents of one kind as the offer says: one alone, or a multipart body; with ranges. `etag` is of one alone."""
    if not offer.multipart:
        return ranged(request, contents, offer.content_type, etag)
    return ranged(
        request,
        multipart_parts([(offer.content_type, content) for content in contents]),
        f'multipart/related; type="{offer.media_type}"; boundary={BOUNDARY}',
    )


def streamed_parts(
    media_type: str, parts: Iterable[tuple[str, Iterable[Buffer], str | None]]
) -> StreamingResponse:
    """A multipart body of (content type, content, location) that is made while it is sent."""

    def pieces() -> Iterator[Buffer]:
        for content_type, content, location in parts:
            yield part_header(BOUNDARY, content_type, location=location)
            yield from content
            yield PART_END
        yield closing(BOUNDARY)

    return StreamingResponse(
        in_large_pieces(pieces()),
        media_type=f'multipart/related; type="{media_type}"; boundary={BOUNDARY}',
        headers=NO_STORE,
    )
