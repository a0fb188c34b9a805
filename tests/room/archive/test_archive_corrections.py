"""Corrections by people: what leaves says the new and the old, what was received stays, and undoing is exact."""

from __future__ import annotations

import random
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from archive_corrections import INDEX, SYSTEM, TESS, do, leaving, metadata, original, read, take_back
from archive_fixtures import MakeDicom, Store, rows, study_of
from common import Api
from wetread.archive import corrections, removal
from wetread.archive.corrections import Wish
from wetread.archive.model import WITH_REMOVED, Series, Study
from wetread.archive.service import Archive, Level, correct_study, find, sides_of_series
from wetread.kit.errors import Conflict, Denied, Invalid, NotFound
from wetread.patients.service import IdentifierInput, PatientInput, register_patient
from wetread.security.service import Actor, Role, permissions_of


def judged(data: bytes, folder: Path) -> Counter[str]:
    """The errors that dciodvfy finds, and that DCMTK reads it at all."""
    path = folder / "one.dcm"
    path.write_bytes(data)
    assert subprocess.run(["dcmdump", "+fo", path], capture_output=True, check=False).returncode == 0
    done = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    return Counter(line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error"))


def test_a_series_is_edited_and_the_edit_taken_back_exactly(
    archive: Archive, store: Store, make_dicom: MakeDicom, web: Api, tmp_path: Path
) -> None:
    slices = study_of(make_dicom, 2, 1)
    store(*slices)
    study, series = slices[0].StudyInstanceUID, slices[0].SeriesInstanceUID
    client = web.as_role("technologist")
    before = {table: rows(archive, table) for table in INDEX}
    sent, told = leaving(archive, study_instance_uids=study), metadata(client, study)
    wish = {
        "kind": "edit", "study_instance_uid": study, "series_instance_uids": (series,),
        "attributes": {"Laterality": "R", "BodyPartExamined": "KNEE", "OperatorsName": "Ångström^Åsa"},
    }  # fmt: skip
    with archive.offices.work(TESS) as work:
        lines = corrections.preview(work, Wish(**wish))
    assert {(one.field, one.before, one.after) for one in lines} == {
        ("Laterality", "", "R"), ("BodyPartExamined", "", "KNEE"), ("OperatorsName", "", "Ångström^Åsa"),
    }  # fmt: skip
    assert {table: rows(archive, table) for table in INDEX} == before
    pk = do(archive, **wish)
    with archive.offices.work(SYSTEM) as work:
        found = find(work, Level.SERIES, {"StudyInstanceUID": study, "Laterality": "R"}).items
    assert [one["0020000E"]["Value"] for one in found] == [[series]]
    now = leaving(archive, study_instance_uids=study)
    for ds in slices:
        out = read(now[ds.SOPInstanceUID])
        if ds.SeriesInstanceUID != series:
            assert now[ds.SOPInstanceUID] == sent[ds.SOPInstanceUID]
            continue
        assert (out.Laterality, out.BodyPartExamined) == ("R", "KNEE")
        assert str(out.OperatorsName) == "Ångström^Åsa"
        assert not original(out, "Laterality")
        assert out.PixelData == ds.PixelData
        assert (
            judged(now[ds.SOPInstanceUID], tmp_path) - judged(sent[ds.SOPInstanceUID], tmp_path) == Counter()
        )
        assert metadata(client, study)[ds.SOPInstanceUID]["00200060"]["Value"] == ["R"]
    take_back(archive, pk)
    assert leaving(archive, study_instance_uids=study) == sent
    assert metadata(client, study) == told
    assert {table: rows(archive, table) for table in INDEX} == before
    with pytest.raises(Conflict):
        take_back(archive, pk)


def test_one_image_is_edited_alone(archive: Archive, store: Store, make_dicom: MakeDicom, web: Api) -> None:
    slices = study_of(make_dicom, 2, ImageLaterality="R")
    store(*slices)
    first, second = slices
    client = web.as_role("technologist")
    metadata(client, first.StudyInstanceUID)
    sent = leaving(archive, study_instance_uids=first.StudyInstanceUID)

    def showing(side: str) -> set[str]:
        with archive.offices.work(SYSTEM) as work:
            (study,) = work.session.scalars(select(Study.study_pk))
            assert side in set().union(*sides_of_series(work.session, [study]).values())
            asked = {"StudyInstanceUID": first.StudyInstanceUID, "ImageLaterality": side}
            return {one["00080018"]["Value"][0] for one in find(work, Level.IMAGE, asked).items}

    assert showing("R") == {first.SOPInstanceUID, second.SOPInstanceUID}
    pk = do(
        archive, kind="edit", study_instance_uid=first.StudyInstanceUID, sop_instance_uid=first.SOPInstanceUID,
        attributes={"ImageLaterality": "L", "InstanceNumber": "7"},
    )  # fmt: skip
    now = leaving(archive, study_instance_uids=first.StudyInstanceUID)
    assert read(now[first.SOPInstanceUID]).ImageLaterality == "L"
    assert now[second.SOPInstanceUID] == sent[second.SOPInstanceUID]
    told = metadata(client, first.StudyInstanceUID)
    assert told[first.SOPInstanceUID]["00200013"]["Value"] == [7]
    with archive.offices.work(SYSTEM) as work:
        (found,) = find(work, Level.IMAGE, {"SOPInstanceUID": first.SOPInstanceUID}).items
    assert found["00200013"]["Value"] == [7]
    assert (showing("L"), showing("R")) == ({first.SOPInstanceUID}, {second.SOPInstanceUID})
    take_back(archive, pk)
    assert leaving(archive, study_instance_uids=first.StudyInstanceUID) == sent
    assert metadata(client, first.StudyInstanceUID)[first.SOPInstanceUID]["00200013"]["Value"] == [1]


def test_edits_are_taken_back_in_any_order(archive: Archive, store: Store, make_dicom: MakeDicom) -> None:
    (ds,) = study_of(make_dicom, 1, AccessionNumber="A1")
    store(ds)

    def edit(accession: str) -> int:
        return do(
            archive, kind="edit", study_instance_uid=ds.StudyInstanceUID,
            attributes={"AccessionNumber": accession},
        )  # fmt: skip

    def now() -> tuple[str | None, str]:
        with archive.offices.database.transaction() as session:
            column = session.scalars(select(Study.accession_number)).one()
        (data,) = leaving(archive, study_instance_uids=ds.StudyInstanceUID).values()
        return column, read(data).AccessionNumber

    first, second = edit("A2"), edit("A3")
    assert now() == ("A3", "A3")
    take_back(archive, first)
    assert now() == ("A3", "A3")
    take_back(archive, second)
    assert now() == ("A1", "A1")
    third = edit("A4")
    with archive.offices.work(SYSTEM) as work:  # the order says it again
        pk = work.session.scalars(select(Study.study_pk)).one()
        correct_study(work, pk, {"AccessionNumber": "A5"}, reason="from the order", coerced=True)
    take_back(archive, third)
    assert now() == ("A5", "A5")


def test_a_series_is_moved_to_the_study_of_another_patient_and_back(
    archive: Archive, store: Store, make_dicom: MakeDicom, web: Api, tmp_path: Path
) -> None:
    ours = study_of(make_dicom, 2, 1, PatientName="Doe^Jane", PatientID="P1", AccessionNumber="A1")
    theirs = study_of(make_dicom, 1, PatientName="Roe^Rita", PatientID="P2", AccessionNumber="B1")
    store(*ours, *theirs)
    a, b, series = ours[0].StudyInstanceUID, theirs[0].StudyInstanceUID, ours[0].SeriesInstanceUID
    client = web.as_role("technologist")
    before = {table: rows(archive, table) for table in INDEX}
    sent = {**leaving(archive, study_instance_uids=a), **leaving(archive, study_instance_uids=b)}
    told = metadata(client, a)
    pk = do(
        archive,
        kind="move",
        study_instance_uid=a,
        series_instance_uids=(series,),
        target_study_instance_uid=b,
    )
    now = leaving(archive, study_instance_uids=b)
    assert set(now) == {ds.SOPInstanceUID for ds in (*ours[:2], *theirs)}
    assert now[theirs[0].SOPInstanceUID] == sent[theirs[0].SOPInstanceUID]
    for ds in ours[:2]:
        out = read(now[ds.SOPInstanceUID])
        assert (out.StudyInstanceUID, out.SeriesInstanceUID) == (b, series)
        assert (str(out.PatientName), out.PatientID, out.AccessionNumber) == ("Roe^Rita", "P2", "B1")
        assert (original(out, "StudyInstanceUID"), str(original(out, "PatientName"))) == (a, "Doe^Jane")
        assert out.PixelData == ds.PixelData
        assert (
            judged(now[ds.SOPInstanceUID], tmp_path) - judged(sent[ds.SOPInstanceUID], tmp_path) == Counter()
        )
        assert (
            client.get(
                f"/dicom-web/studies/{b}/series/{series}/instances/{ds.SOPInstanceUID}/frames/1"
            ).status_code
            == 200
        )
        assert client.get(f"/dicom-web/studies/{a}/series/{series}/metadata").status_code == 404
    moved = metadata(client, b)
    assert moved[ours[0].SOPInstanceUID]["0020000D"]["Value"] == [b]
    assert moved[ours[0].SOPInstanceUID]["7FE00010"]["BulkDataURI"].startswith(f"/dicom-web/studies/{b}/")
    with archive.offices.work(SYSTEM) as work:
        (study,) = find(work, Level.STUDY, {"StudyInstanceUID": b}).items
        (left,) = find(work, Level.STUDY, {"StudyInstanceUID": a}).items
    assert (study["00201208"]["Value"], left["00201208"]["Value"]) == ([3], [1])
    take_back(archive, pk)
    assert {**leaving(archive, study_instance_uids=a), **leaving(archive, study_instance_uids=b)} == sent
    assert metadata(client, a) == told
    assert {table: rows(archive, table) for table in INDEX} == before


def test_what_still_comes_for_a_moved_series_goes_with_it(
    archive: Archive, store: Store, make_dicom: MakeDicom
) -> None:
    ours, theirs = study_of(make_dicom, 1, 1), study_of(make_dicom, 1, PatientID="P2")
    store(*ours, *theirs)
    a, b, series = ours[0].StudyInstanceUID, theirs[0].StudyInstanceUID, ours[0].SeriesInstanceUID
    do(
        archive,
        kind="move",
        study_instance_uid=a,
        series_instance_uids=(series,),
        target_study_instance_uid=b,
    )
    late = make_dicom(StudyInstanceUID=a, SeriesInstanceUID=series, PatientID="P1")
    for _ in range(2):  # by what this process remembers, and by what it looks up
        (result,) = store(late)
        assert result.status.kept, result
    assert [result.outcome for result in store(late)] == ["duplicate"]
    out = read(leaving(archive, sop_instance_uids=late.SOPInstanceUID)[late.SOPInstanceUID])
    assert (out.StudyInstanceUID, out.PatientID) == (b, "P2")


def test_studies_are_merged_with_what_comes_later_and_parted_again(
    archive: Archive, store: Store, make_dicom: MakeDicom, web: Api
) -> None:
    ours = study_of(make_dicom, 2, 1, StudyDescription="Head")
    other = study_of(make_dicom, 1, StudyDescription="Head and neck")
    store(*ours, *other)
    a, b = ours[0].StudyInstanceUID, other[0].StudyInstanceUID
    client = web.as_role("technologist")
    before = {table: rows(archive, table) for table in INDEX}
    sent = leaving(archive, study_instance_uids=a)
    pk = do(archive, kind="merge", study_instance_uid=a, target_study_instance_uid=b)
    assert client.get(f"/dicom-web/studies/{a}/metadata").status_code == 404
    assert leaving(archive, study_instance_uids=a) == {}
    now = leaving(archive, study_instance_uids=b)
    assert len(now) == 4
    assert {read(data).StudyInstanceUID for data in now.values()} == {b}
    assert {read(data).StudyDescription for data in now.values()} == {"Head and neck"}
    late = make_dicom(StudyInstanceUID=a, StudyDescription="Head")
    (result,) = store(late)
    assert result.outcome == "stored"
    out = read(leaving(archive, study_instance_uids=b)[late.SOPInstanceUID])
    assert (out.StudyInstanceUID, out.StudyDescription) == (b, "Head and neck")
    assert original(out, "StudyDescription") == "Head"
    with archive.offices.work(SYSTEM) as work:
        assert len(find(work, Level.STUDY, {}).items) == 1
    take_back(archive, pk)
    parted = leaving(archive, study_instance_uids=a)
    assert set(parted) == {*sent, late.SOPInstanceUID}
    assert {uid: parted[uid] for uid in sent} == sent
    assert read(parted[late.SOPInstanceUID]).StudyDescription == "Head"
    with archive.offices.work(TESS) as work:
        removal.remove(
            work, removal.Target(a, late.SeriesInstanceUID), reason="so that all is as before it came"
        )

    def without_late(table: str, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {name: value for name, value in row.items() if name != "announced_at"}
            for row in found
            if row.get("removal_pk") is None and (table != "stored_object" or row["instance_pk"] in kept)
        ]

    kept = {row["instance_pk"] for row in before["instance"]}
    for table in INDEX:
        assert without_late(table, rows(archive, table)) == without_late(table, before[table])


def test_a_study_is_split_and_its_parts_corrected_alone(
    archive: Archive, store: Store, make_dicom: MakeDicom
) -> None:
    slices = study_of(make_dicom, 2, 1, AccessionNumber="A1")
    store(*slices)
    a, pet = slices[0].StudyInstanceUID, slices[2]
    before = {table: rows(archive, table) for table in INDEX}
    sent = leaving(archive, study_instance_uids=a)
    pk = do(
        archive, kind="split", study_instance_uid=a, series_instance_uids=(pet.SeriesInstanceUID,),
        attributes={"AccessionNumber": "A2"},
    )  # fmt: skip
    with archive.offices.database.transaction() as session:
        new = session.scalars(select(Study).where(Study.study_instance_uid != a)).one()
        assert (new.accession_number, new.modalities_in_study) == ("A2", ["PT"])
        assert new.study_instance_uid.startswith("2.25.")
        uid = new.study_instance_uid
    out = read(leaving(archive, study_instance_uids=uid)[pet.SOPInstanceUID])
    assert (out.StudyInstanceUID, out.AccessionNumber, original(out, "StudyInstanceUID")) == (uid, "A2", a)
    do(archive, kind="edit", study_instance_uid=a, attributes={"StudyDescription": "Only the CT"})
    assert read(leaving(archive, study_instance_uids=uid)[pet.SOPInstanceUID]).get(
        "StudyDescription"
    ) == pet.get("StudyDescription")
    with pytest.raises(Conflict, match="Nothing would be left"):
        do(archive, kind="split", study_instance_uid=uid, series_instance_uids=(pet.SeriesInstanceUID,))
    with archive.offices.work(TESS) as work:
        newest = corrections.list_corrections(work).items[0][0]
        corrections.undo(work, newest.correction_pk, reason="not needed")
    take_back(archive, pk)
    assert leaving(archive, study_instance_uids=a) == sent
    kept = {
        table: [row for row in rows(archive, table) if row.get("study_instance_uid") != uid]
        for table in INDEX
    }
    assert kept == before
    with archive.offices.work(SYSTEM) as work:
        assert len(find(work, Level.STUDY, {}).items) == 1


def test_moves_that_stand_on_each_other_are_taken_back_last_first(
    archive: Archive, store: Store, make_dicom: MakeDicom
) -> None:
    first, second, third = (study_of(make_dicom, 1, 1, PatientID=f"P{n}") for n in (1, 2, 3))
    store(*first, *second, *third)
    a, b, c = (one[0].StudyInstanceUID for one in (first, second, third))
    sent = leaving(archive, study_instance_uids=a)
    one = do(
        archive, kind="move", study_instance_uid=a, series_instance_uids=(first[0].SeriesInstanceUID,),
        target_study_instance_uid=b,
    )  # fmt: skip
    two = do(archive, kind="merge", study_instance_uid=b, target_study_instance_uid=c)
    out = read(leaving(archive, study_instance_uids=c)[first[0].SOPInstanceUID])
    assert (out.StudyInstanceUID, out.PatientID) == (c, "P3")
    assert [
        item.ModifiedAttributesSequence[0].StudyInstanceUID for item in out.OriginalAttributesSequence
    ] == [a, b]
    with pytest.raises(Conflict, match="later correction"):
        take_back(archive, one)
    take_back(archive, two)
    take_back(archive, one)
    assert leaving(archive, study_instance_uids=a) == sent


def test_a_study_is_hung_on_another_person(archive: Archive, store: Store, make_dicom: MakeDicom) -> None:
    (ds,) = study_of(make_dicom, 1, PatientName="Doe^Jane")
    store(ds)
    with archive.offices.work(SYSTEM) as work:
        patient_pk = register_patient(
            work,
            PatientInput(
                patient_name="Roe^Rita", patient_sex="F",
                identifiers=[IdentifierInput("R77", "HOSPITAL")],
            ),
        ).patient_pk  # fmt: skip
    before = {table: rows(archive, table) for table in INDEX}
    sent = leaving(archive, study_instance_uids=ds.StudyInstanceUID)
    pk = do(archive, kind="patient", study_instance_uid=ds.StudyInstanceUID, patient_pk=patient_pk)
    out = read(leaving(archive, study_instance_uids=ds.StudyInstanceUID)[ds.SOPInstanceUID])
    assert (str(out.PatientName), out.PatientID) == ("Roe^Rita", "R77")
    with pytest.raises(Invalid) as wrong:
        do(archive, kind="edit", study_instance_uid=ds.StudyInstanceUID, attributes={"PatientName": "X"})
    assert "register" in wrong.value.fields[0].reason
    take_back(archive, pk)
    assert leaving(archive, study_instance_uids=ds.StudyInstanceUID) == sent
    assert {table: rows(archive, table) for table in INDEX} == before
    corrections.use_order_check(lambda _session, _study_pk: True)
    try:
        with pytest.raises(Conflict, match="order"):
            do(archive, kind="patient", study_instance_uid=ds.StudyInstanceUID, patient_pk=patient_pk)
    finally:
        corrections.use_order_check(lambda _session, _study_pk: False)


@pytest.mark.parametrize(
    ("level", "attributes", "field"),
    [
        ("series", {"Laterality": "RIGHT"}, "Laterality"),
        ("series", {"SeriesDate": "2026-13-45"}, "SeriesDate"),
        ("series", {"SeriesNumber": "one"}, "SeriesNumber"),
        ("series", {"BodyPartExamined": "knee!"}, "BodyPartExamined"),
        ("series", {"SeriesDescription": "x" * 65}, "SeriesDescription"),
        ("series", {"SeriesDescription": "a\\b"}, "SeriesDescription"),
        ("series", {"Rows": "1"}, "Rows"),
        ("series", {"SOPInstanceUID": "1.2"}, "SOPInstanceUID"),
        ("study", {"StudyInstanceUID": "1.2"}, "StudyInstanceUID"),
        ("study", {"AccessionNumber": "x" * 17}, "AccessionNumber"),
    ],
)
def test_values_that_cannot_be_are_named(
    archive: Archive, store: Store, make_dicom: MakeDicom, level: str, attributes: dict[str, str], field: str
) -> None:
    (ds,) = study_of(make_dicom, 1)
    store(ds)
    with pytest.raises(Invalid) as wrong:
        do(
            archive, kind="edit", study_instance_uid=ds.StudyInstanceUID,
            series_instance_uids=(ds.SeriesInstanceUID,) if level == "series" else (), attributes=attributes,
        )  # fmt: skip
    assert [one.field for one in wrong.value.fields] == [field]


def test_who_may_not_does_not_correct(archive: Archive, store: Store, make_dicom: MakeDicom) -> None:
    (ds,) = study_of(make_dicom, 1)
    store(ds)
    desk = Actor(
        2, "dora", "Dora", frozenset({Role.FRONT_DESK}), permissions_of(frozenset({Role.FRONT_DESK})), "user"
    )
    wish = Wish("edit", ds.StudyInstanceUID, attributes={"StudyDescription": "x"})
    for act in (
        lambda work: corrections.correct(work, wish, reason="x"),
        lambda work: corrections.preview(work, wish),
        lambda work: corrections.undo(work, 1, reason="x"),
        corrections.list_corrections,
    ):
        with pytest.raises(Denied), archive.offices.work(desk) as work:
            act(work)
    with pytest.raises(NotFound):
        do(archive, kind="edit", study_instance_uid="1.2.3", attributes={"StudyDescription": "x"})
    with pytest.raises(Conflict, match="nothing would change"):
        do(archive, kind="edit", study_instance_uid=ds.StudyInstanceUID, attributes={"PatientID": "P1"})
    with archive.offices.database.transaction() as session:
        assert session.scalars(select(Series.study_pk).execution_options(**WITH_REMOVED)).one()


def test_corrections_by_http_with_preview_history_and_undo(
    store: Store, make_dicom: MakeDicom, web: Api
) -> None:
    slices = study_of(make_dicom, 1, 1)
    store(*slices)
    client = web.as_role("technologist")
    wish = {
        "kind": "edit", "study_instance_uid": slices[0].StudyInstanceUID,
        "series_instance_uids": [slices[0].SeriesInstanceUID], "attributes": {"Laterality": "L"},
    }  # fmt: skip
    seen = client.post("/api/archive/corrections/preview", json=wish)
    assert seen.json() == [{"field": "Laterality", "scope": "series 1", "before": "", "after": "L"}], (
        seen.text
    )
    assert client.get("/api/archive/corrections").json()["items"] == []
    made = client.post("/api/archive/corrections", json={**wish, "reason": "wrong side"})
    assert made.status_code == 201, made.text
    (one,) = client.get("/api/archive/corrections").json()["items"]
    assert (one["reason"], one["patient_name"], one["undone_at"]) == ("wrong side", "Doe^Jane", None)
    pk = made.json()["correction_pk"]
    assert client.post(f"/api/archive/corrections/{pk}/undo", json={"reason": "was right"}).status_code == 200
    assert client.post(f"/api/archive/corrections/{pk}/undo", json={"reason": "x"}).status_code == 409
    wrong = client.post(
        "/api/archive/corrections", json={**wish, "attributes": {"Laterality": "UP"}, "reason": "x"}
    )
    assert wrong.status_code == 422
    assert [one["field"] for one in wrong.json()["errors"]] == ["Laterality"]


@pytest.mark.parametrize("seed", range(6))
def test_any_acts_taken_back_last_first_give_every_state_again(
    archive: Archive, store: Store, make_dicom: MakeDicom, seed: int
) -> None:
    chance = random.Random(seed)
    for number in range(3):
        store(*study_of(make_dicom, 2, 1, PatientID=f"P{number}", AccessionNumber=f"A{number}"))

    def state() -> tuple[Any, ...]:
        """All that is to be seen: the index as it is found, and every byte that leaves."""
        with archive.offices.work(SYSTEM) as work:
            studies = find(work, Level.STUDY, {}).items
            series = find(work, Level.SERIES, {}).items
        uids = [one["0020000D"]["Value"][0] for one in studies]
        order = sorted(str(one) for one in studies), sorted(str(one) for one in series)
        return *order, [sorted(leaving(archive, study_instance_uids=uid).items()) for uid in sorted(uids)]

    def seen_series() -> dict[str, list[str]]:
        with archive.offices.work(SYSTEM) as work:
            found: dict[str, list[str]] = {}
            for one in find(work, Level.SERIES, {}).items:
                found.setdefault(one["0020000D"]["Value"][0], []).append(one["0020000E"]["Value"][0])
            return found

    done: list[tuple[int, tuple[Any, ...]]] = []
    for turn in range(9):
        places = seen_series()
        study = chance.choice(sorted(places))
        others = sorted(set(places) - {study})
        series = tuple(chance.sample(sorted(places[study]), chance.randint(1, len(places[study]))))
        wish: dict[str, Any] = {"kind": chance.choice(["edit", "edit", "move", "merge", "split"])}
        if wish["kind"] == "edit" and chance.random() < 0.5:
            wish |= {"series_instance_uids": series, "attributes": {"SeriesDescription": f"turn {turn}"}}
        elif wish["kind"] == "edit":
            wish["attributes"] = {"AccessionNumber": f"T{turn}", "PatientID": f"X{turn}"}
        elif wish["kind"] == "split":
            wish |= {"series_instance_uids": series, "attributes": {"StudyDescription": f"split {turn}"}}
        elif not others:
            continue
        else:
            wish["target_study_instance_uid"] = chance.choice(others)
            if wish["kind"] == "move":
                wish["series_instance_uids"] = series
        if wish["kind"] in ("move", "split") and chance.random() < 0.5:
            with archive.offices.work(SYSTEM) as work:
                found = find(work, Level.IMAGE, {"StudyInstanceUID": study}).items
            images = sorted(one["00080018"]["Value"][0] for one in found)
            wish["sop_instance_uids"] = chance.sample(images, chance.randint(1, len(images)))
            wish["series_instance_uids"] = ()
        before = state()
        try:
            done.append((do(archive, study_instance_uid=study, **wish), before))
        except Conflict:
            assert state() == before
    assert len(done) >= 3
    for correction_pk, before in reversed(done):
        take_back(archive, correction_pk)
        assert state() == before
