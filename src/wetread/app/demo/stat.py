"""Plays the 3 AM case against a running server through its real interfaces: HL7, worklist, MPPS, C-STORE.

The patient has had a head CT before. In the demo hospital the first play takes the patient whose earlier study is archived
there; any other patient's earlier study is sent first, as another hospital's archive would send it.
"""

from __future__ import annotations

import io
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zlib import crc32
from zoneinfo import ZoneInfo

import pydicom
from rich.console import Console

from wetread.app.demo.casebook import STAT_PATIENT, STAT_SEED
from wetread.app.demo.heads import head_ct
from wetread.app.demo.objects import CT_IMAGE, Picture, Subject, Visit
from wetread.app.demo.people import BY_NUMBER, ISSUER, REFERRER_NPI
from wetread.app.demo.run import CODE_CT_HEAD
from wetread.dicom.part10 import read_meta
from wetread.dicom.personname import PersonName
from wetread.dicom.transfersyntax import EXPLICIT_VR_LITTLE_ENDIAN
from wetread.dicom.uid import new_uid
from wetread.dimse.client import (
    MODALITY_WORKLIST,
    PERFORMED_PROCEDURE_STEP,
    STUDY_ROOT_FIND,
    Association,
    AssociationFailed,
    OperationFailed,
    open_plain,
)
from wetread.hl7.client import NoAcknowledgment, send

_SCANNER = "NORTH_CT1"
_ZONE = ZoneInfo("America/New_York")
"""Where the scanner stands: modalities tell local time."""
_WORKLIST_S_MAX = 180
_HEAD_SEED = 11
"""The head before the bleed, as in the casebook."""
_EARLIER = timedelta(days=428)
_FAMILY = ("Castellanos", "Weiß", "Okonkwo", "Sørensen", "Marchetti")
_GIVEN = ("Ruth", "Emil", "Ngozi", "Freja", "Paolo")
_ORDER_ANSWER_S = 90.0  # the hospital may still be building itself
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


@dataclass(frozen=True, slots=True)
class _Victim:
    patient_id: str
    family: str
    given: str
    born: date
    sex: str
    archived: bool
    """Whether the earlier study is in the archive already."""


def _victim(host: str, port: int, ae_title: str, rng: random.Random, *, seeded: bool) -> tuple[_Victim, int]:
    """The demo's own patient while nothing has befallen them yet, else somebody new."""
    number = rng.randrange(10_000, 99_999)
    if not seeded:
        known = BY_NUMBER[STAT_PATIENT]
        identifier = {
            "QueryRetrieveLevel": "STUDY",
            "PatientID": known.patient_id,
            "StudyInstanceUID": None,
            "StudyDate": None,
        }
        with open_plain(host, port, ae_title, _SCANNER, [STUDY_ROOT_FIND]) as association:
            dates = [
                str((item.get("00080020", {}).get("Value") or [""])[0])
                for item in association.find(identifier)
            ]
        fresh = f"{datetime.now(UTC) - timedelta(days=2):%Y%m%d}"
        if dates and all(day < fresh for day in dates):
            family, given = known.patient_name.split("=")[0].split("^")[:2]
            return _Victim(
                known.patient_id, family, given, known.patient_birth_date, known.patient_sex, True
            ), number
    family, given = rng.choice(_FAMILY), rng.choice(_GIVEN)
    born = date(1940 + number % 40, 1 + number % 12, 1 + number % 28)
    return _Victim(f"ER{number}", family, given, born, "F" if number % 2 else "M", False), number


def _order(victim: _Victim, placer: str, now: datetime) -> str:
    """ORM^O01, NW, STAT."""
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
    # Fields from MSH-3 on: MSH-1 is the separator itself.
    msh = [
        "ER",
        "NORTH",
        "WETREAD",
        "NORTH",
        stamp,
        "",
        "ORM^O01",
        placer,
        "P",
        "2.3.1",
        *[""] * 5,
        "UNICODE UTF-8",
    ]
    lines = (
        "MSH|^~\\&|" + "|".join(msh),
        f"PID|1||{victim.patient_id}^^^{ISSUER}||{victim.family}^{victim.given}||{victim.born:%Y%m%d}|{victim.sex}",
        "PV1|1|E",
        f"ORC|NW|{placer}^ER|||SC||1^^^{stamp}^^S||{stamp}|||{REFERRER_NPI}^Berg^Tom",
        "|".join(obr),
        "DG1|1||R29.818^^I10",
    )
    return "\r".join(lines) + "\r"


