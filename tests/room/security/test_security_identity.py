"""Signing in, locking out, one-time codes, sessions, invitations."""

from __future__ import annotations

import hashlib
import secrets
import threading
from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import select

from common import NOW, Api
from wetread.kit import limits
from wetread.kit.clock import FixedClock
from wetread.kit.db import Database
from wetread.kit.errors import Denied, Invalid, TooMany, Unauthenticated
from wetread.security.model import AuditRecord, SignInFailures, SignInThrottle
from wetread.security.service import (
    Actor,
    AuditEventID,
    FileMasterKey,
    Identity,
    Offices,
    Permission,
    Role,
    Work,
    create_user,
    reauthenticate,
)

PASSWORD = "correct horse battery staple"


def make_user(offices: Offices, **fields: object) -> int:
    with offices.work(Actor.system("test")) as work:
        user = create_user(
            work,
            username="ada",
            display_name="Ada",
            roles=[Role.RADIOLOGIST],
            password=PASSWORD,
            **{"mfa_required": False, **fields},
        )
        return user.user_pk


def sign_in(identity: Identity, password: str = PASSWORD, totp: str | None = None) -> str:
    return identity.sign_in("Ada ", password, totp, address="127.0.0.1", user_agent="test").secret


def test_a_session_lives_until_idle_or_signed_out(identity: Identity, offices: Offices, clock) -> None:
    make_user(offices)
    secret = sign_in(identity)
    assert Permission.REPORT_SIGN in identity.actor_of_session(secret, None).permissions
    clock.advance(timedelta(minutes=14))
    actor = identity.actor_of_session(secret, None)
    clock.advance(timedelta(minutes=14))
    identity.actor_of_session(secret, None)
    clock.advance(timedelta(minutes=16))
    with pytest.raises(Unauthenticated):
        identity.actor_of_session(secret, None)
    again = sign_in(identity)
    identity.sign_out(identity.actor_of_session(again, None))
    with pytest.raises(Unauthenticated):
        identity.actor_of_session(again, None)
    assert actor.username == "ada"


def test_a_session_ends_after_twelve_hours_however_busy(identity: Identity, offices: Offices, clock) -> None:
    make_user(offices)
    secret = sign_in(identity)
    for _ in range(12 * 6):
        clock.advance(timedelta(minutes=9, seconds=59))
        identity.actor_of_session(secret, None)
    clock.advance(timedelta(minutes=2))
    with pytest.raises(Unauthenticated):
        identity.actor_of_session(secret, None)


def test_wrong_name_and_wrong_password_answer_alike(identity: Identity, offices: Offices) -> None:
    make_user(offices)
    with pytest.raises(Unauthenticated) as unknown:
        identity.sign_in("nobody", PASSWORD, None, address=None, user_agent=None)
    with pytest.raises(Unauthenticated) as wrong:
        sign_in(identity, "wrong horse battery staple")
    assert unknown.value.detail == wrong.value.detail


def test_ten_failures_lock_for_a_quarter_of_an_hour(identity: Identity, offices: Offices, clock) -> None:
    make_user(offices)
    refused = 0
    while refused < 10:
        try:
            sign_in(identity, "wrong horse battery staple")
        except Unauthenticated:
            refused += 1
        except TooMany as error:
            clock.advance(timedelta(seconds=error.retry_after_s))
    with pytest.raises(TooMany) as locked:
        sign_in(identity)
    assert 14 * 60 < locked.value.retry_after_s <= 15 * 60 + 1
    clock.advance(timedelta(minutes=16))
    assert sign_in(identity)


