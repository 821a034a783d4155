"""Edit windows at work on a station: curves for modes, locks, schedules in virtual time, modes that revert."""

import pytest

from gridiface.domain.controls import ControlMode, Outcome, OutcomeKind
from gridiface.errors import StoreUnavailable
from gridiface.northbound.dnp3.der.curves import KINDS
from gridiface.northbound.dnp3.der.records import EDIT_HOLD_S
from gridiface.northbound.dnp3.pointmap.meanings import Action
from gridiface.northbound.dnp3.profiles.der import rows
from gridiface.northbound.dnp3.settings import MasterEntry
from gridiface.northbound.dnp3.tags import Tags
from gridiface.protocols.dnp3.controls import (
    AnalogOutput,
    CommandMode,
    CommandRequest,
    CommandStatus,
    ControlRelayOutputBlock,
)
from gridiface.protocols.dnp3.objects import Flags
from gridiface.protocols.dnp3.points import PointType

NOW = 1.7e9
AI, BI, AO, BO = (
    PointType.ANALOG_INPUT, PointType.BINARY_INPUT, PointType.ANALOG_OUTPUT, PointType.BINARY_OUTPUT,
)  # fmt: skip
TYPES = {"AI": AI, "BI": BI, "AO": AO, "BO": BO}
DONE, BLOCKED = CommandStatus.SUCCESS, CommandStatus.BLOCKED
VOLT_VAR = [(920, 440), (980, 0), (1020, 0), (1080, -440)]


class Bench:
    """One station with the DER profile, commanded by name, at a time of its own."""

    def __init__(self, station):
        self.station, self.now = station, NOW

    async def write(self, *pairs, master=1, carry=True):
        """One request with several commands, judged in order before any is durable; the statuses."""
        statuses = [self._operate(name, value, master) for name, value in pairs]
        if carry:
            await self.carry()
        return statuses if len(statuses) > 1 else statuses[0]

    def _operate(self, name, value, master, mode=CommandMode.DIRECT_OPERATE):
        entry = self.station.settings.points.by_name[name]
        relay = ControlRelayOutputBlock(3 if value else 4)
        command = AnalogOutput(value, 1) if name.startswith("AO") else relay
        request = CommandRequest(self.station.database.find(entry.type, entry.index), command, mode, master)
        act = self.station.handler.select if mode is CommandMode.SELECT else self.station.handler.operate
        return act(request, self.now)

    async def carry(self):
        for commission in self.station.handler.take():
            self.station.handler.follow(await self.station.handler.carry_out(commission, self.now))

    async def at(self, now):
        self.now = now
        self.station.touch(now)
        self.station.handle_timer(now)
        await self.carry()
        self.station.refresh(now)

    def shown(self, name):
        return self.station.database.value(TYPES[name[:2]], int(name[2:]))[0]


@pytest.fixture
def bench(station):
    return Bench(station("der"))


async def draw(bench, number=3, points=VOLT_VAR, kind=2):
    pairs = [("AO244", number), ("AO245", kind), ("AO246", len(points)), ("AO247", 129), ("AO248", 2)]
    for at, (x, y) in enumerate(points):
        pairs += [(f"AO{249 + 2 * at}", x), (f"AO{250 + 2 * at}", y)]
    assert set(await bench.write(*pairs)) == {DONE}


async def test_62_a_curve_of_100_points_is_written_and_read_back(bench, house):
    points = [(800 + 4 * number, 500 - 10 * number) for number in range(100)]
    await draw(bench, 5, points)
    assert [(bench.shown(f"AI{333 + 2 * at}"), bench.shown(f"AI{334 + 2 * at}")) for at in range(100)] == points
    assert [bench.shown(f"AI{index}") for index in (328, 329, 330, 331, 332)] == [5, 2, 100, 129, 2]
    assert bench.shown("AO249") == 800
    assert bench.station.database.value(AI, 333)[1] == Flags.ONLINE
    await bench.write(("AO244", 6))
    assert (bench.shown("AI328"), bench.shown("AI330"), bench.shown("AI333")) == (6, 0, 0)
    await bench.write(("AO244", 5))
    assert bench.shown("AI531") == points[-1][0]


