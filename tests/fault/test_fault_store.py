"""The running server on a bucket with bad days, and on a disk that is full: what was acknowledged is there, and right."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage
from sqlalchemy import func, select
from tools.faults.bucket import BUCKET, KEY, SECRET, FaultyProxy, s3_server
from tools.ports import free_port

from archive_fixtures import make_dicom
from wetread.app.build import build_house
from wetread.app.postgres import EmbeddedPostgres
from wetread.app.rooms import MODELS, load
from wetread.app.wiring import wire
from wetread.archive.model import Instance, StoredObject
from wetread.archive.objects import StoreUnavailable
from wetread.archive.sealing import Damaged
from wetread.archive.service import Archive
from wetread.kit.config import load_settings

__all__ = ["make_dicom"]
OBJECTS = int(os.environ.get("WETREAD_TEST_STORE_OBJECTS", "80"))
BAD_DAYS = {"503": 0.1, "cut-request": 0.05, "lost-answer": 0.05, "cut-answer": 0.02, "flip": 0.02}
OUT_OF_RESOURCES = 0xA700


class Served:
    """A server of its own, with its own database."""

    def __init__(self, data: Path, stores: list[dict[str, Any]], *prefix: str) -> None:
        self.http, self.dicom = free_port(), free_port()
        self.environment = {
            "WETREAD_DATA": str(data), "WETREAD_HTTP_PORT": str(self.http),
            "WETREAD_DICOM_PORT": str(self.dicom), "WETREAD_HL7_PORT": str(free_port()), "WETREAD_ROLES": "web,dicom",
            "WETREAD_ACCEPT_ANY_LOOPBACK_AE": "true", "WETREAD_STORES": json.dumps(stores),
        }  # fmt: skip
        clean = {name: value for name, value in os.environ.items() if not name.startswith("WETREAD_")}
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "wetread", "serve"],
            env={**clean, **self.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def ready(self) -> dict[str, Any]:
        return dict(httpx.get(f"http://127.0.0.1:{self.http}/readyz", timeout=10).json())

    def send(self, objects: list[pydicom.Dataset], wait_s: float = 0.0) -> list[int]:
        """C-STORE over one association; statuses, -1 where no answer came."""
        ae = AE(ae_title="CT1")
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 90
        ae.add_requested_context(CTImageStorage, pydicom.uid.ExplicitVRLittleEndian)
        association = ae.associate("127.0.0.1", self.dicom, ae_title="WETREAD")
        if not association.is_established:
            return [-1] * len(objects)
        statuses = []
        for one in objects:
            answer = association.send_c_store(one) if association.is_established else pydicom.Dataset()
            statuses.append(int(answer.Status) if "Status" in answer else -1)
            time.sleep(wait_s)
        if association.is_established:
            association.release()
        return statuses


@contextmanager
def serving(data: Path, stores: list[dict[str, Any]], *prefix: str) -> Iterator[Served]:
    served = Served(data, stores, *prefix)
    try:
        until = time.monotonic() + 120
        while True:
            assert served.process.poll() is None, "the server ended"
            assert time.monotonic() < until, "the server does not answer"
            try:
                if served.ready()["checks"]["database"] and served.send([]) == []:
                    break
            except httpx.HTTPError:
                time.sleep(0.2)
        yield served
    finally:
        served.process.send_signal(signal.SIGTERM)
        try:
            served.process.wait(40)
        except subprocess.TimeoutExpired:
            served.process.kill()
            served.process.wait()


@contextmanager
def opened(served: Served, stores: list[dict[str, Any]]) -> Iterator[Archive]:
    """The same archive in this process, to look at what is there."""
    load(MODELS)
    settings = load_settings(served.environment | {"WETREAD_STORES": json.dumps(stores)})
    house = build_house(
        dataclasses.replace(settings, database_url=EmbeddedPostgres(settings.data).url), part="test"
    )
    archive = wire(house)
    try:
        yield archive
    finally:
        archive.close()
        house.close()


def digests(archive: Archive, uids: list[str]) -> dict[str, str]:
    """SOP Instance UID → SHA-256 of its pixels as they come out; what cannot be read is not there."""
    with archive.offices.database.transaction() as session:
        objects = archive.retrieval.objects(session, sop_instance_uids=uids)
    found: dict[str, str] = {}
    for one in objects:
        try:
            content = b"".join(one.chunks())
        except (Damaged, StoreUnavailable):
            continue
        ds = pydicom.dcmread(pydicom.filebase.DicomBytesIO(content), force=True)
        found[one.sop_instance_uid] = hashlib.sha256(ds.PixelData).hexdigest()
    return found


def sized(make: Callable[..., pydicom.Dataset], study: pydicom.Dataset, size: int) -> pydicom.Dataset:
    one = make(StudyInstanceUID=study.StudyInstanceUID, SeriesInstanceUID=study.SeriesInstanceUID)
    one.Rows = one.Columns = size
    one.PixelData = os.urandom(2 * size * size)
    return one


@pytest.mark.fault
@pytest.mark.timeout(900)
def test_a_bucket_with_bad_days(tmp_path: Path, make_dicom: Callable[..., pydicom.Dataset]) -> None:
    bucket = {
        "name": "bucket", "bucket": BUCKET, "access_key_id": KEY, "secret_access_key": SECRET, "timeout_s": 20,
    }  # fmt: skip
    acknowledged: dict[str, str] = {}
    statuses: list[int] = []
    lock = threading.Lock()

    def associate(served: Served, number: int) -> None:
        chance, study = random.Random(number), make_dicom()
        mine = [sized(make_dicom, study, chance.choice((64, 200, 400))) for _ in range(OBJECTS // 4)]
        if number == 0:
            mine.append(sized(make_dicom, study, 2400))  # goes up in parts
        for _ in range(8):  # what was refused is sent again, as a modality does
            got = served.send(mine)
            with lock:
                statuses.extend(got)
                for one, status in zip(mine, got, strict=True):
                    if status == 0:
                        acknowledged[one.SOPInstanceUID] = hashlib.sha256(one.PixelData).hexdigest()
            mine = [one for one, status in zip(mine, got, strict=True) if status != 0]
            if not mine:
                break

    with s3_server() as url, FaultyProxy(url, BAD_DAYS, seed=3) as proxy:
        bad, sound = [bucket | {"endpoint": proxy.url}], [bucket | {"endpoint": url}]
        with serving(tmp_path, bad) as served:
            senders = [threading.Thread(target=associate, args=(served, number)) for number in range(4)]
            for one in senders:
                one.start()
            for one in senders:
                one.join()
            _judge_bucket(served, proxy, acknowledged, statuses, bad, sound)


def _judge_bucket(
    served: Served,
    proxy: FaultyProxy,
    acknowledged: dict[str, str],
    statuses: list[int],
    bad: list[dict[str, Any]],
    sound: list[dict[str, Any]],
) -> None:
    assert len(acknowledged) == OBJECTS + 1
    assert {status for status in statuses if status >= 0} <= {0, OUT_OF_RESOURCES}
    assert all(proxy.done[fault] for fault in ("503", "cut-request", "lost-answer"))
    with opened(served, sound) as archive:
        archive.intake.settler.settle_left()
        # Nothing acknowledged is lost or changed, and nothing is there twice.
        assert digests(archive, list(acknowledged)) == acknowledged
        with archive.offices.database.transaction() as session:
            assert session.scalar(select(func.count()).select_from(Instance)) == len(acknowledged)
            rows = set(session.scalars(select(StoredObject.location)))
        lying = set(archive.objects.listing(-5))
        assert {one for one in rows if one.startswith("bucket:")} <= lying
    with opened(served, bad) as archive:
        # Through the bad network too, an object comes out right or not at all.
        got = digests(archive, list(acknowledged))
        assert got == {uid: acknowledged[uid] for uid in got}
        assert len(got) > len(acknowledged) // 2
    assert proxy.done["flip"]


@pytest.mark.fault
@pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0,
    reason="no file system of its own can be mounted here",
)
def test_a_full_disk(tmp_path: Path, make_dicom: Callable[..., pydicom.Dataset]) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    store = {"name": "small", "folder": str(folder), "reserve_gb": 0.002}
    mount = f"mount -t tmpfs -o size=24m tmpfs '{folder}' && exec \"$@\""
    study = make_dicom()
    acknowledged: dict[str, str] = {}

    with serving(tmp_path / "data", [store], "unshare", "-m", "sh", "-c", mount, "sh") as served:
        inside = Path(f"/proc/{served.process.pid}/root{folder}")
        ballast = inside / "ballast"
        ballast.write_bytes(bytes(8_000_000))

        def send(count: int, size: int) -> list[int]:
            objects = [sized(make_dicom, study, size) for _ in range(count)]
            statuses = served.send(objects)
            for one, status in zip(objects, statuses, strict=True):
                if status == 0:
                    acknowledged[one.SOPInstanceUID] = hashlib.sha256(one.PixelData).hexdigest()
            return statuses

        assert send(4, 500) == [0] * 4
        assert served.ready()["status"] == "ready"
        full = send(40, 500)
        assert set(full) == {0, OUT_OF_RESOURCES}
        assert full[-1] == OUT_OF_RESOURCES
        # Small ones, which would wait beside their rows, are refused as well: there will be no place for them.
        time.sleep(0.3)
        assert set(send(3, 64)) == {OUT_OF_RESOURCES}
        said = served.ready()
        assert said["status"] == "ready to read only"
        assert "reserve" in said["no_room"]
        assert said["checks"] == {"database": True}
        look = [store | {"folder": str(inside)}]
        with opened(served, look) as archive:
            assert digests(archive, list(acknowledged)) == acknowledged
        ballast.unlink()
        # It goes on by itself.
        until = time.monotonic() + 20
        while served.ready()["status"] != "ready":
            assert time.monotonic() < until
            time.sleep(0.2)
        assert send(3, 500) == [0] * 3
        assert send(3, 64) == [0] * 3
        with opened(served, look) as archive:
            assert digests(archive, list(acknowledged)) == acknowledged
            with archive.offices.database.transaction() as session:
                assert session.scalar(select(func.count()).select_from(Instance)) == len(acknowledged)
