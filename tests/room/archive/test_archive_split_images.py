"""Images split off from a series by people: they get a series of their own, and go back as they came."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from archive_corrections import INDEX, SYSTEM, TESS, do, leaving, metadata, original, read, take_back
from archive_fixtures import MakeDicom, Store, rows, study_of
from common import Api
from wetread.archive import corrections
from wetread.archive.corrections import Wish
from wetread.archive.model import WITH_REMOVED, Instance, Series, Study
from wetread.archive.service import Archive, Level, find
from wetread.kit.errors import Conflict, Invalid, NotFound


def index(archive: Archive, *, without: tuple[str, ...] = ()) -> dict[str, list[dict[str, Any]]]:
    """Rows of the index; `without`: UIDs of studies and series that were made meanwhile."""
    return {
        table: [
            row
            for row in rows(archive, table)
            if not {row.get("study_instance_uid"), row.get("series_instance_uid")} & set(without)
        ]
        for table in INDEX
    }


def series_of(archive: Archive, study: str) -> dict[str, int]:
    """Series Instance UID → number of images, of what is to be seen."""
    with archive.offices.work(SYSTEM) as work:
        found = find(work, Level.SERIES, {"StudyInstanceUID": study}).items
    return {one["0020000E"]["Value"][0]: one["00201209"]["Value"][0] for one in found}


def test_images_are_split_into_a_new_study_and_back(
    archive: Archive, store: Store, make_dicom: MakeDicom, web: Api
) -> None:
    slices = study_of(make_dicom, 4, 1, AccessionNumber="A1")
    store(*slices)
    a, s = slices[0].StudyInstanceUID, slices[0].SeriesInstanceUID
    chosen = tuple(ds.SOPInstanceUID for ds in slices[1:3])
    client = web.as_role("technologist")
    before, sent, told = index(archive), leaving(archive, study_instance_uids=a), metadata(client, a)
    wish = {
        "kind": "split", "study_instance_uid": a, "sop_instance_uids": chosen,
        "attributes": {"AccessionNumber": "A2", "StudyDescription": "The other knee"},
    }  # fmt: skip
    with archive.offices.work(TESS) as work:
        lines = corrections.preview(work, Wish(**wish))
    assert ("SeriesInstanceUID", "2 images of series 1", s, "a new series") in {
        (one.field, one.scope, one.before, one.after) for one in lines
    }
    assert index(archive) == before
    pk = do(archive, **wish)
    with archive.offices.database.transaction() as session:
        new = session.scalars(select(Study.study_instance_uid).where(Study.accession_number == "A2")).one()
    ((made, count),) = series_of(archive, new).items()
    assert count == 2
    assert series_of(archive, a) == {s: 2, slices[4].SeriesInstanceUID: 1}
    now = leaving(archive, study_instance_uids=new)
    assert set(now) == set(chosen)
    for uid, data in now.items():
        out = read(data)
        assert (out.StudyInstanceUID, out.SeriesInstanceUID) == (new, made)
        assert (out.AccessionNumber, out.StudyDescription) == ("A2", "The other knee")
        assert (original(out, "StudyInstanceUID"), original(out, "SeriesInstanceUID")) == (a, s)
        assert out.PixelData == next(ds for ds in slices if ds.SOPInstanceUID == uid).PixelData
        address = f"/dicom-web/studies/{new}/series/{made}/instances/{uid}"
        assert client.get(f"{address}/frames/1").status_code == 200
        assert client.get(f"/dicom-web/studies/{a}/series/{s}/instances/{uid}/frames/1").status_code == 404
    left = leaving(archive, study_instance_uids=a)
    assert left == {uid: data for uid, data in sent.items() if uid not in chosen}
    assert set(metadata(client, a)) == set(left)
    fresh = metadata(client, new)
    assert {one["0020000E"]["Value"][0] for one in fresh.values()} == {made}
    # What comes again is known where it hangs now; what comes more goes where the rest is.
    assert [one.outcome for one in store(slices[1])] == ["duplicate"]
    # A series made for images is one like others.
    edit = do(
        archive, kind="edit", study_instance_uid=new, series_instance_uids=(made,),
        attributes={"SeriesDescription": "Left"},
    )  # fmt: skip
    assert {read(data).SeriesDescription for data in leaving(archive, study_instance_uids=new).values()} == {
        "Left"
    }
    take_back(archive, edit)
    take_back(archive, pk)
    assert leaving(archive, study_instance_uids=a) == sent
    assert metadata(client, a) == told
    assert index(archive, without=(new, made)) == before
    assert series_of(archive, new) == {}
    with archive.offices.work(SYSTEM) as work:
        assert len(find(work, Level.STUDY, {}).items) == 1


def test_images_move_to_another_study_and_on_and_back_last_first(
    archive: Archive, store: Store, make_dicom: MakeDicom
) -> None:
    ours = study_of(make_dicom, 4, PatientName="Doe^Jane", PatientID="P1", AccessionNumber="A1")
    theirs = study_of(make_dicom, 1, PatientName="Roe^Rita", PatientID="P2", AccessionNumber="B1")
    third = study_of(make_dicom, 1, PatientID="P3")
    store(*ours, *theirs, *third)
    a, b, c = (one[0].StudyInstanceUID for one in (ours, theirs, third))
    first, second = ours[0].SOPInstanceUID, ours[1].SOPInstanceUID
    sent = leaving(archive, study_instance_uids=a)

    def move(source: str, target: str, *uids: str) -> int:
        return do(
            archive,
            kind="move",
            study_instance_uid=source,
            sop_instance_uids=uids,
            target_study_instance_uid=target,
        )

    one = move(a, b, first, second)
    other = move(a, c, ours[2].SOPInstanceUID)
    out = read(leaving(archive, sop_instance_uids=first)[first])
    assert (out.StudyInstanceUID, str(out.PatientName), out.AccessionNumber) == (b, "Roe^Rita", "B1")
    assert str(original(out, "PatientName")) == "Doe^Jane"
    on = move(b, c, first)  # one of the two: it leaves the series that was made for both
    out = read(leaving(archive, sop_instance_uids=first)[first])
    assert (out.StudyInstanceUID, out.PatientID) == (c, "P3")
    assert [
        item.ModifiedAttributesSequence[0].StudyInstanceUID for item in out.OriginalAttributesSequence
    ] == [a, b]
    assert read(leaving(archive, sop_instance_uids=second)[second]).StudyInstanceUID == b
    with pytest.raises(Conflict, match="later correction"):
        take_back(archive, one)
    # What was left behind is moved meanwhile: images that come back go where their series is.
    merged = do(archive, kind="merge", study_instance_uid=a, target_study_instance_uid=c)
    take_back(archive, on)
    with pytest.raises(Conflict, match="later correction"):
        take_back(archive, one)
    take_back(archive, merged)
    take_back(archive, one)  # though another act on the same series stands
    take_back(archive, other)
    assert leaving(archive, study_instance_uids=a) == sent
    with archive.offices.database.transaction() as session:
        assert {series.study_pk for series in session.scalars(select(Series))} == {
            instance.study_pk
            for instance in session.scalars(select(Instance).execution_options(**WITH_REMOVED))
        }


def test_all_images_of_a_series_leave_as_that_series(
    archive: Archive, store: Store, make_dicom: MakeDicom
) -> None:
    slices = study_of(make_dicom, 2, 1)
    store(*slices)
    a = slices[0].StudyInstanceUID
    chosen = tuple(ds.SOPInstanceUID for ds in slices[:2])
    do(archive, kind="split", study_instance_uid=a, sop_instance_uids=chosen)
    out = read(leaving(archive, sop_instance_uids=chosen[0])[chosen[0]])
    assert out.StudyInstanceUID != a
    assert out.SeriesInstanceUID == slices[0].SeriesInstanceUID
    with pytest.raises(Conflict, match="Nothing would be left"):
        do(archive, kind="split", study_instance_uid=a, sop_instance_uids=(slices[2].SOPInstanceUID,))
    with pytest.raises(NotFound):
        do(archive, kind="split", study_instance_uid=a, sop_instance_uids=chosen)
    with pytest.raises(Invalid):
        do(archive, kind="split", study_instance_uid=a)
