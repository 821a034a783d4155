"""OCPP without a socket: frames, what a charging point says, profiles, meter values; schemas from outside as judges."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ocpp.messages import Call as OcaCall
from ocpp.messages import CallResult as OcaResult
from ocpp.messages import _validate_payload as validated
from pydantic import ValidationError

from gridiface.app.process.clock import SystemClock
from gridiface.domain.quantities import Phase
from gridiface.domain.telemetry import OperatingState
from gridiface.drivers.api import DriverConfig
from gridiface.errors import RemoteProtocolError
from gridiface_southbound.ocpp import profiles
from gridiface_southbound.ocpp.config import OcppConfig
from gridiface_southbound.ocpp.driver import OcppDriver
from gridiface_southbound.ocpp.meter import measured
from gridiface_southbound.ocpp.rpc import Call, Complaint, Failure, Json, Result, Send, decode, encode
from gridiface_southbound.ocpp.station import Station, Unknown

NOW = 1_800_000_000.5
STAMP = "2026-01-01T00:00:00Z"
PAGE = Path(__file__).resolve().parents[4] / "docs" / "operator" / "ocpp.md"
VERSIONS = ("1.6", "2.0.1", "2.1")


def config(**keys: Any) -> OcppConfig:
    given = {"listen": "127.0.0.1:9000", "charge_point": "CP1", "security_profile": 0, "max_charge_w": 11_000}
    return OcppConfig(**(given | keys))


def station(**keys: Any) -> Station:
    numbers = iter(range(100, 200))
    return Station(config(**keys), lambda: next(numbers))


def judge(version: str, action: str, payload: Any, *, answer: bool = False) -> None:
    """The Open Charge Alliance's schema has nothing against it."""
    message = OcaResult("1", payload, action) if answer else OcaCall("1", action, payload)
    validated(message, version)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[2,"a","Heartbeat",{}]', Call("a", "Heartbeat", {})),
        ('[3,"a",{"x":1}]', Result("a", {"x": 1})),
        ('[4,"a","InternalError","no",{}]', Failure("a", "InternalError", "no")),
        ('[4,"a","InternalError",""]', Failure("a", "InternalError")),
        ('[5,"a","FormatViolation","no",{}]', Complaint("a", "FormatViolation", "no")),
        ('[6,"a","NotifyPeriodicEventStream",{"id":1}]', Send("a", "NotifyPeriodicEventStream", {"id": 1})),
    ],
)
def test_frames(text: str, message: Any) -> None:
    assert decode(text) == message
    assert decode(encode(message)) == message


@pytest.mark.parametrize("text", ['[5,"a","FormatViolation","no",{}]', '[6,"a","NotifyPeriodicEventStream",{}]'])
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_frames_of_2_1_are_none_before(text: str, version: str) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(text, version)


@given(st.text(max_size=60) | st.recursive(st.none() | st.integers() | st.text(max_size=3), st.lists).map(json.dumps))
def test_any_text_is_a_frame_or_refused(text: str) -> None:
    try:
        decode(text)
    except RemoteProtocolError:
        return


@pytest.mark.parametrize(
    "text", ['[2,"","A",{}]', f'[2,"{"x" * 37}","A",{{}}]', '[2,1,"A",{}]', '[5,"a",{}]', "9" * 70_000, "[" * 9000]
)
def test_what_is_no_frame(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(text)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("phases", "told"), [(1, {"numberPhases": 1}), (2, {"numberPhases": 2}), (3, {})])
def test_amperes_of_fewer_than_three_phases_say_so(version: str, phases: Any, told: dict[str, int]) -> None:
    keys = config(unit="A", phases=phases)
    made = profiles.set_profile(version, keys, 16.0, transaction=None, seconds=60, now=NOW)
    judge(version, "SetChargingProfile", made)
    schedule = made["csChargingProfiles" if version == "1.6" else "chargingProfile"]["chargingSchedule"]
    (period,) = (schedule if version == "1.6" else schedule[0])["chargingSchedulePeriod"]
    assert period == {"startPeriod": 0, "limit": 16.0} | told


