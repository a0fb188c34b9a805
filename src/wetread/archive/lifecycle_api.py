"""HTTP for the life of studies: the trash and its policy, corrections, legal holds, retention, rejection."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from wetread.archive import catalogue, rejection
from wetread.archive import corrections as correcting
from wetread.archive import removal as removing
from wetread.archive import retention as keeping
from wetread.archive.corrections import Wish
from wetread.archive.model import Correction, Study
from wetread.archive.removal import RemovalRow, Target
from wetread.archive.retention import HoldRow, RuleFields
from wetread.kit import limits
from wetread.security.door import door
from wetread.security.service import Permission, Work

router = APIRouter(prefix="/api/archive", tags=["archive"])

Uid = Annotated[str, Field(min_length=1, max_length=64)]
Reason = Annotated[str, Field(min_length=1, max_length=200)]


class Body(BaseModel):
    """Base of request bodies: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


# Finding a study to do something with


class StudySearchIn(Body):
    """What was typed: the beginning of a name, a patient ID or an accession number; nothing: the latest to arrive."""

    text: str = Field("", max_length=limits.SEARCH_TEXT_CHARACTERS_MAX)
    patient_pk: int | None = None
    limit: int = Field(100, ge=1, le=limits.PAGE_ITEMS_MAX)
    cursor: str | None = Field(None, max_length=200)


class FoundStudyOut(BaseModel):
    """A study in a list."""

    model_config = ConfigDict(from_attributes=True)

    study_pk: int
    study_instance_uid: str
    study_date: date | None
    study_description: str | None
    accession_number: str | None
    modalities_in_study: list[str]
    number_of_study_related_series: int
    number_of_study_related_instances: int
    patient_pk: int | None
    patient_name: str | None
    patient_id: str | None
    patient_birth_date: date | None
    patient_sex: str | None
    created_at: datetime
    is_held: bool = False


class FoundStudyPage(BaseModel):
    """A page of studies."""

    items: list[FoundStudyOut]
    next_cursor: str | None


@router.post("/studies/find")
def find_studies(body: StudySearchIn, work: Work = door(Permission.STUDY_READ)) -> FoundStudyPage:
    """Studies by the beginning of a name, patient ID or accession number, the latest to arrive first."""
    page = catalogue.find_studies(
        work, body.text, patient_pk=body.patient_pk, limit=body.limit, cursor=body.cursor
    )
    items = []
    for study, is_held in page.items:
        items.append(FoundStudyOut.model_validate(study))
        items[-1].is_held = is_held
    return FoundStudyPage(items=items, next_cursor=page.next_cursor)


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
    new study of series, described by `attributes`; `merge` hangs all of the study on another one. With
    `sop_instance_uids`, `move` and `split` take these images alone: they get a series of their own.
    """

    kind: Literal["edit", "patient", "move", "split", "merge"]
    study_instance_uid: Uid
    series_instance_uids: list[Uid] = Field(default_factory=list, max_length=limits.CORRECTED_SERIES_MAX)
    sop_instance_uids: list[Uid] = Field(default_factory=list, max_length=limits.CORRECTED_IMAGES_MAX)
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
            series_instance_uids=tuple(self.series_instance_uids),
            sop_instance_uids=tuple(self.sop_instance_uids),
            sop_instance_uid=self.sop_instance_uid,
            attributes=self.attributes,
            patient_pk=self.patient_pk,
            target_study_instance_uid=self.target_study_instance_uid,
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


# Rejection


class RejectionIn(Body):
    """Images of a study that are rejected: all of it, some series, or some instances; by a code of CID 7011."""

    study_instance_uid: Uid
    series_instance_uids: list[Uid] = Field(default_factory=list, max_length=limits.CORRECTED_SERIES_MAX)
    sop_instance_uids: list[Uid] = Field(default_factory=list, max_length=5000)
    code_value: Literal["113001", "113037", "113038", "113039"]
    reason: Reason


class RejectionOut(BaseModel):
    """The note that rejects, as it was filed in the study."""

    sop_instance_uid: str


@router.post("/rejections", status_code=201)
def reject(body: RejectionIn, work: Work = door(Permission.STUDY_REMOVE)) -> RejectionOut:
    """Rejects images by a Key Object Selection note (RAD-66), which goes to other archives as routing says."""
    return RejectionOut(sop_instance_uid=rejection.reject(work, **body.model_dump()))


# Legal holds


class HoldIn(Body):
    """A study or a patient that is to be held, why, and until when; without a day, until somebody lifts it."""

    study_instance_uid: Uid | None = None
    patient_pk: int | None = None
    reason: Reason
    until: date | None = None


class HoldOut(BaseModel):
    """A legal hold."""

    model_config = ConfigDict(from_attributes=True)

    legal_hold_pk: int
    study_pk: int | None
    patient_pk: int | None
    reason: str
    placed_at: datetime
    placed_by: str
    until: date | None
    lifted_at: datetime | None
    lifted_by: str | None
    lifted_reason: str | None


class HoldRowOut(HoldOut):
    """A legal hold in a list."""

    patient_name: str | None
    patient_id: str | None
    study_description: str | None
    study_date: date | None
    stands: bool


def _hold(one: HoldRow) -> HoldRowOut:
    return HoldRowOut(
        **HoldOut.model_validate(one.hold).model_dump(),
        patient_name=one.patient_name,
        patient_id=one.patient_id,
        study_description=one.study_description,
        study_date=one.study_date,
        stands=one.stands,
    )


@router.get("/holds")
def holds(
    standing: bool = True,
    study_pk: int | None = None,
    work: Work = door(Permission.HOLD, Permission.STUDY_REMOVE),
) -> list[HoldRowOut]:
    """Legal holds that stand, newest first; `standing=false` shows those that are over. Of one study, also its patient's."""
    found = keeping.list_holds(work, standing=standing, study_pk=study_pk)
    return [_hold(one) for one in found]


