"""Our VEN adapter against our VTN adapter: events become controls of a real engine, reports show what it delivers."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace

import pytest

from gridiface.domain.controls import ControlMode, ControlState
from gridiface.errors import ConfigError
from gridiface.protocols.openadr.events import Event, Signal
from gridiface.protocols.openadr.exchange import HttpMessage
from gridiface.protocols.openadr.payloads.units import power_reactive, power_real, price_per_kwh
from gridiface.protocols.openadr.reports import ReportRequest

pytestmark = pytest.mark.timeout(60)
PROGRAM = "http://program.example/dr"


def dispatch_event(name, start, *values, length=600):
    signal = Signal(
        name="LOAD_DISPATCH",
        type="setpoint",
        id="s",
        durations=(length,) * len(values),
        values=values,
        unit=power_real("k"),
    )
    duration = length * len(values)
    return Event(id=name, market_context=PROGRAM, dtstart=start, duration=duration, signals=(signal,))


async def pair(make_house):
    utility, site = make_house(batteries=False), make_house()
    vtn = utility.vtn()
    await utility.run(vtn)
    ven = site.ven(f"http://127.0.0.1:{vtn.port}")
    await site.run(ven)
    return utility, vtn, site, ven


async def test_an_event_becomes_a_control_and_the_report_shows_the_delivered_power(make_house, eventually):
    _utility, vtn, site, ven = await pair(make_house)
    await eventually(lambda: ven.core.registration.venID, "registration")
    name = ven.core.registration.venID
    reported = []
    note = vtn.members.note

    async def watch(notice, now):
        reported.append(notice)
        await note(notice, now)

    vtn.members.note = watch
    start = float(int(site.clock.now()) - 1)
    await vtn.do(lambda core, now: core.create_event(dispatch_event("E", start, -6.0), [name], now))
    await eventually(lambda: (d := vtn.core.delivery(name, "E")) and d.opt == "optIn", "optIn")
    (control,) = site.ledger.live()
    assert control.values[ControlMode.SET_W].value == 6000.0
    assert control.source.identity == "VTN-1"
    await eventually(lambda: sum(site.batteries.watts.values()) == pytest.approx(6000.0), "the set-points")

    def delivered():
        reports = [notice for notice in reported if type(notice).__name__ == "ReportReceived"]
        return [value.value for notice in reports for value in notice.values]

    await eventually(lambda: delivered() and delivered()[-1] == pytest.approx(-6000.0), "the report")

    # A change: the new control is there before the old one goes.
    signals = dispatch_event("E", start, -2.0).signals
    await vtn.do(lambda core, now: core.modify_event("E", now, signals=signals))
    await eventually(lambda: sum(site.batteries.watts.values()) == pytest.approx(2000.0), "the change")
    await eventually(lambda: len(site.ledger.live()) == 1, "one control is left")
    assert site.ledger.controls[control.id].state in {ControlState.CANCELLED, ControlState.SUPERSEDED}

    # And its end.
    await vtn.do(lambda core, now: core.cancel_event("E", now))
    await eventually(lambda: vtn.core.delivery(name, "E").cancel_done, "the confirmation")
    await eventually(lambda: not site.ledger.live(), "no control is left")
    await eventually(lambda: sum(site.batteries.watts.values()) == 0.0, "released")


async def test_an_event_that_is_not_understood_is_opted_out_and_makes_no_control(make_house, eventually):
    _, vtn, site, ven = await pair(make_house)
    await eventually(lambda: ven.core.registration.venID, "registration")
    name = ven.core.registration.venID
    start = float(int(site.clock.now()) + 100)
    signal = Signal(name="LOAD_DISPATCH", type="level", id="s", durations=(60,), values=(2.0,), unit=power_real())
    event = Event(id="E", market_context=PROGRAM, dtstart=start, duration=60, signals=(signal,))
    await vtn.do(lambda core, now: core.create_event(event, [name], now))
    await eventually(lambda: (d := vtn.core.delivery(name, "E")) and d.opt == "optOut", "optOut")
    assert vtn.core.delivery(name, "E").code == 454
    assert not site.ledger.controls


async def test_the_longest_event_that_our_vtn_takes_reaches_our_ven(make_house, eventually):
    _, vtn, site, ven = await pair(make_house)
    await eventually(lambda: ven.core.registration.venID, "registration")
    name = ven.core.registration.venID
    event = dispatch_event("E", float(int(site.clock.now()) + 1000), *([-6.0] * 1000))
    (signal,) = event.signals
    signals = tuple(replace(signal, id=f"s{number}") for number in range(20))
    await vtn.do(lambda core, now: core.create_event(replace(event, signals=signals), [name], now))
    await eventually(lambda: "E" in ven.core.events, "the event")
    assert sum(len(one.values) for one in ven.core.events["E"].event.signals) == 20_000


async def test_a_test_event_is_answered_and_moves_no_device(make_house, eventually):
    _, vtn, site, ven = await pair(make_house)
    await eventually(lambda: ven.core.registration.venID, "registration")
    name = ven.core.registration.venID
    start = float(int(site.clock.now()) - 1)
    event = replace(dispatch_event("T", start, -6.0), test="yes, a test")
    await vtn.do(lambda core, now: core.create_event(event, [name], now))
    await eventually(lambda: (d := vtn.core.delivery(name, "T")) and d.opt == "optIn", "optIn")
    real = dispatch_event("E", start, -2.0)
    await vtn.do(lambda core, now: core.create_event(real, [name], now))
    await eventually(lambda: sum(site.batteries.watts.values()) == pytest.approx(2000.0), "the real one alone")
    made = {control.extra["eventID"]: control.is_test for control in site.ledger.controls.values()}
    assert made == {"T": True, "E": False}
    await vtn.do(lambda core, now: core.cancel_event("T", now))
    await eventually(lambda: vtn.core.delivery(name, "T").cancel_done, "the confirmation")


async def test_what_the_operator_ends_is_opted_out_later(make_house, eventually):
    _, vtn, site, ven = await pair(make_house)
    await eventually(lambda: ven.core.registration.venID, "registration")
    name = ven.core.registration.venID
    start = float(int(site.clock.now()) - 1)
    await vtn.do(lambda core, now: core.create_event(dispatch_event("E", start, -6.0), [name], now))
    await eventually(lambda: (d := vtn.core.delivery(name, "E")) and d.opt == "optIn", "optIn")
    (control,) = site.ledger.live()
    await site.dispatch.cancel(control.id, site.clock.now(), reason="by the operator")
    await eventually(lambda: vtn.core.delivery(name, "E").opt == "optOut", "optOut")


async def opted(vtn, eventually, name, event, opt):
    """Send an event and wait for the word on it."""
    await vtn.do(lambda core, now: core.create_event(event, [name], now))
    await eventually(lambda: (d := vtn.core.delivery(name, event.id)) and d.opt == opt, f"{event.id}: {opt}")


async def test_what_the_operator_ends_is_opted_out_whatever_is_told_beside_it(make_house, eventually):
    """A comment and a price ask nothing, and an interval that is over is not still to come."""
    _, vtn, site, ven = await pair(make_house)
    await eventually(lambda: ven.core.registration.venID, "registration")
    name = ven.core.registration.venID
    event = dispatch_event("E", float(int(site.clock.now()) + 1), -6.0, -5.0, length=5)
    price = replace(event.signals[0], name="ELECTRICITY_PRICE", type="price", id="p", unit=price_per_kwh("EUR"))
    event = replace(event, signals=(*event.signals, price), comment="it is hot")
    await opted(vtn, eventually, name, event, "optIn")
    acting = {c.interval.start: c.id for c in site.ledger.live() if ControlMode.SET_W in c.values}
    first, second = (acting[start] for start in sorted(acting))
    await eventually(lambda: site.ledger.controls[first].state is ControlState.COMPLETED, "the first interval")
    await site.dispatch.cancel(second, site.clock.now(), reason="by the operator")
    await eventually(lambda: vtn.core.delivery(name, "E").opt == "optOut", "optOut")


async def test_intervals_that_are_over_are_not_asked_for(make_house, eventually):
    _, vtn, site, ven = await pair(make_house)
    await eventually(lambda: ven.core.registration.venID, "registration")
    start = float(int(site.clock.now()) - 900)
    event = dispatch_event("E", start, -6.0, -5.0)
    await opted(vtn, eventually, ven.core.registration.venID, event, "optIn")
    assert [c.values[ControlMode.SET_W].value for c in site.ledger.controls.values()] == [5000.0]
    assert "late" not in [one.verdict for one in site.ledger.decisions]


async def test_who_may_not_be_controlled_is_opted_out_and_in_again(make_house, eventually):
    _, vtn, site, ven = await pair(make_house)
    await eventually(lambda: ven.core.registration.venID, "registration")
    name = ven.core.registration.venID

    def block(device, blocked=True):
        site.engine.desk.block(device, blocked, site.clock.now())

    start = float(int(site.clock.now()) - 1)
    event = replace(dispatch_event("E", start, -6.0), comment="it is hot")
    await opted(vtn, eventually, name, event, "optIn")
    await eventually(lambda: sum(site.batteries.watts.values()) == pytest.approx(6000.0), "the set-points")
    block("b1")
    await eventually(lambda: site.batteries.watts == {"b1": 0.0, "b2": pytest.approx(6000.0)}, "one is left")
    assert vtn.core.delivery(name, "E").opt == "optIn"
    block("b2")
    await eventually(lambda: vtn.core.delivery(name, "E").opt == "optOut", "nobody is left")
    assert vtn.core.delivery(name, "E").code == 200
    assert "blocked by the operator" in ven.core.events["E"].description

    # What comes now is refused, and stands in the record.
    await opted(vtn, eventually, name, dispatch_event("F", start + 100, -6.0), "optOut")
    (refused,) = [one for one in site.ledger.decisions if "/F/" in one.control_id]
    assert (refused.source.protocol, refused.verdict, refused.signal) == ("openadr", "blocked", "set_w")

    # Over a restart, and back: the control was in force all the time.
    await ven.stop()
    site.adapters.remove(ven)
    site.dispatch.listeners.clear()
    again = site.ven(ven.url)
    await site.run(again)
    block("b1", blocked=False)
    await eventually(lambda: vtn.core.delivery(name, "E").opt == "optIn", "somebody may again")
    await eventually(lambda: site.batteries.watts["b1"] == pytest.approx(6000.0), "and does")
    # What came while nobody might is decided on anew, and is carried out.
    await eventually(lambda: vtn.core.delivery(name, "F").opt == "optIn", "the event that was refused")
    await eventually(lambda: any("/F/" in control.id for control in site.ledger.live()), "its control")
    assert not again.book._bindings.get("F").barred


async def test_an_event_that_was_refused_for_more_than_that_nobody_may_stays_refused(make_house, eventually):
    _, vtn, site, ven = await pair(make_house)
    await eventually(lambda: ven.core.registration.venID, "registration")
    name = ven.core.registration.venID

    def block(blocked):
        for device in site.batteries.watts:
            site.engine.desk.block(device, blocked, site.clock.now())

    start = float(int(site.clock.now()) + 100)
    block(True)
    await opted(vtn, eventually, name, dispatch_event("OPERATOR", start, -6.0), "optOut")
    await ven.opt("OPERATOR", "optOut", reason="not this one")
    odd = dispatch_event("ODD", start, -6.0)
    odd = replace(odd, signals=(replace(odd.signals[0], unit=power_reactive()),))  # Which no device here has.
    await opted(vtn, eventually, name, odd, "optOut")
    await opted(vtn, eventually, name, dispatch_event("LATER", start, -6.0), "optOut")
    await vtn.do(lambda core, now: core.create_event(dispatch_event("OVER", start, -6.0), [name], now))
    await eventually(lambda: (d := vtn.core.delivery(name, "OVER")) and d.opt == "optOut", "a word")
    await vtn.do(lambda core, now: core.cancel_event("OVER", now))
    await eventually(lambda: vtn.core.delivery(name, "OVER").cancel_done, "its end")
    block(False)
    await eventually(lambda: vtn.core.delivery(name, "LATER").opt == "optIn", "the one that can be")
    assert [vtn.core.delivery(name, one).opt for one in ("OPERATOR", "ODD", "OVER")] == ["optOut"] * 3


async def test_what_was_never_taken_is_not_opted_in_when_somebody_may_again(make_house, eventually):
    """Opted in by the operator's standing word, refused by the engine, and then left to the engine."""
    _, vtn, site, ven = await pair(make_house)
    await eventually(lambda: ven.core.registration.venID, "registration")
    name = ven.core.registration.venID
    for device in site.batteries.watts:
        site.engine.desk.block(device, True, site.clock.now())
    await ven.always("optIn")
    event = replace(dispatch_event("E", float(int(site.clock.now()) - 1), -6.0), comment="it is hot")
    await opted(vtn, eventually, name, event, "optIn")
    await eventually(lambda: ven.book._bindings.get("E").lost, "it was handed in and refused")
    await ven.always("")
    ven.wake()
    await eventually(lambda: vtn.core.delivery(name, "E").opt == "optOut", "the engine's word")
    for device in site.batteries.watts:
        site.engine.desk.block(device, False, site.clock.now())
    await opted(vtn, eventually, name, dispatch_event("F", float(int(site.clock.now()) - 1), -2.0), "optIn")
    assert vtn.core.delivery(name, "E").opt == "optOut"


