"""What of the fleet a reader sees on the pages: all of it, or the groups that they are confined to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from gridiface.domain.controls import Target, TargetKind
from gridiface.operator.screens.view import View

#: Pages that are about more than some groups.
CLOSED = ("/start", "/certificates", "/trace", "/audit", "/users", "/tokens")


@pytest.fixture
async def split(house: Any) -> Any:
    """Groups a1 with device a, and b1 with device b, and a control on each."""
    from gridiface.domain.fleet import Group  # noqa: PLC0415

    fleet = house.desk.status.fleet
    fleet._groups = [
        Group(id="all", name="everything", members=("a1", "b1")),
        Group(id="a1", name="feeder one", members=("a",), parent="all"),
        Group(id="b1", name="feeder two", members=("b",), parent="all"),
    ]
    own: dict[str, Sequence[str]] = {"all": ("a", "b"), "a1": ("a",), "b1": ("b",)}
    fleet.members = lambda name: own.get(name, ())
    first = house.desk.status.controls()[0]
    controls = [
        replace(first, id="on-a", description="seen", target=Target(TargetKind.GROUP, "a1")),
        replace(first, id="on-b", description="secret peak", target=Target(TargetKind.GROUP, "b1")),
    ]
    house.desk.status.controls = lambda: controls
    return house


async def test_a_confined_reader_sees_their_own_groups_and_nothing_else(split: Any, signed_in: Any) -> None:
    browser = await signed_in(split, "operator", groups=["a1"])
    for path in ("/", "/parts/overview", "/parts/overview?part=rest", "/devices", "/parts/devices", "/groups",
                 "/parts/groups", "/controls", "/parts/controls", "/controls/new", "/drivers", "/performance",
                 "/alarms", "/parts/alarms", "/approvals", "/account", "/devices/a", "/groups/a1",
                 "/controls/on-a"):  # fmt: skip
        status, text, _ = await browser.ask("GET", path)
        assert status == 200, (path, text)
        for hidden in ("feeder two", "everything", "secret peak", "/devices/b", "group:b1", "device:b"):
            assert hidden not in text, (path, hidden)
    for path in ("/devices/b", "/groups/b1", "/groups/all", "/controls/on-b", "/parts/devices/b", "/parts/groups/b1"):
        assert (await browser.ask("GET", path))[0] == 404, path
    for path in CLOSED:
        assert (await browser.ask("GET", path))[0] == 403, path
    _, text, _ = await browser.ask("GET", "/")
    assert "feeder one" in text
    assert 'href="/certificates"' not in text
    assert 'href="/alarms"' in text


async def test_a_confined_operator_changes_their_own_only(split: Any, signed_in: Any) -> None:
    browser = await signed_in(split, "operator", groups=["a1"])
    for path in ("/devices/b/block", "/devices/b/unblock", "/controls/on-b/cancel"):
        form = {"reason": "x", "foreign": "1"}
        assert (await browser.ask("POST", path, data=form, allow_redirects=False))[0] == 404, path
    assert (await browser.ask("POST", "/devices/a/block", data={"reason": "x"}, allow_redirects=False))[0] == 303
    form = {"target": "group:b1", "mode": "set_w", "value": "3", "minutes": "30", "priority": "50", "key": "k"}
    assert (await browser.ask("POST", "/controls/preview", data=form))[0] == 403
    _, text, _ = await browser.ask("GET", "/controls/new?from=on-b")
    assert "Change a control" not in text


async def test_two_readers_do_not_share_what_only_one_may_see(split: Any, signed_in: Any) -> None:
    whole = await signed_in(split, "viewer", "whole")
    part = await signed_in(split, "viewer", "part", ["a1"])
    for browser, seen in ((whole, True), (part, False), (whole, True)):
        _, text, _ = await browser.ask("GET", "/parts/overview?part=rest")
        assert ("feeder two" in text) is seen


async def test_the_live_stream_carries_what_is_seen(split: Any, signed_in: Any) -> None:
    class Request(dict[Any, Any]):
        pass

    from gridiface.operator.auth.access import CALLER, Caller  # noqa: PLC0415

    view = View(split.desk.status, Request({CALLER: Caller(groups=frozenset({"a1"}))}))  # type: ignore[arg-type]
    assert [group.id for group in view.groups()] == ["a1"]
    assert view.group_rows(0.0)[0]["parent"] is None
    assert view.these(["b", "a"]) == ["a"]
    everything = View(split.desk.status, Request({CALLER: Caller()}))  # type: ignore[arg-type]
    assert len(everything.group_rows(0.0)) == 3


async def test_the_view_and_the_api_agree_on_who_sees_what(split: Any) -> None:
    from gridiface.operator.auth.access import CALLER, Caller  # noqa: PLC0415
    from gridiface.operator.confined import sees_target  # noqa: PLC0415

    fleet = split.desk.status.fleet
    for groups in (None, frozenset(), frozenset({"a1"}), frozenset({"all"}), frozenset({"b1", "none"})):
        caller = Caller(groups=groups)
        view = View(split.desk.status, {CALLER: caller})  # type: ignore[arg-type]
        for kind in TargetKind:
            for name in ("all", "a1", "b1", "a", "b", "none"):
                target = Target(kind, name)
                assert view.target(target) is sees_target(caller, target, fleet), (groups, target)
