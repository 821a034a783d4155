"""Names are ordered as people count, and a list in that order can be paged by the name of its last member."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gridiface.naming import by_name, following, in_order, ordered


def test_numbers_in_names_count_as_numbers() -> None:
    names = ["battery10", "battery2", "a", "10", "9", "battery1", "battery1b", "battery", "x²"]
    assert ordered(names) == ["9", "10", "a", "battery", "battery1", "battery1b", "battery2", "battery10", "x²"]
    assert by_name({"b10": 1, "b9": 2}) == [("b9", 2), ("b10", 1)]


def test_no_two_names_share_a_place() -> None:
    assert ordered(["a1", "a01", "a001"]) == ["a001", "a01", "a1"]


@given(st.lists(st.text("a1 0é²", max_size=4), unique=True), st.integers(1, 5))
def test_pages_by_the_last_name_show_everything_once(names: list[str], size: int) -> None:
    shown, after = list[str](), ""
    named = [name for name in names if name]
    while page := following(named, after, str)[:size]:
        shown += page
        after = page[-1]
    assert shown == sorted(named, key=in_order)
