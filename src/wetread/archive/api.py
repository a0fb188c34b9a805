"""HTTP for people who look after the archive: quarantine, application entities, numbers; and one study for a screen."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated, Protocol

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from wetread.archive import compression_api, lifecycle_api, tiers_api
from wetread.archive.commitment import list_commitments
from wetread.archive.integrity import check_again, integrity
from wetread.archive.model import Quarantine, QuarantineReason, RemoteAE, Resolution, StoredRole
from wetread.archive.peers import request_abort, running_nodes
from wetread.archive.rules import PEER_RIGHTS
from wetread.archive.service import (
    ACCEPTABLE,
    Archive,
    list_quarantine,
    list_remote_aes,
    remote_ae_of,
    remove_remote_ae,
    resolve_quarantine,
    save_remote_ae,
    storage_summary,
    study_detail,
    the_archive,
)
from wetread.kit import limits
from wetread.kit.errors import Unavailable
from wetread.security.door import door
from wetread.security.service import Permission, Work

router = APIRouter(prefix="/api/archive", tags=["archive"])
router.routes.extend(lifecycle_api.router.routes)
router.routes.extend(tiers_api.router.routes)
router.routes.extend(compression_api.router.routes)


class Echo(Protocol):
    """C-ECHO to a peer; what the network says is put in words. Given by the composition root as `app.state.echo`."""

    def __call__(self, ae_title: str, host: str, port: int, *, encrypted: bool = False) -> str | None:
        """None where the peer answered with success, else why not."""


def archive_of(request: Request) -> Archive:
    """The archive of this process."""
    return getattr(request.app.state, "archive", None) or the_archive()


class Body(BaseModel):
    """Base of request bodies: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


# Quarantine


class QuarantinedObjectOut(BaseModel):
    """A quarantined object."""

    model_config = ConfigDict(from_attributes=True)

    quarantine_pk: int
    reason: QuarantineReason
    detail: str
    sop_instance_uid: str | None
    sop_class_uid: str | None
    study_instance_uid: str | None
    patient_name: str | None
    patient_id: str | None
    accession_number: str | None
    received_from: str
    network_address: str | None
    received_at: datetime
    resolution: Resolution | None
    resolution_reason: str | None
    resolved_by: str | None
    resolved_at: datetime | None
    can_accept: bool = False


class QuarantinePage(BaseModel):
    """A page of quarantined objects."""

    items: list[QuarantinedObjectOut]
    next_cursor: str | None
    total: int | None


class ResolutionIn(Body):
    """What was decided, and why."""

    resolution: Resolution
    reason: str = Field(min_length=1, max_length=200)


def _quarantined(row: Quarantine) -> QuarantinedObjectOut:
    out = QuarantinedObjectOut.model_validate(row)
    out.can_accept = row.resolution is None and row.reason in ACCEPTABLE
    return out


@router.get("/quarantine")
def quarantine(
    waiting: bool = True,
    limit: Annotated[int, Query(ge=1, le=limits.PAGE_ITEMS_MAX)] = 200,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    work: Work = door(Permission.QUARANTINE_READ),
) -> QuarantinePage:
    """Objects that were kept but not filed, newest first; `waiting=false` shows those decided."""
    page = list_quarantine(work, waiting=waiting, limit=limit, cursor=cursor)
    return QuarantinePage(
        items=[_quarantined(row) for row in page.items], next_cursor=page.next_cursor, total=page.total
    )


@router.post("/quarantine/{quarantine_pk}/resolution")
def resolve(
    quarantine_pk: int, body: ResolutionIn, request: Request, work: Work = door(Permission.QUARANTINE_WRITE)
) -> QuarantinedObjectOut:
    """Tries an object again, accepts it as the right one, or discards it."""
    row = resolve_quarantine(work, archive_of(request), quarantine_pk, body.resolution, reason=body.reason)
    return _quarantined(row)


# Application entities


class ApplicationEntityIn(Body):
    """A DICOM peer."""

    ae_title: str = Field(max_length=64)
    host: str = Field(max_length=253)
    port: int
    description: str | None = Field(None, max_length=128)
    rights: list[str] = Field(default_factory=list, max_length=len(PEER_RIGHTS))
    # How it proves itself: null leaves as it is, an empty text takes away.
    is_encrypted: bool | None = None
    calls_from: list[Annotated[str, Field(max_length=64)]] | None = Field(None, max_length=50)
    certificate_name: str | None = Field(None, max_length=253)
    user_identity: str | None = Field(None, max_length=64)
    passcode: str | None = Field(None, max_length=64)


