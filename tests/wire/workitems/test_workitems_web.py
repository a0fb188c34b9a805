"""UPS-RS over a real socket (PS3.18 section 11), with a web socket client of another house for the event channel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from common import Api
from dicomweb_fixtures import Answer, Client
from wetread.dicomweb.nativexml import to_xml
from wetread.dicomweb.workitems import keys_of
from wetread.workitems.rules import element
from workitem_fixtures import FILTERED, GLOBAL, PERFORMED, code, workitem

T1, T2 = "1.2.3.1", "1.2.3.2"
JSON = "application/dicom+json"


def asked(label: str = "Find nodules", **changes: Any) -> dict[str, Any]:
    return workitem(
        label,
        **{
            "PatientName": {"Alphabetic": "Müller^Jörg"},
            "ScheduledStationNameCodeSequence": code("AI1"),
            **changes,
        },
    )


def send(client: Client, method: str, path: str, ds: Any = None, kind: str = JSON) -> Answer:
    body = None if ds is None else ds if isinstance(ds, bytes) else json.dumps([ds]).encode()
    return client.ask(method, path, body, Content_Type=kind)


def create(client: Client, uid: str, **changes: Any) -> None:
    answer = send(client, "POST", f"/workitems?AffectedSOPInstanceUID={uid}", asked(**changes))
    assert answer.status == 201, answer.body


def state(client: Client, uid: str, wanted: str, transaction: str) -> Answer:
    ds = element("ProcedureStepState", wanted) | element("TransactionUID", transaction)
    return send(client, "PUT", f"/workitems/{uid}/state", ds)


def test_the_whole_way(reader: Client) -> None:
    made = send(reader, "POST", "/workitems", asked())
    assert made.status == 201
    uid = made.headers["location"].rsplit("/", 1)[1]
    got = reader.get(f"/workitems/{uid}")
    assert (got.status, got.headers["content-type"]) == (200, JSON)
    (ds,) = got.json()
    assert ds["00100010"]["Value"] == [{"Alphabetic": "Müller^Jörg"}]
    assert ds["00080018"]["Value"] == [uid]
    assert state(reader, uid, "IN PROGRESS", T1).status == 200
    assert "00081195" not in reader.get(f"/workitems/{uid}").json()[0]
    assert send(reader, "POST", f"/workitems/{uid}?transactionUID={T1}", PERFORMED).status == 200
    done = state(reader, uid, "COMPLETED", T1)
    assert (done.status, "warning" in done.headers) == (200, False)
    again = state(reader, uid, "COMPLETED", T1)
    assert again.status == 200
    assert again.headers["warning"] == '299 wetread "The UPS is already in the requested state of COMPLETED."'
    assert reader.get(f"/workitems/{uid}").json()[0]["00741000"]["Value"] == ["COMPLETED"]


def test_what_does_not_fit_the_state_is_a_conflict_and_says_so(reader: Client) -> None:
    create(reader, "1.2.9")
    for answer, status in (
        (send(reader, "POST", "/workitems?AffectedSOPInstanceUID=1.2.9", asked()), 409),
        (state(reader, "1.2.9", "COMPLETED", T1), 409),
        (state(reader, "1.2.9", "SCHEDULED", T1), 409),
        (send(reader, "POST", f"/workitems/1.2.9?transactionUID={T1}", PERFORMED), 409),
        (state(reader, "1.2.8", "IN PROGRESS", T1), 404),
        (send(reader, "POST", "/workitems/1.2.8", PERFORMED), 404),
        (send(reader, "POST", "/workitems/1.2.8/cancelrequest"), 404),
        (reader.get("/workitems/1.2.8"), 404),
    ):
        assert answer.status == status, answer.body
        assert answer.headers["warning"].startswith('299 wetread "')
        assert answer.headers["content-type"] == "application/problem+json"
    unclaimed = send(reader, "POST", f"/workitems/1.2.9?transactionUID={T1}", PERFORMED)
    assert "The target URI did not reference a claimed Workitem." in unclaimed.headers["warning"]
    state(reader, "1.2.9", "IN PROGRESS", T1)
    conflict = "inconsistent with the current state of the Workitem."
    missing, incorrect = "The Transaction UID is missing.", "The Transaction UID is incorrect."
    both = PERFORMED | element("TransactionUID", T2)
    for answer, status, words in (
        (state(reader, "1.2.9", "IN PROGRESS", T2), 409, conflict),
        (state(reader, "1.2.9", "COMPLETED", T1), 409, conflict),
        (state(reader, "1.2.9", "CANCELED", T2), 400, incorrect),
        (state(reader, "1.2.9", "CANCELED", ""), 400, missing),
        (send(reader, "POST", "/workitems/1.2.9", PERFORMED), 400, missing),
        (send(reader, "POST", f"/workitems/1.2.9?transactionUID={T2}", PERFORMED), 400, incorrect),
        (send(reader, "POST", f"/workitems/1.2.9?transactionUID={T1}", both), 400, incorrect),
        (send(reader, "POST", "/workitems/1.2.9/cancelrequest"), 409, "cannot be contacted."),
    ):
        assert answer.status == status, answer.body
        assert words in answer.headers["warning"]
    assert send(reader, "POST", f"/workitems/1.2.9?transactionUID={T1}", PERFORMED).status == 200
    assert state(reader, "1.2.9", "COMPLETED", T1).status == 200
    late = send(reader, "POST", f"/workitems/1.2.9?transactionUID={T1}", PERFORMED)
    assert (late.status, conflict in late.headers["warning"]) == (400, True)  # PS3.18 11.6.2


def test_what_is_kept_otherwise_than_sent_is_told(reader: Client) -> None:
    answer = send(reader, "POST", "/workitems?1.2.9", asked() | PERFORMED)
    assert answer.status == 201
    assert answer.headers["warning"] == '299 wetread "The UPS was created with modifications."'
    assert answer.headers["location"].endswith("/workitems/1.2.9")


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", JSON, 400),
        (b"[]", JSON, 400),
        (b"[{},{}]", JSON, 400),
        (b"[1]", JSON, 400),
        (b'[{"00741000":{"vr":"CS","Value":[1]}}]', JSON, 400),
        (b'[{"nonsense":{}}]', JSON, 400),
        (b"", JSON, 400),
        (b"<a/>", "application/dicom+xml", 400),
        (b"x", "text/plain", 415),
        (b"x", 'multipart/related; type="application/dicom+json"; boundary=b', 400),
        (b" " * 5_000_000, JSON, 413),
    ],
)  # fmt: skip
def test_bodies_that_are_none(reader: Client, body: bytes, kind: str, status: int) -> None:
    assert send(reader, "POST", "/workitems", body, kind).status == status


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("xml", [False, True])
def test_forms_of_a_body(reader: Client, wrapped: bool, xml: bool) -> None:
    kind = "application/dicom+xml" if xml else JSON
    body = to_xml(asked()) if xml else json.dumps(asked()).encode()
    if wrapped:
        body = f"--b\r\nContent-Type: {kind}\r\n\r\n".encode() + body + b"\r\n--b--\r\n"
        kind = f'multipart/related; type="{kind}"; boundary=b'
    answer = send(reader, "POST", "/workitems", body, kind)
    assert answer.status == 201, answer.body
    path = "/workitems/" + answer.headers["location"].rsplit("/", 1)[1]
    as_json = reader.get(path).json()[0]
    assert as_json["00100010"]["Value"] == [{"Alphabetic": "Müller^Jörg"}]
    as_xml = reader.get(path, Accept='multipart/related; type="application/dicom+xml"')
    assert as_xml.status == 200
    assert "Müller".encode() in as_xml.parts()[0][1]
    assert reader.get(path, Accept="image/png").status == 406


def test_searching(reader: Client) -> None:
    for number, label in enumerate(("one", "two", "three")):
        create(reader, f"1.2.3.{number}", ProcedureStepLabel=label)
    state(reader, "1.2.3.2", "IN PROGRESS", T1)

    def found(query: str, status: int = 200) -> list[str]:
        answer = reader.get(f"/workitems?{query}")
        assert answer.status == status, answer.body
        return [one["00741204"]["Value"][0] for one in answer.json()] if answer.body else []

    assert found("") == ["one", "two", "three"]
    assert found("ProcedureStepState=SCHEDULED") == ["one", "two"]
    assert found("00741000=IN%20PROGRESS") == ["three"]
    assert found("SOPInstanceUID=1.2.3.0,1.2.3.2") == ["one", "three"]
    assert found("PatientName=m%C3%BCl*&ProcedureStepLabel=t*") == ["two", "three"]
    assert found("ScheduledStationNameCodeSequence.CodeValue=AI1") == ["one", "two", "three"]
    assert found("ScheduledStationNameCodeSequence.CodeValue=CT1", 204) == []
    assert found("limit=2", 206) == ["one", "two"]
    assert found("limit=2&offset=2") == ["three"]
    for wrong in (
        "Nonsense=1",
        "limit=-1",
        "PatientName.CodeValue=1",
        "ScheduledProcedureStepStartDateTime=soon",
    ):
        assert reader.get(f"/workitems?{wrong}").status == 400


def test_canceling(reader: Client) -> None:
    create(reader, "1.2.9")
    assert (
        send(
            reader, "POST", "/workitems/1.2.9/cancelrequest", element("ReasonForCancellation", "no images")
        ).status
        == 202
    )
    again = send(reader, "POST", "/workitems/1.2.9/cancelrequest")
    assert (again.status, again.headers["warning"]) == (
        202,
        '299 wetread "The UPS is already in the requested state of CANCELED."',
    )


def test_keys_of_a_query() -> None:
    keys = keys_of(
        [
            ("ReferencedRequestSequence.AccessionNumber", "A1"),
            ("ReferencedRequestSequence.StudyInstanceUID", "1.2,1.3"),
        ]
    )
    assert keys == {
        "0040A370": {
            "vr": "SQ",
            "Value": [
                {"00080050": {"vr": "SH", "Value": ["A1"]}, "0020000D": {"vr": "UI", "Value": ["1.2", "1.3"]}}
            ],
        }
    }


# The event channel


@contextmanager
def channel(port: int, title: str, token: str | None, **options: Any) -> Iterator[ClientConnection]:
    headers = {"Authorization": token} if token else {}
    address = f"ws://127.0.0.1:{port}/dicom-web/subscribers/{title}"
    with connect(address, additional_headers=headers, **options) as socket:
        yield socket


def heard(socket: ClientConnection) -> dict[str, Any]:
    return dict(json.loads(socket.recv(timeout=30)))


def kinds(socket: ClientConnection, count: int) -> list[tuple[int, str]]:
    events = [heard(socket) for _ in range(count)]
    return [(one["00001002"]["Value"][0], one.get("00741000", {}).get("Value", [""])[0]) for one in events]


@pytest.fixture
def token(web: Api) -> str:
    return str(web.as_role("radiologist").headers["Authorization"])


def test_events_come_by_the_channel(reader: Client, port: int, token: str) -> None:
    answer = send(reader, "POST", f"/workitems/{GLOBAL}/subscribers/VIEWER")
    assert answer.status == 201
    assert answer.headers["content-location"] == f"ws://127.0.0.1:{port}/dicom-web/subscribers/VIEWER"
    with channel(port, "VIEWER", token) as socket:
        create(reader, "1.2.9")
        first = heard(socket)
        assert first["00000002"]["Value"] == ["1.2.840.10008.5.1.4.34.6.1"]
        assert first["00001000"]["Value"] == ["1.2.9"]
        assert first["00001002"]["Value"] == [1]
        assert first["00741000"]["Value"] == ["SCHEDULED"]
        assert first["00404041"]["Value"] == ["READY"]
        state(reader, "1.2.9", "IN PROGRESS", T1)
        progress = element("ProcedureStepProgressInformationSequence", element("ProcedureStepProgress", 40))
        send(reader, "POST", f"/workitems/1.2.9?transactionUID={T1}", progress)
        send(
            reader,
            "POST",
            "/workitems/1.2.9/cancelrequest",
            element("ReasonForCancellation", "wrong patient"),
        )
        assert kinds(socket, 4) == [(5, ""), (1, "IN PROGRESS"), (3, ""), (2, "")]


def test_what_happened_meanwhile_is_brought_once(reader: Client, port: int, token: str) -> None:
    create(reader, "1.2.9")
    send(reader, "POST", "/workitems/1.2.9/subscribers/VIEWER?deletionlock=true")
    state(reader, "1.2.9", "IN PROGRESS", T1)
    with channel(port, "VIEWER", token) as socket:
        assert kinds(socket, 2) == [(1, "SCHEDULED"), (1, "IN PROGRESS")]
    send(reader, "POST", f"/workitems/1.2.9?transactionUID={T1}", PERFORMED)
    state(reader, "1.2.9", "COMPLETED", T1)
    with channel(port, "VIEWER", token) as socket:
        assert kinds(socket, 1) == [(1, "COMPLETED")]
        with pytest.raises(TimeoutError):
            socket.recv(timeout=1)


def test_filters_suspension_and_the_end_of_subscriptions(reader: Client, port: int, token: str) -> None:
    path = f"/workitems/{FILTERED}/subscribers/VIEWER"
    assert send(reader, "POST", path).status == 400
    assert (
        send(reader, "POST", f"{path}?filter=WorklistLabel=AI,ScheduledProcedureStepPriority=HIGH").status
        == 201
    )
    create(reader, "1.2.1")
    create(reader, "1.2.2", ScheduledProcedureStepPriority="LOW")
    with channel(port, "VIEWER", token) as socket:
        assert heard(socket)["00001000"]["Value"] == ["1.2.1"]
        assert heard(socket)["00001002"]["Value"] == [5]
        assert send(reader, "POST", f"{path}/suspend").status == 200
        create(reader, "1.2.3")
        state(reader, "1.2.1", "IN PROGRESS", T1)
        assert heard(socket)["00741000"]["Value"] == ["IN PROGRESS"]
        assert send(reader, "DELETE", "/workitems/1.2.1/subscribers/VIEWER").status == 200
        send(reader, "POST", f"/workitems/1.2.1?transactionUID={T1}", PERFORMED)
        state(reader, "1.2.1", "COMPLETED", T1)
        with pytest.raises(TimeoutError):
            socket.recv(timeout=1)
    assert send(reader, "POST", "/workitems/1.2.1/subscribers/VIEWER/suspend").status == 400
    assert send(reader, "POST", "/workitems/1.2.1/subscribers/VIEWER?deletionlock=perhaps").status == 400
    assert send(reader, "POST", "/workitems/1.2.1/subscribers/THIS-TITLE-IS-TOO-LONG").status == 400


def test_a_newer_channel_takes_over(reader: Client, port: int, token: str) -> None:
    with channel(port, "VIEWER", token) as first, channel(port, "VIEWER", token) as second:
        with pytest.raises(ConnectionClosed) as closed:
            first.recv(timeout=30)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4000
        send(reader, "POST", f"/workitems/{GLOBAL}/subscribers/VIEWER")
        create(reader, "1.2.9")
        assert kinds(second, 1) == [(1, "SCHEDULED")]


def test_who_may_open_a_channel(web: Api, port: int, token: str) -> None:
    def refused(token: str | None, **options: Any) -> int:
        with pytest.raises(InvalidStatus) as refusal, channel(port, "VIEWER", token, **options):
            pass
        return int(refusal.value.response.status_code)

    assert refused(None) == 401
    assert refused("Bearer nonsense") == 401
    assert refused(str(web.as_role("biller").headers["Authorization"])) == 403
    session = web.as_role("radiologist")
    session.headers.pop("Authorization")
    signed_in = session.post(
        "/api/session",
        json={"username": session.username, "password": "correct horse battery staple"},
    )
    cookie = signed_in.headers["set-cookie"].split(";")[0]
    address = f"ws://127.0.0.1:{port}/dicom-web/subscribers/VIEWER"
    with (
        pytest.raises(InvalidStatus) as refusal,
        connect(address, additional_headers={"Cookie": cookie}, origin="https://elsewhere.example"),
    ):
        pass
    assert refusal.value.response.status_code == 403
    with connect(address, additional_headers={"Cookie": cookie}, origin=f"http://127.0.0.1:{port}"):
        pass


def test_a_revoked_token_ends_its_channel(
    web: Api, port: int, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy import update

    from wetread.dicomweb import workitem_channel
    from wetread.security.model import ApiToken

    monkeypatch.setattr(workitem_channel, "_PROVE_AGAIN_S", 0.0)
    with channel(port, "VIEWER", token) as socket:
        with web.offices.database.transaction() as session:
            session.execute(update(ApiToken).values(revoked_at=web.offices.clock.now()))
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=60)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401


@pytest.mark.parametrize("role", ["front_desk", "biller", "manager", "referrer", "admin"])
def test_roles_without_the_permission(web: Api, port: int, role: str) -> None:
    client = Client(port, str(web.as_role(role).headers["Authorization"]))
    assert send(client, "POST", "/workitems", asked()).status == 403
    assert client.get("/workitems").status == 403


def test_events_come_at_once_where_the_server_listens(web: Api, token: str) -> None:
    """As the product runs: news reaches the channel by the database's notification, not by looking again."""
    import threading
    import time

    import uvicorn

    from wetread.dicomweb import workitem_channel

    server = uvicorn.Server(uvicorn.Config(web.app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    client = Client(port, token)
    looked_again, workitem_channel._LOOK_S = workitem_channel._LOOK_S, 3600.0
    try:
        send(client, "POST", f"/workitems/{GLOBAL}/subscribers/VIEWER")
        with channel(port, "VIEWER", token) as socket:
            time.sleep(0.5)  # the channel waits by now
            create(client, "1.2.9")
            assert kinds(socket, 2) == [(1, "SCHEDULED"), (5, "")]
    finally:
        workitem_channel._LOOK_S = looked_again
        server.should_exit = True
        thread.join(10)
