"""Asking, changing and cancelling from the pages."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from gridiface.domain.performance import LimitAccount

FORM = {"target": "group:fleet", "mode": "set_w", "value": "3", "minutes": "30", "priority": "50", "key": "k1"}


async def test_preview_shows_who_gets_what_and_changes_nothing(house: Any) -> None:
    status, text, _ = await house.ask("POST", "/controls/preview", scope="control", data=FORM)
    assert status == 200, text
    assert "It will run" in text
    assert "/controls/c1" in text
    assert "is superseded" in text or "rules over it" in text
    assert "cannot be asked" in text
    assert not house.inbox.controls
    status, text, _ = await house.ask("POST", "/controls/preview", scope="control", data=FORM | {"value": ""})
    assert status == 200
    assert "Fill in how much" in text


async def test_a_control_is_sent_once_however_often_the_form_is(house: Any) -> None:
    for _ in range(2):
        status, _, headers = await house.ask("POST", "/controls/new", scope="control", data=FORM, allow_redirects=False)
        assert status == 303
        assert headers["Location"].startswith("/controls/op-")
    assert len(house.inbox.controls) == 1
    assert house.inbox.controls[0].source.identity == "controler"


async def test_a_form_that_was_gone_back_to_and_changed_can_be_sent_again(house: Any) -> None:
    await house.ask("POST", "/controls/new", scope="control", data=FORM, allow_redirects=False)
    changed = FORM | {"value": "4"}
    status, text, _ = await house.ask("POST", "/controls/new", scope="control", data=changed)
    assert status == 422
    assert "this form was sent before, with other values" in text
    assert "Idempotency-Key" not in text
    assert len(house.inbox.controls) == 1
    (key,) = re.findall(r'name="key" value="(\w+)"', text)
    again = changed | {"key": key}
    status, _, _ = await house.ask("POST", "/controls/new", scope="control", data=again, allow_redirects=False)
    assert status == 303
    assert len(house.inbox.controls) == 2


async def test_a_refusal_stands_in_the_form_with_what_was_typed(house: Any) -> None:
    wrong = FORM | {"value": "much", "description": "<b>keep me</b>"}
    status, text, _ = await house.ask("POST", "/controls/new", scope="control", data=wrong)
    assert status == 422
    assert "Not sent" in text
    assert "&lt;b&gt;keep me&lt;/b&gt;" in text


async def test_own_controls_are_cancelled_and_others_only_on_purpose(house: Any) -> None:
    _, _, headers = await house.ask("POST", "/controls/new", scope="control", data=FORM, allow_redirects=False)
    place = headers["Location"]
    form = {"reason": "enough"}
    status, _, _ = await house.ask("POST", f"{place}/cancel", scope="control", data=form, allow_redirects=False)
    assert status == 303
    status, text, _ = await house.ask("POST", "/controls/c1/cancel", scope="control", data=form)
    assert status == 409
    assert "its sender is told" in text


async def test_every_link_of_a_control_whose_id_has_a_slash_leads_to_it(house: Any) -> None:
    """OpenADR's controls are named after vtnID, eventID and place; each part of such an id may have any sign."""
    name = "openadr/VTN 1/e?1#%2F/0/group:south~1795956081091"
    house.records.held[name] = replace(house.desk.status.controls()[0], id=name)
    page = "/controls/" + quote(name, safe="")
    status, text, _ = await house.ask("GET", page)
    assert status == 200, text
    parts = re.findall(r'hx-get="([^"]+)"', text)
    assert [part.partition("?")[0] for part in parts] == [f"/parts{page}"] * 2
    for part in parts:
        assert (await house.ask("GET", part))[0] == 200
    [cancel] = re.findall(r'action="(/controls/[^"]+/cancel)"', (await house.ask("GET", page, scope="control"))[1])
    status, text, _ = await house.ask("POST", cancel, scope="control", data={"reason": "enough"})
    assert (status, "its sender is told" in text) == (409, True)


