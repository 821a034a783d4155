"""Rendering and invalidation: what is kept is what would be made anew."""

from __future__ import annotations

import random
from typing import Any

from gridiface.northbound.sep2.served.kinds import kind, list_kind
from gridiface.northbound.sep2.served.nodes import EVERYTHING, Audience, Item, Listing, Viewer, link_targets
from gridiface.northbound.sep2.served.tree import Tree
from gridiface.northbound.sep2.settings import Sep2Settings
from gridiface.protocols.sep2.resources import DER, EndDevice, LogEvent


def device(number: int, changed: int = 0) -> EndDevice:
    return EndDevice(sFDI=number, changedTime=changed)


def a_tree() -> Tree:
    tree = Tree(Sep2Settings().poll_rate)
    tree.add(Listing("/edev", list_kind("/edev"), Audience(registered=True), scoped=True))
    return tree


def put(tree: Tree, number: int, *readers: str) -> Item:
    item = Item(f"/edev/{number}", kind("/edev/{id1}"), Audience(readers=set(readers)), device(number))
    tree.add(item, "/edev")
    return item


def page(tree: Tree, path: str, viewer: Viewer = EVERYTHING) -> bytes:
    listing = tree.listing(path)
    assert listing is not None
    return tree.page(listing, viewer, "all", lambda members: members)


def log_event(at: int) -> LogEvent:
    return LogEvent(createdDateTime=at, functionSet=0, logEventCode=0, logEventID=0, logEventPEN=0, profileID=0)


def test_a_link_appears_with_its_target_and_disappears_with_it() -> None:
    tree = a_tree()
    item = put(tree, 1)
    assert b"LogEventListLink" not in tree.document(item, EVERYTHING, 0.0)
    tree.add(Listing("/edev/1/lel", list_kind("/edev/{id1}/lel"), item.audience))
    assert b'<LogEventListLink href="/edev/1/lel" all="0"/>' in tree.document(item, EVERYTHING, 0.0)
    assert b'<LogEventListLink href="/edev/1/lel" all="0"/>' in page(tree, "/edev")
    event = Item("/edev/1/lel/1", kind("/edev/{id1}/lel/{id2}"), item.audience, log_event(5))
    tree.add(event, "/edev/1/lel")
    assert b'all="1"/>' in tree.document(item, EVERYTHING, 0.0)
    assert b'<LogEventListLink href="/edev/1/lel" all="1"/>' in page(tree, "/edev")
    tree.remove("/edev/1/lel")
    assert b"LogEventListLink" not in tree.document(item, EVERYTHING, 0.0)
    assert b"LogEventListLink" not in page(tree, "/edev")


def test_a_list_that_is_not_shown_empty_is_linked_only_when_populated() -> None:
    tree = a_tree()
    item = put(tree, 1)
    tree.add(Listing("/edev/1/lel", list_kind("/edev/{id1}/lel"), item.audience, shown_empty=False))
    assert b"LogEventListLink" not in tree.document(item, EVERYTHING, 0.0)


def test_a_place_without_content_is_not_linked() -> None:
    tree = a_tree()
    item = put(tree, 1)
    place = Item("/edev/1/dstat", kind("/edev/{id1}/dstat"), item.audience)
    tree.add(place)
    assert b"DeviceStatusLink" not in tree.document(item, EVERYTHING, 0.0)
    tree.set(place, object.__new__(DER))  # any content will do
    assert b"DeviceStatusLink" in tree.document(item, EVERYTHING, 0.0)


def test_a_change_of_a_member_is_seen_in_its_document_and_in_every_page() -> None:
    tree = a_tree()
    first, second = put(tree, 1, "A"), put(tree, 2, "B")
    before = {name: page(tree, "/edev", Viewer(name)) for name in "AB"}
    tree.set(first, device(1, changed=99))
    assert b"99" in page(tree, "/edev", Viewer("A"))
    assert page(tree, "/edev", Viewer("B")) == before["B"]
    assert page(tree, "/edev").index(b'href="/edev/1"') < page(tree, "/edev").index(b'href="/edev/2"')
    tree.set(second, device(2, changed=100))
    assert page(tree, "/edev").index(b'href="/edev/2"') < page(tree, "/edev").index(b'href="/edev/1"')


def test_pages_are_kept_until_something_under_them_changes() -> None:
    tree = a_tree()
    item = put(tree, 1)
    assert page(tree, "/edev") is page(tree, "/edev")
    assert tree.document(item, EVERYTHING, 0.0) is tree.document(item, EVERYTHING, 5.0)


def test_what_is_live_is_made_anew_each_second() -> None:
    tree = a_tree()
    item = Item("/edev/1", kind("/edev/{id1}"), Audience(anyone=True), live=lambda now: device(1, int(now)))
    tree.add(item)
    assert tree.document(item, EVERYTHING, 10.2) is tree.document(item, EVERYTHING, 10.9)
    assert b"<changedTime>11</changedTime>" in tree.document(item, EVERYTHING, 11.0)