@router.post("/holds", status_code=201)
def place_hold(body: HoldIn, work: Work = door(Permission.HOLD)) -> HoldOut:
    """Puts a study or a patient under legal hold: nothing of it is put in the trash or purged."""
    return HoldOut.model_validate(keeping.place_hold(work, **body.model_dump()))


@router.post("/holds/{legal_hold_pk}/lift")
def lift_hold(legal_hold_pk: int, body: ReasonIn, work: Work = door(Permission.HOLD)) -> HoldOut:
    """Ends a legal hold."""
    return HoldOut.model_validate(keeping.lift_hold(work, legal_hold_pk, reason=body.reason))


# Retention


class RetentionRuleIn(Body):
    """How long what matches is kept; an absent condition is met by all studies."""

    name: str = Field(max_length=200)
    position: int = Field(ge=0, le=10_000)
    is_enabled: bool
    keep_years: int
    keep_until_age: int | None = None
    modalities: list[Annotated[str, Field(max_length=32)]] = Field(default_factory=list, max_length=50)
    institution_name: str | None = Field(None, max_length=64)
    study_description: str | None = Field(None, max_length=64)
    patient_age_from: int | None = None
    patient_age_below: int | None = None

    def fields(self) -> RuleFields:
        """The same for the service."""
        return RuleFields(**{**self.model_dump(), "modalities": tuple(self.modalities)})


class RetentionRuleOut(BaseModel):
    """A retention rule."""

    model_config = ConfigDict(from_attributes=True)

    retention_rule_pk: int
    name: str
    position: int
    is_enabled: bool
    keep_years: int
    keep_until_age: int | None
    modalities: list[str]
    institution_name: str | None
    study_description: str | None
    patient_age_from: int | None
    patient_age_below: int | None


class ExpiredOut(BaseModel):
    """A study that is over by a rule."""

    model_config = ConfigDict(from_attributes=True)

    study_pk: int
    study_instance_uid: str
    study_date: date
    study_description: str | None
    modalities_in_study: list[str]
    patient_name: str | None
    patient_id: str | None
    patient_birth_date: date | None
    expired_on: date
    instances: int


class TakingOut(BaseModel):
    """What a rule would take now. `unknown`: without a date that the rule needs, and kept."""

    model_config = ConfigDict(from_attributes=True)

    matching: int
    expired: int
    held: int
    unknown: int
    studies: list[ExpiredOut]


