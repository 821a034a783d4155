"""A running world seen by a real Chromium, and what every page must hold: nothing from outside, no barrier."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gridiface.simulation.scada import OUTSTATION
from gridiface.simulation.world import World, WorldPlan

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium")

#: Chromium asks nobody for anything; as root it needs --no-sandbox.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

#: Where pictures for the documentation go; none: they are not taken. See docs/developer/testing.md.
SHOTS = os.environ.get("GRIDIFACE_SHOTS")


@dataclass
class Stage:
    """A world and a browser. `problems` and `outside` collect what must stay empty; `reader`: a page, signed in."""

    world: World
    browser: Any
    home: str
    axe: str
    problems: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    reader: Any = None

    async def page(
        self, *, width: int = 1440, height: int = 900, script: bool = True, signed_in: Any | None = None
    ) -> Any:
        """A new reader; with the cookies of another page's where that is given."""
        context = await self.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="light",
            timezone_id="Europe/Berlin",
            locale="en-GB",
            java_script_enabled=script,
        )
        if signed_in is not None:
            await context.add_cookies(await signed_in.context.cookies())
        page = await context.new_page()
        page.on("pageerror", lambda error: self.problems.append(f"{page.url}: {error}"))
        page.on("console", lambda line: self._line(page, line))
        page.on("request", lambda asked: self._asked(asked.url))
        return page

    def _line(self, page: Any, line: Any) -> None:
        if line.type == "error":
            self.problems.append(f"{page.url}: {line.text}")

    def _asked(self, url: str) -> None:
        if not url.startswith((self.home, "data:")):
            self.outside.append(url)

    async def sign_in(self, page: Any) -> None:
        """As the demo's reader does: by its link and one press of a button."""
        await page.goto(self.world.sign_in_link)
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(self.home + "/", timeout=60_000)

    async def barriers(self, page: Any, *, colours_only: bool = False) -> list[str]:
        """What axe-core finds of serious or critical impact; it is put in by the debugger, past the page's CSP.

        Args:
            page: as it is now.
            colours_only: look at what a page has to hold anew in each theme; all else is the same in both.
        """
        options: dict[str, Any] = {"resultTypes": ["violations"]}
        if colours_only:
            options["runOnly"] = ["color-contrast", "link-in-text-block"]
        session = await page.context.new_cdp_session(page)
        known = await session.send("Runtime.evaluate", {"expression": "typeof axe"})
        if known["result"]["value"] == "undefined":
            await session.send("Runtime.evaluate", {"expression": self.axe})
        asked = f"axe.run(document, {json.dumps(options)}).then(found => JSON.stringify(found.violations))"
        answer = await session.send("Runtime.evaluate", {"expression": asked, "awaitPromise": True})
        await session.detach()
        found = json.loads(answer["result"]["value"])
        return [
            f"{page.url}: {one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
            for one in found
            if one["impact"] in {"serious", "critical"}
        ]

    async def api(self, page: Any, path: str, body: Any, *, status: int = 201, verb: str = "POST") -> Any:
        """Send to the API as the reader of a page, who has signed in."""
        asked = """async ([path, body, method]) => {
          const headers = {"Content-Type": "application/json", "X-CSRF-Token": document.body.dataset.csrf};
          const answer = await fetch(path, {method, headers, body: JSON.stringify(body)});
          return [answer.status, await answer.json()];
        }"""
        found, said = await page.evaluate(asked, ["/api/v1" + path, body, verb])
        assert found == status, said
        return said

    async def api_get(self, page: Any, path: str) -> Any:
        """GET from the API as the reader of a page."""
        return await page.evaluate("async (path) => await (await fetch(path)).json()", "/api/v1" + path)

    async def shot(self, page: Any, name: str) -> None:
        """A picture for the documentation, where such are wanted."""
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            await page.screenshot(path=Path(SHOTS) / f"{name}.png")


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, from the locked npm packages; installed once into .cache, by one worker of many."""
    lock = (ROOT / "package-lock.json").read_bytes()
    source = ROOT / ".cache" / "axe" / f"{hashlib.sha256(lock).hexdigest()[:16]}.min.js"
    source.parent.mkdir(parents=True, exist_ok=True)
    with (source.parent / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not source.exists():
            _install_axe(source)
        return source.read_text(encoding="utf-8")


def _install_axe(source: Path) -> None:
    """Install the locked packages in a temporary folder; the file appears whole or not at all."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm on this machine: axe-core cannot be installed")
    options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    with tempfile.TemporaryDirectory(prefix="npm-", dir=source.parent) as name:
        folder = Path(name)
        for part in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / part, folder / part)
        done = subprocess.run([npm, *options], cwd=folder, check=False, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        (folder / "node_modules" / "axe-core" / "axe.min.js").replace(source)


@pytest.fixture(scope="module")
def everything() -> dict[str, Any]:
    """Blocks of a configuration in which every protocol runs, in both roles; its own VTN is the utility's."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    member = {"device": "site-a", "resource": "site", "signals": ["setpoint"], "rated_load_w": 20_000}
    own = {
        "name": "program",
        "url": f"http://127.0.0.1:{port}",
        "ven_id": "VEN-A",
        "programs": [{"market_context": "http://utility.example/dr", "group": "south"}],
        "resources": [{"id": "site", "group": "south"}],
    }
    vtn = {"listen": f"127.0.0.1:{port}", "vens": [{"ven_id": "VEN-A", "members": [member]}]}
    tls = {"certificate": "pki/utility.pem", "key": "pki/utility.key", "roots": ["pki/serca.pem"]}
    upstream = {"name": "utility-east", "url": "https://127.0.0.1:1/dcap", "tls": tls, "all_devices": True}
    return {"dnp3": OUTSTATION, "openadr": {"vtn": vtn, "vens": [own]}, "upstreams": [upstream]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world_stage(axe: str, plan: dict[str, Any]) -> AsyncIterator[Stage]:
    """A world by the module's `plan` and a browser, both for all tests of the module: each takes seconds to start."""
    playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium: apt-get install chromium")
    async with World(WorldPlan(page_port=0, **plan)) as world, playwright.async_playwright() as player:
        await world.start()
        browser = await player.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield Stage(world, browser, f"http://127.0.0.1:{world.page_port}", axe)
        finally:
            await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def on(world_stage: Stage) -> AsyncIterator[Stage]:
    """The module's stage with nothing noted yet; its readers leave with the test."""
    world_stage.problems.clear()
    world_stage.outside.clear()
    yield world_stage
    for context in world_stage.browser.contexts:
        await context.close()
    assert not world_stage.outside
