"""STOW-RS: Part 10 objects, and objects put together of metadata and bulk data, as senders write and miswrite them."""

from __future__ import annotations

import io
import json
import socket
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import generate_uid

from archive_fixtures import file_bytes, package_file
from dicomweb_fixtures import Client, path_of, read
from wetread.archive.service import Archive
from wetread.dicomweb.nativexml import to_xml

JSON = "application/dicom+json"
XML = "application/dicom+xml"
OCTETS = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'


def multipart(*parts: tuple[str, str, bytes]) -> bytes:
    """(content type, location, content) as a body with the boundary `xyz`."""
    out = b""
    for kind, location, content in parts:
        where = f"Content-Location: {location}\r\n" if location else ""
        out += f"--xyz\r\nContent-Type: {kind}\r\n{where}\r\n".encode() + content + b"\r\n"
    return out + b"--xyz--"


def post(
    sender: Client, media_type: str, *parts: tuple[str, str, bytes], study: str = "", **headers: str
) -> Any:
    kind = f'multipart/related; type="{media_type}"; boundary=xyz'
    return sender.ask("POST", f"/studies{study}", multipart(*parts), Content_Type=kind, **headers)


def model(ds: pydicom.Dataset, threshold: int = 1024) -> tuple[dict[str, Any], dict[str, bytes]]:
    """pydicom's JSON model of an object, with long values as bulk data."""
    bulk: dict[str, bytes] = {}

    def handler(element: pydicom.DataElement) -> str:
        uri = f"bulk/{len(bulk)}"
        bulk[uri] = element.value
        return uri

    return json.loads(ds.to_json(threshold, handler)), bulk


@pytest.mark.parametrize("media_type", [JSON, XML])
def test_metadata_and_bulk_data_make_the_object(
    sender: Client, reader: Client, make_dicom: Any, media_type: str
) -> None:
    ds = make_dicom(
        PatientName="Müller^Jürg=山田^太郎", ImageComments="a <b> & c", PixelSpacing=[0.123456789012, 1],
        RequestAttributesSequence=[pydicom.Dataset()],
    )  # fmt: skip
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.RequestAttributesSequence[0].RequestedProcedureID = "RP 1"
    ds.RequestAttributesSequence[0].RequestedProcedureDescription = "Schädel"
    document, bulk = model(ds)
    metadata = to_xml(document) if media_type == XML else json.dumps([document]).encode()
    parts = [(media_type, "", metadata)]
    parts += [("application/octet-stream", uri, content) for uri, content in bulk.items()]
    answer = post(sender, media_type, *parts)
    assert answer.status == 200, answer.body
    stored = read(reader.get(path_of(ds), Accept="application/dicom").body)
    stored.decode()
    for element in ds:
        if element.keyword != "PixelSpacing":
            assert stored[element.tag].value == element.value, element.keyword
    assert stored.PixelSpacing == [float(f"{value:.14f}") for value in ds.PixelSpacing]
    assert (stored.PixelData, stored.file_meta.TransferSyntaxUID) == (ds.PixelData, "1.2.840.10008.1.2.1")
    assert stored.RequestAttributesSequence[0].RequestedProcedureDescription == "Schädel"


def test_several_objects_in_one_upload_and_one_that_lacks_its_pixels(
    sender: Client, reader: Client, make_dicom: Any
) -> None:
    study = generate_uid()
    objects = [make_dicom(StudyInstanceUID=study) for _ in range(3)]
    documents, parts = [], []
    for number, ds in enumerate(objects):
        document, bulk = model(ds)
        document["7FE00010"]["BulkDataURI"] = f"https://elsewhere.example/{number}/pixels"
        documents.append(document)
        if number != 1:
            (content,) = bulk.values()
            parts.append(("application/octet-stream", f"{number}/pixels", content))
    answer = post(sender, JSON, (JSON, "", json.dumps(documents).encode()), *parts)
    assert answer.status == 202
    (failed,) = answer.json()["00081198"]["Value"]
    assert failed["00081155"]["Value"] == [objects[1].SOPInstanceUID]
    assert failed["00081197"]["Value"] == [0xC000]
    assert len(answer.json()["00081199"]["Value"]) == 2
    assert answer.json()["00081190"]["Value"][0].endswith(f"/studies/{study}")
    assert (
        read(reader.get(path_of(objects[2]), Accept="application/dicom").body).PixelData
        == objects[2].PixelData
    )


