"""Sessions with utilities' servers over REST: shown, paged, read anew with an audit entry, unknown names."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.operator.areas.sep2_upstreams import Sep2UpstreamsArea

ROOT = "/api/v1/sep2/upstreams"


class Port:
    """Two sessions."""

    def __init__(self) -> None:
        self.polled: list[str] = []
        self.along: list[Any] = []

    def status(self) -> list[Any]:
        return [{"name": "east", "state": "connected"}, {"name": "west", "state": "unreachable"}]

    def resources(self, name: str) -> list[Any]:
        return [{"href": f"/edev/{n}", "resource": "EndDevice"} for n in range(5)]

    def events(self, name: str) -> list[Any]:
        return [{"begins": begins, "mRID": "AA", "lfdi": "B"} for begins in (90.0, 1000.0, 5.0)]

    async def poll(self, name: str, now: float, *, along: Any) -> None:
        self.polled.append(name)
        self.along += along


@pytest.fixture
async def port() -> Port:
    return Port()


@pytest.fixture
async def house(make_house: Any, port: Port) -> Any:
    return await make_house(areas=lambda desk: [Sep2UpstreamsArea(desk, port)])


async def got(house: Any, path: str, expected: int = 200) -> Any:
    status, body, *_ = await house.ask("GET", ROOT + path, scope="read")
    assert status == expected, body
    return body


async def test_sessions_are_listed_and_shown(house: Any) -> None:
    assert [row["name"] for row in (await got(house, ""))["upstreams"]] == ["east", "west"]
    assert (await got(house, "/west"))["state"] == "unreachable"
    for path in ("/north", "/north/resources", "/north/events"):
        assert (await got(house, path, 404))["fix"]


async def test_resources_and_events_come_in_pages(house: Any) -> None:
    body = await got(house, "/east/resources?limit=3")
    assert ([row["href"] for row in body["resources"]], body["total"]) == (["/edev/0", "/edev/1", "/edev/2"], 5)
    rest = await got(house, f"/east/resources?limit=3&after={body['next']}")
    assert ([row["href"] for row in rest["resources"]], rest["next"]) == (["/edev/3", "/edev/4"], None)
    body = await got(house, "/east/events?limit=2")
    assert [row["begins"] for row in body["events"]] == [5.0, 90.0]
    rest = await got(house, f"/east/events?after={body['next']}")
    assert [row["begins"] for row in rest["events"]] == [1000.0]


async def test_reading_anew_is_audited(house: Any, port: Port) -> None:
    form = {"reason": "corrected"}
    status, body, *_ = await house.ask("POST", f"{ROOT}/east/poll", scope="control", json=form)
    assert (status, body["name"], port.polled) == (200, "east", ["east"])
    assert b"corrected" in port.along[0].body
    status, *_ = await house.ask("POST", f"{ROOT}/north/poll", scope="control", json=form)
    assert (status, port.polled) == (404, ["east"])
