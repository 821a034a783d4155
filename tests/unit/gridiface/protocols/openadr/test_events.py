"""The event: status by the clock, order, to and from the wire."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.openadr.complaints import complaints
from gridiface.protocols.openadr.events import (
    Baseline,
    Event,
    Signal,
    current_value,
    from_wire,
    rank,
    target_for,
    to_wire,
)
from gridiface.protocols.openadr.payloads.common import EiTarget, Tolerate
from gridiface.protocols.openadr.payloads.stream import OadrGBPayload, PayloadFloat, SignalPayload
from gridiface.protocols.openadr.payloads.units import energy_real, power_reactive, power_real, price_per_kwh
from gridiface.protocols.openadr.times import LONGEST, parse_duration

NOW = 1_800_000_000.0


def simple(values=(1.0,), length=600):
    return Signal(name="SIMPLE", type="level", id="s", durations=(length,) * len(values), values=tuple(values))


def event(**fields):
    signals = fields.pop("signals", (simple(),))
    base = {
        "id": "E",
        "market_context": "http://p/",
        "dtstart": NOW,
        "duration": sum(signals[0].durations) if signals else 0,
        "signals": signals,
    }
    return Event(**{**base, **fields})


@pytest.mark.parametrize(
    ("offset", "status"),
    [(-31, "far"), (-30, "near"), (-1, "near"), (0, "active"), (599, "active"), (600, "completed")],
)
def test_r13_the_status_follows_the_clock(offset, status):
    assert event(ramp_up=30).status_at(NOW + offset) == status
    assert event(ramp_up=30, status="cancelled").status_at(NOW + offset) == "cancelled"


def test_the_last_change_is_the_border_before():
    made = event(signals=(simple((1, 2)),), ramp_up=30, startafter=60)
    found = [made.changes_around(NOW + t)[0] - NOW for t in (-30, -1, 0, 599, 600, 1200, 1259, 1260, 9999)]
    assert found == [-30, -30, 0, 0, 600, 1200, 1200, 1260, 1260]
    assert made.changes_around(NOW - 31) == (-math.inf, NOW - 30)
    assert made.changes_around(NOW + 1260)[1] == math.inf


def test_the_next_change_is_each_border_once():
    made = event(signals=(simple((1, 2)),), ramp_up=30, startafter=60)
    now, seen = NOW - 100, []
    while (now := made.changes_around(now)[1]) < math.inf:
        seen.append(now - NOW)
    assert seen == [-30, 0, 600, 1200, 1260]


@given(st.lists(st.tuples(st.integers(-2000, 2000), st.integers(0, 3)), max_size=6))
def test_r15_the_order_is_total_and_stable(rows):
    made = [event(id=str(n), dtstart=NOW + start, priority=priority) for n, (start, priority) in enumerate(rows)]
    order = sorted(made, key=lambda e: rank(e, NOW))
    states = [e.status_at(NOW) for e in order]
    assert states == sorted(states, key=["active", "far", "near", "completed"].index)
    running = [e.priority or 99 for e in order if e.status_at(NOW) == "active"]
    assert running == sorted(running)


def test_r29_the_current_value_is_that_of_the_running_interval():
    made = event(signals=(simple((1, 2)),))
    assert [current_value(made.signals[0], made, NOW + t) for t in (-1, 0, 600, 1200)] == [0.0, 1, 2, 0.0]
    dispatch = Signal(name="LOAD_DISPATCH", type="setpoint", id="d", durations=(60,), values=(5.0,), unit=power_real())
    made = event(signals=(dispatch,))
    assert [current_value(dispatch, made, NOW + t) for t in (-1, 0, 60)] == [None, 5.0, None]


SIGNALS = st.sampled_from(
    [
        ("SIMPLE", "level", None, [0.0, 1.0, 2.0, 3.0]),
        ("ELECTRICITY_PRICE", "price", price_per_kwh("EUR"), [0.1, -2.0]),
        ("LOAD_DISPATCH", "setpoint", power_real("k"), [1.5, -9.0]),
        ("LOAD_DISPATCH", "delta", power_reactive(), [0.0]),
        ("CHARGE_STATE", "setpoint", energy_real("k"), [7.0]),
        ("LOAD_CONTROL", "x-loadControlCapacity", None, [0.0, 1.0]),
    ]
)


@st.composite
def events(draw):
    durations = tuple(draw(st.lists(st.integers(1, 10_000), min_size=1, max_size=4)))
    signals = []
    for count in range(draw(st.integers(1, 3))):
        name, kind, unit, values = draw(SIGNALS)
        chosen = tuple(draw(st.sampled_from(values)) for _ in durations)
        signals.append(Signal(name=name, type=kind, id=f"s{count}", durations=durations, values=chosen, unit=unit))
    return event(
        signals=tuple(signals),
        dtstart=float(draw(st.integers(0, 4 * 10**9))),
        modification=draw(st.integers(0, 9)),
        startafter=draw(st.integers(0, 900)),
        notification=draw(st.integers(0, 900)),
        ramp_up=draw(st.none() | st.integers(-900, 900)),
        recovery=draw(st.none() | st.integers(-900, 900)),
        priority=draw(st.none() | st.integers(0, 5)),
        test=draw(st.sampled_from([None, "true", "false"])),
        target=draw(st.sampled_from([EiTarget(), EiTarget(resourceID=["a"]), EiTarget(groupID=["g"], partyID=["p"])])),
        response_required=draw(st.booleans()),
        created=NOW,
        baseline=draw(
            st.none()
            | st.just(Baseline(id="b", name="n", dtstart=NOW, durations=(5, 6), values=(1.0, 2.0), unit=power_real()))
        ),
    )


@given(events(), st.integers(-(10**5), 10**5))
def test_what_may_be_sent_reads_back_the_same(made, offset):
    assert complaints(made) == []
    now = made.dtstart + offset
    sent = to_wire(made, now)
    back = from_wire(sent)
    assert back == replace(made, status=made.status_at(now))
    assert to_wire(back, now) == sent
    for signal, told in zip(made.signals, sent.eiEvent.eiEventSignals.eiEventSignal, strict=True):
        running = current_value(signal, made, now)
        assert (told.currentValue and told.currentValue.payloadFloat.value) == running


def wire(**fields):
    return to_wire(event(**fields), NOW)


def broken(change):
    made = wire(signals=(simple((1, 2)),))
    change(made.eiEvent)
    return made


def rows(ei_event):
    return ei_event.eiEventSignals.eiEventSignal[0].intervals.interval


def too_long(name):
    """An event of which one time, and that of its only interval where it is the event's, is of over 1000 years."""

    def change(ei_event):
        setattr(ei_event.eiActivePeriod.properties, name, LONGEST + 1)
        if name == "duration":
            del rows(ei_event)[1:]
            rows(ei_event)[0].duration = None

    return change


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda e: setattr(rows(e)[1], "uid", "2"), 450),
        (lambda e: setattr(rows(e)[1], "duration", None), 459),
        (lambda e: setattr(rows(e)[1], "duration", -600), 454),
        (lambda e: setattr(rows(e)[1], "duration", 599), 454),
        (lambda e: rows(e)[0].streamPayloadBase.append(rows(e)[1].streamPayloadBase[0]), 459),
        (lambda e: setattr(rows(e)[0], "streamPayloadBase", [OadrGBPayload(feed=b"")]), 459),
        (
            lambda e: setattr(
                rows(e)[0], "streamPayloadBase", [SignalPayload(payloadBase=PayloadFloat(value=float("nan")))]
            ),
            454,
        ),
        (lambda e: setattr(e.eiActivePeriod.properties, "duration", -5), 454),
        (lambda e: setattr(e.eiActivePeriod.properties, "tolerance", Tolerate(startafter=-5)), 454),
        *((too_long(name), 454) for name in ("duration", "x_eiNotification", "x_eiRampUp", "x_eiRecovery")),
        (lambda e: setattr(e.eiActivePeriod.properties, "tolerance", Tolerate(startafter=LONGEST + 1)), 454),
        (lambda e: setattr(rows(e)[1], "duration", LONGEST + 1), 454),
    ],
)
def test_broken_events_are_refused_with_their_code(change, code):
    with pytest.raises(RemoteProtocolError) as refused:
        from_wire(broken(change))
    assert refused.value.answer == code


