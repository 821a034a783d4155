"""Audiences and indexes of lists."""

from __future__ import annotations

from gridiface.northbound.sep2.served.kinds import kind, list_kind
from gridiface.northbound.sep2.served.nodes import ALL, EVERYTHING, Audience, Item, Listing, Viewer
from gridiface.protocols.sep2.resources import EndDevice, MirrorUsagePoint


def member(number: int, *readers: str) -> Item:
    obj = EndDevice(sFDI=number, changedTime=number)
    return Item(f"/edev/{number}", kind("/edev/{id1}"), Audience(readers=set(readers)), obj)


def test_a_scoped_list_counts_for_each_viewer() -> None:
    listing = Listing("/edev", list_kind("/edev"), Audience(), scoped=True)
    for item in (member(1, "A"), member(2, "A", "B"), member(3)):
        listing.insert(item)
    assert [listing.count(listing.view_of(v)) for v in (EVERYTHING, Viewer("A"), Viewer("B"), Viewer("C"))] == [
        3,
        2,
        1,
        0,
    ]
    assert [item.obj.sFDI for item in listing.members("A")] == [2, 1]


def test_a_member_leaves_the_views_of_its_former_readers_too() -> None:
    listing = Listing("/edev", list_kind("/edev"), Audience(), scoped=True)
    item = member(1, "A")
    listing.insert(item)
    item.audience.readers = {"B"}
    listing.discard(item)
    listing.forget()
    assert (listing.count(ALL), listing.count("A"), listing.count("B")) == (0, 0, 0)
    listing.insert(item)
    listing.discard(item)
    listing.discard(item)
    assert listing.count("B") == 0


def test_a_list_that_is_not_scoped_looks_the_same_to_everybody() -> None:
    listing = Listing("/edev/1/lel", list_kind("/edev/{id1}/lel"), Audience())
    assert listing.view_of(Viewer("A")) == ALL


def test_what_the_keys_leave_equal_stands_by_its_number_whatever_came_first() -> None:
    listing = Listing("/mup", list_kind("/mup"), Audience())
    shown = MirrorUsagePoint(mRID="AA", roleFlags=0, serviceCategoryKind=0, status=1, deviceLFDI="A" * 40)
    members = {n: Item(f"/mup/{n}", kind("/mup/{id1}"), Audience(), shown) for n in (10, 2, 1, 11)}
    for item in members.values():
        listing.insert(item)
    listing.discard(members[1])
    listing.insert(members[1])
    assert [item.path for item in listing.members(ALL)] == ["/mup/1", "/mup/2", "/mup/10", "/mup/11"]


def test_the_order_is_kept_until_something_changes() -> None:
    listing = Listing("/edev", list_kind("/edev"), Audience())
    listing.insert(member(1))
    first = listing.members(ALL)
    assert listing.members(ALL) is first
    version = listing.version
    listing.insert(member(2))
    listing.forget()
    assert listing.version == version + 1
    assert [item.obj.sFDI for item in listing.members(ALL)] == [2, 1]
