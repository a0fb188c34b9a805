"""What names images by study and series says where they hang, however they were moved, and when it was sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from sqlalchemy import select

from archive_corrections import TESS, do, leaving, metadata, original, read, take_back
from archive_fixtures import MakeDicom, Store, study_of
from common import Api
from wetread.archive import corrections, jobs
from wetread.archive.corrections import Wish
from wetread.archive.model import WITH_REMOVED, Study
from wetread.archive.service import Archive
from wetread.security.service import Actor
from wetread.workitems import service as workitems
from workitem_fixtures import workitem

KO, SEG, RTSTRUCT, GSPS, SR = (
    f"1.2.840.10008.5.1.4.1.1.{one}" for one in ("88.59", "66.4", "481.3", "11.1", "88.22")
)
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
    """A key object, a segmentation, a structure set, a presentation state and a report of these images of one study."""
    study = images[0].StudyInstanceUID
    made = []
    for kind, modality in ((KO, "KO"), (SEG, "SEG"), (RTSTRUCT, "RTSTRUCT"), (GSPS, "PR"), (SR, "SR")):
        one = make_dicom(
            SOPClassUID=kind, Modality=modality, StudyInstanceUID=study, PatientID=images[0].PatientID,
            PatientName=images[0].PatientName, AccessionNumber=images[0].AccessionNumber,
        )  # fmt: skip
        one.file_meta.MediaStorageSOPClassUID = kind
        for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated"):
            del one[keyword]
        made.append(one)
    key, segmentation, structures, state, report = made
    # An image that it measures, and one that it looked at; what it says of them names them by themselves.
    report.CurrentRequestedProcedureEvidenceSequence = [
        dataset(
            StudyInstanceUID=study, ReferencedSeriesSequence=by_series(images[:1], "ReferencedSOPSequence")
        )
    ]
    if len(images) > 1:
        report.PertinentOtherEvidenceSequence = [
            dataset(
                StudyInstanceUID=study,
                ReferencedSeriesSequence=by_series(images[1:], "ReferencedSOPSequence"),
            )
        ]
    report.ContentSequence = [
        dataset(ValueType="IMAGE", RelationshipType="CONTAINS", ReferencedSOPSequence=[to(one)])
        for one in images
    ]
    report.ReferencedRequestSequence = [
        dataset(StudyInstanceUID=study, AccessionNumber=images[0].AccessionNumber, RequestedProcedureID="RP1")
    ]
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
        "PertinentOtherEvidenceSequence",
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
            # There is no place for another study: it is about those of its own, where there are any.
            own = {uid: place for uid, place in now.items() if place[0] == out.StudyInstanceUID}
            assert {uid: series for uid, (_, series) in named(out).items()} == {
                uid: series for uid, (_, series) in (own or now).items()
            }
        else:
            assert named(out) == now
        if one.SOPClassUID == SR:
            asked = out.ReferencedRequestSequence[0]
            assert asked.StudyInstanceUID == out.StudyInstanceUID
            assert asked.AccessionNumber == out.AccessionNumber
            assert [
                item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in out.ContentSequence
            ] == [image.SOPInstanceUID for image in ours]
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


def test_a_moved_image_names_no_other_study_as_its_own(
    archive: Archive, store: Store, make_dicom: MakeDicom, web: Api
) -> None:
    ours = study_of(make_dicom, 1, 1, PatientID="P1")
    theirs = study_of(make_dicom, 1, PatientID="P2")
    for one in (*ours, *theirs):
        one.AccessionNumber = "A1" if one in ours else "A2"
    a, b = ours[0].StudyInstanceUID, theirs[0].StudyInstanceUID
    for one in ours:
        study = dataset(ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1", ReferencedSOPInstanceUID=a)
        one.ReferencedStudySequence = [study]
        one.RequestAttributesSequence = [
            dataset(AccessionNumber="A1", StudyInstanceUID=a, ReferencedStudySequence=[study], RequestedProcedureID="RP1"),
            dataset(AccessionNumber="A9", StudyInstanceUID="1.2.9", RequestedProcedureID="RP9"),  # a group case's other one
        ]  # fmt: skip
    store(*ours, *theirs)
    do(archive, kind="move", study_instance_uid=a, target_study_instance_uid=b,
       series_instance_uids=(ours[0].SeriesInstanceUID,))  # fmt: skip
    client = web.as_role("technologist")
    moved, stayed = served(archive, client, ours)
    for out, study, number in ((moved, b, "A2"), (stayed, a, "A1")):
        (reference,) = out.ReferencedStudySequence
        own, other = out.RequestAttributesSequence
        assert out.StudyInstanceUID == reference.ReferencedSOPInstanceUID == own.StudyInstanceUID == study
        assert own.ReferencedStudySequence[0].ReferencedSOPInstanceUID == study
        assert (own.AccessionNumber, own.RequestedProcedureID) == (number, "RP1")
        assert (other.AccessionNumber, other.StudyInstanceUID) == ("A9", "1.2.9")
    assert original(moved, "ReferencedStudySequence")[0].ReferencedSOPInstanceUID == a


@pytest.mark.parametrize("kind", ["split", "move"])
@pytest.mark.parametrize("by", ["series", "images"])
def test_a_presentation_state_goes_with_the_images_that_it_is_about(
    archive: Archive, store: Store, make_dicom: MakeDicom, kind: str, by: str
) -> None:
    ours = study_of(make_dicom, 1, 1, 1, PatientID="P1")
    theirs = study_of(make_dicom, 1, PatientID="P1")

    def state(*about: Dataset, series: str) -> Dataset:
        (one,) = [one for one in naming(make_dicom, about) if one.SOPClassUID == GSPS]
        one.SeriesInstanceUID = series
        return one

    # Two in one series: of what goes, and of what stays too; a third has a series of its own.
    goes = state(ours[0], series="1.2.3.500")
    mixed = state(*ours[:2], series="1.2.3.500")
    alone = state(ours[0], series="1.2.3.501")
    store(*ours, *theirs, goes, mixed, alone)
    a = ours[0].StudyInstanceUID
    wish: dict[str, Any] = {"kind": kind, "study_instance_uid": a}
    if kind == "move":
        wish["target_study_instance_uid"] = theirs[0].StudyInstanceUID
    if by == "series":
        wish["series_instance_uids"] = (ours[0].SeriesInstanceUID,)
    else:
        wish["sop_instance_uids"] = (ours[0].SOPInstanceUID,)
    pk = do(archive, **wish)
    at = places(archive, [ours[0], goes, mixed, alone])
    study, series = at[ours[0].SOPInstanceUID]
    assert study != a
    assert [at[one.SOPInstanceUID][0] for one in (goes, mixed, alone)] == [study, a, study]
    assert at[alone.SOPInstanceUID][1] == "1.2.3.501"
    assert at[goes.SOPInstanceUID][1] not in ("1.2.3.500", "1.2.3.501")
    out = read(leaving(archive, sop_instance_uids=goes.SOPInstanceUID)[goes.SOPInstanceUID])
    assert named(out) == {ours[0].SOPInstanceUID: (study, series)}
    take_back(archive, pk)
    back = places(archive, [goes, mixed, alone])
    assert set(back.values()) == {(a, "1.2.3.500"), (a, "1.2.3.501")}


def marked(make_dicom: MakeDicom, images: Sequence[Dataset]) -> Dataset:
    """A presentation state with a line on each image, a long one on the first, and a window for the second alone."""
    (state,) = [one for one in naming(make_dicom, images) if one.SOPClassUID == GSPS]
    state.GraphicAnnotationSequence = [
        dataset(
            GraphicLayer="MARKS",
            ReferencedImageSequence=[to(one)],
            GraphicObjectSequence=[
                dataset(
                    GraphicAnnotationUnits="PIXEL", GraphicDimensions=2, GraphicType="POLYLINE",
                    NumberOfGraphicPoints=400, GraphicData=[float(n)] * 800, GraphicFilled="N",
                )
            ],
        )
        for n, one in enumerate(images)
    ]  # fmt: skip
    state.SoftcopyVOILUTSequence = [
        dataset(ReferencedImageSequence=[to(images[1])], WindowCenter=40, WindowWidth=400)
    ]
    state.DisplayedAreaSelectionSequence = [
        dataset(ReferencedImageSequence=[to(one) for one in images], PresentationSizeMode="SCALE TO FIT")
    ]
    state.GraphicLayerSequence = [dataset(GraphicLayer="MARKS", GraphicLayerOrder=1)]
    return state


def part(archive: Archive, *studies: str) -> None:
    """What the job does after a move."""
    with archive.offices.work(Actor.system("test")) as work:
        pks = work.session.scalars(
            select(Study.study_pk)
            .where(Study.study_instance_uid.in_(studies))
            .execution_options(**WITH_REMOVED)
        )
        jobs.part_states(work, sorted(pks))


def states_in(archive: Archive, client: Api, study: str) -> list[Dataset]:
    """The presentation states of a study as they leave; the metadata must say the same."""
    told = metadata(client, study)
    found = [read(data) for data in leaving(archive, study_instance_uids=study).values()]
    found = [one for one in found if one.SOPClassUID == GSPS]
    for one in found:
        assert named(pydicom.Dataset.from_json(told[one.SOPInstanceUID])) == named(one)
    return found


def about(state: Dataset) -> dict[str, set[str]]:
    """By attribute, the images that it is about."""

    def images(items: Sequence[Dataset]) -> set[str]:
        return {one.ReferencedSOPInstanceUID for item in items for one in item.ReferencedImageSequence}

    keywords = ("ReferencedSeries", "GraphicAnnotation", "SoftcopyVOILUT", "DisplayedAreaSelection")
    return {key: images(state[f"{key}Sequence"].value) for key in keywords if f"{key}Sequence" in state}


@pytest.mark.parametrize("kind", ["split", "move"])
@pytest.mark.parametrize("late", [False, True])
def test_a_presentation_state_of_both_sides_is_right_on_both(
    archive: Archive, store: Store, make_dicom: MakeDicom, web: Api, kind: str, late: bool
) -> None:
    ours = study_of(make_dicom, 3, PatientID="P1")
    theirs = study_of(make_dicom, 1, PatientID="P2")
    state = marked(make_dicom, ours)
    a, uids = ours[0].StudyInstanceUID, [one.SOPInstanceUID for one in ours]
    store(*ours, *theirs, *([] if late else [state]))
    client = web.as_role("technologist")
    wish: dict[str, Any] = {"kind": kind, "study_instance_uid": a, "sop_instance_uids": (uids[0],)}
    if kind == "move":
        wish["target_study_instance_uid"] = theirs[0].StudyInstanceUID
    with archive.offices.work(TESS) as work:
        told = [
            one for one in corrections.preview(work, Wish(**wish)) if one.field == "ReferencedSeriesSequence"
        ]
    assert [one.after for one in told] == ([] if late else ["in each study about its own"])
    pk = do(archive, **wish)
    if late:
        store(state)
    b = places(archive, ours)[uids[0]][0]
    part(archive, a, b)
    part(archive, a, b)  # again: nothing is made twice

    (kept,), (parted,) = states_in(archive, client, a), states_in(archive, client, b)
    assert kept.SOPInstanceUID == state.SOPInstanceUID
    assert parted.SOPInstanceUID not in (state.SOPInstanceUID, *uids)
    assert parted.SeriesInstanceUID not in {series for _, series in places(archive, ours).values()}
    rest = set(uids[1:])
    assert about(kept) == {
        "ReferencedSeries": rest, "GraphicAnnotation": rest, "SoftcopyVOILUT": {uids[1]}, "DisplayedAreaSelection": rest,
    }  # fmt: skip
    assert about(parted) == {
        "ReferencedSeries": {uids[0]}, "GraphicAnnotation": {uids[0]}, "DisplayedAreaSelection": {uids[0]},
    }  # fmt: skip
    assert named(parted) == {uids[0]: places(archive, ours)[uids[0]]}
    assert parted.PatientID == ("P1" if kind == "split" else "P2")
    graphic = parted.GraphicAnnotationSequence[0].GraphicObjectSequence[0]
    assert list(graphic.GraphicData) == [0.0] * 800
    made_of: dict[str, Any] = {}
    for item in parted.OriginalAttributesSequence:
        made_of |= {one.keyword: one.value for one in item.ModifiedAttributesSequence[0]}
    assert made_of["SOPInstanceUID"] == state.SOPInstanceUID
    assert made_of["StudyInstanceUID"] == a
    assert "SoftcopyVOILUTSequence" in made_of
    assert {one.ReferencedSOPInstanceUID for item in original(kept, "ReferencedSeriesSequence") for one in item.ReferencedImageSequence} == set(uids)  # fmt: skip

    # One more follows: the same two states share the images otherwise.
    more = do(
        archive, **{**wish, "kind": "move", "target_study_instance_uid": b, "sop_instance_uids": (uids[1],)}
    )
    part(archive, a, b)
    (kept,), (same,) = states_in(archive, client, a), states_in(archive, client, b)
    assert same.SOPInstanceUID == parted.SOPInstanceUID
    assert about(kept)["GraphicAnnotation"] == {uids[2]}
    assert "SoftcopyVOILUT" not in about(kept)
    assert about(same)["GraphicAnnotation"] == set(uids[:2])
    assert about(same)["SoftcopyVOILUT"] == {uids[1]}

    for taken in (more, pk):
        take_back(archive, taken)
        part(archive, a, b)
    (whole,) = states_in(archive, client, a)
    assert about(whole)["ReferencedSeries"] == set(uids)
    assert "OriginalAttributesSequence" not in whole
    if kind == "split":
        assert client.get(f"/dicom-web/studies?StudyInstanceUID={b}").json() == []
        return
    assert states_in(archive, client, b) == []
    do(archive, **wish)
    part(archive, a, b)
    assert [one.SOPInstanceUID for one in states_in(archive, client, b)] == [parted.SOPInstanceUID]


def test_key_objects_of_both_sides_are_the_same_in_both(
    archive: Archive, store: Store, make_dicom: MakeDicom, web: Api
) -> None:
    ours = study_of(make_dicom, 2, PatientID="P1")
    keys, rejecting = (
        next(one for one in naming(make_dicom, ours) if one.SOPClassUID == KO) for _ in range(2)
    )
    title = dataset(
        CodeValue="113001", CodingSchemeDesignator="DCM", CodeMeaning="Rejected for Quality Reasons"
    )
    rejecting.ConceptNameCodeSequence = [title]
    store(*ours, keys, rejecting)
    a = ours[0].StudyInstanceUID
    client = web.as_role("technologist")
    pk = do(archive, kind="split", study_instance_uid=a, sop_instance_uids=(ours[0].SOPInstanceUID,))
    now = places(archive, ours)
    b = now[ours[0].SOPInstanceUID][0]
    part(archive, a, b)
    part(archive, a, b)

    def key_objects(study: str) -> dict[str, Dataset]:
        found = {uid: read(data) for uid, data in leaving(archive, study_instance_uids=study).items()}
        return {uid: one for uid, one in found.items() if one.SOPClassUID == KO}

    here, there = key_objects(a), key_objects(b)
    assert set(here) == {keys.SOPInstanceUID, rejecting.SOPInstanceUID}
    ((uid, same),) = there.items()
    assert named(here[keys.SOPInstanceUID]) == named(same) == now
    for one, other in ((here[keys.SOPInstanceUID], same), (same, here[keys.SOPInstanceUID])):
        (study,) = one.IdenticalDocumentsSequence
        (series,) = study.ReferencedSeriesSequence
        (document,) = series.ReferencedSOPSequence
        assert (study.StudyInstanceUID, series.SeriesInstanceUID) == (
            other.StudyInstanceUID,
            other.SeriesInstanceUID,
        )
        assert (document.ReferencedSOPClassUID, document.ReferencedSOPInstanceUID) == (
            KO,
            other.SOPInstanceUID,
        )
    assert "IdenticalDocumentsSequence" not in here[rejecting.SOPInstanceUID]
    assert pydicom.Dataset.from_json(metadata(client, a)[keys.SOPInstanceUID]).IdenticalDocumentsSequence
    take_back(archive, pk)
    part(archive, a, b)
    assert client.get(f"/dicom-web/studies?StudyInstanceUID={b}").json() == []
    assert "IdenticalDocumentsSequence" not in key_objects(a)[keys.SOPInstanceUID]
    assert uid not in key_objects(a)


def test_a_merge_leaves_one_state_of_all(
    archive: Archive, store: Store, make_dicom: MakeDicom, web: Api
) -> None:
    ours = study_of(make_dicom, 2, PatientID="P1")
    state = marked(make_dicom, ours)
    store(*ours, state)
    a = ours[0].StudyInstanceUID
    client = web.as_role("technologist")
    do(archive, kind="split", study_instance_uid=a, sop_instance_uids=(ours[0].SOPInstanceUID,))
    b = places(archive, ours)[ours[0].SOPInstanceUID][0]
    part(archive, a, b)
    assert len(states_in(archive, client, b)) == 1
    do(archive, kind="merge", study_instance_uid=a, target_study_instance_uid=b)
    part(archive, a, b)
    (whole,) = states_in(archive, client, b)
    assert whole.SOPInstanceUID == state.SOPInstanceUID
    assert about(whole)["GraphicAnnotation"] == {one.SOPInstanceUID for one in ours}


def test_a_work_item_names_its_images_where_they_hang(
    archive: Archive, store: Store, make_dicom: MakeDicom
) -> None:
    ours = study_of(make_dicom, 2, 1, PatientID="P1")
    theirs = study_of(make_dicom, 1, PatientID="P1")
    store(*ours, *theirs)
    a, b = ours[0].StudyInstanceUID, theirs[0].StudyInstanceUID
    used = [
        dataset(TypeOfInstances="DICOM", StudyInstanceUID=a, SeriesInstanceUID=uid, ReferencedSOPSequence=[to(one) for one in some])
        for uid, some in ((ours[0].SeriesInstanceUID, ours[:2]), (ours[2].SeriesInstanceUID, ours[2:]))
    ]  # fmt: skip
    sent = workitem("Find nodules", InputInformationSequence=used[0].to_json_dict())
    sent["00404021"]["Value"].append(used[1].to_json_dict())
    with archive.offices.work(Actor.system("test")) as work:
        uid = workitems.create(work, None, sent).sop_instance_uid

    def told() -> list[Named]:
        """As it is read, and as it is found."""
        with archive.offices.work(Actor.system("test")) as work:
            one, _ = workitems.get(work, uid)
            (found,) = workitems.find(work, {"00404021": {"vr": "SQ"}}, limit=9).items
        said = []
        for model in (one, found):
            names: Named = {}
            for item in pydicom.Dataset.from_json(model).InputInformationSequence:
                for image in item.ReferencedSOPSequence:
                    names[image.ReferencedSOPInstanceUID] = (item.StudyInstanceUID, item.SeriesInstanceUID)
                assert item.TypeOfInstances == "DICOM"
            said.append(names)
        return said

    assert told() == [places(archive, ours)] * 2
    pk = do(archive, kind="move", study_instance_uid=a, target_study_instance_uid=b,
            sop_instance_uids=(ours[0].SOPInstanceUID, ours[2].SOPInstanceUID))  # fmt: skip
    now = places(archive, ours)
    assert {study for study, _ in now.values()} == {a, b}
    assert told() == [now] * 2
    take_back(archive, pk)
    assert told() == [places(archive, ours)] * 2
