"""Plays the 3 AM case against a running server through its real interfaces: HL7, worklist, MPPS, C-STORE."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from rich.console import Console

from wetread.app.demo.images import Subject, head_ct
from wetread.app.demo.run import CODE_CT_HEAD, ISSUER, REFERRER_NPI
from wetread.dicom.part10 import read_meta
from wetread.dicom.personname import PersonName
from wetread.dicom.transfersyntax import EXPLICIT_VR_LITTLE_ENDIAN
from wetread.dicom.uid import new_uid
from wetread.dimse.client import (
    MODALITY_WORKLIST,
    PERFORMED_PROCEDURE_STEP,
    Association,
    AssociationFailed,
    OperationFailed,
    open_plain,
)
from wetread.hl7.client import NoAcknowledgment, send

_CT = "1.2.840.10008.5.1.4.1.1.2"
_FAMILY = ("Castellanos", "Weiß", "Okonkwo", "Sørensen", "Marchetti")
_GIVEN = ("Ruth", "Emil", "Ngozi", "Freja", "Paolo")
Say = Callable[[str], None]


class StepRefused(Exception):
    """The server refused a step of the case; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Played:
    """What arrived."""

    patient_name: str
    patient_id: str
    accession_number: str
    study_instance_uid: str
    images: int


def play_stat_case(
    host: str, dicom_port: int, hl7_port: int, ae_title: str, *, pace: float, seed: int | None, say: Say
) -> Played:
    """Order, worklist, performed step, images. Raises StepRefused."""
    rng = random.Random(seed)
    number = rng.randrange(10_000, 99_999)
    family, given = rng.choice(_FAMILY), rng.choice(_GIVEN)
    patient_id, placer = f"ER{number}", f"P{number}{int(time.time()) % 100000}"
    now = datetime.now(UTC)
    born = date(1940 + number % 40, 1 + number % 12, 1 + number % 28)
    sex = "F" if number % 2 else "M"
    stamp = f"{now:%Y%m%d%H%M%S}+0000"
    obr = [
        "OBR",
        "1",
        f"{placer}^ER",
        "",
        f"{CODE_CT_HEAD}^CT head without contrast^99WETREAD",
        "S",
        *[""] * 26,
    ]
    obr[16] = f"{REFERRER_NPI}^Berg^Tom"
    obr[27], obr[31] = "1^^^^^S", "^Sudden weakness of the left side"
    order = "\r".join(
        (
            f"MSH|^~\\&|ER|NORTH|WETREAD|NORTH|{stamp}||ORM^O01|{placer}|P|2.3.1|||||||UNICODE UTF-8",
            f"PID|1||{patient_id}^^^{ISSUER}||{family}^{given}||{born:%Y%m%d}|{sex}",
            "PV1|1|E",
            f"ORC|NW|{placer}^ER|||SC||1^^^{stamp}^^S||{stamp}|||{REFERRER_NPI}^Berg^Tom",
            "|".join(obr),
            "DG1|1||R29.818^^I10",
        )
    )
    try:
        ack = send(host, hl7_port, order + "\r")
    except NoAcknowledgment as error:
        raise StepRefused(f"The order got no answer: {error}") from None
    if not ack.accepted:
        raise StepRefused(f"The order was answered {ack.code}: {ack.text}")
    say(f"Order {placer}: STAT CT head for {given} {family}, answered {ack.code}")
    subject, step_id = _from_worklist(host, dicom_port, ae_title, patient_id, say)
    slices = head_ct(subject, now.astimezone(), seed=number, finding="haemorrhage", station="NORTH_CT1")
    mpps = _begin(host, dicom_port, ae_title, subject, step_id, now)
    say("The scanner reports: in progress")
    with Association(
        host, dicom_port, ae_title, "NORTH_CT1", [(_CT, (EXPLICIT_VR_LITTLE_ENDIAN,))]
    ) as association:
        for index, (uid, content) in enumerate(slices):
            offset = read_meta(content).data_set_offset
            answer = association.store(_CT, uid, EXPLICIT_VR_LITTLE_ENDIAN, [content[offset:]])
            if answer.status:
                raise StepRefused(f"Image {index + 1} was answered {answer.status:04X}: {answer.comment}")
            if index % 10 == 9:
                say(f"{index + 1} of {len(slices)} images kept")
            time.sleep(pace)
    end = datetime.now(UTC)
    series = str(_element(slices[0][1], "SeriesInstanceUID"))
    with open_plain(host, dicom_port, ae_title, "NORTH_CT1", [PERFORMED_PROCEDURE_STEP]) as association:
        association.set_performed_step(
            mpps,
            {
                "PerformedProcedureStepStatus": "COMPLETED",
                "PerformedProcedureStepEndDate": end.strftime("%Y%m%d"),
                "PerformedProcedureStepEndTime": end.strftime("%H%M%S"),
                "PerformedSeriesSequence": [
                    {
                        "ProtocolName": "Head",
                        "SeriesInstanceUID": series,
                        "SeriesDescription": "Axial brain",
                        "ReferencedImageSequence": [],
                    }
                ],
            },
        )
    say("The scanner reports: completed")
    return Played(
        subject.patient_name, patient_id, subject.accession_number, subject.study_instance_uid, len(slices)
    )