async def test_bids_alone_are_opted_in_recorded_and_move_nobody(make_house, eventually):
    _, vtn, site, ven = await pair(make_house)
    await eventually(lambda: ven.core.registration.venID, "registration")
    name = ven.core.registration.venID
    event = dispatch_event("BID", float(int(site.clock.now()) - 1), 6.0)
    event = replace(event, signals=(replace(event.signals[0], name="BID_LOAD"),))
    await opted(vtn, eventually, name, event, "optIn")
    (control,) = site.ledger.live()
    assert control.values[ControlMode.BID].value == -6000.0
    (decision,) = [one for one in site.ledger.decisions if one.control_id == control.id]
    assert (decision.signal, decision.verdict, decision.control_id) == ("bid", "accepted", control.id)
    assert sum(site.batteries.watts.values()) == 0.0
    for device in site.batteries.watts:
        site.engine.desk.block(device, True, site.clock.now())
    await eventually(lambda: site.ledger.controls[control.id].state is ControlState.ACTIVE, "it runs")
    await opted(vtn, eventually, name, replace(event, id="BID2"), "optIn")
    assert vtn.core.delivery(name, "BID").opt == "optIn"


async def test_the_operators_standing_word_answers_every_event_and_outlives_a_restart(make_house, eventually):
    _, vtn, site, ven = await pair(make_house)
    await eventually(lambda: ven.core.registration.venID, "registration")
    name = ven.core.registration.venID
    start = float(int(site.clock.now()) - 1)

    async def answered(event_id, opt, unit=None):
        event = dispatch_event(event_id, start, -6.0)
        if unit is not None:
            event = replace(event, signals=(replace(event.signals[0], unit=unit),))
        await vtn.do(lambda core, now: core.create_event(event, [name], now))
        await eventually(lambda: (d := vtn.core.delivery(name, event_id)) and d.opt == opt, f"{event_id}: {opt}")

    await ven.always("optOut")
    await answered("OUT", "optOut")
    assert not site.ledger.live()
    await ven.opt("OUT", "optIn")  # A word on one event is worth more.
    await eventually(lambda: vtn.core.delivery(name, "OUT").opt == "optIn", "its own word")
    await ven.opt("OUT", "optOut", reason="too hot")
    await eventually(lambda: ven.book._bindings.get("OUT").why == "opted out by the operator: too hot", "who ends it")
    await eventually(lambda: not site.ledger.live(), "no control is left")
    await vtn.do(lambda core, now: core.cancel_event("OUT", now))
    await eventually(lambda: not ven.book._bindings.get("OUT") or not ven.book._bindings.get("OUT").why, "the VTN does")
    await ven.always("optIn")
    await ven.stop()
    site.adapters.remove(ven)
    again = site.ven(ven.url)
    await site.run(again)
    assert again.answers == "optIn"
    await answered("IN", "optIn")
    await answered("VAR", "optIn", power_reactive())  # Which no device here has.
    await eventually(lambda: again.book._bindings.get("VAR").lost, "it was handed in and refused")
    assert vtn.core.delivery(name, "VAR").opt == "optIn"
    await again.always("")
    await answered("ENGINE", "optOut", power_reactive())


