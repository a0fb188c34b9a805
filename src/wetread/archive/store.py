"""All SQL of the archive: queries of the index, look-ups for retrieval, and the hot path of ingest."""

from __future__ import annotations

import select as select_module
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGresult
from sqlalchemy import ColumnElement, Select, and_, func, select, text, true
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from wetread.archive.model import (
    Instance,
    ObjectCopy,
    Series,
    SeriesMetadata,
    StoredObject,
    StoredRole,
    Study,
    StudyCorrection,
    StudyKey,
)
from wetread.archive.rules import InstanceRow, Level, dumps
from wetread.dicom.transfersyntax import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from wetread.kit.events import CHANNEL, Event
from wetread.query.matching import Compiled, Key, KeyTable, Kind, name_groups
from wetread.security.service import AUDIT_ENTRY_COLUMNS

Columns = dict[str, InstrumentedAttribute[Any]]

# What each level answers, by keyword (PS3.4 Tables C.6-1 to C.6-4; PS3.18 Tables 10.6.3-3 to 10.6.3-5).
STUDY_COLUMNS: Columns = {
    "StudyInstanceUID": Study.study_instance_uid,
    "StudyDate": Study.study_date,
    "StudyTime": Study.study_time,
    "AccessionNumber": Study.accession_number,
    "StudyID": Study.study_id,
    "StudyDescription": Study.study_description,
    "ReferringPhysicianName": Study.referring_physician_name,
    "PatientName": Study.patient_name,
    "PatientID": Study.patient_id,
    "IssuerOfPatientID": Study.issuer_of_patient_id,
    "PatientBirthDate": Study.patient_birth_date,
    "PatientSex": Study.patient_sex,
    "ModalitiesInStudy": Study.modalities_in_study,
    "SOPClassesInStudy": Study.sop_classes_in_study,
    "NumberOfStudyRelatedSeries": Study.number_of_study_related_series,
    "NumberOfStudyRelatedInstances": Study.number_of_study_related_instances,
}
SERIES_COLUMNS: Columns = {
    "SeriesInstanceUID": Series.series_instance_uid,
    "Modality": Series.modality,
    "SeriesNumber": Series.series_number,
    "SeriesDescription": Series.series_description,
    "SeriesDate": Series.series_date,
    "SeriesTime": Series.series_time,
    "BodyPartExamined": Series.body_part_examined,
    "Laterality": Series.laterality,
    "ProtocolName": Series.protocol_name,
    "InstitutionName": Series.institution_name,
    "StationName": Series.station_name,
    "Manufacturer": Series.manufacturer,
    "ManufacturerModelName": Series.manufacturer_model_name,
    "PerformedProcedureStepID": Series.performed_procedure_step_id,
    "PerformedProcedureStepStartDate": Series.performed_procedure_step_start_date,
    "PerformedProcedureStepStartTime": Series.performed_procedure_step_start_time,
    "NumberOfSeriesRelatedInstances": Series.number_of_series_related_instances,
}
INSTANCE_COLUMNS: Columns = {
    "SOPInstanceUID": Instance.sop_instance_uid,
    "SOPClassUID": Instance.sop_class_uid,
    "InstanceNumber": Instance.instance_number,
    "NumberOfFrames": Instance.number_of_frames,
    "Rows": Instance.rows,
    "Columns": Instance.columns,
    "BitsAllocated": Instance.bits_allocated,
    "SamplesPerPixel": Instance.samples_per_pixel,
    "PhotometricInterpretation": Instance.photometric_interpretation,
    "ImageLaterality": Instance.image_laterality,
    "ContentDate": Instance.content_date,
    "ContentTime": Instance.content_time,
}
_UIDS = {"StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "SOPClassesInStudy"}
_NAMES: dict[str, InstrumentedAttribute[Any]] = {
    "PatientName": Study.patient_name_match,
    "ReferringPhysicianName": Study.referring_physician_name_match,
}
_ARRAYS = {"ModalitiesInStudy", "SOPClassesInStudy"}
LATEST = func.coalesce(Study.study_date, text("'0001-01-01'::date"))


def _keys(columns: Columns) -> KeyTable:
    keys: list[Key] = []
    for keyword, column in columns.items():
        if keyword in _NAMES:
            groups = name_groups(Study.patient_name_match) if keyword == "PatientName" else ()
            keys.append(Key(keyword, Kind.NAME, _NAMES[keyword], groups=groups))
        elif keyword in _UIDS:
            keys.append(Key(keyword, Kind.UID, column, array=keyword in _ARRAYS))
        elif keyword.endswith("Date"):
            # Lists are sorted by it: a day of many years is found without going through those after it.
            keys.append(Key(keyword, Kind.DATE, column, indexed=LATEST if keyword == "StudyDate" else None))
        elif keyword.endswith("Time"):
            keys.append(Key(keyword, Kind.TIME, column))
        elif column.type.python_type is int:
            keys.append(Key(keyword, Kind.INTEGER, column))
        else:
            keys.append(Key(keyword, Kind.TEXT, column, array=keyword in _ARRAYS))
    return KeyTable.of(*keys)


STUDY_KEYS = _keys(STUDY_COLUMNS)
SERIES_KEYS = _keys(SERIES_COLUMNS)
INSTANCE_KEYS = _keys(INSTANCE_COLUMNS)
_SERIES_REQUEST_KEYS = KeyTable.of(
    Key("ScheduledProcedureStepID", Kind.TEXT, Series.scheduled_procedure_step_id),
    Key("RequestedProcedureID", Kind.TEXT, Series.requested_procedure_id),
)
# Asked of studies, a series' modality means: any of its series (PS3.18 10.6.1.2.3, as viewers ask it).
_STUDY_ALIASES = KeyTable.of(Key("Modality", Kind.TEXT, Study.modalities_in_study, array=True))
KEYS: dict[Level, KeyTable] = {
    Level.STUDY: STUDY_KEYS | _STUDY_ALIASES,
    Level.SERIES: STUDY_KEYS | SERIES_KEYS | _SERIES_REQUEST_KEYS,
    Level.IMAGE: STUDY_KEYS | SERIES_KEYS | _SERIES_REQUEST_KEYS | INSTANCE_KEYS,
}
COLUMNS: dict[Level, Columns] = {
    Level.STUDY: STUDY_COLUMNS,
    Level.SERIES: STUDY_COLUMNS | SERIES_COLUMNS,
    Level.IMAGE: STUDY_COLUMNS | SERIES_COLUMNS | INSTANCE_COLUMNS,
}
COMBINED_DATE_TIMES: dict[Level, list[tuple[str, str]]] = {
    Level.STUDY: [("StudyDate", "StudyTime")],
    Level.SERIES: [("StudyDate", "StudyTime"), ("SeriesDate", "SeriesTime")],
    Level.IMAGE: [("StudyDate", "StudyTime"), ("SeriesDate", "SeriesTime"), ("ContentDate", "ContentTime")],
}


@dataclass(frozen=True, slots=True)
class Found:
    """Rows as keyword → value, the study's key beside each, and the keywords that could not be matched on."""

    rows: list[dict[str, Any]]
    study_pks: list[int]
    unmatched: list[str]


def find(
    session: Session,
    level: Level,
    wanted: Mapping[str, str],
    *,
    visible: ColumnElement[bool] | None,
    limit: int,
    offset: int,
    fuzzy_names: bool,
    combined_date_times: bool,
    columns: Sequence[str] | None,
) -> Found:
    """Matching rows of `level`, newest studies first, below that in the order of their numbers."""
    compiled: Compiled = KEYS[level].conditions(
        wanted,
        fuzzy_names=fuzzy_names,
        combined=COMBINED_DATE_TIMES[level] if combined_date_times else (),
    )
    chosen = (
        COLUMNS[level]
        if columns is None
        else {keyword: column for keyword, column in COLUMNS[level].items() if keyword in columns}
    )
    where = and_(true(), *compiled.conditions, *([] if visible is None else [visible]))
    order: list[ColumnElement[Any]] = [LATEST.desc(), Study.study_pk.desc()]
    source: Select[Any]
    if level is Level.STUDY:
        key: InstrumentedAttribute[Any] = Study.study_pk
        source = select(Study.study_pk)
    elif level is Level.SERIES:
        key = Series.series_pk
        source = select(Series.series_pk).join(Study, Study.study_pk == Series.study_pk)
        order += [Series.series_number.asc().nulls_last(), Series.series_pk.asc()]
    else:
        key = Instance.instance_pk
        source = (
            select(Instance.instance_pk)
            .join(Series, Series.series_pk == Instance.series_pk)
            .join(Study, Study.study_pk == Instance.study_pk)
        )
        order += [
            Series.series_number.asc().nulls_last(),
            Series.series_pk.asc(),
            Instance.instance_number.asc().nulls_last(),
            Instance.instance_pk.asc(),
        ]
    # Rows are fetched by key after paging, so that skipping many rows reads the index alone.
    page = source.where(where).order_by(*order).limit(limit).offset(offset).subquery()
    rows = select(Study.study_pk, *(column.label(keyword) for keyword, column in chosen.items()))
    if level is Level.SERIES:
        rows = rows.join(Series, Series.study_pk == Study.study_pk)
    elif level is Level.IMAGE:
        rows = rows.join(Series, Series.study_pk == Study.study_pk).join(
            Instance, Instance.series_pk == Series.series_pk
        )
    rows = rows.where(key.in_(select(page.c[0]))).order_by(*order)
    found = session.execute(rows).all()
    return Found(
        [dict(zip(chosen, row[1:], strict=True)) for row in found],
        [row[0] for row in found],
        compiled.unmatched,
    )


def count_studies(session: Session, wanted: Mapping[str, str], visible: ColumnElement[bool] | None) -> int:
    """How many studies match."""
    compiled = KEYS[Level.STUDY].conditions(wanted)
    where = and_(true(), *compiled.conditions, *([] if visible is None else [visible]))
    return session.scalar(select(func.count()).select_from(Study).where(where)) or 0


def received_attributes(session: Session, study_pks: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The attributes of studies as first received."""
    rows = session.execute(
        select(Study.study_pk, Study.received_attributes).where(Study.study_pk.in_(study_pks))
    )
    return {row[0]: row[1] for row in rows}


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """All that is needed to read one instance: its identity, its bytes, its frames."""

    study_pk: int
    series_pk: int
    instance_pk: int
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    number_of_frames: int
    rows: int | None
    columns: int | None
    bits_allocated: int | None
    samples_per_pixel: int | None
    photometric_interpretation: str | None
    stored_object_pk: int
    role: str
    location: str
    study_key_pk: int
    sealed_key: bytes
    size_bytes: int
    transfer_syntax_uid: str
    dataset_offset: int
    pixel_data_offset: int | None
    frame_length: int | None
    frame_table: bytes | None
    dataset_sha256: bytes


def stored_instances(
    session: Session,
    *,
    study_instance_uids: Sequence[str] = (),
    series_instance_uids: Sequence[str] = (),
    sop_instance_uids: Sequence[str] = (),
    visible: ColumnElement[bool] | None = None,
    roles: Sequence[StoredRole] = (StoredRole.ORIGINAL,),
    condition: ColumnElement[bool] | None = None,
    limit: int | None = None,
) -> list[StoredInstance]:
    """Instances with their objects, in the order of series and instance numbers. At least one list of UIDs."""
    query = (
        select(
            Study.study_pk,
            Series.series_pk,
            Instance.instance_pk,
            Study.study_instance_uid,
            Series.series_instance_uid,
            Instance.sop_instance_uid,
            Instance.sop_class_uid,
            Instance.number_of_frames,
            Instance.rows,
            Instance.columns,
            Instance.bits_allocated,
            Instance.samples_per_pixel,
            Instance.photometric_interpretation,
            StoredObject.stored_object_pk,
            StoredObject.role,
            StoredObject.location,
            StoredObject.study_key_pk,
            StudyKey.sealed_key,
            StoredObject.size_bytes,
            StoredObject.transfer_syntax_uid,
            StoredObject.dataset_offset,
            StoredObject.pixel_data_offset,
            StoredObject.frame_length,
            StoredObject.frame_table,
            StoredObject.dataset_sha256,
        )
        .join(Series, Series.study_pk == Study.study_pk)
        .join(Instance, Instance.series_pk == Series.series_pk)
        .join(StoredObject, StoredObject.instance_pk == Instance.instance_pk)
        .join(StudyKey, StudyKey.study_key_pk == StoredObject.study_key_pk)
        .where(StoredObject.role.in_([str(role) for role in roles]))
        .order_by(
            Study.study_pk,
            Series.series_number.asc().nulls_last(),
            Series.series_pk,
            Instance.instance_number.asc().nulls_last(),
            Instance.instance_pk,
        )
        .limit(limit)
    )
    narrowed = condition is not None
    if condition is not None:
        query = query.where(condition)
    for column, uids in (
        (Study.study_instance_uid, study_instance_uids),
        (Series.series_instance_uid, series_instance_uids),
        (Instance.sop_instance_uid, sop_instance_uids),
    ):
        if uids:
            query = query.where(column == uids[0] if len(uids) == 1 else column.in_(uids))
            narrowed = True
    if not narrowed:
        return []
    if visible is not None:
        query = query.where(visible)
    rows: Sequence[Sequence[Any]] = session.execute(query).all()
    return [StoredInstance(*row) for row in rows]


def without_rendition(session: Session, study_pk: int, limit: int) -> list[StoredInstance]:
    """Originals of a study that could have a rendition for viewing and have none."""
    rendition = aliased(StoredObject)
    return stored_instances(
        session,
        condition=and_(
            Study.study_pk == study_pk,
            StoredObject.frame_length.is_not(None),
            Instance.bits_allocated.in_((8, 16)),
            StoredObject.transfer_syntax_uid.in_((IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN)),
            ~select(rendition.stored_object_pk)
            .where(rendition.instance_pk == Instance.instance_pk, rendition.role == StoredRole.RENDITION)
            .exists(),
        ),
        limit=limit,
    )


def corrections_of(session: Session, study_pks: Sequence[int]) -> dict[int, list[StudyCorrection]]:
    """Corrections by study, oldest first."""
    found: dict[int, list[StudyCorrection]] = {}
    for correction in session.scalars(
        select(StudyCorrection)
        .where(StudyCorrection.study_pk.in_(study_pks))
        .order_by(StudyCorrection.study_correction_pk)
    ):
        found.setdefault(correction.study_pk, []).append(correction)
    return found


@dataclass(frozen=True, slots=True)
class SeriesState:
    """What a series' cached metadata must agree with."""

    study_pk: int
    series_pk: int
    patient_pk: int | None
    series_updated_at: datetime
    last_study_correction_pk: int
    cached: SeriesMetadata | None

    @property
    def current(self) -> bool:
        """Whether the cached metadata is that of the series as it stands."""
        return (
            self.cached is not None
            and self.cached.series_updated_at == self.series_updated_at
            and self.cached.last_study_correction_pk == self.last_study_correction_pk
        )


def series_uids(session: Session, study_instance_uid: str) -> list[str]:
    """Series Instance UIDs of a study, in the order of their numbers."""
    return list(
        session.scalars(
            select(Series.series_instance_uid)
            .join(Study, Study.study_pk == Series.study_pk)
            .where(Study.study_instance_uid == study_instance_uid)
            .order_by(Series.series_number.asc().nulls_last(), Series.series_pk)
        )
    )


def middle_instances(session: Session, study_pk: int) -> dict[int, str]:
    """series_pk → SOP Instance UID of the instance in the middle of each series, among those with a picture."""
    ranked = (
        select(
            Instance.series_pk,
            Instance.sop_instance_uid,
            func.row_number()
            .over(
                partition_by=Instance.series_pk,
                order_by=(Instance.instance_number.asc().nulls_last(), Instance.instance_pk),
            )
            .label("place"),
            func.count().over(partition_by=Instance.series_pk).label("of"),
        )
        .where(Instance.study_pk == study_pk, Instance.number_of_frames > 0)
        .subquery()
    )
    rows = session.execute(
        select(ranked.c.series_pk, ranked.c.sop_instance_uid).where(ranked.c.place == (ranked.c.of + 1) // 2)
    )
    return {row[0]: row[1] for row in rows}


def series_state(session: Session, study_instance_uid: str, series_instance_uid: str) -> SeriesState | None:
    """The series' state, or None where it is not there."""
    query = (
        select(
            Study.study_pk,
            Series.series_pk,
            Study.patient_pk,
            Series.updated_at,
            select(func.coalesce(func.max(StudyCorrection.study_correction_pk), 0))
            .where(StudyCorrection.study_pk == Study.study_pk)
            .scalar_subquery(),
            SeriesMetadata,
        )
        .join(Series, Series.study_pk == Study.study_pk)
        .outerjoin(SeriesMetadata, SeriesMetadata.series_pk == Series.series_pk)
        .where(
            Study.study_instance_uid == study_instance_uid, Series.series_instance_uid == series_instance_uid
        )
    )
    row = session.execute(query).one_or_none()
    return None if row is None else SeriesState(*row)


# Ingest ---------------------------------------------------------------------------------------------------------


Answer = list[bytes | None]
"""The values of one row as text."""


@dataclass(frozen=True, slots=True)
class FirstObject:
    """What belongs to the first object of a study or series in a transfer.

    `sealed_key` is a new key that it was sealed with, None where its row names a known one; `entry` the audit record,
    about the study or the series, whose key is filled in; `event` the news, where the study's key is filled in.
    """

    of_study: bool
    study_json: bytes
    series_json: bytes
    sealed_key: bytes | None
    force: bool
    entry: Mapping[str, Any]
    event: Event


@dataclass(frozen=True, slots=True)
class FirstFiled:
    """What became of it. `study_key_pk`: the key that it was sealed with, as kept; absent keys: it was not filed."""

    study_pk: int
    series_pk: int
    study_key_pk: int | None
    outcome: str

    @classmethod
    def of(cls, answer: Answer) -> FirstFiled:
        """From the answer of `archive_first`."""
        study_pk, series_pk, study_key_pk, outcome, _ = answer
        return cls(
            int(study_pk or 0),
            int(series_pk or 0),
            None if study_key_pk is None else int(study_key_pk),
            (outcome or b"").decode(),
        )


def add_entry(connection: psycopg.Connection[Any], entry: Mapping[str, Any]) -> None:
    """Writes an audit record in the transaction of `connection`."""
    connection.execute(_ADD_ENTRY, _entry_values(entry), prepare=True)


def _entry_values(entry: Mapping[str, Any]) -> list[Any]:
    detail = entry["detail"]
    values = {**entry, "detail": None if detail is None else dumps(detail).decode()}
    return [values[name] for name in AUDIT_ENTRY_COLUMNS]


_ADD_ENTRY = (
    f"INSERT INTO audit_record ({', '.join(AUDIT_ENTRY_COLUMNS)})"
    f" VALUES ({', '.join(['%s'] * len(AUDIT_ENTRY_COLUMNS))})"
).encode()


class IngestPipeline:
    """What ingest writes, over libpq's pipeline mode: rows go out while the caller does something else, and one round
    trip ends their common transaction. The connection serves nothing else.
    """

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(
            url,
            autocommit=True,
            application_name="wetread-ingest",
            options="-c plan_cache_mode=force_generic_plan -c lock_timeout=10s"
            f" -c statement_timeout={_STATEMENT_S_MAX}s -c timezone=UTC",
        )
        # Where a stand-by takes over, what was to wait for it must not be missing there.
        standby = self._connection.execute(b"SHOW synchronous_standby_names").fetchone()
        if standby == ("",):
            self._connection.execute(b"SET synchronous_commit = off")
        for name, kinds, statement in (
            ("archive_object", _INSTANCE_KINDS, f"SELECT archive_object({{}}) FROM {_WAIT}"),
            ("archive_object_soon", _INSTANCE_KINDS, "SELECT archive_object({})"),
            (
                "archive_first",
                _FIRST_KINDS,
                f"SELECT study_pk, series_pk, study_key_pk, outcome, new_study FROM archive_first({{}}), {_WAIT}",
            ),
            (
                "audit_entry",
                (),
                f"INSERT INTO audit_record ({', '.join(AUDIT_ENTRY_COLUMNS)}) VALUES ({{}})",
            ),
        ):
            count = len(kinds) or len(AUDIT_ENTRY_COLUMNS)
            places = ", ".join(f"${number}" for number in range(1, count + 1))
            declared = f"({', '.join(kinds)})" if kinds else ""
            self._connection.execute(f"PREPARE {name} {declared} AS {statement.format(places)}".encode())
        self._connection.execute(b"PREPARE archive_grown AS SELECT archive_grown()")
        self._link = self._connection.pgconn
        self._link.enter_pipeline_mode()
        self._poll = select_module.poll()
        self._poll.register(self._link.socket, select_module.POLLIN)
        self._answered: list[bool] = []  # whether what was sent is answered to its caller

    @property
    def usable(self) -> bool:
        """Whether the connection still stands."""
        return self._link.status == ConnStatus.OK

    def send_instance(
        self,
        study_pk: int,
        series_pk: int,
        row: InstanceRow,
        content: bytes | None,
        *,
        soon: bool,
        early: bool,
    ) -> None:
        """An instance of a known series, answered by its outcome, with its sealed bytes where they are few; the server
        begins on it at once. `soon`: nothing of it makes the commit wait for the disk. `early`: study and series are counted
        at once, where nobody else files of the study; nothing may be sent after it, and others wait for the commit."""
        name = b"archive_object_soon" if soon else b"archive_object"
        self._send(
            name,
            (study_pk, series_pk, *row.values(), content, "t" if early else "f"),
            _INSTANCE_FORMATS,
            answered=True,
        )
        self._flush()

    def send_first(self, first: FirstObject, row: InstanceRow, content: bytes | None) -> None:
        """The first object of a study or series in a transfer, answered by what makes a FirstFiled."""
        self._send(
            b"archive_first",
            (
                "t" if first.of_study else "f",
                dumps(first.entry),
                first.event.kind,
                dumps(first.event.keys()),
                CHANNEL,
                content,
                first.study_json,
                first.series_json,
                "t" if first.force else "f",
                first.sealed_key,
                *row.values(),
            ),
            _FIRST_FORMATS,
            answered=True,
        )
        self._flush()

    def send_entry(self, entry: Mapping[str, Any]) -> None:
        """An audit record that belongs to the row before."""
        self._send(b"audit_entry", _entry_values(entry), None, answered=False)
        self._flush()

    def _send(
        self, name: bytes, values: Sequence[Any], formats: Sequence[int] | None, *, answered: bool
    ) -> None:
        self._link.send_query_prepared(name, [_parameter(value) for value in values], formats)
        self._answered.append(answered)

    def spoil(self) -> None:
        """Makes the transaction that is under way fail."""
        self._link.send_query_params(b"SELECT archive_spoiled", None)
        self._answered.append(False)

    def commit(self) -> list[Answer]:
        """Ends the transaction; the answers to what was sent to be answered, in its order. Raises psycopg.Error: then
        nothing is kept."""
        self._send(b"archive_grown", (), None, answered=False)
        answered, self._answered = self._answered, []
        self._link.pipeline_sync()
        self._flush()
        answers: list[Answer] = []
        fault: psycopg.Error | None = None
        for is_answer in answered:
            result = self._result()
            if result is None:
                raise psycopg.OperationalError("the connection was lost")
            if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
                fault = fault or psycopg.errors.error_from_result(result)
            elif is_answer:
                answers.append([result.get_value(0, column) for column in range(result.nfields)])
            self._result()  # the end of this row's results
        self._result()  # the synchronisation itself: the commit is done
        if fault is not None:
            raise fault
        return answers

    def close(self) -> None:
        """Closes the connection. Idempotent."""
        if self.usable:
            self._poll.unregister(self._link.socket)
        self._connection.close()

    def _flush(self) -> None:
        while self._link.flush():
            self._poll.modify(self._link.socket, select_module.POLLIN | select_module.POLLOUT)
            self._wait()
            self._poll.modify(self._link.socket, select_module.POLLIN)
            self._link.consume_input()

    def _result(self) -> PGresult | None:
        while self._link.is_busy():
            self._wait()
            self._link.consume_input()
        return self._link.get_result()

    def _wait(self) -> None:
        """Lets other threads run until the server says or takes something. Raises psycopg.OperationalError: it hangs, and
        this connection is given up."""
        if not self._poll.poll(_SILENT_S_MAX * 1000):
            self.close()
            raise psycopg.OperationalError("the database is silent")


_STATEMENT_S_MAX = 60
_SILENT_S_MAX = _STATEMENT_S_MAX + 15  # the server itself ends what takes longer
# Makes the commit of the transaction wait for the disk, which this connection's otherwise does not.
_WAIT = "set_config('synchronous_commit', 'on', true)"
_INSTANCE_KINDS = (
    *("bigint", "bigint", "text", "text", "int", "int", "int", "int", "smallint", "smallint"),
    *("text", "text", "text"),
    *("date", "time", "text", "bigint", "bigint", "bytea", "text", "int", "bigint", "bigint", "bytea"),
    *("bytea", "boolean"),
)
_INSTANCE_FORMATS = [
    int(kind == "bytea") for kind in _INSTANCE_KINDS
]  # bytes go as they are, the rest as text


_FIRST_KINDS = (
    *("boolean", "jsonb", "text", "jsonb", "text", "bytea", "jsonb", "jsonb", "boolean", "bytea"),
    *_INSTANCE_KINDS[2:-2],
)
_FIRST_FORMATS = [int(kind == "bytea") for kind in _FIRST_KINDS]


def _parameter(value: Any) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    return str(value).encode()


def study_key(connection: psycopg.Connection[Any], study_instance_uid: str) -> tuple[int, bytes] | None:
    """(study_key_pk, sealed key) of a study: the first that was kept."""
    found = connection.execute(
        b"SELECT study_key_pk, sealed_key FROM study_key WHERE study_instance_uid = %s"
        b" ORDER BY study_key_pk LIMIT 1",
        (study_instance_uid,),
        prepare=True,
    ).fetchone()
    return None if found is None else (found[0], found[1])


def sealed_key(connection: psycopg.Connection[Any], study_key_pk: int) -> bytes | None:
    """The sealed key, None where it was destroyed."""
    found = connection.execute(
        b"SELECT sealed_key FROM study_key WHERE study_key_pk = %s", (study_key_pk,), prepare=True
    ).fetchone()
    return None if found is None else bytes(found[0])


def filed_surely(connection: psycopg.Connection[Any], locations: Sequence[str]) -> set[str]:
    """Those of `locations` that a row names. Once this transaction is committed, all that it saw is on disk."""
    found = connection.execute(
        b"SELECT location FROM stored_object WHERE location = ANY(%s)"
        b" UNION ALL SELECT location FROM object_copy WHERE location = ANY(%s)",
        (list(locations), list(locations)),
        prepare=True,
    ).fetchall()
    # A commit waits for the disk only where it has something to write, and then for all that was written before.
    connection.execute(b"SELECT pg_logical_emit_message(true, 'wetread', '')", prepare=True)
    return {row[0] for row in found}


def keep_study_key(connection: psycopg.Connection[Any], study_instance_uid: str, sealed_key: bytes) -> int:
    """Adds a key of a study; returns study_key_pk."""
    made = connection.execute(
        b"INSERT INTO study_key (study_instance_uid, sealed_key) VALUES (%s, %s) RETURNING study_key_pk",
        (study_instance_uid, sealed_key),
        prepare=True,
    ).fetchone()
    assert made is not None
    return int(made[0])


def is_damaged(connection: psycopg.Connection[Any], sop_instance_uid: str) -> bool:
    """Whether the original of an instance was found damaged."""
    return (
        connection.execute(
            b"SELECT 1 FROM damaged_object d JOIN stored_object o ON o.stored_object_pk = d.stored_object_pk"
            b" JOIN instance i ON i.instance_pk = o.instance_pk"
            b" WHERE i.sop_instance_uid = %s AND o.role = 'original'",
            (sop_instance_uid,),
            prepare=True,
        ).fetchone()
        is not None
    )


def repair_original(
    connection: psycopg.Connection[Any], sop_instance_uid: str, row: InstanceRow, study_key_pk: int
) -> bool:
    """Puts an object that came once more in the place of its damaged original, where that is damaged and the two are the
    same by their hash. The old bytes have no row then, and are swept."""
    found = connection.execute(
        _REPAIR,
        {
            "uid": sop_instance_uid,
            "location": row.location,
            "study_key_pk": study_key_pk,
            "size_bytes": row.size_bytes,
            "transfer_syntax_uid": row.transfer_syntax_uid,
            "dataset_offset": row.dataset_offset,
            "pixel_data_offset": row.pixel_data_offset,
            "frame_length": row.frame_length,
            "frame_table": row.frame_table,
            "dataset_sha256": row.dataset_sha256,
        },
    ).fetchone()
    return found is not None


_REPAIR = b"""
WITH repaired AS (
    UPDATE stored_object o SET location = %(location)s, study_key_pk = %(study_key_pk)s, size_bytes = %(size_bytes)s,
        transfer_syntax_uid = %(transfer_syntax_uid)s, dataset_offset = %(dataset_offset)s,
        pixel_data_offset = %(pixel_data_offset)s, frame_length = %(frame_length)s, frame_table = %(frame_table)s,
        dataset_sha256 = %(dataset_sha256)s
    FROM instance i, damaged_object d LEFT JOIN compressed_object c ON c.stored_object_pk = d.stored_object_pk
    WHERE i.sop_instance_uid = %(uid)s AND o.instance_pk = i.instance_pk AND o.role = 'original'
        AND d.stored_object_pk = o.stored_object_pk
        AND %(dataset_sha256)s IN (o.dataset_sha256, c.received_dataset_sha256)
    RETURNING o.stored_object_pk, i.instance_pk, i.series_pk
), uncompressed AS (
    DELETE FROM compressed_object c USING repaired r WHERE c.stored_object_pk = r.stored_object_pk
    RETURNING r.instance_pk, r.series_pk, c.received_photometric_interpretation
), told AS (
    UPDATE instance i SET photometric_interpretation = u.received_photometric_interpretation
    FROM uncompressed u WHERE i.instance_pk = u.instance_pk
), stale AS (
    DELETE FROM series_metadata m USING uncompressed u WHERE m.series_pk = u.series_pk
)
DELETE FROM damaged_object d USING repaired r WHERE d.stored_object_pk = r.stored_object_pk
RETURNING d.stored_object_pk
"""


_STREAM = 7  # as many objects in a second are no slow camera's
_STREAMS = (
    b"(SELECT created_at FROM instance ORDER BY instance_pk DESC OFFSET %s LIMIT 1)"
    b" > clock_timestamp() - interval '1 s'"
)


def is_streaming(connection: psycopg.Connection[Any]) -> bool:
    """Whether objects stream in now."""
    found = connection.execute(
        b"SELECT " + _STREAMS,
        (_STREAM,),
        prepare=True,
    ).fetchone()
    return found is not None and bool(found[0])


def is_ingest_before(connection: psycopg.Connection[Any], study_pk: int, at_latest_s: float) -> bool:
    """Whether objects stream in now, and the study's last news is younger than `at_latest_s`."""
    found = connection.execute(
        b"SELECT " + _STREAMS + b" AND (SELECT updated_at FROM study WHERE study_pk = %s)"
        b" > clock_timestamp() - make_interval(secs => %s)",
        (_STREAM, study_pk, at_latest_s),
        prepare=True,
    ).fetchone()
    return found is not None and bool(found[0])


def unannounced(session: Session, newest: int) -> list[Study]:
    """Studies among the `newest` instances that have news which was never told (the process was killed before)."""
    recent = select(Instance.study_pk).order_by(Instance.instance_pk.desc()).limit(newest).subquery()
    return list(
        session.scalars(
            select(Study).where(
                Study.study_pk.in_(select(recent.c.study_pk)),
                func.coalesce(Study.announced_at < Study.updated_at, true()),
            )
        )
    )


def fresh_object(connection: psycopg.Connection[Any], location: str) -> bytes | None:
    """The sealed bytes that wait beside their rows, None where they do not."""
    found = connection.execute(
        b"SELECT content FROM fresh_object WHERE location = %s", (location,), prepare=True, binary=True
    ).fetchone()
    return None if found is None else bytes(found[0])


def fresh_objects(connection: psycopg.Connection[Any], older_than_s: float, limit: int) -> dict[str, bytes]:
    """location → sealed bytes of those that have waited longer than that, oldest first."""
    found = connection.execute(
        b"SELECT location, content FROM fresh_object WHERE received_at <= clock_timestamp() - make_interval(secs => %s)"
        b" ORDER BY received_at LIMIT %s",
        (older_than_s, limit),
        binary=True,
    ).fetchall()
    return {location: bytes(content) for location, content in found}


def forget_fresh(connection: psycopg.Connection[Any], locations: Sequence[str]) -> None:
    """Removes the bytes that are in the store now."""
    # Where a crash undoes this, they are written once more.
    connection.execute(b"SET LOCAL synchronous_commit = off", prepare=True)
    connection.execute(b"DELETE FROM fresh_object WHERE location = ANY(%s)", (list(locations),), prepare=True)


def known_locations(session: Session, locations: Sequence[str]) -> set[str]:
    """Those of `locations` that a row names, as an object's own place or as that of its copy."""
    return set(
        session.scalars(select(StoredObject.location).where(StoredObject.location.in_(locations)))
    ) | set(session.scalars(select(ObjectCopy.location).where(ObjectCopy.location.in_(locations))))


def elsewhere(connection: psycopg.Connection[Any], location: str, keys: Sequence[str]) -> list[str]:
    """Where an object may be read that is not at `location`: see tiers.StoresIndex."""
    found = connection.execute(
        b"SELECT location FROM stored_object WHERE location = ANY(%(keys)s)"
        b" UNION SELECT location FROM object_copy WHERE location = ANY(%(keys)s)"
        b" UNION SELECT c.location FROM object_copy c JOIN stored_object o"
        b" ON o.stored_object_pk = c.stored_object_pk WHERE o.location = %(location)s",
        {"keys": list(keys), "location": location},
        prepare=True,
    ).fetchall()
    return [row[0] for row in found]


def stores_state(connection: psycopg.Connection[Any]) -> tuple[dict[str, int], list[str]]:
    """(bytes by store as last counted, stores that are being emptied or were)."""
    used = connection.execute(
        b"SELECT store, sum(bytes)::bigint FROM store_usage GROUP BY store", prepare=True
    ).fetchall()
    closed = connection.execute(
        # A store that was emptied stays closed, until another is emptied into it.
        b"SELECT DISTINCT from_store FROM store_move m WHERE state <> 'cancelled' AND NOT EXISTS (SELECT FROM"
        b" store_move n WHERE n.store_move_pk > m.store_move_pk AND n.state <> 'cancelled' AND n.to_store = m.from_store)",
        prepare=True,
    ).fetchall()
    return dict(used), [row[0] for row in closed]


# Where objects lie ----------------------------------------------------------------------------------------------

_STORE = "CASE WHEN strpos(o.location, ':') > 0 THEN split_part(o.location, ':', 1) ELSE 'local' END"
_IN_STORE = f"{_STORE} = :store"
_CHECKED = "o.stored_object_pk, o.role, o.location, o.study_key_pk, k.sealed_key, o.size_bytes, o.dataset_offset, o.dataset_sha256"
_WHOLE = "NOT EXISTS (SELECT FROM damaged_object d WHERE d.stored_object_pk = o.stored_object_pk)"


def lying_in(session: Session, name: str, *, damaged: bool = True) -> tuple[int, int]:
    """(objects, bytes) in a store; reads every row."""
    found = session.execute(
        text(
            f"SELECT count(*), coalesce(sum(o.size_bytes), 0)::bigint FROM stored_object o WHERE {_IN_STORE}"
            + ("" if damaged else f" AND {_WHOLE}")
        ),
        {"store": name},
    ).one()
    return int(found[0]), int(found[1])


def damaged_in(session: Session, name: str) -> int:
    """Damaged objects of a store."""
    return int(
        session.scalar(
            text(
                "SELECT count(*) FROM damaged_object d JOIN stored_object o ON o.stored_object_pk = d.stored_object_pk"
                f" WHERE {_IN_STORE}"
            ),
            {"store": name},
        )
        or 0
    )


def movable(session: Session, name: str, after: int, limit: int) -> list[tuple[Any, ...]]:
    """Whole objects of a store that lie in it, by key, as integrity.Checked has them."""
    rows = session.execute(
        text(
            f"SELECT {_CHECKED} FROM stored_object o JOIN study_key k ON k.study_key_pk = o.study_key_pk"
            f" WHERE o.stored_object_pk > :after AND {_IN_STORE} AND {_WHOLE}"
            " AND NOT EXISTS (SELECT FROM fresh_object f WHERE f.location = o.location)"
            " ORDER BY o.stored_object_pk LIMIT :limit"
        ),
        {"store": name, "after": after, "limit": limit},
    ).all()
    return [tuple(row) for row in rows]


def movable_of(session: Session, study_pks: Sequence[int], name: str | None) -> list[tuple[Any, ...]]:
    """The same of some studies; of any store for None."""
    rows = session.execute(
        text(
            f"SELECT {_CHECKED} FROM instance i JOIN stored_object o ON o.instance_pk = i.instance_pk"
            " JOIN study_key k ON k.study_key_pk = o.study_key_pk"
            f" WHERE i.study_pk = ANY(:studies) AND {_WHOLE}"
            + (f" AND {_IN_STORE}" if name is not None else "")
            + " AND NOT EXISTS (SELECT FROM fresh_object f WHERE f.location = o.location)"
            " ORDER BY o.stored_object_pk"
        ),
        {"studies": list(study_pks)} | ({} if name is None else {"store": name}),
    ).all()
    return [tuple(row) for row in rows]


def without_copy(session: Session, name: str, target: str, limit: int) -> list[tuple[Any, ...]]:
    """Whole objects of a store that have no copy in `target`, by key, from where all had theirs on."""
    rows = session.execute(
        text(
            f"SELECT {_CHECKED} FROM stored_object o JOIN study_key k ON k.study_key_pk = o.study_key_pk"
            f" WHERE {_IN_STORE} AND {_WHOLE}"
            " AND NOT EXISTS (SELECT FROM fresh_object f WHERE f.location = o.location)"
            " AND NOT EXISTS (SELECT FROM object_copy c WHERE c.stored_object_pk = o.stored_object_pk AND"
            " CASE WHEN strpos(c.location, ':') > 0 THEN split_part(c.location, ':', 1) ELSE 'local' END = :target)"
            " AND o.stored_object_pk > (SELECT coalesce(max(copied), 0) FROM store_tally)"
            " ORDER BY o.stored_object_pk LIMIT :limit"
        ),
        {"store": name, "target": target, "limit": limit},
    ).all()
    return [tuple(row) for row in rows]


def relocate(session: Session, places: Sequence[tuple[int, str, str]]) -> set[int]:
    """Gives objects (stored_object_pk, old location, new location) their new place, where they still have the old one;
    returns the keys of those. A copy that lay there is the object now."""
    pks, olds, news = zip(*places, strict=True)
    moved = session.scalars(
        text(
            "UPDATE stored_object o SET location = v.new FROM unnest(CAST(:pks AS bigint[]), CAST(:olds AS text[]),"
            " CAST(:news AS text[])) AS v(pk, old, new) WHERE o.stored_object_pk = v.pk AND o.location = v.old"
            " RETURNING o.stored_object_pk"
        ),
        {"pks": list(pks), "olds": list(olds), "news": list(news)},
    )
    found = set(moved)
    session.execute(text("DELETE FROM object_copy WHERE location = ANY(:news)"), {"news": list(news)})
    return found


_USAGE_KEYS = "coalesce(e.modality, ''), coalesce(left(e.institution_name, 64), '')"
_USAGE_FROM = (
    "FROM stored_object o LEFT JOIN instance i ON i.instance_pk = o.instance_pk"
    " LEFT JOIN series e ON e.series_pk = i.series_pk"
)
_USAGE_ADD = (
    " ON CONFLICT (store, modality, institution_name, is_copy) DO UPDATE SET"
    " objects = store_usage.objects + excluded.objects, bytes = store_usage.bytes + excluded.bytes"
)


def shift_usage(session: Session, stored_object_pks: Sequence[int], name: str, to: str) -> None:
    """Counts objects in the other store, those that were counted."""
    for which, sign in ((name, "-"), (to, "")):
        session.execute(
            text(
                "INSERT INTO store_usage (store, modality, institution_name, is_copy, objects, bytes)"
                f" SELECT :store, {_USAGE_KEYS}, false, {sign}count(*), {sign}sum(o.size_bytes) {_USAGE_FROM}"
                " WHERE o.stored_object_pk = ANY(:pks)"
                " AND o.stored_object_pk <= (SELECT coalesce(max(through), 0) FROM store_tally)"
                " GROUP BY 2, 3" + _USAGE_ADD
            ),
            {"store": which, "pks": list(stored_object_pks)},
        )


def _settled(session: Session) -> int:
    """The last key of a while ago: below it, no row is still to be committed."""
    return int(
        session.scalar(
            text(
                "SELECT stored_object_pk FROM stored_object WHERE created_at < now() - interval '30 seconds'"
                " ORDER BY stored_object_pk DESC LIMIT 1"
            )
        )
        or 0
    )


def copied_through(session: Session) -> int:
    """Up to where all will have their copies once what waits now has them: see `all_copied`."""
    return _settled(session)


def all_copied(session: Session, through: int) -> None:
    """Notes that all have their copies that can have one; the nightly count begins anew, for what was moved or waited."""
    session.execute(text("INSERT INTO store_tally (store_tally_pk) VALUES (1) ON CONFLICT DO NOTHING"))
    session.execute(text("UPDATE store_tally SET copied = greatest(copied, :through)"), {"through": through})


def count_usage(session: Session, *, from_start: bool) -> None:
    """Counts what was added since the last time, or everything anew (what was removed is noticed only then)."""
    session.execute(text("INSERT INTO store_tally (store_tally_pk) VALUES (1) ON CONFLICT DO NOTHING"))
    # One counts at a time, and movers wait with what they shift.
    session.execute(text("SELECT FROM store_tally WHERE store_tally_pk = 1 FOR UPDATE"))
    if from_start:
        session.execute(text("DELETE FROM store_usage"))
        session.execute(text("UPDATE store_tally SET through = 0, copied = 0, counted_from_start_at = now()"))
    # The youngest wait: a row with a lower key may commit later.
    newest = _settled(session)
    session.execute(
        text(
            "INSERT INTO store_usage (store, modality, institution_name, is_copy, objects, bytes)"
            f" SELECT {_STORE}, {_USAGE_KEYS}, false, count(*), sum(o.size_bytes) {_USAGE_FROM}"
            " WHERE o.stored_object_pk > (SELECT through FROM store_tally) AND o.stored_object_pk <= :newest"
            " GROUP BY 1, 2, 3" + _USAGE_ADD
        ),
        {"newest": newest or 0},
    )
    session.execute(
        text("UPDATE store_tally SET through = greatest(through, :newest)"), {"newest": newest or 0}
    )
    session.execute(text("DELETE FROM store_usage WHERE is_copy"))
    session.execute(
        text(
            "INSERT INTO store_usage (store, modality, institution_name, is_copy, objects, bytes)"
            f" SELECT CASE WHEN strpos(c.location, ':') > 0 THEN split_part(c.location, ':', 1) ELSE 'local' END,"
            f" {_USAGE_KEYS}, true, count(*), sum(o.size_bytes)"
            " FROM object_copy c JOIN stored_object o ON o.stored_object_pk = c.stored_object_pk"
            " LEFT JOIN instance i ON i.instance_pk = o.instance_pk LEFT JOIN series e ON e.series_pk = i.series_pk"
            " GROUP BY 1, 2, 3"
        )
    )
    session.execute(text("DELETE FROM store_usage WHERE objects <= 0"))
