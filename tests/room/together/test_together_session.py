"""A live session by HTTP and socket: who gets in, what each may do, and how they are put out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from pycrdt import Doc, Map
from pydicom import Dataset
from sqlalchemy import select, text
from starlette.testclient import WebSocketDenialResponse, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from archive_fixtures import MakeDicom, Store, study_of
from common import Api
from viewer_others import beside, code, content, item
from wetread.archive.model import Study
from wetread.archive.service import Archive
from wetread.kit import limits
from wetread.patients.service import PatientInput, register_patient
from wetread.security.service import Actor, hash_secret, use_guests
from wetread.sharing.service import OwnPatients
from wetread.together import room, rules
from wetread.together.service import SeenTogether, actor_of_pass, use_policy

HEAD = {"X-Wetread": "1"}


@dataclass
class Peer:
    """A browser in the session."""

    socket: WebSocketTestSession
    client_id: int = 0
    me: int = 0
    doc: Any = None
    parts: dict[str, Any] = field(default_factory=dict)
    heard: list[dict[str, Any]] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)

    def read(self) -> None:
        """Takes in one frame."""
        message = self.socket.receive()
        if message["type"] == "websocket.close":
            raise WebSocketDisconnect(message["code"])
        if message.get("text") is not None:
            said = orjson.loads(message["text"])
            self.heard.append(said)
            if said["type"] == "welcome":
                self.client_id, self.me = said["client_id"], said["me"]
                self.doc = Doc(client_id=self.client_id)
                self.parts = {name: self.doc.get(name, type=Map) for name in rules.PARTS}
        elif message["bytes"][0] == 0:
            body = message["bytes"][2:]
            while body[0] & 0x80:
                body = body[1:]
            self.doc.apply_update(body[1:])
        else:
            self.frames.append(message["bytes"])

    def until(self, kind: str) -> dict[str, Any]:
        """Reads until a text of that kind has come; the newest."""
        count = sum(one["type"] == kind for one in self.heard)
        while sum(one["type"] == kind for one in self.heard) == count:
            self.read()
        return next(one for one in reversed(self.heard) if one["type"] == kind)

    def put(self, part: str, key: str, value: Any) -> None:
        before = self.doc.get_state()
        self.parts[part][key] = value
        update = self.doc.get_update(before)
        self.socket.send_bytes(bytes((0, 2)) + rules.encoded_number(len(update)) + update)

    def tell(self, kind: str, **fields: Any) -> None:
        self.socket.send_text(orjson.dumps({"type": kind, **fields}).decode())

    def sees(self, part: str, key: str) -> Any:
        """A value once it has come."""
        while key not in self.parts[part]:
            self.read()
        return self.parts[part][key]

    def is_closed(self) -> int:
        """The code with which the server closes."""
        with pytest.raises(WebSocketDisconnect) as closed:
            while True:
                self.read()
        return closed.value.code


@dataclass
class House:
    """The application on one event loop, as in the product, and the people in it."""

    web: Api
    archive: Archive
    study_pk: int
    prior_pk: int
    uids: list[str]
    series: list[str]
    instances: list[str]
    first: list[Dataset]

    def ask(self, method: str, path: str, who: Api | str, body: Any = None) -> Any:
        headers = dict(HEAD)
        if isinstance(who, str):
            headers["Cookie"] = f"wetread_guest={who}"
        else:
            headers["Authorization"] = str(who.headers["Authorization"])
        return self.web.request(method, path, headers=headers, json=body)

    def start(self, lead: Api) -> dict[str, Any]:
        body = {"study_pk": self.study_pk, "prior_study_pks": [self.prior_pk]}
        answer = self.ask("POST", "/api/together/sessions", lead, body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def link(self, lead: Api, session: int, **how: Any) -> tuple[int, str]:
        """(participant, secret) of a link for a guest."""
        answer = self.ask("POST", f"/api/together/sessions/{session}/links", lead, how)
        assert answer.status_code == 201, answer.text
        return answer.json()["participant"]["participant_pk"], answer.json()["secret"]

    def opened(self, secret: str, name: str = "Dr. Ann Far") -> str:
        """The pass of a guest who used a link and joined."""
        self.web.cookies.clear()
        answer = self.web.post("/api/together/guest", json={"secret": secret, "name": name}, headers=HEAD)
        assert answer.status_code == 200, answer.text
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        found = str(self.web.cookies["wetread_guest"])
        self.web.cookies.clear()
        joined = self.ask("POST", f"/api/together/sessions/{answer.json()['live_session_pk']}/join", found)
        assert joined.status_code == 200, joined.text
        return found

    @contextmanager
    def socket(self, session: int, who: Api | str) -> Iterator[Peer]:
        headers = {"Origin": "http://testserver", "Host": "testserver"}
        if isinstance(who, str):
            headers["Cookie"] = f"wetread_guest={who}"
        else:
            headers["Authorization"] = str(who.headers["Authorization"])
        with self.web.websocket_connect(f"/api/together/sessions/{session}/socket", headers=headers) as found:
            peer = Peer(found)
            peer.until("welcome")
            while rules.SESSION not in peer.parts or "lead" not in peer.parts[rules.SESSION]:
                peer.read()
            yield peer

    def frame_path(self, at: int = 0) -> str:
        return f"/dicom-web/studies/{self.uids[at]}/series/{self.series[at]}/instances/{self.instances[at]}/frames/1"


@pytest.fixture
def house(web: Api, archive: Archive, store: Store, make_dicom: MakeDicom) -> Iterator[House]:
    use_guests(actor_of_pass)
    archive.retrieval.visibility = SeenTogether(OwnPatients())
    now, prior, other = (study_of(make_dicom, 2), study_of(make_dicom, 1), study_of(make_dicom, 1))
    store(*now, *prior, *other)
    with archive.offices.work(Actor.system("test")) as work:
        patient_pk = register_patient(work, PatientInput("Doe^Jane", patient_sex="F")).patient_pk
    with archive.offices.database.transaction() as session:
        pks = []
        for one in (now, prior):
            study = session.scalars(
                select(Study).where(Study.study_instance_uid == one[0].StudyInstanceUID)
            ).one()
            study.patient_pk = patient_pk
            pks.append(study.study_pk)
    firsts = (now[0], prior[0], other[0])
    with web:
        yield House(
            web, archive, *pks,
            [str(one.StudyInstanceUID) for one in firsts],
            [str(one.SeriesInstanceUID) for one in firsts],
            [str(one.SOPInstanceUID) for one in firsts], list(firsts),
        )  # fmt: skip


def audited(house: House) -> list[dict[str, Any]]:
    with house.archive.offices.database.transaction() as session:
        found = session.execute(
            text("SELECT * FROM audit_record WHERE object_type = 'live session' ORDER BY 1")
        )
        return [dict(row) for row in found.mappings()]


def test_a_guest_sees_what_the_session_shows_and_nothing_else(house: House) -> None:
    lead = house.web.as_role("radiologist")
    session = house.start(lead)
    assert [one["study_pk"] for one in session["studies"]] == [house.study_pk, house.prior_pk]
    _, secret = house.link(lead, session["live_session_pk"])
    guest = house.opened(secret)
    for at, expected in ((0, 200), (1, 200), (2, 404)):
        base = f"/dicom-web/studies/{house.uids[at]}"
        assert house.ask("GET", house.frame_path(at), guest).status_code == expected
        assert house.ask("GET", f"{base}/series", guest).status_code == 200
        assert bool(house.ask("GET", f"{base}/series", guest).json()) is (expected == 200)
        metadata = f"{base}/series/{house.series[at]}/metadata"
        assert house.ask("GET", metadata, guest).status_code == expected
    # Nothing to take away, no list, no other room.
    for path in (
        f"/dicom-web/studies/{house.uids[0]}",
        f"/dicom-web/studies/{house.uids[0]}/rendered",
        "/dicom-web/studies",
        f"/api/archive/studies/{house.study_pk}",
        "/api/session",
        "/api/reading-list",
        "/api/events",
    ):
        assert house.ask("GET", path, guest).status_code == 403, path
    more = f"/api/together/sessions/{session['live_session_pk']}"
    assert house.ask("POST", f"{more}/links", guest, {}).status_code == 403
    assert house.ask("POST", f"{more}/end", guest).status_code == 403
    assert house.ask("POST", "/api/together/directory/find", guest, {}).status_code == 403


def papers_of(house: House, store: Store, at: int) -> dict[str, str]:
    """Each kind of paper beside a study's pictures, by what a viewer asks for."""
    first = house.first[at]
    path = f"/dicom-web/studies/{house.uids[at]}/series"

    def kept(**attributes: Any) -> str:
        one = item(**attributes)
        beside(store, first, one)
        return f"{path}/{one.SeriesInstanceUID}/instances/{one.SOPInstanceUID}"

    pdf = b"%PDF-1.4 Doe^Jane" + bytes(100_001)
    subject = content("CONTAINS", "PNAME", ("121029", "DCM", "Subject Name"), PersonName="Doe^Jane")
    words = content("CONTAINS", "TEXT", ("121071", "DCM", "Finding"), TextValue="Nothing of note")
    samples = item(
        MultiplexGroupTimeOffset=0, WaveformOriginality="ORIGINAL", NumberOfWaveformChannels=1,
        NumberOfWaveformSamples=40_000, SamplingFrequency=500, WaveformBitsAllocated=16,
        WaveformSampleInterpretation="SS", WaveformData=bytes(80_000),
    )  # fmt: skip
    curve = kept(SOPClassUID="1.2.840.10008.5.1.4.1.1.9.1.2", Modality="ECG", WaveformSequence=[samples])
    model = kept(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.104.3", Modality="M3D", MIMETypeOfEncapsulatedDocument="model/stl",
        EncapsulatedDocument=bytes(84),
    )  # fmt: skip
    report = kept(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", Modality="SR", ValueType="CONTAINER",
        ConceptNameCodeSequence=code("18748-4", "LN", "Outside report"), ContentSequence=[subject, words],
    )  # fmt: skip
    document = kept(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1", Modality="DOC",
        MIMETypeOfEncapsulatedDocument="application/pdf", EncapsulatedDocument=pdf,
    )  # fmt: skip
    series = {one: one.rsplit("/instances/", 1)[0] + "/metadata" for one in (curve, document)}
    lead = house.web.as_role("radiologist")
    told = house.ask("GET", series[curve], lead).json()[0]["54000100"]["Value"][0]["54001010"]
    written = house.ask("GET", series[document], lead).json()[0]["00420011"]
    return {
        "document": f"{document}/rendered",
        "document's bytes": f"{document}/bulkdata/{written['BulkDataURI'].rsplit('/', 1)[1]}",
        "report": f"{report}/rendered",
        "model": f"{model}/rendered",
        "samples": f"{curve}/bulkdata/{told['BulkDataURI'].rsplit('/', 1)[1]}",
        "any bytes": f"{curve}/bulkdata/0-400",
    }


