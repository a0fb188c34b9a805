"""What modalities say of their work, and which studies hang on it: the facts beside a step on the boards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from wetread.archive.model import Study
from wetread.scheduling.model import PerformedProcedureStep, PerformedStepReference, StudyLink
from wetread.security.service import Work


@dataclass(frozen=True, slots=True)
class LinkedStudy:
    """A study that hangs on the step's Requested Procedure, with what came so far."""

    study_pk: int
    study_instance_uid: str
    number_of_study_related_series: int
    number_of_study_related_instances: int
    first_image_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class PerformedSeries:
    """An item of Performed Series Sequence. `number_of_instances` is empty where the modality counted none of them."""

    series_instance_uid: str
    series_description: str | None
    number_of_instances: int | None


@dataclass(frozen=True, slots=True)
class Performed:
    """A Modality Performed Procedure Step as screens show it."""

    performed_procedure_step_pk: int
    performed_procedure_step_id: str
    performed_procedure_step_status: str
    performed_station_ae_title: str
    started_at: datetime
    ended_at: datetime | None
    discontinuation_reason: str | None
    series: list[PerformedSeries]


def studies_of(work: Work, requested_procedure_pks: Iterable[int]) -> dict[int, list[LinkedStudy]]:
    """The studies of each Requested Procedure, first come first."""
    found: dict[int, list[LinkedStudy]] = {}
    rows = work.session.execute(
        select(StudyLink.requested_procedure_pk, Study)
        .join(Study, Study.study_pk == StudyLink.study_pk)
        .where(
            StudyLink.requested_procedure_pk.in_(set(requested_procedure_pks)), StudyLink.state != "unmatched"
        )
        .order_by(Study.study_pk)
    ).all()
    for requested_procedure_pk, study in rows:
        assert requested_procedure_pk is not None
        found.setdefault(requested_procedure_pk, []).append(
            LinkedStudy(
                study.study_pk,
                study.study_instance_uid,
                study.number_of_study_related_series,
                study.number_of_study_related_instances,
                study.created_at,
                study.updated_at,
            )
        )
    return found


def performed_statuses(work: Work, scheduled_procedure_step_pks: Iterable[int]) -> dict[int, str]:
    """The status of the latest performed step of each scheduled one. What the modality sent stays in the table: it
    may name thousands of images."""
    rows = work.session.execute(
        select(
            PerformedStepReference.scheduled_procedure_step_pk,
            PerformedProcedureStep.performed_procedure_step_status,
        )
        .join(
            PerformedProcedureStep,
            PerformedProcedureStep.performed_procedure_step_pk
            == PerformedStepReference.performed_procedure_step_pk,
        )
        .where(PerformedStepReference.scheduled_procedure_step_pk.in_(set(scheduled_procedure_step_pks)))
        .order_by(PerformedProcedureStep.performed_procedure_step_pk)
    ).all()
    return {row[0]: row[1] for row in rows}


def performed_of(work: Work, scheduled_procedure_step_pk: int) -> list[Performed]:
    """All that modalities reported of one scheduled step, oldest first."""
    steps = work.session.scalars(
        select(PerformedProcedureStep)
        .join(
            PerformedStepReference,
            PerformedStepReference.performed_procedure_step_pk
            == PerformedProcedureStep.performed_procedure_step_pk,
        )
        .where(PerformedStepReference.scheduled_procedure_step_pk == scheduled_procedure_step_pk)
        .order_by(PerformedProcedureStep.performed_procedure_step_pk)
    ).all()
    return [
        Performed(
            step.performed_procedure_step_pk,
            step.performed_procedure_step_id,
            step.performed_procedure_step_status,
            step.performed_station_ae_title,
            step.started_at,
            step.ended_at,
            _reason(step.attributes),
            [_series(item) for item in _items(step.attributes, "00400340")],
        )
        for step in steps
    ]


def _series(item: Mapping[str, Any]) -> PerformedSeries:
    # Referenced Image Sequence and Referenced Non-Image Composite SOP Instance Sequence (PS3.4 table F.7.2-1). Some
    # modalities leave both empty: that says nothing about how many there are.
    count = len(_items(item, "00081140")) + len(_items(item, "00400220"))
    return PerformedSeries(_text(item, "0020000E") or "", _text(item, "0008103E"), count or None)


def _reason(attributes: Mapping[str, Any]) -> str | None:
    codes = _items(attributes, "00400281")  # Performed Procedure Step Discontinuation Reason Code Sequence
    return _text(codes[0], "00080104") if codes else None


def _items(attributes: Mapping[str, Any], tag: str) -> list[dict[str, Any]]:
    values = attributes.get(tag, {}).get("Value") or []
    return [item for item in values if isinstance(item, dict)]


def _text(attributes: Mapping[str, Any], tag: str) -> str | None:
    values = attributes.get(tag, {}).get("Value") or [None]
    return None if values[0] is None else str(values[0])
