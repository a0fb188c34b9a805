"""Each unsafe set-up is refused, alone, in words that say what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from wetread.app.checks import DatabaseFacts, UnsafeSetup, check_settings, faults_of
from wetread.kit.config import Settings, is_loopback
from wetread.security.keys import FileMasterKey, KeyUnsafe

LOCAL = Settings(data=Path("/nowhere"))
OPEN = Settings(data=Path("/nowhere"), host="0.0.0.0", tls_certificate=Path("c.pem"), tls_key=Path("k.pem"))
SAFE = DatabaseFacts("18.0", 180000, "on", "on", "on", False, None, False, 0.1)


@pytest.mark.parametrize(
    "settings",
    [
        LOCAL,
        OPEN,
        replace(LOCAL, host="0.0.0.0", behind_tls_proxy=True, public_url="https://pacs.hospital.example"),
        replace(LOCAL, behind_tls_proxy=True, public_url="https://pacs.hospital.example/"),
        replace(LOCAL, accept_any_loopback_ae=True, mfa_required=False, session_idle_minutes=60),
        replace(LOCAL, host="::1", public_url="http://localhost:8080"),
    ],
)
def test_what_is_safe_may_start(settings: Settings) -> None:
    check_settings(settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (replace(OPEN, tls_key=None), "belong together"),
        (replace(LOCAL, tls_certificate=Path("c.pem")), "belong together"),
        (replace(LOCAL, host="0.0.0.0", public_url="https://x.example"), "without TLS"),
        (replace(LOCAL, host="192.0.2.7", public_url="https://x.example"), "without TLS"),
        (replace(LOCAL, host="::", public_url="https://x.example"), "without TLS"),
        (replace(LOCAL, host="0.0.0.0", behind_tls_proxy=True), "session's cookie unencrypted"),
        (replace(LOCAL, public_url="http://pacs.hospital.example"), "session's cookie unencrypted"),
        (replace(OPEN, public_url="http://pacs.hospital.example"), "session's cookie unencrypted"),
        (replace(LOCAL, behind_tls_proxy=True), "session's cookie unencrypted"),
        (replace(OPEN, accept_any_loopback_ae=True), "accept_any_loopback_ae is for demonstrations"),
        (replace(OPEN, mfa_required=False), "mfa_required = false is for demonstrations"),
        (replace(LOCAL, session_idle_minutes=0), "session_idle_minutes"),
        (replace(LOCAL, session_idle_minutes=61), "session_idle_minutes"),
        (replace(LOCAL, ae_title=""), "ae_title"),
        (replace(LOCAL, ae_title="SEVENTEEN_LETTERS"), "ae_title"),
        (replace(LOCAL, ae_title="A\\B"), "ae_title"),
        (replace(LOCAL, ae_title="ÄRZTE"), "ae_title"),
        (replace(LOCAL, ae_title="A\tB"), "ae_title"),
    ],
)
def test_one_unsafe_setting_is_one_refusal(settings: Settings, words: str) -> None:
    with pytest.raises(UnsafeSetup) as refused:
        check_settings(settings)
    (line,) = str(refused.value).splitlines()
    assert words in line


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(UnsafeSetup) as refused:
        check_settings(
            replace(LOCAL, host="0.0.0.0", mfa_required=False, session_idle_minutes=0, ae_title="")
        )
    assert len(str(refused.value).splitlines()) == 5


def test_the_demonstrations_accounts_are_not_for_other_machines(tmp_path: Path) -> None:
    (tmp_path / "demo-credentials.json").write_text("[]")
    check_settings(replace(LOCAL, data=tmp_path))
    with pytest.raises(UnsafeSetup, match="demonstration's accounts"):
        check_settings(replace(OPEN, data=tmp_path))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"server_version": "14.9", "server_version_num": 140009}, "PostgreSQL 14.9 is too old"),
        ({"fsync": "off"}, "fsync = off"),
        ({"full_page_writes": "off"}, "full_page_writes = off"),
        ({"synchronous_commit": "off"}, "synchronous_commit = off"),
        ({"superuser": True}, "superuser"),
        ({"server_address": "192.0.2.9"}, "unencrypted"),
        ({"skew_s": 2.1}, "differ by 2.1 s"),
    ],
)
def test_one_unsafe_database_is_one_refusal(change: dict[str, object], words: str) -> None:
    (line,) = faults_of(replace(SAFE, **change))
    assert words in line


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"server_address": "127.0.0.1"},
        {"server_address": "192.0.2.9", "encrypted": True},
        {"synchronous_commit": "remote_apply"},
        {"server_version_num": 150000},
        {"skew_s": 2.0},
    ],
)
def test_a_safe_database_is_taken(change: dict[str, object]) -> None:
    assert faults_of(replace(SAFE, **change)) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o777])
def test_a_key_that_others_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(b"k" * 32)
    path.chmod(mode)
    with pytest.raises(KeyUnsafe, match=f"{mode:04o}"):
        FileMasterKey.open(path)


@pytest.mark.parametrize("content", [b"", b"secret", b"k" * 31, b"k" * 33])
def test_a_key_of_another_length_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyUnsafe, match="32 bytes"):
        FileMasterKey.open(path)


def test_a_new_key_is_its_owners_alone_and_stays_the_same(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master.key"
    sealed = FileMasterKey.open(path).seal(b"secret", b"context")
    assert path.stat().st_mode & 0o777 == 0o600
    again = FileMasterKey.open(path)
    assert again.unseal(sealed, b"context") == b"secret"
    with pytest.raises(KeyUnsafe):
        again.unseal(sealed, b"other context")


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("192.0.2.1", False), ("localhost.example", False), ("", False)],
)  # fmt: skip
def test_only_this_machines_addresses_are_its_own(host: str, own: bool) -> None:
    assert is_loopback(host) is own


SECURED = replace(
    LOCAL, dicom_tls_port=2762, peer_tls_certificate=Path("/no/c.pem"), peer_tls_key=Path("/no/k.pem")
)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (replace(SECURED, peer_tls_key=None), "belong together"),
        (replace(LOCAL, dicom_tls_port=2762), "need peer_tls_certificate"),
        (SECURED, "needs peer_tls_authorities"),
        (replace(SECURED, peer_tls_client_certificate="none"), r"certificate /no/c\.pem is not there"),
        (replace(SECURED, dicom_tls_port=11112), "dicom_port and dicom_tls_port are both 11112"),
        (replace(SECURED, hl7_tls_port=2762), "dicom_tls_port and hl7_tls_port are both 2762"),
        (replace(LOCAL, plain_peers=False), "no door"),
    ],
)
def test_tls_for_peers_that_cannot_work_is_refused(settings: Settings, words: str) -> None:
    with pytest.raises(UnsafeSetup, match=words) as refused:
        check_settings(settings)
    assert len(str(refused.value).splitlines()) == 1


def test_files_that_are_no_certificates_are_named(tmp_path: Path) -> None:
    for name in ("c.pem", "k.pem", "ca.pem"):
        (tmp_path / name).write_text("not a certificate")
    settings = replace(
        LOCAL,
        dicom_tls_port=2762,
        peer_tls_certificate=tmp_path / "c.pem",
        peer_tls_key=tmp_path / "k.pem",
        peer_tls_authorities=tmp_path / "ca.pem",
    )
    with pytest.raises(UnsafeSetup, match="are not a PEM certificate and its key"):
        check_settings(settings)
