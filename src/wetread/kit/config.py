"""Settings from one TOML file and `WETREAD_*`; an unknown key is refused with the nearest known name."""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from wetread.kit.stores import StoreSettings, StoresUnusable, in_order, stores_of
from wetread.kit.tls import TlsFiles

Part = Literal["web", "dicom", "hl7", "worker"]
NODE_PROCESSES_MAX = 16
_NODE_PROCESSES_UNTOLD_MAX = 4
PREFIX = "WETREAD_"
_UID = re.compile(r"[0-9](?:[0-9.]{0,62}[0-9])?\Z")
_OUTSIDE_SETTINGS = frozenset({"WETREAD_CONFIG", "WETREAD_SKIP_WEB_BUILD"})


class SettingsError(ValueError):
    """A setting is unknown, malformed or unsafe; the message names it and says what to do."""


def default_data_folder() -> Path:
    """Where data goes unless told otherwise: the system's place for root, the user's own place for others."""
    if os.geteuid() == 0:
        return Path("/var/lib/wetread")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "wetread"


def default_node_processes() -> int:
    """One for each core that this process may use, as far as more than a few are not asked for."""
    return min(len(os.sched_getaffinity(0)), _NODE_PROCESSES_UNTOLD_MAX)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. Each field is a TOML key and, in capitals, a `WETREAD_` variable."""

    data: Path = dataclasses.field(default_factory=default_data_folder)
    host: str = "127.0.0.1"
    http_port: int = 8080
    dicom_port: int = 11112
    hl7_port: int = 2575
    dicom_tls_port: int | None = None
    hl7_tls_port: int | None = None
    plain_peers: bool = True
    ae_title: str = "WETREAD"
    database_url: str | None = None
    roles: tuple[Part, ...] = ("web", "dicom", "hl7", "worker")
    node_processes: int = dataclasses.field(default_factory=default_node_processes)
    public_url: str | None = None
    behind_tls_proxy: bool = False
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    peer_tls_certificate: Path | None = None
    peer_tls_key: Path | None = None
    peer_tls_authorities: Path | None = None
    peer_tls_client_certificate: Literal["required", "optional", "none"] = "required"
    master_key: Path | None = None
    stores: tuple[StoreSettings, ...] = ()
    issuer_of_patient_id: str = "WETREAD"
    accept_any_loopback_ae: bool = False
    extra_sop_classes: tuple[str, ...] = ()
    extra_transfer_syntaxes: tuple[str, ...] = ()
    mfa_required: bool = True
    session_idle_minutes: int = 15
    results_release_preliminary: bool = True
    live_session_names_patient: bool = True
    referrers_may_export: bool = False
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def master_key_path(self) -> Path:
        """The master key's file."""
        return self.master_key or self.data / "keys" / "master.key"

    @property
    def peer_tls(self) -> TlsFiles:
        """What DICOM and HL7 peers are spoken to with: files of their own, or those of the web."""
        if self.peer_tls_certificate or self.peer_tls_key:
            own = (self.peer_tls_certificate, self.peer_tls_key)
        else:
            own = (self.tls_certificate, self.tls_key)
        return TlsFiles(*own, self.peer_tls_authorities)

    @property
    def objects_path(self) -> Path:
        """The local object store's folder."""
        return self.data / "objects"

    @property
    def redo_path(self) -> Path:
        """Where what was received last is kept until its rows are on disk."""
        return self.data / "redo"

    @property
    def stores_in_order(self) -> tuple[StoreSettings, ...]:
        """The object stores in the order of tiers, the local folder among them."""
        return in_order(self.stores, self.objects_path)

    @property
    def base_url(self) -> str:
        """Where people reach the web client."""
        if self.public_url:
            return self.public_url.rstrip("/")
        scheme = "https" if self.tls_certificate else "http"
        return f"{scheme}://{self.host}:{self.http_port}"

    @property
    def secure_cookies(self) -> bool:
        """Whether browsers reach us by https."""
        return self.base_url.startswith("https://")

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach us."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether the address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load_settings(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Settings by rising precedence: defaults, `$WETREAD_CONFIG` or `<data>/wetread.toml`, environment, `overrides`."""
    environ = os.environ if environ is None else environ
    from_environment = {
        key.removeprefix(PREFIX).lower(): value
        for key, value in environ.items()
        if key.startswith(PREFIX) and key not in _OUTSIDE_SETTINGS
    }
    given = {key: value for key, value in overrides.items() if value is not None}
    data = given.get("data") or from_environment.get("data")
    folder = Path(data) if data else default_data_folder()
    path = Path(environ["WETREAD_CONFIG"]) if environ.get("WETREAD_CONFIG") else folder / "wetread.toml"
    from_file: dict[str, Any] = {}
    if path.exists():
        try:
            from_file = tomllib.loads(path.read_text("utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"{path.name}: {error}") from None
        except UnicodeDecodeError:
            raise SettingsError(f"{path.name} is no text in UTF-8, as TOML is") from None
        except (OSError, RecursionError) as error:
            raise SettingsError(f"{path.name} cannot be read ({type(error).__name__})") from None
    elif environ.get("WETREAD_CONFIG"):
        raise SettingsError(f"WETREAD_CONFIG names {path}, which does not exist")
    values: dict[str, Any] = {}
    for source, name in ((from_file, path.name), (from_environment, "environment"), (given, "options")):
        for key, value in source.items():
            values[_known(key, name)] = value
    return Settings(**{key: _convert(key, value) for key, value in values.items()})


def _known(key: str, source: str) -> str:
    names = [field.name for field in dataclasses.fields(Settings)]
    if key in names:
        return key
    shown = PREFIX + key.upper() if source == "environment" else key
    near = difflib.get_close_matches(key, names, n=1)
    hint = ""
    if near:
        hint = f"; did you mean {PREFIX + near[0].upper() if source == 'environment' else near[0]}?"
    raise SettingsError(f"unknown setting {shown} in {source}{hint}")


def _list(key: str, value: Any) -> tuple[str, ...]:
    """A list, or its items in one text with commas."""
    if isinstance(value, str):
        return tuple(value.replace(" ", "").split(","))
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        raise SettingsError(f"{key} must be a list of texts, not {value!r}")
    return tuple(value)


def _convert(key: str, value: Any) -> Any:
    kind = get_type_hints(Settings)[key]
    options = [option for option in get_args(kind) if option is not type(None)]
    if kind is Path or (options and options[0] is Path):
        if not isinstance(value, (str, Path)) or "\0" in str(value):
            raise SettingsError(f"{key} must be a path, not {value!r}")
        return Path(value).expanduser().absolute()
    if kind is bool:
        text = str(value).strip().lower()
        if text not in {"true", "false", "1", "0", "yes", "no"}:
            raise SettingsError(f"{key} must be true or false, not {value!r}")
        return text in {"true", "1", "yes"}
    if kind is int or int in options:
        try:
            number = int(value)
            if isinstance(value, bool) or number != (value if isinstance(value, float) else number):
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            raise SettingsError(f"{key} must be a whole number, not {value!r}") from None
        if key.endswith("_port") and not 0 <= number <= 65535:
            raise SettingsError(f"{key} must be a port number, not {number}")
        if key == "node_processes" and not 1 <= number <= NODE_PROCESSES_MAX:
            raise SettingsError(f"{key} must be 1 to {NODE_PROCESSES_MAX}, not {number}")
        return number
    if key == "stores":
        try:
            return stores_of(value)
        except StoresUnusable as error:
            raise SettingsError(str(error)) from None
    if key == "roles":
        parts = _list(key, value)
        wrong = [part for part in parts if part not in get_args(Part)]
        if wrong:
            raise SettingsError(f"roles knows {', '.join(get_args(Part))}; not {', '.join(wrong)}")
        return parts
    if key in ("extra_sop_classes", "extra_transfer_syntaxes"):
        uids = tuple(uid for uid in _list(key, value) if uid)
        wrong = [uid for uid in uids if not _UID.match(uid) and (uid, key) != ("*", "extra_sop_classes")]
        if wrong:
            raise SettingsError(f"{key} takes UIDs; {', '.join(wrong)} is none")
        return uids
    if options and all(isinstance(option, str) for option in options) and value not in options:
        raise SettingsError(f"{key} must be one of {', '.join(options)}, not {value!r}")
    if (kind is str or str in options) and not isinstance(value, str):
        raise SettingsError(f"{key} must be a text, not {value!r}")
    return value
