"""Asking and fetching for the priors room: C-FIND, C-GET and C-MOVE, QIDO-RS and WADO-RS under the title of this system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wetread.app.peers import context_of
from wetread.archive.ingest import Incoming, StoreResult
from wetread.archive.rules import date_of
from wetread.archive.service import Archive
from wetread.dicom.personname import PersonName
from wetread.dicom.sopclass import STUDY_ROOT_FIND, STUDY_ROOT_MOVE, VERIFICATION
from wetread.dicomweb.client import WebArchive, WebFailed
from wetread.dicomweb.multipart import PartBegun, PartData, PartEnded
from wetread.dimse.client import Association, AssociationFailed, OperationFailed, open_plain
from wetread.dimse.getting import Counts, GettingAssociation, getting_contexts
from wetread.kit import limits
from wetread.kit.config import Settings
from wetread.kit.tls import TlsUnusable, client_context
from wetread.priors.model import Retrieve
from wetread.priors.rules import Named, Person
from wetread.priors.service import Access, Step, Unreachable
from wetread.security.service import Actor

JsonDict = dict[str, Any]
_STUDIES_MAX = 300
_SERIES_OF_STUDIES_MAX = 30  # newest, whose body parts are asked for one by one
_SERIES_MAX = 500
_KEYS = {
    "StudyInstanceUID": "0020000D",
    "StudyDate": "00080020",
    "StudyDescription": "00081030",
    "AccessionNumber": "00080050",
    "ModalitiesInStudy": "00080061",
    "SOPClassesInStudy": "00080062",
    "NumberOfStudyRelatedInstances": "00201208",
    "PatientName": "00100010",
    "PatientID": "00100020",
    "IssuerOfPatientID": "00100021",
    "PatientBirthDate": "00100030",
    "PatientSex": "00100040",
}
_BODY_PART, _MODALITY = "00180015", "00080060"


class PeerNetwork:
    """Fulfils `priors.service.Network`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context = context_of(settings)

    def look(self, access: Access, person: Person) -> tuple[list[Named], bool]:
        """By the identifier alone. Its issuer is asked back, not asked for: many archives keep none with their objects,
        and would find nothing; whoever asked compares."""
        if access.retrieve is Retrieve.WADO_RS:
            return self._look_web(access, person)
        return self._look_dimse(access, person)

    def _look_dimse(self, access: Access, person: Person) -> tuple[list[Named], bool]:
        identifier = dict.fromkeys(_KEYS, "") | {
            "QueryRetrieveLevel": "STUDY",
            "PatientID": person.patient_id,
        }
        with _Plain(self, access, [STUDY_ROOT_FIND]) as association:
            found: list[JsonDict] = []
            more = False
            for match in association.find(identifier):
                if len(found) < _STUDIES_MAX:
                    found.append(match)
                elif not more:
                    more = True
                    association.cancel()
            studies = [one for match in found if (one := _named(match)) is not None]
            parts: dict[str, tuple[set[str], set[str]]] = {}
            for study in _newest(studies):
                wanted = {
                    "QueryRetrieveLevel": "SERIES",
                    "StudyInstanceUID": study.study_instance_uid,
                    "SeriesInstanceUID": "",
                    "Modality": "",
                    "BodyPartExamined": "",
                }
                parts[study.study_instance_uid] = _parts(
                    one for number, one in enumerate(association.find(wanted)) if number < _SERIES_MAX
                )
        return [_with_parts(study, parts) for study in studies], more

    def _look_web(self, access: Access, person: Person) -> tuple[list[Named], bool]:
        with self._web(access) as web:
            try:
                found, more = web.search(
                    "/studies", {"PatientID": person.patient_id}, list(_KEYS.values()), most=_STUDIES_MAX
                )
                studies = [one for match in found if (one := _named(match)) is not None]
                parts = {
                    study.study_instance_uid: _parts(
                        web.search(
                            f"/studies/{study.study_instance_uid}/series", {}, [_BODY_PART], most=_SERIES_MAX
                        )[0]
                    )
                    for study in _newest(studies)
                }
            except WebFailed as failed:
                raise Unreachable(str(failed)) from None
        return [_with_parts(study, parts) for study in studies], more

    def check(self, access: Access) -> None:
        """C-ECHO, or a search for one study that is answered."""
        if access.retrieve is Retrieve.WADO_RS:
            with self._web(access, timeout_s=limits.ECHO_S) as web:
                try:
                    web.search("/studies", {"PatientID": "0", "StudyInstanceUID": "0"}, [], most=1)
                except WebFailed as failed:
                    raise Unreachable(str(failed)) from None
            return
        with _Plain(self, access, [VERIFICATION], timeout_s=limits.ECHO_S) as association:
            association.echo()

    def fetch(self, access: Access, archive: Archive, study: Named) -> Iterator[Step]:
        """By the way that the archive is set to."""
        ways = {
            Retrieve.WADO_RS: self._fetch_web,
            Retrieve.C_GET: self._get,
            Retrieve.C_MOVE: self._move,
        }
        return ways[access.retrieve](access, archive, study)

    def _get(self, access: Access, archive: Archive, study: Named) -> Iterator[Step]:
        contexts, roles = getting_contexts(study.sop_classes_in_study)
        uid = study.study_instance_uid
        with archive.intake.transfer(
            Actor.system("priors"), received_from=access.ae_title, network_address=access.host[:64]
        ) as transfer:
            results: list[StoreResult] = []

            def takes(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> _Kept:
                return _Kept(
                    transfer.object(
                        sop_class_uid=sop_class_uid,
                        sop_instance_uid=sop_instance_uid,
                        transfer_syntax_uid=transfer_syntax_uid,
                    ),
                    uid,
                    results,
                )

            try:
                with GettingAssociation(
                    access.host,
                    access.port,
                    access.ae_title,
                    self._settings.ae_title,
                    contexts,
                    timeout_s=limits.PEER_ANSWER_S,
                    roles=roles,
                    tls=self._context(access.is_encrypted),
                ) as association:
                    identifier = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": uid}
                    ours = 0
                    for counts in association.getting(identifier, takes):
                        while results:
                            step = _step(results.pop(0))
                            ours += step.failed
                            yield step
                        if counts.failed > ours:
                            yield Step(failed=counts.failed - ours, fault=_short(access, counts))
            except (AssociationFailed, OperationFailed, TlsUnusable) as failed:
                raise Unreachable(str(failed)) from None

    def _move(self, access: Access, _archive: Archive, study: Named) -> Iterator[Step]:
        identifier = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": study.study_instance_uid}
        received = failed = 0
        with _Plain(self, access, [STUDY_ROOT_MOVE]) as association:
            for answer in association.moving(identifier, self._settings.ae_title):
                command: Mapping[str, Any] = answer.command
                done = int(command.get("number_of_completed_suboperations", 0)) + int(
                    command.get("number_of_warning_suboperations", 0)
                )
                not_done = int(command.get("number_of_failed_suboperations", 0))
                if done > received or not_done > failed:
                    fault = f"{access.ae_title} could not send {not_done} objects" if not_done else None
                    yield Step(max(0, done - received), max(0, not_done - failed), fault)
                    received, failed = max(received, done), max(failed, not_done)
                if answer.status not in (0xFF00, 0xFF01, 0x0000, 0xB000):
                    raise OperationFailed("C-MOVE", answer.status, answer.comment)

    def _fetch_web(self, access: Access, archive: Archive, study: Named) -> Iterator[Step]:
        uid = study.study_instance_uid
        with (
            self._web(access) as web,
            archive.intake.transfer(Actor.system("priors"), received_from=access.name[:16]) as transfer,
        ):
            incoming: Incoming | None = None
            try:
                for happening in web.retrieve(f"/studies/{uid}"):
                    if isinstance(happening, PartBegun):
                        incoming = transfer.file()
                    elif isinstance(happening, PartData) and incoming is not None:
                        incoming.write(happening.data)
                    elif isinstance(happening, PartEnded) and incoming is not None:
                        ended, incoming = incoming, None
                        yield _step(ended.commit(only_study=uid))
            except WebFailed as failed:
                raise Unreachable(str(failed)) from None
            finally:
                if incoming is not None:
                    incoming.abort()

    def _web(self, access: Access, *, timeout_s: float = limits.PEER_ANSWER_S) -> WebArchive:
        try:
            secure = access.base_url.startswith("https:")
            return WebArchive(
                access.base_url,
                context=client_context(self._settings.peer_tls) if secure else None,
                timeout_s=timeout_s,
                user_name=access.user_name,
                password=access.password,
            )
        except TlsUnusable as error:
            raise Unreachable(str(error)) from None

    def plain(self, access: Access, sop_classes: list[str], timeout_s: float) -> Association:
        """An association for services with small data sets. Raises Unreachable."""
        try:
            return open_plain(
                access.host,
                access.port,
                access.ae_title,
                self._settings.ae_title,
                sop_classes,
                timeout_s=timeout_s,
                tls=self._context(access.is_encrypted),
            )
        except (AssociationFailed, TlsUnusable) as failed:
            raise Unreachable(str(failed)) from None


class _Plain:
    """An association whose failures are Unreachable."""

    def __init__(
        self,
        network: PeerNetwork,
        access: Access,
        classes: list[str],
        *,
        timeout_s: float = limits.PEER_ANSWER_S,
    ) -> None:
        self._association = network.plain(access, classes, timeout_s)

    def __enter__(self) -> Association:
        return self._association

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        self._association.__exit__(kind, error, trace)
        if isinstance(error, (AssociationFailed, OperationFailed)):
            raise Unreachable(str(error)) from None


class _Kept:
    """One object of C-GET on its way into the archive."""

    def __init__(self, incoming: Incoming, study_instance_uid: str, results: list[StoreResult]) -> None:
        self._incoming, self._study, self._results = incoming, study_instance_uid, results

    def write(self, fragment: bytes | bytearray | memoryview) -> None:
        """Takes the next bytes."""
        self._incoming.write(fragment)

    def commit(self) -> int:
        """Files it; the status of the C-STORE response."""
        result = self._incoming.commit(only_study=self._study)
        self._results.append(result)
        return int(result.status)

    def abort(self) -> None:
        """Forgets it."""
        self._incoming.abort()


def _step(result: StoreResult) -> Step:
    if result.outcome in ("stored", "duplicate"):
        return Step(received=1)
    return Step(failed=1, fault=f"not kept: {result.detail}"[:200])


def _short(access: Access, counts: Counts) -> str:
    words = f": {counts.comment}" if counts.comment else ""
    return f"{access.ae_title} could not send {counts.failed} objects (status {counts.status:04X}){words}"


def _newest(studies: list[Named]) -> list[Named]:
    dated = sorted(studies, key=lambda one: one.study_date.toordinal() if one.study_date else 0, reverse=True)
    return dated[:_SERIES_OF_STUDIES_MAX]


def _texts(match: JsonDict, tag: str) -> list[str]:
    element = match.get(tag)
    values = element.get("Value", []) if isinstance(element, dict) else []
    found = []
    for value in values if isinstance(values, list) else []:
        text = str(PersonName.from_json(value)) if isinstance(value, dict) else str(value)
        if text := text.replace("\0", "").strip():
            found.append(text)
    return found


def _text(match: JsonDict, keyword: str, length: int = 64) -> str | None:
    return next(iter(_texts(match, _KEYS[keyword])), "")[:length] or None


def _named(match: JsonDict) -> Named | None:
    """What a match says; None where it names no study."""
    uid = _text(match, "StudyInstanceUID", 65)
    if uid is None or len(uid) > 64 or not all(part.isdigit() for part in uid.split(".")):
        return None
    count = _text(match, "NumberOfStudyRelatedInstances")
    return Named(
        study_instance_uid=uid,
        study_date=date_of(_text(match, "StudyDate")),
        study_description=_text(match, "StudyDescription", 256),
        accession_number=_text(match, "AccessionNumber"),
        modalities_in_study=tuple(one[:16] for one in _texts(match, _KEYS["ModalitiesInStudy"])[:20]),
        body_parts_examined=(),
        sop_classes_in_study=tuple(one[:64] for one in _texts(match, _KEYS["SOPClassesInStudy"])[:100]),
        number_of_study_related_instances=int(count)
        if count and count.isdecimal() and len(count) < 10
        else None,
        patient_name=_text(match, "PatientName", 324),
        patient_id=_text(match, "PatientID"),
        issuer_of_patient_id=_text(match, "IssuerOfPatientID"),
        patient_birth_date=date_of(_text(match, "PatientBirthDate")),
        patient_sex=_text(match, "PatientSex", 16),
    )


def _parts(series: Any) -> tuple[set[str], set[str]]:
    parts: set[str] = set()
    modalities: set[str] = set()
    for one in series:
        parts.update(text[:64] for text in _texts(one, _BODY_PART))
        modalities.update(text[:16] for text in _texts(one, _MODALITY))
    return parts, modalities


def _with_parts(study: Named, parts: dict[str, tuple[set[str], set[str]]]) -> Named:
    body_parts, modalities = parts.get(study.study_instance_uid, (set[str](), set[str]()))
    return Named(
        **{
            **{field: getattr(study, field) for field in Named.__slots__},
            "body_parts_examined": tuple(sorted(body_parts)),
            "modalities_in_study": study.modalities_in_study or tuple(sorted(modalities)),
        }
    )
