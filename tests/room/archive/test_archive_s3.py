"""Objects in a bucket: written once, read by ranges, and right whatever the network does."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
from tools.faults.bucket import FaultyProxy, s3_server, settings_of

from wetread.archive.objects import Missing, StoreUnavailable
from wetread.archive.s3 import PART_BYTES, S3Objects
from wetread.archive.s3_uploads import Uploads
from wetread.kit.clock import FixedClock
from wetread.kit.stores import StoreSettings, StoresUnusable, stores_of


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def bucket(server: str) -> Iterator[S3Objects]:
    objects = S3Objects(settings_of(server))
    yield objects
    objects.close()


def _written(objects: S3Objects, content: bytes, piece: int = 1 << 20) -> str:
    writer = objects.create()
    for at in range(0, len(content), piece):
        writer.write([content[at : at + piece]])
    writer.hurry()
    writer.commit()
    return writer.location


@pytest.mark.parametrize("size", [1, 300_000, PART_BYTES - 1, 2 * PART_BYTES + 12_345])
def test_what_is_written_is_read_by_any_range(bucket: S3Objects, size: int) -> None:
    chance = random.Random(size)
    content = chance.randbytes(size)
    location = _written(bucket, content)
    reader = bucket.open(location)
    assert reader.stored_bytes == size
    for _ in range(20):
        start = chance.randrange(size)
        length = chance.randrange(1, 500_000)
        assert reader.read_at(start, length) == content[start : start + length]
    assert reader.read_at(size, 10) == b""
    reader.close()
    assert location in list(bucket.listing(-5))
    assert location not in list(bucket.listing(3600))
    bucket.delete(location)
    bucket.delete(location)
    assert bucket.size(location) is None
    with pytest.raises(Missing):
        bucket.open(location)


def test_nothing_is_written_over(bucket: S3Objects) -> None:
    location = _written(bucket, b"first")
    bucket.put({location: b"first"})  # a second time is no fault
    with pytest.raises(StoreUnavailable, match="something else"):
        bucket.put({location: b"other"})
    assert bucket.open(location).read_at(0, 10) == b"first"
    writer = bucket.writer(location, replace=True)
    writer.write([b"mended"])
    writer.commit()
    assert bucket.open(location).read_at(0, 10) == b"mended"


@pytest.mark.parametrize("size", [1000, 2 * PART_BYTES + 5])
def test_an_aborted_object_is_not_there(bucket: S3Objects, size: int) -> None:
    before = set(bucket.listing(-5))
    writer = bucket.create()
    writer.write([b"x" * size])
    writer.abort()
    assert set(bucket.listing(-5)) == before


def test_uploads_that_were_never_finished_are_ended(server: str) -> None:
    """As a killed process leaves them; what is another's, or too young, stays. moto says that each was begun in 2010."""
    given = replace(settings_of(server, prefix="begun"), bucket="begun")
    httpx.put(f"{server}/begun", timeout=10).raise_for_status()
    objects = S3Objects(given)

    def begin(key: str) -> None:
        httpx.post(f"{server}/begun/{key}?uploads", timeout=10).raise_for_status()

    ours = [objects.new_location() for _ in range(3)]
    for location in ours:
        begin(f"begun/{location}")
    begin("begun/notes.txt")
    begin(ours[0])
    assert list(objects.listing(30 * 365 * 86_400)) == []
    assert {one.key for one in Uploads(given).unfinished()} == {
        *(f"begun/{location}" for location in ours), "begun/notes.txt",
    }  # fmt: skip
    location = _written(objects, b"kept")
    assert list(objects.listing(-5)) == [location]
    assert [one.key for one in Uploads(given).unfinished()] == ["begun/notes.txt"]
    everything = Uploads(replace(given, prefix=""))
    assert sorted(one.key for one in everything.unfinished()) == sorted(["begun/notes.txt", ours[0]])


