"""Signing in, locking out, one-time codes, sessions, invitations."""

from __future__ import annotations

from datetime import timedelta

import pyotp
import pytest

from wetread.kit.errors import Denied, Invalid, TooMany, Unauthenticated
from wetread.security.service import (
    Actor,
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
            **{"mfa_required": False, **fields},  # type: ignore[arg-type]
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
    with pytest.raises(Unauthenticated):
        sign_in(identity, totp=code)
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
    from wetread.security.model import User

    with offices.database.transaction() as session:
        assert session.get(User, actor.user_pk).failed_logins == 2


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
