"""HTTP: other archives, what they have of a patient, and what is on its way from them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from wetread.priors import service
from wetread.priors.model import FetchState, LookupState, RemoteStudy, Retrieve
from wetread.security.door import door
from wetread.security.service import Permission, Work

router = APIRouter(prefix="/api/priors", tags=["priors"])


class ArchiveFields(BaseModel):
    """Another archive. `prefetch_max`: studies fetched unasked for an order, none older than `years_max`, `lead_hours`
    before the appointment."""

    name: str = Field(max_length=64)
    is_enabled: bool = True
    retrieve: Retrieve
    remote_ae_pk: int | None = None
    base_url: str | None = Field(default=None, max_length=400)
    user_name: str | None = Field(default=None, max_length=64)
    issuer_of_patient_id: str = Field(max_length=64)
    prefetch_max: int = 3
    years_max: int = 10
    lead_hours: int = 24


class ArchiveIn(ArchiveFields):
    """As an administrator writes it; without a password the known one stays, where address and user are the same."""

    model_config = ConfigDict(extra="forbid")

    password: str | None = Field(default=None, max_length=400)


class ArchiveOut(ArchiveFields):
    """An archive and how it was last met."""

    remote_archive_pk: int
    ae_title: str | None
    has_password: bool
    last_answered_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None


class CheckOut(BaseModel):
    """Whether an archive answers; `fault` says why not."""

    fault: str | None


def _archive(listed: service.Listed) -> ArchiveOut:
    row = listed.archive
    return ArchiveOut(
        remote_archive_pk=row.remote_archive_pk,
        name=row.name,
        is_enabled=row.is_enabled,
        retrieve=Retrieve(row.retrieve),
        remote_ae_pk=row.remote_ae_pk,
        ae_title=listed.ae_title,
        base_url=row.base_url,
        user_name=row.user_name,
        has_password=row.sealed_password is not None,
        issuer_of_patient_id=row.issuer_of_patient_id,
        prefetch_max=row.prefetch_max,
        years_max=row.years_max,
        lead_hours=row.lead_hours,
        last_answered_at=row.last_answered_at,
        last_error=row.last_error,
        last_error_at=row.last_error_at,
    )


@router.get("/archives")
def list_archives(work: Work = door(Permission.CONFIG_READ)) -> list[ArchiveOut]:
    """All other archives by name."""
    return [_archive(one) for one in service.archives(work)]


@router.post("/archives", status_code=201)
def add_archive(body: ArchiveIn, work: Work = door(Permission.CONFIG_WRITE)) -> ArchiveOut:
    """Adds an archive that is asked for priors."""
    return _archive(service.save_archive(work, service.ArchiveInput(**body.model_dump())))


@router.put("/archives/{remote_archive_pk}")
def change_archive(
    remote_archive_pk: int, body: ArchiveIn, work: Work = door(Permission.CONFIG_WRITE)
) -> ArchiveOut:
    """Changes an archive."""
    given = service.ArchiveInput(**body.model_dump())
    return _archive(service.save_archive(work, given, remote_archive_pk=remote_archive_pk))


@router.delete("/archives/{remote_archive_pk}", status_code=204)
def remove_archive(remote_archive_pk: int, work: Work = door(Permission.CONFIG_WRITE)) -> None:
    """Forgets an archive and what it said; what was fetched from it stays."""
    service.remove_archive(work, remote_archive_pk)


@router.post("/archives/{remote_archive_pk}/check")
def check_archive(remote_archive_pk: int, work: Work = door(Permission.CONFIG_WRITE)) -> CheckOut:
    """Asks an archive whether it answers."""
    return CheckOut(fault=service.check_archive(work, remote_archive_pk))


class ElsewhereOut(BaseModel):
    """A study of the patient at another archive. `study_pk`: where some of it is here."""

    remote_study_pk: int
    archive_name: str
    study_pk: int | None
    study_instance_uid: str
    study_date: date | None
    study_description: str | None
    modalities_in_study: list[str]
    body_parts_examined: list[str]
    number_of_study_related_instances: int | None
    is_relevant: bool
    fetch_state: FetchState
    received: int
    failed: int
    attempts: int
    last_error: str | None


class AskedOut(BaseModel):
    """Whether one archive has answered about the patient."""

    model_config = ConfigDict(from_attributes=True)

    archive_name: str
    state: LookupState
    last_error: str | None
    answered_at: datetime | None
    is_cut: bool


class PictureOut(BaseModel):
    """What is known of a patient's studies at other archives; `differing` wait for a decision whose they are; so many
    `archives` can be asked."""

    studies: list[ElsewhereOut]
    asked: list[AskedOut]
    differing: int
    archives: int


class AskOut(BaseModel):
    """How many archives are asked."""

    archives: int


@router.get("/studies/{study_pk}/elsewhere")
def elsewhere(study_pk: int, work: Work = door(Permission.READING_LIST)) -> PictureOut:
    """Studies of the same patient at other archives, the most telling first."""
    picture = service.elsewhere(work, study_pk)
    return PictureOut(
        studies=[
            ElsewhereOut(
                remote_study_pk=one.row.remote_study_pk,
                archive_name=one.archive_name,
                study_pk=one.study_pk,
                study_instance_uid=one.row.study_instance_uid,
                study_date=one.row.study_date,
                study_description=one.row.study_description,
                modalities_in_study=list(one.row.modalities_in_study),
                body_parts_examined=list(one.row.body_parts_examined),
                number_of_study_related_instances=one.row.number_of_study_related_instances,
                is_relevant=one.worth > 0,
                fetch_state=FetchState(one.row.fetch_state),
                received=one.row.received_count,
                failed=one.row.failed_count,
                attempts=one.row.attempts,
                last_error=one.row.last_error,
            )
            for one in picture.studies
        ],
        asked=[AskedOut.model_validate(one) for one in picture.asked],
        differing=picture.differing,
        archives=picture.archives,
    )


@router.post("/studies/{study_pk}/ask", status_code=202)
def ask(study_pk: int, work: Work = door(Permission.READING_LIST)) -> AskOut:
    """Asks all other archives about the patient of a study, now."""
    return AskOut(archives=service.ask(work, study_pk))


@router.post("/studies/{study_pk}/elsewhere/{remote_study_pk}/fetch", status_code=202)
def fetch_prior(study_pk: int, remote_study_pk: int, work: Work = door(Permission.READING_LIST)) -> None:
    """Fetches a prior of the study, at once."""
    service.fetch_for(work, study_pk, remote_study_pk)


@router.post("/studies/{study_pk}/elsewhere/{remote_study_pk}/cancel", status_code=204)
def stop_prior(study_pk: int, remote_study_pk: int, work: Work = door(Permission.READING_LIST)) -> None:
    """Stops the fetching of a prior; what came stays."""
    service.stop_for(work, study_pk, remote_study_pk)


class FetchOut(BaseModel):
    """A study on its way here from another archive."""

    remote_study_pk: int
    archive_name: str
    state: FetchState
    study_instance_uid: str
    study_date: date | None
    study_description: str | None
    modalities: list[str]
    patient_name: str | None
    patient_id: str | None
    requested_by: str | None
    received: int
    failed: int
    expected: int | None
    attempts: int
    last_error: str | None
    not_before: datetime | None
    updated_at: datetime


class FetchPage(BaseModel):
    """Newest first; `next_before` asks for the next page."""

    items: list[FetchOut]
    next_before: int | None


class LookupOut(BaseModel):
    """A look-up that is not answered."""

    model_config = ConfigDict(from_attributes=True)

    prior_lookup_pk: int
    archive_name: str
    state: LookupState
    attempts: int
    last_error: str | None
    requested_by: str
    not_before: datetime
    updated_at: datetime


@router.get("/fetches")
def list_fetches(
    state: FetchState | None = None,
    before: Annotated[int | None, Query(ge=1)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    work: Work = door(Permission.QUEUE_READ),
) -> FetchPage:
    """Studies on their way here and those that arrived, newest first."""
    items = [
        FetchOut(
            remote_study_pk=one.row.remote_study_pk,
            archive_name=one.archive_name,
            state=FetchState(one.row.fetch_state),
            study_instance_uid=one.row.study_instance_uid,
            study_date=one.row.study_date,
            study_description=one.row.study_description,
            modalities=list(one.row.modalities_in_study),
            patient_name=one.row.patient_name,
            patient_id=one.row.patient_id,
            requested_by=one.row.requested_by,
            received=one.row.received_count,
            failed=one.row.failed_count,
            expected=one.row.number_of_study_related_instances,
            attempts=one.row.attempts,
            last_error=one.row.last_error,
            not_before=one.row.not_before,
            updated_at=one.row.updated_at,
        )
        for one in service.fetches(work, state=state, before=before, limit=limit)
    ]
    return FetchPage(items=items, next_before=items[-1].remote_study_pk if len(items) == limit else None)


@router.post("/fetches/{remote_study_pk}/again", status_code=204)
def fetch_again(remote_study_pk: int, work: Work = door(Permission.QUEUE_WRITE)) -> None:
    """Tries what failed or was stopped again, at once."""
    service.fetch_again(work, remote_study_pk)


@router.post("/fetches/{remote_study_pk}/cancel", status_code=204)
def stop_fetch(remote_study_pk: int, work: Work = door(Permission.QUEUE_WRITE)) -> None:
    """Stops a study on its way here; what came stays."""
    service.stop(work, remote_study_pk)


@router.get("/lookups")
def list_lookups(work: Work = door(Permission.QUEUE_READ)) -> list[LookupOut]:
    """Look-ups that are not answered: those that failed first."""
    return [LookupOut.model_validate(one) for one in service.lookups(work)]


@router.post("/lookups/{prior_lookup_pk}/again", status_code=204)
def look_again(prior_lookup_pk: int, work: Work = door(Permission.QUEUE_WRITE)) -> None:
    """Asks again, at once."""
    service.look_again(work, prior_lookup_pk)


class ReasonOut(BaseModel):
    """A field in which the archive contradicts what is known here."""

    field: str
    here: str
    there: str


class DifferingOut(BaseModel):
    """A study that an archive named for a patient, and that contradicts what is known of him."""

    remote_study_pk: int
    archive_name: str
    of_patient_name: str | None
    of_patient_id: str | None
    study_date: date | None
    study_description: str | None
    modalities_in_study: list[str]
    patient_name: str | None
    patient_id: str | None
    issuer_of_patient_id: str | None
    patient_birth_date: date | None
    patient_sex: str | None
    reasons: list[ReasonOut]
    seen_at: datetime


class DecisionIn(BaseModel):
    """What a person says, and why."""

    model_config = ConfigDict(extra="forbid")

    is_the_patients: bool
    reason: str = Field(max_length=200)


def _differing(one: service.Differing) -> DifferingOut:
    row: RemoteStudy = one.row
    return DifferingOut(
        remote_study_pk=row.remote_study_pk,
        archive_name=one.archive_name,
        of_patient_name=one.of_patient_name,
        of_patient_id=one.of_patient_id,
        study_date=row.study_date,
        study_description=row.study_description,
        modalities_in_study=list(row.modalities_in_study),
        patient_name=row.patient_name,
        patient_id=row.patient_id,
        issuer_of_patient_id=row.issuer_of_patient_id,
        patient_birth_date=row.patient_birth_date,
        patient_sex=row.patient_sex,
        reasons=[ReasonOut.model_validate(reason) for reason in row.reasons],
        seen_at=row.seen_at,
    )


@router.get("/differing")
def list_differing(work: Work = door(Permission.RECONCILE)) -> list[DifferingOut]:
    """Studies at other archives that wait for a person to say whose they are."""
    return [_differing(one) for one in service.differing(work)]


@router.post("/differing/{remote_study_pk}/decide", status_code=204)
def decide(remote_study_pk: int, body: DecisionIn, work: Work = door(Permission.RECONCILE)) -> None:
    """Says whether a study is the patient's; fetched, it is linked where it agrees, or waits for reconciliation."""
    service.decide(work, remote_study_pk, is_the_patients=body.is_the_patients, reason=body.reason)
