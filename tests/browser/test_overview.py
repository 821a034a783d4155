"""The page in a real Chromium over a real server: it shows what happens and fetches nothing from outside."""

from __future__ import annotations

import shutil
import time

import pytest

from gridiface.simulation.world import World, WorldPlan

playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium"),
]


async def test_the_page_follows_a_control() -> None:
    problems: list[str] = []
    outside: list[str] = []
    async with (
        World(WorldPlan(batteries=2, inverters=1, page_port=0)) as world,
        playwright.async_playwright() as player,
    ):
        await world.start()
        home = f"http://127.0.0.1:{world.page_port}/"
        browser = await player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
        page.on("request", lambda asked: None if asked.url.startswith(home) else outside.append(asked.url))
        await page.goto(home)
        await page.wait_for_selector("#groups tr:nth-child(3)")
        async with world.utility() as utility:
            program = await utility.program("fleet")
            now = time.time()
            await utility.post_target(program, 6_000.0, start=now, duration_s=60, now=now, title="seen on the page")
        expect = playwright.expect
        await expect(page.locator("#controls")).to_contain_text("seen on the page", timeout=10_000)
        requested = page.locator("#groups tr:first-child td:nth-child(3)")
        await expect(requested).to_have_text("6.00", timeout=10_000)
        await expect(page.locator("#plot polyline.requested")).not_to_have_count(0, timeout=10_000)
        assert await page.locator("#devices tr").count() == 3
        await page.locator("#controls a").first.click()
        await expect(page.locator("h1")).to_have_text("seen on the page")
        await page.get_by_role("link", name="battery1", exact=True).click()
        await expect(page.locator("h1")).to_have_text("battery1")
        await expect(page.locator("main")).to_contain_text("Decisions")
        await page.get_by_role("link", name="back to the overview").click()
        await page.wait_for_selector("#groups tr:nth-child(3)")
        await browser.close()
    assert not problems
    assert not outside
