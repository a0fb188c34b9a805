"""Takes pictures of screens of a running Wetread, by role and size, for people to look at.

    python tools/shots.py --url http://127.0.0.1:8080 --credentials DATA/demo-credentials.json --out shots \
        front_desk:/desk admin:/system,/users radiologist:/reading@reading

A route may end in `@desk` or `@reading` to force that light. Sizes: desk 1440x900, tablet 1024x768 (touch),
phone 390x844 (touch). Console errors and failed requests are printed; the exit code is 1 where there were any.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
]
SIZES = {"desk": (1440, 900, False), "tablet": (1024, 768, True), "phone": (390, 844, True)}


def sign_in(page: Page, url: str, account: dict[str, str]) -> None:
    """Signs in as a person does and waits for the frame."""
    page.goto(f"{url}/sign-in")
    page.get_by_label("User name").fill(account["username"])
    page.get_by_label("Password").fill(account["password"])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("navigation", name="Places").wait_for()


def settle(page: Page) -> None:
    """Waits until nothing is being fetched. Live streams never end, so quiet is judged by the screen."""
    page.wait_for_timeout(400)
    for _ in range(40):
        if page.locator("[role=status][aria-label=Loading]").count() == 0:
            break
        page.wait_for_timeout(150)
    page.wait_for_timeout(400)


def picture(
    browser: Browser, url: str, account: dict[str, str] | None, routes: list[str], size: str, out: Path
) -> list[str]:
    """One role at one size; returns what the console complained of."""
    width, height, touch = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, has_touch=touch, is_mobile=touch
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda entry: complaints.append(entry.text) if entry.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    name = "guest"
    if account:
        sign_in(page, url, account)
        name = account["role"]
        complaints.clear()  # the 401 that says nobody is signed in yet
    for entry in routes:
        route, _, light = entry.partition("@")
        if light:
            page.evaluate("light => localStorage.setItem('wetread:light', JSON.stringify(light))", light)
        page.goto(url + route)
        settle(page)
        plain = re.sub(r"[^a-z0-9]+", "-", route.lower()).strip("-") or "home"
        page.screenshot(path=out / f"{name}-{plain}{'-' + light if light else ''}-{size}.png")
    context.close()
    return [f"{name} {size}: {complaint}" for complaint in complaints]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--credentials", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("shots"))
    parser.add_argument("--sizes", default="desk,tablet,phone")
    parser.add_argument("plan", nargs="+", help="role:/route,/route (role `guest` is not signed in)")
    options = parser.parse_args()
    accounts = {entry["role"]: entry for entry in json.loads(options.credentials.read_text())}
    options.out.mkdir(parents=True, exist_ok=True)
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for entry in options.plan:
            role, _, routes = entry.partition(":")
            for size in options.sizes.split(","):
                complaints += picture(
                    browser, options.url, accounts.get(role), routes.split(","), size, options.out
                )
        browser.close()
    print("\n".join(complaints))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
