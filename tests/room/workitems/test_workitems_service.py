"""Workitems on a real database: made, claimed, ended, watched."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from common import Api
from wetread.archive.model import RemoteAE
from wetread.kit.clock import FixedClock
from wetread.kit.errors import Denied, Invalid, NotFound, TooLarge
from wetread.security.service import Actor, AuditEventID, Permission, Work
from wetread.workitems import rules, service
from wetread.workitems.model import Workitem, WorkitemEvent, WorkitemSubscription
from wetread.workitems.rules import Answer, EventType, State, WorkitemRefused, element
from workitem_fixtures import FILTERED, GLOBAL, PERFORMED, code, workitem

T1 = "1.2.3.1"


def asked(label: str = "Find nodules", **changes: Any) -> dict[str, Any]:
    return workitem(label, **{"PatientName": {"Alphabetic": "Doe^Jane"}, "PatientID": "P1", **changes})


@pytest.fixture
def peer(work: Work) -> str:
    work.session.add(RemoteAE(ae_title="WATCHER", host="127.0.0.1", port=11190, rights=["workitems"]))
    work.session.flush()
    return "WATCHER"


def events(work: Work, title: str = "WATCHER") -> list[tuple[int, dict[str, Any]]]:
    rows = work.session.scalars(
        select(WorkitemEvent)
        .where(WorkitemEvent.receiving_ae_title == title)
        .order_by(WorkitemEvent.workitem_event_pk)
    )
    return [(row.event_type_id, row.information) for row in rows]


def states(work: Work, title: str = "WATCHER") -> list[str]:
    return [
        rules.text_of(information, rules.STATE)
        for kind, information in events(work, title)
        if kind == EventType.STATE_REPORT
    ]


def test_the_whole_way_of_a_workitem(work: Work, peer: str) -> None:
    made = service.create(work, None, asked())
    uid = made.sop_instance_uid
    service.subscribe(work, uid, peer, deletion_lock=False, is_web=False)
    assert service.change_state(work, uid, "IN PROGRESS", T1) is Answer.SUCCESS
    progress = element("ProcedureStepProgress", 40) | element(
        "ProcedureStepProgressDescription", "segmenting"
    )
    service.update(work, uid, element("ProcedureStepProgressInformationSequence", progress), T1)
    with pytest.raises(WorkitemRefused) as refused:
        service.change_state(work, uid, "COMPLETED", T1)
    assert refused.value.answer is Answer.NOT_MET_FINAL_STATE
    service.update(work, uid, PERFORMED, T1)
    assert service.change_state(work, uid, "COMPLETED", T1) is Answer.SUCCESS
    assert service.change_state(work, uid, "COMPLETED", T1) is Answer.ALREADY_COMPLETED
    attributes, _ = service.get(work, uid)
    assert rules.text_of(attributes, rules.STATE) == "COMPLETED"
    assert "00081195" not in attributes
    assert states(work) == ["SCHEDULED", "IN PROGRESS", "COMPLETED"]
    reported = [information for kind, information in events(work) if kind == EventType.PROGRESS_REPORT]
    assert reported[0][rules.PROGRESS]["Value"][0]["00741004"]["Value"] == [40]
    row = work.session.scalars(select(Workitem)).one()
    assert row.finished_at == work.now()
    assert row.performed_by == "test"


def test_canonical_attributes_can_be_sent_by_either_protocol(work: Work) -> None:
    names = {"Alphabetic": "Yamada^Taro", "Ideographic": "山田^太郎"}
    uid = service.create(work, "1.2.9", asked(PatientName=names)).sop_instance_uid
    assert uid == "1.2.9"
    attributes, answer = service.get(work, uid, ["00100010", "00104000"])
    assert attributes["00100010"]["Value"] == [names]
    assert answer is Answer.NOT_ALL_ATTRIBUTES


@pytest.mark.parametrize(
    "broken",
    [
        {"0074100": {"vr": "CS"}},
        {"00741000": {"vr": "CS", "Value": "SCHEDULED"}},
        {"00741000": {"vr": "??"}},
        {"00741000": {"vr": "CS", "Value": [{"a": 1}]}},
        {"00404025": {"vr": "SQ", "Value": ["CT1"]}},
        {"00280010": {"vr": "US", "Value": [70000]}},
        {"00280010": {"vr": "US", "Value": ["1"]}},
    ],
)
def test_what_is_no_data_set_is_refused_as_such(work: Work, broken: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        service.create(work, None, asked() | broken)


def test_limits(work: Work) -> None:
    comment = "x" * 60_000
    items = [element("TextValue", comment) for _ in range(30)]
    with pytest.raises(TooLarge):
        service.create(work, None, asked() | element("InputInformationSequence", *items))


def test_a_uid_is_used_once(work: Work) -> None:
    service.create(work, "1.2.9", asked())
    for uid in ("1.2.9", GLOBAL, FILTERED):
        with pytest.raises(WorkitemRefused) as refused:
            service.create(work, uid, asked())
        assert refused.value.answer is Answer.DUPLICATE_SOP_INSTANCE


@pytest.mark.parametrize("uid", ["1.2.3.4.5", "", "nonsense", "1" * 65])
def test_what_is_not_here(work: Work, uid: str) -> None:
    for call in (
        lambda: service.get(work, uid),
        lambda: service.update(work, uid, element("ProcedureStepLabel", "x")),
        lambda: service.change_state(work, uid, "IN PROGRESS", T1),
        lambda: service.request_cancel(work, uid, {}),
        lambda: service.unsubscribe(work, uid, "WATCHER"),
    ):
        with pytest.raises(WorkitemRefused) as refused:
            call()
        assert refused.value.answer is Answer.NO_SUCH_WORKITEM


def test_a_start_that_is_no_date_is_refused(work: Work) -> None:
    with pytest.raises(WorkitemRefused) as refused:
        service.create(work, None, asked(ScheduledProcedureStepStartDateTime="tomorrow"))
    assert refused.value.answer is Answer.INVALID_ATTRIBUTE_VALUE


def test_canceling_what_nobody_performs(work: Work, peer: str) -> None:
    uid = service.create(work, None, asked()).sop_instance_uid
    service.subscribe(work, uid, peer, deletion_lock=False, is_web=False)
    assert service.request_cancel(work, uid, element("ReasonForCancellation", "no image")) is Answer.SUCCESS
    assert states(work) == ["SCHEDULED", "IN PROGRESS", "CANCELED"]
    attributes, _ = service.get(work, uid)
    progress = rules.first(attributes, rules.PROGRESS)
    assert rules.text_of(progress, rules.REASON) == "no image"
    assert rules.has_value(progress, rules.CANCELED_AT)
    assert rules.missing_for(State.CANCELED, attributes) == []
    assert service.request_cancel(work, uid, {}) is Answer.ALREADY_CANCELED


def test_asking_a_performer_to_cancel(work: Work, peer: str) -> None:
    uid = service.create(work, None, asked()).sop_instance_uid
    service.change_state(work, uid, "IN PROGRESS", T1)
    with pytest.raises(WorkitemRefused) as refused:
        service.request_cancel(work, uid, {})
    assert refused.value.answer is Answer.PERFORMER_NOT_REACHED
    service.subscribe(work, uid, peer, deletion_lock=False, is_web=False)
    service.request_cancel(work, uid, element("ReasonForCancellation", "wrong patient"))
    kind, information = events(work)[-1]
    assert kind == EventType.CANCEL_REQUESTED
    assert rules.text_of(information, rules.REASON) == "wrong patient"
    assert rules.text_of(information, rules.REQUESTING_AE) == "WETREAD"
    assert service.get(work, uid)[0][rules.STATE]["Value"] == ["IN PROGRESS"]


def test_subscribing_to_all_reaches_back_and_forward(work: Work, peer: str) -> None:
    first = service.create(work, None, asked("one")).sop_instance_uid
    gone = service.create(work, None, asked("two")).sop_instance_uid
    service.request_cancel(work, gone, {})
    service.subscribe(work, GLOBAL, peer, deletion_lock=True, is_web=False)
    assert states(work) == ["SCHEDULED"]  # what has ended is not told any more
    third = service.create(work, None, asked("three")).sop_instance_uid
    assert states(work) == ["SCHEDULED", "SCHEDULED"]
    service.suspend(work, GLOBAL, peer)
    service.create(work, None, asked("four"))
    service.change_state(work, third, "IN PROGRESS", T1)
    assert states(work) == ["SCHEDULED", "SCHEDULED", "IN PROGRESS"]
    service.unsubscribe(work, GLOBAL, peer)
    service.change_state(work, first, "IN PROGRESS", "1.2.3.9")
    assert len(states(work)) == 3
    assert work.session.scalars(select(WorkitemSubscription)).all() == []


def test_a_filter_chooses_among_what_is_and_what_comes(work: Work, peer: str) -> None:
    keys = element("ScheduledStationNameCodeSequence", element("CodeValue", "CT1"))
    mine = element("ScheduledStationNameCodeSequence", code("CT1"))
    service.create(work, None, asked("there already") | mine)
    service.create(work, None, asked("another's"))
    service.subscribe(work, FILTERED, peer, deletion_lock=False, keys=keys, is_web=False)
    service.create(work, None, asked("new") | mine)
    service.create(work, None, asked("new, another's"))
    assert [kind for kind, _ in events(work)] == [1, 1, 5]
    assigned = events(work)[-1][1]
    assert assigned[rules.STATIONS]["Value"][0]["00080100"]["Value"] == ["CT1"]
    with pytest.raises(WorkitemRefused):
        service.subscribe(work, FILTERED, peer, deletion_lock=False, keys={}, is_web=False)
    with pytest.raises(WorkitemRefused):
        wrong = element("ScheduledProcedureStepStartDateTime", "yesterday")
        service.subscribe(work, FILTERED, peer, deletion_lock=False, keys=wrong, is_web=False)


def test_who_cannot_be_called_cannot_subscribe_by_dimse(work: Work) -> None:
    uid = service.create(work, None, asked()).sop_instance_uid
    with pytest.raises(WorkitemRefused) as refused:
        service.subscribe(work, uid, "STRANGER", deletion_lock=False, is_web=False)
    assert refused.value.answer is Answer.UNKNOWN_RECEIVER
    assert service.subscribe(work, uid, "STRANGER", deletion_lock=False, is_web=True) is Answer.SUCCESS


def test_events_go_out_by_one_job_a_receiver(work: Work, peer: str) -> None:
    service.subscribe(work, GLOBAL, peer, deletion_lock=False, is_web=False)
    for _ in range(3):
        service.create(work, None, asked())
    jobs = work.session.execute(
        text("SELECT args FROM procrastinate_jobs WHERE task_name = 'workitems.report_events'")
    ).all()
    assert [job.args for job in jobs] == [{"receiving_ae_title": peer}]


def test_searching(work: Work) -> None:
    for number, label in enumerate(("one", "two", "three")):
        service.create(
            work, f"1.2.3.{number}", asked(label, ScheduledProcedureStepPriority="LOW" if number else "HIGH")
        )
    service.change_state(work, "1.2.3.2", "IN PROGRESS", T1)

    def found(keys: dict[str, Any], **options: int) -> list[str]:
        result = service.find(work, keys, **{"limit": 10, **options})
        return [rules.text_of(one, rules.LABEL) for one in result.items]

    assert found({}) == ["one", "two", "three"]
    assert found(element("ProcedureStepState", "SCHEDULED")) == ["one", "two"]
    assert found(element("ProcedureStepState", "SCHED*")) == ["one", "two"]
    assert found(element("SOPInstanceUID", "1.2.3.0", "1.2.3.2")) == ["one", "three"]
    assert found(element("ScheduledProcedureStepPriority", "LOW")) == ["two", "three"]
    assert found(element("PatientName", {"Alphabetic": "doe*"})) == ["one", "two", "three"]
    assert found(element("ScheduledProcedureStepStartDateTime", "20261125-")) == ["one", "two", "three"]
    assert found(element("ScheduledProcedureStepStartDateTime", "-20261124")) == []
    assert found({}, limit=1, offset=1) == ["two"]
    assert service.find(work, {}, limit=2).cut
    assert not service.find(work, {}, limit=3).cut
    with pytest.raises(Invalid):
        service.find(work, element("ScheduledProcedureStepStartDateTime", "soon"), limit=10)


def test_a_search_that_would_look_at_too_much_says_that_there_is_more(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wetread.kit import limits

    monkeypatch.setattr(limits, "WORKITEM_SCANNED_MAX", 2)
    for label in ("one", "two", "three"):
        service.create(work, None, asked(label))
    found = service.find(work, element("ProcedureStepLabel", "three"), limit=10)
    assert (found.items, found.cut) == ([], True)
    assert not service.find(work, element("ProcedureStepState", "COMPLETED"), limit=10).cut


def test_what_ended_is_removed_unless_it_is_locked(work: Work, peer: str, clock: FixedClock) -> None:
    locked = service.create(work, None, asked("locked")).sop_instance_uid
    service.subscribe(work, locked, peer, deletion_lock=True, is_web=False)
    for uid in (locked, service.create(work, None, asked("free")).sop_instance_uid):
        service.request_cancel(work, uid, {})
    service.create(work, None, asked("open"))
    clock.advance(timedelta(days=91))
    assert service.remove_finished(work) == 1
    labels = work.session.scalars(select(Workitem.procedure_step_label).order_by(Workitem.workitem_pk)).all()
    assert labels == ["locked", "open"]
    assert events(work) == []  # nobody came for them
    service.unsubscribe(work, locked, peer)
    assert service.remove_finished(work) == 1


def test_permissions(work: Work, work_as: Any) -> None:
    for role in ("front_desk", "biller", "manager", "referrer", "admin"):
        with pytest.raises(Denied), work_as(role) as other:
            service.create(other, None, asked())
        with pytest.raises(Denied), work_as(role) as other:
            service.find(other, {}, limit=1)
    with work_as("radiologist") as other:
        service.create(other, None, asked())


def test_every_use_leaves_a_record(offices: Any) -> None:
    actor = Actor.application_entity(
        "CT1", "10.0.0.1", frozenset({Permission.WORKITEM_READ, Permission.WORKITEM_WRITE})
    )

    def as_peer(call: Any) -> Any:
        with offices.work(actor) as own:
            return call(own)

    uid = as_peer(lambda own: service.create(own, None, asked())).sop_instance_uid
    as_peer(lambda own: service.get(own, uid))
    as_peer(lambda own: service.update(own, uid, element("ProcedureStepLabel", "other")))
    as_peer(lambda own: service.change_state(own, uid, "IN PROGRESS", T1))
    as_peer(lambda own: service.subscribe(own, uid, "CT1", deletion_lock=False, is_web=True))
    as_peer(lambda own: service.waiting_for_channel(own, "CT1"))
    as_peer(lambda own: service.find(own, {}, limit=1))
    as_peer(lambda own: service.unsubscribe(own, uid, "CT1"))
    with offices.work(Actor.system("test")) as own:
        written = own.session.execute(
            text(
                "SELECT event_id, event_action_code FROM audit_record WHERE user_id = 'CT1' ORDER BY audit_record_pk"
            )
        ).all()
    record = AuditEventID.PROCEDURE_RECORD
    assert [tuple(row) for row in written][:4] == [(record, "C"), (record, "R"), (record, "U"), (record, "U")]
    assert len(written) == 8


# The screen


def test_the_list_and_one_of_it(api: Api) -> None:
    with api.offices.work(Actor.system("test")) as work:
        for number in range(3):
            service.create(work, f"1.2.3.{number}", asked(f"step {number}"))
        service.subscribe(work, "1.2.3.2", "VIEWER", deletion_lock=True, is_web=True)
    reader = api.as_role("radiologist")
    page = reader.get("/api/workitems?limit=2").json()
    assert [one["procedure_step_label"] for one in page["items"]] == ["step 2", "step 1"]
    assert page["counts"] == {"SCHEDULED": 3}
    rest = reader.get(f"/api/workitems?limit=2&cursor={page['next_cursor']}").json()
    assert [one["procedure_step_label"] for one in rest["items"]] == ["step 0"]
    assert rest["next_cursor"] is None
    assert reader.get("/api/workitems?state=COMPLETED").json()["items"] == []
    one = reader.get(f"/api/workitems/{page['items'][0]['workitem_pk']}").json()
    assert one["patient_name"] == "Doe^Jane"
    assert one["subscriptions"] == [
        {"receiving_ae_title": "VIEWER", "has_deletion_lock": True, "is_web": True}
    ]
    answer = reader.post(
        f"/api/workitems/{one['workitem_pk']}/cancel-request", json={"reason_for_cancellation": "done"}
    )
    assert answer.json() == {"is_canceled": True}
    assert reader.get(f"/api/workitems/{one['workitem_pk']}").json()["reason_for_cancellation"] == "done"
    assert reader.get("/api/workitems/0").status_code == 404


def test_a_workitem_that_there_is_not(work: Work) -> None:
    with pytest.raises(NotFound):
        service.opened(work, 0)
