"""What lies below the level of a query: keys of series and instances that choose studies (relational queries, PS3.4
C.4.1.2.2.2, PS3.18 8.3.4.1), and the requests that series belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, and_, literal, select
from sqlalchemy.orm import Session

from wetread.archive import store
from wetread.archive.model import Instance, Series, Study
from wetread.archive.rules import JsonDict, Level, element_json
from wetread.query import values

REQUEST_KEYWORDS = ("ScheduledProcedureStepID", "RequestedProcedureID")


def below(
    level: Level, keys: Mapping[str, str], *, fuzzy_names: bool
) -> tuple[dict[str, str], list[ColumnElement[bool]]]:
    """The keys that `level` itself answers, and conditions for those that lie below it. Raises Invalid."""
    own = store.KEYS[level]
    lower = {
        keyword: value
        for keyword, value in keys.items()
        if keyword not in own and keyword in store.KEYS[Level.IMAGE] and not values.is_universal(value)
    }
    if not lower:
        return dict(keys), []
    conditions = store.KEYS[Level.IMAGE].conditions(lower, fuzzy_names=fuzzy_names).conditions
    of_series = Series.study_pk == Study.study_pk
    if level is Level.SERIES:
        found = (
            select(literal(1))
            .where(Instance.series_pk == Series.series_pk, *conditions)
            .correlate(Series, Study)
        )
    elif all(keyword in store.KEYS[Level.SERIES] for keyword in lower):
        found = select(literal(1)).where(of_series, *conditions).correlate(Study)
    else:
        found = (
            select(literal(1))
            .where(and_(of_series, Instance.series_pk == Series.series_pk), *conditions)
            .correlate(Study)
        )
    return {keyword: value for keyword, value in keys.items() if keyword not in lower}, [found.exists()]


def requests_of(session: Session, items: Sequence[JsonDict]) -> dict[str, JsonDict]:
    """Request Attributes Sequence by Series Instance UID, as it was indexed."""
    uids = sorted({_text(item, "0020000E") for item in items} - {""})
    found: dict[str, JsonDict] = {}
    rows = session.execute(
        select(
            Series.series_instance_uid, Series.scheduled_procedure_step_id, Series.requested_procedure_id
        ).where(Series.series_instance_uid.in_(uids))
    )
    for uid, step, procedure in rows:
        if step or procedure:
            item = dict(
                element_json(keyword, text or "")
                for keyword, text in zip(REQUEST_KEYWORDS, (step, procedure), strict=True)
            )
            found[uid] = {"vr": "SQ", "Value": [dict(sorted(item.items()))]}
    return found


def _text(item: JsonDict, tag: str) -> str:
    return str((item.get(tag, {}).get("Value") or [""])[0])