async def test_one_that_ends_in_the_middle_of_a_request_goes_on_when_it_starts_again(make_house, eventually):
    _, vtn, site, ven = await pair(make_house)
    await eventually(lambda: ven.core.registration.venID and not ven.core.waiting, "registration")
    asked, held = asyncio.Event(), asyncio.Event()
    ask = ven.upstream.ask

    async def hang(request):
        asked.set()
        await held.wait()

    ven.upstream.ask = hang
    await asked.wait()
    await ven.stop()
    ven.upstream.ask = ask
    await ven.start()
    start = float(int(site.clock.now()) - 1)
    await opted(vtn, eventually, ven.core.registration.venID, dispatch_event("E", start, -6.0), "optIn")


async def test_nothing_is_sent_while_the_store_cannot_write(make_house, eventually):
    _, vtn, site, ven = await pair(make_house)
    await eventually(lambda: ven.core.registration.venID and not ven.core.waiting, "registration")
    name = ven.core.registration.venID
    site.ledger.no_controls = True
    start = float(int(site.clock.now()) + 100)
    await vtn.do(lambda core, now: core.create_event(dispatch_event("E", start, -6.0), [name], now))
    await eventually(lambda: "E" in ven.core.events and vtn.core.delivery(name, "E"), "the event has come")
    assert vtn.core.delivery(name, "E").opt is None
    assert not site.ledger.controls
    site.ledger.no_controls = False
    await eventually(lambda: vtn.core.delivery(name, "E").opt == "optIn", "optIn")
    assert len(site.ledger.live()) == 1


