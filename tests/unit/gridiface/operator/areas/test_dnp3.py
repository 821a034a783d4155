"""DNP3 over REST: what is shown, what an operator sets, the audit of it, and names that are not there."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.operator.areas.dnp3 import Dnp3Area
from gridiface.operator.records.audit import newest
from gridiface.operator.rows.dnp3 import PointName

OUTSTATION = {"name": "gw", "address": 10, "target": "fleet", "points": 2, "masters": 1, "connected": 1}
ROOT = "/api/v1/dnp3"


def point(kind: str, index: int, name: str) -> dict[str, Any]:
    return {"type": kind, "index": index, "name": name, "unit": "MW", "value": 1.5, "flags": ["ONLINE"], "at": 1.0,
            "event_class": 1, "meaning": "w", "shown": None, "in_force": False, "blocked": None}  # fmt: skip


class Port:
    """One outstation; what is set is kept in `now`."""

    def __init__(self) -> None:
        self.now: dict[str, Any] = {"local": False, "blocked": {}}
        self.along: list[Any] = []
        self.peer: str | None = "192.0.2.1:4711"
        self.rows = [point("analog input", 0, "net power"), point("analog input", 7, "soc"),
                     point("analog output", 0, "MW set-point")]  # fmt: skip

    def outstations(self) -> list[Any]:
        return [{**OUTSTATION, **self.now}]

    def tags(self, outstation: str) -> Any:
        return self.now

    async def set_tags(self, outstation: str, tags: Any, *, along: Any) -> None:
        self.now, self.along = dict(tags), [*self.along, *along]

    def points(self, outstation: str, kind: str) -> list[Any]:
        return [PointName(r["type"], r["index"], r.get("name", ""), "") for r in self.rows if kind in {"", r["type"]}]

    def live(self, outstation: str, points: Any) -> list[Any]:
        wanted = {(one.type, one.index) for one in points}
        return [row for row in self.rows if (row["type"], row["index"]) in wanted]

    def masters(self, outstation: str) -> list[Any]:
        return [{"name": "iso", "address": 1, "peer": self.peer}]

    def commands(self, outstation: str, limit: int) -> list[Any]:
        return [{"at": 2.0, "status": "SUCCESS"}, {"at": 1.0, "status": "LOCAL"}][:limit]

    def endpoints(self) -> Any:
        return {"endpoints": [{"place": "127.0.0.1:20000"}], "notices": {"CommandDone": 2}}

    def frames(self, limit: int) -> list[str]:
        return [f"frame {number}" for number in range(5)][-limit:]

    def pcap(self) -> bytes:
        return b"pcap"

    def disconnect(self, outstation: str, master: str) -> bool:
        self.peer = None
        return True


@pytest.fixture
async def port() -> Port:
    return Port()


@pytest.fixture
async def house(make_house: Any, port: Port) -> Any:
    return await make_house(areas=lambda desk: [Dnp3Area(desk, port)])


async def got(house: Any, path: str) -> Any:
    status, body, *_ = await house.ask("GET", ROOT + path, scope="read")
    assert status == 200, body
    return body


async def test_what_is_shown(house: Any) -> None:
    assert (await got(house, "/outstations"))["outstations"][0]["name"] == "gw"
    assert (await got(house, "/outstations/gw"))["connected"] == 1
    assert (await got(house, "/outstations/gw/masters"))["masters"][0]["name"] == "iso"
    assert [one["at"] for one in (await got(house, "/outstations/gw/commands?limit=1"))["commands"]] == [2.0]
    assert (await got(house, "/endpoints"))["notices"] == {"CommandDone": 2}
    assert (await got(house, "/frames?limit=2"))["frames"] == ["frame 3", "frame 4"]


async def test_points_come_page_by_page_and_by_type(house: Any) -> None:
    first = await got(house, "/outstations/gw/points?limit=2")
    assert ([row["name"] for row in first["points"]], first["total"]) == (["net power", "soc"], 3)
    second = await got(house, f"/outstations/gw/points?limit=2&after={first['next']}")
    assert ([row["name"] for row in second["points"]], second["next"]) == (["MW set-point"], None)
    only = await got(house, "/outstations/gw/points?type=analog output")
    assert only["total"] == 1


async def test_local_mode_and_tags_are_set_taken_away_and_audited(house: Any, port: Port) -> None:
    async def done(path: str, **body: Any) -> Any:
        status, answer, *_ = await house.ask("POST", ROOT + "/outstations/gw" + path, scope="control", json=body)
        assert status == 200, answer
        return answer

    assert (await done("/local", local=True, reason="works"))["local"] is True
    assert (await done("/block", point="MW set-point", reason="tag 4711"))["blocked"] == {"MW set-point": "tag 4711"}
    assert (await done("/block", reason="all"))["blocked"] == {"MW set-point": "tag 4711", "": "all"}
    assert (await done("/unblock", point="MW set-point"))["blocked"] == {"": "all"}
    assert port.now == {"local": True, "blocked": {"": "all"}}
    assert len(port.along) == 4
    assert (await done("/masters/iso/disconnect", reason="half dead"))["peer"] is None
    (entry,) = [row for row in await newest(house.desk.records, 100) if row["what"] == "dnp3 disconnect"]
    assert (entry["subject"], entry["reason"], entry["before"]) == ("gw/iso", "half dead", {"peer": "192.0.2.1:4711"})


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/outstations/other/local", {"local": True}),
        ("/outstations/gw/block", {"point": "net power"}),
        ("/outstations/gw/unblock", {"point": "MW set-point"}),
        ("/outstations/gw/masters/dso/disconnect", {}),
    ],
)
async def test_what_is_not_there_is_404_and_nothing_changes(house: Any, port: Port, path: str, body: Any) -> None:
    status, answer, *_ = await house.ask("POST", ROOT + path, scope="control", json=body)
    assert status == 404
    assert answer["fix"]
    assert port.now == {"local": False, "blocked": {}}


async def test_unknown_outstations_are_404(house: Any) -> None:
    for path in ("", "/points", "/masters", "/commands"):
        assert (await house.ask("GET", f"{ROOT}/outstations/other{path}", scope="read"))[0] == 404


async def test_the_capture_is_a_file(house: Any) -> None:
    answer = await house.ask("GET", f"{ROOT}/frames.pcap", scope="read")
    assert answer[0] == 200