@pytest.mark.parametrize("name", ["ada", "closed", "invited", "nobody"])
def test_no_answer_tells_which_names_are_known(
    name: str, identity: Identity, offices: Offices, clock: FixedClock
) -> None:
    """Pauses, the lock and when both are over: the same for a name that nobody has, that was closed, or that is new."""
    make_user(offices)
    with offices.work(Actor.system("test")) as work:
        for username, fields in (("closed", {"password": PASSWORD}), ("invited", {})):
            user = create_user(work, username=username, display_name="x", roles=[Role.BILLER], **fields)
            user.disabled = username == "closed"

    def attempt() -> str:
        try:
            identity.sign_in(name, "wrong horse battery staple", None, address=None, user_agent=None)
        except TooMany as error:
            return f"{error.detail} {error.retry_after_s}"
        except Unauthenticated as error:
            return error.detail
        raise AssertionError("signed in with a wrong password")

    wrong, pause = (
        "The name, the password or the code is not right.",
        "Too many attempts. Wait, or ask an administrator.",
    )
    assert [attempt() for _ in range(6)] == [wrong] * 5 + [f"{pause} 2"]
    for seconds in (1, 2, 4, 8):
        clock.advance(timedelta(seconds=seconds))
        assert attempt() == wrong
    clock.advance(timedelta(seconds=16))
    assert [attempt(), attempt()] == [wrong, f"{pause} 901"]
    clock.advance(timedelta(minutes=15))
    assert [attempt() for _ in range(6)] == [wrong] * 5 + [f"{pause} 2"]
    # A day without an attempt, and nothing counts any more.
    clock.advance(timedelta(days=1, seconds=1))
    assert [attempt() for _ in range(6)] == [wrong] * 5 + [f"{pause} 2"]


def test_a_name_is_kept_as_a_hash_and_only_while_it_counts(
    identity: Identity, offices: Offices, clock: FixedClock
) -> None:
    make_user(offices)
    for name in ("my secret phrase", "Ada "):
        fail(identity, None, name)

    def kept() -> list[bytes]:
        with offices.work(Actor.system("test")) as work:
            return list(work.session.scalars(select(SignInFailures.name_hash)))

    assert sorted(kept()) == sorted(hashlib.sha256(one).digest() for one in (b"my secret phrase", b"ada"))
    assert sign_in(identity)
    assert kept() == [hashlib.sha256(b"my secret phrase").digest()]
    clock.advance(timedelta(days=1, seconds=1))
    fail(identity, None, "ada")
    assert kept() == [hashlib.sha256(b"ada").digest()]


