"""WADO-URI: what older viewers and links in letters ask."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pydicom
import pytest
from PIL import Image

from archive_fixtures import MakeDicom, Store, file_bytes, package_file
from dicomweb_fixtures import Answer, Client, read


def ask(reader: Client, ds: pydicom.Dataset, **parameters: Any) -> Answer:
    named = {
        "requestType": "WADO",
        "studyUID": ds.StudyInstanceUID,
        "seriesUID": ds.SeriesInstanceUID,
        "objectUID": ds.SOPInstanceUID,
    }
    given = {name: value for name, value in (named | parameters).items() if value is not None}
    return reader.get("/wado?" + urlencode(given))


def image_of(answer: Answer) -> Image.Image:
    assert answer.status == 200, answer.body
    return Image.open(io.BytesIO(answer.body))


def test_an_image_and_its_object(reader: Client, make_dicom: MakeDicom, store: Store) -> None:
    ramp = np.tile(np.arange(128, dtype=np.int16) * 10, (128, 1))
    ds = make_dicom(PixelData=ramp.tobytes(), RescaleSlope=1, RescaleIntercept=-500)
    store(ds)
    plain = ask(reader, ds)
    assert plain.headers["content-type"] == "image/jpeg"
    assert image_of(plain).size == (128, 128)
    whole = ask(reader, ds, contentType="application/dicom")
    assert whole.headers["content-type"] == "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    assert read(whole.body) == ds
    assert (
        ask(reader, ds, contentType="application/dicom", transferSyntax="1.2.840.10008.1.2.1").status == 200
    )
    png = ask(reader, ds, contentType="image/png,image/jpeg;q=0.5", windowCenter="0", windowWidth="200")
    row = np.asarray(image_of(png))[0]
    assert (row[0], row[39], row[61]) == (0, 0, 255)
    assert image_of(ask(reader, ds, rows=64)).size == (64, 64)
    assert image_of(ask(reader, ds, rows=300, columns=32)).size == (32, 32)
    cut = image_of(ask(reader, ds, region="0.5,0,1,0.5", contentType="image/png"))
    assert cut.size == (128, 128)
    half = image_of(ask(reader, ds, region="0.5,0,1,0.25", contentType="image/png"))
    assert half.size == (128, 64)
    assert len(ask(reader, ds, imageQuality=5).body) < len(ask(reader, ds, imageQuality=100).body)
    assert ask(reader, ds, annotation="patient,technique").body != plain.body


def test_what_cannot_be_given_is_said(reader: Client, make_dicom: MakeDicom, store: Store) -> None:
    ds = make_dicom()
    store(ds)
    for parameters, field in (
        ({"requestType": None}, "requestType"), ({"requestType": "GET"}, "requestType"), ({"seriesUID": None}, "seriesUID"),
        ({"windowCenter": "1"}, "windowWidth"), ({"windowCenter": "x", "windowWidth": "1"}, "window"),
        ({"region": "0,0,2,1"}, "region"), ({"region": "0,0,1"}, "region"), ({"rows": "0"}, "viewport"),
        ({"frameNumber": "0"}, "frameNumber"), ({"imageQuality": "200"}, "quality"), ({"presentationUID": "1.2"}, "presentationUID"),
        ({"anonymize": "yes"}, "anonymize"), ({"contentType": "application/dicom", "rows": "5"}, "rows"),
        ({"contentType": "image/png", "transferSyntax": "1.2.840.10008.1.2"}, "transferSyntax"),
    ):  # fmt: skip
        answer = ask(reader, ds, **parameters)
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, field), parameters
    assert ask(reader, ds, frameNumber="2").status == 404
    assert ask(reader, ds, objectUID="1.2.3").status == 404
    assert ask(reader, ds, contentType="video/mp4").status == 406
    refused = ask(reader, ds, contentType="application/dicom", transferSyntax="1.2.840.10008.1.2.4.90")
    assert (refused.status, "1.2.840.10008.1.2.1" in refused.json()["detail"]) == (406, True)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SC_rgb_rle_2frame.dcm", "application/dicom; transfer-syntax=1.2.840.10008.1.2.5"),
        ("test-SR.dcm", "text/html; charset=utf-8"),
        ("rtplan.dcm", "application/dicom; transfer-syntax=1.2.840.10008.1.2"),
        ("JPEG2000.dcm", "image/jpeg"),
    ],
)
def test_the_default_goes_by_the_kind_of_object(reader: Client, store: Store, name: str, kind: str) -> None:
    """PS3.18 Table 9.1.2-1: JPEG for single frames, DICOM for several, HTML for texts."""
    data = package_file(name).read_bytes()
    store(data)
    assert ask(reader, pydicom.dcmread(io.BytesIO(data))).headers["content-type"] == kind


def test_a_frame_of_several(reader: Client, store: Store) -> None:
    ds = pydicom.dcmread(package_file("examples_ybr_color.dcm"))
    store(file_bytes(ds))
    frames = ds.pixel_array
    for number in (1, 30):
        drawn = np.asarray(image_of(ask(reader, ds, frameNumber=number, contentType="image/png")), np.int16)
        assert np.abs(drawn - frames[number - 1]).max() <= 3
