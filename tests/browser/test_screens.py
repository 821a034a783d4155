"""Every screen in a real Chromium over a real server, in light, in dark and on a phone: no barrier, no error."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import pytest

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]

LOOKS: dict[str, dict[str, Any]] = {"light": {}, "dark": {"scheme": "dark"}, "phone": {"width": 390, "height": 844}}

#: Screens that together have every colour there is.
COLOURS = {"overview", "device", "control", "control-change"}


def paths(control: str) -> dict[str, str]:
    """Every screen by the name of its picture."""
    return {
        "overview": "/",
        "devices": "/devices",
        "device": "/devices/battery1",
        "groups": "/groups",
        "group": "/groups/fleet",
        "controls": "/controls",
        "control": f"/controls/{quote(control, safe='')}",
        "control-new": "/controls/new",
        "control-change": f"/controls/new?from={quote(control, safe='')}",
        "certificates": "/certificates",
        "trace": "/trace",
        "drivers": "/drivers",
        "performance": "/performance",
        "start": "/start",
        "alarms": "/alarms",
        "approvals": "/approvals",
        "login": "/login",
        "setup": "/setup",
        "account": "/account",
        "users": "/users",
        "tokens": "/tokens",
        "audit": "/audit",
        "not-found": "/devices/nobody",
    }


async def test_every_screen_in_every_look(stage: Any) -> None:
    barriers: list[str] = []
    async with stage(batteries=3, inverters=1) as on:
        async with on.world.utility() as utility:
            program, now = await utility.program("fleet"), time.time()
            await utility.post_target(program, 9_000.0, start=now, duration_s=120, now=now, title="evening discharge")
        control = (await on.world.page("/api/v1/controls"))["controls"][0]["id"]
        for look, options in LOOKS.items():
            page = await on.page(**options)
            await on.sign_in(page)
            for name, path in paths(control).items():
                if look == "dark" and name not in COLOURS:
                    continue
                answer = await page.goto(on.home + path)
                assert answer.status == (404 if name == "not-found" else 200), path
                assert "unsafe" not in answer.headers["content-security-policy"]
                assert await page.locator("h1").count() == 1
                wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert wide <= 0, f"{name} in {look} is {wide} px wider than the screen"
                barriers += [] if look == "phone" else await on.barriers(page)
                await on.shot(page, f"{name}-{look}")
            await page.context.close()
    assert not barriers
    assert not on.outside
    assert not [one for one in on.problems if "/devices/nobody" not in one]


async def test_the_overview_follows_a_control(stage: Any) -> None:
    async with stage(batteries=2, inverters=1) as on:
        page = await on.page()
        expect = _expect()
        await page.goto(on.home + "/")
        await expect(page.locator("#live")).to_have_attribute("data-state", "on", timeout=20_000)
        await expect(page.locator("h1")).to_contain_text("Nothing is asked of the fleet")
        async with on.world.utility() as utility:
            program, now = await utility.program("fleet"), time.time()
            await utility.post_target(program, 6_000.0, start=now, duration_s=90, now=now, title="seen on the page")
        await expect(page.locator("h1")).to_contain_text("The fleet follows", timeout=30_000)
        await expect(page.locator("#said")).to_contain_text("The fleet follows", timeout=20_000)
        await expect(page.locator(".plot canvas")).to_have_count(1)
        await expect(page.locator("main")).to_contain_text("seen on the page")
        await on.world.fault(0, "off")
        await expect(page.locator("#attention")).to_contain_text("battery1", timeout=30_000)
        await page.locator("#attention a").first.click()
        await expect(page.locator("h1")).to_contain_text("battery1")
        await expect(page.locator("main")).to_contain_text("Why it does not follow")
        await expect(page.locator("main")).to_contain_text("it does not answer")
    assert not on.problems
    assert not on.outside


async def test_pages_tell_the_same_without_javascript(stage: Any) -> None:
    async with stage(batteries=1, inverters=0) as on:
        page = await on.page(script=False)
        for path, said in (("/", "Nothing is asked"), ("/devices", "battery1"), ("/devices/battery1", "Identity")):
            await page.goto(on.home + path)
            assert said in await page.locator("main").inner_text()


async def test_keyboard_reaches_everything_in_order(stage: Any) -> None:
    async with stage(batteries=1, inverters=0) as on:
        page = await on.page()
        await page.goto(on.home + "/")
        await page.keyboard.press("Tab")
        focused = "document.activeElement.textContent.trim()"
        assert await page.evaluate(focused) == "Skip to the content"
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "main"
        seen = set()
        for _ in range(40):
            await page.keyboard.press("Tab")
            seen.add(await page.evaluate(focused))
        assert {"devices online", "New control"} <= seen
        await page.evaluate("document.getElementById('theme').focus()")
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.documentElement.dataset.theme") == "dark"
        await page.reload()
        assert await page.evaluate("document.documentElement.dataset.theme") == "dark"


def _expect() -> Any:
    playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    return playwright.expect