def test_who_may_read() -> None:
    audience = Audience(readers={"A"})
    assert Viewer("A").may_read(audience)
    assert not Viewer("B").may_read(audience)
    assert Viewer("", sees_all=True).may_read(audience)
    assert Viewer("B", registered=False).may_read(Audience(anyone=True))
    assert not Viewer("B", registered=False).may_read(Audience(registered=True))


def test_new_readers_see_the_member_and_old_ones_no_longer() -> None:
    tree = a_tree()
    item = put(tree, 1, "A")
    assert b'all="1"' in page(tree, "/edev", Viewer("A"))
    item.audience.readers = {"B"}
    tree.readers_changed(item.audience, tree.below("/edev/1"))
    assert b'all="0"' in page(tree, "/edev", Viewer("A"))
    assert b'all="1"' in page(tree, "/edev", Viewer("B"))


def test_readers_who_go_see_the_member_no_longer_and_others_as_before() -> None:
    tree = a_tree()
    item = put(tree, 1, "A", "B")
    put(tree, 2, "A")
    assert b'all="2"' in page(tree, "/edev", Viewer("A"))
    item.audience.readers -= {"A"}
    tree.readers_gone(item.audience, {"A", "C"}, tree.below("/edev/1"))
    assert b'all="1"' in page(tree, "/edev", Viewer("A"))
    assert b'all="1"' in page(tree, "/edev", Viewer("B"))
    assert b'all="2"' in page(tree, "/edev")
    item.audience.readers -= {"B"}
    tree.readers_gone(item.audience, {"B"}, tree.below("/edev/1"))
    assert b'all="0"' in page(tree, "/edev", Viewer("B"))
    tree.remove("/edev/1")
    assert b'all="1"' in page(tree, "/edev")


def test_removing_takes_everything_below_along() -> None:
    tree = a_tree()
    item = put(tree, 1)
    tree.add(Listing("/edev/1/der", list_kind("/edev/{id1}/der"), item.audience))
    tree.add(Item("/edev/1/der/1", kind("/edev/{id1}/der/{id2}"), item.audience, DER()), "/edev/1/der")
    put(tree, 10)
    tree.remove("/edev/1")
    assert sorted(tree.below("/edev")) == ["/edev", "/edev/10"]
    assert len(tree) == 2
    tree.remove("/edev/1")
    assert b'all="1"' in page(tree, "/edev")


def test_links_are_absolute_or_below() -> None:
    fsa = Item("/edev/1/fsa/1", kind("/edev/{id1}/fsa/{id2}"), Audience())
    found = link_targets(fsa)
    assert found["TimeLink"] == "/tm"
    assert found["DERProgramListLink"] == "/edev/1/fsa/1/derp"
    assert all(target.startswith("/edev/1/fsa/1/") for name, target in found.items() if name != "TimeLink")


def test_whatever_happens_kept_bytes_are_those_of_a_fresh_rendering() -> None:
    """Random changes; after each, everything rendered from what is kept equals everything rendered from nothing."""
    dice = random.Random(7)
    tree = a_tree()
    viewers = [EVERYTHING, *(Viewer(name) for name in "ABC")]
    for step in range(300):
        change(tree, dice, step)
        kept = rendering(tree, viewers)
        for path in list(tree.below("/edev")):
            node = tree.get(path)
            assert node is not None
            node.forget()
        assert rendering(tree, viewers) == kept


def change(tree: Tree, dice: random.Random, step: int) -> None:
    number = dice.randrange(6)
    path = f"/edev/{number}"
    item = tree.item(path)
    match dice.randrange(5):
        case 0 if item is None:
            put(tree, number, *dice.sample("ABC", dice.randrange(4)))
        case 1 if item is not None:
            tree.remove(path)
        case 2 if item is not None:
            tree.set(item, device(number, dice.randrange(50)))
        case 3 if item is not None:
            log = f"{path}/lel"
            if tree.get(log) is None:
                tree.add(Listing(log, list_kind("/edev/{id1}/lel"), item.audience, shown_empty=dice.random() < 0.5))
            entry = Item(f"{log}/{step}", kind("/edev/{id1}/lel/{id2}"), item.audience, log_event(step))
            tree.add(entry, log)
        case 4 if item is not None:
            item.audience.readers = set(dice.sample("ABC", dice.randrange(4)))
            tree.readers_changed(item.audience, tree.below(path))


def rendering(tree: Tree, viewers: list[Viewer]) -> dict[Any, bytes]:
    found: dict[Any, bytes] = {}
    for viewer in viewers:
        for path in tree.below("/edev"):
            node = tree.get(path)
            if isinstance(node, Listing):
                found[viewer.lfdi, path] = page(tree, path, viewer)
            elif node is not None:
                found[viewer.lfdi, path] = tree.document(node, viewer, 0.0)
    return found