def test_requests_are_signed_as_amazon_signs_them() -> None:
    """The example "GET bucket lifecycle" of Signature Version 4 in the S3 API reference."""
    given = StoreSettings(
        "s3", bucket="examplebucket", endpoint="https://examplebucket.s3.amazonaws.com", path_style=False,
        access_key_id="AKIAIOSFODNN7EXAMPLE", secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    )  # fmt: skip
    uploads = Uploads(given, FixedClock(datetime(2013, 5, 24, tzinfo=UTC)))
    assert uploads._signed("GET", "/", "lifecycle=")["Authorization"].endswith(
        "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    )


def test_the_check_writes_reads_and_leaves_nothing(bucket: S3Objects) -> None:
    before = set(bucket.listing(-5))
    bucket.check()
    assert set(bucket.listing(-5)) == before


def test_a_missing_bucket_is_no_missing_object(server: str) -> None:
    objects = S3Objects(settings_of(server, bucket="nowhere"))
    with pytest.raises(StoreUnavailable, match="NoSuchBucket"):
        objects.open(objects.new_location())
    with pytest.raises(StoreUnavailable):
        _written(objects, b"x")


def test_a_store_that_is_down_is_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    objects = S3Objects(settings_of("http://127.0.0.1:9"))
    with pytest.raises(StoreUnavailable, match="does not answer") as fault:
        objects.open(objects.new_location())
    with pytest.raises(StoreUnavailable):
        objects.put({objects.new_location(): b"x"})
    said = str(fault.value) + capsys.readouterr().out
    assert "test-secret" not in said
    assert "test-key" not in said
    assert "test-secret" not in repr(settings_of("http://127.0.0.1:9"))


FAULTS = {
    "503": 0.1, "500": 0.03, "cut-request": 0.05, "lost-answer": 0.07, "cut-answer": 0.05, "slow": 0.03,
}  # fmt: skip


def test_bad_days_lose_change_and_double_nothing(server: str) -> None:
    chance = random.Random(5)
    with FaultyProxy(server, FAULTS, seed=7) as proxy:
        objects = S3Objects(settings_of(proxy.url, prefix="bad-days"))
        kept: dict[str, bytes] = {}
        refused: list[str] = []
        for number in range(120):
            content = chance.randbytes(chance.randrange(1, 90_000 if number % 20 else 2 * PART_BYTES))
            writer = objects.create()
            try:
                writer.write([content])
                writer.commit()
            except StoreUnavailable:
                writer.abort()
                refused.append(writer.location)
            else:
                kept[writer.location] = content
        some = {objects.new_location(): chance.randbytes(5000) for _ in range(40)}
        objects.put(some)
        kept |= some
        assert len(kept) > 100
        wrong = 0
        for location, content in kept.items():
            try:
                reader = objects.open(location)
                wrong += reader.read_at(0, len(content)) != content
            except StoreUnavailable:
                continue
        assert wrong == 0
        assert all(proxy.done[fault] for fault in FAULTS), proxy.done
    sound = S3Objects(settings_of(server, prefix="bad-days"))
    assert {location: sound.open(location).read_at(0, 1 << 30) for location in kept} == kept
    # What was refused may have come to lie there where even its removal failed; nothing else does.
    assert set(sound.listing(-5)) <= set(kept) | set(refused)


def test_a_lost_answer_is_found_out(server: str) -> None:
    with FaultyProxy(server, {"lost-answer": 1.0}, only="^PUT", at_most=1) as proxy:
        objects = S3Objects(settings_of(proxy.url, prefix="lost"))
        writer = objects.create()
        writer.write([b"one"])
        writer.commit()
        assert proxy.done["lost-answer"] == 1
    assert S3Objects(settings_of(server, prefix="lost")).open(writer.location).read_at(0, 9) == b"one"


def test_bytes_that_change_on_their_way_into_the_store_are_not_called_kept(server: str) -> None:
    with FaultyProxy(server, {"spoil": 1.0}, only="^PUT", at_most=2) as proxy:
        objects = S3Objects(settings_of(proxy.url, prefix="spoilt"))
        location = _written(objects, b"as it was sent")
        assert proxy.done["spoil"] == 2
    assert S3Objects(settings_of(server, prefix="spoilt")).open(location).read_at(0, 99) == b"as it was sent"
    with FaultyProxy(server, {"spoil": 1.0}, only="^PUT") as proxy:
        objects = S3Objects(settings_of(proxy.url, prefix="spoilt"))
        with pytest.raises(StoreUnavailable, match="put: Spoilt"):
            _written(objects, b"never as it was sent")
    assert list(S3Objects(settings_of(server, prefix="spoilt")).listing(-5)) == [location]


def test_what_was_spoilt_and_could_not_be_read_back_is_found_out_later(server: str) -> None:
    content = {"ab/" + "c" * 32: b"as it was sent"}
    with FaultyProxy(server, {"spoil": 1.0}, only="^PUT", at_most=1) as proxy:
        objects = S3Objects(settings_of(proxy.url, prefix="later"))
        with FaultyProxy(proxy.url, {"gone": 1.0}, only="^GET") as blind:
            objects._store = S3Objects(settings_of(blind.url, prefix="later"))._store
            with pytest.raises(StoreUnavailable, match="put: Cut"):
                objects.put(content)
        objects._store = S3Objects(settings_of(proxy.url, prefix="later"))._store
        objects.put(content)
    location, wanted = next(iter(content.items()))
    assert S3Objects(settings_of(server, prefix="later")).open(location).read_at(0, 99) == wanted


@pytest.mark.parametrize("size", [1000, PART_BYTES + 5])
def test_a_wrong_etag_alone_is_no_harm(server: str, size: int) -> None:
    content = random.Random(size).randbytes(size)
    with FaultyProxy(server, {"etag": 1.0}) as proxy:
        objects = S3Objects(settings_of(proxy.url, prefix="etag"))
        if size < PART_BYTES:
            for _ in range(20):
                location = _written(objects, content)
            # What is never an MD5 is not read back for ever.
            assert proxy.done["etag"] == 20 + 16
            assert objects.open(location).read_at(0, size) == content
        else:
            # The store puts an object together by the ETags of its parts.
            with pytest.raises(StoreUnavailable):
                _written(objects, content)


@pytest.mark.parametrize(
    ("size", "piece"),
    [(PART_BYTES, 1 << 20), (2 * PART_BYTES, 3_000_001), (2 * PART_BYTES + 12_345, 20_000_000)],
)
def test_the_etag_of_parts_is_the_md5_of_theirs(bucket: S3Objects, size: int, piece: int) -> None:
    # Where they were cut otherwise than they are counted, each would be read back.
    _written(bucket, random.Random(size).randbytes(size), piece)
    assert bucket._odd_e_tags_of_parts < 0


def test_a_part_that_changes_on_its_way_into_the_store_is_not_called_kept(server: str) -> None:
    content = random.Random(5).randbytes(PART_BYTES + 5)
    for faults in ({"spoil": 1.0}, {"spoil": 1.0, "etag": 1.0}):
        with FaultyProxy(server, {"spoil": 1.0}, only="^PUT", at_most=1) as spoiling:
            url = spoiling.url
            with FaultyProxy(url, {"etag": 1.0}, only="^HEAD") as odd:
                objects = S3Objects(settings_of(odd.url if "etag" in faults else url, prefix="parts"))
                with pytest.raises(StoreUnavailable, match="does not hold what it said"):
                    _written(objects, content)
            assert spoiling.done["spoil"] == 1
    assert list(S3Objects(settings_of(server, prefix="parts")).listing(-5)) == []


def test_parts_under_keys_of_the_stores_own_are_read_back_some_times(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wetread.archive.s3._ODD_E_TAGS", 2)
    content = random.Random(6).randbytes(PART_BYTES + 5)
    read: list[int] = []
    with FaultyProxy(server, {"etag": 1.0}, only="^HEAD") as proxy:
        objects = S3Objects(settings_of(proxy.url, prefix="odd"))
        own = objects._range

        def counted(key: str, start: int, length: int) -> tuple[bytes, int]:
            read.append(start)
            return own(key, start, length)

        monkeypatch.setattr(objects, "_range", counted)
        for _ in range(3):
            location = _written(objects, content)
    assert read == [0, PART_BYTES] * 2
    reader = S3Objects(settings_of(server, prefix="odd")).open(location)
    assert reader.read_at(0, len(content)) == content


def test_the_end_of_an_upload_whose_answer_was_lost_is_found_out(server: str) -> None:
    content = random.Random(7).randbytes(PART_BYTES + 5)
    with FaultyProxy(server, {"lost-answer": 1.0}, only="^POST [^ ]*uploadId", at_most=9) as proxy:
        objects = S3Objects(settings_of(proxy.url, prefix="end"))
        location = _written(objects, content)
        assert proxy.done["lost-answer"] >= 1
    assert S3Objects(settings_of(server, prefix="end")).open(location).read_at(0, len(content)) == content


def test_a_store_that_crawls_is_given_up_in_its_time(server: str) -> None:
    location = _written(S3Objects(settings_of(server, prefix="crawl")), bytes(40_000))
    with FaultyProxy(server, {"crawl": 1.0}) as proxy:
        objects = S3Objects(settings_of(proxy.url, prefix="crawl", timeout_s=0.4))
        with pytest.raises(StoreUnavailable):
            objects.open(location)
        with pytest.raises(StoreUnavailable):
            objects.put({objects.new_location(): bytes(40_000)})
    assert list(S3Objects(settings_of(server, prefix="crawl")).listing(-5)) == [location]


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"name": "A b", "folder": "/x"}, "small letters"),
        ({"name": "a"}, "either folder or bucket"),
        ({"name": "a", "folder": "/x", "bucket": "b"}, "either folder or bucket"),
        ({"name": "a", "bucket": "b", "endpont": "x"}, "did you mean endpoint"),
        ({"name": "a", "bucket": "b", "endpoint": "http://s3.example"}, "not encrypted"),
        ({"name": "a", "bucket": "b", "endpoint": "https://u:p@s3.example"}, "holds a password"),
        ({"name": "a", "folder": "/x", "low_water_percent": 90}, "low_water_percent"),
        ({"name": "a", "folder": "/x", "copy_to": "b"}, "no store"),
        ({"name": "a", "folder": "/x", "copy_to": "a"}, "itself"),
        ({"name": "a", "folder": "/x", "takes_new": False}, "no store takes"),
        ({"name": "a", "folder": "/x", "quota_gb": "much"}, "a number"),
    ],
)
def test_settings_that_cannot_be_are_refused(given: dict[str, object], fault: str) -> None:
    with pytest.raises(StoresUnusable, match=fault):
        stores_of([given])
