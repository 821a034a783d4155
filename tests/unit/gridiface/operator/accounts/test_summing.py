"""Sums over a span: which line is in which sum, and nothing twice where an account and the store have it both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.portions import portions

from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, ServiceClass, Source, Target, TargetKind
from gridiface.domain.performance import PerformanceInterval, PerformanceReport
from gridiface.domain.performance_sums import RegulationFigures, Totals
from gridiface.domain.ports import Accounted, Began, Reach
from gridiface.domain.response_counts import ResponseCounts
from gridiface.operator.accounts.summing import By, Key, Summing, TooMuch

#: One Wh in ten seconds.
WH = 360.0


def control(name: str, program: str, target: str = "fleet", kind: TargetKind = TargetKind.GROUP) -> Control:
    return Control(
        id=name,
        source=Source(protocol="openadr", program=program, identity="vtn"),
        target=Target(kind, target),
        values={ControlMode.SET_W: ModeValue(WH)},
        interval=Interval(0.0, 100.0),
        created=0.0,
    )


def line(name: str, target: str, start: float, end: float, watts: float) -> PerformanceInterval:
    powers = dict.fromkeys(("requested_w", "accepted_w", "allocated_w", "acknowledged_w", "delivered_w"), watts)
    return PerformanceInterval(control_id=name, target_id=target, start=start, end=end, **powers)


class Fleet:
    """a1 and a2 are in feeder-a, b1 in feeder-b, all of them in fleet."""

    @staticmethod
    def groups_of(device_id: str) -> Sequence[str]:
        return [f"feeder-{device_id[0]}", "fleet"]


def figures(samples: int, score: float = 0.5) -> RegulationFigures:
    parts = dict.fromkeys(("score", "correlation", "delay", "precision"), score)
    return RegulationFigures(**parts, hours=1, samples=samples, missing=0)


class Accounts:
    """The engine's accounts: reports by control."""

    def __init__(self, **reports: Sequence[PerformanceInterval]) -> None:
        self._reports = reports
        self.asked: list[bool] = []

    def report(self, control_id: str, *, devices: bool = True) -> Sequence[PerformanceReport]:
        self.asked.append(devices)
        found: dict[str, list[PerformanceInterval]] = {}
        for one in self._reports.get(control_id, ()):
            found.setdefault(one.target_id, []).append(one)
        made = [
            PerformanceReport(control_id=control_id, target_id=name, intervals=tuple(all_))
            for name, all_ in found.items()
        ]
        return made if devices else made[:1]

    def score(self, intervals: Sequence[PerformanceInterval], start: float, end: float) -> RegulationFigures | None:
        """So many intervals."""
        return figures(len(intervals))


@dataclass(frozen=True)
class Part:
    """What the store has of a control: intervals, and devices that began."""

    control: Control
    intervals: Sequence[PerformanceInterval] = ()
    began: tuple[Began, ...] = ()


class Stored:
    """The store's parts."""

    def __init__(self, *parts: Part) -> None:
        self._parts = parts

    async def accounted(
        self,
        start: float,
        end: float,
        *,
        own: bool,
        devices: bool,
        reach: Callable[[str], Reach],
        series: Callable[[Control], bool],
    ) -> AsyncIterator[Accounted]:
        for part in self._parts:
            yield Accounted(part.control)
        for part in self._parts:
            until = reach(part.control.id)
            kept = [
                one
                for one in part.intervals
                if one.end <= (until.own if one.target_id == part.control.target.id else until.devices)
            ]
            mine = tuple(one for one in kept if one.target_id == part.control.target.id)
            chosen = mine if series(part.control) else ()
            took = tuple((one.target_id, one.responses) for one in kept if one.responses is not None)
            yield Accounted(part.control, tuple(portions(kept, start, end)), part.began, chosen, took)


#: Two programs ask the fleet, one after the other; a third one device of it.
FIRST, SECOND = control("c1", "peak"), control("c2", "relief")
ALONE = control("c3", "relief", "b1", TargetKind.DEVICE)
KEPT = (
    Part(FIRST),
    Part(SECOND),
    Part(ALONE),
    Part(FIRST, tuple(line("c1", "fleet", at, at + 10, 3 * WH) for at in (0.0, 10.0))),
    Part(FIRST, tuple(line("c1", name, 0.0, 20.0, WH) for name in ("a1", "a2", "b1"))),
    Part(SECOND, (line("c2", "fleet", 20.0, 30.0, 2 * WH),)),
    Part(SECOND, (line("c2", "a1", 20.0, 30.0, 1.5 * WH), line("c2", "b1", 20.0, 30.0, 0.5 * WH))),
    Part(ALONE, (line("c3", "b1", 30.0, 40.0, -WH),)),
)


async def sums(
    by: By, *parts: Part, accounts: Any = None, start: float = 0.0, end: float = 100.0, **more: Any
) -> dict[Key, Totals]:
    options = {"sees": lambda key, control: True, **more}
    summing = Summing(by, start, end, Fleet(), **options)  # type: ignore[arg-type]  # of a fleet only `groups_of`
    found = await summing.run(accounts or Accounts(), Stored(*(parts or KEPT)))  # type: ignore[arg-type]
    return {key: totals for key, (_, totals) in found.items()}


