"""What on record counts as an opt-out."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.clock import Interval
from gridiface.domain.controls import (
    Control,
    ControlMode,
    Decision,
    ModeValue,
    Outcome,
    OutcomeKind,
    Source,
    Target,
    TargetKind,
)
from gridiface.northbound.sep2.translate.answers import status_to_outcome
from gridiface.operator.accounts.optouts import Leave, answered, left, recorded, still_out


def told(device: str | None, kind: OutcomeKind, at: float, reason: str = "") -> Outcome:
    return Outcome(control_id="c", kind=kind, at=at, device_id=device, reason=reason)


def leave(device: str, start: float, end: float, reason: str = "blocked by the operator") -> Leave:
    return Leave(device_id=device, start=start, end=end, reason=reason)


def test_who_said_in_mid_event_that_it_takes_no_part_is_out_from_then_on() -> None:
    found = answered(
        [
            told("ven", OutcomeKind.STARTED, 10.0),
            told("ven", OutcomeKind.REFUSED, 40.0, "the VEN opted out (200)"),
            told("ven", OutcomeKind.PARTIAL, 45.0),
            told("inverter", OutcomeKind.FAILED, 50.0, "blocked"),
            told("before", OutcomeKind.REFUSED, -5.0, "too hot"),
            told("partly", OutcomeKind.PARTIAL, 60.0),
            told("broken", OutcomeKind.FAILED, 70.0, "timeout after 3 attempts"),
            told("silent", OutcomeKind.PARTIAL, 100.0, "it fell silent"),
            told("well", OutcomeKind.COMPLETED, 100.0),
            told(None, OutcomeKind.PARTIAL, 90.0),
        ],
        100.0,
    )
    assert found == [
        leave("before", -5.0, 100.0, "too hot"),
        leave("ven", 40.0, 100.0, "the VEN opted out (200)"),
        leave("inverter", 50.0, 100.0, "it opted out"),
        leave("partly", 60.0, 100.0, "it opted out"),
    ]


def test_a_2030_5_device_that_answers_4_is_out_until_it_begins_again() -> None:
    kind, reason = status_to_outcome(4) or (OutcomeKind.COMPLETED, "")
    steps = [
        told("a", OutcomeKind.STARTED, 10.0),
        told("a", kind, 20.0, reason),
        told("a", kind, 25.0, reason),
        told("a", OutcomeKind.STARTED, 40.0),
        told("a", OutcomeKind.STARTED, 50.0),
        told("a", kind, 60.0, reason),
    ]
    assert answered(steps, 100.0) == [leave("a", 20.0, 40.0, "it opted out"), leave("a", 60.0, 100.0, "it opted out")]


def test_customers_of_vens_and_inverters_are_out_until_they_are_in_again() -> None:
    steps = [
        told("ven", OutcomeKind.REFUSED, 10.0, "blocked: too hot"),
        told("ven", OutcomeKind.STARTED, 20.0),
        told("inverter", OutcomeKind.PARTIAL, 30.0, "blocked: the device answered 8"),
    ]
    assert answered(steps, 100.0) == [
        leave("ven", 10.0, 20.0, "too hot"),
        leave("inverter", 30.0, 100.0, "it opted out"),
    ]


class Records:
    """Decisions, the newest first as in the store."""

    def __init__(self, *decisions: Decision) -> None:
        self.found, self.searched = list(decisions), list[Any]()

    async def decisions(self, **search: Any) -> list[Decision]:
        self.searched.append(search)
        asked = search["search"]
        return [
            one
            for one in self.found
            if asked.signal in (None, one.signal)
            and asked.verdict in (None, one.verdict)
            and (asked.targets is None or one.target.id in asked.targets)
        ]


def decided(at: float, target: str, signal: str, verdict: str, reason: str = "") -> Decision:
    place = Target(TargetKind.DEVICE, target)
    return Decision(at=at, target=place, signal=signal, source=Source(protocol="x"), verdict=verdict, reason=reason)


class Blocks:
    def of(self, device_id: str) -> Any:
        return {"by": "ops", "at": 3.0, "reason": "fire"} if device_id in ("d", "late") else None


async def test_the_times_of_blocks_are_those_between_the_acts() -> None:
    records: Any = Records(
        decided(80.0, "b", "block", "blocked"),
        decided(70.0, "a", "block", "unblocked"),
        decided(65.0, "a", "block", "blocked"),  # told again by a restart
        decided(60.0, "a", "block", "blocked"),
        decided(20.0, "a", "block", "unblocked"),
        decided(10.0, "a", "block", "blocked"),
    )
    records.found.insert(3, decided(90.0, "c", "enabled", "enabled"))
    records.found.append(decided(50.0, "c", "enabled", "disabled"))
    found = await recorded(records, Blocks(), ["a", "b", "c", "d"], [], 0.0, 100.0)
    # Of d the act itself is no longer kept: it is blocked since 3 s.
    assert found == [
        leave("a", 10.0, 20.0),
        leave("a", 60.0, 65.0),
        leave("a", 65.0, 70.0),
        leave("b", 80.0, 100.0),
        leave("c", 50.0, 90.0, "not enabled: its owner opted out, or its settings"),
        leave("d", 3.0, 100.0),
    ]
    search = records.searched[0]["search"]
    assert (search.targets, search.signal, search.end) == (("a", "b", "c", "d"), "block", 100.0)
    assert await recorded(Records(), Blocks(), ["late"], [], 0.0, 2.0) == []  # type: ignore[arg-type]  # a part of a store


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("opted out by the operator: too hot", "opted out by the operator: too hot"),
        ("by the VTN: nobody opted out", ""),
        ("by its sender", ""),
    ],
)
async def test_our_own_side_left_or_the_sender_ended_it(house: Any, reason: str, why: str) -> None:
    records: Any = Records(decided(50.0, "fleet", "control", "cancelled", reason))
    assert await left(records, house.desk.status.controls()[0], 50.0) == why
    assert await left(records, house.desk.status.controls()[0], 20.0) == ""


async def test_who_opted_out_and_is_enabled_again_is_back() -> None:
    steps = [told(name, OutcomeKind.REFUSED, 40.0, "too hot") for name in ("ven", "other")]
    acts = [decided(70.0, "ven", "enabled", "enabled"), decided(41.0, "ven", "enabled", "disabled")]
    records: Any = Records(*acts, decided(20.0, "ven", "enabled", "enabled"))
    assert await recorded(records, Blocks(), ["ven", "other"], steps, 0.0, 100.0) == [
        leave("ven", 40.0, 70.0, "too hot"),
        leave("other", 40.0, 100.0, "too hot"),
        leave("ven", 41.0, 70.0, "not enabled: its owner opted out, or its settings"),
    ]


#: Of a device that changed its word twice: the store keeps its first answer of each kind alone.
KEPT = [
    told("a", OutcomeKind.STARTED, 10.0),
    told("a", OutcomeKind.PARTIAL, 20.0, "blocked: the device answered 4"),
    told("b", OutcomeKind.PARTIAL, 25.0, "blocked: the device answered 8"),
]
WORDS = [
    decided(60.0, "a", "availability", "opted out"),
    decided(40.0, "a", "availability", "opted in"),
    decided(30.0, "a", "availability", "returned", "asked again after its waiting time"),
    decided(25.1, "b", "availability", "opted out"),
    decided(20.1, "a", "availability", "opted out"),
]


async def test_a_device_that_opts_in_again_is_out_for_as_long_as_the_engine_left_it_out() -> None:
    assert await recorded(Records(*WORDS), Blocks(), ["a", "b"], KEPT, 0.0, 100.0) == [  # type: ignore[arg-type]
        leave("a", 20.0, 40.0, "it opted out"),
        leave("b", 25.0, 100.0, "it opted out"),
        leave("a", 60.0, 100.0, "it opted out"),
    ]


async def test_after_a_restart_who_took_its_opt_out_back_is_in() -> None:
    assert await still_out(Records(*WORDS), KEPT, 100.0) == KEPT  # type: ignore[arg-type]
    assert await still_out(Records(*WORDS[1:]), KEPT, 100.0) == [KEPT[0], KEPT[2]]  # type: ignore[arg-type]
    nobody: Any = Records()
    assert await still_out(nobody, KEPT[:1], 100.0) == KEPT[:1]
    assert nobody.searched == []


class Ran(Records):
    """The store, with one control of before that ran to `until` and out of which "a" opted."""

    def __init__(self, until: float, *decisions: Decision, cancelled: float | None = None) -> None:
        super().__init__(*decisions)
        self.cut = [] if cancelled is None else [told(None, OutcomeKind.CANCELLED, cancelled)]
        self.control = Control(
            id="before",
            source=Source(protocol="x"),
            target=Target(TargetKind.DEVICE, "a"),
            values={ControlMode.SET_W: ModeValue(1.0)},
            interval=Interval(0.0, until),
            created=0.0,
        )

    async def controls(self, *, live_after: float) -> list[Control]:
        return [self.control] if self.control.span.end > live_after else []

    async def outcomes(self, control_id: str) -> list[Outcome]:
        return [*KEPT[1:2], told("c", OutcomeKind.PARTIAL, 20.0, "its clock is wrong"), *self.cut]


@pytest.mark.parametrize(("until", "out"), [(50.0, []), (70.0, [(20.1, 70.0)]), (300.0, [(20.1, 100.0)])])
async def test_an_opt_out_of_before_lasts_until_what_it_was_of_is_over(
    until: float, out: list[tuple[float, float]]
) -> None:
    # The server stood still at its end, so nobody wrote that the device takes part again.
    records: Any = Ran(until, decided(20.1, "a", "availability", "opted out"))
    found = await recorded(records, Blocks(), ["a", "b"], [], 60.0, 100.0)
    assert found == [leave("a", since, to, "it opted out") for since, to in out]
    cut: Any = Ran(until, *records.found, cancelled=55.0)
    assert await recorded(cut, Blocks(), ["a"], [], 60.0, 100.0) == []
    told_since = Ran(until, decided(40.0, "a", "availability", "opted in"), *records.found)
    assert await recorded(told_since, Blocks(), ["a", "b"], [], 60.0, 100.0) == []  # type: ignore[arg-type]  # a part of a store
