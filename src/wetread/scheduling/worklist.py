"""Modality Worklist (PS3.4 K.6): matching, and an answer with every key that was asked for."""

from __future__ import annotations

import fnmatch
import re
from datetime import datetime
from itertools import islice
from textwrap import wrap
from typing import Any
from zoneinfo import ZoneInfo

from pydicom.datadict import dictionary_VR, tag_for_keyword
from sqlalchemy import ScalarSelect, func, literal, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from wetread.archive.model import Study
from wetread.dicom.personname import PersonName
from wetread.kit.errors import FieldError, Invalid
from wetread.orders.model import ImagingServiceRequest, Procedure, RequestedProcedure
from wetread.patients.model import Allergy, Patient, PatientIdentifier
from wetread.patients.rules import name_words
from wetread.scheduling.model import ModalityResource, ScheduledProcedureStep, StudyLink
from wetread.security.model import Practitioner, Site
from wetread.security.service import AuditEventID, Permission, Work

JsonDict = dict[str, Any]
ITEMS_MAX = 1000
ROWS_MAX = 50_000
_STEP_SEQUENCE = "00400100"
# As PS3.4 K.6.1.2.2 refers to studies, though the service of that class is retired.
_DETACHED_STUDY = "1.2.840.10008.3.1.2.3.1"
_OFFERED = ("SCHEDULED", "ARRIVED", "READY")
PREGNANCY = {"not_pregnant": 1, "possibly_pregnant": 2, "pregnant": 3, "unknown": 4}  # (0010,21C0)
_DATES = re.compile(r"(\d{8})?(-)?(\d{8})?")
_TIMES = re.compile(r"([\d.:]{2,})?(-)?([\d.:]{2,})?")


def worklist_items(work: Work, identifier: JsonDict) -> list[JsonDict]:
    """Matches of a Modality Worklist identifier in the DICOM JSON Model, by start. Raises Invalid for a malformed key."""
    work.require(Permission.SCHEDULE_READ)
    step_keys: JsonDict = (identifier.get(_STEP_SEQUENCE, {}).get("Value") or [{}])[0] or {}
    local_start = func.timezone(Site.time_zone, ScheduledProcedureStep.starts_at)
    query = (
        select(
            ScheduledProcedureStep, RequestedProcedure, ImagingServiceRequest, Procedure, Patient, Site,
            PatientIdentifier, Practitioner.person_name, allergies_of(), _studies_of(),
        )
        .join(RequestedProcedure,
              RequestedProcedure.requested_procedure_pk == ScheduledProcedureStep.requested_procedure_pk)
        .join(ImagingServiceRequest,
              ImagingServiceRequest.imaging_service_request_pk == RequestedProcedure.imaging_service_request_pk)
        .join(Procedure, Procedure.procedure_pk == RequestedProcedure.procedure_pk)
        .join(Patient, Patient.patient_pk == ImagingServiceRequest.patient_pk)
        .join(ModalityResource, ModalityResource.modality_resource_pk == ScheduledProcedureStep.modality_resource_pk)
        .join(Site, Site.site_pk == ModalityResource.site_pk)
        .outerjoin(PatientIdentifier,
                   (PatientIdentifier.patient_pk == Patient.patient_pk) & PatientIdentifier.is_primary)
        .outerjoin(Practitioner, Practitioner.practitioner_pk == ImagingServiceRequest.referring_practitioner_pk)
        .order_by(ScheduledProcedureStep.starts_at, ScheduledProcedureStep.scheduled_procedure_step_pk)
        .limit(ROWS_MAX)
        .execution_options(yield_per=500)
    )  # fmt: skip
    status = _value(step_keys, "00400020")
    wanted = [status] if status and "*" not in status else list(_OFFERED)
    query = query.where(ScheduledProcedureStep.scheduled_procedure_step_status.in_(wanted))
    # What names few lines exactly narrows in SQL, so that the limit cannot hide what was asked for.
    for keys, tag, column in (
        (step_keys, "00400001", ScheduledProcedureStep.scheduled_station_ae_title),
        (step_keys, "00080060", ScheduledProcedureStep.modality),
        (step_keys, "00400009", ScheduledProcedureStep.scheduled_procedure_step_id),
        (identifier, "00080050", ImagingServiceRequest.accession_number),
        (identifier, "00100020", PatientIdentifier.patient_id),
        (identifier, "0020000D", RequestedProcedure.study_instance_uid),
        (identifier, "00401001", RequestedProcedure.requested_procedure_id),
    ):
        if (asked := _value(keys, tag)) and not _wild(asked):
            query = query.where(column.in_([one.strip() for one in asked.split("\\")]))
    # The steps of a cancelled order leave the list a moment later; no scanner shall find them meanwhile.
    query = query.where(RequestedProcedure.state != "CANCELED")
    if day := _value(step_keys, "00400002"):
        first, last = _range(_DATES, day, "ScheduledProcedureStepStartDate")
        text = func.to_char(local_start, "YYYYMMDD")
        query = query.where(*_between(text, first, last))
    if clock := _value(step_keys, "00400003"):
        first, last = _range(_TIMES, clock, "ScheduledProcedureStepStartTime")
        text = func.to_char(local_start, "HH24MISS")
        query = query.where(*_between(text, first and first.replace(":", "").split(".")[0].ljust(6, "0"),
                                      last and last.replace(":", "").split(".")[0].ljust(6, "9")))  # fmt: skip
    work.audit(
        AuditEventID.QUERY, "E", object_type="worklist", detail={"keys": ",".join(sorted(identifier))[:300]}
    )
    items = map(_item, work.session.execute(query))
    matching = (_answer(identifier, item) for item in items if _matches(identifier, item))
    return list(islice(matching, ITEMS_MAX))


