"""`python -m bench.viewer_ohif`: the OHIF viewer on our DICOMweb, beside our own viewer, over the same slow link.

OHIF is taken from npm as it is published (MIT), into a temporary folder; nothing of it stays. What is told of both, from
the opening of a study on: the first image drawn, and all images here; whether OHIF draws what lies here is asserted by its
pixels. The link is slowed by Chromium's own throttling once both are warm (`bench.viewer_throttled` says more of ours).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Page
from rich.console import Console
from rich.table import Table

from bench.viewer_browser import CHROMIUM, PATIENCE_MS, Seat, seat
from bench.viewer_throttled import fill, throttle, watch

PACKAGE = "@ohif/app@3.13.2"
_NPM = Path(__file__).parent.parent / "tools" / "npm.py"
# Notes when a viewport has drawn an image, and when so many images are here. Opened as a click in the list of studies does.
_WATCH = """([url, of]) => {
  const cornerstone = window.cornerstone
  const begun = performance.now()
  const seen = window.__seen = { begun }
  const note = (name) => { seen[name] ??= (performance.now() - begun) / 1000 }
  const here = new Set()
  cornerstone.eventTarget.addEventListener(cornerstone.EVENTS.IMAGE_LOADED, (event) => {
    here.add(event.detail.image.imageId)
    seen.here = here.size
    if (here.size >= of) note('all')
  })
  const look = () => {
    for (const { viewport } of cornerstone.getEnabledElements())
      if (viewport.getCurrentImageId?.() && here.has(viewport.getCurrentImageId()) && viewport.viewportStatus === 'rendered') note('first')
    if (seen.first === undefined || seen.all === undefined) requestAnimationFrame(look)
  }
  look()
  window.history.pushState({}, '', url)
  window.dispatchEvent(new PopStateEvent('popstate', { state: {} }))
}"""
# The share of the largest canvas that is not black.
_LIT = """() => {
  let share = 0
  for (const { viewport } of window.cornerstone.getEnabledElements()) {
    const canvas = viewport.getCanvas()
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    let lit = 0
    for (let at = 0; at < data.length; at += 4) if (data[at] > 16) lit += 1
    share = Math.max(share, lit / (data.length / 4))
  }
  return share
}"""


class _App(SimpleHTTPRequestHandler):
    """The built application: its files, and its page for every other path."""

    settings = b""

    def do_GET(self) -> None:
        """Answers one request."""
        path = self.path.partition("?")[0]
        if path == "/app-config.js":
            self.send_response(200)
            self.send_header("Content-Type", "text/javascript")
            self.send_header("Content-Length", str(len(self.settings)))
            self.end_headers()
            self.wfile.write(self.settings)
            return
        if not Path(self.translate_path(path)).is_file():
            self.path = "/index.html"
        super().do_GET()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def settings(web: str) -> bytes:
    """OHIF's own settings: our server as its only source of data."""
    source = {
        "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
        "sourceName": "wetread",
        "configuration": {
            "friendlyName": "Wetread",
            "name": "wetread",
            "qidoRoot": web,
            "wadoRoot": web,
            "wadoUriRoot": web,
            "qidoSupportsIncludeField": True,
            "supportsFuzzyMatching": True,
            "supportsWildcard": True,
            "enableStudyLazyLoad": True,
            "imageRendering": "wadors",
            "thumbnailRendering": "wadors",
            "singlepart": "bulkdata,pdf,video",
            "bulkDataURI": {"enabled": True},
            "omitQuotationForMultipartRequest": True,
        },
    }
    given = {
        "routerBasename": "/",
        "extensions": [],
        "modes": [],
        "showStudyList": True,
        "showWarningMessageForCrossOrigin": False,
        "showCPUFallbackMessage": False,
        "strictZSpacingForVolumeViewport": True,
        "investigationalUseDialog": {"option": "never"},
        "maxNumberOfWebWorkers": 3,
        "maxNumRequests": {"interaction": 100, "thumbnail": 5, "prefetch": 25},
        "defaultDataSourceName": "wetread",
        "dataSources": [source],
    }
    return f"window.config = {json.dumps(given)}".encode()


