"""Objects of other programs: documents, reports and films beside the pictures of a study."""

from __future__ import annotations

import base64
import lzma
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

import viewer_pictures as pictures


def item(**attributes: Any) -> Dataset:
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def code(value: str, scheme: str, meaning: str) -> list[Dataset]:
    return [item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)]


def beside(store: Any, image: Dataset, ds: Dataset) -> None:
    """Files an object of another program into the study of an image."""
    for keyword in ("StudyInstanceUID", "PatientName", "PatientID", "IssuerOfPatientID", "AccessionNumber"):
        setattr(ds, keyword, getattr(image, keyword))
    ds.PatientBirthDate, ds.PatientSex = "", ""
    ds.SeriesInstanceUID, ds.SOPInstanceUID = generate_uid(), generate_uid()
    ds.SeriesNumber, ds.InstanceNumber, ds.Manufacturer = ds.get("SeriesNumber", 90), 1, "Another"
    ds.SpecificCharacterSet = "ISO_IR 192"
    syntax = ds.file_meta.TransferSyntaxUID if hasattr(ds, "file_meta") else ExplicitVRLittleEndian
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    [result] = store(pictures.as_file(ds), as_files=True)
    assert result.status == 0, result


def reference(image: Dataset) -> Dataset:
    return item(ReferencedSOPClassUID=image.SOPClassUID, ReferencedSOPInstanceUID=image.SOPInstanceUID)


def content(relationship: str, kind: str, name: tuple[str, str, str] | None, **attributes: Any) -> Dataset:
    ds = item(RelationshipType=relationship, ValueType=kind, **attributes)
    if name:
        ds.ConceptNameCodeSequence = code(*name)
    return ds


def number(name: tuple[str, str, str], value: str, unit: tuple[str, str, str], *below: Dataset) -> Dataset:
    measured = item(NumericValue=value, MeasurementUnitsCodeSequence=code(*unit))
    ds = content("CONTAINS", "NUM", name, MeasuredValueSequence=[measured])
    if below:
        ds.ContentSequence = list(below)
    return ds


def document(kind: str, title: str, data: bytes, media_type: str, **attributes: Any) -> Dataset:
    """An encapsulated document (PS3.3 A.45), `kind` the end of its SOP class."""
    return item(
        SOPClassUID=f"1.2.840.10008.5.1.4.1.1.104.{kind}", Modality="DOC", ConversionType="WSD",
        ContentDate="20261120", ContentTime="101500", BurnedInAnnotation="YES", DocumentTitle=title,
        MIMETypeOfEncapsulatedDocument=media_type, EncapsulatedDocumentLength=len(data),
        EncapsulatedDocument=data + b"\0" * (len(data) % 2), **attributes,
    )  # fmt: skip


def pdf(*pages: str, on_first: bytes = b"") -> bytes:
    """A PDF with a line of words on each page, in a font that it does not hold; `日` words by a table that it does not hold.
    `on_first`: annotations of the first page; the pages are the objects 3, 5, 7 …"""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    fonts = (
        b"<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >> "
        b"/F2 << /Type /Font /Subtype /Type0 /BaseFont /Ryumin-Light /Encoding /90ms-RKSJ-H /DescendantFonts [ "
        b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /Ryumin-Light /CIDSystemInfo "
        b"<< /Registry (Adobe) /Ordering (Japan1) /Supplement 2 >> /FontDescriptor << /Type /FontDescriptor "
        b"/FontName /Ryumin-Light /Flags 4 /FontBBox [0 -200 1000 900] /ItalicAngle 0 /Ascent 900 /Descent -200 "
        b"/CapHeight 700 /StemV 80 >> >> ] >> >> >>"
    )
    kids = []
    for words in pages:
        wide = any(ord(letter) > 255 for letter in words)
        shown = words.encode("cp932" if wide else "cp1252")
        stream = b"BT /%s 24 Tf 72 700 Td <%s> Tj ET 0 0 1 rg 72 300 200 100 re f" % (
            b"F2" if wide else b"F1",
            shown.hex().encode(),
        )
        page = len(objects) + 1
        kids.append(b"%d 0 R" % page)
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources %s /Contents %d 0 R /Annots [ %s ] >>"
            % (fonts, page + 1, on_first if page == 3 else b"")
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
    objects[1] = b"<< /Type /Pages /Kids [ %s ] /Count %d >>" % (b" ".join(kids), len(kids))
    out, offsets = b"%PDF-1.7\n", []
    for number, one in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    return out + b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        size, table, size, len(out),
    )  # fmt: skip


