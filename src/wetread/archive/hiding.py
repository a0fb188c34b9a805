"""What is hidden, and what may not be: marks of removed things, the policy about them, legal holds.

An instance is hidden by its mark (`removal_pk`); a series or study is hidden while nothing below it is to be seen.
`settle` derives the latter, and the counts, from the former, so that a restored thing stands as it stood.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import and_, delete, func, or_, select, text, update
from sqlalchemy.orm import Session

from wetread.archive.model import (
    WITH_REMOVED,
    ArchivePolicy,
    Instance,
    LegalHold,
    Removal,
    Series,
    Study,
)
from wetread.archive.rules import ON_REJECTION
from wetread.kit import limits

_SETTLE_SERIES = text(
    """
UPDATE series s SET number_of_series_related_instances = x.visible, removal_pk = x.mark, updated_at = clock_timestamp()
FROM (
    SELECT e.series_pk, count(i.instance_pk) FILTER (WHERE i.removal_pk IS NULL) AS visible,
        -- Of a series without any instance, what emptied it said whether it is to be seen.
        CASE WHEN count(i.instance_pk) = 0 THEN e.removal_pk
            WHEN count(i.instance_pk) FILTER (WHERE i.removal_pk IS NULL) = 0 THEN max(i.removal_pk) END AS mark
    FROM series e LEFT JOIN instance i ON i.series_pk = e.series_pk
    WHERE e.study_pk = ANY(:study_pks)
    GROUP BY e.series_pk
) x
WHERE s.series_pk = x.series_pk
    AND (s.number_of_series_related_instances, coalesce(s.removal_pk, 0)) IS DISTINCT FROM (x.visible, coalesce(x.mark, 0))
"""
)
_SETTLE_STUDIES = text(
    """
UPDATE study t SET
    number_of_study_related_instances = x.visible,
    number_of_study_related_series = (
        SELECT count(*) FROM series s WHERE s.study_pk = t.study_pk AND s.removal_pk IS NULL),
    modalities_in_study = ARRAY(
        SELECT s.modality FROM series s
        WHERE s.study_pk = t.study_pk AND s.removal_pk IS NULL AND s.modality IS NOT NULL
        GROUP BY s.modality ORDER BY min(s.series_pk)),
    sop_classes_in_study = ARRAY(
        SELECT i.sop_class_uid FROM instance i WHERE i.study_pk = t.study_pk AND i.removal_pk IS NULL
        GROUP BY i.sop_class_uid ORDER BY min(i.instance_pk)),
    -- Of a study without any instance, what emptied it said whether it is to be seen.
    removal_pk = CASE WHEN x.visible > 0 THEN NULL WHEN x.mark IS NULL THEN t.removal_pk ELSE x.mark END,
    updated_at = clock_timestamp()
FROM (
    SELECT e.study_pk, count(i.instance_pk) FILTER (WHERE i.removal_pk IS NULL) AS visible,
        max(i.removal_pk) AS mark
    FROM study e LEFT JOIN instance i ON i.study_pk = e.study_pk
    WHERE e.study_pk = ANY(:study_pks)
    GROUP BY e.study_pk
) x
WHERE t.study_pk = x.study_pk
"""
)


def settle(session: Session, study_pks: Sequence[int]) -> None:
    """Derives the marks and counts of series and studies from the marks of their instances."""
    session.flush()
    for statement in (_SETTLE_SERIES, _SETTLE_STUDIES):
        session.execute(statement, {"study_pks": list(study_pks)})
    session.expire_all()


def lock(session: Session, study_pks: Sequence[int]) -> list[Study]:
    """The studies with their series locked, in the order in which ingest locks them; hidden ones too."""
    session.execute(
        select(Series.series_pk)
        .where(Series.study_pk.in_(study_pks))
        .order_by(Series.series_pk)
        .with_for_update(key_share=True)
        .execution_options(**WITH_REMOVED)
    ).all()
    return list(
        session.scalars(
            select(Study)
            .where(Study.study_pk.in_(study_pks))
            .order_by(Study.study_pk)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True, **WITH_REMOVED)
        )
    )


def policy_of(session: Session) -> ArchivePolicy:
    """What the hospital decided about removed things, or what holds until it does; not to be changed by the caller."""
    found = session.get(ArchivePolicy, 1)
    if found is not None:
        return found
    return ArchivePolicy(
        archive_policy_pk=1,
        trash_days=limits.TRASH_DAYS,
        on_return="quarantine",
        is_delete_by_dicomweb=True,
        on_rejection=dict(ON_REJECTION),
    )


def holds_on(session: Session, study_pks: Sequence[int], today: date) -> dict[int, LegalHold]:
    """The holds that stand, by study: its own or its patient's. Hidden studies too."""
    rows = session.execute(
        select(Study.study_pk, LegalHold)
        .join(
            LegalHold,
            or_(
                LegalHold.study_pk == Study.study_pk,
                and_(LegalHold.patient_pk == Study.patient_pk, LegalHold.patient_pk.is_not(None)),
            ),
        )
        .where(
            Study.study_pk.in_(study_pks),
            LegalHold.lifted_at.is_(None),
            func.coalesce(LegalHold.until >= today, True),
        )
        .order_by(LegalHold.legal_hold_pk)
        .execution_options(**WITH_REMOVED)
    ).all()
    return {row[0]: row[1] for row in rows}


def revive(
    session: Session, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str
) -> None:
    """Lets an object in that was removed: from the trash it comes back; of what was purged the tombstone gives way.

    Its series and study are to be seen again; what else the removal took stays removed.
    """
    found = session.execute(
        select(Instance.instance_pk, Instance.study_pk, Removal.purged_at)
        .join(Removal, Removal.removal_pk == Instance.removal_pk)
        .where(Instance.sop_instance_uid == sop_instance_uid)
        .execution_options(**WITH_REMOVED)
    ).one_or_none()
    options = {"synchronize_session": False, **WITH_REMOVED}
    for statement in (
        update(Series).where(Series.series_instance_uid == series_instance_uid).values(removal_pk=None),
        update(Study).where(Study.study_instance_uid == study_instance_uid).values(removal_pk=None),
    ):
        session.execute(statement.execution_options(**options))
    if found is None:
        return
    instance_pk, study_pk, purged_at = found
    if purged_at is not None:
        session.execute(
            delete(Instance).where(Instance.instance_pk == instance_pk).execution_options(**options)
        )
        return
    session.execute(
        update(Instance)
        .where(Instance.instance_pk == instance_pk)
        .values(removal_pk=None)
        .execution_options(**options)
    )
    settle(session, [study_pk])