async def test_a_payload_at_which_the_vtn_breaks_does_not_hold_up_the_others(make_house, eventually):
    _utility, vtn, site, ven = await pair(make_house)
    await eventually(lambda: ven.core.registration.venID and not ven.core.waiting, "registration")
    name = ven.core.registration.venID
    handle, broken = vtn.core.handle, []

    def breaks(payload, peer, now, *, service=""):
        if type(payload).__name__ == "OadrUpdateReport" and len(broken) < 5:
            broken.append(payload.requestID)
            raise ValueError("broken on purpose")
        return handle(payload, peer, now, service=service)

    vtn.core.handle = breaks
    await eventually(lambda: len(broken) == 5, "five attempts", 60.0)
    assert len(set(broken)) == 1
    start = float(int(site.clock.now()) + 100)
    await vtn.do(lambda core, now: core.create_event(dispatch_event("E", start, -6.0), [name], now))
    await eventually(lambda: (d := vtn.core.delivery(name, "E")) and d.opt == "optIn", "optIn")


@pytest.mark.parametrize("page", [b"<html><body>Please sign in</body></html>", b"OK", b"<a/>", b"\x1f\x8b\x08"])
async def test_a_page_in_the_place_of_an_answer_is_no_refusal_and_our_word_comes_all_the_same(
    make_house, eventually, page
):
    _utility, vtn, site, ven = await pair(make_house)
    await eventually(lambda: ven.core.registration.venID and not ven.core.waiting, "registration")
    name, sent, pages = ven.core.registration.venID, ven.upstream._client._sent, []

    async def intercepted(base, message):
        if message.path.endswith("EiEvent") and len(pages) < 3:
            pages.append(message.path)
            return message, HttpMessage(200, {"Content-Type": "text/html"}, page)
        return await sent(base, message)

    ven.upstream._client._sent = intercepted
    start = float(int(site.clock.now()) + 100)
    await vtn.do(lambda core, now: core.create_event(dispatch_event("E", start, -6.0), [name], now))
    await eventually(lambda: (d := vtn.core.delivery(name, "E")) and d.opt == "optIn", "optIn")
    assert len(pages) == 3