# Made by a browser's encoder: 25 pictures at 10 a second, 64 by 48, of which picture n is grey of 16 + 8 n all over.
_FILM = (
    "/Td6WFoAAAFpIt42AgAhARwAAAAQz1jM4Al5AjxdAABoBmynEMeQDAjfHPyt7pNpNBERVHhg9KmTEJDILQzLEcqLcPCTCsox2CobXMOS"
    "wpwLDvAfmkR33mf0s4nhiAt5b9c2dybLQ6fO3O3+IqM+NNYMe2Az65YMGqTPzj3rAPVa9kzV/UObBebAMjUqyjJLk141nJ5eNUSJ3bVb"
    "mnly6SGOeWJoAXQMF6/XLIs1Vg20osVXFQ+SEE6qEOj029q057KMZn1NssNInIbvzk+c6bZImaUrrD8aikqcDb1sWjato288+J1KXrRL"
    "oryUCADsN+vGxEHPvpxsWhyhhGM2DfLKrpFiGmvFW858kxgagcw9dL1sxLbEdKX/2OXumD2hZdsprWf7VqIRu2/6kLSgSiiFUWpY6Zkk"
    "AWlmGGYTXzDuDeUy5G/820+wvYTd+OFEzqhVwzgVhynPIMUBj5xhTmxJ9QblyuuKBCjCpmcwNPyh6Aj9v9Rbb3gklT7FSxipwwmemHNA"
    "DzcEV1++fUHPicbquCd69j1l80tkiusovGQ7e5ar4T+nBTCcD7PPXrJ31rbEKh/Wl0YT/RKwB0QB2v08mPHvj4f2+f/8QtxszLvGvE3W"
    "a7cmkUAdvAzPS+cnro2Eyt/3pw19zP0rv0bWWapv2BsR5N1laVD4wulnFXLgmVFabj51DQQKK6zMQUOJf56EoFokUC1/HxzPRzilObW8"
    "mU1VAGtBnXMV6zMWu0ZYjtrJfxeAnDqtj6Yh2EzgDDcVVErinfFQygYfJs0+mUK8RDG191O8xwt4ALiVoVYAAdQE+hIAAPmtA0k+MA2L"
    "AgAAAAABWVo="
)
FRAMES, RATE = 25, 10


def film(**attributes: Any) -> Dataset:
    """H.264 in MP4, as an endoscope files it: its stream is `stream()`."""
    told: dict[str, Any] = {
        "SeriesDescription": "Bronchoscopy",
        "LossyImageCompression": "01",
        "CineRate": RATE,
    }
    ds = item(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.1.1", Modality="ES", NumberOfFrames=FRAMES, Rows=48, Columns=64,
        SamplesPerPixel=3, PhotometricInterpretation="YBR_PARTIAL_420", PlanarConfiguration=0, BitsAllocated=8,
        BitsStored=8, HighBit=7, PixelRepresentation=0, **{**told, **attributes},
    )  # fmt: skip
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"
    ds.PixelData = encapsulate([stream()], has_bot=False)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return ds


def stream() -> bytes:
    return lzma.decompress(base64.b64decode(_FILM))


def level(picture: int) -> int:
    """How bright a picture of the film is, from 0."""
    return 16 + 8 * picture
