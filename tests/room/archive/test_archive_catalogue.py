"""Finding a study to do something with."""

from __future__ import annotations

import pytest

from archive_fixtures import MakeDicom, Store, study_of
from common import Api


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", ["C3", "B2", "A1"]),
        ("doe", ["A1"]),
        ("DOE^JANE", ["A1"]),
        ("müll", ["B2"]),
        ("P30", ["C3"]),
        ("b2", ["B2"]),
        ("*", []),
        ("Do?", ["A1"]),
        ("%", []),
        ("nobody", []),
    ],
)
def test_studies_are_found_by_how_they_begin(
    store: Store, make_dicom: MakeDicom, web: Api, typed: str, found: list[str]
) -> None:
    for name, patient_id, accession in (
        ("Doe^Jane", "P10", "A1"), ("Müller^Max", "P20", "B2"), ("Roe^Rita", "P30", "C3"),
    ):  # fmt: skip
        (ds,) = study_of(make_dicom, 1, PatientID=patient_id, AccessionNumber=accession)
        ds.SpecificCharacterSet, ds.PatientName = "ISO_IR 100", name
        store(ds, as_files=True)
    answer = web.as_role("technologist").post("/api/archive/studies/find", json={"text": typed})
    assert answer.status_code == 200, answer.text
    assert [one["accession_number"] for one in answer.json()["items"]] == found


def test_pages_follow_each_other(store: Store, make_dicom: MakeDicom, web: Api) -> None:
    for number in range(5):
        store(*study_of(make_dicom, 1, AccessionNumber=f"A{number}"))
    client = web.as_role("technologist")
    seen, cursor = [], None
    while True:
        page = client.post("/api/archive/studies/find", json={"limit": 2, "cursor": cursor}).json()
        seen += [one["accession_number"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["A4", "A3", "A2", "A1", "A0"]