def test_a_guest_opens_what_is_no_picture_of_the_session_alone(house: House, store: Store) -> None:
    lead = house.web.as_role("radiologist")
    session = house.start(lead)["live_session_pk"]
    shared, foreign = papers_of(house, store, 0), papers_of(house, store, 2)
    participant, secret = house.link(lead, session)
    guest = house.opened(secret)
    for name, path in shared.items():
        answer = house.ask("GET", path, guest)
        assert answer.status_code == 200, (name, answer.text)
        assert answer.content == house.ask("GET", path, lead).content, name
        assert house.ask("GET", foreign[name], guest).status_code == 404, name
    # Once for each object, however often it was asked for, and of whom.
    house.ask("GET", shared["document"], guest)
    with house.archive.offices.database.transaction() as db:
        found = db.execute(
            text(
                "SELECT object_id, user_id FROM audit_record WHERE object_type = 'instance' AND event_action_code = 'R'"
            )
        ).all()
    opened = {path.split("/instances/")[1].split("/")[0] for path in shared.values()}
    assert sorted(found) == sorted((uid, f"guest:{participant}") for uid in opened)

    _, other = house.link(lead, session)
    late = house.opened(other)
    assert house.ask("GET", shared["report"], late).status_code == 200
    path = f"/api/together/sessions/{session}/participants/{participant}/revoke"
    assert house.ask("POST", path, lead).status_code == 204
    with house.archive.offices.database.transaction() as db:
        db.execute(
            text(
                "UPDATE live_session_participant SET expires_at = now() - interval '1 second' WHERE pass_hash = :hash"
            ),
            {"hash": hash_secret(late)},
        )
    for who in (guest, late):
        for name, path in shared.items():
            assert house.ask("GET", path, who).status_code == 401, name