async def wh(by: By, *parts: Part, **more: Any) -> dict[Key, float]:
    return {key: round(one.delivered_wh or 0.0, 6) for key, one in (await sums(by, *parts, **more)).items()}


async def test_by_control_and_program_the_targets_own_account_counts() -> None:
    assert await wh(By.CONTROL) == {("c1",): 6.0, ("c2",): 2.0, ("c3",): -1.0}
    assert await wh(By.PROGRAM) == {("openadr", "peak", "vtn"): 6.0, ("openadr", "relief", "vtn"): 1.0}
    assert (await sums(By.PROGRAM))[("openadr", "relief", "vtn")].controls == 2


async def test_devices_sum_up_to_their_targets() -> None:
    devices = await wh(By.DEVICE)
    assert devices == {("a1",): 3.5, ("a2",): 2.0, ("b1",): 1.5}
    assert sum(devices.values()) == sum((await wh(By.CONTROL)).values())


async def test_a_group_has_its_own_account_where_it_is_the_target_and_its_devices_lines_elsewhere() -> None:
    # fleet: 6 + 2 of its own, -1 of b1 alone; the feeders: what their devices had a part in.
    assert await wh(By.GROUP) == {("fleet",): 7.0, ("feeder-a",): 5.5, ("feeder-b",): 1.5}


async def test_a_span_cuts_intervals() -> None:
    assert await wh(By.CONTROL, start=5.0, end=25.0) == {("c1",): 4.5, ("c2",): 1.0}


async def test_what_an_account_has_is_not_taken_from_the_store_too() -> None:
    # Since 10 s the account has it; the interval from 0 to 10 s is of the time before this start.
    live = [line("c1", "fleet", 10.0, 20.0, 3 * WH), line("c1", "fleet", 20.0, 25.0, 3 * WH)]
    live += [line("c1", "a1", 10.0, 25.0, WH)]
    stored = (line("c1", "fleet", 0.0, 10.0, 3 * WH), line("c1", "fleet", 10.0, 20.0, 3 * WH))
    of_devices = (line("c1", "a1", 0.0, 10.0, WH), line("c1", "a1", 10.0, 20.0, WH), line("c1", "a2", 0.0, 10.0, WH))
    parts = (Part(FIRST), Part(FIRST, stored), Part(FIRST, of_devices))
    accounts = Accounts(c1=live)
    assert await wh(By.CONTROL, *parts, accounts=accounts) == {("c1",): 7.5}
    assert accounts.asked == [False]
    assert await wh(By.DEVICE, *parts, accounts=accounts) == {("a1",): 2.5, ("a2",): 1.0}


async def test_a_control_of_which_nothing_is_stored_yet_is_there() -> None:
    assert await wh(By.CONTROL, Part(FIRST), accounts=Accounts(c1=[line("c1", "fleet", 0.0, 5.0, 2 * WH)])) == {
        ("c1",): 1.0
    }


async def test_response_times_count_from_the_start_or_from_being_told_of_it() -> None:
    late = control("late", "peak")
    began = (Began("a1", -5.0, 2.0), Began("a2", 50.0, 53.0), Began("b1", None, 7.0), Began("b1", 9.0, 8.0))
    parts = (Part(late), Part(late, began=began))
    programs = (await sums(By.PROGRAM, *parts))[("openadr", "peak", "vtn")]
    responses = programs.responses
    # 2 s after the start; 3 s after it joined; 7 s after the start; a clock that was set takes no time.
    assert (responses.count, responses.mean_s, responses.max_s) == (4, 3.0, 7.0)
    groups = await sums(By.GROUP, *parts)
    assert {key[0]: one.responses.count for key, one in groups.items()} == {"fleet": 4, "feeder-a": 2, "feeder-b": 2}
    assert (await sums(By.DEVICE, *parts))[("a2",)].responses.mean_s == 3.0


async def test_only_what_the_asker_sees() -> None:
    assert await wh(By.PROGRAM, sees=lambda key, control: control.id == "c3") == {("openadr", "relief", "vtn"): -1.0}
    assert await wh(By.DEVICE, sees=lambda key, control: key == ("a2",)) == {("a2",): 2.0}


async def test_more_than_may_be_looked_at_is_not_summed_in_part() -> None:
    assert len(await wh(By.GROUP, most=9)) == 3
    with pytest.raises(TooMuch):
        await wh(By.GROUP, most=8)


def signal(name: str, at: float, target: str = "fleet") -> Control:
    values = {ControlMode.REGULATION: ModeValue(WH)}
    one = replace(control(name, "agc", target), values=values, interval=Interval(at, 4.0))
    return replace(one, service_class=ServiceClass.REGULATION)


