"""Which side images show: of enhanced objects by their frames; of those that came before the index kept it, read again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from sqlalchemy import func, select, update

from archive_corrections import SYSTEM, do, take_back
from archive_fixtures import MakeDicom
from wetread.archive.model import HeaderReading, Instance, Study
from wetread.archive.service import Archive, Level, find, sides_of_series
from wetread.archive.sides import read_headers
from wetread.dicom.frames import lateralities

Store = Callable[..., Any]


def showing(*sides: str) -> list[Dataset]:
    """Functional groups whose frames show these sides."""
    groups = []
    for side in sides:
        anatomy, group = Dataset(), Dataset()
        anatomy.FrameLaterality = side
        group.FrameAnatomySequence = [anatomy]
        groups.append(group)
    return groups


def sides(archive: Archive) -> dict[str, tuple[str | None, str | None, set[str]]]:
    """(Image Laterality, Frame Laterality, what its series shows) of each instance."""
    with archive.offices.database.transaction() as session:
        of_series = sides_of_series(session, list(session.scalars(select(Study.study_pk))))
        rows = session.execute(
            select(
                Instance.sop_instance_uid,
                Instance.image_laterality,
                Instance.frame_laterality,
                Instance.series_pk,
            )
        ).all()
        return {uid: (image, frame, of_series.get(series, set())) for uid, image, frame, series in rows}


def test_an_enhanced_object_shows_what_its_frames_say(
    archive: Archive, make_dicom: MakeDicom, store: Store
) -> None:
    cases: list[tuple[list[str], list[str], str | None, set[str]]] = [
        (["L"], [], "L", {"L"}),
        ([], ["L", "R", "L"], "L\\R", {"L", "R"}),
        (["B"], [], "B", {"L", "R"}),
        (["U"], [], "U", set()),
        ([], [], None, {"R"}),  # its series says so
    ]
    expected = {}
    for shared, per_frame, kept, shown in cases:
        ds = make_dicom(
            Laterality="R",
            SharedFunctionalGroupsSequence=showing(*shared),
            PerFrameFunctionalGroupsSequence=showing(*per_frame),
        )
        store(ds)
        expected[ds.SOPInstanceUID] = (None, kept, shown)
        with archive.offices.work(SYSTEM) as work:
            asked = {"SOPInstanceUID": ds.SOPInstanceUID, "ImageLaterality": ""}
            (found,) = find(work, Level.IMAGE, asked).items
        assert not found.get("00200062", {}).get("Value")  # Image Laterality it has none
    assert sides(archive) == expected


@pytest.mark.parametrize(
    "syntax",
    [pydicom.uid.ExplicitVRLittleEndian, pydicom.uid.ImplicitVRLittleEndian, pydicom.uid.ExplicitVRBigEndian],
)
def test_frames_are_found_in_every_encoding(syntax: pydicom.uid.UID) -> None:
    ds = Dataset()
    ds.SharedFunctionalGroupsSequence = showing("R")
    out = pydicom.filebase.DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = syntax.is_little_endian, syntax.is_implicit_VR
    pydicom.filewriter.write_dataset(out, ds)
    content = out.getvalue()
    assert lateralities(content, syntax, None) == {"R"}
    assert lateralities(content, syntax, len(content) - 40) == set()
    assert lateralities(content.replace(b"R ", b"X "), syntax, None) == set()


def test_what_came_before_is_read_again(archive: Archive, make_dicom: MakeDicom, store: Store) -> None:
    plain, right, frames, corrected, blanked, taken_back, later = (
        make_dicom(),
        make_dicom(ImageLaterality="R"),
        make_dicom(SharedFunctionalGroupsSequence=showing("L")),
        make_dicom(ImageLaterality="R"),
        make_dicom(ImageLaterality="R"),
        make_dicom(ImageLaterality="R"),
        make_dicom(ImageLaterality="R"),
    )
    store(plain, right, frames, corrected, blanked, taken_back, later)
    acts = [
        do(
            archive,
            kind="edit",
            study_instance_uid=ds.StudyInstanceUID,
            sop_instance_uid=ds.SOPInstanceUID,
            attributes={"ImageLaterality": side},
        )
        for ds, side in ((corrected, "L"), (blanked, ""), (taken_back, "L"))
    ]
    take_back(archive, acts[-1])
    expected = sides(archive)
    assert [one[:2] for one in expected.values()].count((None, None)) == 2
    with archive.offices.database.transaction() as session:
        pk = select(Instance.instance_pk).where(Instance.sop_instance_uid == later.SOPInstanceUID)
        last = session.scalars(pk).one() - 1
        session.add(HeaderReading(through=0, last_instance_pk=last))
        session.execute(update(Instance).values(image_laterality=None, frame_laterality=None))

    def run() -> int:
        """One run of the job; how many wait after it."""
        with archive.offices.work(SYSTEM) as work:
            read_headers(work)
        with archive.offices.database.transaction() as session:
            return session.scalar(select(func.count()).select_from(HeaderReading)) or 0

    store(*(make_dicom() for _ in range(8)))
    with archive.offices.database.transaction() as session:
        session.execute(update(Instance).values(created_at=func.clock_timestamp() + timedelta(hours=1)))
    assert run() == 1  # objects stream in: they go first
    assert sides(archive)[right.SOPInstanceUID][0] is None
    with archive.offices.database.transaction() as session:
        assert session.scalars(select(HeaderReading.through)).one() == 0
        session.execute(update(Instance).values(created_at=func.clock_timestamp() - timedelta(hours=1)))
    assert run() == 0
    now = sides(archive)
    assert now[later.SOPInstanceUID] == (None, None, set())  # it came after
    for ds in (plain, right, frames, corrected, blanked, taken_back):
        assert now[ds.SOPInstanceUID] == expected[ds.SOPInstanceUID]
    assert run() == 0