def test_papers_do_not_tell_guests_the_name_where_the_site_does_not(house: House, store: Store) -> None:
    lead = house.web.as_role("radiologist")
    session = house.start(lead)["live_session_pk"]
    guest = house.opened(house.link(lead, session)[1])
    shared = papers_of(house, store, 0)
    use_policy(names_patient=False)
    try:
        expected = {"document": 403, "document's bytes": 403, "any bytes": 404}
        for name, path in shared.items():
            answer = house.ask("GET", path, guest)
            assert answer.status_code == expected.get(name, 200), name
            assert "Doe" not in answer.text, name
        report = house.ask("GET", shared["report"], guest).text
        assert "Nothing of note" in report
        assert "Doe" in house.ask("GET", shared["report"], lead).text
        series = shared["report"].rsplit("/instances/", 1)[0]
        assert "Doe" not in house.ask("GET", f"{series}/metadata", guest).text
        assert "Nothing of note" in house.ask("GET", f"{series}/metadata", guest).text
        drawn = f"{house.frame_path()}/rendered?annotation="
        assert house.ask("GET", f"{drawn}technique", guest).status_code == 200
        assert house.ask("GET", f"{drawn}technique,patient", guest).status_code == 403
    finally:
        use_policy(names_patient=True)


def test_a_link_is_good_once_and_only_its_hash_is_kept(house: House) -> None:
    lead = house.web.as_role("radiologist")
    session = house.start(lead)["live_session_pk"]
    _, secret = house.link(lead, session)
    look = house.web.post("/api/together/guest/link", json={"secret": secret})
    assert look.json()["invited_by_name"] == "radiologist"
    house.opened(secret)
    again = house.web.post("/api/together/guest", json={"secret": secret, "name": "Dr. Other"}, headers=HEAD)
    assert again.status_code == 404
    assert house.web.post("/api/together/guest/link", json={"secret": "nonsense"}).status_code == 404
    _, other = house.link(lead, session)
    nameless = house.web.post("/api/together/guest", json={"secret": other, "name": " "}, headers=HEAD)
    assert nameless.status_code == 422
    assert (
        house.web.post("/api/together/guest", json={"secret": other, "name": "Dr. Foreign"}).status_code
        == 403
    )
    with house.archive.offices.database.transaction() as db:
        kept = db.execute(text("SELECT * FROM live_session_participant")).all()
        trail = db.execute(text("SELECT detail::text FROM audit_record")).all()
    assert secret not in str(kept)
    assert secret not in str(trail)


