"""Heartbeats both ways, local control, alarms: models 715 and 802 in memory."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.telemetry import Quality, Snapshot
from gridiface.errors import DeviceRejected, DeviceTimeout
from gridiface_southbound.sunspec.supervision import BAD_S, STANDS_S, Operate715, Supervision, is_local

AT_715, AT_802 = 40500, 40600


class Memory:
    """Registers that take what is written, or refuse it."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.problem = problem
        self.written: list[tuple[int, bytes]] = []

    async def write(self, address: int, registers: bytes) -> None:
        if self.problem is not None:
            raise self.problem
        self.written.append((address, registers))


def supervised(memory: Memory) -> Supervision:
    return Supervision("unit", memory)  # type: ignore[arg-type]  # registers as far as it uses them


def shot(at: float) -> Snapshot:
    return Snapshot(device_id="unit", source_time=at, received=at, w=1.0)


@pytest.mark.parametrize(
    ("model_id", "points", "place"),
    [(715, {"ControllerHb": 0, "DERHb": 0}, (AT_715 + 5, 4)), (802, {"CtrlHb": 0}, None)],
)
async def test_our_heartbeat_begins_where_the_device_wants_one(
    block: Any, model_id: int, points: dict[str, int], place: tuple[int, int] | None
) -> None:
    memory = Memory()
    one = supervised(memory)
    given = block(model_id, points, address=AT_715)
    await one.begin({model_id: given}, 3600.0)
    ((address, registers),) = memory.written
    name = next(name for name in points if name.startswith(("Controller", "Ctrl")))
    slot = given.model.points[name]
    assert (address, len(registers)) == (AT_715 + slot.offset, 2 * slot.size)
    if place is not None:
        assert (address, len(registers)) == place
    assert int.from_bytes(registers, "big") == 1
    await one.end()
    await one.end()


async def test_no_heartbeat_where_none_is_wanted_configured_or_taken(block: Any) -> None:
    memory = Memory()
    await supervised(memory).begin({715: block(715, {"DERHb": 5})}, 1.0)
    await supervised(memory).begin({715: block(715, {"ControllerHb": 0})}, None)
    await supervised(memory).begin({}, 1.0)
    assert memory.written == []
    refused = supervised(Memory(DeviceRejected("exception 2")))
    await refused.begin({715: block(715, {"ControllerHb": 0})}, 1.0)
    await refused.end()
    with pytest.raises(DeviceTimeout):
        await supervised(Memory(DeviceTimeout("silent"))).begin({715: block(715, {"ControllerHb": 0})}, 1.0)


async def test_a_heartbeat_that_stands_tells_that_a_gateway_answers_for_the_device(block: Any) -> None:
    one = supervised(Memory())
    for at in range(5):
        moving = {715: block(715, {"DERHb": at})}
        assert one.judged(shot(float(at)), moving) == shot(float(at))
    stood = {715: block(715, {"DERHb": 4})}
    assert one.judged(shot(4 + STANDS_S - 0.1), stood).quality is Quality.GOOD
    old = one.judged(shot(4 + STANDS_S), stood)
    assert (old.quality, old.source_time, old.received) == (Quality.STALE, 4.0, 4 + STANDS_S)
    assert one.judged(shot(4 + BAD_S), stood).quality is Quality.BAD
    assert one.judged(shot(100.0), {715: block(715, {"DERHb": 0})}).quality is Quality.GOOD


async def test_a_heartbeat_that_never_moved_says_nothing(block: Any) -> None:
    one = supervised(Memory())
    for at in (0.0, 50.0, 500.0):
        assert one.judged(shot(at), {715: block(715, {"DERHb": 0}), 802: block(802, {})}).quality is Quality.GOOD


async def test_local_control_is_seen_at_opening_and_at_each_reading(block: Any) -> None:
    one = supervised(Memory())
    await one.begin({715: block(715, {"LocRemCtl": 1})}, None)
    assert one.local
    with pytest.raises(DeviceRejected, match="local control"):
        one.require_remote()
    one.judged(shot(1.0), {715: block(715, {"LocRemCtl": 0})})
    one.require_remote()
    assert is_local({802: block(802, {"LocRemCtl": 1})})
    assert not is_local({715: block(715, {})})


@pytest.mark.parametrize(("model_id", "point"), [(715, "AlarmReset"), (802, "AlmRst")])
async def test_alarms_are_reset_where_there_is_a_point_for_it(block: Any, model_id: int, point: str) -> None:
    memory = Memory()
    one = supervised(memory)
    given = block(model_id, {point: 0}, address=AT_802)
    await one.begin({model_id: given}, None)
    await one.reset_alarms()
    assert memory.written == [(AT_802 + given.model.points[point].offset, b"\0\1")]
    await one.begin({model_id: block(model_id, {})}, None)
    with pytest.raises(DeviceRejected, match="no point to reset alarms"):
        await one.reset_alarms()


def test_stop_and_start(block: Any) -> None:
    found = Operate715.find({715: block(715, {"OpCtl": 1})})
    assert found is not None
    stop, start = found.set(0.0, revert_s=60.0, ramp_s=None), found.release()
    assert (stop.value, stop.revert_s, stop.form.value("OpCtl")) == (0.0, None, 0.0)
    assert (start.value, start.form.value("OpCtl")) == (1.0, 1.0)
    assert Operate715.find({715: block(715, {})}) is None
    assert Operate715.find({}) is None
