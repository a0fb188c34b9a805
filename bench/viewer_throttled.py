"""`python -m bench.viewer_throttled`: a CT study over a slow link (30 Mbit/s, 40 ms, by Chromium's own throttling).

What is told, from the click on: the first image drawn, and in full quality; the volume usable (all slices here, at least
coarse); all slices here without loss. Once with coarse images first, once with whole images alone. Of the first image also
where the study's page is opened anew, by a browser that has the program's files, and on a link that is not slowed.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

from playwright.sync_api import CDPSession, Page
from rich.console import Console
from rich.table import Table

from bench import corpus, store
from bench.servers import Server
from bench.viewer_browser import Seat, seat

FIRST_S, FIRST_LOCAL_S, USABLE_S = 0.5, 0.25, 3.0
# Notes when the pane first says what is looked for.
_LOOK = """(begun) => {
  const seen = window.__seen = { begun }
  const note = (name) => { seen[name] ??= (performance.now() - begun) / 1000 }
  const look = () => {
    const pane = document.querySelector('[data-pane=a][data-state=shown]')
    if (pane) {
      const of = Number(pane.querySelector('input[type=range]')?.max ?? 0) + 1
      const { loaded, coarse, quality } = pane.dataset
      note('first')
      if (quality === 'full') note('first full')
      if (Number(coarse ?? loaded) >= of) note('usable')
      if (Number(loaded) >= of) note('all')
    }
    if (seen.all === undefined && window.__seen === seen) requestAnimationFrame(look)
  }
  look()
}"""
_CLICK = f"""url => {{
  const begun = performance.now()
  window.history.pushState({{}}, '', url)
  ;({_LOOK})(begun)
}}"""


def main() -> None:
    """Makes two studies, opens each on the slow link, and prints a table."""
    parser = argparse.ArgumentParser(prog="bench.viewer_throttled", description=__doc__)
    parser.add_argument("--slices", type=int, default=400)
    parser.add_argument("--mbit", type=float, default=30)
    parser.add_argument("--latency", type=float, default=40, help="milliseconds")
    parser.add_argument("--rounds", type=int, default=2, help="how often each way is measured, in turn")
    parser.add_argument("--json", type=Path, help="write the figures here")
    asked = parser.parse_args()
    uids: list[str] = []
    figures: list[tuple[str, dict[str, Any]]] = []
    with seat(partial(fill, asked.slices, uids)) as reader:
        reader.open(uids[0])
        reader.wait("[data-pane=a][data-loaded='8']")
        reader.cdp.send("Network.enable")
        for how in [one for _ in range(asked.rounds) for one in ("coarse first", "whole images alone")]:
            reader.leave()
            reader.page.unroute_all()
            if how != "coarse first":
                for coarse in ("**/coarse?*", "**/openings/*"):
                    reader.page.route(coarse, lambda route: route.fulfill(status=404, body=""))
            reader.page.wait_for_timeout(11_000)  # what the link was before is no longer believed
            throttle(reader.cdp, asked.mbit, asked.latency)
            figures.append((how, {**watch(reader, uids[1]), "load": os.getloadavg()[0]}))
            throttle(reader.cdp, 0, 0)
        reader.page.unroute_all()
        for _ in range(asked.rounds):
            for mbit, latency, link in ((asked.mbit, asked.latency, ""), (0, 0, ", link not slowed")):
                reader.leave()
                reader.page.wait_for_timeout(4_000)
                throttle(reader.cdp, mbit, latency)
                figures.append(
                    ("a click" + link, {**watch(reader, uids[1], "first full"), "load": os.getloadavg()[0]})
                )
                throttle(reader.cdp, 0, 0)
                reader.leave()
                figures.append(
                    (
                        "page opened anew" + link,
                        {**anew(reader, uids[1], mbit, latency), "load": os.getloadavg()[0]},
                    )
                )
    table = Table("", "first image s", "in full quality s", "usable volume s", "all lossless s", "load of the machine",
                  title=f"{asked.slices} CT slices of 512², {asked.mbit:g} Mbit/s, {asked.latency:g} ms; goals: first < {FIRST_S} s ({FIRST_LOCAL_S} s where the link is not slowed), usable < {USABLE_S} s")  # fmt: skip
    for how, seen in figures:
        named = (seen.get(name) for name in ("first", "first full", "usable", "all", "load"))
        table.add_row(how, *("" if one is None else f"{one:.2f}" for one in named))
    Console(width=132).print(table)
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1))


def fill(slices: int, uids: list[str], server: Server, root: Path) -> None:
    """Stores a small study, which warms the viewer up, and one of so many slices; appends their UIDs."""
    for name, count in (("warm", 8), ("study", slices)):
        files, _, study = corpus.write(root / name, studies=1, slices=count, size=512)
        store.send(server, [files])
        uids.append(study)
        wait_for_renditions(server, study)


def wait_for_renditions(server: Server, study: str, seconds: float = 900) -> None:
    """Waits until each image of a study has a rendition of which a beginning is sent."""
    asked = urllib.request.Request(f"{server.web}/studies/{study}/instances", headers=server.headers)
    with urllib.request.urlopen(asked, timeout=120) as answer:
        found = json.load(answer)
    waiting = {(one["0020000E"]["Value"][0], one["00080018"]["Value"][0]) for one in found}
    end = time.monotonic() + seconds
    while waiting:
        if time.monotonic() > end:
            raise SystemExit(f"{len(waiting)} images have no rendition after {seconds:.0f} s.")
        series = next(iter(waiting))[0]
        some = [uid for of, uid in waiting if of == series][:64]
        names = "&".join(f"frame={uid}/1" for uid in some)
        asked = urllib.request.Request(
            f"{server.web}/studies/{study}/series/{series}/coarse?{names}", headers=server.headers
        )
        with urllib.request.urlopen(asked, timeout=120) as answer:
            body = answer.read()
        here = {uid for uid in some if f"/instances/{uid}/".encode() in body}
        waiting -= {(series, uid) for uid in here}
        if not here:
            time.sleep(2)


def watch(reader: Seat, study_instance_uid: str, last: str = "all") -> dict[str, Any]:
    """Opens a study and waits until all of it is here, or `last`: the seconds until each thing that is looked for."""
    reader.page.evaluate(_CLICK, f"/room/{reader.study_pks[study_instance_uid]}/images")
    return seen_on(reader.page, last)


def anew(reader: Seat, study_instance_uid: str, mbit: float, latency: float) -> dict[str, Any]:
    """Opens a study in a page of its own, which has nothing but the browser's cache, until its first image is in full quality."""
    page = reader.page.context.new_page()
    try:
        cdp = page.context.new_cdp_session(page)
        cdp.send("Network.enable")
        throttle(cdp, mbit, latency)
        page.add_init_script(f"({_LOOK})(0)")
        base = reader.server.web.removesuffix("/dicom-web")
        page.goto(f"{base}/room/{reader.study_pks[study_instance_uid]}/images", wait_until="commit")
        return seen_on(page, "first full")
    finally:
        page.close()


def seen_on(page: Page, last: str) -> dict[str, Any]:
    """What was seen on a page, as soon as `last` was."""
    page.wait_for_function("last => window.__seen?.[last] !== undefined", arg=last, timeout=600_000)
    seen: dict[str, Any] = page.evaluate("() => window.__seen")
    return seen


def throttle(cdp: CDPSession, mbit: float, latency: float) -> None:
    """Slows the link of a page; 0 Mbit/s is no limit."""
    rate = mbit * 1e6 / 8 if mbit else -1
    cdp.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": latency, "downloadThroughput": rate, "uploadThroughput": rate},
    )


if __name__ == "__main__":
    main()