def allergies_of() -> ScalarSelect[str]:
    """A patient's substances as the values of one attribute, severe ones first."""
    ordered = aggregate_order_by(literal("\\"), Allergy.severe.desc(), Allergy.substance)
    return (
        select(func.string_agg(func.replace(Allergy.substance, "\\", " "), ordered))
        .where(Allergy.patient_pk == Patient.patient_pk)
        .scalar_subquery()
    )


def _studies_of() -> ScalarSelect[str]:
    """The studies that hang on a Requested Procedure, as the values of one attribute."""
    ordered = aggregate_order_by(literal("\\"), Study.study_pk)
    return (
        select(func.string_agg(Study.study_instance_uid, ordered))
        .join(StudyLink, StudyLink.study_pk == Study.study_pk)
        .where(
            StudyLink.requested_procedure_pk == RequestedProcedure.requested_procedure_pk,
            StudyLink.state.in_(("matched", "resolved")),
        )
        .correlate(RequestedProcedure)
        .scalar_subquery()
    )


def _item(row: Any) -> JsonDict:
    step, requested, request, procedure, patient, site, identifier, referrer, allergies, studies = row
    local: datetime = step.starts_at.astimezone(ZoneInfo(site.time_zone))
    code = [{"CodeValue": procedure.code_value, "CodingSchemeDesignator": procedure.coding_scheme_designator,
             "CodeMeaning": procedure.code_meaning}]  # fmt: skip
    return json_model(
        {
            "SpecificCharacterSet": "ISO_IR 192",
            "AccessionNumber": request.accession_number,
            "ReferringPhysicianName": referrer or request.referring_physician_name,
            # What hangs on the procedure already, wherever it came from or was moved to.
            "ReferencedStudySequence": [
                {"ReferencedSOPClassUID": _DETACHED_STUDY, "ReferencedSOPInstanceUID": uid}
                for uid in (studies or "").split("\\")
                if uid
            ],
            "ReferencedPatientSequence": [],
            "PatientName": patient.patient_name,
            "PatientID": identifier.patient_id if identifier else None,
            "IssuerOfPatientID": identifier.issuer_of_patient_id if identifier else None,
            "PatientBirthDate": patient.patient_birth_date.strftime("%Y%m%d")
            if patient.patient_birth_date
            else None,
            "PatientSex": patient.patient_sex,
            "PatientSize": patient.patient_size_m,
            "PatientWeight": patient.patient_weight_kg,
            "MedicalAlerts": values_of(patient.medical_alerts, patient.implants),
            "Allergies": allergies,
            "PregnancyStatus": PREGNANCY.get(patient.pregnancy_status or ""),
            "SpecialNeeds": patient.special_needs,
            "PatientState": None,
            "ConfidentialityConstraintOnPatientDataDescription": patient.confidentiality,
            "AdmissionID": request.admission_id,
            "CurrentPatientLocation": None,
            "StudyInstanceUID": requested.study_instance_uid,
            "RequestingPhysician": referrer or request.referring_physician_name,
            "RequestingService": request.requesting_service,
            "RequestedProcedureDescription": requested.requested_procedure_description,
            "RequestedProcedureCodeSequence": code,
            "RequestedProcedureID": requested.requested_procedure_id,
            "RequestedProcedurePriority": requested.requested_procedure_priority,
            "PatientTransportArrangements": requested.patient_transport_arrangements,
            "ReasonForTheRequestedProcedure": (requested.reason_for_the_requested_procedure or "")[:64]
            or None,
            "RequestedProcedureComments": requested.requested_procedure_comments,
            "PlacerOrderNumberImagingServiceRequest": request.placer_order_number,
            "FillerOrderNumberImagingServiceRequest": request.accession_number,
            "ScheduledProcedureStepSequence": [
                {
                    "ScheduledStationAETitle": step.scheduled_station_ae_title,
                    "ScheduledProcedureStepStartDate": local.strftime("%Y%m%d"),
                    "ScheduledProcedureStepStartTime": local.strftime("%H%M%S"),
                    "Modality": step.modality,
                    "ScheduledPerformingPhysicianName": step.scheduled_performing_physician_name,
                    "ScheduledProcedureStepDescription": step.scheduled_procedure_step_description,
                    "ScheduledProtocolCodeSequence": code,
                    "ScheduledProcedureStepID": step.scheduled_procedure_step_id,
                    "ScheduledStationName": step.scheduled_station_name,
                    "ScheduledProcedureStepLocation": step.scheduled_procedure_step_location,
                    "PreMedication": procedure.pre_medication,
                    "RequestedContrastAgent": procedure.requested_contrast_agent,
                    "ScheduledProcedureStepStatus": step.scheduled_procedure_step_status,
                }
            ],
        }
    )


