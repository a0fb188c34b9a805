"""The viewer in Chromium on a server of its own: what the viewer's benches share."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import CDPSession, Page, sync_playwright

from bench import servers
from bench.servers import Server

# WebGL is drawn by SwiftShader where there is no graphics processor; all else by the browser's own quicker code.
CHROMIUM = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-background-networking",
    "--disable-gpu-rasterization",
    "--disable-gpu-compositing",
    "--disable-accelerated-2d-canvas",
]
PATIENCE_MS = 120_000

# Counts what the page holds of its graphics processor, and keeps the frames that came late.
_WATCH = """(() => {
  const held = window.__held = { contexts: [], textures: 0, buffers: 0, worker: 0 }
  const get = HTMLCanvasElement.prototype.getContext
  HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
    const made = get.call(this, kind, ...rest)
    if (made && kind.startsWith('webgl') && !held.contexts.some((one) => one.deref() === made)) held.contexts.push(new WeakRef(made))
    return made
  }
  for (const [make, free, what] of [['createTexture', 'deleteTexture', 'textures'], ['createBuffer', 'deleteBuffer', 'buffers']]) {
    const prototype = WebGL2RenderingContext.prototype
    const [made, freed] = [prototype[make], prototype[free]]
    const own = new WeakMap()
    prototype[make] = function () {
      const one = made.call(this)
      if (one) {
        own.set(one, true)
        held[what] += 1
        this.__own = (this.__own ?? new Map()).set(what, (this.__own?.get(what) ?? 0) + 1)
      }
      return one
    }
    prototype[free] = function (one) {
      if (one && own.delete(one)) {
        held[what] -= 1
        this.__own?.set(what, this.__own.get(what) - 1)
      }
      return freed.call(this, one)
    }
  }
  window.__heldNow = () => {
    const alive = held.contexts.map((one) => one.deref()).filter((one) => one && !one.isContextLost())
    const sum = (what) => alive.reduce((total, one) => total + (one.__own?.get(what) ?? 0), 0)
    return { contexts: alive.length, textures: sum('textures'), buffers: sum('buffers') }
  }
  const late = window.__late = { gaps: [], tasks: [], draws: [], since: 0 }
  // A drawing is waited for where it is copied to the screen: all of that time is the graphics processor's, or its stand-in's.
  const copy = CanvasRenderingContext2D.prototype.drawImage
  CanvasRenderingContext2D.prototype.drawImage = function (...given) {
    const begun = performance.now()
    copy.apply(this, given)
    late.draws.push([performance.now(), performance.now() - begun])
  }
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) late.tasks.push([one.startTime, one.duration])
  }).observe({ type: 'longtask', buffered: true })
  let last = performance.now()
  const frame = () => {
    const now = performance.now()
    late.gaps.push([now, now - last])
    last = now
    requestAnimationFrame(frame)
  }
  requestAnimationFrame(frame)
})()"""


@dataclass
class Seat:
    """A reader before the viewer."""

    server: Server
    page: Page
    cdp: CDPSession
    study_pks: dict[str, int]

    def open(self, study_instance_uid: str) -> None:
        """Goes to the images of a study as a click does, without loading the page anew."""
        self.page.evaluate(
            "url => window.history.pushState({}, '', url)",
            f"/room/{self.study_pks[study_instance_uid]}/images",
        )

    def shown(self, pane: str = "a") -> None:
        """Waits until the pane draws a picture."""
        self.wait(f"[data-pane={pane}][data-state=shown]")

    def wait(self, selector: str, state: Literal["attached", "detached"] = "attached") -> None:
        """Waits for an element, and holds none: what Playwright hands out as an element is kept from being given back."""
        self.page.locator(selector).first.wait_for(state=state, timeout=PATIENCE_MS)

    def leave(self) -> None:
        """Back to the room, with no images on the screen."""
        self.page.evaluate("window.history.pushState({}, '', '/room')")
        self.wait("[data-testid=viewer]", "detached")


def _ways(folder: Path, *words: str) -> str:
    command = Path(sys.executable).parent / "wetread"
    environment = {**os.environ, "WETREAD_DATA": str(folder)}
    return subprocess.run(
        [command, *words], env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


@contextmanager
def seat(fill: Callable[[Server, Path], None]) -> Iterator[Seat]:
    """A server that `fill` has put studies on, and a technologist's browser at `/room`. All ends with the block."""
    with tempfile.TemporaryDirectory(prefix="wetread-bench-") as scratch:
        root = Path(scratch)
        server = servers.wetread(root / "wetread")
        try:
            fill(server, root)
            server.settle(90)
            _ways(root / "wetread", "user", "add", "room", "Room", "--role", "technologist")
            token = _ways(root / "wetread", "token", "add", "room", "bench")
            base = server.web.removesuffix("/dicom-web")
            headers = {"Authorization": f"Bearer {token}"}
            study_pks = _study_pks(base, headers)
            with sync_playwright() as playwright:
                chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
                try:
                    context = chromium.new_context(
                        viewport={"width": 1440, "height": 900}, extra_http_headers=headers
                    )
                    context.set_default_timeout(PATIENCE_MS)
                    context.add_init_script(_WATCH)
                    page = context.new_page()
                    page.on("pageerror", lambda error: print(f"The page complains: {error}", file=sys.stderr))
                    page.goto(f"{base}/room")
                    page.locator("nav").first.wait_for(timeout=PATIENCE_MS)
                    yield Seat(server, page, context.new_cdp_session(page), study_pks)
                finally:
                    chromium.close()
        finally:
            server.stop()


def _study_pks(base: str, headers: dict[str, str]) -> dict[str, int]:
    """Study Instance UID → study_pk of all studies on the server, which was empty before."""
    found: dict[str, int] = {}
    for study_pk in itertools.count(1):
        asked = urllib.request.Request(f"{base}/api/archive/studies/{study_pk}", headers=headers)
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                found[json.load(answer)["study_instance_uid"]] = study_pk
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return found
    return found