def test_a_guest_who_is_revoked_is_out_at_once(house: House) -> None:
    lead = house.web.as_role("radiologist")
    session = house.start(lead)["live_session_pk"]
    participant, secret = house.link(lead, session)
    guest = house.opened(secret)
    assert house.ask("GET", house.frame_path(), guest).status_code == 200
    with house.socket(session, guest) as peer:
        path = f"/api/together/sessions/{session}/participants/{participant}/revoke"
        assert house.ask("POST", path, lead).status_code == 204
        assert house.ask("GET", house.frame_path(), guest).status_code == 401
        assert peer.is_closed() == 4403
    with pytest.raises(WebSocketDenialResponse), house.socket(session, guest):
        pass
    assert house.ask("POST", f"/api/together/sessions/{session}/join", guest).status_code == 401
    events = [one["detail"]["event"] for one in audited(house)]
    assert (
        events.index("revoked")
        > events.index("connected")
        > events.index("joined")
        > events.index("link opened")
    )


def test_what_is_not_allowed_is_refused_told_and_never_applied(house: House) -> None:
    lead = house.web.as_role("radiologist")
    session = house.start(lead)["live_session_pk"]
    participant, secret = house.link(lead, session)
    guest = house.opened(secret)
    with house.socket(session, lead) as driver, house.socket(session, guest) as peer:
        driver.put("view", "pane:a", {"index": 3})
        assert peer.sees("view", "pane:a") == {"index": 3}
        before = peer.client_id
        peer.put("view", "planes", {"pane": "a", "view": None})
        assert "look" in peer.until("refused")["reason"]
        # Begun anew, since this browser's document holds what nobody else has.
        peer.until("welcome")
        assert peer.client_id != before
        assert peer.sees("view", "pane:a") == {"index": 3}
        peer.put("marks", "m1", {"by": peer.me})
        assert "look" in peer.until("refused")["reason"]
        peer.until("welcome")
        allow = f"/api/together/sessions/{session}/participants/{participant}/allow"
        assert house.ask("POST", allow, lead, {"may_change": True}).status_code == 204
        peer.sees("session", "lead")
        peer.until("people")
        peer.put("marks", "m2", {"by": peer.me})
        assert driver.sees("marks", "m2") == {"by": peer.me}
        assert "m1" not in driver.parts["marks"]
        # Another's pointer, and another's name under one's own.
        for client_id, of in ((driver.client_id, peer.me), (peer.client_id, driver.me)):
            update = rules.awareness_update(client_id, 5, orjson.dumps({"participant": of}).decode())
            peer.socket.send_bytes(b"\x01" + rules.encoded_number(len(update)) + update)
            assert "own pointer" in peer.until("refused")["reason"]


