"""`python -m bench`: Wetread and Orthanc in turn on this machine, ratios printed (above 1: Wetread is the better)."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import corpus, servers, store, web

_LARGE, _SMALL = {"slices": 50, "size": 512}, {"slices": 10, "size": 64}
CASES = (
    ("C-STORE 0.5 MB, one association", {**_LARGE, "studies": 1, "slices": 200}, 1, store.send),
    ("C-STORE 0.5 MB, storescu", {**_LARGE, "studies": 1, "slices": 200}, 1, store.storescu),
    ("C-STORE 0.5 MB, four associations", {**_LARGE, "studies": 4}, 4, store.send),
    ("C-STORE 9 kB, one association", {**_SMALL, "studies": 40}, 1, store.send),
    ("C-STORE 9 kB, storescu", {**_SMALL, "studies": 40}, 1, store.storescu),
    ("C-STORE 9 kB, four associations", {**_SMALL, "studies": 40}, 4, store.send),
)


def main() -> None:
    """Runs all rounds and prints a table; `--json` writes the raw figures too."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured, in turn")
    parser.add_argument("--json", type=Path, help="write the figures of each round here")
    parser.add_argument(
        "--only", default="", help="only the C-STORE cases whose title contains this text, no DICOMweb"
    )
    asked = parser.parse_args()
    if shutil.which("storescu") is None:
        raise SystemExit("DCMTK's storescu is needed (Debian: dcmtk).")
    cases = [one for one in CASES if asked.only in one[0]]
    console = Console()
    # Rounds take minutes: one that is stopped still shows what it has.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    raw: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory(prefix="wetread-bench-") as scratch:
        root = Path(scratch)
        running = [servers.wetread(root / "wetread")]
        try:
            peer = servers.orthanc(root / "orthanc")
            if peer:
                running.append(peer)
            else:
                console.print(
                    "Orthanc is not installed (Debian: orthanc orthanc-dicomweb): no peer to compare."
                )
            study = ""
            for number in range(asked.rounds):
                order = running if number % 2 == 0 else running[::-1]
                for at, (title, shape, associations, send) in enumerate(cases):
                    console.print(f"Round {number + 1} of {asked.rounds}: {title}", style="dim")
                    files, size, made = corpus.write(root / f"corpus{number}-{at}", **shape)
                    share = len(files) // associations  # as scanners do: each brings whole studies
                    parts = [files[first : first + share] for first in range(0, len(files), share)]
                    for server in order:
                        os.sync()  # else the corpus, or what the other left, is written in somebody's seconds
                        before, _ = server.cpu_and_memory()
                        took = send(server, parts)
                        acknowledged, _ = server.cpu_and_memory()
                        time.sleep(4)  # what waits a little after the last object has begun by then
                        server.settle()
                        after, memory = server.cpu_and_memory()
                        _note(raw, server.name, f"{title}: MB/s", size / 1e6 / took)
                        _note(raw, server.name, f"{title}: objects/s", len(files) / took)
                        _note(
                            raw,
                            server.name,
                            f"{title}: server CPU s until acknowledged",
                            acknowledged - before,
                        )
                        _note(raw, server.name, f"{title}: server CPU s with what follows", after - before)
                        _note(raw, server.name, "memory MB", memory)
                    shutil.rmtree(root / f"corpus{number}-{at}")
                    study = made if at == 0 else study
                if asked.only:
                    continue
                console.print(f"Round {number + 1} of {asked.rounds}: DICOMweb", style="dim")
                for server in order:
                    for name, value in web.measure(server, study).items():
                        _note(raw, server.name, f"DICOMweb: {name}", value)
        except KeyboardInterrupt:
            console.print("Stopped: the figures are of the rounds until now.")
        finally:
            for server in running:
                server.stop()
    if asked.json:
        asked.json.write_text(json.dumps(raw, indent=1))
    _print(console, raw)


def _note(raw: dict[str, dict[str, list[float]]], server: str, figure: str, value: float) -> None:
    raw.setdefault(figure, {}).setdefault(server, []).append(value)


def _print(console: Console, raw: dict[str, dict[str, list[float]]]) -> None:
    table = Table(
        "figure", "Wetread", "Orthanc", "ratio", title="Medians; ratio above 1: Wetread is the better"
    )
    for figure, sides in raw.items():
        ours, theirs = sides["wetread"], sides.get("orthanc")
        less_is_better = figure.endswith(("_ms", "acknowledged", "follows", "memory MB"))
        ratio = ""
        if theirs:
            pairs = [  # a round that was stopped has one side
                them / us if less_is_better else us / them for us, them in zip(ours, theirs, strict=False)
            ]
            ratio = f"{statistics.median(pairs):.2f}"
        other = f"{statistics.median(theirs):.1f}" if theirs else ""
        table.add_row(figure, f"{statistics.median(ours):.1f}", other, ratio)
    console.print(table)


if __name__ == "__main__":
    main()
