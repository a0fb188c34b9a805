"""PS3.15 annex E: nothing of who the patient is stays, and what must stay together stays together."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from archive_fixtures import dataset_bytes, package_file
from wetread.dicom.deidentify import HeldBack, Options, Pseudonyms, check, deidentify

KEY = Pseudonyms(b"k" * 32)
SECRET = ("Doe", "Jane", "P1", "HOSPITAL", "A1", "19800304", "Berg", "Eastgate", "1.2.3", "private words")


def filled(**fields: Any) -> Dataset:
    ds = pydicom.dcmread(package_file("CT_small.dcm"))
    ds.PatientName, ds.PatientID, ds.IssuerOfPatientID, ds.AccessionNumber = (
        "Doe^Jane",
        "P1",
        "HOSPITAL",
        "A1",
    )
    ds.PatientBirthDate, ds.PatientSex, ds.PatientAge = "19800304", "F", "044Y"
    ds.ReferringPhysicianName, ds.InstitutionName = "Berg^Tom", "Eastgate"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = "1.2.3.1", "1.2.3.2", "1.2.3.3"
    ds.FrameOfReferenceUID = "1.2.3.4"
    ds.StudyDate, ds.SeriesDate, ds.StudyTime = "20240105", "20240107", "101112"
    ds.StudyDescription, ds.PatientComments = "CT of Doe", "Doe fell"
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.5"
    ds.SourceImageSequence = Sequence([item])
    ds.add_new(0x00990010, "LO", "MAKER")
    ds.add_new(0x00991001, "LO", "private words")
    for keyword, value in fields.items():
        setattr(ds, keyword, value)
    return ds


def written(ds: Dataset) -> bytes:
    """The data set but for its pixels."""
    pixels = ds.PixelData
    del ds.PixelData
    raw = dataset_bytes(ds)
    ds.PixelData = pixels
    return raw


def test_nothing_of_the_patient_stays() -> None:
    ds = filled()
    pixels = ds.PixelData
    deidentify(ds, KEY, Options())
    raw = written(ds)
    assert [secret for secret in SECRET if secret.encode() in raw] == []
    assert ds.PixelData == pixels
    assert (ds.PatientIdentityRemoved, ds.PatientBirthDate, ds.AccessionNumber) == ("YES", None, None)
    assert ds.LongitudinalTemporalInformationModified == "REMOVED"
    assert [item.CodeValue for item in ds.DeidentificationMethodCodeSequence] == ["113100"]
    assert "StudyDescription" not in ds
    assert ds.SourceImageSequence[0].ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
    assert (ds.Modality, ds.Rows) == ("CT", 128)


def test_what_newer_editions_say_of_the_patient_goes_too() -> None:
    ds = filled()
    name, identity = Dataset(), Dataset()
    name.NameToUse, identity.GenderIdentityComment = "Doe, Jan", "as Doe said"
    ds.PersonNamesToUseSequence, ds.GenderIdentitySequence = Sequence([name]), Sequence([identity])
    ds.SourceImageSequence[0].add_new(0x00100012, "LT", "Doe")
    ds.add_new(0x0010F0F0, "LO", "Doe, in an attribute of tomorrow")
    deidentify(ds, KEY, Options(retain_patient_characteristics=True))
    raw = written(ds)
    assert [secret for secret in SECRET if secret.encode() in raw] == []
    assert not [tag for tag in (0x00100011, 0x00100041, 0x0010F0F0) if tag in ds]
    assert 0x00100012 not in ds.SourceImageSequence[0]


def test_references_still_meet_and_other_destinations_get_other_names() -> None:
    first, second = filled(), filled(SOPInstanceUID="1.2.3.5")
    elsewhere = filled()
    deidentify(first, KEY, Options())
    deidentify(second, KEY, Options())
    deidentify(elsewhere, Pseudonyms(b"o" * 32), Options())
    assert first.SourceImageSequence[0].ReferencedSOPInstanceUID == second.SOPInstanceUID
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.PatientID == second.PatientID == str(first.PatientName)
    assert elsewhere.PatientID != first.PatientID
    assert elsewhere.StudyInstanceUID != first.StudyInstanceUID
    assert all(
        ds.SOPInstanceUID.startswith("2.25.") and len(ds.SOPInstanceUID) <= 64 for ds in (first, second)
    )


def test_persons_of_the_same_number_at_two_issuers_are_two() -> None:
    assert KEY.patient_id("A", "1") != KEY.patient_id("B", "1")


def test_dates_are_moved_together() -> None:
    ds = filled()
    deidentify(ds, KEY, Options(move_dates=True))
    days = KEY.days("HOSPITAL", "P1")

    def of(text: str) -> date:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))

    assert of(ds.StudyDate) == date(2024, 1, 5) - timedelta(days=days)
    assert of(ds.SeriesDate) - of(ds.StudyDate) == timedelta(days=2)
    assert (ds.StudyTime, ds.PatientBirthDate) == ("101112", None)
    assert ds.LongitudinalTemporalInformationModified == "MODIFIED"


def test_options_keep_what_they_name_and_say_so() -> None:
    ds = filled()
    options = Options(
        retain_full_dates=True,
        retain_uids=True,
        retain_institution_identity=True,
        retain_patient_characteristics=True,
    )
    deidentify(ds, KEY, options)
    assert (ds.StudyDate, ds.StudyInstanceUID, ds.InstitutionName) == ("20240105", "1.2.3.1", "Eastgate")
    assert (ds.PatientSex, ds.PatientAge) == ("F", "044Y")
    codes = {item.CodeValue for item in ds.DeidentificationMethodCodeSequence}
    assert codes == {"113100", "113106", "113108", "113110", "113112"}
    assert ds.PatientID != "P1"
    with pytest.raises(ValueError, match="either kept or moved"):
        Options.of({"retain_full_dates": True, "move_dates": True})
    with pytest.raises(ValueError, match="no such option"):
        Options.of({"keep_names": True})


@pytest.mark.parametrize(
    ("fields", "held"),
    [
        ({}, False),
        ({"BurnedInAnnotation": "YES"}, True),
        ({"Modality": "US", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.1"}, True),
        ({"Modality": "US", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.1", "BurnedInAnnotation": "NO"}, False),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, True),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.4"}, True),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.1.1"}, True),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11"}, True),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1"}, True),
    ],
)
def test_what_may_show_a_name_is_held_back(fields: dict[str, str], held: bool) -> None:
    if held:
        with pytest.raises(HeldBack):
            check(filled(**fields), Options())
    else:
        check(filled(**fields), Options())
    words = fields.get("SOPClassUID", "").startswith(
        ("1.2.840.10008.5.1.4.1.1.88", "1.2.840.10008.5.1.4.1.1.104")
    )
    if words:  # no permission lets a report out
        with pytest.raises(HeldBack):
            check(filled(**fields), Options(allow_burned_in=True))
    else:
        check(filled(**fields), Options(allow_burned_in=True))
