"""DNP3 has pages where it runs, and none where it does not."""

from __future__ import annotations

from typing import Any

from gridiface.operator.areas.dnp3 import Dnp3Area
from gridiface.operator.rows.dnp3 import PointName

OUTSTATION = {
    "name": "main",
    "address": 10,
    "target": "fleet",
    "points": 1,
    "masters": 1,
    "connected": 1,
    "trouble": False,
    "local": False,
    "blocked": {},
}
POINT = {
    "type": "analog input",
    "index": 0,
    "name": "net power",
    "unit": "kW",
    "value": 79.8,
    "flags": ["ONLINE"],
    "at": 99.0,
    "event_class": 2,
    "meaning": "W of the fleet",
    "shown": None,
    "in_force": False,
    "blocked": None,
}
MASTER = {
    "name": "iso",
    "address": 1,
    "authority": 250.0,
    "may_control": True,
    "connected": True,
    "peer": "127.0.0.1",
    "heard": 99.0,
    "restart_seen": True,
    "enabled": [1],
    "buffers": [{"event_class": 1, "waiting": 3, "unconfirmed": 1}],
    "dropped": 0,
    "overflow": False,
    "clock_offset_ms": None,
    "secure": False,
}
COMMAND = {
    "at": 98.0,
    "master": "iso",
    "how": "direct operate",
    "group": 41,
    "index": 0,
    "point": "MW set-point",
    "value": 5.0,
    "code": None,
    "status": "SUCCESS",
}


class Dnp3:
    """A port with one of everything."""

    def outstations(self) -> list[Any]:
        return [OUTSTATION]

    def all(self) -> list[Any]:
        return [POINT]

    def points(self, outstation: str, kind: str) -> list[Any]:
        rows = [row for row in self.all() if kind in {"", row["type"]}]
        return [PointName(row["type"], row["index"], row["name"], row["meaning"]) for row in rows]

    def live(self, outstation: str, points: Any) -> list[Any]:
        self.asked = len(points)
        wanted = {(one.type, one.index) for one in points}
        return [row for row in self.all() if (row["type"], row["index"]) in wanted]

    def masters(self, outstation: str) -> list[Any]:
        return [MASTER]

    def commands(self, outstation: str, limit: int) -> list[Any]:
        return [COMMAND]

    def endpoints(self) -> Any:
        session = {"peer": "127.0.0.1:1", "since": 1.0, "heard": 2.0, "masters": ["iso"]}
        row = {"place": "127.0.0.1", "transport": "tcp", "mode": "listen", "port": 20000, "sessions": [session]}
        return {"endpoints": [row], "notices": {"bad_crc": 2}}


async def test_what_does_not_run_has_no_page_and_no_line_in_the_menu(house: Any) -> None:
    for path in ("/dnp3", "/openadr", "/sep2"):
        assert (await house.ask("GET", path))[0] == 404
    _, text, _ = await house.ask("GET", "/")
    assert 'href="/dnp3"' not in text


async def test_points_masters_buffers_and_commands_of_an_outstation(make_house: Any) -> None:
    dnp3: Any = Dnp3()
    house = await make_house(areas=lambda desk: [Dnp3Area(desk, dnp3)])
    status, text, _ = await house.ask("GET", "/dnp3")
    assert status == 200, text
    assert 'href="/dnp3/main"' in text
    for path in ("/dnp3/main", "/parts/dnp3/main"):
        status, text, _ = await house.ask("GET", path)
        assert status == 200, text
        for said in ("net power", "79.8 kW", "iso", "class 1: 3 (1 unconfirmed)", "direct operate", "SUCCESS"):
            assert said in text
    assert (await house.ask("GET", "/dnp3/other"))[0] == 404


async def test_points_are_searched_and_paged(make_house: Any) -> None:
    class Many(Dnp3):
        def all(self) -> list[Any]:
            rows = [{**POINT, "index": n, "name": f"power of bay {n}"} for n in range(150)]
            switch = {**POINT, "type": "binary output", "name": "breaker", "value": 1.0, "blocked": "works"}
            return [*rows, switch]

    port: Any = Many()
    house = await make_house(areas=lambda desk: [Dnp3Area(desk, port)])
    _, text, _ = await house.ask("GET", "/dnp3/main?page=2")
    assert "power of bay 60" in text
    assert "61–120 of 151" in text
    assert port.asked == 60
    _, text, _ = await house.ask("GET", "/parts/dnp3/main?q=BAY+149")
    assert "power of bay 149" in text
    assert "1–1 of 1" in text
    _, text, _ = await house.ask("GET", "/dnp3/main?type=binary+output", scope="control")
    assert "power of bay" not in text
    assert "works" in text
    assert ">on<" in text.replace(" ", "")