def json_model(attributes: JsonDict) -> JsonDict:
    """Keywords to the JSON model; None is zero length."""
    result: JsonDict = {}
    for keyword, value in attributes.items():
        tag = tag_for_keyword(keyword)
        assert tag is not None, keyword
        vr = dictionary_VR(tag).split(" or ")[0]
        entry: JsonDict = {"vr": vr}
        if vr == "SQ":
            if value:
                entry["Value"] = [json_model(item) for item in value]
        elif value is not None:
            entry["Value"] = (
                [PersonName.parse(value).as_json()] if vr == "PN" else _values(keyword, vr, value)
            )
        result[f"{int(tag):08X}"] = entry
    return result


_SEVERAL = frozenset({"MedicalAlerts", "Allergies"})  # VM 1-n
_TEXTS = frozenset({"LT", "ST", "UT"})  # in these a backslash is a character (PS3.5 6.2)


def _values(keyword: str, vr: str, value: Any) -> list[Any]:
    if not isinstance(value, str) or vr in _TEXTS:
        return [value]
    return value.split("\\") if keyword in _SEVERAL else [value.replace("\\", " ")]


def values_of(*texts: str | None) -> str | None:
    """Texts as values of an LO, each of at most 64 characters: nothing of a warning is cut off."""
    given = (text.replace("\\", " ") for text in texts if text)
    return "\\".join(line for text in given for line in wrap(text, 64)) or None


