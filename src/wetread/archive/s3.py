"""Objects in an S3 bucket, behind the interface of the local folder. The bytes are sealed before they come here.

An object up to one part is written by one conditional put (`If-None-Match: *`), so that nothing is ever overwritten: an
answer that was lost is found out by the next try, which meets the object and compares it. Its ETag says whether the bytes
are those that were sent; where it does not, they are read back before anybody is told that they are kept. Larger ones go up in parts
while they arrive; memory holds one part, and of those before it their MD5, of which the store makes the ETag of the whole. An upload that is given up leaves parts that no listing shows: who lists what
lies here ends them (`s3_uploads`).
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any, TypeVar

import obstore
import structlog
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from wetread.archive.objects import Missing, NoteAhead, StoreUnavailable
from wetread.archive.s3_uploads import Uploads, UploadsNotSeen
from wetread.kit.stores import StoreSettings

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

log = structlog.get_logger()
T = TypeVar("T")

PART_BYTES = 8 * 1024 * 1024  # of a multipart upload; S3 allows 10,000 parts, so 80 GB
_READ_AHEAD_BYTES = 1024 * 1024
_FIRST_READ_BYTES = 256 * 1024
_ATTEMPTS = 4
_BACK_OFF_S = 0.2
_TOGETHER = 8
_ODD_E_TAGS = 16
_LOCATION = re.compile(r"[0-9a-f]{2}/[0-9a-f]{32}\Z")
_CODE = re.compile(r"<Code>([A-Za-z]{1,64})</Code>")


class S3Objects:
    """A bucket, or what lies under `prefix` of it. Credentials come from the settings, else from the environment or the
    machine's role, as AWS's own tools find them."""

    def __init__(self, settings: StoreSettings) -> None:
        assert settings.bucket is not None
        self.name = settings.name
        config: S3Config = {
            "region": settings.region,
            "virtual_hosted_style_request": not settings.path_style,
            "conditional_put": "etag",
            "checksum_algorithm": "SHA256",
        }
        if settings.endpoint is not None:
            config["endpoint"] = settings.endpoint
        if settings.access_key_id is not None:
            config["access_key_id"] = settings.access_key_id
            config["secret_access_key"] = settings.secret or ""
        if settings.server_side_encryption is not None:
            config["server_side_encryption"] = settings.server_side_encryption
        client: ClientConfig = {
            "allow_http": (settings.endpoint or "").startswith("http://"),
            "connect_timeout": timedelta(seconds=5),
            "timeout": timedelta(seconds=settings.timeout_s),
        }
        if settings.authorities is not None:
            client["root_certificate"] = settings.authorities.read_bytes()
        self._store = S3Store(
            settings.bucket,
            prefix=settings.prefix.strip("/") or None,
            config=config,
            client_options=client,
            retry_config={
                "max_retries": 3,
                "retry_timeout": timedelta(seconds=settings.timeout_s),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=3),
                    "base": 2,
                },
            },
        )
        self._begun = Uploads(settings)
        self._doubted: set[str] = set()  # what was written here, and may be other bytes than were sent
        # Of bytes that were right all the same; after one that is an MD5, those that are not are odd for ever.
        self._odd_e_tags = 0
        self._odd_e_tags_of_parts = 0  # the same of uploads in parts, which other stores name otherwise
        self._several = ThreadPoolExecutor(_TOGETHER, thread_name_prefix=f"store-{self.name}")
        self._uploads = BoundedSemaphore(64)  # parts in memory of this process

    def create(self) -> S3Writer:
        """A writer under a fresh random key. Nothing is sent before the first part is full."""
        return S3Writer(self, self.new_location(), replace=False)

    def writer(self, location: str, *, replace: bool) -> S3Writer:
        """See ObjectStore."""
        return S3Writer(self, _checked(location), replace=replace)

    def new_location(self) -> str:
        """See ObjectStore."""
        return f"{secrets.token_hex(1)}/{secrets.token_hex(16)}"

    def put(self, objects: Mapping[str, bytes]) -> None:
        """See ObjectStore; some at a time. Raises StoreUnavailable."""
        if len(objects) == 1:
            for location, content in objects.items():
                self.put_new(location, content)
            return
        for done in [self._several.submit(self.put_new, *one) for one in objects.items()]:
            done.result()

    def put_new(self, location: str, content: bytes, *, replace: bool = False) -> None:
        """Writes one object whole. One that is there already is compared, never overwritten, unless `replace`. Raises
        StoreUnavailable."""
        key = _checked(location)

        def once() -> None:
            try:
                put = obstore.put(
                    self._store, key, content, mode="overwrite" if replace else "create", use_multipart=False
                )
            except AlreadyExistsError:
                # An earlier try did it and its answer was lost, or this is a second time: the same bytes are no fault.
                if self._lies(key, content):
                    return
                if key not in self._doubted:
                    raise StoreUnavailable(
                        f"store {self.name} holds something else under a new key"
                    ) from None
            else:
                if self._names(put["e_tag"], content):
                    return
                self._doubted.add(key)
                if self._lies(key, content):
                    self._odd_e_tags += 1
                    self._doubted.discard(key)
                    return
            # Not every store looks at the checksum that goes with the bytes. What is ours and wrong goes.
            if not replace:
                obstore.delete(self._store, key)
            self._doubted.discard(key)
            raise _Spoilt

        self._tried("put", once)

    def _names(self, e_tag: str | None, content: bytes) -> bool:
        """Whether an ETag is the MD5 of the bytes, or none of this store ever is (those of keys of its own are others)."""
        if self._odd_e_tags >= _ODD_E_TAGS:
            return True
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if (e_tag or "").strip('"') == digest:
            self._odd_e_tags = -(1 << 30)
            return True
        return False

    def _names_parts(self, e_tag: str | None, digests: Sequence[bytes]) -> bool:
        """`_names` of an upload in parts: the MD5 of the parts' MD5s, and how many there are."""
        if self._odd_e_tags_of_parts >= _ODD_E_TAGS:
            return True
        whole = hashlib.md5(b"".join(digests), usedforsecurity=False).hexdigest()
        if (e_tag or "").strip('"') == f"{whole}-{len(digests)}":
            self._odd_e_tags_of_parts = -(1 << 30)
            return True
        return False

    def _lie_parts(self, key: str, digests: Sequence[bytes]) -> bool:
        """Whether the parts lie there. Raises Missing, StoreUnavailable."""
        for number, digest in enumerate(digests):
            content, _ = self._range(key, number * PART_BYTES, PART_BYTES)
            if hashlib.md5(content, usedforsecurity=False).digest() != digest:
                return False
        return True

    def check_parts(self, key: str, size: int, digests: Sequence[bytes]) -> bool:
        """Whether an upload in parts that the store says it keeps is what was sent. Raises Missing, StoreUnavailable."""
        meta = self._tried("head", lambda: obstore.head(self._store, key))
        if int(meta["size"]) != size:
            return False
        if self._names_parts(meta["e_tag"], digests):
            return True
        if not self._lie_parts(key, digests):
            return False
        self._odd_e_tags_of_parts += 1
        return True

    def _lies(self, key: str, content: bytes) -> bool:
        """Whether these are the bytes that lie there."""
        try:
            return bytes(obstore.get(self._store, key).bytes()) == content
        except (NotFoundError, FileNotFoundError) as error:
            if "NoSuchBucket" in str(error):
                raise
            raise _Cut from None  # it was there just now

    def open(self, location: str) -> S3Reader:
        """The object for reading, with its beginning. Raises Missing, StoreUnavailable."""
        key = _checked(location)
        start, size = self._range(key, 0, _FIRST_READ_BYTES)
        return S3Reader(self, key, size, start)

    def open_here(self, location: str) -> S3Reader:
        """See ObjectStore: the one store there is."""
        return self.open(location)

    def _range(self, key: str, start: int, length: int) -> tuple[bytes, int]:
        """(bytes, size of the whole object), whole or not at all."""

        def once() -> tuple[bytes, int]:
            got = obstore.get(self._store, key, options={"range": (start, start + length)})
            content, size = bytes(got.bytes()), int(got.meta["size"])
            if len(content) != min(length, size - start):
                raise _Cut
            return content, size

        return self._tried("get", once)

    def size(self, location: str) -> int | None:
        """Stored bytes of an object, None where it is not there. Raises StoreUnavailable."""
        try:
            return int(self._tried("head", lambda: obstore.head(self._store, _checked(location)))["size"])
        except Missing:
            return None

    def delete(self, location: str) -> None:
        """Removes the object, where it is there. Raises StoreUnavailable."""
        with suppress(Missing):
            self._tried("delete", lambda: obstore.delete(self._store, _checked(location)))

    delete_here = delete

    def listing(self, older_than_s: float) -> Iterator[str]:
        """See ObjectStore; uploads as old as that, which nobody can be at any more, are ended first. Raises
        StoreUnavailable."""
        limit = time.time() - older_than_s
        self._end_unfinished(limit)
        try:
            for page in obstore.list(self._store):
                for one in page:
                    if one["last_modified"].timestamp() < limit and _LOCATION.match(one["path"]):
                        yield one["path"]
        except BaseError as error:
            raise self._unavailable("list", error) from None

    def _end_unfinished(self, limit: float) -> None:
        if not self._begun.can_see:
            return
        ended = 0
        try:
            for one in self._begun.unfinished():
                ours = _LOCATION.match(one.key.removeprefix(self._begun.prefix))
                if ours and one.begun_at.timestamp() < limit:
                    self._begun.end(one)
                    ended += 1
        except UploadsNotSeen as error:  # what is listed is worth sweeping all the same
            log.warning("unfinished uploads stay", store=self.name, error=str(error))
        if ended:
            log.info("unfinished uploads ended", store=self.name, count=ended)

    def copies(self, location: str) -> Iterator[S3Reader]:
        """See ObjectStore: the one store there is."""
        return iter(())

    def note_ahead(self, note: NoteAhead) -> None:
        """See ObjectStore: nothing is made ahead in a bucket."""

    def noted_key(self, location: str) -> int | None:
        """See ObjectStore."""
        return None

    def space(self) -> tuple[int, int] | None:
        """A bucket knows no bounds."""
        return None

    def check(self) -> None:
        """Writes, reads and removes one object under a key of its own. Raises StoreUnavailable."""
        location, content = self.new_location(), secrets.token_bytes(64)
        self.put_new(location, content)
        try:
            with suppress(StoreUnavailable):
                self.put_new(location, content[::-1])
                raise StoreUnavailable(
                    f"store {self.name} overwrites what is there: it does not know conditional writes (If-None-Match)"
                ) from None
            if self.open(location).read_at(0, 64) != content:
                raise StoreUnavailable(f"store {self.name} gives back other bytes than were written")
        finally:
            self.delete(location)

    def close(self) -> None:
        """Ends its threads."""
        self._several.shutdown(wait=False)

    def _tried(self, act: str, once: Callable[[], T]) -> T:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return once()
            except (NotFoundError, FileNotFoundError) as error:
                # That the bucket is gone says nothing about the object.
                if "NoSuchBucket" in str(error):
                    raise self._unavailable(act, error) from None
                raise Missing("is not in the store") from None
            except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
                raise self._unavailable(act, error) from None
            except (BaseError, _Cut, _Spoilt) as error:
                if attempt == _ATTEMPTS:
                    raise self._unavailable(act, error) from None
                time.sleep(_BACK_OFF_S * 2**attempt * (0.5 + secrets.randbelow(512) / 1024))
        raise AssertionError

    def _unavailable(self, act: str, error: Exception) -> StoreUnavailable:
        # The error's own text may hold addresses and keys: only its kind goes on.
        found = _CODE.search(str(error))
        code = found.group(1) if found else type(error).__name__.removesuffix("Error").lstrip("_")
        log.warning("an object store failed", store=self.name, act=act, code=code)
        if isinstance(error, (PermissionDeniedError, UnauthenticatedError, PermissionError)):
            return StoreUnavailable(f"store {self.name} refuses our access key ({code})")
        return StoreUnavailable(f"store {self.name} does not answer as it should ({act}: {code})")


