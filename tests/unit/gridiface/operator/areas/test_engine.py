"""Quarantine and strategies over REST: what is shown, what is done, its audit, and names that are not there."""

import pytest

from gridiface.errors import ConfigError
from gridiface.operator.areas.engine import EngineArea


class Port:
    """A small engine: one group, its strategy, and who is quarantined."""

    def __init__(self):
        self.out, self.strategy, self.along = [], ("water-filling", False), []

    def quarantined(self):
        return sorted(self.out)

    def strategies(self):
        return ("merit-order", "water-filling")

    def chosen(self):
        return {"feeder": self.strategy}

    async def quarantine(self, device_id, now, *, reason, along):
        self.along += along
        fresh = device_id not in self.out
        self.out = sorted({*self.out, device_id})
        return fresh

    async def release(self, device_id, now, *, reason, along):
        known = device_id in self.out
        self.along += along if known else []
        self.out = [one for one in self.out if one != device_id]
        return known

    async def choose(self, group_id, name, now, *, along):
        if name not in (None, "merit-order"):
            raise ConfigError(f"no allocation strategy is called {name!r}")
        self.strategy = (name or "water-filling", name is not None)
        self.along += along


@pytest.fixture
def port():
    return Port()


@pytest.fixture
async def house(make_house, port):
    return await make_house(areas=lambda desk: [EngineArea(desk, port)])


async def done(house, method, path, scope="control", **body):
    status, answer, *_ = await house.ask(method, "/api/v1" + path, scope=scope, json=body)
    return status, answer


async def shown(house, path):
    status, answer, *_ = await house.ask("GET", "/api/v1" + path, scope="read")
    assert status == 200, answer
    return answer


async def test_quarantine_and_release(house, port):
    assert await done(house, "POST", "/devices/a/quarantine", reason="odd") == (200, {"devices": ["a"]})
    assert await shown(house, "/engine/quarantine") == {"devices": ["a"]}
    assert await done(house, "POST", "/devices/a/release", reason="mended") == (200, {"devices": []})
    assert len(port.along) == 2
    assert (await done(house, "POST", "/devices/nobody/release"))[0] == 404


async def test_strategies_are_shown_chosen_and_given_back(house, port):
    assert (await shown(house, "/engine/strategies"))["known"] == ["merit-order", "water-filling"]
    status, body = await done(house, "PUT", "/groups/feeder/strategy", "configure", strategy="merit-order")
    assert (status, body["groups"]) == (200, [{"group": "feeder", "strategy": "merit-order", "chosen": True}])
    status, body = await done(house, "PUT", "/groups/feeder/strategy", "configure", strategy=None)
    assert body["groups"][0]["chosen"] is False
    assert len(port.along) == 2
    assert (await done(house, "PUT", "/groups/feeder/strategy", "configure", strategy="best"))[0] == 422
    assert (await done(house, "PUT", "/groups/nowhere/strategy", "configure", strategy="merit-order"))[0] == 404
    assert (await done(house, "PUT", "/groups/feeder/strategy", "control", strategy="merit-order"))[0] == 403


async def test_decisions_are_searched(house):
    await shown(house, "/decisions?verdict=shortfall&text=held&source=sep2&start=5")
    search = house.records.searched
    assert (search.verdict, search.text, search.source, search.start) == ("shortfall", "held", "sep2", 5.0)
    assert (search.target, search.signal, search.end) == (None, None, None)
    row = (await shown(house, "/decisions"))["decisions"][0]
    assert {"signal", "source", "priority", "verdict", "reason"} <= set(row)
