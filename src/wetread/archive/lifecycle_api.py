"""HTTP for the life of studies: the trash and its policy, corrections, legal holds, retention, rejection."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from wetread.archive import corrections as correcting
from wetread.archive import removal as removing
from wetread.archive.corrections import Wish
from wetread.archive.model import Correction, Study
from wetread.archive.removal import RemovalRow, Target
from wetread.kit import limits
from wetread.security.door import door
from wetread.security.service import Permission, Work

router = APIRouter()

Uid = Annotated[str, Field(min_length=1, max_length=64)]
Reason = Annotated[str, Field(min_length=1, max_length=200)]


class Body(BaseModel):
    """Base of request bodies: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


# The trash


class RemovalIn(Body):
    """What goes into the trash: a study, a series of it, or one instance of that; and why."""

    study_instance_uid: Uid
    series_instance_uid: Uid | None = None
    sop_instance_uid: Uid | None = None
    reason: Reason


class ReasonIn(Body):
    """Why."""

    reason: Reason


class RemovalOut(BaseModel):
    """Something that was removed, of which patient, and what becomes of it."""

    model_config = ConfigDict(from_attributes=True)

    removal_pk: int
    level: Literal["STUDY", "SERIES", "IMAGE"]
    cause: Literal["trash", "retention", "rejection", "emptied"]
    study_pk: int
    code_value: str | None
    reason: str
    instances: int
    bytes: int
    removed_at: datetime
    removed_by: str
    purge_at: datetime | None
    restored_at: datetime | None
    restored_by: str | None
    restored_reason: str | None
    purged_at: datetime | None


class RemovalRowOut(RemovalOut):
    """A removal in a list."""

    study_instance_uid: str
    study_date: date | None
    study_description: str | None
    accession_number: str | None
    modalities: list[str]
    patient_name: str | None
    patient_id: str | None
    patient_birth_date: date | None
    patient_sex: str | None
    series_description: str | None
    series_number: int | None
    instance_number: int | None
    is_held: bool


class RemovalPage(BaseModel):
    """A page of removals."""

    items: list[RemovalRowOut]
    next_cursor: str | None
    total: int | None


def _row(one: RemovalRow) -> RemovalRowOut:
    own = {name: getattr(one.removal, name) for name in RemovalOut.model_fields}
    names = [name for name in RemovalRowOut.model_fields if name not in own]
    return RemovalRowOut(**own, **{name: getattr(one, name) for name in names})


@router.get("/removals")
def removals(
    state: Literal["trash", "hidden", "restored", "purged"] = "trash",
    study_pk: int | None = None,
    limit: Annotated[int, Query(ge=1, le=limits.PAGE_ITEMS_MAX)] = 200,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    work: Work = door(Permission.STUDY_REMOVE),
) -> RemovalPage:
    """What was removed, newest first: in the trash, hidden without an end, restored, or purged."""
    page = removing.list_removals(work, state=state, study_pk=study_pk, limit=limit, cursor=cursor)
    return RemovalPage(
        items=[_row(one) for one in page.items], next_cursor=page.next_cursor, total=page.total
    )


@router.post("/removals", status_code=201)
def remove(body: RemovalIn, work: Work = door(Permission.STUDY_REMOVE)) -> RemovalOut:
    """Puts a study, series or instance in the trash: it vanishes at once, and is destroyed after the days of the policy."""
    target = Target(body.study_instance_uid, body.series_instance_uid, body.sop_instance_uid)
    return RemovalOut.model_validate(removing.remove(work, target, reason=body.reason))


@router.post("/removals/{removal_pk}/restore")
def restore(removal_pk: int, body: ReasonIn, work: Work = door(Permission.STUDY_REMOVE)) -> RemovalOut:
    """Shows again what was removed, exactly as it was."""
    return RemovalOut.model_validate(removing.restore(work, removal_pk, reason=body.reason))


@router.post("/removals/{removal_pk}/purge")
def purge(removal_pk: int, work: Work = door(Permission.CONFIG_WRITE)) -> RemovalOut:
    """Destroys what lies in the trash before its days are over: objects and data key are gone for good."""
    return RemovalOut.model_validate(removing.purge_now(work, removal_pk))


class PolicyIn(Body):
    """What is done with what is removed."""

    trash_days: int
    on_return: Literal["quarantine", "refuse", "accept"]
    is_delete_by_dicomweb: bool
    on_rejection: dict[str, Literal["hide", "trash", "show"]] = Field(max_length=8)


class PolicyOut(BaseModel):
    """What is done with what is removed; `on_rejection` by the code of a rejection note's title (CID 7011)."""

    model_config = ConfigDict(from_attributes=True)

    trash_days: int
    on_return: str
    is_delete_by_dicomweb: bool
    on_rejection: dict[str, str]


