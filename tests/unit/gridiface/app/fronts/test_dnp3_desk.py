"""The DNP3 desk over a real adapter: points, masters with buffers, commands, connections, tags."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gridiface.app.fronts.dnp3_desk import Dnp3Desk, flag_names
from gridiface.domain.changes import PutDocument
from gridiface.domain.controls import Acceptance, Target, TargetKind, Verdict
from gridiface.domain.telemetry import Snapshot
from gridiface.errors import ConfigError
from gridiface.northbound.dnp3.pointmap.points import PointMap
from gridiface.northbound.dnp3.profiles import profile
from gridiface.northbound.dnp3.server import Dnp3Server
from gridiface.northbound.dnp3.settings import Dnp3Settings, EndpointSettings, MasterEntry, StationSettings
from gridiface.protocols.dnp3.controls import AnalogOutput
from gridiface.protocols.dnp3.master.settings import MasterSettings
from gridiface.protocols.dnp3.points import PointType
from gridiface.simulation.dnp3.client import MasterClient

NOW = 1.7e9


class House:
    """Clock and ports in one."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def now(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return NOW

    async def commit(self, changes: Any) -> None:
        self.kept += changes

    async def documents(self, space: str) -> list[Any]:
        return []

    async def controls(self, *, live_after: Any = None) -> list[Any]:
        return []

    def preview(self, control: Any, now: float, *, noted=False) -> Acceptance:
        return Acceptance(control_id=control.id, verdict=Verdict.ACCEPTED)

    async def submit(self, control: Any, now: float, *, along: Any = ()) -> Acceptance:
        return self.preview(control, now)

    def device(self, device_id: str) -> None:
        return None

    def group(self, group_id: str) -> None:
        return None

    def members(self, group_id: str) -> list[str]:
        return []

    def snapshot(self, target: Target) -> Snapshot:
        return Snapshot(device_id="fleet", source_time=NOW, received=NOW, w=1.25e6, soc=float("nan"))


@pytest.fixture
async def server() -> Any:
    house: Any = House()
    station = StationSettings(
        name="gw",
        address=10,
        target=Target(TargetKind.GROUP, "fleet"),
        points=PointMap(profile("iso-gateway")),
        masters=(MasterEntry(name="iso", address=1), MasterEntry(name="dso", address=2, may_control=False)),
    )
    settings = Dnp3Settings(stations=(station,), endpoints=(EndpointSettings(port=0),))
    made = Dnp3Server(settings, clock=house, inbox=house, ledger=house, fleet=house, history=house)
    await made.start()
    yield SimpleNamespace(server=made, house=house, desk=Dnp3Desk(made))
    await made.stop()


async def test_what_is_there(server: Any) -> None:
    desk = server.desk
    (row,) = desk.outstations()
    assert (row["name"], row["address"], row["target"], row["masters"], row["connected"]) == ("gw", 10, "fleet", 2, 0)
    points = desk.live("gw", desk.points("gw", ""))
    assert len(points) == row["points"]
    power = desk.live("gw", desk.points("gw", "analog input"))[0]
    assert (power["name"], power["value"], power["flags"], power["at"]) == ("net power", 1.25, ["ONLINE"], NOW)
    assert desk.points("gw", "counter") == []
    iso, dso = desk.masters("gw")
    assert (iso["connected"], iso["peer"], iso["restart_seen"], dso["may_control"]) == (False, None, False, False)
    assert iso["buffers"][0]["waiting"] > 0
    assert iso["clock_offset_ms"] is None
    with pytest.raises(ConfigError):
        desk.points("other", "")


async def test_a_master_a_command_and_a_tag(server: Any) -> None:
    desk = server.desk
    settings = MasterSettings(1, 10, enable_classes=())
    async with MasterClient(settings, "127.0.0.1", server.server.port) as master:
        await master.until(lambda: "integrity poll" in master.done)
        await master.operate(0, AnalogOutput(2.5))
        iso = desk.masters("gw")[0]
        assert iso["connected"] is True
        assert iso["peer"].startswith("127.0.0.1:")
        assert [one["waiting"] for one in iso["buffers"]][1] == 0
        (endpoint,) = desk.endpoints()["endpoints"]
        (session,) = endpoint["sessions"]
        assert (session["masters"], endpoint["counters"]["admitted"]) == (["iso"], 1)
        (command,) = desk.commands("gw", 10)
        assert (command["point"], command["value"], command["status"]) == ("MW set-point", 2.5, "SUCCESS")
        output = next(
            one for one in desk.live("gw", desk.points("gw", "analog output")) if one["name"] == "MW set-point"
        )
        assert (output["value"], output["shown"], output["in_force"], output["blocked"]) == (2.5, 2.5, True, None)
        audit = PutDocument("operator/audit", "1", b"{}")
        await desk.set_tags("gw", {"local": True, "blocked": {"": "all"}}, along=[audit])
        assert server.house.kept[-1] is audit
        assert desk.outstations()[0]["local"] is True
        assert all(one["blocked"] == "all" for one in desk.live("gw", desk.points("gw", "analog output")))
        assert any("DIRECT_OPERATE" in line for line in desk.frames(100))
        assert len(desk.frames(2)) == 2
        assert desk.pcap()[:4] == b"\xd4\xc3\xb2\xa1"
        assert desk.disconnect("gw", "iso")
        await master.until(lambda: not master.connected)
    assert not desk.disconnect("gw", "iso")
    with pytest.raises(ConfigError):
        desk.disconnect("gw", "other")
    with pytest.raises(ConfigError):
        await desk.set_tags("gw", {"local": False, "blocked": {"net power": "why"}}, along=[])


def test_flags_by_name() -> None:
    assert flag_names(PointType.ANALOG_INPUT, 0x61) == ["ONLINE", "OVER_RANGE", "REFERENCE_ERR"]
    assert flag_names(PointType.BINARY_INPUT, 0x85) == ["ONLINE", "COMM_LOST"]
