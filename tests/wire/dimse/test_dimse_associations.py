"""Associations open now: seen by other processes, counted, and aborted by an administrator."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import CTImageStorage, Verification

from archive_fixtures import MakeDicom, web
from common import Api
from wetread.app.build import House
from wetread.app.node import _Teller
from wetread.archive.service import Archive
from wetread.dimse.server import Node

__all__ = ["web"]


@pytest.fixture
def teller(real_house: House, real_node: Node) -> Iterator[_Teller]:
    made = _Teller(real_house, real_node)
    made.start()
    yield made
    made.stop()
    made.join(10)


@pytest.fixture
def association(real_node: Node, add_peer: Any) -> Iterator[Association]:
    add_peer("CT1")
    ae = AE(ae_title="CT1")
    ae.add_requested_context(Verification)
    ae.add_requested_context(CTImageStorage)
    made = ae.associate("127.0.0.1", real_node.port, ae_title="WETREAD")
    assert made.is_established
    yield made
    if made.is_established:
        made.release()


def wait_for(found: Callable[[], Any]) -> Any:
    until = time.monotonic() + 30
    while not (value := found()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return value


def test_what_is_told_of_an_association(
    teller: _Teller, association: Association, web: Api, make_dicom: MakeDicom
) -> None:
    ds = make_dicom()
    assert association.send_c_store(ds).Status == 0x0000
    admin = web.as_role("admin")
    one = wait_for(
        lambda: next((row for row in admin.get("/api/archive/associations").json() if row["received"]), None)
    )
    assert (one["calling_ae_title"], one["network_address"]) == ("CT1", "127.0.0.1")
    assert (one["operation"], one["service"]) == ("C-STORE", "CT Image Storage")
    assert one["bytes_received"] > len(ds.PixelData)
    assert one["bytes_sent"] > 100
    assert one["encrypted"] is False
    # Nothing more comes: the rate falls to nothing.
    wait_for(lambda: admin.get("/api/archive/associations").json()[0]["bytes_per_s"] == 0)
    association.release()
    wait_for(lambda: admin.get("/api/archive/associations").json() == [])


def test_an_administrator_aborts_one_association_and_no_other(
    teller: _Teller,
    association: Association,
    real_node: Node,
    archive: Archive,
    web: Api,
    make_dicom: MakeDicom,
) -> None:
    ds = make_dicom()
    assert association.send_c_store(ds).Status == 0x0000
    ae = AE(ae_title="CT1")
    ae.add_requested_context(Verification)
    other = ae.associate("127.0.0.1", real_node.port, ae_title="WETREAD")
    admin = web.as_role("admin")
    rows = wait_for(lambda: rows if len(rows := admin.get("/api/archive/associations").json()) == 2 else None)
    first = min(rows, key=lambda row: row["number"])
    address = {"node": first["node"], "number": first["number"]}
    assert web.as_role("manager").post("/api/archive/associations/abort", json=address).status_code == 403
    assert admin.post("/api/archive/associations/abort", json=address).status_code == 204
    wait_for(lambda: not association.is_established)
    assert association.is_aborted
    assert other.send_c_echo().Status == 0x0000
    wait_for(lambda: len(admin.get("/api/archive/associations").json()) == 1)
    assert admin.post("/api/archive/associations/abort", json=address).status_code == 404
    assert (
        admin.post("/api/archive/associations/abort", json={"node": "nowhere", "number": 1}).status_code
        == 404
    )
    other.release()
    reader = web.as_role("radiologist")
    found = reader.get(f"/dicom-web/instances?SOPInstanceUID={ds.SOPInstanceUID}").json()
    assert len(found) == 1  # what was acknowledged stays


def test_abort_of_what_is_gone(real_node: Node) -> None:
    assert not real_node.abort(12345)