def open_ended(*durations, whole=0):
    made = wire(signals=(simple((1,) * len(durations)),), duration=600 * len(durations))
    made.eiEvent.eiActivePeriod.properties.duration = whole
    for row, duration in zip(rows(made.eiEvent), durations, strict=True):
        row.duration = duration
    return made


@pytest.mark.parametrize("durations", [(0,), (600, 0), (600, 1, 0)])
def test_47_the_last_interval_of_an_open_ended_event_is_open(durations):
    found = from_wire(open_ended(*durations))
    assert (found.end, found.signals[0].durations) == (math.inf, durations)


def test_a_single_interval_without_a_duration_is_as_long_as_the_event():
    assert from_wire(open_ended(None, whole=900)).signals[0].durations == (900,)
    assert from_wire(open_ended(None)).signals[0].durations == (0,)


@pytest.mark.parametrize(
    ("durations", "whole"), [((600, 600), 0), ((0, 600), 0), ((0, 0), 0), ((600,), 0), ((0,), 600), ((600, 0), 600)]
)
def test_an_interval_without_an_end_is_the_last_of_an_open_ended_event(durations, whole):
    with pytest.raises(RemoteProtocolError) as refused:
        from_wire(open_ended(*durations, whole=whole))
    assert refused.value.answer == 454


