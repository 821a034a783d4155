"""The client's picture of a server: discovery, paging, poll times, back-off."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from gridiface.protocols.sep2.polling import Backoff, ResourceTree
from gridiface.protocols.sep2.resources import (
    DERControlList,
    DERProgram,
    DERProgramList,
    DeviceCapability,
    EndDevice,
    EndDeviceList,
    Link,
    ListLink,
    Time,
)
from gridiface.protocols.xmlwire import WireObject

TIME = Time(currentTime=1, dstEndTime=0, dstOffset=0, dstStartTime=0, quality=7, tzOffset=0)


def tree(root: str = "/dcap") -> ResourceTree:
    return ResourceTree(root, "server:8443", lambda _holder, _name: True, Random(1), page_size=2)


def give(t: ResourceTree, href: str, value: WireObject, now: float) -> bool:
    node = t.nodes[href]
    assert node in t.due(now)
    node.in_flight = True
    return t.store(node, value, now) is not None


def test_links_lead_on_and_are_fetched_at_once() -> None:
    t = tree()
    assert [n.href for n in t.due(0)] == ["/dcap"]
    give(t, "/dcap", DeviceCapability(TimeLink=Link(href="/tm"), EndDeviceListLink=ListLink(href="edev", all=0)), 10)
    assert {n.href: t.target(n) for n in t.due(10)} == {"/tm": "/tm", "/edev": "/edev?s=0&l=2"}
    assert t.value(Link(href="/tm")) is None
    give(t, "/tm", TIME, 11)
    assert t.value(Link(href="https://server:8443/tm")) == TIME
    assert t.value(None) is None


def test_resources_are_polled_at_their_rate_and_others_at_their_parents() -> None:
    t = tree()
    give(
        t,
        "/dcap",
        DeviceCapability(pollRate=60, DERProgramListLink=ListLink(href="/derp"), TimeLink=Link(href="/tm")),
        0,
    )
    give(t, "/tm", TIME, 0)
    give(t, "/derp", DERProgramList(all=1, results=1, pollRate=20, members=[
        DERProgram(mRID="01", primacy=1, DERControlListLink=ListLink(href="/derc"))]), 0)  # fmt: skip
    give(t, "/derc", DERControlList(all=0, results=0), 0)
    assert {n.href: n.next_at for n in t.nodes.values()} == {"/dcap": 60, "/tm": 900, "/derp": 20, "/derc": 20}
    assert t.next_due() == 20
    t.poll_soon("/derc", 5)
    t.poll_soon("/nothing", 5)
    assert t.next_due() == 5


def devices(*hrefs: str, all_: int) -> EndDeviceList:
    return EndDeviceList(
        all=all_, results=len(hrefs), members=[EndDevice(href=h, sFDI=1, changedTime=1) for h in hrefs]
    )


def test_long_lists_are_collected_page_by_page() -> None:
    t = tree()
    give(t, "/dcap", DeviceCapability(EndDeviceListLink=ListLink(href="/edev?x=1")), 0)
    node = t.nodes["/edev?x=1"]
    assert t.target(node) == "/edev?x=1&s=0&l=2"
    assert not give(t, "/edev?x=1", devices("/1", "/2", all_=3), 1)
    assert t.target(node) == "/edev?x=1&s=2&l=2"
    assert give(t, "/edev?x=1", devices("/3", all_=3), 2)
    assert isinstance(node.value, EndDeviceList)
    assert ([d.href for d in node.value.members], node.value.results) == (["/1", "/2", "/3"], 3)
    assert t.target(node) == "/edev?x=1&s=0&l=2"


def test_a_list_that_shrinks_meanwhile_comes_to_an_end() -> None:
    t = tree()
    give(t, "/dcap", DeviceCapability(EndDeviceListLink=ListLink(href="/edev")), 0)
    assert not give(t, "/edev", devices("/1", "/2", all_=9), 1)
    assert give(t, "/edev", devices(all_=9), 2)


def test_what_nothing_links_to_is_forgotten() -> None:
    t = tree()
    give(t, "/dcap", DeviceCapability(EndDeviceListLink=ListLink(href="/edev")), 0)
    one = EndDevice(href="/1", sFDI=1, changedTime=1, RegistrationLink=Link(href="/1/rg"))
    give(t, "/edev", EndDeviceList(all=1, results=1, members=[one]), 0)
    assert "/1/rg" in t.nodes
    give(t, "/edev", devices(all_=0), 900)
    assert "/1/rg" not in t.nodes


def test_failures_back_off_and_success_forgets_them() -> None:
    t = tree()
    node = t.nodes["/dcap"]
    waits = []
    for _ in range(12):
        t.fail(node, 100)
        waits.append(node.next_at - 100)
    assert waits[0] < 3
    assert all(low * 1.2 < high for low, high in pairwise(waits[:5]))
    assert 240 <= waits[-1] <= 360
    t.fail(node, 100, retry_after=7)
    assert node.next_at == 107
    give(t, "/dcap", DeviceCapability(), 107)
    assert node.failures == 0
    assert Backoff().delay(10_000, Random(1)) <= 360


def test_after_an_outage_what_was_left_unanswered_is_asked_for_soon() -> None:
    t = tree()
    give(t, "/dcap", DeviceCapability(pollRate=900, TimeLink=Link(href="/tm")), 0)
    assert t.reads == 1
    for _ in range(12):
        t.fail(t.nodes["/tm"], 100)
    assert t.nodes["/tm"].next_at > 300
    t.answers_again(200)
    assert 200 <= t.nodes["/tm"].next_at <= 202
    assert t.nodes["/dcap"].next_at == 900, "what did not fail keeps its time"
    t.nodes["/tm"].in_flight = True
    t.answers_again(500)
    assert t.nodes["/tm"].next_at <= 202


def test_a_server_that_is_away_is_tried_by_its_root() -> None:
    t = tree()
    root = t.nodes["/dcap"]
    for _ in range(12):
        t.fail(root, 100)
    t.try_root(150)
    assert root.next_at == 150
    t.try_root(160)
    assert root.next_at == 150, "it is due"
    root.in_flight = True
    t.schedule(root, 500)
    t.try_root(200)
    assert root.next_at == 500, "it is under way"


def test_a_gone_resource_sends_us_back_to_its_parent() -> None:
    t = tree()
    give(t, "/dcap", DeviceCapability(EndDeviceListLink=ListLink(href="/edev")), 0)
    t.gone(t.nodes["/edev"], 50)
    assert "/edev" not in t.nodes
    assert 51.6 <= t.nodes["/dcap"].next_at <= 52.4
    t.gone(t.nodes["/dcap"], 60)
    assert t.nodes["/dcap"].failures == 1


def test_a_link_that_leads_nowhere_is_followed_less_and_less() -> None:
    t = tree()
    shown = DeviceCapability(pollRate=900, EndDeviceListLink=ListLink(href="/edev"), TimeLink=Link(href="/tm"))
    give(t, "/dcap", shown, 0)
    give(t, "/tm", TIME, 0)
    looked, now = 0, 0.0
    while now < 3600:
        now = max(now, t.next_due() or now)
        for node in t.due(now):
            if node.href == "/edev":
                looked += 1
                t.gone(node, now)
            else:
                give(t, node.href, TIME if node.href == "/tm" else shown, now)
    assert 4 <= looked <= 9
    assert t.is_absent(ListLink(href="/edev"))
    assert not t.is_absent(Link(href="/tm"))


def test_a_link_that_leads_somewhere_again_is_followed_as_any_other() -> None:
    t = tree()
    shown = DeviceCapability(EndDeviceListLink=ListLink(href="/edev"))
    give(t, "/dcap", shown, 0)
    t.gone(t.nodes["/edev"], 0)
    t.shift_time(1000)
    assert t.nodes["/dcap"].next_at < 1003
    give(t, "/dcap", shown, 1003)
    give(t, "/edev", devices(all_=0), 1003)
    assert not t.dangling


def test_a_server_that_says_to_come_at_once_is_not_asked_without_a_pause() -> None:
    t = tree()
    t.fail(t.nodes["/dcap"], 100, retry_after=0)
    assert t.nodes["/dcap"].next_at == 102


def test_a_moved_root_is_still_the_root() -> None:
    t = tree()
    t.move(t.nodes["/dcap"], "/sep2/dcap")
    give(t, "/sep2/dcap", DeviceCapability(TimeLink=Link(href="tm")), 0)
    assert set(t.nodes) == {"/sep2/dcap", "/sep2/tm"}


def test_links_to_the_old_place_mean_the_new_one_while_it_is_there() -> None:
    t = tree()
    give(t, "/dcap", DeviceCapability(EndDeviceListLink=ListLink(href="/edev")), 0)
    t.move(t.nodes["/edev"], "/new")
    t.move(t.nodes["/new"], "/newer")
    give(t, "/newer", devices("/1", all_=1), 0)
    assert t.value(ListLink(href="/edev")) is not None
    give(t, "/dcap", DeviceCapability(EndDeviceListLink=ListLink(href="/edev")), 900)
    assert set(t.nodes) == {"/dcap", "/newer"}
    t.gone(t.nodes["/newer"], 901)
    assert t.resolve("/edev") == "/edev"
    assert not t.moved


@pytest.mark.parametrize(
    ("href", "path"),
    [
        ("/a", "/a"),
        ("b?x=1", "/b?x=1"),
        ("https://server:8443/c", "/c"),
        ("https://SERVER:8443", "/"),
        ("https://other/c", None),
        ("https://server/c", None),
        ("ftp://server:8443/c", None),
        ("//other/c", None),
        ("http://[::1", None),
    ],
)
def test_links_to_other_servers_are_left_alone(href: str, path: str | None) -> None:
    assert tree().resolve(href) == path


def test_only_wanted_links_are_followed() -> None:
    t = ResourceTree("/dcap", "s", lambda _holder, name: name == "TimeLink", Random(1))
    give(t, "/dcap", DeviceCapability(TimeLink=Link(href="/tm"), EndDeviceListLink=ListLink(href="/edev")), 0)
    assert set(t.nodes) == {"/dcap", "/tm"}


@pytest.mark.parametrize(("rate", "wait"), [(0, 1), (1, 1), (86_400, 86_400), (86_401, 86_400), (2**32 - 1, 86_400)])
def test_a_poll_rate_of_any_size_is_between_a_second_and_a_day(rate: int, wait: int) -> None:
    t = tree()
    give(t, "/dcap", DeviceCapability(href="/dcap", pollRate=rate), 0)
    assert t.next_due() == wait
