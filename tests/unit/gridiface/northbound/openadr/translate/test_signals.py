"""Every row of the signals table: acted on, passed on, or refused with 460; and what a program makes of prices."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gridiface.domain.controls import ControlMode, Target, TargetKind
from gridiface.northbound.openadr.translate.events import controls_of
from gridiface.northbound.openadr.translate.signals import Level, PriceStep, Program, price_response, reader_of
from gridiface.protocols.openadr.answers import Code, Refusal
from gridiface.protocols.openadr.events import Event, Signal
from gridiface.protocols.openadr.payloads import units
from gridiface.protocols.openadr.signals import SIGNALS

FLEET = Target(TargetKind.GROUP, "fleet")
NOW = 1_700_000_000.0
#: A program that knows everything a signal may need.
PROGRAM = Program(
    target=FLEET,
    dispatch={level: Level(watts=-100.0 * level) for level in range(-10, 11)},
    offsets={1: Level(fraction=0.25)},
    rated_load_w=10_000.0,
    stored_wh=6_000.0,
    capacity_wh=10_000.0,
    reactive_var=500.0,
    setpoint_scale=1000.0,
)


def unit(cls):
    """One unit of each kind, without scale."""
    made = {
        units.PowerReal: units.power_real(),
        units.PowerReactive: units.power_reactive(),
        units.PowerApparent: units.PowerApparent(
            itemDescription="ApparentPower",
            itemUnits="VA",
            siScaleCode="none",
            powerAttributes=units.PowerAttributes(hertz=50, voltage=230, ac=True),
        ),
        units.EnergyReal: units.EnergyReal(itemDescription="RealEnergy", itemUnits="Wh", siScaleCode="none"),
        units.EnergyReactive: units.EnergyReactive(
            itemDescription="ReactiveEnergy", itemUnits="VARh", siScaleCode="none"
        ),
        units.EnergyApparent: units.EnergyApparent(
            itemDescription="ApparentEnergy", itemUnits="VAh", siScaleCode="none"
        ),
        units.Currency: units.Currency(itemDescription="currency", itemUnits="USD", siScaleCode="none"),
        units.CurrencyPerKWh: units.price_per_kwh("USD"),
        units.CurrencyPerKW: units.CurrencyPerKW(itemDescription="currencyPerKW", itemUnits="USD", siScaleCode="none"),
        units.CurrencyPerThm: units.CurrencyPerThm(itemDescription="currency", itemUnits="USD", siScaleCode="none"),
    }
    return made[cls]


def event(*signals, **more):
    return Event(id="E", market_context="http://p.example", dtstart=NOW, duration=600, signals=signals, **more)


def signal(name, kind, value, item=None):
    return Signal(name=name, type=kind, id="0", durations=(600,), values=(value,), unit=item)


#: (signalName, signalType, unit) -> (mode, value) for the value 1; 460: it is refused.
REAL, REACTIVE, APPARENT = units.PowerReal, units.PowerReactive, units.PowerApparent
WH, VARH, VAH = units.EnergyReal, units.EnergyReactive, units.EnergyApparent
EXPECTED = {
    ("SIMPLE", "level", None): (ControlMode.LOAD_LEVEL, 0.33),
    ("ELECTRICITY_PRICE", "price", units.CurrencyPerKWh): (ControlMode.PRICE, 1.0),
    ("ELECTRICITY_PRICE", "priceRelative", units.CurrencyPerKWh): (ControlMode.PRICE, 1.0),
    ("ELECTRICITY_PRICE", "priceMultiplier", None): (ControlMode.PRICE, 1.0),
    ("ENERGY_PRICE", "price", units.CurrencyPerKWh): (ControlMode.PRICE, 1.0),
    ("ENERGY_PRICE", "priceRelative", units.CurrencyPerKWh): (ControlMode.PRICE, 1.0),
    ("ENERGY_PRICE", "priceMultiplier", None): (ControlMode.PRICE, 1.0),
    ("DEMAND_CHARGE", "price", units.CurrencyPerKW): (ControlMode.PRICE, 1.0),
    ("DEMAND_CHARGE", "priceRelative", units.CurrencyPerKW): (ControlMode.PRICE, 1.0),
    ("DEMAND_CHARGE", "priceMultiplier", None): (ControlMode.PRICE, 1.0),
    ("BID_PRICE", "price", units.Currency): (ControlMode.BID, 1.0),
    ("BID_PRICE", "price", units.CurrencyPerKWh): (ControlMode.BID, 1.0),
    ("BID_PRICE", "price", units.CurrencyPerKW): (ControlMode.BID, 1.0),
    ("BID_PRICE", "price", units.CurrencyPerThm): (ControlMode.BID, 1.0),
    ("BID_LOAD", "setpoint", REAL): (ControlMode.BID, -1.0),
    ("BID_LOAD", "setpoint", APPARENT): (ControlMode.BID, -1.0),
    ("BID_LOAD", "setpoint", REACTIVE): (ControlMode.BID, -1.0),
    ("BID_ENERGY", "setpoint", WH): (ControlMode.BID, -1.0),
    ("BID_ENERGY", "setpoint", VAH): (ControlMode.BID, -1.0),
    ("BID_ENERGY", "setpoint", VARH): (ControlMode.BID, -1.0),
    ("CHARGE_STATE", "setpoint", WH): (ControlMode.ENERGY_TARGET, 5_999.0),
    ("CHARGE_STATE", "setpoint", VAH): 460,
    ("CHARGE_STATE", "setpoint", VARH): 460,
    ("CHARGE_STATE", "delta", WH): (ControlMode.ENERGY_TARGET, -1.0),
    ("CHARGE_STATE", "delta", VAH): 460,
    ("CHARGE_STATE", "delta", VARH): 460,
    ("CHARGE_STATE", "multiplier", None): (ControlMode.ENERGY_TARGET, -4_000.0),
    ("LOAD_DISPATCH", "setpoint", REAL): (ControlMode.SET_W, -1.0),
    ("LOAD_DISPATCH", "setpoint", APPARENT): 460,
    ("LOAD_DISPATCH", "setpoint", REACTIVE): (ControlMode.SET_VAR, -1.0),
    ("LOAD_DISPATCH", "delta", REAL): (ControlMode.DELTA_W, -1.0),
    ("LOAD_DISPATCH", "delta", APPARENT): 460,
    ("LOAD_DISPATCH", "delta", REACTIVE): (ControlMode.SET_VAR, 499.0),
    ("LOAD_DISPATCH", "multiplier", None): (ControlMode.SET_W_PERCENT, 100.0),
    ("LOAD_DISPATCH", "level", REAL): (ControlMode.DELTA_W, -100.0),
    ("LOAD_DISPATCH", "level", APPARENT): (ControlMode.DELTA_W, -100.0),
    ("LOAD_DISPATCH", "level", REACTIVE): (ControlMode.DELTA_W, -100.0),
    ("LOAD_CONTROL", "x-loadControlCapacity", None): (ControlMode.LOAD_LIMIT, 10_000.0),
    ("LOAD_CONTROL", "x-loadControlLevelOffset", None): (ControlMode.LOAD_LEVEL, 0.25),
    ("LOAD_CONTROL", "x-loadControlSetpoint", None): (ControlMode.SET_W, -1_000.0),
    ("LOAD_CONTROL", "x-loadControlPercentOffset", None): (ControlMode.SET_W_PERCENT, 101.0),
}


def rows():
    """Every row of the table with each of its units."""
    return [(row.name, row.type, cls) for row in SIGNALS.values() for cls in row.units or (None,)]


def test_the_expectations_are_of_the_whole_table():
    assert set(EXPECTED) == set(rows())


@pytest.mark.parametrize("row", rows(), ids=lambda row: "-".join(str(getattr(p, "__name__", p)) for p in row))
def test_r104_every_row_of_the_table_is_acted_on_told_or_refused(row):
    name, kind, cls = row
    one = signal(name, kind, 1.0, unit(cls) if cls else None)
    expected = EXPECTED[row]
    if expected == 460:
        with pytest.raises(Refusal) as refused:
            controls_of(event(one), PROGRAM, vtn="VTN")
        assert refused.value.answer == 460
        return
    found = controls_of(event(one), PROGRAM, vtn="VTN")
    (control,) = found.controls
    ((mode, value),) = control.values.items()
    assert (mode, value.value) == (expected[0], pytest.approx(expected[1]))


def test_a_control_set_point_without_a_meaning_is_refused():
    assert reader_of(signal("LOAD_CONTROL", "x-loadControlSetpoint", 21.0), Program(target=FLEET)) is None


STEPS = (
    PriceStep(above=0.2, level=Level(fraction=0.3)),
    PriceStep(above=0.5, level=Level(watts=4_000.0)),
    PriceStep(signal="DEMAND_CHARGE", type="priceMultiplier", above=2.0, level=Level(fraction=1.0)),
)
PRICED = Program(target=FLEET, prices=STEPS)


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (0.1, (ControlMode.LOAD_LEVEL, 0.0)),
        (0.2, (ControlMode.LOAD_LEVEL, 0.3)),
        (0.49, (ControlMode.LOAD_LEVEL, 0.3)),
        (0.9, (ControlMode.DELTA_W, 4_000.0)),
    ],
)
def test_a_price_is_passed_on_and_answered_as_the_program_says(price, expected):
    one = signal("ELECTRICITY_PRICE", "price", price, units.price_per_kwh("USD"))
    passed, response = controls_of(event(one), PRICED, vtn="VTN").controls
    assert passed.values[ControlMode.PRICE].value == price
    ((mode, value),) = response.values.items()
    assert (mode, value.value) == expected
    assert passed.id != response.id


def test_the_price_counts_in_its_scale():
    one = signal("ELECTRICITY_PRICE", "price", 30.0, units.price_per_kwh("USD", "c"))
    assert price_response(one, 30.0, PRICED)[1].value == 0.3


@pytest.mark.parametrize(("name", "kind"), [("ENERGY_PRICE", "price"), ("ELECTRICITY_PRICE", "priceRelative")])
def test_prices_that_the_program_does_not_name_are_only_passed_on(name, kind):
    one = signal(name, kind, 9.0, units.price_per_kwh("USD"))
    assert len(controls_of(event(one), PRICED, vtn="VTN").controls) == 1


def test_a_price_beside_a_signal_that_says_what_to_do_is_only_passed_on():
    price = signal("ELECTRICITY_PRICE", "price", 9.0, units.price_per_kwh("USD"))
    level = Signal(name="SIMPLE", type="level", id="1", durations=(600,), values=(2.0,))
    modes = [mode for c in controls_of(event(price, level), PRICED, vtn="VTN").controls for mode in c.values]
    assert modes == [ControlMode.PRICE, ControlMode.LOAD_LEVEL]


@pytest.mark.parametrize(
    ("name", "kind", "cls", "mode", "value"),
    [
        ("LOAD_DISPATCH", "setpoint", REAL, ControlMode.SET_W, 1.0),
        ("LOAD_DISPATCH", "setpoint", REACTIVE, ControlMode.SET_VAR, 1.0),
        ("LOAD_DISPATCH", "delta", REAL, ControlMode.DELTA_W, 1.0),
        ("LOAD_DISPATCH", "delta", REACTIVE, ControlMode.SET_VAR, 501.0),
        # a state of charge rises by what is taken, whatever the sign of powers
        ("CHARGE_STATE", "delta", WH, ControlMode.ENERGY_TARGET, -1.0),
        ("CHARGE_STATE", "setpoint", WH, ControlMode.ENERGY_TARGET, 5_999.0),
    ],
)
def test_powers_of_a_program_where_plus_is_delivered_keep_their_sign(name, kind, cls, mode, value):
    (control,) = controls_of(event(signal(name, kind, 1.0, unit(cls))), replace(PROGRAM, generation_positive=True),
                             vtn="VTN").controls  # fmt: skip
    assert {one: found.value for one, found in control.values.items()} == {mode: value}


@pytest.mark.parametrize(
    ("name", "kind", "cls", "missing", "code"),
    [
        ("LOAD_DISPATCH", "delta", REACTIVE, {"reactive_var": None}, Code.DEPLOYMENT),
        ("LOAD_CONTROL", "x-loadControlCapacity", None, {"rated_load_w": None}, Code.DEPLOYMENT),
        ("CHARGE_STATE", "setpoint", WH, {"stored_wh": None}, Code.DEPLOYMENT),
        ("CHARGE_STATE", "multiplier", None, {"stored_wh": None}, Code.DEPLOYMENT),
        ("CHARGE_STATE", "multiplier", None, {"capacity_wh": None}, Code.DEPLOYMENT),
        ("LOAD_DISPATCH", "level", REAL, {"dispatch": {}}, Code.INVALID_DATA),
        ("LOAD_DISPATCH", "level", REAL, {"dispatch": {1: Level()}}, Code.INVALID_DATA),
        ("SIMPLE", "level", None, {"simple": {0: Level(fraction=0.0)}}, Code.INVALID_DATA),
    ],
)
def test_what_the_program_does_not_know_is_refused_in_its_own_words(name, kind, cls, missing, code):
    one = signal(name, kind, 1.0, unit(cls) if cls else None)
    with pytest.raises(Refusal) as refused:
        controls_of(event(one), replace(PROGRAM, **missing), vtn="VTN")
    assert refused.value.answer == code


@pytest.mark.parametrize(
    ("value", "switchable", "expected"),
    [
        (0.0, True, (ControlMode.CONNECT, 0.0)),
        (1.0, True, (ControlMode.CONNECT, 1.0)),
        (0.5, True, (ControlMode.LOAD_LIMIT, 5_000.0)),
        (0.0, False, (ControlMode.LOAD_LIMIT, 0.0)),
    ],
)
def test_a_capacity_switches_where_the_load_can_be_switched(value, switchable, expected):
    one = signal("LOAD_CONTROL", "x-loadControlCapacity", value)
    (control,) = controls_of(event(one), replace(PROGRAM, switchable=switchable), vtn="VTN").controls
    assert [(mode, found.value) for mode, found in control.values.items()] == [expected]


def test_a_level_of_nothing_is_no_reduction():
    (control,) = controls_of(event(signal("SIMPLE", "level", 0.0)), PROGRAM, vtn="VTN").controls
    assert control.values[ControlMode.LOAD_LEVEL].value == 0.0


def test_a_type_that_is_no_row_of_the_table_has_no_reader():
    assert reader_of(signal("LOAD_DISPATCH", "x-none", 1.0), PROGRAM) is None
