"""A user agent for other archives' DICOMweb (PS3.18): search for studies, and retrieval as a stream of parts."""

from __future__ import annotations

import base64
import http.client
import ssl
from collections.abc import Iterator, Mapping, Sequence
from email.message import Message
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import orjson

from wetread.dicomweb.multipart import Happening, Malformed, MultipartParser

JsonDict = dict[str, Any]
_PAGE = 100
_ANSWER_BYTES_MAX = 16 * 1024 * 1024
_CHUNK = 256 * 1024
# RFC 9110: what statuses say that a person can mend.
_WORDS = {
    401: "it does not know who signs in",
    403: "it does not allow this",
    404: "there is nothing at this address",
}


class WebFailed(Exception):
    """No answer, or one that is of no use. Words for a person, without patient data."""


class WebArchive:
    """The DICOMweb services under one base. Use as a context manager. Redirects are not followed: they could lead
    patient data and a password elsewhere."""

    def __init__(
        self,
        base_url: str,
        *,
        context: ssl.SSLContext | None,
        timeout_s: float,
        user_name: str | None = None,
        password: str | None = None,
    ) -> None:
        """`context` for https. A password without a user name is a bearer token (RFC 6750)."""
        parts = urlsplit(base_url)
        host = parts.hostname or ""
        self._where = f"{host}:{parts.port}" if parts.port else host
        self._path = parts.path.rstrip("/")
        self._headers: dict[str, str] = {}
        if password and user_name:
            both = base64.b64encode(f"{user_name}:{password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {both}"
        elif password:
            self._headers["Authorization"] = f"Bearer {password}"
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            self._connection = http.client.HTTPSConnection(
                host, parts.port, timeout=timeout_s, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(host, parts.port, timeout=timeout_s)

    def __enter__(self) -> WebArchive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def search(
        self, path: str, matching: Mapping[str, str], include: Sequence[str], *, most: int
    ) -> tuple[list[JsonDict], bool]:
        """QIDO-RS: matches in the JSON model, and whether there are more than `most`. Pages that only repeat what came
        end the search. Raises WebFailed."""
        found: dict[bytes, JsonDict] = {}
        offset = 0
        while True:
            query = [*matching.items(), *(("includefield", one) for one in include)]
            query += [("limit", str(_PAGE)), ("offset", str(offset))]
            page = self._json(f"{path}?{urlencode(query, quote_via=quote)}")
            before = len(found)
            for one in page:
                found.setdefault(orjson.dumps(one, option=orjson.OPT_SORT_KEYS), one)
            if len(found) > most:
                return list(found.values())[:most], True
            if len(page) < _PAGE or len(found) == before:
                return list(found.values()), False
            offset += len(page)

    def retrieve(self, path: str) -> Iterator[Happening]:
        """WADO-RS of Part 10 files in the transfer syntaxes that they are kept in; the parts as they come. Raises
        WebFailed."""
        response = self._get(path, 'multipart/related; type="application/dicom"; transfer-syntax=*')
        kind = Message()
        kind["content-type"] = response.headers.get("Content-Type", "")
        boundary = kind.get_param("boundary")
        if kind.get_content_type() != "multipart/related" or not isinstance(boundary, str):
            raise WebFailed(f"{self._where} answers with {kind.get_content_type()} instead of DICOM files")
        try:
            parser = MultipartParser(boundary)
            while data := response.read1(_CHUNK):
                yield from parser.feed(data)
            parser.finish()
        except Malformed as error:
            raise WebFailed(f"{self._where} sent a body that is none: {error}") from None
        except (OSError, http.client.HTTPException) as error:
            raise WebFailed(f"{self._where} broke off ({type(error).__name__})") from None

    def _json(self, path: str) -> list[JsonDict]:
        response = self._get(path, "application/dicom+json")
        try:
            if response.status == 204:
                response.read()
                return []
            raw = response.read(_ANSWER_BYTES_MAX + 1)
        except (OSError, http.client.HTTPException) as error:
            raise WebFailed(f"{self._where} broke off ({type(error).__name__})") from None
        if len(raw) > _ANSWER_BYTES_MAX:
            raise WebFailed(f"{self._where} answers with more than is taken at once")
        return data_sets_in(self._where, raw)

    def _get(self, path: str, accept: str) -> http.client.HTTPResponse:
        try:
            self._connection.request("GET", self._path + path, headers={**self._headers, "Accept": accept})
            response = self._connection.getresponse()
        except ssl.SSLCertVerificationError as error:
            self._connection.close()
            raise WebFailed(
                f"the certificate of {self._where} is not accepted: {error.verify_message}"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise WebFailed(f"{self._where} does not answer ({type(error).__name__})") from None
        if response.status in (200, 204, 206):
            return response
        self._connection.close()
        words = _WORDS.get(response.status, http.client.responses.get(response.status, "no known status"))
        raise WebFailed(f"{self._where} answers {response.status}: {words}")


def data_sets_in(where: str, raw: bytes) -> list[JsonDict]:
    """The data sets of an answer in the JSON model. Raises WebFailed."""
    try:
        found = orjson.loads(raw) if raw.strip() else []
    except orjson.JSONDecodeError:
        raise WebFailed(f"{where} answers with something that is not JSON") from None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise WebFailed(f"{where} answers with JSON that is not DICOM's (PS3.18 F.2)")
    return found