async def test_62_a_mode_uses_its_curve_which_cannot_be_edited_then(bench, house):
    await draw(bench)
    assert await bench.write(("AO217", 3)) is DONE
    assert not house.live
    assert await bench.write(("BO29", 1)) is DONE
    (control,) = house.live.values()
    value = control.values[ControlMode.CURVE]
    assert (value.value, value.base) == (3, "opModVoltVar")
    assert [p["xvalue"] for p in value.payload["opModVoltVar"]["curveData"]] == [9200, 9800, 10200, 10800]
    assert (bench.shown("BI107"), bench.shown("BI81")) == (1, 1)
    assert await bench.write(("AO249", 910)) is CommandStatus.AUTOMATION_INHIBIT
    assert await bench.write(("AO244", 4), ("AO249", 910)) == [DONE, DONE]  # another one can be drawn meanwhile
    assert bench.shown("BI107") == 0
    assert await bench.write(("BO29", 0)) is DONE
    assert not house.live
    assert await bench.write(("AO244", 3), ("AO249", 910)) == [DONE, DONE]
    assert bench.shown("AI333") == 910


async def test_62_what_is_no_usable_curve_enables_nothing(bench, house):
    assert await bench.write(("AO217", 9)) is CommandStatus.NOT_SUPPORTED
    assert await bench.write(("AO244", 9), ("AO245", 2), ("AO217", 9), ("BO29", 1)) == [DONE, DONE, DONE, BLOCKED]
    assert not house.live
    assert bench.shown("BI81") == 0
    await draw(bench, 9, VOLT_VAR[:1])
    assert await bench.write(("BO29", 1)) is BLOCKED
    await draw(bench, 9)
    assert await bench.write(("BO29", 1)) is DONE
    assert len(house.live) == 1
    assert await bench.write(("AO217", 44)) is CommandStatus.NOT_SUPPORTED
    assert await bench.write(("AO217", 65)) is CommandStatus.OUT_OF_RANGE
    assert await bench.write(("AO217", 0)) is DONE
    assert not house.live


async def test_62_a_mode_names_only_curves_of_its_type_which_keep_it(bench, house):
    """As the test procedure for AN2018-001 has it (CURVE-001 to 003): reference, mismatch, undefined, type."""
    await draw(bench)  # curve 3, volt-var
    assert bench.shown("BI107") == 0
    for wrong, status in ((65, CommandStatus.OUT_OF_RANGE), (4, CommandStatus.NOT_SUPPORTED)):
        assert await bench.write(("AO217", wrong)) is status
    assert await bench.write(("AO173", 3)) is CommandStatus.NOT_SUPPORTED  # volt-watt
    assert (bench.shown("AI297"), bench.shown("AI248")) == (0, 0)
    assert await bench.write(("AO217", 3)) is DONE
    assert bench.shown("BI107") == 1  # named, though nothing is enabled
    assert await bench.write(("AO245", 5)) is CommandStatus.NOT_SUPPORTED
    assert await bench.write(("AO245", 2), ("AO249", 910)) == [DONE, DONE]
    assert await bench.write(("AO244", 4)) is DONE
    assert bench.shown("BI107") == 0
    assert await bench.write(("AO217", 0), ("AO244", 3), ("AO245", 5)) == [DONE, DONE, DONE]
    assert bench.shown("BI107") == 0
    assert await bench.write(("AO245", 2), ("AO217", 3)) == [DONE, DONE]  # drawn and named in one request


async def test_a_select_of_a_field_changes_nothing(bench):
    assert bench._operate("AO244", 7, 1, CommandMode.SELECT) is DONE
    assert bench._operate("AO245", 2, 1, CommandMode.SELECT) is DONE
    await bench.write(("AO245", 3))
    assert (bench.shown("AI328"), bench.shown("AI329")) == (1, 3)


