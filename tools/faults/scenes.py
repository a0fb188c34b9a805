"""Durable use cases, each as the product does it: `prepare` once, `act` which may die anywhere, and is done again, `check`.

They run in a child of `tools.faults.starter`: whatever `act` wrote down about the outside world (what a peer took, what an
archive acknowledged) stands in the file of notes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import structlog
from sqlalchemy import func, select, text

from tools.faults import writes
from tools.faults.senders import CT, EXPLICIT, Sent, Template, new_uid
from wetread.app.build import House, build_house
from wetread.app.subscriptions import SUBSCRIPTIONS
from wetread.app.wiring import wire
from wetread.archive.commitment import request_commitment, use_reporter
from wetread.archive.model import (
    WITH_REMOVED,
    RemoteAE,
    Removal,
    StorageCommitment,
    StoreMove,
    Study,
)
from wetread.archive.moving import move_slice, start_move
from wetread.archive.removal import Target, purge_now, remove
from wetread.archive.rules import Status
from wetread.archive.service import Archive, RetrieveObject, save_remote_ae
from wetread.archive.tiers import split
from wetread.billing.model import Charge, ChargeState
from wetread.jobs.service import REGISTRY
from wetread.jobs.worker import deliver, relay, run_for_events, run_now
from wetread.kit import failpoints, limits
from wetread.kit.config import load_settings
from wetread.orders.service import (
    Move,
    OrderInput,
    ProcedureChoice,
    move_requested_procedure,
    place_order,
    procedures_of,
)
from wetread.patients.service import PatientInput, register_patient
from wetread.reporting.model import ReportProcedure, ReportVersion
from wetread.reporting.service import open_report, sign, warnings
from wetread.routing.model import Forwarding, ForwardingState
from wetread.routing.service import Disguise, Offer, send, use_sender
from wetread.security.identity import actor_of
from wetread.security.model import Practitioner, Site, User
from wetread.security.service import Actor, AuditEventID, Role, create_user

log = structlog.get_logger()
PASSWORD = "correct horse battery staple"
SYSTEM = Actor.system("scene")


@dataclass
class Scene:
    """One run of a use case. `facts` are what `prepare` found out, plain JSON, and goes to the other steps."""

    house: House
    archive: Archive
    seed: int
    notes: Path
    facts: dict[str, Any]

    def note(self, *words: str) -> None:
        """Kept whatever happens to this process, as by a peer."""
        descriptor = os.open(self.notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        writes.real["write"](descriptor, (" ".join(words) + "\n").encode())
        os.close(descriptor)

    def noted(self, first: str) -> list[list[str]]:
        """Notes that begin with that word, without it."""
        if not self.notes.exists():
            return []
        lines = (line.split() for line in self.notes.read_text().splitlines())
        return [words[1:] for words in lines if words[0] == first]

    def objects(self, count: int) -> list[Sent]:
        """The same for a seed each time: small ones and large ones."""
        chance = random.Random(f"scene {self.seed}")
        study, series = new_uid(chance), new_uid(chance)
        made = []
        for number in range(count):
            template = Template((64, 256)[number % 2])
            instance = new_uid(chance)
            meta, data = template.make(study, series, instance, f"P{self.seed:08d}", template.pixels(chance))
            made.append(Sent(study, instance, meta, data))
        return made

    def store(self, objects: Iterable[Sent]) -> None:
        """One association, until something is refused; what is acknowledged is noted."""
        with self.archive.intake.transfer(Actor.system("modality"), received_from="CT1") as transfer:
            for one in objects:
                incoming = transfer.object(
                    sop_class_uid=CT, sop_instance_uid=one.instance, transfer_syntax_uid=EXPLICIT
                )
                incoming.write(one.data)
                self.note(
                    "twin" if one.data.endswith(b"twin") else "sent", one.study, one.instance, one.digest
                )
                result = incoming.commit()
                if not result.status.kept:
                    assert result.status == Status.OUT_OF_RESOURCES, f"it was told {result.status:04X}"
                    log.warning("refused in a scene", outcome=result.outcome, detail=result.detail)
                    break  # a twin is one only after what it is a twin of
                self.note("kept" if result.status == 0 else "aside", one.study, one.instance, one.digest)
        self.archive.intake.announcer.flush()
        self.archive.intake.settler.settle()

    def work_off(self) -> None:
        """The worker's part: events become jobs, jobs run; a job that died or failed runs again."""
        for _ in range(30):
            with self.house.offices.work(Actor.system("event-relay")) as work:
                relay(work, SUBSCRIPTIONS)
            with psycopg.connect(self.house.database.url, autocommit=True) as connection:
                self._wake_stalled(connection)
                waiting = connection.execute(
                    "SELECT id, task_name, args FROM procrastinate_jobs WHERE status = 'todo'"
                    " AND coalesce(scheduled_at, now()) <= now() AND task_name <> 'archive.prepare_study' ORDER BY id"
                ).fetchall()
                if not waiting:
                    return
                for job_id, name, args in waiting:
                    # As it runs, another may wait already under the same name.
                    connection.execute(
                        "UPDATE procrastinate_jobs SET status = 'doing' WHERE id = %s", (job_id,)
                    )
                    self._run(name, args)
                    connection.execute("DELETE FROM procrastinate_jobs WHERE id = %s", (job_id,))
        raise AssertionError("jobs beget jobs without an end")

    @staticmethod
    def _wake_stalled(connection: psycopg.Connection[Any]) -> None:
        """What ran when its process died, or failed, waits again, unless another does for the same."""
        connection.execute(
            "DELETE FROM procrastinate_jobs d WHERE status = 'doing' AND EXISTS (SELECT FROM procrastinate_jobs w"
            " WHERE w.status = 'todo' AND w.queueing_lock = d.queueing_lock)"
        )
        connection.execute("UPDATE procrastinate_jobs SET status = 'todo' WHERE status = 'doing'")

    def _run(self, name: str, args: dict[str, Any]) -> None:
        args.pop("timestamp", None)  # of scheduled ones
        if name == "events.deliver":
            deliver(self.house.offices, args["told"])
        elif "events" in args:
            run_for_events(self.house.offices, REGISTRY.tasks[name], args["events"])
        else:
            run_now(self.house.offices, REGISTRY.tasks[name], args)

    def whole(self, objects: Iterable[Sent], *, there: bool = True) -> None:
        """Each is there once and bit-identical, or is not there at all."""
        wanted = {one.instance: one.digest for one in objects}
        with self.house.database.transaction() as session:
            found = self.archive.retrieval.objects(session, sop_instance_uids=list(wanted))
        digests = {one.sop_instance_uid: hashlib.sha256(b"".join(one.chunks())).hexdigest() for one in found}
        assert digests == (wanted if there else {}), f"{len(digests)} of {len(wanted)} objects are right"

    def study_pk(self) -> int:
        """Of this scene's objects, also where they are removed."""
        with self.house.database.transaction() as session:
            uid = self.objects(1)[0].study
            return session.scalars(
                select(Study.study_pk)
                .where(Study.study_instance_uid == uid)
                .execution_options(**WITH_REMOVED)
            ).one()