def test_the_lead_is_handed_over_and_then_the_other_drives(house: House) -> None:
    lead, other = house.web.as_role("radiologist"), house.web.as_role("radiologist")
    session = house.start(lead)["live_session_pk"]
    invite = house.ask(
        "POST", f"/api/together/sessions/{session}/invitations", lead, {"user_pk": other.user_pk}
    )
    assert invite.status_code == 201
    assert house.ask("GET", "/api/together/sessions", other).json()[0]["live_session_pk"] == session
    assert house.ask("POST", f"/api/together/sessions/{session}/join", other).status_code == 200
    with house.socket(session, lead) as driver, house.socket(session, other) as follower:
        follower.tell("lead", to=follower.me)
        assert "Only who leads" in follower.until("refused")["reason"]
        follower.tell("ask")
        assert driver.until("asked")["participant_pk"] == follower.me
        driver.tell("lead", to=follower.me)
        while follower.parts["session"]["lead"] != follower.me:
            follower.read()
        follower.put("view", "pane:a", {"index": 5})
        assert driver.sees("view", "pane:a") == {"index": 5}
        driver.put("view", "pane:b", {"index": 1})
        assert "Only who leads" in driver.until("refused")["reason"]
        # Who began the session may always take the lead back.
        driver.until("welcome")
        driver.tell("lead", to=driver.me)
        while driver.parts["session"].get("lead") != driver.me:
            driver.read()


def test_who_leads_and_leaves_leads_no_more(house: House) -> None:
    lead, other = house.web.as_role("radiologist"), house.web.as_role("radiologist")
    session = house.start(lead)["live_session_pk"]
    base = f"/api/together/sessions/{session}"
    assert house.ask("POST", f"{base}/invitations", lead, {"user_pk": other.user_pk}).status_code == 201
    assert house.ask("POST", f"{base}/join", other).status_code == 200
    with house.socket(session, other) as follower:
        assert house.ask("POST", f"{base}/leave", lead).status_code == 204
        while follower.parts["session"]["lead"] is not None:
            follower.read()
        follower.tell("lead", to=follower.me)
        while follower.parts["session"]["lead"] != follower.me:
            follower.read()
        # Who began it comes back as one of those who follow, and may take the lead.
        again = house.ask("POST", f"{base}/join", lead).json()
        assert again["lead_participant_pk"] == follower.me
        assert house.ask("POST", f"{base}/leave", other).status_code == 204
        while follower.parts["session"]["lead"] != again["me"]:
            follower.read()


