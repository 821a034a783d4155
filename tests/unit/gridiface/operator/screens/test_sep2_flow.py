"""The pages of flow reservation: the list, and the form that answers one, as a browser without JavaScript sends it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gridiface.errors import RemoteProtocolError
from gridiface.operator.areas.sep2_flow import Sep2FlowArea

PATH = "/edev/3/frq/1"
FORM = "/sep2/flow/answer?href=/edev/3/frq/1"


class Port:
    """One request, whose answers follow what is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.state, self.grants = "waits", list[dict[str, Any]]()
        self.refuses = ""

    def row(self) -> dict[str, Any]:
        return {"path": PATH, "lfdi": "AB" * 20, "device": "car", "mrid": "F1", "description": "night <b>",
                "start": 1_795_900_000, "duration": 7200, "wanted_s": 3600, "energy_wh": 5000.0, "power_w": 2500.0,
                "state": self.state, "grants": self.grants}  # fmt: skip

    def find_flow_requests(self, text: str, start: int, limit: int) -> tuple[list[dict[str, Any]], int]:
        return ([self.row()], 1) if text in "car" else ([], 0)

    def flow_request(self, path: str) -> dict[str, Any]:
        if path != PATH:
            raise RemoteProtocolError("nothing is there", answer=404)
        return self.row()

    async def answer_flow(self, path: str, asked: Any, *, by: str, along: Any) -> dict[str, Any]:
        if self.refuses:
            raise RemoteProtocolError(self.refuses, answer=409)
        self.asked.append((path, {name: value for name, value in asked.items() if value}, by))
        self.state = "refused" if asked["refuse"] else "granted"
        energy = 0.0 if asked["refuse"] else 5000.0
        self.grants = [{"path": "/edev/3/frp/1", "status": 0, "start": 1_795_900_000, "duration": 3600,
                        "energy_wh": energy, "power_w": 2500.0}]  # fmt: skip
        return self.row()

    async def cancel_flow(self, path: str, *, reason: str, along: Any) -> dict[str, Any]:
        self.asked.append((path, reason))
        self.state = "cancelled"
        return self.row()


@pytest.fixture
async def made(make_house: Any, signed_in: Any) -> tuple[Port, Callable[[str], Any]]:
    """The port, and who signs in as what."""
    port = Port()
    house = await make_house(areas=lambda _: [Sep2FlowArea(port)])

    async def browser(role: str) -> Any:
        return await signed_in(house, role)

    return port, browser


async def test_requests_are_listed_with_what_is_granted_and_searched(made: Any) -> None:
    _, sign_in = made
    browser = await sign_in("operator")
    status, text, _ = await browser.ask("GET", "/sep2/flow")
    assert status == 200
    for said in ("night &lt;b&gt;", "car", PATH, "waits", "1–1 of 1"):
        assert said in text, said
    assert "No request fits" in (await browser.ask("GET", "/sep2/flow?q=bus"))[1]
    assert (await browser.ask("GET", "/sep2/flow/answer?href=/edev/3/frq/9"))[0] == 404


async def test_a_request_is_granted_in_part_then_cancelled_then_refused(made: Any) -> None:
    port, sign_in = made
    browser = await sign_in("operator")
    fields = {"href": PATH, "power_w": "1500", "energy_wh": "", "start": "2026-11-29T10:00", "zone": "UTC",
              "minutes": "30", "reason": "street"}  # fmt: skip
    status, text, headers = await browser.ask("POST", "/sep2/flow/answer", data=fields, allow_redirects=False)
    assert (status, headers.get("Location")) == (303, FORM), text
    path, asked, by = port.asked.pop()
    assert (path, asked["power_w"], asked["duration"], asked["start"]) == (PATH, 1500.0, 1800, 1_795_946_400)
    assert by
    text = (await browser.ask("GET", FORM))[1]
    for said in ("Cancel the grant", "/edev/3/frp/1", "Answer it anew"):
        assert said in text, said
    given = {"href": PATH, "reason": "full"}
    assert (await browser.ask("POST", "/sep2/flow/cancel", data=given, allow_redirects=False))[0] == 303
    assert port.asked.pop() == (PATH, "full")
    given = {"href": PATH, "power_w": "77", "refuse": "1"}
    assert (await browser.ask("POST", "/sep2/flow/answer", data=given, allow_redirects=False))[0] == 303
    assert port.asked.pop()[1] == {"refuse": True}
    assert "refused" in (await browser.ask("GET", FORM))[1]


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"power_w": "much"}, "no number"), ({"power_w": "-1"}, "greater than 0"), ({"start": "soon"}, "no date")],
)
async def test_what_is_not_right_is_told_at_its_field(made: Any, fields: dict[str, str], said: str) -> None:
    port, sign_in = made
    browser = await sign_in("operator")
    status, text, _ = await browser.ask("POST", "/sep2/flow/answer", data={"href": PATH, **fields})
    assert status == 422
    assert said in text
    assert f'id="{next(iter(fields))}-fault"' in text
    assert port.asked == []


async def test_what_the_server_refuses_is_told_in_the_form(made: Any) -> None:
    port, sign_in = made
    browser = await sign_in("operator")
    port.refuses = "the time that was asked for is over"
    status, text, _ = await browser.ask("POST", "/sep2/flow/answer", data={"href": PATH, "power_w": "9"})
    assert status == 409
    assert "the time that was asked for is over" in text
    assert 'value="9"' in text


async def test_who_may_only_read_is_offered_nothing(made: Any) -> None:
    port, sign_in = made
    browser = await sign_in("viewer")
    text = (await browser.ask("GET", FORM))[1]
    assert "/sep2/flow/answer" not in text.replace(FORM, "")
    for path in ("/sep2/flow/answer", "/sep2/flow/cancel"):
        assert (await browser.ask("POST", path, data={"href": PATH}))[0] == 403
    assert port.asked == []
