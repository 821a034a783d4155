"""What an EndDeviceControl asks of the engine: less load is more delivered."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.controls import ControlMode, Target, TargetKind
from gridiface.northbound.sep2.translate.load_control import LoadLevels, end_device_control_to_control, load_values
from gridiface.protocols.sep2.enums import UnitType
from gridiface.protocols.sep2.resources import (
    ApplianceLoadReduction,
    DateTimeInterval,
    DutyCycle,
    EndDeviceControl,
    EventStatus,
    Offset,
    SetPoint,
    TargetReduction,
)


def control(**parts: Any) -> EndDeviceControl:
    return EndDeviceControl(
        mRID="AB",
        creationTime=100,
        eventStatus=EventStatus(currentStatus=0, dateTime=100, potentiallySuperseded=False),
        interval=DateTimeInterval(duration=1800, start=200),
        deviceCategory=0,
        drProgramMandatory=True,
        loadShiftForward=False,
        randomizeStart=-30,
        **parts,
    )


@pytest.mark.parametrize(
    ("parts", "mode", "value"),
    [
        ({"targetReduction": TargetReduction(type=UnitType.WATTS, value=1500)}, ControlMode.DELTA_W, 1500.0),
        ({"targetReduction": TargetReduction(type=UnitType.KW, value=3)}, ControlMode.DELTA_W, 3000.0),
        ({"targetReduction": TargetReduction(type=UnitType.KWH, value=2)}, ControlMode.DELTA_W, 4000.0),
        ({"dutyCycle": DutyCycle(normalValue=25)}, ControlMode.LOAD_LEVEL, 0.75),
        ({"offset": Offset(loadAdjustmentPercentageOffset=1000)}, ControlMode.LOAD_LEVEL, 0.1),
        ({"applianceLoadReduction": ApplianceLoadReduction(type=0)}, ControlMode.LOAD_LEVEL, 1.0),
        ({"applianceLoadReduction": ApplianceLoadReduction(type=1)}, ControlMode.LOAD_LEVEL, 0.5),
        (
            {"dutyCycle": DutyCycle(normalValue=90), "applianceLoadReduction": ApplianceLoadReduction(type=1)},
            ControlMode.LOAD_LEVEL,
            0.5,
        ),
    ],
)
def test_what_is_a_power_is_asked_for(parts: Any, mode: ControlMode, value: float) -> None:
    (found,) = load_values(control(**parts), LoadLevels()).items()
    assert found[0] is mode
    assert found[1].value == pytest.approx(value)


@pytest.mark.parametrize(
    "parts",
    [
        {"setPoint": SetPoint(coolingSetpoint=2500)},
        {"offset": Offset(coolingOffset=20)},
        {"targetReduction": TargetReduction(type=UnitType.BTU, value=9)},
    ],
)
def test_what_is_no_power_is_left_to_the_devices(parts: Any) -> None:
    target = Target(TargetKind.DEVICE, "a")
    assert end_device_control_to_control(control(**parts), target, 0, "u", "/dr/1", LoadLevels()) is None


def test_a_control_carries_interval_authority_and_randomisation() -> None:
    target = Target(TargetKind.GROUP, "g")
    event = control(dutyCycle=DutyCycle(normalValue=0))
    made = end_device_control_to_control(event, target, 5, "u", "/dr/1", LoadLevels())
    assert made is not None
    assert (made.id, made.target, made.source.authority) == ("sep2:dr:AB", target, 250.0)
    assert (made.interval.start, made.interval.duration, made.randomize_start_s) == (200.0, 1800.0, -30.0)