async def test_a_vtn_that_breaks_at_metadata_is_asked_for_its_events_all_the_same(make_house, eventually):
    utility, site = make_house(batteries=False), make_house()
    vtn = utility.vtn()
    await utility.run(vtn)
    handle, broken = vtn.core.handle, []

    def breaks(payload, peer, now, *, service=""):
        if type(payload).__name__ == "OadrRegisterReport":
            broken.append(payload.requestID)
            raise ValueError("broken on purpose")
        return handle(payload, peer, now, service=service)

    vtn.core.handle = breaks
    ven = site.ven(f"http://127.0.0.1:{vtn.port}")
    await site.run(ven)
    await eventually(lambda: len(broken) == 5, "five attempts", 60.0)
    start = float(int(site.clock.now()) + 100)
    name = ven.core.registration.venID
    await vtn.do(lambda core, now: core.create_event(dispatch_event("E", start, -6.0), [name], now))
    await eventually(lambda: (d := vtn.core.delivery(name, "E")) and d.opt == "optIn", "optIn", 60.0)


async def test_history_and_green_button_are_recorded_reported_and_kept_at_the_vtn(make_house, make_clock, eventually):
    clock = make_clock(speed=30.0)
    utility, site = make_house(batteries=False, clock=clock), make_house(clock=clock)
    vtn = utility.vtn()
    await utility.run(vtn)
    ven = site.ven(f"http://127.0.0.1:{vtn.port}", history=True, history_period_s=10)
    await site.run(ven)
    await eventually(lambda: ven.core.registration.venID and not ven.core.waiting, "registration")
    name = ven.core.registration.venID
    history = ven._samples.history
    await eventually(lambda: len(history.between("site", "W", 0.0, 1e12)) >= 4, "recorded intervals")
    for specifier, rid in (("history-usage", "site/W"), ("history-greenbutton", "site/feed")):
        asked = ReportRequest(id="", specifier=specifier, rids=(rid,), start=clock.now() - 600.0)
        await vtn.do(lambda core, _, asked=asked: core.request_reports(name, [asked]))

    async def kept():
        rows = await vtn.archive.rows(name)
        return {row["name"] for row in rows} >= {"HISTORY_USAGE", "HISTORY_GREENBUTTON"}

    for _ in range(600):
        if await kept():
            break
        await asyncio.sleep(0.05)
    rows = await vtn.archive.rows(name, name="HISTORY_USAGE")
    assert len(rows) >= 4
    assert all(row["duration_s"] == 10 for row in rows)
    (feed, *_) = await vtn.archive.rows(name, name="HISTORY_GREENBUTTON")
    assert b"IntervalReading" in base64.b64decode(feed["green_button"])


