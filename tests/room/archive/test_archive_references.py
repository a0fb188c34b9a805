"""What names images by study and series says where they hang, however they were moved, and when it was sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

from archive_corrections import do, leaving, metadata, original, read, take_back
from archive_fixtures import MakeDicom, Store, study_of
from common import Api
from wetread.archive.service import Archive

KO, SEG, RTSTRUCT, GSPS = (f"1.2.840.10008.5.1.4.1.1.{one}" for one in ("88.59", "66.4", "481.3", "11.1"))
Named = dict[str, tuple[str, str]]


def dataset(**values: Any) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def to(one: Dataset) -> Dataset:
    return dataset(ReferencedSOPClassUID=one.SOPClassUID, ReferencedSOPInstanceUID=one.SOPInstanceUID)


def by_series(images: Sequence[Dataset], keyword: str) -> list[Dataset]:
    series: dict[str, list[Dataset]] = {}
    for one in images:
        series.setdefault(one.SeriesInstanceUID, []).append(to(one))
    return [dataset(SeriesInstanceUID=uid, **{keyword: some}) for uid, some in series.items()]


def naming(make_dicom: MakeDicom, images: Sequence[Dataset]) -> list[Dataset]:
    """A key object, a segmentation, a structure set and a presentation state of these images of one study."""
    study = images[0].StudyInstanceUID
    made = []
    for kind, modality in ((KO, "KO"), (SEG, "SEG"), (RTSTRUCT, "RTSTRUCT"), (GSPS, "PR")):
        one = make_dicom(
            SOPClassUID=kind, Modality=modality, StudyInstanceUID=study, PatientID=images[0].PatientID,
            PatientName=images[0].PatientName, AccessionNumber=images[0].AccessionNumber,
        )  # fmt: skip
        one.file_meta.MediaStorageSOPClassUID = kind
        for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated"):
            del one[keyword]
        made.append(one)
    key, segmentation, structures, state = made
    key.CurrentRequestedProcedureEvidenceSequence = [
        dataset(StudyInstanceUID=study, ReferencedSeriesSequence=by_series(images, "ReferencedSOPSequence"))
    ]
    segmentation.ReferencedSeriesSequence = by_series(images, "ReferencedInstanceSequence")
    structures.ReferencedFrameOfReferenceSequence = [
        dataset(
            FrameOfReferenceUID="1.2.3",
            RTReferencedStudySequence=[
                dataset(
                    ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1", ReferencedSOPInstanceUID=study,
                    RTReferencedSeriesSequence=by_series(images, "ContourImageSequence"),
                )
            ],
        )
    ]  # fmt: skip
    state.ReferencedSeriesSequence = by_series(images, "ReferencedImageSequence")
    return made


def named(ds: Dataset) -> Named:
    """SOP Instance UID → (study, series) as an object says it. A presentation state knows no study but its own."""
    found: Named = {}

    def series_of(study: str, items: Sequence[Dataset]) -> None:
        for item in items:
            for keyword in (
                "ReferencedSOPSequence", "ReferencedInstanceSequence", "ContourImageSequence", "ReferencedImageSequence",
            ):  # fmt: skip
                for one in item.get(keyword) or ():
                    assert one.ReferencedSOPInstanceUID not in found
                    found[one.ReferencedSOPInstanceUID] = (study, item.SeriesInstanceUID)

    series_of(ds.StudyInstanceUID, ds.get("ReferencedSeriesSequence") or ())
    for keyword in (
        "CurrentRequestedProcedureEvidenceSequence",
        "StudiesContainingOtherReferencedInstancesSequence",
    ):
        for item in ds.get(keyword) or ():
            series_of(item.StudyInstanceUID, item.ReferencedSeriesSequence)
    for frame in ds.get("ReferencedFrameOfReferenceSequence") or ():
        for item in frame.RTReferencedStudySequence:
            series_of(item.ReferencedSOPInstanceUID, item.RTReferencedSeriesSequence)
    return found


def places(archive: Archive, images: Sequence[Dataset]) -> Named:
    out = {
        one.SOPInstanceUID: read(leaving(archive, sop_instance_uids=one.SOPInstanceUID)[one.SOPInstanceUID])
        for one in images
    }
    return {uid: (one.StudyInstanceUID, one.SeriesInstanceUID) for uid, one in out.items()}


def served(archive: Archive, client: Api, objects: Sequence[Dataset]) -> Iterator[Dataset]:
    """Each as C-MOVE sends it; the metadata must say the same."""
    for one in objects:
        out = read(leaving(archive, sop_instance_uids=one.SOPInstanceUID)[one.SOPInstanceUID])
        told = pydicom.Dataset.from_json(metadata(client, out.StudyInstanceUID)[one.SOPInstanceUID])
        assert named(told) == named(out)
        yield out


@pytest.mark.parametrize(
    ("what", "late"),
    [
        ("series", False), ("series", True), ("images", False), ("images", True), ("merge", False), ("objects", False),
    ],
)  # fmt: skip
def test_references_say_where_what_they_name_hangs(
    archive: Archive, store: Store, make_dicom: MakeDicom, web: Api, what: str, late: bool
) -> None:
    ours = study_of(make_dicom, 3, 1, PatientID="P1")
    theirs = study_of(make_dicom, 1, PatientID="P2")
    objects = naming(make_dicom, ours)
    store(*ours, *theirs)
    if not late:
        store(*objects)
    a, b = ours[0].StudyInstanceUID, theirs[0].StudyInstanceUID
    client = web.as_role("technologist")
    if not late:
        sent = {one.SOPInstanceUID: leaving(archive, sop_instance_uids=one.SOPInstanceUID) for one in objects}
        for out in served(archive, client, objects):
            assert named(out) == places(archive, ours)
    wish: dict[str, Any] = {"kind": "move", "study_instance_uid": a, "target_study_instance_uid": b}
    if what == "merge":
        wish["kind"] = "merge"
    elif what == "images":
        wish["sop_instance_uids"] = tuple(one.SOPInstanceUID for one in ours[:2])
    else:
        wish["series_instance_uids"] = (
            (ours[0].SeriesInstanceUID,)
            if what == "series"
            else tuple(one.SeriesInstanceUID for one in objects)
        )
    pk = do(archive, **wish)
    if late:
        store(*objects)
    now = places(archive, ours)
    for one, out in zip(objects, served(archive, client, objects), strict=True):
        assert out.StudyInstanceUID == (b if what in ("merge", "objects") else a)
        if one.SOPClassUID == GSPS:
            # All images stay in the one list that it has; there is no place for another study.
            assert {uid: series for uid, (_, series) in named(out).items()} == {
                uid: series for uid, (_, series) in now.items()
            }
        else:
            assert named(out) == now
        if what in ("series", "images") and one.SOPClassUID == KO:
            assert original(out, "CurrentRequestedProcedureEvidenceSequence")[0].StudyInstanceUID == a
    take_back(archive, pk)
    for out in served(archive, client, objects):
        assert named(out) == places(archive, ours)
        assert "OriginalAttributesSequence" not in out
    if not late:
        assert sent == {
            one.SOPInstanceUID: leaving(archive, sop_instance_uids=one.SOPInstanceUID) for one in objects
        }
