"""`python -m bench.viewer_memory`: what the browser holds after 1, 5, 10 and 20 studies were opened in turn.

Each study is opened, waited for until all its images are here, scrolled through, laid in planes, and left. What is
measured is measured with the study open, after a collection of what nobody holds; it has to stay as it was.

What drives the browser here keeps in the renderer what came over the network, up to 200 MB, for whoever would look at it;
without it a renderer holds none of that. So the renderer's column grows by the compressed size of each study (7 MB at the
usual 60 slices) until that is full, and has to be flat from then on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from bench import corpus, store
from bench.servers import Server
from bench.viewer_browser import Seat, seat


def main() -> None:
    """Opens the studies and prints a table of what is held."""
    parser = argparse.ArgumentParser(prog="bench.viewer_memory", description=__doc__)
    parser.add_argument("--studies", type=int, default=20)
    parser.add_argument("--slices", type=int, default=60, help="of each study, 512 squared")
    parser.add_argument(
        "--no-planes", action="store_true", help="lay no planes, which takes long in software"
    )
    asked = parser.parse_args()
    uids: list[str] = []

    def fill(server: Server, root: Path) -> None:
        for at in range(asked.studies):
            files, _, uid = corpus.write(root / f"study{at}", studies=1, slices=asked.slices, size=512)
            store.send(server, [files])
            uids.append(uid)

    marks = {1, 5, 10, asked.studies}
    table = Table("after", "JS heap MB", "array buffers MB", "DOM nodes", "listeners", "WebGL contexts", "textures",
                  "renderer MB", "GPU process MB", title="Held by the browser; flat is right")  # fmt: skip
    console = Console(width=132)
    with seat(fill) as reader:
        table.add_row("no study yet", *_held(reader))
        for number, uid in enumerate(uids, 1):
            console.print(f"Study {number} of {len(uids)}", style="dim")
            _read(reader, uid, asked.slices, planes=not asked.no_planes)
            if number in marks:
                table.add_row(f"{number} studies", *_held(reader))
            reader.leave()
        reader.page.wait_for_timeout(15_000)
        table.add_row("all are left", *_held(reader))
    console.print(table)


def _read(reader: Seat, uid: str, slices: int, *, planes: bool) -> None:
    page = reader.page
    reader.open(uid)
    reader.shown()
    reader.wait(f"[data-pane=a][data-loaded='{slices}']")
    page.mouse.move(*_middle(reader))
    for _ in range(20):
        page.mouse.wheel(0, 100)
        page.wait_for_timeout(30)
    if planes:
        page.keyboard.press("Shift+P")
        reader.wait("[data-testid=planes][data-ready]")
        reader.wait(f"[data-testid=planes][data-loaded='{slices}']")
        page.keyboard.press("Shift+P")
        reader.wait("[data-testid=planes]", "detached")


def _middle(reader: Seat) -> tuple[float, float]:
    box = reader.page.locator("[data-testid=canvas-a]").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def _held(reader: Seat) -> list[str]:
    cdp = reader.cdp
    for _ in range(3):
        cdp.send("HeapProfiler.collectGarbage")
        reader.page.wait_for_timeout(300)
    heap = cdp.send("Runtime.getHeapUsage")
    counted = cdp.send("Memory.getDOMCounters")
    gpu = reader.page.evaluate("window.__heldNow()")
    renderers, graphics = _processes()
    figures = [
        heap["usedSize"] / 1e6, heap.get("backingStorageSize", 0) / 1e6, counted["nodes"], counted["jsEventListeners"],
        gpu["contexts"], gpu["textures"], renderers, graphics,
    ]  # fmt: skip
    return [f"{one:,.1f}" if isinstance(one, float) else f"{one:,}" for one in figures]


def _processes() -> tuple[float, float]:
    """Resident memory, MB, of the largest renderer and of the process that draws, among the children of this one."""
    sizes: dict[str, list[float]] = {"renderer": [0.0], "gpu-process": [0.0]}
    for process in psutil.Process().children(recursive=True):
        try:
            line = " ".join(process.cmdline())
            for kind, found in sizes.items():
                if f"--type={kind}" in line:
                    found.append(process.memory_info().rss / 1e6)
        except psutil.Error:
            continue
    return max(sizes["renderer"]), max(sizes["gpu-process"])


if __name__ == "__main__":
    main()