# Taking in --------------------------------------------------------------------------------------------------------


def _nothing(_: Scene) -> None:
    """There is nothing to prepare."""


def _ingest(scene: Scene) -> None:
    objects = scene.objects(4)
    twin = Sent(objects[0].study, objects[0].instance, objects[0].meta, objects[0].data[:-4] + b"twin")
    scene.store([*objects, twin])
    scene.work_off()


def _ingested(scene: Scene) -> None:
    scene.whole(scene.objects(4))
    with psycopg.connect(scene.house.database.url) as connection:
        aside = connection.execute(
            "SELECT count(*) FROM quarantine q JOIN stored_object o USING (stored_object_pk) WHERE q.sop_instance_uid = %s",
            (scene.objects(1)[0].instance,),
        ).fetchone()
        waiting = connection.execute("SELECT count(*) FROM outbox_event WHERE relayed_at IS NULL").fetchone()
    assert aside is not None
    assert aside[0] >= 1, "the twin is not in quarantine"
    assert waiting == (0,), "events were not told"


# Removing and purging ---------------------------------------------------------------------------------------------


def _stored(scene: Scene) -> None:
    scene.store(scene.objects(4))
    scene.work_off()
    scene.whole(scene.objects(4))


def _locations(scene: Scene) -> list[str]:
    with psycopg.connect(scene.house.database.url) as connection:
        return [
            row[0]
            for row in connection.execute(
                "SELECT location FROM stored_object o JOIN instance i USING (instance_pk) WHERE i.study_pk = %s",
                (scene.study_pk(),),
            )
        ]


