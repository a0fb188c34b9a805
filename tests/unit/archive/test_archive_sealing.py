"""Encryption at rest: ranges read right, any change found, no nonce twice."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wetread.archive import sealing
from wetread.archive.objects import LocalObjects, Missing, NoSpace
from wetread.archive.sealing import CHUNK_BYTES, Damaged, Sealer, Unsealer, new_data_key, sealed_size

KEY = new_data_key()


def seal(plain: bytes, pieces: int = 1) -> bytes:
    sealer = Sealer(KEY)
    out: list[bytes] = []
    step = max(1, -(-len(plain) // pieces))
    for at in range(0, len(plain), step):
        out += sealer.update(plain[at : at + step])
    out += sealer.finish()
    assert sealer.size_bytes == len(plain)
    return b"".join(out)


def unsealer(sealed: bytes, size: int, key: bytes = KEY) -> Unsealer:
    return Unsealer(key, size, lambda start, length: sealed[start : start + length], len(sealed))


@settings(max_examples=150, deadline=None)
@given(
    size=st.one_of(
        st.integers(0, 300),
        st.sampled_from(
            [CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES + 7]
        ),
    ),
    pieces=st.integers(1, 9),
    start=st.integers(0, 4 * CHUNK_BYTES),
    length=st.integers(0, 4 * CHUNK_BYTES),
)
def test_any_range_reads_what_was_written(size: int, pieces: int, start: int, length: int) -> None:
    plain = os.urandom(size)
    sealed = seal(plain, pieces)
    assert len(sealed) == sealed_size(size)
    reader = unsealer(sealed, size)
    assert bytes(reader.read(start, length)) == plain[start : start + length]
    assert b"".join(reader.iterate(start, length, piece_bytes=CHUNK_BYTES)) == plain[start : start + length]


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 2 * CHUNK_BYTES + 5), at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_found(size: int, at: float, bit: int) -> None:
    sealed = bytearray(seal(b"\0" * size))
    sealed[int(at * len(sealed))] ^= 1 << bit
    with pytest.raises(Damaged):
        unsealer(bytes(sealed), size).read(0, size)


def test_a_cut_extended_or_reordered_object_is_found() -> None:
    size = 3 * CHUNK_BYTES
    sealed = seal(os.urandom(size))
    step = CHUNK_BYTES + sealing.TAG_BYTES
    first, second = sealing.HEADER_BYTES, sealing.HEADER_BYTES + step
    swapped = sealed[:first] + sealed[second : second + step] + sealed[first:second] + sealed[second + step :]
    for other, claimed in (
        (sealed[:-1], size),
        (sealed + b"\0", size),
        (sealed[:-step], size),
        (sealed[:-step], size - CHUNK_BYTES),  # the index lies too: the last chunk is not flagged as final
        (swapped, size),
    ):
        with pytest.raises(Damaged):
            unsealer(other, claimed).read(0, claimed)


def test_another_key_opens_nothing() -> None:
    with pytest.raises(Damaged):
        unsealer(seal(b"secret"), 6, new_data_key()).read(0, 6)


def test_no_two_objects_share_key_and_nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[tuple[bytes, bytes]] = set()
    real = sealing.AESGCM

    class Spy:
        def __init__(self, key: bytes) -> None:
            self.key, self.real = key, real(key)

        def encrypt(self, nonce: bytes, data: bytes, aad: bytes) -> bytes:
            assert (self.key, nonce) not in seen
            seen.add((self.key, nonce))
            return self.real.encrypt(nonce, data, aad)

    monkeypatch.setattr(sealing, "AESGCM", Spy)
    for _ in range(200):
        seal(b"x" * (CHUNK_BYTES + 1), 3)
    assert len(seen) == 400


def test_objects_in_a_folder(tmp_path: Path) -> None:
    store = LocalObjects(tmp_path / "objects", reserve_bytes=0)
    writer = store.create()
    writer.write([b"one", b"two"])
    writer.commit()
    with store.open(writer.location) as reader:
        assert reader.stored_bytes == 6
        assert reader.read_at(2, 3) == b"etw"
    dropped = store.create()
    dropped.write([b"gone"])
    dropped.abort()
    # Empty files made ahead may be listed too; what was written is, what was dropped is not.
    listed = set(store.listing(-1))
    assert writer.location in listed
    assert dropped.location not in listed
    assert list(store.listing(3600)) == []
    store.delete(writer.location)
    store.delete(writer.location)
    with pytest.raises(Missing):
        store.open(writer.location)
    assert oct((tmp_path / "objects").stat().st_mode)[-3:] == "700"


@pytest.mark.parametrize(
    "location", ["../../etc/passwd", "ab/../x", "/etc/passwd", "ab/" + "0" * 31 + "\n", ""]
)
def test_a_location_is_never_a_path_of_someone_else(tmp_path: Path, location: str) -> None:
    with pytest.raises(Missing):
        LocalObjects(tmp_path).open(location)


def test_a_full_store_says_so_before_taking_anything(tmp_path: Path) -> None:
    store = LocalObjects(tmp_path, reserve_bytes=1 << 62)
    with pytest.raises(NoSpace):
        store.create()
    assert list(store.listing(-1)) == []


def test_a_closed_store_holds_no_file_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    store = LocalObjects(tmp_path / "objects", reserve_bytes=0)
    writer = store.create()
    writer.write([b"one"])
    writer.commit()
    store.close()
    store.close()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_a_file_is_synced_when_it_is_committed_with_what_was_noted_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalObjects(tmp_path / "objects", reserve_bytes=0)
    synced: list[tuple[int, list[str]]] = []

    def seen(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_size, os.listxattr(descriptor)))

    writer, dropped = store.create(), store.create()
    writer.noted = True  # its name is written down
    monkeypatch.setattr(os, "fsync", seen)
    for one, content in ((writer, b"kept"), (dropped, b"gone!")):
        one.write([content])
        one.hurry()
    noted = writer.note_key(1)
    assert 4 not in {size for size, _ in synced}
    dropped.abort()
    writer.commit()
    monkeypatch.undo()
    sizes = [size for size, _ in synced]
    assert 4 in sizes
    assert 5 not in sizes
    # Where the file system has such attributes, the key becomes durable with the file.
    assert noted == bool(synced[sizes.index(4)][1])
    assert store.open(writer.location).stored_bytes == 4
    with pytest.raises(Missing):
        store.open(dropped.location)


def test_a_sync_that_fails_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalObjects(tmp_path / "objects", reserve_bytes=0)
    writer = store.create()

    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, "the disk is gone")

    monkeypatch.setattr(os, "fsync", fails)
    writer.write([b"lost"])
    writer.hurry()
    with pytest.raises(NoSpace, match="the disk is gone"):
        writer.commit()
    with pytest.raises(Missing):
        store.open(writer.location)
