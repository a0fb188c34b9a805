"""Archives on several stores, and what is done with them in tests of moving and tiers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tools.faults.bucket import BUCKET, KEY, SECRET

from archive_fixtures import dataset_bytes
from wetread.archive.model import StoredObject
from wetread.archive.service import Archive, Decoder, use_archive
from wetread.archive.tiers import Stores
from wetread.kit.db import Database
from wetread.kit.stores import stores_of
from wetread.security.service import Actor, FileMasterKey, Offices

SYSTEM = Actor.system("test")
MakeArchive = Callable[[list[dict[str, Any]]], Archive]


@pytest.fixture
def make_archive(clean_database: Database, decoder: Decoder) -> Iterator[MakeArchive]:
    made: list[Archive] = []

    def make(stores: list[dict[str, Any]]) -> Archive:
        archive = Archive(
            clean_database,
            Offices(clean_database),
            Stores.of(stores_of(stores), clean_database),
            FileMasterKey(b"m" * 32),
            decoder=decoder,
        )
        use_archive(archive)
        made.append(archive)
        return archive

    yield make
    for archive in made:
        archive.close()


def folders(tmp_path: Path) -> list[dict[str, Any]]:
    """Two folders; the first is that of the data folder, whose locations name no store."""
    return [
        {"name": "local", "folder": str(tmp_path / "local"), "reserve_gb": 0},
        {"name": "slow", "folder": str(tmp_path / "slow"), "reserve_gb": 0, "takes_new": False},
    ]


def bucket_of(url: str, prefix: str) -> dict[str, Any]:
    return {
        "name": "bucket", "bucket": BUCKET, "endpoint": url, "access_key_id": KEY, "secret_access_key": SECRET,
        "prefix": prefix, "timeout_s": 20,
    }  # fmt: skip


def feed(
    archive: Archive,
    make_dicom: Any,
    count: int,
    *,
    size: int = 128,
    study: str | None = None,
    settled: bool = True,
) -> dict[str, str]:
    """Stores objects; SOP Instance UID → SHA-256 of the data set."""
    kept: dict[str, str] = {}
    first = make_dicom()
    with archive.intake.transfer(SYSTEM, received_from="CT1") as transfer:
        for _ in range(count):
            one = make_dicom(
                StudyInstanceUID=study or first.StudyInstanceUID, SeriesInstanceUID=first.SeriesInstanceUID
            )
            one.Rows = one.Columns = size
            one.PixelData = os.urandom(2 * size * size)
            data = dataset_bytes(one)
            incoming = transfer.object(
                sop_class_uid=one.SOPClassUID,
                sop_instance_uid=one.SOPInstanceUID,
                transfer_syntax_uid="1.2.840.10008.1.2.1",
            )
            incoming.write(data)
            assert incoming.commit().status == 0
            kept[one.SOPInstanceUID] = hashlib.sha256(data).hexdigest()
    if settled:
        archive.intake.settler.settle()
    return kept


def read_all(archive: Archive, uids: list[str]) -> dict[str, str]:
    with archive.offices.database.transaction() as session:
        objects = archive.retrieval.objects(session, sop_instance_uids=uids)
    return {one.sop_instance_uid: hashlib.sha256(b"".join(one.chunks())).hexdigest() for one in objects}


def locations(archive: Archive) -> list[str]:
    with archive.offices.database.transaction() as session:
        return list(session.scalars(select(StoredObject.location)))


def files(folder: Path) -> set[str]:
    return {
        f"{path.parent.name}/{path.name}"
        for path in folder.rglob("*")
        if path.is_file() and path.stat().st_size
    }