def _value(keys: JsonDict, tag: str) -> str:
    values = keys.get(tag, {}).get("Value") or []
    parts = [
        str(PersonName.from_json(one)) if isinstance(one, dict) else str(one)
        for one in values
        if one is not None
    ]
    return "\\".join(parts).strip()


def _wild(text: str) -> bool:
    return "*" in text or "?" in text


def _range(pattern: re.Pattern[str], text: str, keyword: str) -> tuple[str | None, str | None]:
    match = pattern.fullmatch(text.replace(" ", ""))
    if match is None or not (match[1] or match[3]):
        raise Invalid(
            f"{keyword} is not a value or range.", fields=[FieldError(keyword, "not a value or range")]
        )
    return match[1], match[3] if match[2] else match[1]


def _between(column: Any, first: str | None, last: str | None) -> list[Any]:
    return [*([column >= first] if first else []), *([column <= last] if last else [])]


def _matches(keys: JsonDict, item: JsonDict) -> bool:
    """Single value, list and wild card matching of the keys that SQL did not see; sequences by their one item."""
    for tag, asked in keys.items():
        if tag in ("00080005", "00400002", "00400003", "00400020"):
            continue
        if asked.get("vr") == "SQ":
            inner = (asked.get("Value") or [{}])[0]
            found = item.get(tag, {}).get("Value") or [{}]
            if inner and tag in item and not any(_matches(inner, one) for one in found):
                return False
            continue
        wanted = _value(asked and {tag: asked}, tag)
        # Zero is none of the terms of Pregnancy Status (PS3.3 C.7.1.3), but how dcmjs writes this key without a value.
        is_empty = not wanted or wanted == "*" or (tag == "001021C0" and wanted == "0")
        if is_empty or tag not in item:
            continue
        have = _value(item, tag)
        if asked.get("vr") == "PN":
            if not _name_matches(wanted, have):
                return False
        elif not any(_like(one, have) for one in wanted.split("\\")):
            return False
    return True


def _like(pattern: str, text: str) -> bool:
    if not _wild(pattern):
        return any(pattern == one for one in text.split("\\"))
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def _group_matches(asked: str, group: str) -> bool:
    return _like(asked, group.rstrip("^")) or (_wild(asked) and _like(asked.rstrip("*") + "*", group))


def _name_matches(pattern: str, have: str) -> bool:
    """Each group that is asked for must match a group of the name, whichever: people write a script where they may."""
    groups = have.casefold().split("=")
    asked = [one.rstrip("^") for one in pattern.casefold().split("=") if one.strip("^ ")]
    if asked and all(any(_group_matches(one, group) for group in groups) for one in asked):
        return True
    words = name_words(pattern.replace("*", " ").replace("?", " ")).split()
    return (
        _wild(pattern)
        and bool(words)
        and all(any(one.startswith(word) for one in name_words(have).split()) for word in words)
    )


def _answer(asked: JsonDict, item: JsonDict) -> JsonDict:
    """Exactly the keys that were asked for; a sequence asked for without content comes whole."""
    answer: JsonDict = {"00080005": item["00080005"]} if "00080005" in item else {}
    for tag, key in asked.items():
        if tag == "00080005":
            continue
        found = item.get(tag)
        if found is None:
            answer[tag] = {"vr": key.get("vr", "UN")}
        elif found.get("vr") == "SQ" and found.get("Value"):
            inner = (key.get("Value") or [{}])[0]
            answer[tag] = {
                "vr": "SQ",
                "Value": [_answer(inner, one) if inner else one for one in found["Value"]],
            }
        else:
            answer[tag] = found
    return dict(sorted(answer.items()))
