"""Ends uploads in parts that were begun and never finished: their parts are paid for, and no listing of objects shows them.

The client that objects go by can neither list nor end them, so two requests of S3 are signed here (ListMultipartUploads,
AbortMultipartUpload; Signature Version 4 of the S3 API reference).
"""

from __future__ import annotations

import hashlib
import hmac
import html
import http.client
import os
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlsplit

from wetread.kit.clock import Clock, SystemClock
from wetread.kit.stores import StoreSettings

_ANSWER_BYTES_MAX = 4 * 1024 * 1024
_PAGE = 500
_NOTHING = hashlib.sha256(b"").hexdigest()
_UPLOAD = re.compile(r"<Upload>(.*?)</Upload>", re.DOTALL)


class UploadsNotSeen(Exception):
    """The store did not answer, or not as it should; the words hold neither address nor key."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload that is not finished: the whole key and when it was begun."""

    key: str
    upload_id: str
    begun_at: datetime


class Uploads:
    """The unfinished uploads of one store. Its key comes from the settings, else from the environment; of a machine's
    role nothing is known here, and `can_see` is false."""

    def __init__(self, settings: StoreSettings, clock: Clock | None = None) -> None:
        assert settings.bucket is not None
        self._settings, self._clock = settings, clock or SystemClock()
        prefix = settings.prefix.strip("/")
        self.prefix = f"{prefix}/" if prefix else ""
        if settings.endpoint is None:
            host = f"s3.{settings.region}.amazonaws.com"
            url = f"https://{host}" if settings.path_style else f"https://{settings.bucket}.{host}"
        else:
            url = settings.endpoint.rstrip("/")
        base = urlsplit(f"{url}/{settings.bucket}" if settings.path_style else url)
        self._secure, self._host, self._path = base.scheme == "https", base.netloc, base.path
        self._token: str | None = None
        self._id, self._secret = settings.access_key_id, settings.secret
        if self._id is None:
            self._id = os.environ.get("AWS_ACCESS_KEY_ID")
            self._secret = os.environ.get("AWS_SECRET_ACCESS_KEY")
            self._token = os.environ.get("AWS_SESSION_TOKEN")

    @property
    def can_see(self) -> bool:
        """Whether there is a key to sign with."""
        return bool(self._id and self._secret)

    def unfinished(self) -> Iterator[Upload]:
        """All below the prefix. Raises UploadsNotSeen."""
        marker: dict[str, str] = {}
        while True:
            query = {"uploads": "", "prefix": self.prefix, "max-uploads": str(_PAGE), **marker}
            status, text = self._ask("GET", "", query)
            if status != 200:
                raise UploadsNotSeen(f"the unfinished uploads were not listed ({status})")
            for found in _UPLOAD.findall(text):
                try:
                    begun = datetime.fromisoformat(_of("Initiated", found))
                except ValueError:
                    raise UploadsNotSeen("the time of an upload cannot be read") from None
                yield Upload(_of("Key", found), _of("UploadId", found), begun)
            if _of("IsTruncated", text) != "true":
                return
            after = {
                "key-marker": _of("NextKeyMarker", text),
                "upload-id-marker": _of("NextUploadIdMarker", text),
            }
            if not after["key-marker"] or after == marker:
                return
            marker = after

    def end(self, upload: Upload) -> None:
        """Removes the parts of one. One that is gone meanwhile is no fault. Raises UploadsNotSeen."""
        status, _ = self._ask("DELETE", f"/{quote(upload.key)}", {"uploadId": upload.upload_id})
        if status not in (200, 204, 404):
            raise UploadsNotSeen(f"an unfinished upload was not ended ({status})")

    def _ask(self, method: str, path: str, query: Mapping[str, str]) -> tuple[int, str]:
        words = "&".join(f"{quote(name, safe='')}={quote(query[name], safe='')}" for name in sorted(query))
        where = f"{self._path}{path}" or "/"
        timeout = self._settings.timeout_s
        connection: http.client.HTTPConnection
        try:
            if self._secure:
                authorities = self._settings.authorities
                context = ssl.create_default_context(cafile=str(authorities) if authorities else None)
                connection = http.client.HTTPSConnection(self._host, timeout=timeout, context=context)
            else:
                connection = http.client.HTTPConnection(self._host, timeout=timeout)
            try:
                connection.request(method, f"{where}?{words}", headers=self._signed(method, where, words))
                answer = connection.getresponse()
                return answer.status, answer.read(_ANSWER_BYTES_MAX).decode("utf-8", "replace")
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            raise UploadsNotSeen(f"the store does not answer ({type(error).__name__})") from None

    def _signed(self, method: str, path: str, words: str) -> dict[str, str]:
        assert self._id is not None
        now = self._clock.now().strftime("%Y%m%dT%H%M%SZ")
        headers = {"host": self._host, "x-amz-content-sha256": _NOTHING, "x-amz-date": now}
        if self._token:
            headers["x-amz-security-token"] = self._token
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        asked = hashlib.sha256(
            f"{method}\n{path}\n{words}\n{lines}\n{names}\n{_NOTHING}".encode()
        ).hexdigest()
        scope = f"{now[:8]}/{self._settings.region}/s3/aws4_request"
        key = f"AWS4{self._secret}".encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        told = hmac.new(
            key, f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{asked}".encode(), hashlib.sha256
        ).hexdigest()
        given = f"Credential={self._id}/{scope}, SignedHeaders={names}, Signature={told}"
        return {**headers, "Authorization": f"AWS4-HMAC-SHA256 {given}"}


def _of(name: str, text: str) -> str:
    found = re.search(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
    return html.unescape(found[1]) if found else ""