def test_profiles_of_default_and_session_have_ids_of_their_own() -> None:
    assert profiles.ids_of(config(profile_id=7)) == (7, 8)
    assert profiles.ids_of(config(profile_id=7, connector=2)) == (9, 10)
    assert profiles.ids_of(config(profile_id=7, connector=3, purpose="default")) == (11,)
    assert profiles.ids_of(config(profile_id=7, connector=0)) == (7,)
    assert profiles.ids_of(config(profile_id=7, purpose="transaction")) == (7,)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("transaction", [None, "T1"])
@pytest.mark.parametrize("connector", [0, 2])
def test_commands_fit_the_schemas(version: str, transaction: Any, connector: int) -> None:
    keys = config(connector=connector)
    running = 7 if transaction and version == "1.6" else transaction
    made = profiles.set_profile(version, keys, 5432.1, transaction=running, seconds=59.2, now=NOW)
    judge(version, "SetChargingProfile", made)
    for cleared in profiles.clear_profiles(version, keys):
        judge(version, "ClearChargingProfile", cleared)
    judge(version, "GetCompositeSchedule", profiles.ask_composite(version, keys))
    judge(version, "ChangeAvailability", profiles.availability(version, keys, on=False))
    judge(version, "TriggerMessage", profiles.ask_meter(version, keys))
    text = json.dumps(made)
    assert ("MaxProfile" in text) == (connector == 0)
    assert ("TxProfile" in text) == bool(connector and transaction)
    assert '"duration": 61' in text
    assert "2027-01-15T07:59:59" in text


@pytest.mark.parametrize(
    ("version", "action", "payload"),
    [
        ("1.6", "BootNotification", {"chargePointModel": "M", "chargePointVendor": "V"}),
        ("1.6", "Heartbeat", {}),
        ("1.6", "Authorize", {"idTag": "A"}),
        ("1.6", "StartTransaction", {"connectorId": 1, "idTag": "A", "meterStart": 1, "timestamp": STAMP}),
        ("1.6", "StopTransaction", {"transactionId": 1, "meterStop": 2, "timestamp": STAMP, "idTag": "A"}),
        ("1.6", "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}),
        ("1.6", "MeterValues", {"connectorId": 1, "meterValue": []}),
        ("1.6", "DataTransfer", {"vendorId": "x"}),
        ("1.6", "FirmwareStatusNotification", {"status": "Idle"}),
        ("2.0.1", "BootNotification", {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}}),
        ("2.0.1", "Heartbeat", {}),
        ("2.0.1", "Authorize", {"idToken": {"idToken": "A", "type": "Central"}}),
        ("2.0.1", "StatusNotification", {"connectorStatus": "Occupied", "evseId": 1, "connectorId": 1}),
        ("2.0.1", "TransactionEvent", {"eventType": "Started", "transactionInfo": {"transactionId": "T"},
                                       "evse": {"id": 1}, "idToken": {"idToken": "A", "type": "Central"}}),
        ("2.0.1", "MeterValues", {"evseId": 1, "meterValue": []}),
        ("2.0.1", "DataTransfer", {"vendorId": "x"}),
        ("2.0.1", "NotifyEvent", {}),
        ("2.0.1", "NotifyReport", {}),
        ("2.0.1", "SecurityEventNotification", {}),
        ("2.0.1", "NotifyEVChargingNeeds", {}),
        ("2.0.1", "SignCertificate", {}),
        ("2.0.1", "ReportChargingProfiles", {}),
        ("2.1", "Authorize", {"idToken": {"idToken": "A", "type": "Central"}}),
        ("2.1", "NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": {"requestedEnergyTransfer": "DC_BPT"}}),
        ("2.1", "OpenPeriodicEventStream", {}),
        ("2.1", "ClosePeriodicEventStream", {}),
        ("2.1", "PullDynamicScheduleUpdate", {}),
        ("2.1", "NotifyDERAlarm", {}),
        ("2.1", "NotifyDERStartStop", {}),
        ("2.1", "ReportDERControl", {}),
        ("2.1", "NotifyPriorityCharging", {}),
        ("2.1", "NotifySettlement", {}),
        ("2.1", "NotifyWebPaymentStarted", {}),
        ("2.1", "BatterySwap", {}),
    ],
)  # fmt: skip
def test_answers_fit_the_schemas(version: str, action: str, payload: Any) -> None:
    one = station(max_discharge_w=5_000)
    one.version = version
    judge(version, action, one.handle(action, payload, NOW), answer=True)


