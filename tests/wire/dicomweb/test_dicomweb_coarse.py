"""Coarse pictures of many frames at once, and the rest of each by its range, joined without loss."""

from __future__ import annotations

import base64
import re
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from sqlalchemy import select

from archive_fixtures import Store
from common import Api
from dicomweb_fixtures import Answer, Client, path_of
from wetread.archive import jobs
from wetread.archive.model import Study
from wetread.archive.service import Archive
from wetread.security.service import Actor

RPCL = "image/jphc; transfer-syntax=1.2.840.10008.1.2.4.202"


@pytest.fixture
def slices(archive: Archive, make_dicom: Any, store: Store) -> list[pydicom.Dataset]:
    """Two slices with renditions, and one that is too small for one."""
    y, x = np.mgrid[:256, :320]
    first = make_dicom()
    made = [first]
    for number in (2, 3):
        pixels = (900 * np.sin(x / (9 + number)) * np.cos(y / 7)).astype("<i2")
        made.append(
            make_dicom(
                Rows=256, Columns=320, PixelData=pixels.tobytes(), PixelRepresentation=1, InstanceNumber=number,
                StudyInstanceUID=first.StudyInstanceUID, SeriesInstanceUID=first.SeriesInstanceUID,
                ImageOrientationPatient=["1", "0", "0", "0", "1", "0"], ImagePositionPatient=["0", "0", str(number)],
            )
        )  # fmt: skip
    made[0].PixelData, made[0].Rows, made[0].Columns = b"\0" * 2048, 32, 32
    store(*made)
    with archive.offices.work(Actor.system("worker")) as work:
        jobs.prepare_study(work, work.session.scalars(select(Study.study_pk)).one())
    archive.retrieval.forget()
    return made


def pk_of_study(archive: Archive) -> int:
    with archive.offices.database.raw() as connection:
        [[study_pk]] = connection.execute("SELECT study_pk FROM study").fetchall()
    return int(study_pk)


def coarse(reader: Client, slices: list[pydicom.Dataset], query: str = "") -> Answer:
    series = f"/studies/{slices[0].StudyInstanceUID}/series/{slices[0].SeriesInstanceUID}"
    names = "&".join(f"frame={ds.SOPInstanceUID}/1" for ds in slices)
    return reader.get(f"{series}/coarse?{names}{query}")


def test_beginnings_come_at_once_and_the_rest_by_range(reader: Client, slices: list[pydicom.Dataset]) -> None:
    answer = coarse(reader, slices, "&halvings=1")
    parts = answer.parts()
    assert len(parts) == 2  # the small one has no rendition
    for ds, (head, content) in zip(slices[1:], parts, strict=True):
        path = path_of(ds) + "/frames/1"
        pixels = ds.pixel_array
        said = dict(line.split(": ", 1) for line in f"Content-Type: {head}".split("\r\n"))
        assert said["Content-Type"] == RPCL
        assert said["Content-Location"] == f"/dicom-web{path}"
        whole = reader.get(path, Accept=RPCL)
        assert said["Content-Range"] == f"bytes 0-{len(content) - 1}/{len(whole.body)}"
        assert len(content) < len(whole.body) / 2
        small = imagecodecs.htj2k_decode(content, skipres=1)
        assert np.array_equal(small, imagecodecs.htj2k_decode(whole.body, skipres=1))
        # The smaller picture's pixels lie where every second one of the large lay.
        assert np.abs(small.astype(int) - pixels[::2, ::2]).mean() < 12
        rest = reader.get(path, Accept=RPCL, Range=f"bytes={len(content)}-", If_Range=said["ETag"])
        assert rest.status == 206
        assert (
            rest.headers["content-range"] == f"bytes {len(content)}-{len(whole.body) - 1}/{len(whole.body)}"
        )
        assert rest.headers["etag"] == whole.headers["etag"] == said["ETag"]
        assert np.array_equal(imagecodecs.htj2k_decode(content + rest.body), pixels)


