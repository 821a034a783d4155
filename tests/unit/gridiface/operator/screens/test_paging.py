"""A long list, one page at a time."""

from __future__ import annotations

import pytest

from gridiface.operator.screens.paging import counted_page, has, one_page, page_number, page_start, paged, words


def test_a_page_of_a_list_and_its_neighbours() -> None:
    page = paged(range(120), {"page": "2", "q": "a b", "other": "x"}, "/things", ("q", "state"))
    assert (list(page.rows)[:2], page.first, page.last, page.total, page.pages) == ([50, 51], 51, 100, 120, 3)
    assert page.link(3) == "/things?q=a+b&page=3"
    assert page.with_rows(str).rows[0] == "50"


def test_beyond_the_end_is_the_end_and_nothing_is_a_page_too() -> None:
    assert list(paged(range(3), {"page": "9"}, "/x").rows) == [0, 1, 2]
    nothing = paged([], {}, "/x")
    assert (nothing.first, nothing.last, nothing.page, nothing.pages) == (0, 0, 1, 1)


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "1e3", "99999999", "²"])
def test_what_is_no_number_of_a_page_is_the_first(text: str) -> None:
    assert page_number({"page": text}) == 1


def test_a_text_is_looked_for_without_regard_to_case() -> None:
    assert has("EV", "evening", None)
    assert has("", None)
    assert not has("x", "evening", None, 7)


def test_a_page_of_which_the_store_gave_the_rows_and_one_more() -> None:
    first = one_page(list(range(4)), {}, "/x", size=3)
    assert (first.rows, first.first, first.last, first.pages, first.open) == ([0, 1, 2], 1, 3, 2, True)
    last = one_page([3], {"page": "2"}, "/x", size=3)
    assert (last.rows, last.first, last.total, last.pages, last.open) == ([3], 4, 4, 2, False)
    beyond = one_page([], {"page": "9"}, "/x", size=3)
    assert (beyond.rows, beyond.first, beyond.total, page_start({"page": "9"}, 3)) == ([], 0, 0, 24)


def test_a_page_whose_rows_and_number_a_list_tells() -> None:
    page = counted_page(["a", "b"], 102, {"page": "3", "q": "x"}, "/things", ("q",))
    assert (page.first, page.last, page.total, page.page, page.pages) == (101, 102, 102, 3, 3)
    beyond = counted_page([], 102, {"page": "9"}, "/things")
    assert (beyond.first, beyond.page, beyond.link(beyond.page)) == (0, 3, "/things?page=3")


def test_what_no_text_can_hold_is_not_searched_for() -> None:
    assert words("ev\x00ening\n") == "evening"