@router.get("/retention-rules")
def retention_rules(work: Work = door(Permission.CONFIG_READ)) -> list[RetentionRuleOut]:
    """The retention rules in the order in which they are tried: the first that matches a study holds."""
    return [RetentionRuleOut.model_validate(one) for one in keeping.rules(work)]


@router.post("/retention-rules", status_code=201)
def add_retention_rule(body: RetentionRuleIn, work: Work = door(Permission.CONFIG_WRITE)) -> RetentionRuleOut:
    """Adds a retention rule."""
    return RetentionRuleOut.model_validate(keeping.save_rule(work, body.fields()))


@router.put("/retention-rules/{retention_rule_pk}")
def change_retention_rule(
    retention_rule_pk: int, body: RetentionRuleIn, work: Work = door(Permission.CONFIG_WRITE)
) -> RetentionRuleOut:
    """Changes a retention rule."""
    rule = keeping.save_rule(work, body.fields(), retention_rule_pk=retention_rule_pk)
    return RetentionRuleOut.model_validate(rule)


@router.delete("/retention-rules/{retention_rule_pk}", status_code=204)
def remove_retention_rule(retention_rule_pk: int, work: Work = door(Permission.CONFIG_WRITE)) -> None:
    """Forgets a retention rule, and what it proposed."""
    keeping.remove_rule(work, retention_rule_pk)


@router.post("/retention-rules/preview")
def preview_retention_rule(
    body: RetentionRuleIn,
    retention_rule_pk: int | None = None,
    work: Work = door(Permission.CONFIG_READ),
) -> TakingOut:
    """What a rule would take if it stood now; nothing is written. `retention_rule_pk`: the rule that it would replace."""
    found = keeping.preview_rule(work, body.fields(), retention_rule_pk=retention_rule_pk)
    return TakingOut.model_validate(found)


@router.post("/retention-rules/apply", status_code=202)
def apply_retention_rules(work: Work = door(Permission.CONFIG_WRITE)) -> None:
    """Has the rules looked through now, beside the nightly round; what is over is proposed, not removed."""
    keeping.propose_now(work)


class ProposalOut(BaseModel):
    """A study that is over by a rule and waits for a person."""

    retention_proposal_pk: int
    rule_name: str
    expired_on: date
    proposed_at: datetime
    study_pk: int
    study_instance_uid: str
    study_date: date | None
    study_description: str | None
    accession_number: str | None
    modalities_in_study: list[str]
    number_of_study_related_instances: int
    patient_name: str | None
    patient_id: str | None
    patient_birth_date: date | None
    is_held: bool


class ProposalPage(BaseModel):
    """A page of proposals."""

    items: list[ProposalOut]
    next_cursor: str | None
    total: int | None


class DecisionIn(Body):
    """Which proposals, and what becomes of their studies."""

    retention_proposal_pks: list[int] = Field(min_length=1, max_length=200)
    decision: Literal["trash", "keep"]


class DecidedOut(BaseModel):
    """How many proposals were decided; others decided the rest."""

    studies: int


@router.get("/retention-proposals")
def retention_proposals(
    limit: Annotated[int, Query(ge=1, le=limits.PAGE_ITEMS_MAX)] = 200,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    work: Work = door(Permission.STUDY_REMOVE),
) -> ProposalPage:
    """Studies that are over by a retention rule, for a person to decide about."""
    page = keeping.list_proposals(work, limit=limit, cursor=cursor)
    items = []
    for one in page.items:
        sources = (one.proposal, one.study, one)
        items.append(
            ProposalOut(
                **{
                    name: next(getattr(source, name) for source in sources if hasattr(source, name))
                    for name in ProposalOut.model_fields
                }
            )
        )
    return ProposalPage(items=items, next_cursor=page.next_cursor, total=page.total)


@router.post("/retention-proposals/decision")
def decide_retention(body: DecisionIn, work: Work = door(Permission.STUDY_REMOVE)) -> DecidedOut:
    """Puts studies that are over in the trash, or keeps them; one that is under legal hold stops all."""
    return DecidedOut(studies=keeping.decide(work, body.retention_proposal_pks, body.decision))