def test_a_photograph_becomes_an_object(sender: Client, reader: Client, make_dicom: Any) -> None:
    picture = Image.effect_noise((120, 90), 40).convert("RGB")
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    ds = make_dicom(SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.4", PixelData=None)
    for name in ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
                 "SamplesPerPixel", "PhotometricInterpretation"):  # fmt: skip
        delattr(ds, name)
    document, _ = model(ds)
    document["7FE00010"] = {"vr": "OB", "BulkDataURI": "photo"}
    answer = post(
        sender, JSON, (JSON, "", json.dumps([document]).encode()), ("image/jpeg", "photo", out.getvalue())
    )
    assert answer.status == 200, answer.body
    stored = read(reader.get(path_of(ds), Accept="application/dicom").body)
    assert stored.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.50"
    assert (stored.Rows, stored.Columns, stored.SamplesPerPixel, stored.BitsStored) == (90, 120, 3, 8)
    ((kind, frame),) = reader.get(path_of(ds) + "/frames/1", Accept=OCTETS).parts()
    assert (kind, frame.rstrip(b"\0")) == (
        "image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50",
        out.getvalue(),
    )
    drawn = reader.get(path_of(ds) + "/rendered", Accept="image/png")
    with Image.open(io.BytesIO(drawn.body)) as image:
        difference = np.abs(np.asarray(image, np.int16) - np.asarray(Image.open(out), np.int16))
    assert difference.max() <= 4


def test_compressed_frames_each_in_a_part(sender: Client, reader: Client, make_dicom: Any) -> None:
    frames = np.random.default_rng(3).integers(0, 4000, (3, 64, 64), dtype=np.uint16)
    streams = [bytes(imagecodecs.jpegls_encode(frame)) for frame in frames]
    ds = make_dicom(SOPClassUID="1.2.840.10008.5.1.4.1.1.7.3", Rows=64, Columns=64, PixelRepresentation=0)
    document, _ = model(ds)
    document["7FE00010"] = {"vr": "OW", "BulkDataURI": "f"}
    answer = post(
        sender,
        JSON,
        (JSON, "", json.dumps([document]).encode()),
        *(("image/jls", "f", one) for one in streams),
    )
    assert answer.status == 200, answer.body
    for number, frame in enumerate(frames, 1):
        plain = reader.get(f"{path_of(ds)}/frames/{number}", Accept="application/octet-stream")
        assert np.array_equal(np.frombuffer(plain.body, np.uint16).reshape(64, 64), frame)


