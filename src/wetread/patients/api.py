"""HTTP of the patients room. What identifies a patient travels in bodies, never in addresses that get logged."""

from __future__ import annotations

from fastapi import APIRouter

from wetread.patients import schemas, service
from wetread.security.door import door
from wetread.security.service import Permission, Work

router = APIRouter(prefix="/api/patients", tags=["patients"])


@router.post("/find")
def find(body: schemas.FindIn, work: Work = door(Permission.PATIENT_READ)) -> schemas.FoundPatientsOut:
    """Finds patients by names in any script (each word a prefix), identifier, birth date or telephone number."""
    items = [
        schemas.FoundPatientOut.model_validate(one)
        for one in service.find_patients(work, body.text, limit=body.limit)
    ]
    return schemas.FoundPatientsOut(items=items, total=len(items))


@router.post("/duplicates")
def duplicates(
    body: schemas.DuplicatesIn, work: Work = door(Permission.PATIENT_READ)
) -> schemas.CandidatesOut:
    """Records that may be the person being typed, with a score and the reasons."""
    return schemas.CandidatesOut.of(service.possible_duplicates(work, body.to_input()))


@router.get("/payers")
def payers(work: Work = door(Permission.PATIENT_READ, Permission.BILLING_READ)) -> schemas.PayersOut:
    """All payers by name."""
    items = [schemas.PayerOut.model_validate(one) for one in service.payers(work)]
    return schemas.PayersOut(items=items, total=len(items))


@router.post("", status_code=201)
def register(body: schemas.PatientIn, work: Work = door(Permission.PATIENT_WRITE)) -> schemas.RegisteredOut:
    """Registers a patient; without an identifier one of ours is given."""
    patient = service.register_patient(work, body.to_input())
    return schemas.registered(patient, service.patient_bar(work, patient.patient_pk))


@router.post("/unknown", status_code=201)
def register_unknown(
    body: schemas.UnknownPatientIn, work: Work = door(Permission.PATIENT_WRITE, Permission.STEP_PERFORM)
) -> schemas.RegisteredOut:
    """Registers a person who cannot be identified yet: `Unknown, Male 3`."""
    patient = service.register_unknown_patient(work, body.patient_sex, body.description)
    return schemas.registered(patient, service.patient_bar(work, patient.patient_pk))


@router.get("/{patient_pk}")
def get(patient_pk: int, work: Work = door(Permission.PATIENT_READ)) -> schemas.PatientRecordOut:
    """The whole record; of a merged record, the one it was merged into."""
    return schemas.PatientRecordOut.of(service.get_patient(work, patient_pk))


@router.patch("/{patient_pk}")
def change(
    patient_pk: int, body: schemas.PatientChangeIn, work: Work = door(Permission.PATIENT_WRITE)
) -> schemas.PatientRecordOut:
    """Changes the fields that are present in the body."""
    service.change_patient(work, patient_pk, body.changes())
    return schemas.PatientRecordOut.of(service.get_patient(work, patient_pk))


@router.get("/{patient_pk}/bar")
def bar(patient_pk: int, work: Work = door(Permission.PATIENT_READ)) -> schemas.PatientBarOut:
    """What the patient bar shows."""
    return schemas.PatientBarOut.model_validate(service.patient_bar(work, patient_pk))


@router.get("/{patient_pk}/history")
def history(patient_pk: int, work: Work = door(Permission.PATIENT_READ)) -> schemas.ChangesOut:
    """What was changed in the record, newest first."""
    return schemas.ChangesOut.of(service.history(work, patient_pk))


@router.get("/{patient_pk}/duplicates")
def duplicates_of(patient_pk: int, work: Work = door(Permission.PATIENT_READ)) -> schemas.CandidatesOut:
    """Other records that may be the same person."""
    return schemas.CandidatesOut.of(service.duplicates_of(work, patient_pk))


@router.put("/{patient_pk}/allergies")
def allergies(
    patient_pk: int,
    body: schemas.AllergiesIn,
    work: Work = door(Permission.PATIENT_WRITE, Permission.STEP_PERFORM),
) -> schemas.PatientRecordOut:
    """Sets the list of allergies, or that nobody asked."""
    service.replace_allergies(work, patient_pk, body.to_input())
    return schemas.PatientRecordOut.of(service.get_patient(work, patient_pk))


@router.put("/{patient_pk}/coverage")
def coverage(
    patient_pk: int,
    body: schemas.CoverageIn,
    work: Work = door(Permission.PATIENT_WRITE, Permission.BILLING_WRITE),
) -> schemas.PatientRecordOut:
    """Sets who pays at the body's priority."""
    service.replace_coverage(work, patient_pk, body.to_input())
    return schemas.PatientRecordOut.of(service.get_patient(work, patient_pk))


@router.post("/{patient_pk}/merge")
def merge(
    patient_pk: int, body: schemas.MergeIn, work: Work = door(Permission.PATIENT_WRITE)
) -> schemas.MergeOut:
    """Makes everything of another record belong to this one, reversibly."""
    return schemas.MergeOut.model_validate(
        service.merge_patients(work, patient_pk, body.merged_patient_pk, body.reason)
    )


@router.post("/{patient_pk}/unmerge")
def unmerge(patient_pk: int, work: Work = door(Permission.PATIENT_WRITE)) -> schemas.PatientRecordOut:
    """Brings a merged record back, with everything that was moved from it."""
    patient = service.unmerge_patients(work, patient_pk)
    return schemas.PatientRecordOut.of(service.get_patient(work, patient.patient_pk))