async def test_r114_clocks_that_differ_are_told_at_both_ends_until_they_do_not(
    make_house, make_clock, eventually, caplog
):
    caplog.set_level("INFO", "gridiface.openadr")
    clock = make_clock()
    clock.shift = 5 * 3600.0
    utility, site = make_house(batteries=False), make_house(clock=clock)
    vtn = utility.vtn()
    await utility.run(vtn)
    ven = site.ven(f"http://127.0.0.1:{vtn.port}")
    await site.run(ven)
    await eventually(lambda: ven.clock_offset_s, "the VTN's time")
    assert -5 * 3600.0 <= ven.clock_offset_s < -4.9 * 3600.0
    name = ven.core.registration.venID or "VEN"
    await eventually(lambda: vtn.trouble_of(ven.core.registration.venID or name), "a report from the future")
    name = ven.core.registration.venID
    assert vtn.trouble_of(name) == "its clock is 5 h ahead of ours"
    clock.shift = 0.0
    await eventually(lambda: ven.clock_offset_s == 0.0 and vtn.trouble_of(name) == "", "clocks that agree")
    said = [record.getMessage() for record in caplog.records if "clock" in record.getMessage()]
    assert sum("is 5 h behind ours" in line for line in said) == 1
    assert sum("agrees with ours again" in line for line in said) == 1


