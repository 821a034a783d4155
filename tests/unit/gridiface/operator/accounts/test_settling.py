"""What is settled when a control is named: who opted out, whose right is larger, what is reserved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gridiface.domain.controls import Decision, Outcome, OutcomeKind, Source
from gridiface.domain.fleet import Group
from gridiface.operator.accounts.optouts import Leave
from gridiface.operator.accounts.settling import NewSettlement, asked_of
from gridiface.operator.problems import Refused


@pytest.fixture
async def named(house: Any) -> Any:
    """The house with its control on record: of the group fleet, from 90 to 120."""
    control = house.desk.status.controls()[0]
    house.records.held["c1"] = replace(control, source=Source(protocol="openadr", program="flex", authority=7.0))
    return house


def on_record(house: Any, monkeypatch: pytest.MonkeyPatch, outcomes: Any = (), decisions: Any = ()) -> None:
    async def steps(control_id: str) -> list[Outcome]:
        return [Outcome(control_id=control_id, kind=kind, at=at, device_id=d, reason=r) for d, kind, at, r in outcomes]

    async def decided(*, control_id: str | None = None, limit: int, search: Any) -> list[Decision]:
        target, source = house.records.held["c1"].target, Source(protocol="x")
        wanted = [one for one in decisions if one[0] == (search.signal or "control")]
        return [
            Decision(at=at, target=target if name is None else replace(target, id=name), signal=signal, source=source,
                     verdict=verdict, reason=reason)
            for signal, name, verdict, at, reason in wanted
        ]  # fmt: skip

    monkeypatch.setattr(house.records, "outcomes", steps)
    monkeypatch.setattr(house.records, "decisions", decided)


def body(**more: Any) -> NewSettlement:
    return NewSettlement(**{"event": "ev", "control": "c1", **more})


async def test_opt_outs_on_record_come_with_their_reasons(named: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [("a", OutcomeKind.REFUSED, 100.0, "too hot"), ("b", OutcomeKind.STARTED, 91.0, "")]
    on_record(named, monkeypatch, steps, [("block", "b", "blocked", 110.0, "")])
    asked = await asked_of(named.desk, body())
    assert (asked["start"], asked["end"], asked["devices"], asked["authority"]) == (90.0, 120.0, ["a", "b"], 7.0)
    assert asked["opt_outs"] == [
        Leave(device_id="a", start=100.0, end=120.0, reason="too hot"),
        Leave(device_id="b", start=110.0, end=120.0, reason="blocked by the operator"),
    ]
    told = await asked_of(named.desk, body(opt_outs=[], authority=1.0))
    assert (told["opt_outs"], told["authority"]) == ([], 1.0)
    mine = await asked_of(named.desk, body(opt_outs=[{"device": "b", "start": 95, "end": 99, "reason": "ill"},
                                                     {"device": "a", "start": 95}]))  # fmt: skip
    assert mine["opt_outs"] == [
        Leave(device_id="b", start=95.0, end=99.0, reason="ill"),
        Leave(device_id="a", start=95.0, end=120.0, reason="opted out"),
    ]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"device": "z", "start": 95}, "'z' is not settled"), ({"device": "a", "start": 95, "end": 95}, "before it beg")],
)
async def test_opt_outs_that_cannot_be(named: Any, wrong: Any, said: str) -> None:
    with pytest.raises(Refused, match="opt_outs") as refused:
        await asked_of(named.desk, body(opt_outs=[wrong]))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("reason", "end", "leaves"),
    [("opted out by the operator: too hot", 120.0, ["a", "b"]), ("by the VTN", 100.0, [])],
)
async def test_when_our_own_side_leaves_the_event_goes_on_without_it(
    named: Any, monkeypatch: pytest.MonkeyPatch, reason: str, end: float, leaves: list[str]
) -> None:
    steps = [(None, OutcomeKind.CANCELLED, 100.0, ""), ("a", OutcomeKind.CANCELLED, 100.0, "")]
    on_record(named, monkeypatch, steps, [("control", None, "cancelled", 100.0, reason)])
    asked = await asked_of(named.desk, body())
    assert asked["end"] == end
    assert asked["opt_outs"] == [Leave(device_id=name, start=100.0, end=120.0, reason=reason) for name in leaves]


async def test_reserved_parts_are_those_of_the_controls_target(named: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    on_record(named, monkeypatch)
    assert (await asked_of(named.desk, body()))["reserved"] == {}
    reserves = Group(id="fleet", members=("feeder",), shares={"openadr:flex": 0.6, "openadr": 0.1})
    monkeypatch.setattr(named.desk.status.fleet, "group", lambda name: reserves)
    assert (await asked_of(named.desk, body()))["reserved"] == {"a": 0.6, "b": 0.6}