class ApplicationEntityOut(BaseModel):
    """A known DICOM peer."""

    model_config = ConfigDict(from_attributes=True)

    remote_ae_pk: int
    ae_title: str
    host: str
    port: int
    description: str | None
    rights: list[str]
    is_encrypted: bool
    calls_from: list[str]
    certificate_name: str | None
    user_identity: str | None
    has_passcode: bool = False


class EchoOut(BaseModel):
    """Whether a peer answered, and what it or the network said otherwise."""

    answered: bool
    detail: str | None


def _entity(peer: RemoteAE) -> ApplicationEntityOut:
    out = ApplicationEntityOut.model_validate(peer)
    out.has_passcode = peer.passcode_hash is not None
    return out


@router.get("/application-entities")
def application_entities(work: Work = door(Permission.CONFIG_READ)) -> list[ApplicationEntityOut]:
    """Known DICOM peers, by title."""
    return [_entity(peer) for peer in list_remote_aes(work)]


@router.post("/application-entities", status_code=201)
def add_application_entity(
    body: ApplicationEntityIn, work: Work = door(Permission.CONFIG_WRITE)
) -> ApplicationEntityOut:
    """Makes a peer known."""
    return _entity(save_remote_ae(work, **body.model_dump()))


@router.put("/application-entities/{remote_ae_pk}")
def change_application_entity(
    remote_ae_pk: int, body: ApplicationEntityIn, work: Work = door(Permission.CONFIG_WRITE)
) -> ApplicationEntityOut:
    """Changes a peer."""
    return _entity(save_remote_ae(work, remote_ae_pk=remote_ae_pk, **body.model_dump()))


@router.delete("/application-entities/{remote_ae_pk}", status_code=204)
def remove_application_entity(remote_ae_pk: int, work: Work = door(Permission.CONFIG_WRITE)) -> None:
    """Forgets a peer: it can neither call nor be sent to."""
    remove_remote_ae(work, remote_ae_pk)


@router.post("/application-entities/{remote_ae_pk}/echo")
def echo_application_entity(
    remote_ae_pk: int, request: Request, work: Work = door(Permission.CONFIG_WRITE)
) -> EchoOut:
    """Asks a peer by C-ECHO whether it is there."""
    peer = remote_ae_of(work, remote_ae_pk)
    echo: Echo | None = getattr(request.app.state, "echo", None)
    if echo is None:
        raise Unavailable("This server cannot call other application entities.")
    detail = echo(peer.ae_title, peer.host, peer.port, encrypted=peer.is_encrypted)
    return EchoOut(answered=detail is None, detail=detail)


class AssociationOut(BaseModel):
    """An association that is open now."""

    node: str
    number: int
    calling_ae_title: str
    network_address: str
    encrypted: bool
    opened_at: datetime
    operation: str
    service: str = ""
    received: int
    sent: int
    bytes_received: int = 0
    bytes_sent: int = 0
    bytes_per_s: int = 0


class AbortIn(BaseModel):
    """Which association is to end: the node that serves it, and its number there."""

    node: str = Field(max_length=128)
    number: int


@router.get("/associations")
def associations(work: Work = door(Permission.CONFIG_READ)) -> list[AssociationOut]:
    """DICOM associations open now, at every node that was heard of within the last seconds."""
    return [
        AssociationOut(node=running.node, **one)
        for running in running_nodes(work)
        for one in running.associations
    ]


@router.post("/associations/abort", status_code=204)
def abort_association(body: AbortIn, work: Work = door(Permission.CONFIG_WRITE)) -> None:
    """Aborts an association; what it had stored stays, what it was sending is sent again by its peer."""
    request_abort(work, body.node, body.number)


class StorageCommitmentOut(BaseModel):
    """A request for storage commitment; `failed` is null until its objects were looked at."""

    model_config = ConfigDict(from_attributes=True)

    storage_commitment_pk: int
    transaction_uid: str
    calling_ae_title: str
    requested_at: datetime
    objects: int
    failed: int | None
    reported_at: datetime | None
    attempt_count: int
    last_error: str | None


@router.get("/storage-commitments")
def storage_commitments(
    waiting: bool = False, work: Work = door(Permission.QUEUE_READ)
) -> list[StorageCommitmentOut]:
    """The newest requests for storage commitment; `waiting=true` shows those whose requester has not heard yet."""
    return [StorageCommitmentOut.model_validate(one) for one in list_commitments(work, waiting=waiting)]


# The store, read again


class StoreCheckOut(BaseModel):
    """A round of reading everything again."""

    model_config = ConfigDict(from_attributes=True)

    started_at: datetime
    finished_at: datetime | None
    objects: int
    bytes: int
    damaged: int


