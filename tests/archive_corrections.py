"""What tests of corrections do and look at."""

from __future__ import annotations

import io
from typing import Any

import pydicom

from common import Api
from wetread.archive import corrections
from wetread.archive.corrections import Wish
from wetread.archive.service import Archive, instances_for_retrieve
from wetread.dicom.part10 import build_meta
from wetread.security.service import Actor, Role, permissions_of

TESS = Actor(
    1, "tess", "Tess", frozenset({Role.TECHNOLOGIST}), permissions_of(frozenset({Role.TECHNOLOGIST})), "user"
)
SYSTEM = Actor.system("test")
INDEX = ("study", "series", "instance", "stored_object")


def do(archive: Archive, **wish: Any) -> int:
    with archive.offices.work(TESS) as work:
        return corrections.correct(work, Wish(**wish), reason="mixed up at the console").correction_pk


def take_back(archive: Archive, correction_pk: int) -> None:
    with archive.offices.work(TESS) as work:
        corrections.undo(work, correction_pk, reason="it was right")


def leaving(archive: Archive, **uids: Any) -> dict[str, bytes]:
    """What a C-MOVE would send, as files by SOP Instance UID."""
    with archive.offices.work(SYSTEM) as work:
        found = instances_for_retrieve(
            work, **{name: [uid] for name, uid in uids.items()}, destination="ELSEWHERE"
        )
        return {
            one.sop_instance_uid: build_meta(one.sop_class_uid, one.sop_instance_uid, one.transfer_syntax_uid)
            + b"".join(one.chunks())
            for one in found
        }


def read(data: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(data))


def original(ds: pydicom.Dataset, keyword: str) -> Any:
    """What the newest item of Original Attributes Sequence says that an attribute was."""
    for item in reversed(ds.OriginalAttributesSequence):
        modified = item.ModifiedAttributesSequence[0]
        if keyword in modified:
            assert item.ReasonForTheAttributeModification == "CORRECT"
            assert item.ModifyingSystem == "WETREAD tess"
            assert item.AttributeModificationDateTime
            return modified.get(keyword)
    raise AssertionError(f"{keyword} was not modified")


def metadata(client: Api, study: str) -> dict[str, dict[str, Any]]:
    answer = client.get(f"/dicom-web/studies/{study}/metadata")
    assert answer.status_code == 200, answer.text
    return {one["00080018"]["Value"][0]: one for one in answer.json()}