def test_the_life_of_a_session_in_1_6() -> None:
    one = station(tags=("A",))
    one.handle("BootNotification", {"chargePointModel": "M", "chargePointVendor": "V", "firmwareVersion": "1"}, NOW)
    assert (one.booted, one.vendor, one.model, one.firmware) == (True, "V", "M", "1")
    assert (one.plugged(1), one.state(1), one.power([1])) == (None, OperatingState.UNKNOWN, (None, None))
    one.handle("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"}, NOW)
    assert (one.plugged(1), one.power([1])) == (False, (0.0, None))
    answer = one.handle("StartTransaction", {"connectorId": 1, "idTag": "B"}, NOW)
    assert answer["idTagInfo"]["status"] == "Invalid"
    assert one.at(1).transaction is None
    answer = one.handle("StartTransaction", {"connectorId": 1, "idTag": "A"}, NOW)
    assert one.at(1).transaction == answer["transactionId"] == 101
    sample = {"value": "3.5", "unit": "kW", "measurand": "Power.Active.Import"}
    one.handle("MeterValues", {"connectorId": 1, "meterValue": [{"sampledValue": [sample]}]}, NOW + 5)
    assert one.power([1]) == (-3500, NOW + 5)
    one.handle("StatusNotification", {"connectorId": 1, "errorCode": "GroundFailure", "status": "Faulted"}, NOW)
    assert (one.state(1), one.at(1).error) == (OperatingState.FAULT, "GroundFailure")
    one.handle("StopTransaction", {"transactionId": 101}, NOW + 9)
    assert (one.at(1).transaction, one.power([1])) == (None, (0.0, NOW + 9))


def test_the_life_of_a_session_in_2_0_1() -> None:
    one = station()
    event = {"eventType": "Started", "transactionInfo": {"transactionId": "T"}, "evse": {"id": 1}}
    value = [{"sampledValue": [{"value": 7.4, "measurand": "Power.Active.Import",
                                "unitOfMeasure": {"unit": "W", "multiplier": 3}}]}]  # fmt: skip
    assert one.handle("TransactionEvent", event | {"meterValue": value}, NOW) == {}
    assert (one.at(1).transaction, one.power([1])[0]) == ("T", -7400)
    # Later events need not name the EVSE.
    one.handle("TransactionEvent", {"eventType": "Ended", "transactionInfo": {"transactionId": "T"}}, NOW + 1)
    assert (one.at(1).transaction, one.power([1])) == (None, (0.0, NOW + 1))


def test_what_was_measured_while_it_could_not_call_is_not_the_power_of_now() -> None:
    one = station()
    event = {"eventType": "Updated", "transactionInfo": {"transactionId": "T"}, "evse": {"id": 1}}
    value = [{"sampledValue": [{"value": 7400, "measurand": "Power.Active.Import"}]}]
    one.handle("TransactionEvent", event | {"meterValue": value}, NOW)
    late = [{"sampledValue": [{"value": 1000, "measurand": "Power.Active.Import"}]}]
    assert one.handle("TransactionEvent", event | {"meterValue": late, "offline": True}, NOW + 60) == {}
    assert (one.at(1).transaction, one.power([1])) == ("T", (-7400, NOW))
    one.handle("TransactionEvent", event | {"eventType": "Ended", "offline": True}, NOW + 61)
    assert (one.at(1).transaction, one.power([1])) == (None, (0.0, NOW + 61))