async def test_a_write_that_cannot_be_made_durable_leaves_no_trace(bench, house):
    house.broken = True
    with pytest.raises(StoreUnavailable):
        await bench.write(("AO245", 2))
    bench.station.handler.take()
    house.broken = False
    bench.now += 100
    await bench.write(("AO246", 3))
    assert (bench.shown("AI329"), bench.shown("AI330")) == (0, 3)


async def test_numbers_with_a_fraction_are_out_of_range(bench):
    assert await bench.write(("AO245", 2.5)) is CommandStatus.OUT_OF_RANGE


async def schedule(bench, entries, number=2, start=NOW + 100, priority=0, **fields):
    """Writes and submits a schedule of (offset, action type, index, value)."""
    day, second = divmod(start, 86_400)
    names = {"stop_date": 3005, "stop_time": 3006, "repeat": 3007, "repeat_unit": 3008}
    pairs = [("AO3000", number), ("AO3001", 77), ("AO3002", priority), ("AO3003", day), ("AO3004", second)]
    pairs += [(f"AO{names[name]}", value) for name, value in fields.items()]
    pairs.append(("AO3009", len(entries)))
    for at, entry in enumerate(entries):
        pairs += [(f"AO{3010 + 4 * at + part}", value) for part, value in enumerate(entry)]
    assert set(await bench.write(*pairs)) == {DONE}
    return await bench.write(("BO3000", 1))


async def test_63_a_schedule_is_edited_submitted_enabled_and_carried_out(bench, house):
    bench.station.refresh(NOW)
    assert bench.shown("AI24") == 16
    assert await bench.write(("AO3000", 2), ("BO3001", 1)) == [DONE, BLOCKED]  # not valid yet
    assert await schedule(bench, [(0, 2, 87, 500), (0, 1, 17, 1), (60, 2, 87, 300)]) is DONE
    bench.station.refresh(bench.now)
    assert (bench.shown("AI3009"), bench.shown("BI3000"), bench.shown("AI3010")) == (1, 1, 3)
    assert (bench.shown("AI3012"), bench.shown("AI3013"), bench.shown("AI3014"), bench.shown("AI3015")) == (
        0,
        2,
        87,
        500,
    )
    assert await bench.write(("BO3001", 1)) is DONE
    assert bench.shown("BI3001") == 1
    assert await bench.write(("AO3009", 1)) is BLOCKED  # not while it is enabled
    assert bench.station.next_timer(bench.now) == NOW + 100
    await bench.at(NOW + 99)
    assert not house.live
    await bench.at(NOW + 100)
    (control,) = house.live.values()
    assert control.values[ControlMode.MAX_W_PERCENT].value == pytest.approx(50)
    assert control.source.identity == bench.station.settings.masters[0].name
    assert bench.shown("AI3010") == 4
    await bench.at(NOW + 161)
    latest = max(house.live.values(), key=lambda one: one.id)
    assert latest.values[ControlMode.MAX_W_PERCENT].value == pytest.approx(30)
    assert bench.shown("AI3010") == 5
    await bench.at(NOW + 1000)
    assert bench.station.next_timer(bench.now) is None


async def test_63_what_is_wrong_with_a_schedule_is_told_and_an_edit_unvalidates(bench):
    await schedule(bench, [(0, 2, 9999, 1)])
    bench.station.refresh(bench.now)
    assert (bench.shown("AI3009"), bench.shown("BI3000"), bench.shown("AI3010")) == (4, 0, 1)
    assert await bench.write(("BO3001", 1)) is BLOCKED
    await schedule(bench, [(0, 2, 87, 1)])
    assert bench.shown("BI3000") == 1
    await bench.write(("AO3013", 2))
    assert bench.shown("BI3000") == 0