@pytest.mark.parametrize("rename", ["event", "signal"])
def test_names_that_no_database_can_index_are_refused(rename):
    made = wire()
    if rename == "event":
        made.eiEvent.eventDescriptor.eventID = "E" * 5_000
    else:
        made.eiEvent.eiEventSignals.eiEventSignal[0].signalID = "s" * 5_000
    with pytest.raises(RemoteProtocolError) as refused:
        from_wire(made)
    assert refused.value.answer == 452


def test_a_signal_has_its_intervals_from_its_start_on_and_none_outside():
    signal = Signal(name="SIMPLE", type="level", id="s", durations=(60, 30), values=(1.0, 2.0))
    assert [signal.interval_at(NOW, NOW + t) for t in (-1, 0, 59, 60, 89, 90)] == [None, 0, 0, 1, 1, None]
    endless = Signal(name="SIMPLE", type="level", id="s", durations=(60, 0), values=(1.0, 2.0))
    assert endless.interval_at(NOW, NOW + 10**9) == 1


def test_known_deviations_of_senders_are_tolerated():
    made = wire()
    made.eiEvent.eiActivePeriod.properties.x_eiNotification = None
    rows(made.eiEvent)[0].dtstart = NOW
    rows(made.eiEvent)[0].uid = None
    assert from_wire(made).notification is None


def test_a_month_is_as_long_as_the_calendar_says():
    month = parse_duration("P1M")
    made = event(
        duration=month, signals=(Signal(name="SIMPLE", type="level", id="s", durations=(month,), values=(1.0,)),)
    )
    assert complaints(made) == []
    assert made.end - made.dtstart == 31 * 86_400
    assert from_wire(to_wire(made, NOW)).end == made.end


def test_an_empty_target_becomes_the_recipient():
    assert target_for(event(), "v") == EiTarget(venID=["v"])
    assert target_for(event(target=EiTarget(groupID=["g"])), "v") == EiTarget(groupID=["g"])


def test_r6_anything_but_false_is_a_test():
    assert [event(test=t).is_test for t in (None, "false", " False ", "true", "")] == [False, False, False, True, True]


def test_a_signal_has_a_target_where_it_is_for_classes_of_devices_and_none_else():
    hvac = replace(simple(), id="t", devices=("Thermostat",))
    plain, chosen = wire(signals=(simple(), hvac)).eiEvent.eiEventSignals.eiEventSignal
    assert plain.eiTarget is None
    assert chosen.eiTarget == EiTarget(endDeviceAsset=["Thermostat"])


@pytest.mark.parametrize(
    ("whole", "own", "devices"),
    [
        (EiTarget(), EiTarget(endDeviceAsset=["Thermostat"]), ("Thermostat",)),
        (EiTarget(), EiTarget(venID=["v"]), ()),
        (EiTarget(resourceID=["r1", "r2"]), EiTarget(resourceID=["r2"], endDeviceAsset=["Sauna"]), ("Sauna",)),
        (EiTarget(), EiTarget(resourceID=["r1"]), None),
        (EiTarget(resourceID=["r1"]), EiTarget(resourceID=["r1"], groupID=["g"]), None),
    ],
)
def test_r111_a_signal_is_narrowed_by_device_classes_alone(whole, own, devices):
    sent = to_wire(event(target=whole), NOW)
    sent.eiEvent.eiEventSignals.eiEventSignal[0].eiTarget = own
    if devices is None:
        with pytest.raises(RemoteProtocolError) as refused:
            from_wire(sent)
        assert refused.value.answer == 459
    else:
        assert from_wire(sent).signals[0].devices == devices
