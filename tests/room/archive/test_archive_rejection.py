"""Rejection notes (RAD-66): those of others hide what they name, ours are such as others understand."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from sqlalchemy import select

from archive_corrections import do
from archive_fixtures import MakeDicom, Store, study_of
from common import Api
from wetread.archive import rejection, removal
from wetread.archive.model import LegalHold, Removal, Study
from wetread.archive.rejection import KEY_OBJECT_SELECTION
from wetread.archive.service import Archive, Level, find, instances_for_retrieve
from wetread.dicom.part10 import build_meta
from wetread.security.service import Actor, AuditEventID, Role, permissions_of

SYSTEM = Actor.system("test")
TESS = Actor(
    1, "tess", "Tess", frozenset({Role.TECHNOLOGIST}), permissions_of(frozenset({Role.TECHNOLOGIST})), "user"
)


def note(images: list[pydicom.Dataset], code: str, meaning: str, scheme: str = "DCM") -> pydicom.Dataset:
    """A Key Object Selection as another archive sends it: in implicit order of series, with its own evidence."""

    def reference(ds: pydicom.Dataset) -> Dataset:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
        return item

    first = images[0]
    ko = Dataset()
    for keyword in ("PatientName", "PatientID", "IssuerOfPatientID", "StudyInstanceUID", "AccessionNumber"):
        setattr(ko, keyword, first.get(keyword))
    ko.SOPClassUID, ko.SOPInstanceUID, ko.SeriesInstanceUID = (
        KEY_OBJECT_SELECTION,
        generate_uid(),
        generate_uid(),
    )
    ko.Modality, ko.SeriesNumber, ko.InstanceNumber, ko.ValueType = "KO", 99, 1, "CONTAINER"
    title = Dataset()
    title.CodeValue, title.CodingSchemeDesignator, title.CodeMeaning = code, scheme, meaning
    ko.ConceptNameCodeSequence = [title]
    evidence = Dataset()
    evidence.StudyInstanceUID, evidence.ReferencedSeriesSequence = first.StudyInstanceUID, []
    for ds in images:
        series = Dataset()
        series.SeriesInstanceUID, series.ReferencedSOPSequence = ds.SeriesInstanceUID, [reference(ds)]
        evidence.ReferencedSeriesSequence.append(series)
    ko.CurrentRequestedProcedureEvidenceSequence = [evidence]
    ko.file_meta = FileMetaDataset()
    ko.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ko.file_meta.MediaStorageSOPClassUID, ko.file_meta.MediaStorageSOPInstanceUID = (
        ko.SOPClassUID,
        ko.SOPInstanceUID,
    )
    return ko


def arrived(archive: Archive) -> None:
    """What the worker does on `study.updated`."""
    with archive.offices.database.transaction() as session:
        pks = list(session.scalars(select(Study.study_pk)))
    with archive.offices.work(SYSTEM) as work:
        rejection.rejection_notes(work, [{"keys": {"study_pk": pk}} for pk in pks])


def seen(archive: Archive, study: str) -> set[str]:
    with archive.offices.work(SYSTEM) as work:
        found = find(work, Level.IMAGE, {"StudyInstanceUID": study}).items
        return {one["00080018"]["Value"][0] for one in found}


def set_rule(archive: Archive, **rules: str) -> None:
    with archive.offices.work(SYSTEM) as work:
        removal.save_policy(
            work, trash_days=30, on_return="quarantine", is_delete_by_dicomweb=True,
            on_rejection={name.removeprefix("c"): rule for name, rule in rules.items()},
        )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "purged"), [("113001", False), ("113037", False), ("113038", False), ("113039", True)]
)
def test_a_note_hides_what_it_names_until_it_is_lifted(
    archive: Archive, store: Store, make_dicom: MakeDicom, code: str, purged: bool
) -> None:
    slices = study_of(make_dicom, 2, 1)
    store(*slices)
    study = slices[0].StudyInstanceUID
    ko = note(slices[:2], code, "Rejected")
    (result,) = store(ko, as_files=True)
    assert result.outcome == "stored"
    arrived(archive)
    assert seen(archive, study) == {slices[2].SOPInstanceUID, ko.SOPInstanceUID}
    with archive.offices.database.transaction() as session:
        row = session.scalars(select(Removal)).one()
        assert (row.cause, row.code_value, row.rejection_note_uid) == ("rejection", code, ko.SOPInstanceUID)
        assert (row.purge_at is not None) == purged
        pk = row.removal_pk
    arrived(archive)
    assert len(seen(archive, study)) == 2
    with archive.offices.work(TESS) as work:
        assert removal.list_removals(work, state="trash" if purged else "hidden").total == 1
        removal.restore(work, pk, reason="the other side was wrong")
    arrived(archive)
    assert seen(archive, study) == {ds.SOPInstanceUID for ds in (*slices, ko)}


def test_what_a_note_names_is_hidden_though_it_arrives_later(
    archive: Archive, store: Store, make_dicom: MakeDicom
) -> None:
    slices = study_of(make_dicom, 3)
    ko = note(slices[:2], "113037", "Rejected for Patient Safety Reasons")
    store(slices[2])
    store(ko, as_files=True)
    arrived(archive)
    store(*slices[:2])
    arrived(archive)
    assert seen(archive, slices[0].StudyInstanceUID) == {slices[2].SOPInstanceUID, ko.SOPInstanceUID}


def test_other_titles_and_the_rule_to_show_hide_nothing(
    archive: Archive, store: Store, make_dicom: MakeDicom
) -> None:
    slices = study_of(make_dicom, 3)
    store(*slices)
    store(note(slices[:1], "113000", "Of Interest"), as_files=True)
    store(note(slices[1:2], "113001", "Something of ours", scheme="99LOCAL"), as_files=True)
    set_rule(archive, c113001="show")
    store(note(slices[2:], "113001", "Rejected for Quality Reasons"), as_files=True)
    arrived(archive)
    assert len(seen(archive, slices[0].StudyInstanceUID)) == 6


def test_a_note_about_what_is_held_waits(archive: Archive, store: Store, make_dicom: MakeDicom) -> None:
    slices = study_of(make_dicom, 2)
    store(*slices)
    with archive.offices.work(SYSTEM) as work:
        study_pk = work.session.scalars(select(Study.study_pk)).one()
        hold = LegalHold(study_pk=study_pk, reason="a claim", placed_at=work.now(), placed_by="law")
        work.session.add(hold)
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "E")
    store(note(slices[:1], "113001", "Rejected for Quality Reasons"), as_files=True)
    arrived(archive)
    assert len(seen(archive, slices[0].StudyInstanceUID)) == 3
    with archive.offices.work(SYSTEM) as work:
        work.session.scalars(select(LegalHold)).one().lifted_at = work.now()
        work.audit(AuditEventID.APPLICATION_ACTIVITY, "E")
    arrived(archive)
    assert len(seen(archive, slices[0].StudyInstanceUID)) == 2


def test_our_note_is_a_good_key_object_and_does_what_it_says(
    archive: Archive, store: Store, make_dicom: MakeDicom, web: Api, tmp_path: Path
) -> None:
    slices = study_of(make_dicom, 2, 1, PatientName="Ångström^Åsa", SpecificCharacterSet="ISO_IR 100")
    store(*slices)
    study = slices[0].StudyInstanceUID
    client = web.as_role("technologist")
    answer = client.post(
        "/api/archive/rejections",
        json={
            "study_instance_uid": study, "series_instance_uids": [slices[0].SeriesInstanceUID],
            "code_value": "113038", "reason": "taken for another order",
        },
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    uid = answer.json()["sop_instance_uid"]
    assert seen(archive, study) == {slices[2].SOPInstanceUID, uid}
    with archive.offices.work(SYSTEM) as work:
        (one,) = instances_for_retrieve(work, sop_instance_uids=[uid], destination="ELSEWHERE")
        data = build_meta(one.sop_class_uid, uid, one.transfer_syntax_uid) + b"".join(one.chunks())
    ds = pydicom.dcmread(io.BytesIO(data))
    assert ds.SOPClassUID == KEY_OBJECT_SELECTION
    title = ds.ConceptNameCodeSequence[0]
    assert (title.CodeValue, title.CodingSchemeDesignator) == ("113038", "DCM")
    evidence: Any = ds.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert [
        (series.SeriesInstanceUID, {ref.ReferencedSOPInstanceUID for ref in series.ReferencedSOPSequence})
        for series in evidence
    ] == [(slices[0].SeriesInstanceUID, {slice_.SOPInstanceUID for slice_ in slices[:2]})]
    path = tmp_path / "note.dcm"
    path.write_bytes(data)
    done = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    told = (done.stdout + done.stderr).splitlines()
    assert [line for line in told if line.startswith("Error")] == []
    assert any("KeyObjectSelectionDocument" in line for line in told)
    tree = subprocess.run(["dsrdump", path], capture_output=True, text=True, check=False)
    assert tree.returncode == 0, tree.stderr
    assert "taken for another order" in tree.stdout
    again = client.post(
        "/api/archive/rejections",
        json={"study_instance_uid": study, "code_value": "113001", "reason": "all of it"},
    )
    assert again.status_code == 201
    assert slices[2].SOPInstanceUID not in seen(archive, study)


def test_a_note_finds_what_a_person_moved_since(
    archive: Archive, store: Store, make_dicom: MakeDicom
) -> None:
    slices = study_of(make_dicom, 3, 1)
    theirs = study_of(make_dicom, 1, PatientID="P2")
    store(*slices, *theirs)
    a, b = slices[0].StudyInstanceUID, theirs[0].StudyInstanceUID
    for chosen in (
        {"sop_instance_uids": (slices[0].SOPInstanceUID,)},
        {"series_instance_uids": (slices[3].SeriesInstanceUID,)},
    ):
        do(archive, kind="move", study_instance_uid=a, target_study_instance_uid=b, **chosen)
    others = note(theirs, "113001", "Rejected for Quality Reasons")
    others.StudyInstanceUID = a  # names what was never of its study: it hides nothing
    store(note([slices[0], slices[3]], "113001", "Rejected for Quality Reasons"), others)
    arrived(archive)
    assert slices[0].SOPInstanceUID not in seen(archive, b)
    assert slices[3].SOPInstanceUID not in seen(archive, b)
    assert theirs[0].SOPInstanceUID in seen(archive, b)
