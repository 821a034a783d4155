"""What of rows counts for their events: opt-outs, and events at the same time. Every figure is worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.aggregation.settlement import OptOut, Settlement, SettlementRow, credited, eligible, totals
from gridiface.domain.telemetry import Quality

#: 2026-07-22 16:00 UTC.
FOUR = 1_784_736_000.0
QUARTER = 900.0


def row(event: str, at: int, *, length: float = QUARTER, delivered: float | None = 2000.0, **changes: Any) -> Any:
    """One row `at` quarters of an hour after four; it should deliver 2 kW."""
    start = FOUR + at * QUARTER
    values: dict[str, Any] = {
        "event_id": event,
        "resource_id": "house",
        "start": start,
        "end": start + length,
        "baseline_w": -3000.0,
        "metered_w": None if delivered is None else delivered - 3000.0,
        "delivered_w": delivered,
        "committed_w": 2000.0,
        "quality": Quality.GOOD,
        "method": "10-of-10",
    }
    return SettlementRow(**values | changes)


def settlement(event: str, rows: Any, **changes: Any) -> Settlement:
    values: dict[str, Any] = {"revision": 1, "computed": FOUR, "final": False}
    return Settlement(event_id=event, rows=tuple(rows), **values | changes)


def out(start: float, end: float, reason: str = "guest") -> OptOut:
    return OptOut(resource_id="house", start=FOUR + start, end=FOUR + end, reason=reason)


def shares(*found: Settlement) -> list[list[float]]:
    return [[round(one.share, 6) for one in each.rows] for each in found]


def test_who_opts_out_half_way_counts_until_then_and_its_commitment_stands() -> None:
    # 16:00 to 17:00, out from 16:35: two quarters whole, 5 of the third's 15 minutes, nothing of the last.
    rows = eligible([row("ev", at) for at in range(4)], [out(2100, 3600)])
    assert [one.eligible for one in rows] == pytest.approx([1, 1, 1 / 3, 0])
    assert [one.why for one in rows] == ["", "", "out from 16:35:00Z: guest", "out all the time: guest"]
    assert [one.credited_w for one in rows] == pytest.approx([2000, 2000, 2000 / 3, 0])
    [total] = totals(rows, "event")
    # 0.5 + 0.5 + 1/6 kWh of 2 kWh; the meter showed all of it.
    assert (total.delivered_wh, total.committed_wh) == (2000, 2000)
    assert total.credited_wh == pytest.approx(1000 + 500 / 3)
    assert total.performance == pytest.approx((1000 + 500 / 3) / 2000)
    assert total.delivered_wh == total.metered_wh - total.baseline_wh


def test_who_comes_back_counts_again_and_times_told_twice_count_once() -> None:
    [only] = eligible([row("ev", 0)], [out(300, 600), out(450, 600, "block"), out(600, 660, "block")])
    assert only.eligible == pytest.approx(1 - 360 / 900)
    assert only.why == ("out from 16:05:00Z until 16:10:00Z: guest; out from 16:10:00Z until 16:11:00Z: block")
    other = replace(row("ev", 0), resource_id="another")
    assert eligible([other], [out(0, 900)]) == (other,)
    assert eligible([row("ev", 0)], [out(900, 1800), out(-900, 0)]) == (row("ev", 0),)


def test_what_follows_an_opt_out_is_not_charged_against_the_event() -> None:
    # It cools down what it missed: 1 kW more than usual after it left. The quarter before counts alone.
    [total] = totals(eligible([row("ev", 0), row("ev", 1, delivered=-1000.0)], [out(900, 1800)]), "event")
    assert (total.delivered_wh, total.credited_wh) == (250, 500)


def test_of_two_events_at_once_the_larger_authority_counts() -> None:
    low = settlement("a", [row("a", at) for at in range(4)], authority=1.0)
    high = settlement("b", [row("b", at) for at in (2, 3, 4, 5)], authority=2.0)
    first, second = credited([low, high])
    assert shares(first, second) == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert [one.why for one in first.rows] == ["", "", "b counts 100%", "b counts 100%"]
    counted = sum(total.credited_wh for one in (first, second) for total in totals(one.rows, "event"))
    assert counted == 6 * 500  # six quarters of an hour, none twice
    assert credited([first, second]) == (first, second)  # shares are worked out anew, not piled up
    assert credited([high, low]) == (second, first)


def test_of_equals_the_one_that_began_earlier_counts_then_the_smaller_id() -> None:
    early = settlement("z", [row("z", 0), row("z", 1)])
    late = settlement("a", [row("a", 1), row("a", 2)])
    assert shares(*credited([late, early])) == [[0, 1], [1, 1]]
    assert shares(*credited([settlement("a", [row("a", 0)]), settlement("b", [row("b", 0)])])) == [[1], [0]]


def test_who_is_out_of_one_event_counts_for_the_other() -> None:
    high = settlement("b", eligible([row("b", 0)], [out(300, 900)]), authority=2.0)
    low = settlement("a", [row("a", 0)])
    first, second = credited([low, high])
    # 5 of 15 minutes for b, the other ten for a.
    assert first.rows[0].share == pytest.approx(2 / 3)
    assert first.rows[0].why == "b counts 33%"
    assert (second.rows[0].share, second.rows[0].eligible) == (1, pytest.approx(1 / 3))
    assert (first.rows[0].credited_w or 0) + (second.rows[0].credited_w or 0) == pytest.approx(2000)


def test_reserved_parts_are_shared_in_proportion() -> None:
    both = {"house": 0.6}, {"house": 0.3}
    first = settlement("a", [row("a", 0)], reserved=both[0])
    second = settlement("b", [row("b", 0)], reserved=both[1], authority=9.0)
    third, fourth = (settlement(name, [row(name, 0)], authority=rank) for name, rank in (("c", 1.0), ("d", 2.0)))
    assert shares(*credited([first, second])) == [[round(2 / 3, 6)], [round(1 / 3, 6)]]
    # What is not reserved goes to the others by authority.
    assert shares(*credited([first, second, third, fourth])) == [[0.6], [0.3], [0], [0.1]]
    assert shares(*credited([settlement("a", [row("a", 0)], reserved={"house": 1.0}), fourth])) == [[1], [0]]


def test_a_final_settlement_keeps_what_it_has() -> None:
    final = settlement("a", [row("a", 0, share=0.25, elsewhere="x counts 75%"), row("a", 1)], final=True)
    high = settlement("b", [row("b", 0), row("b", 1)], authority=9.0)
    kept, rest = credited([final, high])
    assert kept == final
    assert shares(rest) == [[0.75, 0]]
    assert [one.why for one in rest.rows] == ["a counts 25%", "a counts 100%"]


def test_rows_of_another_length_count_by_the_time_they_cover() -> None:
    hour = settlement("hour", [row("hour", 0, length=3600.0)])
    quarters = settlement("quarters", [row("quarters", at) for at in (1, 2)], authority=1.0)
    first, second = credited([hour, quarters])
    assert shares(first, second) == [[0.5], [1, 1]]
    assert first.rows[0].why == "quarters counts 50%"
    assert first.rows[0].credited_w == 1000


def test_other_resources_and_other_times_leave_it_whole() -> None:
    other = settlement("b", [replace(row("b", 0), resource_id="another"), row("b", 4)], authority=9.0)
    mine = settlement("a", [row("a", 0), row("a", 3)])
    assert credited([mine, other]) == (mine, other)
    unknown = settlement("u", [row("u", 0, delivered=None)], authority=9.0)
    # It was its time: what was not measured for it is not counted for another.
    assert shares(credited([mine, unknown])[0]) == [[0, 1]]


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 7),  # begin, in five minutes
        st.integers(1, 6),  # rows
        st.sampled_from([300.0, 900.0]),
        st.sampled_from([0.0, 1.0, 2.0]),  # authority
        st.sampled_from([0.0, 0.0, 0.3, 0.6]),  # reserved
        st.booleans(),  # out in the first half
    ),
    min_size=1,
    max_size=5,
)


@given(EVENTS)
def test_no_moment_counts_twice_and_one_that_somebody_was_there_for_counts_once(drawn: list[Any]) -> None:
    made = []
    for number, (begin, count, length, authority, part, absent) in enumerate(drawn):
        name, first = f"e{number}", FOUR + begin * 300.0
        rows = [replace(row(name, 0), start=first + at * length, end=first + (at + 1) * length) for at in range(count)]
        outs = [OptOut(resource_id="house", start=first, end=first + count * length / 2, reason="x")] if absent else []
        made.append(settlement(name, eligible(rows, outs), authority=authority, reserved={"house": part}))
    found = credited(made)
    assert credited(tuple(reversed(found))) == tuple(reversed(found))
    counted = sum((one.credited_w or 0) * one.hours for each in found for one in each.rows)
    edges = sorted({edge for each in found for one in each.rows for edge in (one.start, one.end)})
    covered = sum(
        (end - start) / 3600 * 2000
        for start, end in pairwise(edges)
        if any(one.start <= start and one.end >= end for each in found for one in each.rows)
    )
    assert counted <= covered + 1e-6
    if not any(absent for *_, absent in drawn):
        assert counted == pytest.approx(covered)