def _before_removal(scene: Scene) -> None:
    _stored(scene)
    scene.facts["locations"] = _locations(scene)
    assert len(scene.facts["locations"]) == 4
    scene.note("purged", scene.objects(1)[0].study)


def _remove(scene: Scene) -> None:
    study_pk, uid = scene.study_pk(), scene.objects(1)[0].study
    with scene.house.database.transaction() as session:
        removal = session.scalar(select(Removal.removal_pk).where(Removal.study_pk == study_pk))
        purged = session.scalar(select(Removal.purged_at).where(Removal.study_pk == study_pk))
    if removal is None:
        with scene.house.offices.work(SYSTEM) as work:
            removal = remove(work, Target(uid), reason="a fault plan").removal_pk
    if purged is None:
        with scene.house.offices.work(SYSTEM) as work:
            purge_now(work, removal)
    scene.work_off()


def _removed(scene: Scene) -> None:
    scene.whole(scene.objects(4), there=False)
    with psycopg.connect(scene.house.database.url) as connection:
        left = connection.execute(
            "SELECT count(*) FROM stored_object o JOIN instance i USING (instance_pk) WHERE i.study_pk = %s",
            (scene.study_pk(),),
        ).fetchone()
        removals = connection.execute(
            "SELECT count(*), count(purged_at) FROM removal WHERE study_pk = %s", (scene.study_pk(),)
        ).fetchone()
        keys = connection.execute(
            "SELECT count(*) FROM study_key WHERE study_instance_uid = %s", (scene.objects(1)[0].study,)
        ).fetchone()
    assert left == (0,), "rows of purged objects are left"
    assert removals == (1, 1), f"removals: {removals}"
    assert keys == (0,), "the key of what was purged is left"
    assert not set(scene.archive.objects.listing(-5)) & set(scene.facts["locations"]), "purged files are left"


def _before_removal_of_one(scene: Scene) -> None:
    """Of the large ones, which have a file from the start; the rest of the study stays, and its key."""
    # The first file is made when it is wanted; the rest ahead, and their names are noted.
    scene.store(scene.objects(2))
    time.sleep(0.5)
    scene.store(scene.objects(6))
    scene.work_off()
    with psycopg.connect(scene.house.database.url) as connection:
        row = connection.execute(
            "SELECT s.series_instance_uid, o.location FROM instance i JOIN series s USING (series_pk)"
            " JOIN stored_object o USING (instance_pk) WHERE i.sop_instance_uid = %s AND o.role = 'original'",
            (scene.objects(6)[5].instance,),
        ).fetchone()
    assert row is not None
    scene.facts |= {"series": row[0], "location": row[1]}
    scene.note("forgotten", scene.objects(6)[5].instance)


def _remove_one(scene: Scene) -> None:
    study_pk, one = scene.study_pk(), scene.objects(6)[5]
    with scene.house.database.transaction() as session:
        removal = session.scalar(select(Removal.removal_pk).where(Removal.study_pk == study_pk))
        purged = session.scalar(select(Removal.purged_at).where(Removal.study_pk == study_pk))
    if removal is None:
        with scene.house.offices.work(SYSTEM) as work:
            target = Target(one.study, scene.facts["series"], one.instance)
            removal = remove(work, target, reason="a fault plan").removal_pk
    if purged is None:
        with scene.house.offices.work(SYSTEM) as work:
            purge_now(work, removal)
    scene.work_off()


def _one_removed(scene: Scene) -> None:
    *others, gone = scene.objects(6)
    scene.whole(others)
    scene.whole([gone], there=False)
    with psycopg.connect(scene.house.database.url) as connection:
        kept = connection.execute(
            "SELECT count(*) FROM quarantine WHERE sop_instance_uid = %s", (gone.instance,)
        ).fetchone()
    assert kept == (0,), "what was purged came back into quarantine"
    assert scene.facts["location"] not in set(scene.archive.objects.listing(-5)), "a purged file is left"