async def test_reports_that_waited_for_the_vtn_come_in_order_once(make_house, eventually):
    utility, vtn, _site, ven = await pair(make_house)
    await eventually(lambda: ven.core.pending_reports, "the report request")
    utility.ledger.down = True
    await eventually(lambda: ven.core.waiting >= 2, "reports that wait")
    starts = []
    note = vtn.members.note

    async def watch(notice, now):
        if type(notice).__name__ == "ReportReceived":
            starts.extend(value.start for value in notice.values)
        await note(notice, now)

    vtn.members.note = watch
    utility.ledger.down = False
    await eventually(lambda: ven.core.waiting == 0 and len(starts) >= 2, "all delivered")
    assert starts == sorted(set(starts))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("commit", range(9))
async def test_a_ven_that_dies_at_any_commit_loses_and_repeats_nothing(
    make_house, make_clock, eventually, commit, after
):
    clock = make_clock(speed=20.0)
    utility = make_house(batteries=False, clock=clock)
    vtn = utility.vtn()
    await utility.run(vtn)
    site = make_house(clock=clock)
    ven = site.ven(f"http://127.0.0.1:{vtn.port}")
    await site.run(ven)
    # Not that nothing waits: with a clock this fast a busy machine has always a report to send.
    await eventually(lambda: ven.core.pending_reports, "registration and the VTN's report request")
    name = ven.core.registration.venID

    # From here on it dies at one of its commits, and comes back with what was durable.
    site.ledger.commits, site.ledger.die_at, site.ledger.dies_after = 0, commit, after
    start = float(int(clock.now()) - 1)
    await vtn.do(lambda core, now: core.create_event(dispatch_event("E", start, -6.0), [name], now))
    await eventually(site.ledger.dead.is_set, "its death")
    ven._task.cancel()
    site._task.cancel()
    again = make_house(site.ledger.revived(), clock)
    ven = again.ven(f"http://127.0.0.1:{vtn.port}")
    await again.run(ven)

    await eventually(lambda: (d := vtn.core.delivery(name, "E")) and d.opt == "optIn", "optIn")
    assert ven.core.registration.venID == name
    await eventually(lambda: len(again.ledger.live()) == 1, "one control")
    assert len(again.ledger.controls) == 1
    signals = dispatch_event("E", start, -2.0).signals
    await vtn.do(lambda core, now: core.modify_event("E", now, signals=signals))
    await eventually(lambda: vtn.core.delivery(name, "E").answered == 1, "the answer to the change")
    await eventually(lambda: len(again.ledger.live()) == 1, "one control is left")
    await vtn.do(lambda core, now: core.cancel_event("E", now))
    await eventually(lambda: vtn.core.delivery(name, "E").cancel_done, "the confirmation")
    await eventually(lambda: not again.ledger.live(), "no control is left")


async def test_a_step_that_fails_for_any_reason_does_not_end_the_session(make_house, eventually):
    """TLS files that cannot be read while they are changed, for one: the request is made again when they can."""
    _utility, vtn, site, ven = await pair(make_house)
    await eventually(lambda: ven.core.registration.venID and not ven.core.waiting, "registration")
    post, failed = ven.upstream._client.post, []

    async def fails(*args, **more):
        if len(failed) < 2:
            failed.append(args)
            raise ConfigError("no such file")
        return await post(*args, **more)

    ven.upstream._client.post = fails
    await eventually(lambda: len(failed) == 2, "two failures")
    name, start = ven.core.registration.venID, float(int(site.clock.now()) + 100)
    await vtn.do(lambda core, now: core.create_event(dispatch_event("E", start, -6.0), [name], now))
    await eventually(lambda: (d := vtn.core.delivery(name, "E")) and d.opt == "optIn", "optIn")