def fail(identity: Identity, address: str | None, name: str | None = None) -> None:
    """Fails to sign in, with a name of its own unless one is given: names have pauses, too."""
    name = name or f"nobody.{secrets.token_hex(4)}"
    with pytest.raises(Unauthenticated):
        identity.sign_in(name, "wrong horse battery staple", None, address=address, user_agent=None)


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address may fail three times."""
    monkeypatch.setattr(limits, "LOGIN_ADDRESS_FAILURES_MAX", 3)


@pytest.mark.usefixtures("three")
def test_an_address_that_failed_too_often_waits_whichever_accounts_it_tries(
    identity: Identity, offices: Offices, clock
) -> None:
    make_user(offices)
    for name in ("one", "two", "ada"):
        fail(identity, "203.0.113.9", name)
    clock.advance(timedelta(seconds=10))
    for _ in range(2):  # what is refused counts no further
        with pytest.raises(TooMany) as refused:
            identity.sign_in("ada", PASSWORD, None, address="203.0.113.9", user_agent=None)
        assert refused.value.retry_after_s == 20
    assert identity.sign_in("ada", PASSWORD, None, address="203.0.113.10", user_agent=None).secret
    clock.advance(timedelta(seconds=20))
    fail(identity, "203.0.113.9")
    with pytest.raises(TooMany):
        fail(identity, "203.0.113.9")
    clock.advance(timedelta(seconds=30 * 3))
    for _ in range(3):
        fail(identity, "203.0.113.9")
    with offices.work(Actor.system("test")) as work:
        work.audit(AuditEventID.AUDIT_LOG_USED, "R")
        seen = work.session.scalars(
            select(AuditRecord).where(AuditRecord.object_type == "network address")
        ).all()
    assert [(one.object_id, one.event_outcome_indicator, one.event_id) for one in seen] == [
        ("203.0.113.9", 4, AuditEventID.USER_AUTHENTICATION.value)
    ] * 3


@pytest.mark.usefixtures("three")
def test_what_is_right_counts_nothing(identity: Identity, offices: Offices, clock) -> None:
    make_user(offices, mfa_required=True)
    actor = identity.actor_of_session(sign_in(identity), None)
    with offices.work(actor) as work:
        seed, _ = identity.begin_totp(work)
        identity.confirm_totp(work, seed, pyotp.TOTP(seed).at(clock.now()))
    for _ in range(5):  # the page asks without the code first
        clock.advance(timedelta(seconds=30))
        with pytest.raises(Unauthenticated) as missing:
            sign_in(identity)
        assert missing.value.fields
        assert sign_in(identity, totp=pyotp.TOTP(seed).at(clock.now()))
    for _ in range(3):
        fail(identity, "127.0.0.1")
    with pytest.raises(TooMany):
        sign_in(identity)


@pytest.mark.usefixtures("three")
def test_codes_cannot_be_guessed_with_a_known_password(identity: Identity, offices: Offices, clock) -> None:
    make_user(offices, mfa_required=True)
    actor = identity.actor_of_session(sign_in(identity), None)
    with offices.work(actor) as work:
        seed, _ = identity.begin_totp(work)
        code = pyotp.TOTP(seed).at(clock.now())
        identity.confirm_totp(work, seed, code)
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            sign_in(identity, totp=code)
    with pytest.raises(TooMany):
        sign_in(identity, totp=code)


@pytest.mark.usefixtures("three")
def test_one_host_is_one_address_however_it_is_written(identity: Identity) -> None:
    for address in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::2", "2001:0db8:0001:0002::3%eth0"):
        fail(identity, address)
    with pytest.raises(TooMany):
        fail(identity, "2001:db8:1:2:abcd::4")
    fail(identity, "2001:db8:1:3::1")
    for address in ("192.0.2.7", "::ffff:192.0.2.7", "192.0.2.7"):
        fail(identity, address)
    with pytest.raises(TooMany):
        fail(identity, "192.0.2.7")
    for _ in range(5):
        fail(identity, None)


@pytest.mark.usefixtures("three")
def test_many_at_once_do_not_slip_through_and_old_addresses_are_forgotten(
    clean_database: Database,
) -> None:
    """The database counts, for two processes as for one."""
    clock = FixedClock(NOW)
    houses = [Identity(Offices(clean_database, clock), FileMasterKey(b"k" * 32)) for _ in range(2)]
    answers: list[type[Exception]] = []

    def attempt(identity: Identity) -> None:
        try:
            identity.sign_in("nobody", "wrong", None, address="203.0.113.9", user_agent=None)
        except (Unauthenticated, TooMany) as error:
            answers.append(type(error))

    threads = [threading.Thread(target=attempt, args=(houses[number % 2],)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (answers.count(Unauthenticated), answers.count(TooMany)) == (3, 5)
    clock.advance(timedelta(hours=1))
    fail(houses[0], "203.0.113.10")
    with clean_database.transaction() as session:
        assert session.scalars(select(SignInThrottle.network_address)).all() == ["203.0.113.10"]


@pytest.mark.usefixtures("three")
def test_invitations_are_guessed_no_oftener_than_passwords(api: Api) -> None:
    for secret in ("one", "two", "three"):
        answer = api.post("/api/invitation", json={"secret": secret, "password": PASSWORD})
        assert answer.status_code == 404
    for path, body in (
        ("/api/invitation", {"secret": "four", "password": PASSWORD}),
        ("/api/session", {"username": "ada", "password": PASSWORD}),
    ):
        refused = api.post(path, json=body)
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= 30
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["type"] == "about:wetread/too-many"


def test_a_code_is_good_once_and_needed_for_signing_in(identity: Identity, offices: Offices, clock) -> None:
    make_user(offices, mfa_required=True)
    secret = sign_in(identity)
    actor = identity.actor_of_session(secret, None)
    assert actor.permissions == frozenset({Permission.SELF}), (
        "nothing is open before the authenticator is enrolled"
    )
    with offices.work(actor) as work:
        seed, uri = identity.begin_totp(work)
    assert "Wetread" in uri
    code = pyotp.TOTP(seed).at(clock.now())
    wrong = "000000" if code != "000000" else "111111"
    with pytest.raises(Invalid), offices.work(actor) as work:
        identity.confirm_totp(work, seed, wrong)
    with offices.work(actor) as work:
        identity.confirm_totp(work, seed, code)
    with pytest.raises(Unauthenticated) as needs_code:
        sign_in(identity)
    assert needs_code.value.fields[0].field == "totp"
    with pytest.raises(Unauthenticated, match="used already") as used:
        sign_in(identity, totp=code)
    assert used.value.fields[0].field == "totp"
    with pytest.raises(Unauthenticated, match="does not match") as other:
        sign_in(identity, totp="１２３４５６")  # full-width digits, as a Japanese keyboard types them
    with pytest.raises(Unauthenticated, match="does not match") as other:
        sign_in(identity, totp=wrong)
    assert other.value.fields[0].field == "totp"
    with pytest.raises(Unauthenticated) as guessed:
        sign_in(identity, "guessed wrongly", totp=wrong)
    assert not guessed.value.fields, "what is wrong stays unsaid until the password is right"
    clock.advance(timedelta(seconds=30))
    assert sign_in(identity, totp=pyotp.TOTP(seed).at(clock.now()))


def test_reauthentication_counts_its_failures(identity: Identity, offices: Offices) -> None:
    make_user(offices)
    actor = identity.actor_of_session(sign_in(identity), None)
    with offices.work(actor) as work:
        reauthenticate(work, PASSWORD, None)
    for _ in range(2):
        with pytest.raises(Denied), offices.work(actor) as work:
            reauthenticate(work, "wrong horse battery staple", None)
    with offices.database.transaction() as session:
        assert session.scalars(select(SignInFailures.failures)).all() == [2]


@pytest.mark.parametrize(
    "bad", ["short", "passwordpassword1", "ada" * 3 + "1" * 8, "aaaaaaaaaaaaaaaaaaaa", "x" * 257]
)
def test_weak_passwords_are_refused_by_name(offices: Offices, bad: str) -> None:
    with pytest.raises(Invalid) as refused, offices.work(Actor.system("test")) as work:
        create_user(work, username="ada", display_name="Ada", roles=[Role.ADMIN], password=bad)
    assert refused.value.fields[0].field == "password"


def test_an_invitation_works_once(identity: Identity, offices: Offices, work: Work) -> None:
    from wetread.kit.errors import NotFound

    user = create_user(work, username="bo", display_name="Bo", roles=[Role.ADMIN])
    secret = identity.invite(work, user.user_pk)
    assert identity.accept_invitation(secret, PASSWORD) == "bo"
    with pytest.raises(NotFound):
        identity.accept_invitation(secret, PASSWORD)


def test_keys_and_mouse_buttons_go_with_the_account(api: Api) -> None:
    ada, bob = api.as_role("radiologist"), api.as_role("referrer")
    usual = {"keys": {}, "mouse": {}}
    assert ada.get("/api/account/hands").json() == usual
    own = {"keys": {"Images l": "Shift+Q"}, "mouse": {"right": "window"}}
    assert ada.put("/api/account/hands", json=own).status_code == 204
    assert ada.get("/api/account/hands").json() == own
    assert bob.get("/api/account/hands").json() == usual
    for wrong in (
        {"mouse": {"left": "window"}},
        {"mouse": {"right": "shoot"}},
        {"keys": {"x" * 200: "l"}},
        {"keys": {str(number): "l" for number in range(limits.OWN_KEYS_MAX + 1)}},
        {"feet": {}},
    ):
        assert ada.put("/api/account/hands", json=wrong).status_code == 422
    assert ada.get("/api/account/hands").json() == own
