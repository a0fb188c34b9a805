"""Settings of object stores: several named folders and S3 buckets, in the order of tiers. The first takes what comes."""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

LOCAL = "local"
"""The store in the data folder. Locations without a store's name are its own."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,23}\Z")
_BEYOND = 1e15  # any number that a setting could be
_GB = 1000**3


class StoresUnusable(ValueError):
    """A store's settings are unknown, malformed or unsafe; the message names them and says what to do."""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """One store: a `folder`, or a `bucket` with what is needed to reach it.

    `quota_gb` bounds what the index says lies in it (10^9 bytes). Between the water marks (percent of the quota, or of
    the file system) rules move studies on: above the high one until it is below the low one. `copy_to` names the store
    that gets a second copy of everything here.
    """

    name: str
    folder: Path | None = None
    bucket: str | None = None
    prefix: str = ""
    endpoint: str | None = None
    region: str = "us-east-1"
    path_style: bool = True
    authorities: Path | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    secret_access_key_file: Path | None = None
    server_side_encryption: str | None = None
    timeout_s: int = 60
    quota_gb: float | None = None
    reserve_gb: float = 0.268435456
    high_water_percent: int = 85
    low_water_percent: int = 75
    copy_to: str | None = None
    takes_new: bool = True

    @property
    def quota_bytes(self) -> int | None:
        """The quota in bytes."""
        return None if self.quota_gb is None else int(self.quota_gb * _GB)

    @property
    def reserve_bytes(self) -> int:
        """What is kept free on a folder's file system, in bytes."""
        return int(self.reserve_gb * _GB)

    @property
    def secret(self) -> str | None:
        """The secret key, from its file where one is named. Raises StoresUnusable where that cannot be read."""
        if self.secret_access_key_file is None:
            return self.secret_access_key
        try:
            return self.secret_access_key_file.read_text().strip()
        except OSError as error:
            raise StoresUnusable(
                f"store {self.name}: secret_access_key_file cannot be read ({error.strerror})"
            ) from None


def stores_of(value: Any) -> tuple[StoreSettings, ...]:
    """From TOML's array of tables, or from the same as JSON text. Raises StoresUnusable."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else []
        except ValueError:
            raise StoresUnusable("stores is no JSON: a list of objects, each a store") from None
    if not isinstance(value, (list, tuple)) or not all(
        isinstance(one, (Mapping, StoreSettings)) for one in value
    ):
        raise StoresUnusable("stores is a list of tables: [[stores]] name = … folder = … or bucket = …")
    made = tuple(one if isinstance(one, StoreSettings) else _store(one) for one in value)
    names = [one.name for one in made]
    for one in made:
        if names.count(one.name) > 1:
            raise StoresUnusable(f"store {one.name} is named twice")
        if one.copy_to is not None and one.copy_to not in {*names, LOCAL}:
            raise StoresUnusable(f"store {one.name}: copy_to names {one.copy_to}, which is no store")
        if one.copy_to == one.name:
            raise StoresUnusable(f"store {one.name}: copy_to names the store itself")
    if made and not any(one.takes_new for one in made):
        raise StoresUnusable("no store takes what comes: leave takes_new out of one")
    return made


def _store(given: Mapping[str, Any]) -> StoreSettings:
    name = str(given.get("name", ""))
    if not _NAME.match(name):
        raise StoresUnusable(
            f"a store's name is 1 to 24 small letters, digits and hyphens, and begins with a letter; not {name!r}"
        )
    known = {one.name: one for one in dataclasses.fields(StoreSettings)}
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key not in known:
            near = difflib.get_close_matches(key, list(known), n=1)
            raise StoresUnusable(
                f"store {name}: unknown setting {key}" + (f"; did you mean {near[0]}?" if near else "")
            )
        values[key] = _value(name, key, known[key].type, value)
    made = StoreSettings(**values)
    if (made.folder is None) == (made.bucket is None) and not (name == LOCAL and made.bucket is None):
        raise StoresUnusable(f"store {name}: say either folder or bucket")
    if name == LOCAL and made.bucket is not None:
        raise StoresUnusable(f"store {name}: {LOCAL} is the data folder's; give the bucket another name")
    if not 0 < made.low_water_percent < made.high_water_percent <= 100:
        raise StoresUnusable(f"store {name}: low_water_percent < high_water_percent <= 100")
    if made.endpoint is not None:
        url = urlsplit(made.endpoint)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise StoresUnusable(f"store {name}: endpoint is an https:// address, not {made.endpoint!r}")
        if url.username or url.password:
            raise StoresUnusable(
                f"store {name}: endpoint holds a password; use access_key_id and secret_access_key_file"
            )
        if url.scheme == "http" and url.hostname not in ("127.0.0.1", "::1", "localhost"):
            raise StoresUnusable(
                f"store {name}: endpoint {made.endpoint} is not encrypted, and would show keys and traffic to the network: use https"
            )
    return made


def _value(name: str, key: str, kind: Any, value: Any) -> Any:
    kind = str(kind)
    if value is None:
        return None
    if kind.startswith("Path"):
        if not isinstance(value, (str, Path)) or "\0" in str(value):
            raise StoresUnusable(f"store {name}: {key} is a path, not {value!r}")
        return Path(value).expanduser().absolute()
    if kind.startswith(("int", "float")):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < _BEYOND:
            raise StoresUnusable(f"store {name}: {key} is a number, not {value!r}")
        return int(value) if kind.startswith("int") else float(value)
    if kind.startswith("bool"):
        if not isinstance(value, bool):
            raise StoresUnusable(f"store {name}: {key} is true or false")
        return value
    return str(value)


def dumped(stores: Iterable[StoreSettings]) -> str:
    """The same as JSON, for the environment of a child."""
    return json.dumps(
        [
            {
                key: str(value) if isinstance(value, Path) else value
                for key, value in dataclasses.asdict(one).items()
                if value is not None
            }
            for one in stores
        ]
    )


def in_order(stores: tuple[StoreSettings, ...], local_folder: Path) -> tuple[StoreSettings, ...]:
    """The stores with the data folder's own among them: alone where none is set, else last, for what lies there still."""
    if not stores:
        return (StoreSettings(LOCAL, folder=local_folder),)
    stores = tuple(
        dataclasses.replace(one, folder=local_folder) if one.name == LOCAL and one.folder is None else one
        for one in stores
    )
    if any(one.name == LOCAL for one in stores):
        return stores
    return (*stores, StoreSettings(LOCAL, folder=local_folder, takes_new=False))