def test_an_encapsulated_document_goes_in_and_out(sender: Client, reader: Client, make_dicom: Any) -> None:
    document_bytes = b"%PDF-1.7\n" + bytes(range(256)) * 9 + b"\n%%EOF"
    ds = make_dicom(SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1", Modality="DOC", PixelData=None)
    document, _ = model(ds)
    document["00420011"] = {"vr": "OB", "BulkDataURI": "the.pdf"}
    document["00420012"] = {"vr": "LO", "Value": ["application/pdf"]}
    document["00420015"] = {"vr": "UL", "Value": [len(document_bytes)]}
    answer = post(
        sender,
        JSON,
        (JSON, "", json.dumps([document]).encode()),
        ("application/pdf", "the.pdf", document_bytes),
    )
    assert answer.status == 200, answer.body
    (metadata,) = reader.get(path_of(ds) + "/metadata").json()
    uri = metadata["00420011"]["BulkDataURI"].removeprefix("/dicom-web")
    found = reader.get(uri, Accept="application/pdf")
    assert (found.headers["content-type"], found.body.rstrip(b"\0")) == ("application/pdf", document_bytes)
    part = reader.get(uri, Accept="application/pdf", Range="bytes=9-264")
    assert (part.status, part.body) == (206, bytes(range(256)))
    assert part.headers["content-range"].startswith("bytes 9-264/")
    beyond = reader.get(uri, Accept="application/pdf", Range="bytes=99999-")
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{len(found.body)}")


@pytest.mark.parametrize(
    ("metadata", "media_type"),
    [
        (b"{", JSON),
        (b"[1]", JSON),
        (b"<a/>", XML),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><NativeDicomModel>&b;</NativeDicomModel>", XML),
        (b"<NativeDicomModel><DicomAttribute tag='x' vr='UI'/></NativeDicomModel>", XML),
    ],
)
def test_metadata_that_are_none_are_400(sender: Client, metadata: bytes, media_type: str) -> None:
    assert post(sender, media_type, (media_type, "", metadata)).status == 400


@pytest.mark.parametrize(
    "element",
    [
        {"00280010": {"vr": "US", "Value": ["many"]}},
        {"00280010": {"vr": "US", "Value": [70000]}},
        {"00280010": {"vr": "ZZ", "Value": [1]}},
        {"0028001": {"vr": "US", "Value": [1]}},
        {"00280010": [1]},
        {"00280010": {"vr": "US", "Value": "12"}},
        {"00282000": {"vr": "OB", "InlineBinary": "***"}},
        {"00081140": {"vr": "SQ", "Value": ["x"]}},
    ],
)
def test_a_value_that_is_none_fails_its_object_alone(
    sender: Client, make_dicom: Any, element: dict[str, Any]
) -> None:
    good, bad = make_dicom(PixelData=None), make_dicom(PixelData=None)
    documents = [model(good)[0], model(bad)[0] | element]
    answer = post(sender, JSON, (JSON, "", json.dumps(documents).encode()))
    assert answer.status == 202
    (failed,) = answer.json()["00081198"]["Value"]
    assert failed["00081155"]["Value"] == [bad.SOPInstanceUID]


def test_the_answer_comes_in_the_form_that_is_asked_for(sender: Client, make_dicom: Any) -> None:
    ds = make_dicom()
    answer = sender.ask(
        "POST", "/studies", file_bytes(ds), Content_Type="application/dicom", Accept="application/dicom+xml"
    )
    assert (answer.status, answer.headers["content-type"]) == (200, "application/dicom+xml")
    assert f'<Value number="1">{ds.SOPInstanceUID}</Value>'.encode() in answer.body
    refused = sender.ask(
        "POST", "/studies", file_bytes(make_dicom()), Content_Type="application/dicom", Accept="text/html"
    )
    assert refused.status == 406


def test_an_object_without_a_name_is_told_of_among_the_others(sender: Client) -> None:
    answer = sender.stow(b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100")
    assert answer.status == 409
    assert "00081198" not in answer.json()
    assert len(answer.json()["0008119A"]["Value"]) == 1


@pytest.mark.parametrize(
    ("kind", "before", "delimiter", "after"),
    [
        ('multipart/related; type="application/dicom"; boundary="x y:z=?"', b"", b"x y:z=?", b""),
        ("multipart/related;boundary=xyz;type=application/dicom", b"", b"xyz", b"\r\n\r\nepilogue"),
        ("Multipart/Related; Boundary=xyz", b"a preamble\r\nof two lines\r\n", b"xyz", b"\r\n"),
        ("multipart/related; type=application/dicom; boundary=xyz; start=1", b"\r\n", b"xyz", b""),
        ('multipart/related; type="application/dicom"; boundary=----=_Part_1', b"", b"----=_Part_1", b""),
    ],
)  # fmt: skip
def test_bodies_as_senders_write_them(
    sender: Client, make_dicom: Any, kind: str, before: bytes, delimiter: bytes, after: bytes
) -> None:
    files = [file_bytes(make_dicom()) for _ in range(2)]
    body = before
    for content, head in zip(files, (b"Content-Type: application/dicom\r\n", b""), strict=True):
        body += b"--" + delimiter + b" \t\r\n" + head + b"\r\n" + content + b"\r\n"
    answer = sender.ask("POST", "/studies", body + b"--" + delimiter + b"--" + after, Content_Type=kind)
    assert answer.status == 200, answer.body
    assert len(answer.json()["00081199"]["Value"]) == 2


def test_what_came_before_a_cut_is_kept_and_the_rest_is_told(
    sender: Client, reader: Client, make_dicom: Any
) -> None:
    first, second = make_dicom(), make_dicom()
    part = b"--xyz\r\nContent-Type: application/dicom\r\n\r\n"
    body = part + file_bytes(first) + b"\r\n" + part + file_bytes(second)[:9000]
    kind = 'multipart/related; type="application/dicom"; boundary=xyz'
    answer = sender.ask("POST", "/studies", body, Content_Type=kind)
    assert (answer.status, "warning" in answer.headers) == (202, True)
    assert [one["00081155"]["Value"][0] for one in answer.json()["00081199"]["Value"]] == [
        first.SOPInstanceUID
    ]
    assert reader.get(path_of(first) + "/metadata").status == 200
    assert reader.get(path_of(second) + "/metadata").status == 404


def test_a_body_shorter_than_announced_leaves_nothing_half_done(
    web: Any, port: int, archive: Archive, reader: Client, make_dicom: Any
) -> None:
    ds = make_dicom()
    token = str(web.as_role("technologist").headers["Authorization"])
    head = (
        f"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Type: application/dicom\r\n"
        "Content-Length: 9999999\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(head.encode() + file_bytes(ds)[:20000])
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(20)
        assert b" 200 " not in connection.recv(4096)
    assert reader.get(path_of(ds) + "/metadata").status == 404
    assert sender_of(web, port).stow(file_bytes(ds)).status == 200
    with archive.offices.database.transaction() as session:
        from sqlalchemy import text

        assert session.scalar(text("SELECT count(*) FROM quarantine")) == 0


def sender_of(web: Any, port: int) -> Client:
    return Client(port, str(web.as_role("technologist").headers["Authorization"]))


def test_a_packaged_photograph_like_object_by_its_own_metadata(sender: Client, reader: Client) -> None:
    """A compressed colour object taken apart and sent in pieces is the same picture afterwards."""
    ds = pydicom.dcmread(package_file("SC_rgb_jpeg_dcmtk.dcm"))
    document, _ = model(ds)
    (stream,) = pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=1)
    document["7FE00010"] = {"vr": "OB", "BulkDataURI": "p"}
    kind = f"image/jpeg; transfer-syntax={ds.file_meta.TransferSyntaxUID}"
    answer = post(sender, JSON, (JSON, "", json.dumps([document]).encode()), (kind, "p", stream))
    assert answer.status == 200, answer.body
    stored = read(reader.get(path_of(ds), Accept="application/dicom").body)
    assert np.array_equal(stored.pixel_array, ds.pixel_array)
