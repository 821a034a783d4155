"""A newcomer in a real browser: the fleet follows the utility, is changed, let go; why one device did not respond."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]


async def test_a_newcomer_sees_changes_and_cancels_a_control_and_finds_out_why_one_device_is_silent(stage: Any) -> None:
    expect = pytest.importorskip("playwright.async_api", reason="playwright is not installed").expect
    async with stage(batteries=3, inverters=1) as on:
        page = await on.page()
        await on.sign_in(page)
        async with on.world.utility() as utility:
            program, now = await utility.program("fleet"), time.time()
            await utility.post_target(program, 9_000.0, start=now, duration_s=300, now=now, title="evening discharge")
        await expect(page.locator("h1")).to_contain_text("The fleet follows: 9.0", timeout=60_000)
        await on.shot(page, "story-follows")

        # Change it: what would happen is shown before anything is sent.
        await page.get_by_role("link", name="Change", exact=True).first.click()
        await expect(page.locator("#preview")).to_contain_text("It will run", timeout=60_000)
        await page.get_by_label("How much").fill("4")
        await expect(page.locator("#preview")).to_contain_text("is superseded", timeout=60_000)
        await expect(page.locator("#preview .figures")).to_contain_text("4.00", timeout=60_000)
        assert await page.locator("#preview tbody tr").count() == 4
        await on.shot(page, "story-preview")
        await page.get_by_role("button", name="Send").click()
        await page.wait_for_url(re.compile(r"/controls/op-"), timeout=60_000)
        await expect(page.locator("h1")).to_contain_text("active power 4.00")
        await page.goto(on.home + "/")
        await expect(page.locator("h1")).to_contain_text("The fleet follows: ", timeout=60_000)
        await expect(page.locator(".figure.requested b")).to_contain_text("4.00", timeout=60_000)

        # Why one device does not respond.
        await on.world.fault(1, "off")
        await expect(page.locator("#attention")).to_contain_text("battery2", timeout=60_000)
        await page.locator("#attention").get_by_role("link", name="battery2").click()
        await expect(page.locator("main")).to_contain_text("Why it does not follow")
        await expect(page.locator("main")).to_contain_text(re.compile("refused|timed out|no answer|does not answer"))
        await on.shot(page, "story-why")

        # Cancel what is left, ours and, where it outlasts ours, the utility's; the fleet is let go.
        cancelled = 0
        while True:
            await page.goto(on.home + "/")
            links = page.get_by_role("link", name="Cancel", exact=True)
            if await links.count() == 0:
                break
            cancelled += 1
            assert cancelled <= 2
            await links.first.click()
            await page.get_by_label("Reason").fill("seen enough")
            # The page follows the control and may say so before the answer to the form is there, which loads it anew.
            async with page.expect_navigation(timeout=60_000):
                await page.get_by_role("button", name="Cancel this control").click()
            await expect(page.locator("h1")).to_contain_text("cancelled", timeout=60_000)
        assert cancelled
        await expect(page.locator("h1")).to_contain_text("Nothing is asked of the fleet", timeout=60_000)
        await page.goto(on.home + "/audit")
        await expect(page.locator("main")).to_contain_text("control.cancel")
        await expect(page.locator("main")).to_contain_text("seen enough")

        # Out again: what changes something is not to be had any more.
        await page.get_by_text("admin", exact=True).first.click()
        await page.get_by_role("button", name="Sign out").click()
        await page.wait_for_url(on.home + "/login", timeout=60_000)
        answer = await page.goto(on.home + "/audit")
        assert "/login?next=/audit" in answer.url
    assert not on.problems
    assert not on.outside