def test_the_state_of_a_session_and_of_a_variable_in_2_x() -> None:
    one = station()
    one.handle("StatusNotification", {"connectorStatus": "Occupied", "evseId": 1, "connectorId": 1}, NOW)
    assert (one.state(1), one.plugged(1)) == (OperatingState.RUNNING, True)
    info = {"transactionId": "T", "chargingState": "SuspendedEVSE"}
    event = {"eventType": "Started", "transactionInfo": info, "evse": {"id": 1}}
    one.handle("TransactionEvent", event, NOW)
    assert one.state(1) is OperatingState.THROTTLED
    one.handle("TransactionEvent", event | {"eventType": "Ended"}, NOW)
    assert one.state(1) is OperatingState.RUNNING
    told = {"component": {"name": "Connector", "evse": {"id": 1, "connectorId": 1}},
            "variable": {"name": "AvailabilityState"}, "actualValue": "Faulted"}  # fmt: skip
    other = told | {"variable": {"name": "Power"}, "actualValue": "Available"}
    assert one.handle("NotifyEvent", {"eventData": [told, other, 7, told | {"actualValue": "Bored"}]}, NOW) == {}
    assert one.state(1) is OperatingState.FAULT
    with pytest.raises(RemoteProtocolError, match="id is missing"):
        one.handle("NotifyEvent", {"eventData": [told | {"component": {"name": "EVSE", "evse": {}}}]}, NOW)


def test_what_a_vehicle_gives_back() -> None:
    one = station(max_discharge_w=5_000)
    one.version = "2.1"
    event = {"eventType": "Started", "transactionInfo": {"transactionId": "T"}, "evse": {"id": 1}}
    assert one.gives(1) == 0
    one.handle("TransactionEvent", event, NOW)
    assert one.gives(1) == 5_000
    for needs, gives in (
        ({"v2xChargingParameters": {"maxDischargePower": 3_000}}, 3_000),
        ({"v2xChargingParameters": {"maxDischargePower": 9_000.5}}, 5_000),
        ({"dcChargingParameters": {}}, 0),
    ):
        assert one.handle("NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": needs}, NOW)["status"] == "Processing"
        assert one.gives(1) == gives
    for wrong in (-1, True, "1", float("inf")):
        needs = {"v2xChargingParameters": {"maxDischargePower": wrong}}
        with pytest.raises(RemoteProtocolError, match="maxDischargePower"):
            one.handle("NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": needs}, NOW)
    one.version = "2.0.1"
    assert one.gives(1) == 0
    one.version = "2.1"
    one.handle("TransactionEvent", event | {"eventType": "Ended"}, NOW)
    assert (one.gives(1), one.at(1).gives_w) == (0, None)


@pytest.mark.parametrize("limit", [-4321.5, 4321.5])
def test_a_set_point_fits_the_schema(limit: float) -> None:
    keys = config(max_discharge_w=5_000)
    made = profiles.set_profile("2.1", keys, limit, transaction="T", seconds=60, now=NOW)
    judge("2.1", "SetChargingProfile", made)
    period = {"startPeriod": 0, "operationMode": "CentralSetpoint", "setpoint": limit}
    assert made["chargingProfile"]["chargingSchedule"][0]["chargingSchedulePeriod"] == [period]
    shown = {"status": "Accepted", "schedule": {"chargingRateUnit": "W", "chargingSchedulePeriod": [period]}}
    assert profiles.composite_limit("2.1", shown, keys) == limit