class DamageOut(BaseModel):
    """A damaged object, and whose it is."""

    model_config = ConfigDict(from_attributes=True)

    stored_object_pk: int
    role: str
    found_at: datetime
    reason: str
    study_pk: int | None
    sop_instance_uid: str | None
    study_description: str | None
    modality: str | None
    patient_name: str | None
    patient_id: str | None
    source_application_entity_title: str | None


class IntegrityOut(BaseModel):
    """The round under way or the last one, when the last complete one ended, and all damage that stands."""

    model_config = ConfigDict(from_attributes=True)

    check: StoreCheckOut | None
    completed_at: datetime | None
    damaged: list[DamageOut]


class AgainOut(BaseModel):
    """Whether the object is whole now."""

    whole: bool


@router.get("/integrity")
def store_integrity(work: Work = door(Permission.CONFIG_READ)) -> IntegrityOut:
    """How the store is: what was read again, and what was found damaged."""
    return IntegrityOut.model_validate(integrity(work))


@router.post("/damaged/{stored_object_pk}/check")
def check_damaged(stored_object_pk: int, work: Work = door(Permission.CONFIG_WRITE)) -> AgainOut:
    """Reads one damaged object again now, e.g. after a disk was mended."""
    return AgainOut(whole=check_again(work, stored_object_pk))


# Numbers and studies


class StorageOut(BaseModel):
    """What is kept, in numbers. Bytes are plain sizes; those of the file system are what its owner sees."""

    model_config = ConfigDict(from_attributes=True)

    studies: int
    series: int
    instances: int
    original_bytes: int
    rendition_objects: int
    rendition_bytes: int
    quarantine_waiting: int
    newest_instance_at: datetime | None
    file_system_used_bytes: int
    file_system_free_bytes: int


@router.get("/storage")
def storage(request: Request, work: Work = door(Permission.CONFIG_READ)) -> StorageOut:
    """Counts and sizes of the archive."""
    summary = storage_summary(work, archive_of(request))
    return StorageOut(
        studies=summary.studies,
        series=summary.series,
        instances=summary.instances,
        original_bytes=summary.bytes_by_role.get(StoredRole.ORIGINAL, 0),
        rendition_objects=summary.objects_by_role.get(StoredRole.RENDITION, 0),
        rendition_bytes=summary.bytes_by_role.get(StoredRole.RENDITION, 0),
        quarantine_waiting=summary.quarantine_waiting,
        newest_instance_at=summary.newest_instance_at,
        file_system_used_bytes=summary.file_system_used_bytes,
        file_system_free_bytes=summary.file_system_free_bytes,
    )


class SeriesOut(BaseModel):
    """A series on a screen; `thumbnail_url` is empty where it holds no picture."""

    series_pk: int
    series_instance_uid: str
    modality: str | None
    series_number: int | None
    series_description: str | None
    body_part_examined: str | None
    laterality: str | None
    sides: list[str] = Field(description="Which sides its images say they show: L, R.")
    protocol_name: str | None
    station_name: str | None
    institution_name: str | None
    number_of_series_related_instances: int
    thumbnail_url: str | None


class StudyOut(BaseModel):
    """A study on a screen."""

    study_pk: int
    study_instance_uid: str
    study_date: date | None
    study_time: time | None
    study_description: str | None
    study_id: str | None
    accession_number: str | None
    modalities_in_study: list[str]
    number_of_study_related_series: int
    number_of_study_related_instances: int
    patient_pk: int | None
    patient_name: str | None
    patient_id: str | None
    issuer_of_patient_id: str | None
    patient_birth_date: date | None
    patient_sex: str | None
    referring_physician_name: str | None
    updated_at: datetime
    series: list[SeriesOut]


@router.get("/studies/{study_pk}")
def study(study_pk: int, work: Work = door(Permission.STUDY_READ, Permission.RESULT_READ)) -> StudyOut:
    """One study with its series in order."""
    detail = study_detail(work, study_pk)
    one = detail.study
    base = f"/dicom-web/studies/{one.study_instance_uid}/series"
    names = [name for name in StudyOut.model_fields if name != "series"]
    series_names = [name for name in SeriesOut.model_fields if name not in ("sides", "thumbnail_url")]
    return StudyOut(
        **{name: getattr(one, name) for name in names},
        series=[
            SeriesOut(
                **{name: getattr(each, name) for name in series_names},
                sides=sorted(detail.sides.get(each.series_pk, ())),
                thumbnail_url=(
                    f"{base}/{each.series_instance_uid}/thumbnail"
                    if each.series_pk in detail.middle
                    else None
                ),
            )
            for each in detail.series
        ],
    )