async def test_63_a_missed_schedule_catches_up_with_the_last_value_after_a_restart(bench, house, station):
    await schedule(bench, [(0, 2, 87, 500), (10, 2, 87, 400), (3600, 2, 87, 100)])
    await bench.write(("BO17", 1), ("BO3001", 1))
    again = Bench(station("der"))
    again.station.restore(await house.documents(""), list(house.live.values()), NOW + 600)
    assert again.shown("BI3001") == 1  # the window shows the same record as before
    await again.at(NOW + 600)
    (control,) = house.live.values()
    assert control.values[ControlMode.MAX_W_PERCENT].value == pytest.approx(40)
    await again.at(NOW + 601)
    assert len(house.live) == 1
    await again.write(("AO3000", 2))
    assert (again.shown("BI3001"), again.shown("AI3011")) == (1, 3)


async def test_63_in_local_mode_a_schedule_commands_nothing_as_its_master_could_not(bench, house):
    await schedule(bench, [(0, 2, 87, 500), (60, 2, 87, 300)])
    await bench.write(("BO17", 1), ("BO3001", 1))
    bench.station.apply(Tags(local=True))
    await bench.at(NOW + 101)
    assert not house.live
    bench.station.apply(Tags())
    await bench.at(NOW + 110)
    assert not house.live  # it was refused, not put off
    await bench.at(NOW + 161)
    (control,) = house.live.values()
    assert control.values[ControlMode.MAX_W_PERCENT].value == pytest.approx(30)


async def test_63_what_the_store_refused_of_a_schedule_is_due_again_when_it_takes_writes(bench, house, station):
    await schedule(bench, [(0, 2, 87, 500), (0, 1, 17, 1)])
    await bench.write(("BO3001", 1))
    house.broken = True
    with pytest.raises(StoreUnavailable):
        await bench.at(NOW + 100)
    bench.station.handler.take()
    await bench.at(NOW + 102)  # the store has a rest: nothing is tried, nothing is lost
    house.broken = False
    await bench.at(NOW + 104)
    assert not house.live
    await bench.at(NOW + 106)
    assert bench.shown("BI69") == 1
    (control,) = house.live.values()
    assert control.values[ControlMode.MAX_W_PERCENT].value == pytest.approx(50)
    await bench.carry()
    again = Bench(station("der"))
    again.station.restore(await house.documents(""), list(house.live.values()), NOW + 200)
    assert not list(again.station.handler.records.due(NOW + 200))


async def test_63_a_kill_before_a_scheduled_command_is_durable_loses_it_not(bench, house, station):
    await schedule(bench, [(0, 2, 87, 500)])
    await bench.write(("BO17", 1), ("BO3001", 1))
    bench.station.handle_timer(NOW + 100)
    _, *others = bench.station.handler.take()
    for other in others:  # whatever else is carried out first
        await bench.station.handler.carry_out(other, NOW + 100)
    again = Bench(station("der"))
    again.station.restore(await house.documents(""), [], NOW + 105)
    await again.at(NOW + 105)
    (control,) = house.live.values()
    assert control.values[ControlMode.MAX_W_PERCENT].value == pytest.approx(50)


async def test_63_the_smaller_priority_number_wins_while_it_runs(bench, house):
    await schedule(bench, [(0, 2, 87, 500), (100, 2, 87, 450)], number=1, priority=1)
    await bench.write(("BO17", 1), ("BO3001", 1))
    await schedule(bench, [(10, 2, 87, 900), (200, 2, 87, 800)], number=2, priority=5)
    await bench.write(("BO3001", 1))
    for at in (100, 115, 205):
        await bench.at(NOW + at)
    values = [control.values[ControlMode.MAX_W_PERCENT].value for control in house.live.values()]
    assert values == pytest.approx([50, 45])
    await bench.at(NOW + 301)
    assert len(house.live) == 3


