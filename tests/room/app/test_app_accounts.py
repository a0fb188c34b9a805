"""First accounts, and the authenticator that a house may ask of everybody."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest

from wetread.app.accounts import ensure_demo_accounts, first_administrator_link
from wetread.app.build import House
from wetread.kit.clock import FixedClock
from wetread.kit.config import Settings
from wetread.kit.errors import Unauthenticated
from wetread.security.service import FileMasterKey, Identity, Offices, Permission, Role

KEY = FileMasterKey(b"k" * 32)


def house(offices: Offices, data: Path, *, mfa_required: bool) -> House:
    identity = Identity(offices, KEY, mfa_required=mfa_required)
    return House(Settings(data=data), offices.database, offices, KEY, identity)


def test_the_demo_has_one_account_a_role_in_a_file_of_its_owner(offices: Offices, tmp_path: Path) -> None:
    demo = house(offices, tmp_path, mfa_required=False)
    path = ensure_demo_accounts(demo)
    assert path.stat().st_mode & 0o777 == 0o600
    accounts = json.loads(path.read_text())
    assert sorted(one["role"] for one in accounts) == sorted(Role)
    assert len({one["password"] for one in accounts}) == len(accounts)
    for one in accounts:
        signed_in = demo.identity.sign_in(
            one["username"], one["password"], None, address="127.0.0.1", user_agent=None
        )
        assert not signed_in.must_enrol
        assert demo.identity.actor_of_token(one["token"], None).roles == {Role(one["role"])}
    assert ensure_demo_accounts(demo) == path and json.loads(path.read_text()) == accounts


def test_the_demos_accounts_see_nothing_without_an_authenticator_once_the_house_asks_for_it(
    offices: Offices, tmp_path: Path, clock: FixedClock
) -> None:
    account = json.loads(ensure_demo_accounts(house(offices, tmp_path, mfa_required=False)).read_text())[0]
    identity = house(offices, tmp_path, mfa_required=True).identity

    def sign_in(code: str | None) -> tuple[bool, frozenset[Permission], str]:
        done = identity.sign_in(account["username"], account["password"], code, address=None, user_agent=None)
        return done.must_enrol, identity.actor_of_session(done.secret, None).permissions, done.secret

    must_enrol, permissions, secret = sign_in(None)
    assert (must_enrol, permissions) == (True, {Permission.SELF})
    with offices.work(identity.actor_of_session(secret, None)) as work:
        seed, _ = identity.begin_totp(work)
        identity.confirm_totp(work, seed, pyotp.TOTP(seed).at(clock.now()))
    with pytest.raises(Unauthenticated):
        sign_in(None)
    clock.advance(timedelta(minutes=5))
    must_enrol, permissions, _ = sign_in(pyotp.TOTP(seed).at(clock.now()))
    assert not must_enrol and Permission.REPORT_SIGN in permissions


def test_an_empty_house_gives_one_link_until_somebody_has_a_password(
    offices: Offices, tmp_path: Path
) -> None:
    plain = house(offices, tmp_path, mfa_required=True)
    first = first_administrator_link(plain)
    second = first_administrator_link(plain)
    assert first and second and first != second
    secret = second.split("/welcome#")[1]
    assert plain.identity.accept_invitation(secret, "correct horse battery staple") == "admin"
    assert first_administrator_link(plain) is None
