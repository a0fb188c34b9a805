"""QIDO-RS: searching as worklists, viewers and archives do."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from archive_fixtures import MakeDicom, Store
from dicomweb_fixtures import Answer, Client


def column(answer: Answer, tag: str = "0020000D") -> list[Any]:
    assert answer.status == 200, answer.body
    return [one.get(tag, {}).get("Value", [None])[0] for one in answer.json()]


def request_item(procedure: str, step: str) -> Dataset:
    item = Dataset()
    item.RequestedProcedureID, item.ScheduledProcedureStepID = procedure, step
    return item


def test_studies_are_found_by_what_is_in_them(reader: Client, make_dicom: MakeDicom, store: Store) -> None:
    head, chest = "1.2.1", "1.2.2"
    first = make_dicom(
        StudyInstanceUID=head, SeriesInstanceUID="1.2.1.1", BodyPartExamined="HEAD",
        RequestAttributesSequence=[request_item("RP1", "SPS1")],
    )  # fmt: skip
    second = make_dicom(
        StudyInstanceUID=chest,
        BodyPartExamined="CHEST",
        Modality="PT",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.128",
    )
    store(first, second)
    for query, expected in (
        ("BodyPartExamined=HEAD", [head]), ("BodyPartExamined=*", [chest, head]), ("SeriesInstanceUID=1.2.1.1", [head]),
        (f"SOPInstanceUID={second.SOPInstanceUID}", [chest]), ("RequestAttributesSequence.RequestedProcedureID=RP1", [head]),
        ("00400275.00401001=RP1", [head]), ("00400275.00401001=RP2", []), ("SOPClassUID=1.2.840.10008.5.1.4.1.1.128", [chest]),
        ("BodyPartExamined=HEAD&Modality=PT", []), (f"BodyPartExamined=CHEST&SOPInstanceUID={second.SOPInstanceUID}", [chest]),
        (f"BodyPartExamined=HEAD&SOPInstanceUID={second.SOPInstanceUID}", []),
    ):  # fmt: skip
        answer = reader.get(f"/studies?{query}")
        assert sorted(column(answer), reverse=True) == expected, query
        assert "warning" not in answer.headers, query
    assert column(reader.get(f"/series?SOPInstanceUID={first.SOPInstanceUID}"), "0020000E") == ["1.2.1.1"]
    (series,) = reader.get(f"/studies/{head}/series").json()
    (item,) = series["00400275"]["Value"]
    assert (item["00401001"]["Value"], item["00400009"]["Value"]) == (["RP1"], ["SPS1"])


def test_attributes_beyond_the_index_are_answered(
    reader: Client, make_dicom: MakeDicom, store: Store
) -> None:
    study, series = generate_uid(), generate_uid()
    slices = [
        make_dicom(
            StudyInstanceUID=study, SeriesInstanceUID=series, InstanceNumber=n, ImagePositionPatient=[0, 0, n],
            PatientAge="045Y", OperatorsName="Op^A", FrameOfReferenceUID="1.2.9",
        )
        for n in (1, 2)
    ]  # fmt: skip
    store(*slices)
    path = f"/studies/{study}/series/{series}/instances"
    assert "00200032" not in reader.get(path).json()[0]
    for fields in (
        "ImagePositionPatient",
        "00200032",
        "ImageType,ImagePositionPatient",
        "00200032&includefield=ImageType",
    ):
        found = reader.get(f"{path}?includefield={fields}").json()
        assert [one["00200032"]["Value"][2] for one in found] == [1, 2], fields
        assert "00200037" not in found[0]
    everything = reader.get(f"{path}?includefield=all").json()
    (metadata, _) = reader.get(path.removesuffix("/instances") + "/metadata").json()
    missing = {tag for tag in metadata if tag not in everything[0]}
    assert missing == {"7FE00010"}
    named = reader.get(f"/studies/{study}/series?includefield=OperatorsName&includefield=00200052").json()[0]
    assert named["00081070"]["Value"] == [{"Alphabetic": "Op^A"}]
    assert named["00200052"]["Value"] == ["1.2.9"]
    whole = reader.get(f"/studies/{study}/series?includefield=all").json()[0]
    assert "00081070" in whole
    assert "00200032" not in whole
    assert "00101010" not in reader.get(f"/studies?StudyInstanceUID={study}").json()[0]
    assert column(reader.get(f"/studies?StudyInstanceUID={study}&includefield=PatientAge"), "00101010") == [
        "045Y"
    ]
    # A key without a value asks for the attribute, as in C-FIND.
    assert column(reader.get(f"/studies?StudyInstanceUID={study}&PatientAge="), "00101010") == ["045Y"]
    assert column(reader.get(f"/studies?StudyInstanceUID={study}&includefield=all"), "00101010") == ["045Y"]


def test_what_is_no_attribute_is_400_and_says_which(reader: Client) -> None:
    for query, field in (
        ("Foo=1", "Foo"), ("includefield=Bar", "includefield"), ("FFFFFFF0=1", None), ("00100099=1", "00100099"),
        ("StudyDate=20260230", "StudyDate"), ("StudyDate=2026-01-01-2026-01-02", "StudyDate"), ("StudyTime=25", "StudyTime"),
        ("limit=x", "limit"), ("offset=-1", "offset"), ("limit=1e3", "limit"), ("fuzzymatching=maybe", "fuzzymatching"),
        ("RequestAttributesSequence.Foo=1", "RequestAttributesSequence.Foo"), ("StudyInstanceUID=1.2.x", "StudyInstanceUID"),
        ("includefield=RequestAttributesSequence.Nothing", "includefield"), ("NumberOfStudyRelatedSeries=many", "NumberOfStudyRelatedSeries"),
    ):  # fmt: skip
        answer = reader.get(f"/studies?{query}")
        if field is None:  # a private tag is an attribute that nothing is known of
            assert (answer.status, "FFFFFFF0" in answer.headers["warning"]) == (200, True)
            continue
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, field), query
        assert answer.headers["content-type"] == "application/problem+json"


def test_what_takes_no_part_in_matching_is_warned_of(
    reader: Client, make_dicom: MakeDicom, store: Store
) -> None:
    store(make_dicom())
    for query, named in (
        ("PatientComments=x", "PatientComments"),
        ("00091001=x", "00091001"),
        (
            "ReferencedStudySequence.ReferencedSOPInstanceUID=1.2",
            "ReferencedStudySequence.ReferencedSOPInstanceUID",
        ),
        ("OperatorsName=doe&fuzzymatching=true", "OperatorsName"),
    ):
        answer = reader.get(f"/studies?{query}")
        assert len(answer.json()) == 1
        assert named in answer.headers["warning"], query


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("PatientName=m%C3%BCller&fuzzymatching=true", ["1.1"]),
        ("PatientName=jurg+muller&fuzzymatching=true", ["1.1"]),
        ("PatientName=Muller%5EJurg", ["1.1"]),
        ("PatientName=%E5%B1%B1%E7%94%B0*", ["1.1"]),
        ("PatientName=mull", []),
        ("PatientName=jurg&fuzzymatching=false", []),
        ("StudyDate=20260101-20260131", ["1.1"]),
        ("StudyDate=-20260131", ["1.1"]),
        ("StudyDate=20260201-", ["1.2"]),
        ("StudyDate=20260101-&StudyTime=0900-1000", ["1.2"]),
        ("StudyInstanceUID=1.1%5C1.2", ["1.2", "1.1"]),
        ("StudyInstanceUID=1.1,1.2,1.3&Modality=CT,MR", ["1.2", "1.1"]),
        ("PatientID=A_1", []),
        ("PatientID=A?1", ["1.1"]),
        ("PatientID=A%251", ["1.1"]),
        ("patientid=A%251", None),
    ],
)
def test_values_match_as_c_find_matches(
    reader: Client, make_dicom: MakeDicom, store: Store, query: str, expected: list[str] | None
) -> None:
    first = make_dicom(
        StudyInstanceUID="1.1", PatientID="A%1", StudyDate="20260110", StudyTime="080000",
        PatientName="Müller^Jürg=山田^太郎", SpecificCharacterSet="ISO_IR 192",
    )  # fmt: skip
    store(
        first,
        make_dicom(
            StudyInstanceUID="1.2", PatientID="B", StudyDate="20260210", StudyTime="093000.5", Modality="MR"
        ),
    )
    answer = reader.get(f"/studies?{query}")
    if expected is None:
        assert answer.status == 400  # keywords are spelt as the dictionary spells them
    else:
        assert column(answer) == expected


def test_pages_neither_lose_nor_loop_while_studies_arrive(
    reader: Client, make_dicom: MakeDicom, store: Store
) -> None:
    """Newest first: what arrives pushes the rest towards the end, so that a page may repeat, and never skip."""
    there = [make_dicom(StudyDate="20260301") for _ in range(7)]
    store(*there)
    seen: list[str] = []
    arrivals = 0
    for _ in range(40):
        page = column(reader.get(f"/studies?limit=2&offset={len(seen)}"))
        if not page:
            break
        seen += page
        if arrivals < 5:
            date = "20260401" if arrivals % 2 else "20260301"
            store(make_dicom(StudyDate=date))
            arrivals += 1
    else:
        pytest.fail("the pages never end")
    assert {ds.StudyInstanceUID for ds in there} <= set(seen)
    instances = column(reader.get("/instances?limit=5"), "00080018") + column(
        reader.get("/instances?limit=500&offset=5"), "00080018"
    )
    assert len(instances) == len(set(instances)) == 12
    assert column(reader.get("/studies?limit=0")) == []
    assert column(reader.get("/studies?limit=2&offset=999999999")) == []


def test_more_than_the_most_is_told(
    reader: Client, make_dicom: MakeDicom, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(*(make_dicom() for _ in range(4)))
    monkeypatch.setattr("wetread.kit.limits.PAGE_ITEMS_MAX", 3)
    for query in ("", "limit=100", "limit=3"):
        answer = reader.get(f"/studies?{query}")
        assert len(answer.json()) == 3
        assert answer.headers["warning"].startswith('299 wetread "The number of results exceeded the maximum')
    assert "warning" not in reader.get("/studies?limit=2").headers
    assert "warning" not in reader.get("/studies?offset=1").headers
    monkeypatch.setattr("wetread.kit.limits.QIDO_INCLUDE_SERIES_MAX", 1)
    cut = reader.get("/series?includefield=OperatorsName")
    assert "narrow the search" in cut.headers["warning"]


def test_results_as_xml(reader: Client, make_dicom: MakeDicom, store: Store) -> None:
    ds = make_dicom(PatientName="Doe^Jane^^Dr&=山田^太郎", SpecificCharacterSet="ISO_IR 192")
    store(ds)
    kind = 'multipart/related; type="application/dicom+xml"'
    space = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
    for path in (
        "/studies",
        f"/studies/{ds.StudyInstanceUID}/metadata",
        f"/studies/{ds.StudyInstanceUID}/series",
    ):
        ((content_type, content),) = reader.get(path, Accept=kind).parts()
        assert content_type == "application/dicom+xml"
        root = ET.fromstring(content)
        assert root.tag == space + "NativeDicomModel"
        found = {one.get("tag"): one for one in root.iter(space + "DicomAttribute")}
        assert found["0020000D"].find(space + "Value").text == ds.StudyInstanceUID
        if path == "/studies":
            name = found["00100010"].find(space + "PersonName")
            assert name.find(f"{space}Alphabetic/{space}FamilyName").text == "Doe"
            assert name.find(f"{space}Alphabetic/{space}NamePrefix").text == "Dr&"
            assert name.find(f"{space}Ideographic/{space}GivenName").text == "太郎"
    assert json.loads(reader.get("/studies").body)[0]["00080005"]["Value"] == ["ISO_IR 192"]