def play_stat_case(
    host: str, dicom_port: int, hl7_port: int, ae_title: str, *, pace: float, seed: int | None, say: Say
) -> Played:
    """Order, worklist, performed step, images. Raises StepRefused."""
    rng = random.Random(seed)
    victim, number = _victim(host, dicom_port, ae_title, rng, seeded=seed is not None)
    now = datetime.now(UTC)
    placer = f"P{number}{int(time.time()) % 100000}"
    try:
        ack = send(host, hl7_port, _order(victim, placer, now), timeout_s=_ORDER_ANSWER_S)
    except NoAcknowledgment as error:
        raise StepRefused(f"The order got no answer: {error}") from None
    if not ack.accepted:
        raise StepRefused(f"The order was answered {ack.code}: {ack.text}")
    say(f"Order {placer}: STAT CT head for {victim.given} {victim.family}, answered {ack.code}")
    subject, step_id = _from_worklist(host, dicom_port, ae_title, victim.patient_id, say)
    visit = Visit(subject, now.astimezone(_ZONE), "Northside Hospital", _SCANNER)
    if victim.archived:
        say("The head CT of 14 months ago is in the archive")
    else:
        earlier = _earlier(visit)
        say(f"The head CT of 14 months ago comes from another archive: {len(earlier)} images")
        _store(host, dicom_port, ae_title, "RIVER_PACS", earlier, pace=0.0, say=None)
    mpps = _begin(host, dicom_port, ae_title, subject, step_id, now.astimezone(_ZONE))
    say("The scanner reports: in progress. Its images are being made here, which takes some seconds")
    pictures = head_ct(visit, seed=STAT_SEED, finding="haemorrhage")
    _store(host, dicom_port, ae_title, _SCANNER, pictures, pace=pace, say=say)
    _complete(host, dicom_port, ae_title, mpps, pictures)
    say("The scanner reports: completed")
    return Played(
        subject.patient_name,
        victim.patient_id,
        subject.accession_number,
        subject.study_instance_uid,
        len(pictures),
    )


def _earlier(visit: Visit) -> list[Picture]:
    """The same head, fourteen months younger and whole, under another hospital's accession number."""
    subject = replace(
        visit.subject,
        accession_number=f"RIV{crc32(visit.subject.patient_id.encode()) % 10**8:08d}",
        study_instance_uid=new_uid(),
        scheduled_procedure_step_id="",
        requested_procedure_id="",
    )
    before = replace(
        visit,
        subject=subject,
        taken_at=visit.taken_at - _EARLIER,
        institution_name="Riverbend Hospital",
        station="RIVERBEND_CT",
    )
    return head_ct(before, seed=_HEAD_SEED, bone=False)


def _store(
    host: str,
    port: int,
    ae_title: str,
    calling: str,
    pictures: Sequence[Picture],
    *,
    pace: float,
    say: Say | None,
) -> None:
    with Association(
        host, port, ae_title, calling, [(CT_IMAGE, (EXPLICIT_VR_LITTLE_ENDIAN,))]
    ) as association:
        for index, (uid, content) in enumerate(pictures):
            offset = read_meta(content).data_set_offset
            answer = association.store(CT_IMAGE, uid, EXPLICIT_VR_LITTLE_ENDIAN, [content[offset:]])
            if answer.status:
                raise StepRefused(f"Image {index + 1} was answered {answer.status:04X}: {answer.comment}")
            if say is not None and (index == 0 or index % 10 == 9 or index == len(pictures) - 1):
                say(f"{index + 1} of {len(pictures)} images kept")
            time.sleep(pace)


def _complete(host: str, port: int, ae_title: str, mpps: str, pictures: Sequence[Picture]) -> None:
    end = datetime.now(_ZONE)
    series: dict[str, tuple[str, list[dict[str, str]]]] = {}
    for _, content in pictures:
        ds = pydicom.dcmread(
            io.BytesIO(content),
            stop_before_pixels=True,
            specific_tags=["SeriesInstanceUID", "SeriesDescription", "SOPClassUID", "SOPInstanceUID"],
        )
        _, made = series.setdefault(str(ds.SeriesInstanceUID), (str(ds.SeriesDescription), []))
        made.append(
            {"ReferencedSOPClassUID": str(ds.SOPClassUID), "ReferencedSOPInstanceUID": str(ds.SOPInstanceUID)}
        )
    with open_plain(host, port, ae_title, _SCANNER, [PERFORMED_PROCEDURE_STEP]) as association:
        association.set_performed_step(
            mpps,
            {
                "PerformedProcedureStepStatus": "COMPLETED",
                "PerformedProcedureStepEndDate": end.strftime("%Y%m%d"),
                "PerformedProcedureStepEndTime": end.strftime("%H%M%S"),
                "PerformedSeriesSequence": [
                    {
                        "ProtocolName": "Head routine",
                        "SeriesInstanceUID": uid,
                        "SeriesDescription": words,
                        "ReferencedImageSequence": made,
                    }
                    for uid, (words, made) in series.items()
                ],
            },
        )


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
    for attempt in range(_WORKLIST_S_MAX * 2):
        with open_plain(host, port, ae_title, _SCANNER, [MODALITY_WORKLIST]) as association:
            found = list(association.find(wanted, MODALITY_WORKLIST))
        if found:
            break
        if attempt == 10:
            say("The worklist does not show the case yet; the server is busy. Asking on")
        time.sleep(0.5)
    else:
        raise StepRefused(f"The case did not come onto the worklist within {_WORKLIST_S_MAX} seconds.")
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
        "PerformedStationAETitle": _SCANNER,
        "PerformedProcedureStepStartDate": now.strftime("%Y%m%d"),
        "PerformedProcedureStepStartTime": now.strftime("%H%M%S"),
        "PerformedProcedureStepStatus": "IN PROGRESS",
        "Modality": "CT",
        "PerformedSeriesSequence": [],
    }
    with open_plain(host, port, ae_title, _SCANNER, [PERFORMED_PROCEDURE_STEP]) as association:
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
