"""C-FIND on the real archive (PS3.4 C.4.1): every level of both models, every kind of matching, every script."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from pynetdicom.sop_class import (
    PatientRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelFind,
)

from archive_fixtures import MakeDicom, Store
from wetread.dimse.server import Node

PATIENT_ROOT = PatientRootQueryRetrieveInformationModelFind
STUDY_ROOT = StudyRootQueryRetrieveInformationModelFind


def request_item(step: str, procedure: str) -> Sequence:
    item = Dataset()
    item.ScheduledProcedureStepID, item.RequestedProcedureID = step, procedure
    return Sequence([item])


def issuer_item(issuer: str) -> Sequence:
    item = Dataset()
    item.LocalNamespaceEntityID = issuer
    return Sequence([item])


@pytest.fixture
def filled(store: Store, make_dicom: MakeDicom, add_peer: Any) -> dict[str, pydicom.Dataset]:
    """Four studies of three patients; Jane has two, one of two series, the other written with other letters."""
    add_peer("WS1", calls_from=["127.0.0.1"])
    jane = make_dicom(
        PatientName="Doe^Jane", PatientID="P1", StudyDate="20260110", StudyTime="230000", AccessionNumber="A1",
        StudyDescription="CT head", Modality="CT", SeriesNumber=1, InstanceNumber=1,
        RequestAttributesSequence=request_item("S1", "R1"),
        IssuerOfAccessionNumberSequence=issuer_item("NORTH"),
    )  # fmt: skip
    second = make_dicom(
        PatientName="Doe^Jane", PatientID="P1", StudyInstanceUID=jane.StudyInstanceUID, StudyDate="20260110",
        StudyTime="230000", AccessionNumber="A1", StudyDescription="CT head", SeriesNumber=2, InstanceNumber=7,
        RequestAttributesSequence=request_item("S2", "R1"),
        IssuerOfAccessionNumberSequence=issuer_item("NORTH"),
    )  # fmt: skip
    later = make_dicom(
        PatientName="DOE^JANE^M", PatientID="P1", StudyDate="20260112", StudyTime="010000", AccessionNumber="A2",
        StudyDescription="MR knee", Modality="MR",
    )  # fmt: skip
    yamada = make_dicom(
        SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう", PatientID="P2",
        StudyDate="20260111", StudyTime="120000", AccessionNumber="A3",
    )  # fmt: skip
    nameless = make_dicom(
        PatientName="Müller^Jörg",
        PatientID="",
        SpecificCharacterSet="ISO_IR 100",
        StudyDate="20260113",
        AccessionNumber="A4",
    )
    store(jane, second, later, yamada, nameless)
    return {"jane": jane, "second": second, "later": later, "yamada": yamada, "nameless": nameless}


class Asker:
    def __init__(self, node: Node) -> None:
        self.node = node

    def __call__(
        self, model: str, level: str, *, negotiate: bytes | None = None, **keys: Any
    ) -> tuple[list[Dataset], list[int]]:
        """Matches and all statuses."""
        ae = AE(ae_title="WS1")
        ae.add_requested_context(model)
        extended = []
        if negotiate is not None:
            item = SOPClassExtendedNegotiation()
            item.sop_class_uid, item.service_class_application_information = model, negotiate
            extended = [item]
        association = ae.associate("127.0.0.1", self.node.port, ae_title="WETREAD", ext_neg=extended)
        assert association.is_established
        query = Dataset()
        query.QueryRetrieveLevel = level
        for keyword, value in keys.items():
            setattr(query, keyword, value)
        found = list(association.send_c_find(query, model))
        association.release()
        return [data for _, data in found if data is not None], [status.Status for status, _ in found]


@pytest.fixture
def ask(real_node: Node, filled: Any) -> Asker:
    return Asker(real_node)


def values(matches: Iterable[Dataset], keyword: str) -> list[str]:
    return sorted(str(match.get(keyword, "")) for match in matches)


def test_the_patient_level_names_each_patient_once(ask: Asker) -> None:
    matches, statuses = ask(
        PATIENT_ROOT, "PATIENT", PatientName="", PatientID="", IssuerOfPatientID="", PatientBirthDate="",
        NumberOfPatientRelatedStudies="", NumberOfPatientRelatedSeries="", NumberOfPatientRelatedInstances="",
    )  # fmt: skip
    assert statuses == [0xFF00, 0xFF00, 0xFF00, 0x0000]
    by_id = {match.PatientID: match for match in matches}
    assert sorted(by_id) == ["", "P1", "P2"]
    jane = by_id["P1"]
    assert jane.PatientName == "DOE^JANE^M"  # as the newest study has it
    assert jane.QueryRetrieveLevel == "PATIENT"
    assert [int(jane[key].value) for key in ("NumberOfPatientRelatedStudies", "NumberOfPatientRelatedSeries",
            "NumberOfPatientRelatedInstances")] == [2, 3, 3]  # fmt: skip
    assert by_id[""].PatientName == "Müller^Jörg"


def test_patients_match_by_any_of_their_studies_and_count_all(ask: Asker) -> None:
    matches, _ = ask(PATIENT_ROOT, "PATIENT", PatientName="Doe^Jane^M", NumberOfPatientRelatedStudies="")
    assert [int(match.NumberOfPatientRelatedStudies) for match in matches] == [2]
    assert "PatientID" not in matches[0]  # only what was asked for
    assert ask(PATIENT_ROOT, "PATIENT", PatientID="P2")[0][0].PatientID == "P2"
    assert ask(PATIENT_ROOT, "PATIENT", PatientID="NONE") == ([], [0x0000])


@pytest.mark.parametrize("model", [PATIENT_ROOT, STUDY_ROOT])
def test_both_models_answer_study_series_and_image(
    ask: Asker, filled: dict[str, pydicom.Dataset], model: str
) -> None:
    uid = filled["jane"].StudyInstanceUID
    studies, _ = ask(
        model,
        "STUDY",
        PatientID="P1",
        StudyInstanceUID="",
        ModalitiesInStudy="",
        NumberOfStudyRelatedSeries="",
    )
    assert values(studies, "StudyInstanceUID") == sorted([uid, filled["later"].StudyInstanceUID])
    series, _ = ask(
        model,
        "SERIES",
        PatientID="P1",
        StudyInstanceUID=uid,
        SeriesInstanceUID="",
        SeriesNumber="",
        Modality="",
    )
    assert [int(one.SeriesNumber) for one in series] == [1, 2]
    images, _ = ask(
        model, "IMAGE", PatientID="P1", StudyInstanceUID=uid, SeriesInstanceUID=filled["second"].SeriesInstanceUID,
        SOPInstanceUID="", InstanceNumber="", SOPClassUID="",
    )  # fmt: skip
    assert [(one.SOPInstanceUID, int(one.InstanceNumber)) for one in images] == [
        (filled["second"].SOPInstanceUID, 7)
    ]


def test_relational_queries_match_keys_of_every_level_above(
    ask: Asker, filled: dict[str, pydicom.Dataset]
) -> None:
    images, statuses = ask(
        STUDY_ROOT, "IMAGE", negotiate=b"\x01", PatientName="doe*", Modality="CT", SeriesNumber="2", SOPInstanceUID="",
        StudyDescription="",
    )  # fmt: skip
    assert [one.SOPInstanceUID for one in images] == [filled["second"].SOPInstanceUID]
    assert images[0].StudyDescription == "CT head"
    assert statuses[-1] == 0


@pytest.mark.parametrize(
    ("keys", "accessions"),
    [
        ({"PatientName": "DOE^*"}, ["A1", "A2"]),
        ({"PatientName": "d?e^jane"}, ["A1"]),
        ({"AccessionNumber": "A?"}, ["A1", "A2", "A3", "A4"]),
        ({"StudyDescription": "*knee"}, ["A2"]),
        ({"StudyDescription": "*KNEE"}, []),  # case counts in all but names (PS3.4 C.2.2.2.1)
        ({"StudyDate": "20260111"}, ["A3"]),
        ({"StudyDate": "20260111-20260112"}, ["A2", "A3"]),
        ({"StudyDate": "-20260110"}, ["A1"]),
        ({"StudyTime": "22-"}, ["A1"]),
        ({"ModalitiesInStudy": "MR"}, ["A2"]),
        ({"ModalitiesInStudy": ["MR", "CT"]}, ["A1", "A2", "A3", "A4"]),
        ({"StudyDate": "20260111", "AccessionNumber": "A1"}, []),
    ],
)
def test_matching(ask: Asker, keys: dict[str, Any], accessions: list[str]) -> None:
    matches, statuses = ask(STUDY_ROOT, "STUDY", **{"AccessionNumber": "", **keys})
    assert values(matches, "AccessionNumber") == accessions
    assert statuses[-1] == 0x0000


def test_list_of_uids(ask: Asker, filled: dict[str, pydicom.Dataset]) -> None:
    wanted = [filled["jane"].StudyInstanceUID, filled["yamada"].StudyInstanceUID, generate_uid()]
    matches, _ = ask(STUDY_ROOT, "STUDY", StudyInstanceUID=wanted)
    assert values(matches, "StudyInstanceUID") == sorted(wanted[:2])


def test_date_and_time_are_one_instant_only_where_negotiated(ask: Asker) -> None:
    # From the 10th 22:00 to the 12th 02:00: apart, the time 01:00 of the 12th is not between 22:00 and 02:00.
    keys = {"StudyDate": "20260110-20260112", "StudyTime": "220000-235959", "AccessionNumber": ""}
    assert values(ask(STUDY_ROOT, "STUDY", **keys)[0], "AccessionNumber") == ["A1"]
    keys["StudyTime"] = "220000-020000"
    apart, _ = ask(STUDY_ROOT, "STUDY", **keys)
    assert values(apart, "AccessionNumber") == []
    combined, _ = ask(STUDY_ROOT, "STUDY", negotiate=b"\x00\x01", **keys)
    assert values(combined, "AccessionNumber") == ["A1", "A2", "A3"]


def test_fuzzy_names_only_where_negotiated(ask: Asker) -> None:
    keys = {"PatientName": "jane doe", "AccessionNumber": ""}
    assert ask(STUDY_ROOT, "STUDY", **keys)[0] == []
    matches, _ = ask(STUDY_ROOT, "STUDY", negotiate=b"\x00\x00\x01", **keys)
    assert values(matches, "AccessionNumber") == ["A1", "A2"]


def test_sequence_matching(ask: Asker, filled: dict[str, pydicom.Dataset]) -> None:
    asked = request_item("S2", "")
    matches, statuses = ask(
        STUDY_ROOT, "SERIES", StudyInstanceUID=filled["jane"].StudyInstanceUID, SeriesInstanceUID="",
        RequestAttributesSequence=asked,
    )  # fmt: skip
    assert statuses == [0xFF00, 0x0000]
    (match,) = matches
    assert match.SeriesInstanceUID == filled["second"].SeriesInstanceUID
    (item,) = match.RequestAttributesSequence
    assert (item.ScheduledProcedureStepID, item.RequestedProcedureID) == ("S2", "R1")
    # Nothing is indexed of other sequences: all that match the rest are told, with a warning.
    studies, statuses = ask(
        STUDY_ROOT, "STUDY", AccessionNumber="A1", IssuerOfAccessionNumberSequence=issuer_item("SOUTH")
    )
    assert values(studies, "AccessionNumber") == ["A1"]
    assert statuses == [0xFF01, 0x0000]


def test_a_key_that_cannot_be_matched_on_is_a_warning(ask: Asker) -> None:
    matches, statuses = ask(STUDY_ROOT, "STUDY", AccessionNumber="A1", PatientWeight="70")
    assert statuses == [0xFF01, 0x0000]
    assert matches[0].AccessionNumber == "A1"


@pytest.mark.parametrize(
    "keys", [{"StudyDate": "yesterday"}, {"StudyTime": "99"}, {"StudyInstanceUID": "1.2.x"}]
)
def test_values_that_are_none_are_told(ask: Asker, keys: dict[str, str]) -> None:
    with pydicom.config.disable_value_validation():
        _, statuses = ask(STUDY_ROOT, "STUDY", **keys)
    assert statuses == [0xA900]


def test_more_than_the_limit_is_never_silent(ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wetread.dimse.server.MATCHES_MAX", 3)
    matches, statuses = ask(STUDY_ROOT, "STUDY", AccessionNumber="")
    assert statuses == [0xFF00, 0xFF00, 0xFF00, 0xA700]
    assert len(matches) == 3
    monkeypatch.setattr("wetread.dimse.server.MATCHES_MAX", 4)
    assert ask(STUDY_ROOT, "STUDY", AccessionNumber="")[1] == [0xFF00] * 4 + [0x0000]


NAME = "Yamada^Tarou=山田^太郎=やまだ^たろう"


@pytest.mark.parametrize(
    ("character_set", "answered"),
    [
        (["", "ISO 2022 IR 87"], ["", "ISO 2022 IR 87"]),
        (["ISO 2022 IR 13", "ISO 2022 IR 87"], ["ISO 2022 IR 13", "ISO 2022 IR 87"]),
        ("ISO_IR 192", "ISO_IR 192"),
        ("GB18030", "GB18030"),
        # Latin 1 has none of these letters: the answer says what it is in.
        ("ISO_IR 100", "ISO_IR 192"),
    ],
)
def test_names_of_any_script_are_asked_for_and_answered_in_the_set_of_the_asker(
    ask: Asker, character_set: Any, answered: Any
) -> None:
    asked = "Yamada*" if character_set == "ISO_IR 100" else "山田*"
    matches, _ = ask(
        STUDY_ROOT, "STUDY", SpecificCharacterSet=character_set, PatientName=asked, AccessionNumber=""
    )
    (match,) = matches
    assert match.SpecificCharacterSet == answered
    match.decode()
    assert match.PatientName == NAME


def test_latin_1_is_asked_and_answered_in_latin_1(ask: Asker) -> None:
    (match,), _ = ask(
        STUDY_ROOT, "STUDY", SpecificCharacterSet="ISO_IR 100", PatientName="MÜLLER*", StudyDate=""
    )
    assert match.SpecificCharacterSet == "ISO_IR 100"
    assert match.PatientName == "Müller^Jörg"
    assert match.PatientName.original_string == "Müller^Jörg".encode("latin-1")


def test_findscu_asks_in_iso_2022(real_node: Node, filled: Any, tmp_path: Path) -> None:
    query = Dataset()
    query.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    query.QueryRetrieveLevel = "STUDY"
    query.PatientName = "*=山田*"
    query.StudyInstanceUID = ""
    query.file_meta = pydicom.dataset.FileMetaDataset()
    query.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    query.file_meta.MediaStorageSOPClassUID = query.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    query.save_as(tmp_path / "query.dcm", enforce_file_format=True)
    assert shutil.which("findscu"), "findscu (Debian package dcmtk) is needed"
    done = subprocess.run(
        ["findscu", "-S", "-X", "-aet", "WS1", "-aec", "WETREAD", "-od", str(tmp_path), "127.0.0.1",
         str(real_node.port), str(tmp_path / "query.dcm")],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "TCP_NODELAY": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (answer,) = tmp_path.glob("rsp*.dcm")
    got = pydicom.dcmread(answer)
    assert got.SpecificCharacterSet == ["", "ISO 2022 IR 87"]
    # As PS3.5 H.3.1 writes it, byte for byte.
    assert b"\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B" in answer.read_bytes()
    assert got.PatientName == NAME