async def test_signals_of_regulation_have_a_score_in_each_sum_but_those_of_devices() -> None:
    signals = [signal(f"s{at}", 4.0 * at) for at in range(3)] + [signal("f0", 0.0, "feeder-a")]
    parts = [Part(one, (line(one.id, one.target.id, one.span.start, one.span.end, WH),)) for one in signals]
    parts += [Part(FIRST, (line("c1", "fleet", 0.0, 10.0, WH),))]
    found = await sums(By.PROGRAM, *parts)
    # Three of the fleet and one of the feeder, by their samples; the demand response has none.
    assert found["openadr", "agc", "vtn"].regulation == replace(figures(4), hours=2)
    assert found["openadr", "peak", "vtn"].regulation is None
    groups = await sums(By.GROUP, *parts)
    assert {key[0]: one.regulation for key, one in groups.items()} == {"fleet": figures(3), "feeder-a": figures(1)}
    assert all(one.regulation == figures(1) for key, one in (await sums(By.CONTROL, *parts)).items() if key[0] != "c1")
    # What the account has is scored with what is stored.
    live = Accounts(s2=[line("s2", "fleet", 8.0, 10.0, WH)], s3=[line("s3", "fleet", 12.0, 13.0, WH)])
    found = await sums(By.PROGRAM, *parts[:2], Part(signals[2]), Part(signal("s3", 12.0)), accounts=live)
    assert found["openadr", "agc", "vtn"].regulation == figures(4)


async def test_lines_of_devices_go_on_over_the_signals_of_a_program_and_are_under_the_first() -> None:
    first, second = signal("s0", 0.0), signal("s1", 4.0)
    # The line that began with s0 still goes on; an earlier one that began with it, of a long signal, is recorded.
    live = Accounts(s0=[line("s0", "fleet", 0.0, 4.0, WH), line("s0", "a1", 2.0, 8.0, WH)])
    stored = (Part(first, (line("s0", "fleet", 0.0, 4.0, WH), line("s0", "a1", 0.0, 2.0, WH))), Part(second))
    found = await wh(By.DEVICE, *stored, accounts=live, since=-10.0)
    assert found == {("a1",): 0.8}
    ended = (Part(first, (line("s0", "fleet", 0.0, 4.0, WH), line("s0", "a1", 0.0, 8.0, WH))), Part(second))
    of_the_target = Accounts(s0=[line("s0", "fleet", 0.0, 4.0, WH)])
    assert await wh(By.DEVICE, *ended, accounts=of_the_target, since=-10.0) == {("a1",): 0.8}
    assert await wh(By.GROUP, *ended, accounts=of_the_target, since=-10.0) == {("fleet",): 0.4, ("feeder-a",): 0.8}


async def test_response_times_to_signals_are_in_each_sum_that_their_device_has_a_part_in() -> None:
    def took(name: str, target: str, start: float, *seconds: float) -> PerformanceInterval:
        counted = ResponseCounts()
        for one in seconds:
            counted.add(one)
        return replace(line(name, target, start, start + 10.0, WH), responses=counted)

    first, later = signal("s0", 0.0), signal("s9", 20.0)
    stored = Part(first, (took("s0", "a1", 0.0, 0.2, 0.4), took("s0", "b1", 0.0, 1.0)))
    # The line that is under way is the account's alone; one that began before the span counts in the one before.
    live = Accounts(s9=[line("s9", "fleet", 20.0, 24.0, WH), took("s9", "a1", 20.0, 0.6), took("s9", "b1", -5.0, 9.0)])
    everything = [stored, Part(later)]
    devices = await sums(By.DEVICE, *everything, accounts=live)
    assert {key[0]: (one.responses.count, one.responses.max_s) for key, one in devices.items()} == {
        "a1": (3, 0.6),
        "b1": (1, 1.0),
    }
    assert devices[("a1",)].responses.mean_s == pytest.approx(0.4)
    for by, key in ((By.PROGRAM, ("openadr", "agc", "vtn")), (By.GROUP, ("fleet",))):
        found = (await sums(by, *everything, accounts=live))[key].responses
        assert (found.count, found.max_s, found.mean_s) == (4, 1.0, pytest.approx(0.55))
    controls = await sums(By.CONTROL, *everything, accounts=live)
    assert [controls[(name,)].responses.count for name in ("s0", "s9")] == [3, 1]


async def test_what_stands_in_is_in_the_sums_of_who_asks_for_it() -> None:
    stands = replace(control("d", "peak"), is_default=True, interval=Interval(50.0, None))
    parts = (*KEPT, Part(stands), Part(stands, (line("d", "fleet", 0.0, 40.0, WH),)))
    assert await wh(By.CONTROL, *parts) == await wh(By.CONTROL)
    found = await wh(By.CONTROL, *parts, defaults=True)
    assert found[("d",)] == pytest.approx(4.0)
    # An earlier time of it is in the store alone, though it began after the server did.
    accounts = Accounts(d=[line("d", "fleet", 60.0, 70.0, WH)])
    found = await wh(By.CONTROL, *parts, accounts=accounts, defaults=True, since=45.0)
    assert found[("d",)] == pytest.approx(5.0)
