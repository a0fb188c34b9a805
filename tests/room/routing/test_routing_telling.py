"""Who is to know that a study has arrived is told once it has, signed, and without a patient."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from sqlalchemy import select, text

from wetread.app.forwarding import post_as, sender_as
from wetread.archive.model import RemoteAE, Study
from wetread.archive.service import Archive, RetrieveObject, save_remote_ae
from wetread.kit.config import Settings
from wetread.kit.errors import Invalid
from wetread.routing import service, telling
from wetread.routing.service import Disguise, Offer
from wetread.security.service import Actor, FileMasterKey

ADMIN = Actor.system("admin")
SECRET = "a secret of two houses"
Store = Callable[..., Any]


class Listener:
    """A system that is told; answers with `status`."""

    def __init__(self) -> None:
        self.status = 204
        self.heard: list[tuple[str, str, bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.heard.append((self.path, self.headers["Wetread-Signature"], body))
                self.send_response(outer.status)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?of=wetread"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.server.shutdown()
    made.server.server_close()


def takes_all(
    peer: RemoteAE, objects: Sequence[RetrieveObject], disguise: Disguise | None
) -> Iterable[Offer]:
    return [Offer(one.sop_instance_uid, None) for one in objects]


@pytest.fixture(autouse=True)
def means() -> Iterator[None]:
    service.use_sender(takes_all)
    service.use_key(FileMasterKey(b"k" * 32))
    telling.use_post(post_as(Settings()))
    yield
    service.use_sender(sender_as(Settings()))


@pytest.fixture
def vna(archive: Archive) -> int:
    with archive.offices.work(ADMIN) as work:
        made = save_remote_ae(
            work, ae_title="VNA", host="127.0.0.1", port=11112, description=None, rights=["verify"]
        )
        return made.remote_ae_pk


def rule(archive: Archive, vna: int, **more: Any) -> int:
    values = {"name": "to the VNA", "is_enabled": True, "conditions": [], "wait_s": 0, **more}
    with archive.offices.work(ADMIN) as work:
        return service.save_rule(work, remote_ae_pk=vna, **values).rule.routing_rule_pk


def sent(archive: Archive, uid: str) -> int:
    with archive.offices.work(ADMIN) as work:
        study_pk = work.session.scalars(select(Study.study_pk).where(Study.study_instance_uid == uid)).one()
        service.studies_updated(work, [{"keys": {"study_pk": study_pk}}])
    with archive.offices.work(ADMIN) as work:
        (one,) = service.forwardings(work)
        key = one.forwarding.forwarding_pk
    service.forward(archive.offices, key)
    return key


def jobs(archive: Archive) -> int:
    with archive.offices.database.transaction() as session:
        return int(
            session.execute(
                text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'routing.tell'")
            ).scalar_one()
        )


def test_an_arrival_is_told_signed_and_without_a_patient(
    archive: Archive, make_dicom: Any, store: Store, vna: int, listener: Listener
) -> None:
    rule(archive, vna, tell_url=listener.url, tell_secret=SECRET)
    store(make_dicom(StudyInstanceUID="1.2.3"), make_dicom(StudyInstanceUID="1.2.3"))
    key = sent(archive, "1.2.3")
    assert jobs(archive) == 1
    with archive.offices.work(ADMIN) as work:
        service.tell(work, key)
    ((path, signed, body),) = listener.heard
    assert path == "/hook?of=wetread"
    at, mac = (part.split("=")[1] for part in signed.split(","))
    assert hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest() == mac
    assert json.loads(body) == {
        "event": "study.sent", "rule": "to the VNA", "destination": "VNA", "study_instance_uid": "1.2.3", "instances": 2,
        "forwarding": key,
    }  # fmt: skip
    assert b"Doe" not in body


def test_where_names_were_taken_off_not_even_the_uid_is_told(
    archive: Archive, make_dicom: Any, store: Store, vna: int, listener: Listener
) -> None:
    rule(archive, vna, tell_url=listener.url, tell_secret=SECRET, deidentify={})
    store(make_dicom(StudyInstanceUID="1.2.3"))
    key = sent(archive, "1.2.3")
    with archive.offices.work(ADMIN) as work:
        service.tell(work, key)
    assert json.loads(listener.heard[0][2])["study_instance_uid"] is None


def test_who_does_not_take_it_is_told_again(
    archive: Archive, make_dicom: Any, store: Store, vna: int, listener: Listener
) -> None:
    rule(archive, vna, tell_url=listener.url, tell_secret=SECRET)
    store(make_dicom(StudyInstanceUID="1.2.3"))
    key = sent(archive, "1.2.3")
    listener.status = 500
    with pytest.raises(telling.NotTold, match="answers 500"), archive.offices.work(ADMIN) as work:
        service.tell(work, key)
    listener.server.server_close()


@pytest.mark.parametrize(
    ("url", "secret", "field"),
    [
        ("http://elsewhere.example/x", SECRET, "tell_url"),
        ("https://user@elsewhere.example/x", SECRET, "tell_url"),
        ("ftp://elsewhere.example/x", SECRET, "tell_url"),
        ("https://elsewhere.example/x", None, "tell_secret"),
        ("https://elsewhere.example/x", "short", "tell_secret"),
    ],
)
def test_what_cannot_be_told_safely_is_refused(
    archive: Archive, vna: int, url: str, secret: str | None, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        rule(archive, vna, tell_url=url, tell_secret=secret)
    assert [one.field for one in refused.value.fields] == [field]


def test_a_secret_is_never_shown_and_goes_to_no_other_place(web: Any, archive: Archive, vna: int) -> None:
    administrator = web.as_role("admin")
    body = {
        "name": "x",
        "remote_ae_pk": vna,
        "conditions": [],
        "tell_url": "https://a.example/x",
        "tell_secret": SECRET,
    }
    made = administrator.post("/api/routing/rules", json=body)
    assert made.status_code == 201
    assert SECRET not in made.text
    path = f"/api/routing/rules/{made.json()['routing_rule_pk']}"
    kept = administrator.put(path, json={**body, "tell_secret": None, "wait_s": 5})
    assert kept.status_code == 200
    moved = administrator.put(path, json={**body, "tell_secret": None, "tell_url": "https://b.example/x"})
    assert moved.json()["errors"][0]["field"] == "tell_secret"
