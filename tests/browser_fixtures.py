"""Debian's Chromium, drawing without a graphics processor."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-background-networking",
    # WebGL is drawn by SwiftShader, as it must. Pages, their putting together and plain canvases are drawn several
    # times quicker by the browser's own code; Debian's settings would have SwiftShader paint those as well.
    "--disable-gpu-rasterization",
    "--disable-gpu-compositing",
    "--disable-accelerated-2d-canvas",
]
CASES = Path(__file__).parent / "flow"


# Not for the whole run: while Playwright stands, no other one may begin in the process, nor an event loop.
@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Cases are played in the browser that people have; single screens and pictures in the same without its window, which
    costs a second of work for each page, where that is installed."""
    windowless = None if request.path.is_relative_to(CASES) else shutil.which("chromium-headless-shell")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=windowless or "/usr/bin/chromium", args=CHROMIUM
        )
        yield chromium
        chromium.close()