async def test_63_the_older_form_is_ready_or_not(bench, house):
    day, second = divmod(NOW + 50, 86_400)
    pairs = [("AO2000", 1), ("AO2003", 14), ("AO2004", day), ("AO2005", 1000 * second), ("AO2008", 1), ("AO2010", -500)]
    assert await bench.write(("BO2000", 1)) is BLOCKED
    assert set(await bench.write(*pairs)) == {DONE}
    assert await bench.write(("BO18", 1), ("BO2000", 1)) == [DONE, DONE]
    await bench.at(NOW + 50)
    (control,) = house.live.values()
    assert control.values[ControlMode.SET_W_PERCENT].value == pytest.approx(-50)
    assert bench.shown("BI2000") == 1


async def test_63_who_may_not_control_enables_nothing_that_acts(house, station):
    masters = (MasterEntry(name="iso", address=1), MasterEntry(name="watcher", address=2, may_control=False))
    bench = Bench(station("der", masters=masters))
    assert await bench.write(("AO3000", 2), master=2) is CommandStatus.NOT_AUTHORIZED


async def test_64_a_mode_reverts_when_its_time_is_over_unless_it_is_refreshed(bench, house):
    assert set(await bench.write(("AO85", 300), ("AO84", 20), ("AO83", 5), ("AO87", 600))) == {DONE}
    await bench.write(("BO17", 1))
    (first,) = house.live.values()
    assert (first.interval.duration, first.ramp_s, first.randomize_start_s) == (300, 20, 5)
    bench.now = NOW + 200
    await bench.write(("BO17", 1))  # a refresh: the time begins anew
    second = max(house.live.values(), key=lambda one: one.id)
    assert second.interval.start == NOW + 200
    bench.station.on_outcome(Outcome(control_id=first.id, kind=OutcomeKind.SUPERSEDED, at=NOW + 200))
    await bench.carry()
    assert bench.shown("BI69") == 1
    bench.now = NOW + 500
    bench.station.on_outcome(Outcome(control_id=second.id, kind=OutcomeKind.COMPLETED, at=NOW + 500))
    await bench.carry()
    assert (bench.shown("BI69"), bench.shown("AI148")) == (0, 600)
    house.live.clear()
    await bench.write(("BO17", 1))
    assert next(iter(house.live.values())).values[ControlMode.MAX_W_PERCENT].value == pytest.approx(60)


async def test_thresholds_of_the_meter_raise_their_alarms(bench, seen):
    bench.station.refresh(NOW)
    assert (bench.shown("BI94"), bench.shown("BI95")) == (0, 0)
    await bench.write(("AO449", 1_000_000), ("AO450", 2_000_000))
    bench.station.refresh(NOW + 1)
    assert (bench.shown("BI94"), bench.shown("BI95"), bench.shown("AI557")) == (1, 1, 1_000_000)


#: Outputs of the profile that take one value only, and limits that only a site with a meter of its own could carry.
CONSUMPTION = {"AO88", "AO510"}


async def test_61_every_der_command_shows_in_its_read_back_with_an_event(bench):
    bench.station.refresh(NOW)
    buffer = bench.station.outstation.associations[1].state.buffer
    outputs = [row for row in rows() if row.served and row.entry.is_output and row.pair]
    paired = [row for row in outputs if row.entry.action is not Action.EDIT]
    paired.sort(key=lambda row: row.entry.type is AO)  # modes first, while no curve is named that is not drawn
    carried = 0
    for row in paired:
        entry, back = row.entry, bench.station.settings.points.by_name[row.pair]
        before = bench.shown(row.pair)
        value = other_value(entry, before)
        if entry.action is Action.CURVE:
            # one of its type, whose number is the type's
            value = next(float(number) for number, kind in KINDS.items() if kind.name.lower() == entry.argument)
            assert await bench.write(("AO244", value), ("AO245", value)) == [DONE, DONE]
        buffer.confirm(buffer.keys())
        status = await bench.write((entry.name, value))
        events = [event for key in list(buffer.keys()) if told_of(back, event := buffer.get(key))]
        if back.measure.value.startswith("enter_"):
            assert (status, bench.shown(entry.name), events) == (DONE, value, []), entry.name  # until devices follow
        elif entry.name in {"BO1", "BO2", "BO5"}:
            assert (status, bench.shown(entry.name)) == (DONE, value), entry.name  # read back is what becomes of it
        elif entry.name in CONSUMPTION:
            assert (status, events) == (CommandStatus.OUT_OF_RANGE, []), entry.name
        else:
            assert (status, bench.shown(row.pair)) == (DONE, value), entry.name
            told = [value] if back.event_class and value != before else []
            assert [event.value for event in events] == told, entry.name
            carried += 1
        if entry.type is BO and not entry.on_only and status is DONE:
            await bench.write((entry.name, before))
    assert carried > 110