def test_what_was_said_and_shown_is_there_after_everybody_left(house: House) -> None:
    lead = house.web.as_role("radiologist")
    session = house.start(lead)["live_session_pk"]
    with house.socket(session, lead) as driver:
        driver.put("view", "pane:a", {"index": 3})
        driver.tell("say", text="  Look at the left basal ganglia. ")
        assert driver.until("said")["message"]["text"] == "Look at the left basal ganglia."
    while session in room._rooms:
        time.sleep(0.01)
    with house.socket(session, lead) as driver:
        welcome = next(one for one in driver.heard if one["type"] == "welcome")
        assert welcome["messages"][0]["text"] == "Look at the left basal ganglia."
        assert driver.sees("view", "pane:a") == {"index": 3}
    with house.archive.offices.database.transaction() as db:
        trail = str(db.execute(text("SELECT detail::text FROM audit_record")).all())
    assert "basal" not in trail
    assert "message" in [one["detail"]["event"] for one in audited(house)]


def test_who_enters_while_something_is_said_is_told_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    lead = house.web.as_role("radiologist")
    session = house.start(lead)["live_session_pk"]
    with house.socket(session, lead) as driver:
        driver.tell("say", text="first")
        driver.until("said")
        driver.tell("say", text="second")
        second = driver.until("said")["message"]
        # What was read was of the moment before the second was said.
        read = room.Room._messages

        def stale(here: room.Room, actor: Actor) -> list[Any]:
            return [one for one in read(here, actor) if one.message_pk != second["message_pk"]]

        monkeypatch.setattr(room.Room, "_messages", stale)
        with house.socket(session, lead) as late:
            welcome = next(one for one in late.heard if one["type"] == "welcome")
            assert [one["text"] for one in welcome["messages"]] == ["first", "second"]


def test_a_session_shows_one_patient_and_what_its_starter_may_see(house: House) -> None:
    lead = house.web.as_role("radiologist")
    with house.archive.offices.database.transaction() as db:
        other = db.scalar(select(Study.study_pk).where(Study.study_instance_uid == house.uids[2]))
    body = {"study_pk": house.study_pk, "prior_study_pks": [other]}
    assert house.ask("POST", "/api/together/sessions", lead, body).status_code == 422
    body = {"study_pk": 999_999}
    assert house.ask("POST", "/api/together/sessions", lead, body).status_code == 404
    referrer = house.web.as_role("referrer")
    assert house.ask("POST", "/api/together/sessions", referrer, {"study_pk": other}).status_code == 403
    stranger = house.web.as_role("radiologist")
    session = house.start(lead)["live_session_pk"]
    assert house.ask("POST", f"/api/together/sessions/{session}/join", stranger).status_code == 404


def test_a_referrer_sees_the_images_while_in_the_session(house: House) -> None:
    lead, referrer = house.web.as_role("radiologist"), house.web.as_role("referrer")
    session = house.start(lead)["live_session_pk"]
    assert house.ask("GET", house.frame_path(), referrer).status_code == 404
    invite = house.ask(
        "POST", f"/api/together/sessions/{session}/invitations", lead, {"user_pk": referrer.user_pk}
    ).json()
    assert house.ask("POST", f"/api/together/sessions/{session}/join", referrer).status_code == 200
    assert house.ask("GET", house.frame_path(), referrer).status_code == 200
    with house.socket(session, referrer) as peer:
        participant = invite["participant"]["participant_pk"]
        path = f"/api/together/sessions/{session}/participants/{participant}/revoke"
        assert house.ask("POST", path, lead).status_code == 204
        assert house.ask("GET", house.frame_path(), referrer).status_code == 404
        assert peer.is_closed() == 4403


