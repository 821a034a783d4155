"""What is posted to be published: made into what is served, known again, placed with all that hangs below it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gridiface.domain.controls import Target, TargetKind
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.handlers.rules import RULES
from gridiface.northbound.sep2.published.preparing import Preparing
from gridiface.northbound.sep2.published.publications import counter_of, stored_publication
from gridiface.northbound.sep2.served.kinds import kind
from gridiface.protocols.sep2.resources import EndDeviceControl, TextMessage
from gridiface.protocols.xmlwire import decode


@pytest.fixture
async def preparing(kit: Any) -> Preparing:
    await kit.post("/msg", kit.bodies.messages())
    return Preparing(kit.core.services, RULES)


def message(kit: Any, **when: Any) -> TextMessage:
    return decode(kit.bodies.text(**when).encode(), TextMessage)


def texts(kit: Any) -> Any:
    return kit.core.state.tree.listing("/msg/1/txt")


async def test_the_status_the_clock_and_the_addresses_of_an_event_are_the_servers(kit: Any, preparing: Any) -> None:
    posted = replace(message(kit, created=kit.NOW + 500), replyTo="https://elsewhere/rsp", subscribable=1)
    made = preparing.prepared(kind("/msg/{id1}/txt/{id2}"), posted, texts(kit), int(kit.NOW))
    assert (made.creationTime, made.subscribable, made.version) == (int(kit.NOW), None, 0)
    assert made.replyTo == kit.core.state.publications["/msg/1"].responses
    assert (made.eventStatus.currentStatus, made.eventStatus.dateTime) == (0, int(kit.NOW))


async def shed(kit: Any, **change: Any) -> tuple[Any, EndDeviceControl]:
    """A list of load controls, and one that may be shifted at random."""
    await kit.post("/dr", kit.bodies.dr_program())
    posted = decode(kit.bodies.load(start=kit.NOW + 60).encode(), EndDeviceControl)
    return kit.core.state.tree.listing("/dr/1/edc"), replace(posted, **change)


async def test_an_event_that_may_begin_early_is_active_from_there_on(kit: Any, preparing: Any) -> None:
    listing, posted = await shed(kit, randomizeStart=-60)
    made = preparing.prepared(kind("/dr/{id1}/edc/{id2}"), posted, listing, int(kit.NOW))
    assert made.eventStatus.currentStatus == 1
    made = preparing.prepared(kind("/dr/{id1}/edc/{id2}"), posted, listing, int(kit.NOW) - 1)
    assert made.eventStatus.currentStatus == 0


async def test_who_wants_no_responses_is_given_no_address_for_them(kit: Any, preparing: Any) -> None:
    posted = replace(message(kit), responseRequired=None)
    made = preparing.prepared(kind("/msg/{id1}/txt/{id2}"), posted, texts(kit), int(kit.NOW))
    assert made.replyTo is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"randomizeStart": 3601}, "randomizeStart is at most 3600 s"),
        ({"randomizeDuration": -3601}, "randomizeDuration is at most 3600 s"),
    ],
)
async def test_what_no_event_may_be_is_said(kit: Any, preparing: Any, change: Any, words: str) -> None:
    listing, posted = await shed(kit, **change)
    with pytest.raises(RemoteProtocolError, match=words):
        preparing.prepared(kind("/dr/{id1}/edc/{id2}"), posted, listing, int(kit.NOW))


@pytest.mark.parametrize(
    ("when", "words"),
    [({"status": 2}, "scheduled or active"), ({"duration": 0}, "duration 0"), ({"start": -1, "duration": 1}, "over")],
)
async def test_events_that_are_none_are_refused(kit: Any, preparing: Any, when: Any, words: str) -> None:
    when = {**when, "start": kit.NOW + when.get("start", 60)}
    with pytest.raises(RemoteProtocolError, match=words):
        preparing.prepared(kind("/msg/{id1}/txt/{id2}"), message(kit, **when), texts(kit), int(kit.NOW))


async def test_a_list_holds_its_own_kind_alone(kit: Any, preparing: Any) -> None:
    with pytest.raises(RemoteProtocolError, match="this list holds TextMessage"):
        preparing.prepared(kind("/msg/{id1}/txt/{id2}"), object(), texts(kit), int(kit.NOW))


async def test_the_same_event_again_is_known_and_another_with_its_mrid_is_not(kit: Any, preparing: Any) -> None:
    path = await kit.post("/msg/1/txt", kit.bodies.text())
    assert preparing.known(texts(kit), message(kit)) == path
    assert preparing.known(texts(kit), replace(message(kit), mRID="7E99")) is None
    with pytest.raises(RemoteProtocolError, match="belongs to something else") as caught:
        preparing.known(texts(kit), replace(message(kit), textMessage="Sunshine"))
    assert caught.value.answer == 409


async def test_the_rules_see_what_a_list_holds_and_whose_it_is(kit: Any, preparing: Any) -> None:
    await kit.post("/msg/1/txt", kit.bodies.text())
    place = preparing.place_of(texts(kit), int(kit.NOW))
    assert (place.parent.path, [member.mRID for member in place.members]) == ("/msg/1", ["7E01"])
    assert place.find("/msg/1").mRID == "7E00"
    assert place.find("/msg/2") is None


def test_a_stored_publication_is_as_its_record_has_it() -> None:
    of_group = stored_publication("/dr/4", 4, {"target": ["group", "north"], "by": "AB" * 20})
    assert (of_group.path, of_group.target, of_group.by) == ("/dr/4", Target(TargetKind.GROUP, "north"), "AB" * 20)
    assert stored_publication("/msg/1", 1, {}).target is None


async def test_usage_points_that_are_posted_and_mirrored_share_their_numbers(kit: Any) -> None:
    tree = kit.core.state.tree
    assert [counter_of(tree.listing(path)) for path in ("/upt", "/msg")] == ["mup", "pub/msg"]


async def test_what_goes_takes_its_events_and_responses_along(kit: Any) -> None:
    await kit.post("/msg", kit.bodies.messages())
    await kit.post("/msg/1/txt", kit.bodies.text())
    state, responses = kit.core.state, kit.core.state.publications["/msg/1"].responses
    kit.core.publications.remove("/msg/1")
    assert (state.events.get("7E01"), state.event_sets.get("/msg/1")) == (None, None)
    assert state.tree.get("/msg/1") is state.tree.get("/msg/1/txt") is None
    assert state.tree.get(responses) is None