@pytest.mark.parametrize(
    ("action", "payload", "error"),
    [
        ("Reset", {}, Unknown),
        ("_connector", {}, Unknown),
        ("BootNotification", {}, RemoteProtocolError),
        ("StatusNotification", {"connectorId": -1, "status": "Charging"}, RemoteProtocolError),
        ("StatusNotification", {"connectorId": True, "status": "Charging"}, RemoteProtocolError),
        ("StatusNotification", {"connectorId": 1, "status": "Bored"}, RemoteProtocolError),
        ("MeterValues", {"connectorId": 65, "meterValue": []}, RemoteProtocolError),
        ("TransactionEvent", {"eventType": "Started"}, RemoteProtocolError),
        ("TransactionEvent", {"eventType": "X", "transactionInfo": {"transactionId": "T"}}, RemoteProtocolError),
    ],
)
def test_wrong_calls_change_nothing(action: str, payload: Any, error: Any) -> None:
    one = station()
    with pytest.raises(error):
        one.handle(action, payload, NOW)
    assert not one.connectors


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["connectorId", "evseId", "evse", "id", "meterValue", "sampledValue", "value", "measurand", "unit", "phase",
         "status", "idToken", "transactionInfo", "transactionId", "eventType", "unitOfMeasure", "multiplier"]), inner),
    max_leaves=20,
)  # fmt: skip


@given(
    st.sampled_from(["BootNotification", "StatusNotification", "MeterValues", "TransactionEvent", "StartTransaction"]),
    st.dictionaries(st.sampled_from(["connectorId", "evseId", "meterValue", "eventType", "chargingStation"]), JSON),
)
def test_any_payload_is_answered_or_refused(action: str, payload: Any) -> None:
    one = station()
    try:
        one.handle(action, payload, NOW)
    except RemoteProtocolError:
        return
    assert len(one.connectors) <= 1


def test_meter_values() -> None:
    phases = [{"value": "1000", "measurand": "Power.Active.Import", "phase": phase} for phase in ("L1", "L2-N")]
    assert measured([{"sampledValue": phases}]).w == -2000
    total = {"value": "1.5", "measurand": "Power.Active.Import", "unit": "kW"}
    assert measured([{"sampledValue": [*phases, total]}]).w == -1500
    rest = [
        {"value": "500", "measurand": "Power.Reactive.Import"},
        {"value": "230.5", "measurand": "Voltage", "phase": "L1-N"},
        {"value": "50.02", "measurand": "Frequency"},
        {"value": 55, "measurand": "SoC"},
        {"value": "nan", "measurand": "Power.Active.Import"},
        {"value": "1", "measurand": "Power.Active.Import", "unit": "hp"},
        {"value": True, "measurand": "Power.Active.Import"},
        {"value": "7"},
    ]
    found = measured([{"sampledValue": rest}])
    assert (found.w, found.var, found.hz, found.soc, found.volts) == (None, -500, 50.02, 0.55, {Phase.AN: 230.5})
    delivered = {"value": 2, "measurand": "Power.Active.Export", "unitOfMeasure": {"unit": "W", "multiplier": 3}}
    assert measured([{"sampledValue": [delivered]}]).w == 2000


def sample(value: float, measurand: str, phase: str = "", **more: Any) -> Json:
    return {"value": str(value), "measurand": measurand} | ({"phase": phase} if phase else {}) | more


def test_one_flow_measured_at_two_places_is_not_twice_as_much() -> None:
    cable, grid = (
        sample(value, "Power.Active.Import", location=at) for value, at in ((7000, "Outlet"), (7200, "Inlet"))
    )
    assert measured([{"sampledValue": [cable, grid]}]).w == -7000
    assert measured([{"sampledValue": [grid]}]).w == -7200
    assert measured([{"sampledValue": [sample(7000, "Power.Active.Import"), grid]}]).w == -7000
    for odd in ("Socket", 5, None):
        assert measured([{"sampledValue": [sample(7000, "Power.Active.Import", location=odd)]}]).w == -7000
    both = [sample(0, "Power.Active.Import"), sample(500, "Power.Active.Export")]
    assert measured([{"sampledValue": both}]).w == 500
    assert measured([{"sampledValue": [cable, cable]}]).w == -7000


