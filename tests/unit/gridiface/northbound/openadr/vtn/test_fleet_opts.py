"""Opts of VENs as missing capacity: durable, by the clock, and by precedence."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from tests.unit.gridiface.northbound.openadr.conftest import NOW, Shelf

from gridiface.domain.clock import Interval
from gridiface.domain.controls import DeliveryOutcome, Outcome, OutcomeKind, Setpoint
from gridiface.northbound.openadr.settings import ListenSettings, MemberSettings, VenEntry, VtnSettings
from gridiface.northbound.openadr.vtn.vtn import OpenAdrVtn
from gridiface.protocols.openadr.payloads.common import EiResponse, EiTarget, Properties, QualifiedEventID
from gridiface.protocols.openadr.payloads.event import (
    EiCreatedEvent,
    EventResponse,
    EventResponses,
    OadrCreatedEvent,
    OadrPoll,
)
from gridiface.protocols.openadr.payloads.opt import Available, AvailableList, OadrCreateOpt, Vavailability
from gridiface.protocols.openadr.payloads.registration import OadrCreatePartyRegistration
from gridiface.protocols.openadr.vtn import Peer, VtnConfig


class House(Shelf):
    """Clock, store and registry in one; the store outlives the VTN."""

    def __init__(self) -> None:
        super().__init__()
        self.enabled: list[bool] = []
        self.away: list[tuple[Interval, ...]] = []

    async def register(self, device: Any, now: float, **more: Any) -> None:
        self.enabled.append(device.enabled)
        self.away.append(device.away)

    async def remove(self, device_id: str, now: float, **more: Any) -> None:
        self.enabled.clear()

    async def observe(self, snapshots: Any, now: float, **more: Any) -> None:
        raise AssertionError("nothing is reported here")

    async def report(self, deliveries: Any, outcomes: Any, now: float, *, along: Sequence[Any] = ()) -> None:
        await self.commit(along)


class Story:
    """One VTN with one VEN, which can be restarted."""

    numbers = itertools.count(1)

    def __init__(self, house: House) -> None:
        self.house = house
        member = MemberSettings(device_id="d", rated_load_w=10_000.0)
        self.vtn = OpenAdrVtn(
            VtnSettings(
                core=VtnConfig(vtn_id="V"), listen=ListenSettings(), vens=(VenEntry(ven_id="A", members=(member,)),)
            ),
            clock=house,
            ledger=house,
            registry=house,
            new_id=lambda: f"E{next(self.numbers)}",
        )

    async def say(self, payload: Any) -> Any:
        result = self.vtn.core.handle(payload, Peer(), self.house.time)
        await self.vtn._done(result, self.house.time)
        return result.reply

    async def registered(self) -> Story:
        await self.vtn.start()
        await self.say(
            OadrCreatePartyRegistration(
                requestID="r",
                venID="A",
                oadrProfileName="2.0b",
                oadrTransportName="simpleHttp",
                oadrReportOnly=False,
                oadrXmlSignature=False,
                oadrHttpPullModel=True,
            )
        )
        return self

    async def tell(self, watts: float, *, until: float | None) -> str:
        setpoint = Setpoint(device_id="d", issued=NOW, active_power_w=watts, valid_until=until, control_ids=("C",))
        (delivery,) = await self.vtn.channel.apply([setpoint], deadline=NOW + 5)
        assert delivery.outcome is DeliveryOutcome.PUBLISHED
        for _ in range(3):
            await self.say(OadrPoll(venID="A"))
        return list(self.vtn.core.events)[-1]

    async def answer(self, event_id: str, opt: str) -> None:
        qualified = QualifiedEventID(eventID=event_id, modificationNumber=0)
        response = EventResponse(responseCode="200", requestID="q", qualifiedEventID=qualified, optType=opt)
        created = EiCreatedEvent(
            eiResponse=EiResponse(responseCode="200", requestID=""),
            eventResponses=EventResponses(eventResponse=[response]),
            venID="A",
        )
        await self.say(OadrCreatedEvent(eiCreatedEvent=created))

    async def again(self) -> Story:
        await self.vtn.stop()
        self.house.enabled.clear()
        fresh = Story(self.house)
        await fresh.vtn.start()
        return fresh


async def test_an_opt_out_is_remembered_over_a_restart() -> None:
    house = House()
    story = await Story(house).registered()
    event_id = await story.tell(-500.0, until=NOW + 100)
    await story.answer(event_id, "optOut")
    assert house.enabled[-1] is False
    assert house.away[-1] == (Interval(NOW, 100),)
    story = await story.again()
    assert house.enabled == [False, False]
    assert story.vtn.channel.next_timer() == NOW + 100
    house.time = NOW + 100
    await story.vtn.channel.handle_timer(house.time)
    assert house.enabled[-1] is True
    await story.vtn.stop()


async def test_an_opt_out_whose_consequence_was_not_stored_is_made_good_at_the_start() -> None:
    house = House()
    story = await Story(house).registered()
    await story.answer(await story.tell(-500.0, until=NOW + 100), "optOut")
    del house.kept["openadr/vtn/V", "bar/d"]
    story = await story.again()
    assert house.enabled[-1] is False
    await story.vtn.stop()


@pytest.mark.parametrize("ended", [False, True])
async def test_an_opt_out_of_an_open_event_holds_for_a_time_and_then_the_ven_is_asked_anew(ended: bool) -> None:
    house = House()
    story = await Story(house).registered()
    first = await story.tell(-500.0, until=None)
    await story.answer(first, "optOut")
    if ended:
        await story.vtn.do(lambda core, now: core.cancel_event(first, now))
    house.time = NOW + 899
    await story.vtn.channel.handle_timer(house.time)
    assert house.enabled[-1] is False
    house.time = NOW + 900
    await story.vtn.channel.handle_timer(house.time)
    assert house.enabled[-1] is True
    assert await story.tell(-500.0, until=None) != first
    await story.vtn.stop()


async def test_a_later_opt_in_gives_the_capacity_back() -> None:
    house = House()
    story = await Story(house).registered()
    event_id = await story.tell(-500.0, until=NOW + 100)
    await story.answer(event_id, "optOut")
    await story.answer(event_id, "optIn")
    assert house.enabled[-1] is True
    assert story.vtn.channel.next_timer() == float("inf")
    await story.vtn.stop()


async def let_go(story: Story) -> None:
    """What the engine does with a device that is out."""
    (delivery,) = await story.vtn.channel.apply([Setpoint(device_id="d", issued=NOW, release=True)], deadline=NOW + 5)
    assert delivery.outcome is DeliveryOutcome.UNCHANGED


async def test_a_ven_that_was_let_go_of_can_opt_in_to_its_event_again() -> None:
    house = House()
    story = await Story(house).registered()
    event_id = await story.tell(-500.0, until=NOW + 100)
    await story.answer(event_id, "optOut")
    await let_go(story)
    story = await story.again()
    assert story.vtn.core.events[event_id].event.modification == 0, "it stands"
    await story.answer(event_id, "optIn")
    assert house.enabled[-1] is True
    again = Setpoint(device_id="d", issued=NOW, active_power_w=-500.0, valid_until=NOW + 100, control_ids=("C",))
    (delivery,) = await story.vtn.channel.apply([again], deadline=NOW + 5)
    assert delivery.outcome is DeliveryOutcome.UNCHANGED
    house.time = NOW + 50
    await story.vtn.channel.handle_timer(house.time)
    assert story.vtn.core.events[event_id].event.modification == 0
    await story.vtn.stop()


@pytest.mark.parametrize("back", [False, True])
async def test_an_event_that_waits_for_its_ven_ends_with_its_control_or_where_nobody_needs_it(back: bool) -> None:
    house = House()
    story = await Story(house).registered()
    event_id = await story.tell(-500.0, until=NOW + 100)
    await story.answer(event_id, "optOut")
    await let_go(story)
    channel = story.vtn.channel
    channel.on_outcome(Outcome(control_id="C", kind=OutcomeKind.STARTED, at=NOW))
    channel.on_outcome(Outcome(control_id="C", kind=OutcomeKind.CANCELLED, at=NOW, device_id="d"))
    await channel.handle_timer(NOW)
    assert story.vtn.core.events[event_id].event.status != "cancelled"
    assert house.enabled[-1] is False
    if back:  # and is told nothing
        await story.answer(event_id, "optIn")
        house.time = channel.next_timer()
        assert house.time == NOW + 10
    else:  # after a restart all that is over is told at once
        for name in ("C", *(f"C{number}" for number in range(1_500))):
            channel.on_outcome(Outcome(control_id=name, kind=OutcomeKind.CANCELLED, at=NOW))
        assert len(channel._ended) == 1_001
    await channel.handle_timer(house.time)
    assert story.vtn.core.events[event_id].event.status == "cancelled"
    assert (house.enabled[-1], house.away[-1]) == (True, ()), "the next control finds it there"
    assert channel.next_timer() > house.time
    await story.vtn.stop()


async def test_a_ven_that_is_let_go_of_when_its_control_is_over_is_in_for_the_next_one() -> None:
    house = House()
    story = await Story(house).registered()
    event_id = await story.tell(-500.0, until=NOW + 100)
    await story.answer(event_id, "optOut")
    story.vtn.channel.on_outcome(Outcome(control_id="C", kind=OutcomeKind.SUPERSEDED, at=NOW))
    await let_go(story)
    await story.vtn.channel.handle_timer(NOW)
    assert story.vtn.core.events[event_id].event.status == "cancelled"
    assert house.enabled[-1] is True
    await story.vtn.stop()


async def test_a_schedule_counts_from_its_start_to_its_end() -> None:
    house = House()
    story = await Story(house).registered()
    span = Available(properties=Properties(dtstart=NOW + 50, duration=100))
    await story.say(
        OadrCreateOpt(
            optID="O",
            optType="optOut",
            optReason="x-schedule",
            venID="A",
            vavailability=Vavailability(components=AvailableList(available=[span])),
            createdDateTime=NOW,
            requestID="r",
            eiTarget=EiTarget(venID=["A"]),
        )
    )
    assert house.enabled[-1] is True
    assert house.away[-1] == (Interval(NOW + 50, 100),)  # it is told ahead
    told = len(house.away)
    await story.vtn.channel.handle_timer(house.time)
    assert len(house.away) == told  # and not again
    story = await story.again()
    assert house.away[-1] == (Interval(NOW + 50, 100),)
    for moment, enabled in ((NOW + 50, False), (NOW + 149, False), (NOW + 150, True)):
        assert story.vtn.channel.next_timer() > house.time
        house.time = moment
        await story.vtn.channel.handle_timer(moment)
        assert house.enabled[-1] is enabled
    assert house.away[-1] == ()
    await story.vtn.stop()