def test_edges_of_ranges(reader: Client, slices: list[pydicom.Dataset]) -> None:
    path = path_of(slices[1]) + "/frames/1"
    whole = reader.get(path, Accept=RPCL)
    size, etag = len(whole.body), whole.headers["etag"]
    assert re.fullmatch(r'"[\x21\x23-\x7e]+"', etag)

    def asked(of: str, **headers: str) -> tuple[int, bytes]:
        answer = reader.get(path, Accept=RPCL, Range=of, **headers)
        return answer.status, answer.body

    assert asked("bytes=-7") == (206, whole.body[-7:])
    assert asked(f"bytes=-{size + 5}") == (206, whole.body)
    assert asked(f"bytes=10-{size + 99}") == (206, whole.body[10:])
    assert asked("bytes=10-10", If_Range=etag) == (206, whole.body[10:11])
    beyond = reader.get(path, Accept=RPCL, Range=f"bytes={size}-", If_Range=etag)
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    assert asked("bytes=-0")[0] == 416
    # Who has a part of something else gets all of this, even of a range that lies outside.
    for other in ('"gone"', f"W/{etag}", "Thu, 26 Nov 2026 10:00:00 GMT"):
        assert asked("bytes=10-", If_Range=other) == (200, whole.body), other
        assert asked(f"bytes={size}-", If_Range=other) == (200, whole.body)
    # Plain pixels are other bytes than the rendition's.
    plain = reader.get(path, Accept="application/octet-stream", Range="bytes=10-", If_Range=etag)
    assert (plain.status, plain.body) == (200, slices[1].PixelData)


def test_what_is_asked_wrongly(reader: Client, slices: list[pydicom.Dataset]) -> None:
    series = f"/studies/{slices[0].StudyInstanceUID}/series/{slices[0].SeriesInstanceUID}"
    name = f"frame={slices[1].SOPInstanceUID}/1"
    for query, status in (
        ("", 400), ("?frame=1.2.3", 400), ("?frame=x/1", 400), (f"?{name}&halvings=0", 400), ("?frame=1.2.3/1", 404),
        (f"?frame={slices[1].SOPInstanceUID}/2", 404), ("?" + "&".join([name] * 65), 400), (f"?{name}&halvings=9", 200),
    ):  # fmt: skip
        assert reader.get(f"{series}/coarse{query}").status == status, query
    assert reader.get(f"{series}/coarse?{name}", Accept="image/png").status == 406
    assert reader.get(f"/studies/1.2.3/series/4.5.6/coarse?{name}").status == 404


def test_a_study_is_opened_by_one_answer(
    reader: Client, slices: list[pydicom.Dataset], make_dicom: Any, store: Store, archive: Archive
) -> None:
    study_pk = pk_of_study(archive)
    base = f"/studies/{slices[0].StudyInstanceUID}/series"
    (series,) = reader.get(base).json()
    metadata = reader.get(f"{base}/{slices[0].SeriesInstanceUID}/metadata").json()
    head, content = coarse(reader, slices[1:2], "&halvings=1").parts()[0]
    said = dict(line.split(": ", 1) for line in f"Content-Type: {head}".split("\r\n"))
    opening = reader.get(f"/openings/{study_pk}").json()
    assert opening["study_instance_uid"] == slices[0].StudyInstanceUID
    assert opening["series"] == [series]
    assert opening["metadata"] == {slices[0].SeriesInstanceUID: metadata}
    beginning = opening["beginning"]
    # The middle of the slices, in the same words as where it is asked for.
    assert base64.b64decode(beginning["content"]) == content
    assert beginning["location"] == said["Content-Location"]
    assert (beginning["etag"], beginning["content_type"]) == (said["ETag"], said["Content-Type"])
    assert f"bytes 0-{len(content) - 1}/{beginning['total']}" == said["Content-Range"]
    assert beginning["halvings"] == 1

    # What would have to be made first is not waited for.
    store(make_dicom(StudyInstanceUID=slices[0].StudyInstanceUID, SeriesInstanceUID="1.2.3", SeriesNumber=0))
    opening = reader.get(f"/openings/{study_pk}").json()
    assert len(opening["series"]) == 2
    assert (opening["metadata"], opening["beginning"]) == ({}, None)
    assert reader.get(f"/openings/{study_pk + 1}").status == 404
    assert reader.get("/openings/x").status == 400


def test_a_study_is_opened_by_nobody_else(
    web: Api, reader: Client, slices: list[pydicom.Dataset], port: int, archive: Archive
) -> None:
    study_pk = pk_of_study(archive)
    for role, status in (("referrer", 404), ("front_desk", 403)):
        other = Client(port, str(web.as_role(role).headers["Authorization"]))
        assert other.get(f"/openings/{study_pk}").status == status, role
