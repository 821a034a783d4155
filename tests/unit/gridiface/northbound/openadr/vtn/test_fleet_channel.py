"""Set-points as events: made anew for another value, made longer for the time alone, ended when released."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from gridiface.domain.changes import Document, PutDocument
from gridiface.domain.controls import ControlMode, DeliveryOutcome, OutcomeKind, Setpoint
from gridiface.errors import RemoteProtocolError, StoreUnavailable
from gridiface.northbound.openadr.settings import ListenSettings, MemberSettings, VenEntry, VtnSettings
from gridiface.northbound.openadr.translate.fleet import CAPACITY, SETPOINT, SIMPLE
from gridiface.northbound.openadr.vtn.vtn import OpenAdrVtn
from gridiface.protocols.openadr.payloads.common import EiResponse, QualifiedEventID
from gridiface.protocols.openadr.payloads.event import (
    EiCreatedEvent,
    EventResponse,
    EventResponses,
    OadrCreatedEvent,
    OadrPoll,
)
from gridiface.protocols.openadr.vtn import Peer, Result, VtnConfig
from gridiface.protocols.openadr.vtn.entities import Ven
from gridiface.protocols.openadr.vtn.notices import EventAnswered

NOW = 1_800_000_000.0


class House:
    """Clock, ledger and registry in one."""

    def __init__(self) -> None:
        self.time, self.down = NOW, False
        self.outcomes: list[OutcomeKind] = []
        self.about: list[str] = []
        self.heard: list[Any] = []
        self.enabled: dict[str, bool] = {}
        self.along: list[str] = []
        self.reasons: list[str] = []
        self.kept: dict[str, bytes] = {}

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return 0.0

    async def commit(self, changes: Sequence[Any]) -> None:
        if self.down:
            raise StoreUnavailable("down on purpose")
        self.kept |= {change.key: change.body for change in changes if isinstance(change, PutDocument)}

    async def documents(self, space: str) -> list[Document]:
        return []

    async def register(self, device: Any, now: float, **more: Any) -> None:
        self.enabled[device.id] = device.enabled

    async def remove(self, device_id: str, now: float, **more: Any) -> None:
        del self.enabled[device_id]

    async def observe(self, snapshots: Any, now: float, **more: Any) -> None:
        raise AssertionError("nothing is reported here")

    async def report(self, deliveries: Any, outcomes: Any, now: float, *, along: Sequence[Any] = ()) -> None:
        await self.commit(along)
        self.along = [change.key for change in along]
        self.outcomes += [outcome.kind for outcome in outcomes]
        self.about += [outcome.control_id for outcome in outcomes]
        self.reasons += [outcome.reason for outcome in outcomes]
        self.heard += deliveries


def vtn_of(house: House, *signals: tuple[str, str], **more: Any) -> OpenAdrVtn:
    member = MemberSettings(device_id="d", signals=frozenset(signals), rated_load_w=10_000.0, **more)
    numbers = itertools.count(1)
    vtn = OpenAdrVtn(
        VtnSettings(
            core=VtnConfig(vtn_id="V"), listen=ListenSettings(), vens=(VenEntry(ven_id="A", members=(member,)),)
        ),
        clock=house,
        ledger=house,
        registry=house,
        new_id=lambda: f"E{next(numbers)}",
    )
    vtn.core.put_ven(Ven(venID="A", registrationID="R"))
    return vtn


async def tell(
    vtn: OpenAdrVtn,
    watts: float | None,
    *,
    seconds: float | None = 100.0,
    names: tuple[str, ...] = ("C",),
    **more: Any,
) -> DeliveryOutcome:
    setpoint = Setpoint(
        device_id="d",
        issued=NOW,
        active_power_w=watts,
        valid_until=None if more.get("release") or seconds is None else NOW + seconds,
        control_ids=names,
        **more,
    )
    (delivery,) = await vtn.channel.apply([setpoint], deadline=NOW + 5)
    return delivery.outcome


def said(vtn: OpenAdrVtn) -> list[tuple[str, str, float, int]]:
    events = [record.event for record in vtn.core.events.values()]
    return [(event.id, event.status, event.signals[0].values[0], event.duration) for event in events]


async def test_a_set_point_is_an_event_and_another_value_another_one() -> None:
    vtn = vtn_of(House(), SETPOINT)
    assert await tell(vtn, -2000.0) is DeliveryOutcome.PUBLISHED
    assert await tell(vtn, -2000.0) is DeliveryOutcome.UNCHANGED
    assert await tell(vtn, -2000.0, seconds=500.0) is DeliveryOutcome.PUBLISHED
    first = said(vtn)[0]
    assert first[2:] == (2000.0, 500)
    assert await tell(vtn, -3000.0) is DeliveryOutcome.PUBLISHED
    assert [(status, value) for _, status, value, _ in said(vtn)] == [("cancelled", 2000.0), ("far", 3000.0)]
    assert await tell(vtn, None, release=True) is DeliveryOutcome.PUBLISHED
    assert [status for _, status, _, _ in said(vtn)] == ["cancelled", "cancelled"]
    assert await tell(vtn, None, release=True) is DeliveryOutcome.UNCHANGED


async def test_a_ven_that_knows_levels_only_gets_the_level_that_sheds_enough() -> None:
    vtn = vtn_of(House(), SIMPLE, baseline_w=1000.0)
    assert await tell(vtn, -500.0) is DeliveryOutcome.PUBLISHED
    assert said(vtn)[0][2] == 2.0


async def test_what_a_ven_does_not_understand_is_rejected() -> None:
    assert await tell(vtn_of(House(), CAPACITY), -500.0) is DeliveryOutcome.REJECTED


async def test_a_store_that_cannot_write_leaves_no_event_behind() -> None:
    house = House()
    vtn = vtn_of(house, SETPOINT)
    house.down = True
    assert await tell(vtn, -500.0) is DeliveryOutcome.REJECTED
    assert not said(vtn)
    house.down = False
    assert await tell(vtn, -500.0) is DeliveryOutcome.PUBLISHED


@pytest.mark.parametrize("opt", ["optIn", "optOut"])
async def test_the_word_of_a_ven_is_reported(opt: str) -> None:
    house = House()
    vtn = vtn_of(house, SETPOINT)
    await tell(vtn, -500.0)
    event_id = said(vtn)[0][0]
    answer = EventAnswered(
        venID="A", eventID=event_id, modification=0, opt=opt, code=200, description="", cancelled=False
    )
    await vtn._done(Result(notices=(answer,)), NOW)
    if opt == "optIn":
        assert house.outcomes == [OutcomeKind.RECEIVED, OutcomeKind.STARTED]
        return
    assert house.outcomes == [OutcomeKind.RECEIVED, OutcomeKind.REFUSED]
    assert house.enabled == {"d": False}
    assert vtn.channel.next_timer() == NOW + 100.0
    # When the event is over, nothing says optOut any more.
    await vtn.do(lambda core, now: core.cancel_event(event_id, now))
    await vtn.channel.handle_timer(NOW + 100.0)
    assert house.enabled == {"d": True}
    assert vtn.channel.next_timer() == float("inf")


async def test_the_word_of_a_ven_is_its_word_on_what_it_was_told_last() -> None:
    house = House()
    vtn = vtn_of(house, SETPOINT)
    await tell(vtn, -500.0)
    house.time = NOW + 30.0
    assert await tell(vtn, -500.0, seconds=95.0) is DeliveryOutcome.UNCHANGED
    await vtn._done(Result(notices=(opted_in(said(vtn)[0][0]),)), house.time)
    assert [one.setpoint.issued for one in house.heard] == [NOW + 30.0]
    await tell(vtn, -700.0)
    house.outcomes.clear()
    await vtn._done(Result(notices=(opted_in(said(vtn)[0][0]),)), house.time)
    assert house.outcomes == [OutcomeKind.RECEIVED]  # on the event before
    await vtn._done(Result(notices=(opted_in(said(vtn)[1][0]),)), house.time)
    assert house.outcomes[1:] == [OutcomeKind.RECEIVED, OutcomeKind.STARTED]


async def test_a_control_that_asks_what_its_ven_has_said_yes_to_already_has_that_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House()
    vtn = vtn_of(house, SETPOINT)
    await tell(vtn, -500.0)
    house.outcomes.clear()
    assert await tell(vtn, -500.0, names=("C", "D")) is DeliveryOutcome.UNCHANGED
    assert house.outcomes == []  # nothing was said yet; when it is, it is the word on both
    monkeypatch.setattr(type(vtn.core), "said", lambda *_: "optIn")
    assert await tell(vtn, -500.0, names=("D", "E")) is DeliveryOutcome.UNCHANGED
    assert house.outcomes == [OutcomeKind.RECEIVED, OutcomeKind.STARTED]
    assert house.about[-2:] == ["E", "E"]
    assert await tell(vtn, -500.0, names=("E",)) is DeliveryOutcome.UNCHANGED
    assert len(house.outcomes) == 2


def cannot_end(event_id: str) -> EventAnswered:
    return EventAnswered(
        venID="A", eventID=event_id, modification=1, opt="optOut", code=200, description="full", cancelled=True
    )


async def test_r36_an_event_that_its_ven_cannot_end_is_over_at_its_own_end() -> None:
    house = House()
    vtn = vtn_of(house, SETPOINT)
    await tell(vtn, -500.0)
    event_id = said(vtn)[0][0]
    await vtn.do(lambda core, now: core.cancel_event(event_id, now))
    await vtn._done(Result(notices=(cannot_end(event_id),)), NOW)
    assert vtn.trouble_of("A") == f"cannot end event {event_id}: full"
    assert house.outcomes == []
    assert vtn.channel.next_timer() == NOW + 100.0
    # A restart forgets nothing of it, and where the store cannot write it is told later.
    vtn.channel._told.clear()
    vtn.channel.load({f"fleet/{event_id}": house.kept[f"fleet/{event_id}"]})
    house.down = True
    with pytest.raises(StoreUnavailable):
        await vtn.channel.handle_timer(NOW + 100.0)
    house.down = False
    await vtn.channel.handle_timer(NOW + 99.0)
    assert house.outcomes == []
    await vtn.channel.handle_timer(NOW + 100.0)
    assert house.outcomes == [OutcomeKind.COMPLETED]
    assert house.reasons == ["the VEN cannot end the event: full"]
    assert vtn.channel.next_timer() == float("inf")
    await vtn.channel.handle_timer(NOW + 200.0)
    assert house.outcomes == [OutcomeKind.COMPLETED]


async def test_r36_an_open_event_that_its_ven_cannot_end_has_no_end_to_wait_for() -> None:
    vtn = vtn_of(House(), SETPOINT)
    await tell(vtn, -500.0, seconds=None)
    news, _, _ = vtn.channel.said([cannot_end(said(vtn)[0][0])], NOW)
    assert [(one.kind, one.reason) for one in news.outcomes] == [
        (OutcomeKind.COMPLETED, "the VEN cannot end the event: full")
    ]


def opted_in(event_id: str) -> EventAnswered:
    return EventAnswered(
        venID="A", eventID=event_id, modification=0, opt="optIn", code=200, description="", cancelled=False
    )


async def test_events_that_the_vtn_has_forgotten_are_forgotten() -> None:
    house = House()
    vtn = vtn_of(house, SETPOINT)
    await tell(vtn, -500.0, seconds=10.0)
    event_id = said(vtn)[0][0]
    house.time = NOW + 100_000.0
    vtn.core.handle_timer(house.time)
    assert not vtn.core.events
    await vtn.channel.handle_timer(house.time)
    over = EventAnswered(
        venID="A", eventID=event_id, modification=0, opt="optIn", code=200, description="", cancelled=False
    )
    await vtn._done(Result(notices=(over,)), house.time)
    assert not house.outcomes


async def test_a_vens_word_and_what_follows_for_the_control_are_one_transaction() -> None:
    house = House()
    vtn = vtn_of(house, SETPOINT)
    await tell(vtn, -500.0)
    event_id = said(vtn)[0][0]
    peer = Peer()
    for payload in (OadrPoll(venID="A"), answered(event_id, 0)):
        await vtn._handled(payload, peer, "", NOW)
    assert house.outcomes == [OutcomeKind.RECEIVED, OutcomeKind.STARTED]
    assert "delivery/A" in house.along
    # The end of it, too; and where the store cannot write nothing of it is known, so that the VEN says it again.
    await vtn.do(lambda core, now: core.cancel_event(event_id, now))
    await vtn._handled(OadrPoll(venID="A"), peer, "", NOW)
    house.down = True
    with pytest.raises(RemoteProtocolError):
        await vtn._handled(answered(event_id, 1), peer, "", NOW)
    assert vtn.core.delivery("A", event_id).cancel_done is False
    assert OutcomeKind.COMPLETED not in house.outcomes
    house.down = False
    await vtn._handled(answered(event_id, 1), peer, "", NOW)
    assert house.outcomes[-1] is OutcomeKind.COMPLETED
    assert {"delivery/A", f"fleet/{event_id}"} <= set(house.along)


def answered(event_id: str, modification: int) -> OadrCreatedEvent:
    qualified = QualifiedEventID(eventID=event_id, modificationNumber=modification)
    one = EventResponse(responseCode="200", requestID="r", qualifiedEventID=qualified, optType="optIn")
    body = EiCreatedEvent(
        eiResponse=EiResponse(responseCode="200", requestID=""),
        eventResponses=EventResponses(eventResponse=[one]),
        venID="A",
    )
    return OadrCreatedEvent(eiCreatedEvent=body)


async def test_what_is_over_ends_its_event_also_where_a_ceiling_stands() -> None:
    over = frozenset({ControlMode.SET_W})
    plain = vtn_of(House(), SETPOINT)
    assert await tell(plain, -2000.0) is DeliveryOutcome.PUBLISHED
    assert await tell(plain, None, ceiling_w=5000.0, let_go=over) is DeliveryOutcome.PUBLISHED
    assert [status for _, status, _, _ in said(plain)] == ["cancelled"]
    able = vtn_of(House(), SETPOINT, CAPACITY)
    await tell(able, -2000.0)
    assert await tell(able, None, ceiling_w=5000.0, let_go=over) is DeliveryOutcome.PUBLISHED
    assert [(status, value) for _, status, value, _ in said(able)] == [("cancelled", 2000.0), ("far", 0.5)]