class _Cut(Exception):
    """The answer ended before its end."""


class _Spoilt(Exception):
    """Other bytes came to lie there than were sent."""


class S3Writer:
    """Writes one object; see ObjectWriter. Up to one part it waits in memory, then parts go up as they fill."""

    def __init__(self, objects: S3Objects, location: str, *, replace: bool) -> None:
        self.location = location
        self._objects = objects
        self._key = location
        self._replace = replace
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._size = 0
        self._upload: Any = None
        self._holds_place = False
        # The parts as they are cut on their way: what was sent of the one that is being filled, and the whole ones.
        self._part = hashlib.md5(usedforsecurity=False)
        self._part_bytes = 0
        self._digests: list[bytes] = []

    def write(self, parts: list[bytes]) -> None:
        """Appends the parts. Raises StoreUnavailable."""
        self._waiting += parts
        count = sum(map(len, parts))
        self._waiting_bytes += count
        self._size += count
        if self._waiting_bytes < PART_BYTES:
            return
        self._send()

    def hurry(self) -> None:
        """See ObjectWriter: a bucket cannot begin with less than all."""

    def note_key(self, study_key_pk: int) -> bool:
        """See ObjectWriter: nothing is made ahead in a bucket."""
        return False

    def commit(self) -> None:
        """Returns once the store has said that it keeps the object. Raises StoreUnavailable."""
        if self._upload is None:
            content = b"".join(self._waiting)
            self._waiting = []
            self._objects.put_new(self._key, content, replace=self._replace)
            return
        self._send()
        if self._part_bytes:
            self._digests.append(self._part.digest())
        upload, self._upload = self._upload, None
        failed: Exception | None = None
        try:
            upload.close()
        except Exception as error:  # noqa: BLE001 - the upload may have been completed and its answer lost
            failed = error
        self._let_go()
        sound = False
        with suppress(Missing):
            sound = self._objects.check_parts(self._key, self._size, self._digests)
        if sound:
            return
        self._remove()
        if failed is not None:
            raise self._objects._unavailable("complete", failed) from None  # noqa: SLF001 - of one module
        raise StoreUnavailable(f"store {self._objects.name} does not hold what it said that it keeps")

    def _count(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            piece, view = view[: PART_BYTES - self._part_bytes], view[PART_BYTES - self._part_bytes :]
            self._part.update(piece)
            self._part_bytes += len(piece)
            if self._part_bytes == PART_BYTES:
                self._digests.append(self._part.digest())
                self._part, self._part_bytes = hashlib.md5(usedforsecurity=False), 0

    def abort(self) -> None:
        """Forgets the object; parts that were sent never become one."""
        self._waiting = []
        if self._upload is not None:
            self._upload = None  # dropped unfinished
            self._let_go()
        self._remove()

    def _remove(self) -> None:
        # What cannot be removed now has no row, and is swept.
        if not self._replace and self._size:
            with suppress(StoreUnavailable):
                self._objects.delete(self._key)

    def _send(self) -> None:
        if not self._waiting:
            return
        content = b"".join(self._waiting)
        self._waiting, self._waiting_bytes = [], 0
        try:
            if self._upload is None:
                self._objects._uploads.acquire()  # noqa: SLF001
                self._holds_place = True
                self._upload = obstore.open_writer(
                    self._objects._store,  # noqa: SLF001
                    self._key,
                    buffer_size=PART_BYTES,
                    max_concurrency=2,
                )
            self._upload.write(content)
            self._count(content)
        except Exception as error:  # noqa: BLE001 - whatever it was, the object is not kept
            self._upload = None
            self._let_go()
            raise self._objects._unavailable("part", error) from None  # noqa: SLF001

    def _let_go(self) -> None:
        if self._holds_place:
            self._holds_place = False
            self._objects._uploads.release()  # noqa: SLF001


class S3Reader:
    """Reads one object by ranges, somewhat ahead; see ObjectReader."""

    def __init__(self, objects: S3Objects, key: str, size: int, start: bytes) -> None:
        self.stored_bytes = size
        self._objects = objects
        self._key = key
        self._at, self._ahead = 0, start

    def read_at(self, start: int, length: int) -> bytes:
        """Bytes `start … start+length`, fewer at the end. Raises Missing, StoreUnavailable."""
        end = min(start + length, self.stored_bytes)
        if start >= end:
            return b""
        if start < self._at or end > self._at + len(self._ahead):
            # Frames of one object are asked for in order: the next is fetched with the one before it.
            wanted = min(max(end - start, _READ_AHEAD_BYTES), self.stored_bytes - start)
            content, size = self._objects._range(self._key, start, wanted)  # noqa: SLF001
            if size != self.stored_bytes:
                raise Missing("was replaced while it was read")
            self._at, self._ahead = start, content
        return self._ahead[start - self._at : end - self._at]

    def close(self) -> None:
        """Lets go what was read ahead."""
        self._ahead = b""


def _checked(location: str) -> str:
    if not _LOCATION.match(location):
        raise Missing("has no location of this store")
    return location