@router.get("/removal-policy")
def removal_policy(work: Work = door(Permission.STUDY_REMOVE, Permission.CONFIG_READ)) -> PolicyOut:
    """How long the trash keeps, and what is done with what comes again."""
    return PolicyOut.model_validate(removing.policy(work))


@router.put("/removal-policy")
def change_removal_policy(body: PolicyIn, work: Work = door(Permission.CONFIG_WRITE)) -> PolicyOut:
    """Changes the policy; what lies in the trash already keeps its day."""
    return PolicyOut.model_validate(removing.save_policy(work, **body.model_dump()))


# Corrections


class WishIn(Body):
    """What is to be corrected.

    `edit` changes `attributes` (keyword to value as DICOM text) of the study, or of the series or the instance that is
    named; `patient` hangs the study on a person of the register; `move` hangs series on another study; `split` makes a
    new study of series, described by `attributes`; `merge` hangs all of the study on another one.
    """

    kind: Literal["edit", "patient", "move", "split", "merge"]
    study_instance_uid: Uid
    series_instance_uids: list[Uid] = Field(default_factory=list, max_length=limits.CORRECTED_SERIES_MAX)
    sop_instance_uid: Uid | None = None
    attributes: dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=10_240)]] = Field(
        default_factory=dict, max_length=40
    )
    patient_pk: int | None = None
    target_study_instance_uid: Uid | None = None

    def wish(self) -> Wish:
        """The same for the service."""
        return Wish(
            self.kind,
            self.study_instance_uid,
            tuple(self.series_instance_uids),
            self.sop_instance_uid,
            self.attributes,
            self.patient_pk,
            self.target_study_instance_uid,
        )


class CorrectionIn(WishIn):
    """What is to be corrected, and why."""

    reason: Reason


class ChangeOut(BaseModel):
    """One line of before and after; `field` is a DICOM keyword, `scope` says of what, in words."""

    model_config = ConfigDict(from_attributes=True)

    field: str
    scope: str
    before: str
    after: str


class CorrectionOut(BaseModel):
    """A correction as it was made, and taken back where it was."""

    model_config = ConfigDict(from_attributes=True)

    correction_pk: int
    kind: Literal["edit", "patient", "move", "split", "merge"]
    study_pk: int
    target_study_pk: int | None
    changes: list[ChangeOut]
    reason: str
    corrected_at: datetime
    corrected_by: str
    undone_at: datetime | None
    undone_by: str | None
    undone_reason: str | None


class CorrectionRowOut(CorrectionOut):
    """A correction in a list, with the study that it was made to and the one that it led to."""

    study_instance_uid: str
    study_date: date | None
    study_description: str | None
    accession_number: str | None
    patient_name: str | None
    patient_id: str | None
    target_study_description: str | None
    target_patient_name: str | None


class CorrectionPage(BaseModel):
    """A page of corrections."""

    items: list[CorrectionRowOut]
    next_cursor: str | None


def _corrected(act: Correction, study: Study, target: Study | None) -> CorrectionRowOut:
    return CorrectionRowOut(
        **CorrectionOut.model_validate(act).model_dump(),
        study_instance_uid=study.study_instance_uid,
        study_date=study.study_date,
        study_description=study.study_description,
        accession_number=study.accession_number,
        patient_name=study.patient_name,
        patient_id=study.patient_id,
        target_study_description=target.study_description if target else None,
        target_patient_name=target.patient_name if target else None,
    )


@router.get("/corrections")
def corrections(
    study_pk: int | None = None,
    limit: Annotated[int, Query(ge=1, le=limits.PAGE_ITEMS_MAX)] = 100,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    work: Work = door(Permission.RECONCILE),
) -> CorrectionPage:
    """Corrections that people made, newest first, of one study or of all."""
    page = correcting.list_corrections(work, study_pk=study_pk, limit=limit, cursor=cursor)
    return CorrectionPage(items=[_corrected(*one) for one in page.items], next_cursor=page.next_cursor)


@router.post("/corrections/preview")
def preview_correction(body: WishIn, work: Work = door(Permission.RECONCILE)) -> list[ChangeOut]:
    """What a correction would change, line by line; nothing is written."""
    return [ChangeOut.model_validate(one) for one in correcting.preview(work, body.wish())]


@router.post("/corrections", status_code=201)
def correct(body: CorrectionIn, work: Work = door(Permission.RECONCILE)) -> CorrectionOut:
    """Corrects: the received objects stay as they are, the correction is laid over them on the way out."""
    return CorrectionOut.model_validate(correcting.correct(work, body.wish(), reason=body.reason))


@router.post("/corrections/{correction_pk}/undo")
def undo_correction(
    correction_pk: int, body: ReasonIn, work: Work = door(Permission.RECONCILE)
) -> CorrectionOut:
    """Takes a correction back: what leaves is what left before."""
    return CorrectionOut.model_validate(correcting.undo(work, correction_pk, reason=body.reason))