def other_value(entry, before):
    if entry.type is BO:
        return 1.0 if entry.on_only else 1.0 - before
    if entry.only is not None:
        return entry.only
    if entry.action in {Action.ENTER_V_HIGH, Action.ENTER_HZ_HIGH}:
        return 9.0  # above what the lower bound is told
    if entry.not_below:
        return entry.maximum
    return min(max(7.0 if before != 7 else 8.0, entry.minimum), entry.maximum)


def told_of(back, event):
    return (event.group, event.point) == (32 if back.type is AI else 2, back.index)


async def test_two_masters_do_not_write_into_each_others_records(station):
    """There is one selector: while one master edits, another is kept out of that window and told so."""
    bench = Bench(station("der", masters=[MasterEntry(name="one", address=1), MasterEntry(name="two", address=2)]))
    kept_out = CommandStatus.BLOCKED_OTHER_MASTER
    assert await bench.write(("AO244", 3), ("AO245", 2)) == [DONE, DONE]
    assert await bench.write(("AO244", 5), ("AO249", 777), master=2) == [kept_out, kept_out]
    assert await bench.write(("AO249", 920)) is DONE
    assert (bench.shown("AI328"), bench.shown("AI333")) == (3, 920)
    assert await bench.write(("AO3000", 2), master=2) is DONE  # the window of schedules is another
    bench.now += EDIT_HOLD_S - 1
    assert await bench.write(("AO244", 5), master=2) is kept_out
    bench.now += 2
    assert await bench.write(("AO244", 5), ("AO249", 777), master=2) == [DONE, DONE]
    assert await bench.write(("AO250", 1)) is kept_out
    bench.now -= 3600  # a clock that is set back keeps nobody out for an hour
    assert await bench.write(("AO244", 3)) is DONE
    assert bench.shown("AI333") == 920


async def test_a_selection_to_be_operated_keeps_nobody_out(station):
    bench = Bench(station("der", masters=[MasterEntry(name="one", address=1), MasterEntry(name="two", address=2)]))
    assert bench._operate("AO244", 3, 1, CommandMode.SELECT) is DONE
    assert await bench.write(("AO244", 5), master=2) is DONE
    assert bench._operate("AO244", 3, 1, CommandMode.SELECT) is CommandStatus.BLOCKED_OTHER_MASTER


async def test_a_master_in_mid_edit_goes_on_with_the_same_record_after_a_restart(bench, house, station):
    assert await bench.write(("AO244", 5), ("AO245", 2), ("AO249", 920)) == [DONE, DONE, DONE]
    again = Bench(station("der"))
    again.station.restore(await house.documents("dnp3.record"), [], NOW)
    again.station.refresh(NOW)
    assert (again.shown("AO244"), again.shown("AI328"), again.shown("AI333")) == (5, 5, 920)
    assert await again.write(("AO250", 300)) is DONE
    assert again.station.handler.records.windows["curves"].record(5).values == {"type": 2, "x1": 920, "y1": 300}
    assert again.station.handler.records.windows["curves"].record(1).values == {}
