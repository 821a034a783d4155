"""The column "IEEE 2030.5" of the controls' translation table."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, Target, TargetKind
from gridiface.domain.quantities import PercentBase
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.translate.controls import (
    ProgramScope,
    authority,
    base_to_values,
    default_to_control,
    draws,
    event_to_control,
    values_to_base,
)
from gridiface.protocols.sep2.enums import CURVE_MODES
from gridiface.protocols.sep2.resources import (
    ActivePower,
    CurveData,
    DateTimeInterval,
    DefaultDERControl,
    DERControl,
    DERControlBase,
    DERCurve,
    EventStatus,
    FixedVar,
    FreqDroopType,
    Link,
    PowerFactorWithExcitation,
    ReactivePower,
)

M, V = ControlMode, ModeValue
GROUP = ProgramScope("P", Target(TargetKind.GROUP, "fleet"), 7, storage=True)
DEVICE = ProgramScope("P", Target(TargetKind.DEVICE, "inv"), 7, storage=False)

WATTS = ActivePower(multiplier=0, value=500)

#: DERControlBase field, its value, whether the target stores energy, the domain's mode and value.
TABLE: list[tuple[str, Any, bool, ControlMode, ModeValue]] = [
    ("opModConnect", False, True, M.CONNECT, V(0.0)),
    ("opModConnect", True, True, M.CONNECT, V(1.0)),
    ("opModEnergize", False, True, M.ENERGIZE, V(0.0)),
    ("opModTargetW", ActivePower(multiplier=0, value=-12_000), True, M.SET_W, V(-12_000.0)),
    ("opModFixedW", -2500, True, M.SET_W_PERCENT, V(-25.0, PercentBase.MAX_CHARGE_W)),
    ("opModFixedW", 5000, True, M.SET_W_PERCENT, V(50.0, PercentBase.MAX_DISCHARGE_W)),
    ("opModFixedW", 5000, False, M.SET_W_PERCENT, V(50.0, PercentBase.MAX_W)),
    ("opModMaxLimW", 8050, True, M.MAX_W_PERCENT, V(80.5, PercentBase.MAX_W)),
    ("opModExpLimW", ActivePower(multiplier=0, value=500), True, M.EXPORT_LIMIT, V(500.0)),
    ("opModImpLimW", ActivePower(multiplier=0, value=500), True, M.IMPORT_LIMIT, V(500.0)),
    ("opModGenLimW", ActivePower(multiplier=0, value=500), True, M.GENERATION_LIMIT, V(500.0)),
    ("opModLoadLimW", ActivePower(multiplier=0, value=500), True, M.LOAD_LIMIT, V(500.0)),
    ("opModTargetVar", ReactivePower(multiplier=0, value=-300), True, M.SET_VAR, V(-300.0)),
    ("opModFixedVar", FixedVar(refType=1, value=1000), True, M.SET_VAR_PERCENT, V(10.0, PercentBase.MAX_W)),
    ("opModFixedVar", FixedVar(refType=2, value=-1000), True, M.SET_VAR_PERCENT, V(-10.0, PercentBase.MAX_VAR)),
    ("opModFixedVar", FixedVar(refType=3, value=1000), True, M.SET_VAR_PERCENT, V(10.0, PercentBase.AVAILABLE_VAR)),
    (
        "opModFixedPFInjectW",
        PowerFactorWithExcitation(displacement=950, excitation=False, multiplier=-3),
        True,
        M.POWER_FACTOR_INJECT,
        V(0.95),
    ),
    (
        "opModFixedPFAbsorbW",
        PowerFactorWithExcitation(displacement=900, excitation=True, multiplier=-3),
        True,
        M.POWER_FACTOR_ABSORB,
        V(-0.9),
    ),
    (
        "opModFreqDroop",
        FreqDroopType(dBOF=36, dBUF=36, kOF=50, kUF=50, openLoopTms=500),
        True,
        M.FREQUENCY_DROOP,
        V(1.0, payload={"dBOF": 36, "dBUF": 36, "kOF": 50, "kUF": 50, "openLoopTms": 500}),
    ),
]


def no_curve(_: str) -> None:
    return None


def event(base: DERControlBase, **changes: Any) -> DERControl:
    fields: dict[str, Any] = {
        "mRID": "AB",
        "creationTime": 90,
        "eventStatus": EventStatus(currentStatus=0, dateTime=90, potentiallySuperseded=False),
        "interval": DateTimeInterval(duration=60, start=100),
        "derControlBase": base,
    }
    return DERControl(**(fields | changes))


@pytest.mark.parametrize(("name", "wire", "storage", "mode", "value"), TABLE, ids=lambda v: str(v)[:40])
def test_each_mode_both_ways(name: str, wire: Any, storage: bool, mode: ControlMode, value: ModeValue) -> None:
    base = DERControlBase(**{name: wire})
    assert base_to_values(base, no_curve, storage=storage) == {mode: value}
    assert values_to_base({mode: value}, lambda *_: "") == base


@pytest.mark.parametrize(
    "base",
    [
        DERControlBase(),
        DERControlBase(rampTms=100),
        DERControlBase(opModFixedW=10_001),
        DERControlBase(opModMaxLimW=10_001),
        DERControlBase(opModFixedW=-10_001),
        DERControlBase(opModMaxLimW=-1),
        DERControlBase(opModFixedVar=FixedVar(refType=4, value=1)),
        DERControlBase(opModFixedVar=FixedVar(refType=1, value=10_001)),
        DERControlBase(opModFixedVar=FixedVar(refType=1, value=-10_001)),
        DERControlBase(opModTargetW=WATTS, opModStorageTargetW=WATTS),
        DERControlBase(opModExpLimW=ActivePower(multiplier=0, value=-1)),
        DERControlBase(opModFixedPFInjectW=PowerFactorWithExcitation(displacement=2, excitation=False, multiplier=0)),
        DERControlBase(opModVoltVar=Link(href="/derp/1/dc/9")),
    ],
)
def test_what_cannot_be_carried_out_is_bad_values(base: DERControlBase) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        base_to_values(base, no_curve, storage=True)
    assert (caught.value.answer, caught.value.detail) == (400, 1)


@pytest.mark.parametrize(
    "base",
    [
        DERControlBase(opModFixedW=10_000),
        DERControlBase(opModFixedW=-10_000),
        DERControlBase(opModMaxLimW=0),
        DERControlBase(opModMaxLimW=10_000),
        DERControlBase(opModFixedVar=FixedVar(refType=1, value=10_000)),
        DERControlBase(opModFixedVar=FixedVar(refType=1, value=-10_000)),
        DERControlBase(opModExpLimW=ActivePower(multiplier=0, value=0)),
        DERControlBase(opModFixedPFInjectW=PowerFactorWithExcitation(displacement=1, excitation=False, multiplier=0)),
    ],
)
def test_the_ends_of_ranges_are_in_them(base: DERControlBase) -> None:
    assert len(base_to_values(base, no_curve, storage=True)) == 1


@pytest.mark.parametrize("watts", [-7000, 0, 7000])
def test_the_storage_target_of_the_australian_profile_is_a_power(watts: int) -> None:
    base = DERControlBase(opModStorageTargetW=ActivePower(multiplier=0, value=watts))
    assert base_to_values(base, no_curve, storage=True) == {M.SET_W: V(float(watts))}


@pytest.mark.parametrize(("name", "curve_type"), CURVE_MODES.items())
def test_each_curve_mode_wants_its_2018_curve_type(name: str, curve_type: int) -> None:
    curve = DERCurve(
        mRID="C1", creationTime=1, curveType=int(curve_type), xMultiplier=0, yMultiplier=0, yRefType=1,
        curveData=[CurveData(xvalue=1, yvalue=2)], href="/derp/1/dc/1",
    )  # fmt: skip
    base = DERControlBase(**{name: Link(href="/derp/1/dc/1")})
    values = base_to_values(base, {"/derp/1/dc/1": curve}.get, storage=True)
    assert set(values) == {M.CURVE}
    assert values[M.CURVE].payload[name]["curveData"] == [{"xvalue": 1, "yvalue": 2, "excitation": None}]
    assert values_to_base(values, lambda *_: "/derp/1/dc/1") == base
    wrong = DERCurve(**{**_fields(curve), "curveType": (curve_type + 1) % 15})
    with pytest.raises(RemoteProtocolError):
        base_to_values(base, lambda _: wrong, storage=True)


def _fields(curve: DERCurve) -> dict[str, Any]:
    return {name: getattr(curve, name) for name in ("mRID", "creationTime", "curveType", "xMultiplier",
            "yMultiplier", "yRefType", "curveData", "href")}  # fmt: skip


def test_an_event_becomes_a_control_of_its_program() -> None:
    wire = event(
        DERControlBase(opModTargetW=ActivePower(multiplier=0, value=5), rampTms=250),
        responseRequired=3,
        description="d",
    )
    assert event_to_control(wire, DEVICE, "LFDI", no_curve) == Control(
        id="sep2:AB",
        source=event_to_control(wire, DEVICE, "LFDI", no_curve).source,
        target=DEVICE.target,
        values={M.SET_W: V(5.0)},
        interval=Interval(100.0, 60.0),
        created=90.0,
        ramp_s=2.5,
        response_required=True,
        description="d",
        extra={"mRID": "AB"},
    )


def test_lower_primacy_is_larger_authority() -> None:
    assert authority(0) > authority(1) > authority(255)
    assert event_to_control(event(DERControlBase(opModConnect=True)), GROUP, "", no_curve).source.authority == 248.0


def test_a_group_draws_its_random_times_once_and_a_device_by_itself() -> None:
    wire = event(DERControlBase(opModConnect=True), randomizeStart=-30, randomizeDuration=30)
    for_group = event_to_control(wire, GROUP, "", no_curve)
    assert for_group.effective is not None
    assert 70 <= for_group.effective.start <= 100
    assert for_group == event_to_control(wire, GROUP, "", no_curve)
    assert event_to_control(wire, DEVICE, "", no_curve).effective is None


@pytest.mark.parametrize(
    "changes",
    [
        {"randomizeStart": 3601},
        {"randomizeDuration": -3601},
        {"interval": DateTimeInterval(duration=0, start=100)},
    ],
)
def test_impossible_times_are_bad_values(changes: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError):
        event_to_control(event(DERControlBase(opModConnect=True), **changes), GROUP, "", no_curve)


def test_a_default_control_is_open_ended() -> None:
    default = DefaultDERControl(mRID="DD", derControlBase=DERControlBase(opModConnect=True), setGradW=27)
    control = default_to_control(default, GROUP, "LFDI", no_curve, 5.0)
    assert control is not None
    assert control.is_default
    assert control.interval == Interval(5.0, None)
    assert control.extra == {"mRID": "DD", "setGradW": "27"}


def test_a_default_control_of_gradients_alone_asks_for_no_mode() -> None:
    default = DefaultDERControl(mRID="DD", derControlBase=DERControlBase(), setGradW=27)
    assert default_to_control(default, GROUP, "", no_curve, 5.0) is None


def test_draws_follow_from_the_seed() -> None:
    first, again, other = draws("a"), draws("a"), draws("b")
    numbers = [first() for _ in range(20)]
    assert numbers == [again() for _ in range(20)]
    assert numbers != [other() for _ in range(20)]
    assert all(0 <= n < 1 for n in numbers)
    assert len(set(numbers)) == 20


def test_a_droop_with_limits_of_power_has_no_word_and_is_left_out_whole():
    plain = {"dBOF": 36, "dBUF": 36, "kOF": 50, "kUF": 50, "openLoopTms": 500}

    def told(payload: dict[str, int]) -> object:
        return values_to_base({ControlMode.FREQUENCY_DROOP: ModeValue(1.0, payload=payload)}, lambda *_: "/x")

    assert asdict(told(plain).opModFreqDroop) == plain
    assert told({**plain, "minW": 1_000}).opModFreqDroop is None