# Moving -----------------------------------------------------------------------------------------------------------


def _move(scene: Scene) -> None:
    setattr(limits, "STORE_MOVE_CLOSED_S", -1.0)  # nobody else takes objects in  # noqa: B010
    with scene.house.database.transaction() as session:
        pk = session.scalar(
            select(StoreMove.store_move_pk).where(StoreMove.store_move_pk > scene.facts["before"])
        )
    if pk is None:
        with scene.house.offices.work(SYSTEM) as work:
            pk = start_move(work, scene.facts["from"], scene.facts["to"]).store_move_pk
    for _ in range(50):
        if move_slice(scene.archive, pk, seconds=5) is None:
            return
    raise AssertionError("the move does not end")


def _before_move(scene: Scene) -> None:
    # A move takes along all that lies in the store: what earlier runs moved would make it longer with each.
    gone = {words[0] for words in scene.noted("purged")}
    for study in dict.fromkeys(words[0] for words in scene.noted("moved")):
        if study not in gone:
            scene.note("purged", study)
            with scene.house.offices.work(SYSTEM) as work:
                removal = remove(work, Target(study), reason="a fault plan").removal_pk
            with scene.house.offices.work(SYSTEM) as work:
                purge_now(work, removal)
            scene.work_off()
    _stored(scene)
    with scene.house.database.transaction() as session:
        scene.facts["before"] = session.scalar(select(func.max(StoreMove.store_move_pk))) or 0
    # To and fro: what was emptied takes nothing new until another store is emptied into it.
    (source,) = {split(one)[0] for one in _locations(scene)}
    scene.facts |= {"from": source, "to": "second" if source == "local" else "local"}


def _moved(scene: Scene) -> None:
    scene.whole(scene.objects(4))
    with psycopg.connect(scene.house.database.url) as connection:
        locations = [row[0] for row in connection.execute("SELECT location FROM stored_object")]
        state = connection.execute(
            "SELECT state FROM store_move ORDER BY store_move_pk DESC LIMIT 1"
        ).fetchone()
    assert {split(one)[0] for one in locations} == {scene.facts["to"]}, "not all was moved"
    assert state == ("done",)
    scene.note("moved", scene.objects(1)[0].study)


# Storage commitment -----------------------------------------------------------------------------------------------


def _before_commitment(scene: Scene) -> None:
    _stored(scene)
    with scene.house.offices.work(SYSTEM) as work:
        save_remote_ae(
            work, ae_title=f"CT{scene.seed}", host="127.0.0.1", port=11199, description=None, rights=["store"]
        )


def _commitment(scene: Scene) -> None:
    def report(peer: RemoteAE, event_type_id: int, event: dict[str, Any]) -> None:
        scene.note("heard", str(event_type_id), event["00081195"]["Value"][0])

    use_reporter(report)
    transaction = f"2.25.{scene.seed}"
    with scene.house.database.transaction() as session:
        known = session.scalar(
            select(StorageCommitment.storage_commitment_pk).where(
                StorageCommitment.transaction_uid == transaction
            )
        )
    if known is None:
        items = [
            {
                "00081150": {"vr": "UI", "Value": [CT]},
                "00081155": {"vr": "UI", "Value": [one.instance]},
            }
            for one in scene.objects(4)
        ]
        with scene.house.offices.work(SYSTEM) as work:
            request_commitment(
                work,
                {"00081195": {"vr": "UI", "Value": [transaction]}, "00081199": {"vr": "SQ", "Value": items}},
                calling_ae_title=f"CT{scene.seed}",
                network_address="127.0.0.1",
            )
    # Its association, or a worker that held it, is gone: the time of the claim is over.
    with psycopg.connect(scene.house.database.url, autocommit=True) as connection:
        connection.execute("UPDATE storage_commitment SET claimed_until = NULL")
        connection.execute("UPDATE procrastinate_jobs SET scheduled_at = NULL")
    scene.work_off()


def _committed(scene: Scene) -> None:
    with scene.house.database.transaction() as session:
        (found,) = session.scalars(
            select(StorageCommitment).where(StorageCommitment.transaction_uid == f"2.25.{scene.seed}")
        ).all()
    assert found.reported_at is not None, "the requester was not told"
    assert found.failed == []
    heard = scene.noted("heard")
    assert heard, "the requester heard nothing"
    assert {words[0] for words in heard} == {"1"}, "a report says that objects are missing"


