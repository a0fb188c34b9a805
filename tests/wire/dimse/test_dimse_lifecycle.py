"""The life of a study seen from outside by DCMTK: what is removed is not found, fetched or taken again; what is corrected
leaves corrected, and as it came once the correction is taken back."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from sqlalchemy import select

from archive_fixtures import MakeDicom, Store, study_of
from node_fixtures import AddPeer
from wetread.archive import corrections, removal
from wetread.archive.corrections import Wish
from wetread.archive.model import Quarantine
from wetread.archive.service import Archive
from wetread.dimse.server import Node
from wetread.security.service import Actor

SYSTEM = Actor.system("test")


@pytest.fixture
def ask(real_node: Node, add_peer: AddPeer) -> Callable[..., str]:
    """Runs a tool of DCMTK as the workstation WS1; what it said."""
    add_peer("WS1")

    def run(tool: str, *arguments: str) -> str:
        done = subprocess.run(
            [tool, "-v", "-aet", "WS1", "-aec", "WETREAD", *arguments],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        return done.stdout + done.stderr

    return run


def found(ask: Callable[..., str], node: Node, study: str) -> int:
    said = ask(
        "findscu", "-S", "127.0.0.1", str(node.port), "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"
    )  # fmt: skip
    return said.count("Find Response:")


def fetched(ask: Callable[..., str], node: Node, study: str, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    ask(
        "getscu", "-S", "-od", str(folder), "127.0.0.1", str(node.port),
        "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}",
    )  # fmt: skip
    files = {}
    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        files[str(ds.SOPInstanceUID)] = path.read_bytes()
    return files


def test_what_is_in_the_trash_is_neither_found_nor_fetched_and_waits_when_it_is_sent_again(
    archive: Archive, store: Store, make_dicom: MakeDicom, real_node: Node, ask: Any, tmp_path: Path
) -> None:
    slices = study_of(make_dicom, 2)
    store(*slices)
    study = slices[0].StudyInstanceUID
    before = fetched(ask, real_node, study, tmp_path / "before")
    assert (found(ask, real_node, study), len(before)) == (1, 2)
    with archive.offices.work(SYSTEM) as work:
        pk = removal.remove(work, removal.Target(study), reason="wrong patient").removal_pk
    assert found(ask, real_node, study) == 0
    assert fetched(ask, real_node, study, tmp_path / "gone") == {}
    again = tmp_path / "again.dcm"
    slices[0].save_as(again, enforce_file_format=True)
    # Coerced: kept, but not as the sender meant it (PS3.4 B.2.3).
    assert "CoercionOfDataElements" in ask("storescu", "127.0.0.1", str(real_node.port), str(again))
    with archive.offices.database.transaction() as session:
        assert session.scalars(select(Quarantine.reason)).all() == ["removed"]
    with archive.offices.work(SYSTEM) as work:
        removal.restore(work, pk, reason="it was right")
    assert found(ask, real_node, study) == 1
    assert fetched(ask, real_node, study, tmp_path / "after") == before


def test_what_is_moved_leaves_under_its_new_study_with_the_old_one_named(
    archive: Archive, store: Store, make_dicom: MakeDicom, real_node: Node, ask: Any, tmp_path: Path
) -> None:
    ours = study_of(make_dicom, 1, 1, PatientID="P1", PatientName="Doe^Jane")
    theirs = study_of(make_dicom, 1, PatientID="P2", PatientName="Roe^Rita")
    store(*ours, *theirs)
    a, b = ours[0].StudyInstanceUID, theirs[0].StudyInstanceUID
    before = fetched(ask, real_node, a, tmp_path / "before")
    with archive.offices.work(SYSTEM) as work:
        wish = Wish("move", a, (ours[0].SeriesInstanceUID,), target_study_instance_uid=b)
        pk = corrections.correct(work, wish, reason="wrong patient chosen").correction_pk
    moved = fetched(ask, real_node, b, tmp_path / "moved")
    assert set(moved) == {ours[0].SOPInstanceUID, theirs[0].SOPInstanceUID}
    path = tmp_path / "one.dcm"
    path.write_bytes(moved[ours[0].SOPInstanceUID])
    dump = subprocess.run(["dcmdump", path], capture_output=True, text=True, check=True).stdout
    assert "[Roe^Rita]" in dump and "OriginalAttributesSequence" in dump and "[Doe^Jane]" in dump
    assert f"[{a}]" in dump and f"[{b}]" in dump and "[CORRECT]" in dump
    assert set(fetched(ask, real_node, a, tmp_path / "left")) == {ours[1].SOPInstanceUID}
    with archive.offices.work(SYSTEM) as work:
        corrections.undo(work, pk, reason="it was right")
    assert fetched(ask, real_node, a, tmp_path / "after") == before
