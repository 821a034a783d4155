"""Set-points by channel and class; which controls another authority changes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gridiface.aggregation.engine import Engine
from gridiface.app.dispatching.handing_out import by_channel, ranked_anew
from gridiface.domain.clock import Interval
from gridiface.domain.controls import (
    Control,
    ControlMode,
    Delivery,
    ModeValue,
    ServiceClass,
    Setpoint,
    Source,
    Target,
    TargetKind,
)
from gridiface.domain.fleet import Capability, Device, Nameplate

NOW = 1_800_000_000.0


class Channel:
    """Serves those whose ids begin with its letter."""

    def __init__(self, letter: str) -> None:
        self.letter = letter

    def serves(self, device_id: str) -> bool:
        return device_id.startswith(self.letter)

    async def apply(self, setpoints: Sequence[Setpoint], *, deadline: float) -> Sequence[Delivery]:
        return []


def test_set_points_go_by_channel_and_class_and_who_has_no_channel_is_named(caplog: pytest.LogCaptureFixture) -> None:
    ways = [Channel("a"), Channel("b")]
    classes = {"a1": ServiceClass.DISPATCH, "b1": ServiceClass.DISPATCH, "a2": ServiceClass.REGULATION}
    points = [Setpoint(device_id=name, issued=NOW, service_class=one) for name, one in classes.items()]
    points += [Setpoint(device_id=name, issued=NOW) for name in ("a3", "c1")]
    found = [(way, [point.device_id for point in batch]) for way, batch in by_channel(ways, points)]
    assert found == [(ways[0], ["a1", "a3"]), (ways[1], ["b1"]), (ways[0], ["a2"])]
    assert "no channel leads to device c1" in caplog.text


def test_controls_that_live_and_have_another_authority_are_ranked_anew() -> None:
    engine = Engine()
    plate = Nameplate(max_w=5000.0, max_charge_w=5000.0, capabilities=frozenset({Capability.SET_W}))
    engine.add_device(Device(id="a", nameplate=plate), NOW)
    for name, authority, default, seconds in (
        ("runs", 1.0, False, 60.0), ("default", 1.0, True, None), ("as it is", 2.0, False, 60.0),
        ("over", 1.0, False, 5.0),
    ):  # fmt: skip
        engine.admit(
            Control(
                id=name, source=Source(protocol="t", program=name, authority=authority),
                target=Target(TargetKind.DEVICE, "a"), values={ControlMode.SET_W: ModeValue(100.0)},
                interval=Interval(NOW, seconds), created=NOW, is_default=default,
            ),
            NOW,
        )  # fmt: skip
    found = ranked_anew(engine, ["runs", "default", "as it is", "over", "unknown"], 2.0, NOW + 10)
    assert {(one.id, one.source.authority) for one in found} == {("runs", 2.0), ("default", 2.0)}
