"""The rules of the house that a program can check."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from common import description

ROOT = Path(__file__).resolve().parents[2]


def test_rooms_import_downward_and_through_their_doors() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_what_the_client_was_made_from_is_still_there() -> None:
    known = json.loads((ROOT / "web" / "openapi.json").read_text())
    served = description()
    gone = [
        f"{method} {path}"
        for path, methods in known["paths"].items()
        for method in methods
        if method not in served["paths"].get(path, {})
    ]
    assert gone == [], "run `make openapi` and mend the client"


def test_lock_files_pin_by_hash_and_name_no_host() -> None:
    for name in ("runtime", "build", "dev"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        pins = re.findall(r"^[a-z0-9_.\-]+(?:\[[a-z,]+\])?==", text, re.MULTILINE | re.IGNORECASE)
        assert pins
        assert text.count("--hash=sha256:") >= len(pins)
        assert "://" not in text
    lock = (ROOT / "web" / "package-lock.json").read_text()
    assert [
        place for place in re.findall(r'"resolved": "([^"]*)"', lock) if not place.startswith("shims/")
    ] == []


def test_licences_of_what_we_link_allow_it() -> None:
    import importlib.metadata

    text = (ROOT / "requirements" / "runtime.txt").read_text()
    viral = []
    for name in re.findall(r"^([A-Za-z0-9_.\-]+)(?:\[[a-z,]+\])?==", text, re.MULTILINE):
        try:
            metadata = importlib.metadata.metadata(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        licence = " ".join(
            [metadata.get("License-Expression") or metadata.get("License") or ""]
            + [value for key, value in metadata.items() if key == "Classifier" and "License" in value]
        )[:400]
        if re.search(r"\bA?GPL", licence) and not re.search(r"LGPL|Lesser", licence):
            viral.append(f"{name}: {licence[:80]}")
    assert viral == []


def test_no_module_reads_the_clock_beside_the_clock() -> None:
    allowed = {"kit/clock.py", "app/checks.py"}
    found = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "src" / "wetread").rglob("*.py")
        if path.relative_to(ROOT / "src" / "wetread").as_posix() not in allowed
        and "app/demo" not in path.as_posix()
        and re.search(r"datetime\.(now|utcnow|today)\(|date\.today\(", path.read_text())
    ]
    assert found == []
