"""What is due when, whatever was put in before."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from gridiface.protocols.sep2.timetable import Timetable


@dataclass(eq=False)
class Item:
    name: int
    next_at: float = 0.0
    waits: bool = True


def test_only_the_newest_time_of_an_item_counts() -> None:
    table: Timetable[Item] = Timetable(lambda item: item.waits)
    one, two = Item(1, 5.0), Item(2, 7.0)
    table.put(one, 5.0)
    table.put(two, 7.0)
    one.next_at = 9.0
    table.put(one, 9.0)
    assert table.next_due() == 7.0
    assert table.due(6.0) == []
    assert table.due(20.0) == [two, one]
    assert table.due(20.0, most=1) == [two]
    two.waits = False
    assert table.due(20.0) == [one]
    table.clear()
    assert table.next_due() is None


STEPS = st.lists(
    st.tuples(st.integers(0, 5), st.one_of(st.none(), st.booleans(), st.integers(0, 20))), min_size=1, max_size=60
)


@given(STEPS, st.integers(0, 20), st.integers(1, 6))
def test_it_says_what_a_search_of_all_items_would(
    steps: list[tuple[int, bool | int | None]], now: int, most: int
) -> None:
    items = [Item(name) for name in range(6)]
    table: Timetable[Item] = Timetable(lambda item: item.waits)
    for item in items:
        table.put(item, item.next_at)
    for name, step in steps:
        item = items[name]
        if step is None:
            table.due(now)
        elif isinstance(step, bool):
            item.waits = step
            if step:
                table.put(item, item.next_at)
        else:
            item.next_at = float(step)
            table.put(item, item.next_at)
    waiting = [item for item in items if item.waits]
    due = table.due(now, most)
    assert len(due) == min(most, sum(1 for item in waiting if item.next_at <= now))
    assert [item.next_at for item in due] == sorted(item.next_at for item in waiting if item.next_at <= now)[:most]
    assert table.next_due() == min((item.next_at for item in waiting), default=None)