def _element(content: bytes, keyword: str) -> Any:
    import io

    import pydicom

    return pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True)[keyword].value


def _from_worklist(host: str, port: int, ae_title: str, patient_id: str, say: Say) -> tuple[Subject, str]:
    """Asks the worklist as the scanner does, until the emergency case stands on it."""
    wanted = {
        "PatientID": patient_id, "PatientName": None, "PatientBirthDate": None, "PatientSex": None,
        "IssuerOfPatientID": None, "AccessionNumber": None, "StudyInstanceUID": None, "RequestedProcedureID": None,
        "RequestedProcedureDescription": None, "ReferringPhysicianName": None,
        "ScheduledProcedureStepSequence": [{"ScheduledStationAETitle": None, "Modality": "CT",
                                            "ScheduledProcedureStepStartDate": None,
                                            "ScheduledProcedureStepStartTime": None,
                                            "ScheduledProcedureStepID": None}],
    }  # fmt: skip
    for _ in range(60):
        with open_plain(host, port, ae_title, "NORTH_CT1", [MODALITY_WORKLIST]) as association:
            found = list(association.find(wanted, MODALITY_WORKLIST))
        if found:
            break
        time.sleep(0.5)
    else:
        raise StepRefused("The case did not come onto the worklist within 30 seconds.")
    item = found[0]

    def value(tag: str, where: dict[str, Any] = item) -> str:
        first = (where.get(tag, {}).get("Value") or [""])[0]
        return str(PersonName.from_json(first)) if isinstance(first, dict) else str(first or "")

    step = item["00400100"]["Value"][0]
    born = value("00100030")
    say(f"Worklist: accession {value('00080050')} on {value('00400001', step)}")
    subject = Subject(
        value("00100010"), value("00100020"), value("00100021"),
        date(int(born[:4]), int(born[4:6]), int(born[6:8])) if len(born) == 8 else None, value("00100040"), value("00080050"),
        value("0020000D"), value("00321060"), value("00080090"), value("00400009", step), value("00401001"),
    )  # fmt: skip
    return subject, value("00400009", step)


def _begin(host: str, port: int, ae_title: str, subject: Subject, step_id: str, now: datetime) -> str:
    attributes: dict[str, Any] = {
        "ScheduledStepAttributesSequence": [
            {
                "StudyInstanceUID": subject.study_instance_uid,
                "ReferencedStudySequence": [],
                "AccessionNumber": subject.accession_number,
                "RequestedProcedureID": subject.requested_procedure_id,
                "RequestedProcedureDescription": subject.study_description,
                "ScheduledProcedureStepID": step_id,
                "ScheduledProcedureStepDescription": subject.study_description,
                "ScheduledProtocolCodeSequence": [],
            }
        ],
        "PatientName": subject.patient_name,
        "PatientID": subject.patient_id,
        "PatientBirthDate": subject.patient_birth_date.strftime("%Y%m%d")
        if subject.patient_birth_date
        else None,
        "PatientSex": subject.patient_sex,
        "PerformedProcedureStepID": step_id[:16],
        "PerformedStationAETitle": "NORTH_CT1",
        "PerformedProcedureStepStartDate": now.strftime("%Y%m%d"),
        "PerformedProcedureStepStartTime": now.strftime("%H%M%S"),
        "PerformedProcedureStepStatus": "IN PROGRESS",
        "Modality": "CT",
        "PerformedSeriesSequence": [],
    }
    with open_plain(host, port, ae_title, "NORTH_CT1", [PERFORMED_PROCEDURE_STEP]) as association:
        return association.create_performed_step(attributes, new_uid())


def run_stat(
    host: str, dicom_port: int, hl7_port: int, ae_title: str, *, pace: float, seed: int | None
) -> int:
    """The command: 0 when the whole case arrived."""
    out = Console()
    began = time.monotonic()

    def say(line: str) -> None:
        out.print(f"[{time.monotonic() - began:6.1f} s] {line}", highlight=False, markup=False)

    try:
        played = play_stat_case(host, dicom_port, hl7_port, ae_title, pace=pace, seed=seed, say=say)
    except (StepRefused, AssociationFailed, OperationFailed) as error:
        Console(stderr=True).print(str(error), style="bold red", markup=False, highlight=False)
        return 1
    say(f"{played.images} images of accession {played.accession_number} are there. Look at the reading list.")
    return 0