# Sending on -------------------------------------------------------------------------------------------------------


def _before_routing(scene: Scene) -> None:
    _stored(scene)
    with scene.house.offices.work(SYSTEM) as work:
        peer = save_remote_ae(
            work,
            ae_title=f"VNA{scene.seed}",
            host="127.0.0.1",
            port=11199,
            description=None,
            rights=["verify"],
        )
        scene.facts["peer"] = peer.remote_ae_pk


def _route(scene: Scene) -> None:
    def take(_: RemoteAE, objects: Sequence[RetrieveObject], __: Disguise | None) -> Iterable[Offer]:
        for one in objects:
            scene.note("took", one.sop_instance_uid, hashlib.sha256(b"".join(one.chunks())).hexdigest())
            yield Offer(one.sop_instance_uid, None)

    use_sender(take)
    study_pk = scene.study_pk()
    with scene.house.database.transaction() as session:
        known = session.scalar(select(Forwarding.forwarding_pk).where(Forwarding.study_pk == study_pk))
    if known is None:
        with scene.house.offices.work(SYSTEM) as work:
            send(work, [scene.objects(1)[0].study], scene.facts["peer"])
    # The lease of a sender that was killed is over.
    with psycopg.connect(scene.house.database.url, autocommit=True) as connection:
        connection.execute(
            "UPDATE forwarding SET claimed_until = NULL, not_before = now() WHERE state IN ('waiting', 'sending')"
        )
        connection.execute("UPDATE procrastinate_jobs SET scheduled_at = NULL")
    scene.work_off()


def _routed(scene: Scene) -> None:
    study_pk = scene.study_pk()
    with scene.house.database.transaction() as session:
        (found,) = session.scalars(select(Forwarding).where(Forwarding.study_pk == study_pk)).all()
        refused = session.execute(
            text("SELECT count(*) FROM forwarding_failure WHERE forwarding_pk = :pk"),
            {"pk": found.forwarding_pk},
        ).scalar()
    assert found.state == ForwardingState.SENT, f"it is {found.state}: {found.last_error}"
    assert (found.sent_count, found.waiting_count, refused) == (4, 0, 0), (
        "the counts are not those of what was sent"
    )
    mine = {one.instance for one in scene.objects(4)}
    took = {tuple(words) for words in scene.noted("took") if words[0] in mine}
    assert took == {(one.instance, one.digest) for one in scene.objects(4)}, "not all arrived as they were"


# Signing, and what is charged -------------------------------------------------------------------------------------


def _before_report(scene: Scene) -> None:
    with scene.house.offices.work(SYSTEM) as work:
        site = work.session.scalars(select(Site.site_pk)).first()
        assert site is not None
        practitioner = Practitioner(person_name="Moreau^Ines^^Dr.")
        work.session.add(practitioner)
        work.session.flush()
        user = create_user(
            work, username=f"reader{scene.seed}", display_name="Dr. Ines Moreau", roles=[Role.RADIOLOGIST],
            password=PASSWORD, practitioner_pk=practitioner.practitioner_pk, mfa_required=False,
        )  # fmt: skip
        patient = register_patient(
            work, PatientInput(f"Moss^Ada{scene.seed}", patient_birth_date=date(1960, 5, 4), patient_sex="F")
        )
        order = place_order(
            work,
            OrderInput(
                patient.patient_pk, site, [ProcedureChoice(code_value="CTHEAD")], reason_for_the_requested_procedure="Headache",
                diagnosis_codes=["R51.9"], referring_physician_name="Berg^Tom^^Dr.",
            ),
        )  # fmt: skip
        requested = procedures_of(work, order.imaging_service_request_pk)[0].requested_procedure_pk
        move_requested_procedure(work, requested, Move.START)
        work.audit(AuditEventID.PATIENT_RECORD, "C", patient_pk=patient.patient_pk)
        scene.facts |= {"user": user.user_pk, "requested": requested}
    scene.work_off()