async def test_readers_cannot_change_anything(house: Any) -> None:
    for path in ("/controls/new", "/controls/preview", "/controls/c1/cancel", "/devices/a/block"):
        assert (await house.ask("POST", path, data=FORM))[0] == 401
        assert (await house.ask("POST", path, scope="read", data=FORM))[0] == 403
    assert not house.inbox.controls


async def test_devices_are_blocked_and_unblocked(house: Any) -> None:
    for verb, blocked in (("block", True), ("unblock", False)):
        status, _, headers = await house.ask(
            "POST", f"/devices/a/{verb}", scope="control", data={"reason": "repair"}, allow_redirects=False
        )
        assert (status, headers["Location"]) == (303, "/devices/a")
        assert house.blocked["a"] is blocked


async def test_forms_are_bounded(house: Any) -> None:
    big = FORM | {"description": "x" * 300_000}
    assert (await house.ask("POST", "/controls/new", scope="control", data=big))[0] == 413
    status, _, _ = await house.ask("POST", "/controls/new", scope="control", json=FORM)
    assert status == 415
    twice = "target=a&target=b"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await house.ask("POST", "/controls/new", scope="control", data=twice, headers=form))[0] == 400


async def test_a_form_that_no_script_sends_carries_its_token_as_a_field(house: Any, signed_in: Any) -> None:
    browser, other = await signed_in(house, "operator"), await signed_in(house, "operator", "other")
    referrer = (await browser.ask("GET", "/healthz"))[2]["Referrer-Policy"]
    assert referrer == "same-origin", "with none, browsers give the form's origin as null"
    token, browser.csrf = browser.csrf, ""
    for csrf, wanted in ((token, 200), (other.csrf, 403), ("", 403)):
        status, text, _ = await browser.ask("POST", "/controls/preview", data=FORM | {"csrf": csrf})
        assert (status, "CSRF" in str(text)) == (wanted, wanted == 403)
    assert (await browser.ask("POST", "/controls/preview", json=FORM | {"csrf": token}))[0] == 403
    assert (await browser.ask("POST", "/api/v1/controls", data=FORM | {"csrf": token}))[0] == 403, "pages only"


async def test_the_page_of_a_control_says_how_its_limit_was_kept(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    [report] = house.desk.status.performance.report("c1")
    [interval] = report.intervals  # 5 s
    for limit, said in (
        (None, None),
        (LimitAccount(limit_w=4000.0), "nothing of its time is measured"),
        (LimitAccount(limit_w=4000.0, excess_w=0.0, over_s=0.0, peak_w=0.0), "4.00\u202fkW: kept."),
        (
            LimitAccount(limit_w=4000.0, excess_w=100.0, over_s=1.0, peak_w=500.0),
            "kept for 80\u202f% of the measured time, passed for 1\u202fs, by 500\u202fW at most",
        ),
    ):
        told = replace(report, intervals=(replace(interval, limit=limit),))
        monkeypatch.setattr(house.desk.status.performance, "report", lambda name, devices=True, told=told: [told])
        _, text, _ = await house.ask("GET", "/controls/c1")
        assert ("Limit" in text) == (said is not None)
        assert said is None or said in text


async def test_who_may_not_send_is_offered_nothing_and_told_which_role_may(house: Any, signed_in: Any) -> None:
    viewer, operator = await signed_in(house, "viewer"), await signed_in(house, "operator")
    for path in ("/", "/controls", "/controls/c1", "/groups/fleet"):
        offered = [(await one.ask("GET", path))[1] for one in (viewer, operator)]
        assert ["/controls/new" in text for text in offered] == [False, True], path
        assert "Cancel this control" not in offered[0]
    status, text, _ = await viewer.ask("GET", "/controls/new", headers={"Accept": "text/html"})
    assert status == 403
    assert "Sign in as a user with the role operator, engineer or admin" in text
    assert (await operator.ask("GET", "/controls/new"))[0] == 200