def test_ending_it_puts_all_out(house: House) -> None:
    lead = house.web.as_role("radiologist")
    session = house.start(lead)["live_session_pk"]
    _, secret = house.link(lead, session)
    guest = house.opened(secret)
    with house.socket(session, guest) as peer:
        assert house.ask("POST", f"/api/together/sessions/{session}/end", lead).status_code == 204
        assert peer.is_closed() == 4410
    assert house.ask("GET", house.frame_path(), guest).status_code == 401
    assert house.ask("GET", "/api/together/sessions", lead).json() == []


def test_too_much_at_once_ends_the_line(house: House) -> None:
    lead = house.web.as_role("radiologist")
    session = house.start(lead)["live_session_pk"]
    with house.socket(session, lead) as driver:
        driver.socket.send_bytes(b"\x00\x02" + bytes(70_000))
        assert driver.is_closed() == 4429


def test_words_are_counted_and_a_flood_ends_its_own_line_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = house.web.as_role("radiologist")
    session = house.start(lead)["live_session_pk"]
    guest = house.opened(house.link(lead, session)[1])
    now = 0.0
    monkeypatch.setattr(room, "time", SimpleNamespace(monotonic=lambda: now))
    with house.socket(session, guest) as peer:
        with house.socket(session, lead) as driver:
            for number in range(8):
                driver.tell("say", text=str(number))
                assert driver.until("said")["message"]["text"] == str(number)
            driver.tell("say", text="one too many")
            refused = driver.until("refused")
            assert (refused["reason"], refused["of"]) == ("Too many messages at once.", "say")
            now += 2
            driver.tell("say", text="later")
            assert driver.until("said")["message"]["text"] == "later"
            driver.put("view", "pane:a", {"index": 3})
            # As many frames as may come at once, all of one instant, and one more.
            for clock in range(limits.TOGETHER_FRAMES_AT_ONCE + 1):
                update = rules.awareness_update(
                    driver.client_id, clock + 1, orjson.dumps({"participant": driver.me}).decode()
                )
                driver.socket.send_bytes(b"\x01" + rules.encoded_number(len(update)) + update)
            assert driver.is_closed() == 4429
        # Who flooded may come back; nobody else has lost anything.
        assert peer.sees("view", "pane:a") == {"index": 3}
        now += 60
        with house.socket(session, lead) as driver:
            assert driver.sees("view", "pane:a") == {"index": 3}
            driver.put("view", "pane:b", {"index": 1})
            assert peer.sees("view", "pane:b") == {"index": 1}


def test_a_page_of_another_site_gets_no_socket(house: House) -> None:
    lead = house.web.as_role("radiologist")
    session = house.start(lead)["live_session_pk"]
    _, secret = house.link(lead, session)
    guest = house.opened(secret)
    headers = {"Origin": "http://elsewhere.example", "Cookie": f"wetread_guest={guest}"}
    with (
        pytest.raises(WebSocketDenialResponse) as denied,
        house.web.websocket_connect(f"/api/together/sessions/{session}/socket", headers=headers),
    ):
        pass
    assert denied.value.status_code == 403


def test_the_site_decides_whether_guests_are_told_the_name(house: House) -> None:
    lead = house.web.as_role("radiologist")
    session = house.start(lead)["live_session_pk"]
    guest = house.opened(house.link(lead, session)[1])
    path = f"/api/together/sessions/{session}/join"
    assert house.ask("POST", path, guest).json()["patient"]["patient_name"] == "Doe^Jane"
    use_policy(names_patient=False)
    try:
        assert house.ask("POST", path, guest).json()["patient"] is None
        study = f"/dicom-web/studies/{house.uids[0]}/series"
        for ask in (study, f"{study}/{house.series[0]}/metadata"):
            answer = house.ask("GET", ask, guest)
            assert answer.status_code == 200
            assert "00100010" not in answer.json()[0]
            assert "Doe" not in answer.text
            assert "Doe" in house.ask("GET", ask, lead).text
        assert house.ask("GET", f"{study}?PatientName=Doe*", guest).status_code == 403
        assert house.ask("POST", path, lead).json()["patient"]["patient_name"] == "Doe^Jane"
    finally:
        use_policy(names_patient=True)
