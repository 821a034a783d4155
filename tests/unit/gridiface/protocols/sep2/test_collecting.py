"""Lists that are read page by page while their server changes them."""

from __future__ import annotations

from gridiface.protocols.sep2.collecting import Collecting, as_before
from gridiface.protocols.sep2.resources import EndDevice
from gridiface.protocols.xmlwire import WireObject


def devices(*hrefs: str) -> list[WireObject]:
    return [EndDevice(href=href, sFDI=1, changedTime=1) for href in hrefs]


def names(members: list[WireObject] | None) -> list[str | None] | None:
    return None if members is None else [getattr(member, "href", None) for member in members]


def test_pages_are_put_together() -> None:
    pages = Collecting()
    assert pages.take(devices("/1", "/2"), 3, 100) is None
    assert len(pages.members) == 2
    assert names(pages.take(devices("/3"), 3, 100)) == ["/1", "/2", "/3"]
    assert pages == Collecting(whole=3)


def test_a_list_that_shrinks_while_it_is_read_is_read_from_the_start() -> None:
    """/1 leaves after the first page, so that /3 moves onto it and is on neither."""
    pages = Collecting()
    assert pages.take(devices("/1", "/2"), 4, 100) is None
    assert pages.take(devices("/4"), 3, 100) is None
    assert pages.members == []
    assert pages.take(devices("/2", "/3"), 3, 100) is None
    assert names(pages.take(devices("/4"), 3, 100)) == ["/2", "/3", "/4"]


def test_a_member_that_comes_twice_shows_that_others_have_moved() -> None:
    """/9 comes in front and /3 leaves: as many as before, and /2 is on both pages."""
    pages = Collecting()
    assert pages.take(devices("/1", "/2"), 3, 100) is None
    assert pages.take(devices("/2"), 3, 100) is None
    assert pages.members == []


def test_a_list_that_never_holds_still_is_taken_as_it_comes() -> None:
    pages, whole = Collecting(), 4
    asked = 0
    while (taken := pages.take(devices(*(f"/{whole}{n}" for n in range(2))), whole, 100)) is None:
        asked += 1
        whole += 1
    assert asked < 20
    assert len(taken) == len({getattr(member, "href", None) for member in taken}) > 2


def test_a_server_that_knows_no_pages_is_read_to_an_end_and_each_member_counts_once() -> None:
    pages = Collecting()
    asked = 1
    while (taken := pages.take(devices("/1", "/2"), 5, 100)) is None:
        asked += 1
        assert asked < 20
    assert names(taken) == ["/1", "/2"]


def test_what_is_beyond_the_most_that_is_wanted_is_left_out() -> None:
    assert names(Collecting().take(devices("/1", "/2", "/3"), 9, 2)) == ["/1", "/2"]


def test_members_without_a_name_of_their_own_are_all_kept() -> None:
    nameless: list[WireObject] = [EndDevice(sFDI=n, changedTime=1) for n in range(3)]
    assert Collecting().take(nameless, 3, 100) == nameless


def test_members_that_are_as_they_were_are_the_same_objects() -> None:
    known, shown = devices("/1", "/2"), devices("/1", "/2", "/3")
    shown[1].sFDI = 7  # type: ignore[attr-defined]  # they are EndDevices
    settled = as_before(known, shown)
    assert settled[0] is known[0]
    assert settled[1] is shown[1]