def test_power_follows_from_currents_where_nobody_tells_it() -> None:
    three = [sample(amps, "Current.Import", phase) for amps, phase in ((10, "L1"), (8, "L2"), (6, "L3-N"))]
    found = measured([{"sampledValue": [*three, sample(240, "Voltage", "L1-N")]}])
    assert (found.w, found.amps) == (None, {Phase.A: -10, Phase.B: -8, Phase.C: -6})
    assert found.power(3, 230.0) == -(10 * 240 + 8 * 230 + 6 * 230)
    alone = measured([{"sampledValue": [sample(16, "Current.Import")]}])
    assert (alone.power(1, 230.0), alone.power(3, 230.0)) == (-3680, None)
    assert measured([{"sampledValue": [*three, sample(5000, "Power.Active.Import")]}]).power(3, 230.0) == -5000


def test_a_charger_that_tells_currents_only_is_followed_over_sessions() -> None:
    one = station()

    def currents(amps: float, *more: Json) -> float | None:
        values = [{"sampledValue": [sample(amps, "Current.Import", "L1"), *more]}]
        one.handle("MeterValues", {"connectorId": 1, "meterValue": values}, NOW)
        return one.power([1])[0]

    assert currents(10) == -2300
    number = one.handle("StartTransaction", {"connectorId": 1, "idTag": "A"}, NOW)["transactionId"]
    one.handle("StopTransaction", {"transactionId": number}, NOW)
    assert one.power([1]) == (0.0, NOW)
    assert currents(6) == -1380
    assert currents(6, sample(1300, "Power.Active.Import")) == -1300
    assert currents(9) == -1300  # from now on what it tells counts


def test_meter_values_of_a_session_that_began_before_us_name_it() -> None:
    one = station()
    values: Json = {"connectorId": 1, "transactionId": 77, "meterValue": []}
    one.handle("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"}, NOW)
    one.handle("MeterValues", values, NOW)
    assert one.at(1).transaction is None
    one.handle("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}, NOW)
    for odd in (True, 0, -1, "77", None):
        one.handle("MeterValues", values | {"transactionId": odd}, NOW)
        assert one.at(1).transaction is None
    one.handle("MeterValues", values, NOW)
    assert one.at(1).transaction == 77
    one.handle("StopTransaction", {"transactionId": 77}, NOW)
    one.handle("MeterValues", values, NOW)  # was queued
    assert one.at(1).transaction is None


@pytest.mark.parametrize("zone", ["Z", "", "+02:00"])
def test_meter_values_from_before_the_end_of_their_session_are_no_power_of_now(zone: str) -> None:
    """Queued while the charging point could not call; its clock may be wrong, but it is the same for both."""
    one = station()
    stop = f"2019-01-01T10:00:00{zone}"

    def measured(number: Any, at: Any) -> float | None:
        values = [{"timestamp": at, "sampledValue": [sample(7000, "Power.Active.Import")]}]
        one.handle("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": values}, NOW)
        return one.power([1])[0]

    def stopped(timestamp: Any) -> int:
        number = one.handle("StartTransaction", {"connectorId": 1, "idTag": "A"}, NOW)["transactionId"]
        assert measured(number, f"2019-01-01T09:59:00{zone}") == -7000
        one.handle("StopTransaction", {"transactionId": number, "timestamp": timestamp}, NOW)
        assert one.power([1])[0] == 0
        return int(number)

    number = stopped(stop)
    for at in (f"2019-01-01T09:59:30{zone}", stop):
        assert measured(number, at) == 0
    one.handle("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": "none"}, NOW)
    assert measured(number, f"2019-01-01T10:00:01{zone}") == -7000, "it goes on all the same"
    for odd in ("soon", None, 5):
        assert measured(stopped(odd), stop) == -7000, "when it ended is not known"
        assert measured(stopped(stop), odd) == -7000, "nor when it was measured"


