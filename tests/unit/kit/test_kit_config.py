"""Settings: precedence, strictness, and words that help."""

from __future__ import annotations

from pathlib import Path

import pytest

from wetread.kit.config import SettingsError, load_settings


def test_environment_overrides_the_file_and_options_override_both(tmp_path: Path) -> None:
    (tmp_path / "wetread.toml").write_text('http_port = 8000\ndicom_port = 104\nae_title = "FILE"\n')
    environ = {"WETREAD_DATA": str(tmp_path), "WETREAD_HTTP_PORT": "8001"}
    settings = load_settings(environ, ae_title="OPTION")
    assert (settings.http_port, settings.dicom_port, settings.ae_title) == (8001, 104, "OPTION")


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"WETREAD_DICOM_PROT": "1"}, "did you mean WETREAD_DICOM_PORT"),
        ({"WETREAD_HTTP_PORT": "http"}, "http_port must be a whole number"),
        ({"WETREAD_DICOM_TLS_PORT": "tls"}, "dicom_tls_port must be a whole number"),
        ({"WETREAD_HL7_TLS_PORT": "70000"}, "hl7_tls_port must be a port number"),
        ({"WETREAD_PEER_TLS_CLIENT_CERTIFICATE": "maybe"}, "must be one of required, optional, none"),
        ({"WETREAD_EXTRA_SOP_CLASSES": "1.2.3,CT"}, "extra_sop_classes takes UIDs; CT is none"),
        ({"WETREAD_EXTRA_TRANSFER_SYNTAXES": "*"}, "extra_transfer_syntaxes takes UIDs"),
        ({"WETREAD_HTTP_PORT": "70000"}, "http_port must be a port number"),
        ({"WETREAD_ROLES": "web,cook"}, "not cook"),
        ({"WETREAD_LOG_FORMAT": "xml"}, "log_format must be one of console, json"),
        ({"WETREAD_MFA_REQUIRED": "maybe"}, "mfa_required must be true or false"),
        ({"WETREAD_CONFIG": "/nowhere/x.toml"}, "does not exist"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, environ: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load_settings({"WETREAD_DATA": str(tmp_path), **environ})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'ae_title = "\xff"', "no text in UTF-8"),
        (b"tls_certificate = 2", "tls_certificate must be a path"),
        (b'tls_key = "a\\u0000b"', "tls_key must be a path"),
        (b"http_port = inf", "http_port must be a whole number"),
        (b"http_port = 80.5", "http_port must be a whole number"),
        (b"http_port = true", "http_port must be a whole number"),
        (b"roles = [1.5]", "roles must be a list of texts"),
        (b"extra_sop_classes = 5", "extra_sop_classes must be a list of texts"),
        (b"ae_title = 5", "ae_title must be a text"),
        (b'[[stores]]\nname = "a"\nfolder = 5', "folder is a path"),
        (b'[[stores]]\nname = "a"\nfolder = "/x"\nquota_gb = inf', "quota_gb is a number"),
    ],
)
def test_values_of_another_kind_are_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "x.toml").write_bytes(content)
    with pytest.raises(SettingsError, match=words):
        load_settings({"WETREAD_CONFIG": str(tmp_path / "x.toml"), "WETREAD_DATA": str(tmp_path)})


def test_unknown_keys_of_the_file_name_their_neighbour(tmp_path: Path) -> None:
    (tmp_path / "wetread.toml").write_text("htp_port = 1\n")
    with pytest.raises(
        SettingsError, match=r"unknown setting htp_port in wetread\.toml; did you mean http_port"
    ):
        load_settings({"WETREAD_DATA": str(tmp_path)})