def unpacked(root: Path) -> Path:
    """The application as npm has it, below `root`; the folder with its page."""
    subprocess.run(
        [sys.executable, _NPM, "pack", PACKAGE, "--silent", "--pack-destination", root],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (archive,) = root.glob("*.tgz")
    with tarfile.open(archive) as packed:
        packed.extractall(root, filter="data")
    return root / "package" / "dist"


@contextmanager
def served(folder: Path, web: str) -> Iterator[str]:
    """Serves the application for the source `web`; its address."""
    handler = type("_Configured", (_App,), {"settings": settings(web)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _warm(page: Page, address: str, study: str) -> None:
    page.goto(f"{address}/viewer?StudyInstanceUIDs={study}")
    page.wait_for_function(
        "() => window.cornerstone?.getEnabledElements?.().some(({ viewport }) => viewport.viewportStatus === 'rendered')",
        timeout=PATIENCE_MS,
    )
    page.wait_for_timeout(3000)
    page.evaluate("""() => {
      window.history.pushState({}, '', '/')
      window.dispatchEvent(new PopStateEvent('popstate', { state: {} }))
    }""")
    page.wait_for_timeout(3000)


def _ohif(reader: Seat, address: str, uids: list[str], asked: argparse.Namespace) -> dict[str, Any]:
    """One opening in OHIF, in a browser of its own: what one site may ask of another is not what is measured."""
    chromium = reader.page.context.browser
    assert chromium is not None
    with tempfile.TemporaryDirectory(prefix="wetread-ohif-") as profile:
        context = chromium.browser_type.launch_persistent_context(
            profile,
            executable_path="/usr/bin/chromium",
            args=[*CHROMIUM, "--disable-web-security"],
            viewport={"width": 1440, "height": 900},
            extra_http_headers=reader.server.headers,
        )
        try:
            page = context.pages[0]
            _warm(page, address, uids[0])
            cdp = context.new_cdp_session(page)
            cdp.send("Network.enable")
            throttle(cdp, asked.mbit, asked.latency)
            page.evaluate(_WATCH, [f"/viewer?StudyInstanceUIDs={uids[1]}", asked.slices])
            page.wait_for_function(
                "() => window.__seen.first !== undefined && window.__seen.all !== undefined", timeout=900_000
            )
            seen: dict[str, Any] = page.evaluate("() => window.__seen")
            seen["lit"] = page.evaluate(_LIT)
            if asked.picture:
                page.screenshot(path=asked.picture)
            if seen["lit"] < 0.05:
                raise SystemExit("OHIF drew nothing.")
            return seen
        finally:
            context.close()


def _ours(reader: Seat, uids: list[str], asked: argparse.Namespace) -> dict[str, Any]:
    reader.leave()
    reader.page.wait_for_timeout(11_000)  # what the link was before is no longer believed
    reader.cdp.send("Network.enable")
    throttle(reader.cdp, asked.mbit, asked.latency)
    seen = watch(reader, uids[1])
    throttle(reader.cdp, 0, 0)
    return seen


def main() -> None:
    """Makes two studies, opens the large one in both viewers in turn, and prints a table."""
    parser = argparse.ArgumentParser(prog="bench.viewer_ohif", description=__doc__)
    parser.add_argument("--slices", type=int, default=400)
    parser.add_argument("--mbit", type=float, default=30)
    parser.add_argument("--latency", type=float, default=40, help="milliseconds")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--app", type=Path, help="OHIF's built folder, where it is here already")
    parser.add_argument("--picture", type=Path, help="keep what OHIF shows at the end")
    parser.add_argument("--json", type=Path, help="write the figures here")
    asked = parser.parse_args()
    uids: list[str] = []
    figures: list[tuple[str, dict[str, Any]]] = []
    with (
        tempfile.TemporaryDirectory(prefix="wetread-ohif-") as scratch,
        seat(partial(fill, asked.slices, uids)) as reader,
    ):
        folder = asked.app or unpacked(Path(scratch))
        reader.open(uids[0])
        reader.wait("[data-pane=a][data-loaded='8']")
        with served(folder, reader.server.web) as address:
            for _ in range(asked.rounds):
                load = os.getloadavg()[0]
                figures.append(("Wetread", {**_ours(reader, uids, asked), "load": load}))
                load = os.getloadavg()[0]
                figures.append((PACKAGE, {**_ohif(reader, address, uids, asked), "load": load}))
    table = Table("", "first image s", "all images s", "load of the machine",
                  title=f"{asked.slices} CT slices of 512², {asked.mbit:g} Mbit/s, {asked.latency:g} ms")  # fmt: skip
    for how, seen in figures:
        table.add_row(how, *(f"{seen[name]:.2f}" for name in ("first", "all", "load")))
    Console(width=120).print(table)
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