@given(st.floats(0, 1e6), st.sampled_from(["W", "A"]))
def test_a_limit_is_never_above_what_was_asked(watts: float, unit: Any) -> None:
    keys = config(unit=unit)
    limit = profiles.limit_of(watts, keys)
    assert profiles.limit_of(-watts, keys) == -limit
    assert 0 <= limit * keys.watts_per_unit <= watts + 1e-4
    assert watts - limit * keys.watts_per_unit <= 0.1 * keys.watts_per_unit + 1e-4


def test_the_composite_schedule_in_both_units() -> None:
    def shown(unit: str, limit: Any) -> Any:
        return {"status": "Accepted", "chargingSchedule": {"chargingRateUnit": unit,
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]}}  # fmt: skip

    assert profiles.composite_limit("1.6", shown("W", 5000), config()) == 5000
    assert profiles.composite_limit("1.6", shown("A", 10), config()) == 6900
    assert profiles.composite_limit("1.6", shown("W", 6900), config(unit="A")) == 10
    for nothing in ({}, {"status": "Rejected"}, shown("W", None), shown("W", True), {"status": "Accepted"}):
        assert profiles.composite_limit("1.6", nothing, config()) is None


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"listen": "9000"}, "listen is an address and a port"),
        ({"listen": "h:99999"}, "listen is an address and a port"),
        ({"charge_point": "a/b"}, "charge_point"),
        ({"security_profile": 1}, "needs password_file"),
        ({"security_profile": 2, "password_file": "p"}, "needs cert_file"),
        ({"security_profile": 3, "cert_file": "c", "key_file": "k"}, "needs client_ca_file"),
        ({"cert_file": "c"}, "belong together"),
        ({"cert_file": "c", "key_file": "k"}, "is TLS"),
        ({"client_ca_file": "c"}, "is for TLS"),
        ({"purpose": "station"}, "connector 0"),
        ({"purpose": "transaction", "connector": 0}, "needs a connector"),
        ({"max_discharge_w": 1, "connector": 0}, "needs a connector"),
        ({"max_discharge_w": 1, "versions": ("2.0.1",)}, "needs version 2.1"),
    ],
)
def test_wrong_keys_are_told(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config(**keys)


def test_addresses_and_numbers() -> None:
    assert config(listen="[::1]:9001").listener[:3] == ("::1", 9001, "/ocpp")
    assert profiles.timestamp(time.time()).endswith("Z")


def test_every_key_is_on_the_page() -> None:
    page = PAGE.read_text()
    own = set(OcppConfig.model_fields) - set(DriverConfig.model_fields)
    assert not sorted(key for key in own if f"`{key}`" not in page)


def test_versions_may_be_the_numbers_that_yaml_makes_of_them() -> None:
    assert config(versions=[2.1, "2.0.1", 1.6]).versions == ("2.1", "2.0.1", "1.6")
    with pytest.raises(ValidationError, match="versions"):
        config(versions=[1.5])


@pytest.mark.parametrize(
    ("keys", "least_w"),
    [
        ({}, 1_380.0),
        ({"unit": "A"}, 4_140.0),
        ({"unit": "A", "phases": 1, "volts": 240}, 1_440.0),
        ({"unit": "A", "max_charge_w": 3_700}, 3_700.0),
        ({"min_a": 0}, 0.0),
    ],
)
def test_no_vehicle_is_offered_less_than_it_can_charge_with(keys: dict[str, Any], least_w: float) -> None:
    """IEC 61851-1 knows no current between 0 and 6 A."""
    assert config(**keys).least_w == least_w
    assert OcppDriver.create("cp", config(**keys), clock=SystemClock()).traits.least_power_w == least_w