def _report(scene: Scene) -> None:
    requested = scene.facts["requested"]
    with scene.house.database.transaction() as session:
        reader = actor_of(session.get_one(User, scene.facts["user"]), kind="user", address=None)
        done = session.execute(
            text("SELECT state FROM requested_procedure WHERE requested_procedure_pk = :pk"),
            {"pk": requested},
        ).scalar()
    if done != "COMPLETED":
        with scene.house.offices.work(SYSTEM) as work:
            move_requested_procedure(work, requested, Move.COMPLETE)
            work.audit(
                AuditEventID.PROCEDURE_RECORD, "U", object_type="requested procedure", object_id=requested
            )
    with scene.house.offices.work(reader) as work:
        view = open_report(work, [requested])
        work.audit(AuditEventID.PROCEDURE_RECORD, "R", object_type="report")
    if not view.versions:
        with scene.house.offices.work(reader) as work:
            sections = {**(view.draft_sections or {}), "findings": "None.", "impression": "Normal."}
            codes = [one.code for one in warnings(work, view.report_pk, sections)]
            sign(
                work, view.report_pk, "final", sections, view.draft_revision, acknowledged=codes, password=PASSWORD,
                totp=None,
            )  # fmt: skip
    scene.work_off()


def _reported(scene: Scene) -> None:
    with scene.house.database.transaction() as session:
        versions = session.execute(
            select(ReportVersion.kind, ReportVersion.version_number)
            .join(ReportProcedure, ReportProcedure.report_pk == ReportVersion.report_pk)
            .where(ReportProcedure.requested_procedure_pk == scene.facts["requested"])
        ).all()
        charges = session.execute(
            select(Charge.component, Charge.state).where(
                Charge.requested_procedure_pk == scene.facts["requested"], Charge.state != ChargeState.VOID
            )
        ).all()
    assert [tuple(one) for one in versions] == [("final", 1)], f"versions: {versions}"
    components = [one[0] for one in charges]
    assert components, "nothing was charged"
    assert len(components) == len(set(components)), f"charged twice: {components}"


@dataclass(frozen=True)
class Steps:
    """A scene's three steps."""

    prepare: Callable[[Scene], None]
    act: Callable[[Scene], None]
    check: Callable[[Scene], None]


SCENES: dict[str, Steps] = {
    "moving": Steps(_before_move, _move, _moved),  # first: it moves what the others leave, too
    "ingest": Steps(_nothing, _ingest, _ingested),
    "removal": Steps(_before_removal, _remove, _removed),
    "removal of one": Steps(_before_removal_of_one, _remove_one, _one_removed),
    "commitment": Steps(_before_commitment, _commitment, _committed),
    "routing": Steps(_before_routing, _route, _routed),
    "report": Steps(_before_report, _report, _reported),
}


@contextlib.contextmanager
def _going_wrong(plan: Mapping[str, str]) -> Iterator[None]:
    action, _, number = plan.get("WRITES", "").partition("@")
    with contextlib.ExitStack() as stack:
        if action:
            log = Path(plan["TEST_FAILPOINTS_LOG"])
            stack.enter_context(writes.taken_in_part(action, int(number), log))
        failpoints.arm(plan)
        stack.callback(failpoints.arm, {})
        yield


def play(asked: Mapping[str, Any]) -> None:
    """One child's part: `prepare`, `act` with the plan of failpoints, and again without where it failed, `check`. What became
    of it stands in the file `result`; nothing does where it died."""
    house = build_house(load_settings(), part="scene")
    archive = wire(house)
    scene = Scene(house, archive, asked["seed"], Path(asked["notes"]), dict(asked["facts"]))
    steps, result = SCENES[asked["scene"]], Path(asked["result"])
    archive.recover()
    if asked["prepare"]:
        steps.prepare(scene)
        result.write_text(json.dumps({"facts": scene.facts}))
    raised = ""
    try:
        with _going_wrong(asked["plan"]):
            steps.act(scene)
    except Exception as error:
        if not asked["plan"]:
            raise
        raised = type(error).__name__
    if asked["plan"]:
        steps.act(scene)  # as whoever asked for it does, or the worker
    steps.check(scene)
    archive.close()
    house.close()
    result.write_text(json.dumps({"facts": scene.facts, "done": True, "raised": raised}))
