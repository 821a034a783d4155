"""What VENs say of events, drawn: both cores without a network, with faults at each place where one can be.

Events come, change and end while requests and answers are lost, the VTN dies before and behind its commit, or its store
takes a change back. In the end every word on an event that was acknowledged stands in the VTN, every end that was
confirmed does, and nothing stands there that was never said.
"""

from __future__ import annotations

import itertools
import os
import random
from typing import Any

import pytest

from gridiface.errors import RefusedControl
from gridiface.operator.rows.openadr import EventDeliveryRow, delivery_row
from gridiface.protocols.openadr.answers import succeeded
from gridiface.protocols.openadr.events import CANCELLED, Event, Signal
from gridiface.protocols.openadr.payloads import event
from gridiface.protocols.openadr.payloads.envelope import Payload, decode_payload, encode_payload
from gridiface.protocols.openadr.ven import SampleMemory, Ven, VenConfig, Verdict
from gridiface.protocols.openadr.vtn import Peer, Vtn, VtnConfig
from gridiface.protocols.openadr.vtn import Ven as Known

STORIES = 5000 if os.environ.get("GRIDIFACE_THOROUGH") == "1" else 150
FAULTS = ("request lost", "killed before the commit", "taken back", "answer lost", "killed behind the commit")


def over_the_wire(payload: Payload) -> Payload:
    return decode_payload(encode_payload(payload))[0]


class Site:
    """One VEN, the ends that it confirmed, and all that it ever sent.

    `words`: of each event its last acknowledged word and those that it sent since: a VTN that refuses one answer takes
    the others of the same payload (rule 19), and one that dies behind its commit knows more than it has said.
    """

    def __init__(self, name: str, chance: random.Random) -> None:
        numbers = itertools.count()
        self.words: dict[str, list[str]] = {}
        self.confirmed: set[str] = set()
        self.sent: set[tuple[str, str]] = set()
        self.ends: set[tuple[str, int]] = set()
        self.core = Ven(
            VenConfig(name=name, ven_id=name, retry_first=0.2, retry_most=1.0, registration_retry=0.5),
            lambda _new, _old: Verdict(chance.choice(("optIn", "optIn", "optOut"))),
            SampleMemory(),
            lambda: f"{name}-{next(numbers)}",
            chance.random,
        )

    def heard(self, reply: Payload | None) -> None:
        for one in reply.oadrEvent if isinstance(reply, event.OadrDistributeEvent) else ():
            facts = one.eiEvent.eventDescriptor
            if facts.eventStatus == CANCELLED:
                self.ends.add((facts.eventID, facts.modificationNumber))

    def said(self, payload: Payload, *, acknowledged: bool) -> None:
        if not isinstance(payload, event.OadrCreatedEvent) or payload.eiCreatedEvent.eventResponses is None:
            return
        for one in payload.eiCreatedEvent.eventResponses.eventResponse:
            which = one.qualifiedEventID
            if (which.eventID, which.modificationNumber) in self.ends:
                self.confirmed |= {which.eventID} if acknowledged else set()
                continue
            self.sent.add((which.eventID, one.optType))
            if acknowledged:
                self.words[which.eventID] = [one.optType]
            elif which.eventID in self.words:
                self.words[which.eventID].append(one.optType)


class Story:
    """One VTN with its store, three VENs, and chance."""

    def __init__(self, seed: int) -> None:
        self.chance, self.now, self.ids = random.Random(seed), 1_800_000_000.0, itertools.count()
        self.store: dict[str, bytes] = {}
        self.made: list[str] = []
        self.start()
        self.sites = {f"V{number}": Site(f"V{number}", random.Random(100 * seed + number)) for number in range(3)}
        for name in self.sites:
            self.commit(self.vtn.put_ven(Known(venID=name)))

    def start(self) -> None:
        self.vtn = Vtn(VtnConfig(vtn_id="VTN", poll_frequency=1), lambda: f"i{next(self.ids)}")
        self.vtn.load(self.store)

    def commit(self, result: Any) -> None:
        for change in result.changes:
            assert change.before == self.store.get(change.key)
            if change.body is None:
                del self.store[change.key]
            else:
                self.store[change.key] = change.body

    def turn(self, name: str, *, faults: bool) -> None:
        site = self.sites[name]
        site.core.handle_timer(self.now)
        for request in site.core.next_requests(self.now):
            fault = self.chance.choice((*FAULTS, *[""] * 25)) if faults else ""
            reply = self.exchange(site, request.payload, fault)
            if fault:
                site.core.failed(request.id, self.now)
                continue
            answer = getattr(reply, "eiResponse", None)
            site.said(request.payload, acknowledged=answer is None or succeeded(answer))
            site.heard(reply)
            site.core.receive(request.id, reply, self.now)

    def exchange(self, site: Site, payload: Payload, fault: str) -> Payload | None:
        site.said(payload, acknowledged=False)
        if fault == "request lost":
            return None
        if self.chance.random() < 0.2:
            self.act()  # between what the VEN has heard and what it says to it
        result = self.vtn.handle(over_the_wire(payload), Peer(), self.now)
        if fault == "taken back":
            self.vtn.revert(result.changes)
            return None
        if fault != "killed before the commit":
            self.commit(result)
        if fault.startswith("killed"):
            self.start()
        return None if fault or result.reply is None else over_the_wire(result.reply)

    def act(self) -> None:
        """What the operator does: a new event, or another version or the end of one that is there."""
        what, name = self.chance.random(), self.chance.choice(self.made or [""])
        try:
            if what < 0.3 and len(self.made) < 8:
                self.made.append(f"E{len(self.made)}")
                signal = Signal(id="s", name="SIMPLE", type="level", durations=(3600,), values=(1.0,))
                start = self.now // 1 + self.chance.choice((-1, 60))
                times = {"dtstart": start, "duration": 3600}
                new = Event(id=self.made[-1], market_context="http://p.example", signals=(signal,), **times)
                self.commit(self.vtn.create_event(new, self.chance.sample(list(self.sites), 2), self.now))
            elif what < 0.8:
                self.commit(self.vtn.modify_event(name, self.now, comment=f"{next(self.ids)}"))
            else:
                self.commit(self.vtn.cancel_event(name, self.now))
        except RefusedControl:
            pass  # There is none yet, or it is over.

    def rows(self, name: str) -> dict[str, EventDeliveryRow]:
        record = self.vtn.events[name]
        return {ven: delivery_row(ven, "", record, self.vtn.delivery(ven, name)) for ven in record.recipients}

    def is_settled(self) -> bool:
        for name in self.made:
            cancelled = self.vtn.events[name].event.status == CANCELLED
            for row in self.rows(name).values():
                over = cancelled and (row["cancel_confirmed"] or row["state"] == "unsent")
                if not over and (cancelled or row["state"] != "acknowledged"):
                    return False
        return not any(self.vtn.waiting(ven) for ven in self.sites)


def told(seed: int) -> Story:
    """A story of sixty turns with faults, and as many good ones as it takes to settle."""
    story = Story(seed)
    for _ in range(10):
        for name in story.sites:
            story.turn(name, faults=False)
        story.now += 0.3
    for _ in range(60):
        story.now += story.chance.choice((0.05, 0.3, 1.0))
        if story.chance.random() < 0.25:
            story.act()
        story.turn(story.chance.choice(list(story.sites)), faults=True)
    for _ in range(600):
        story.now += 0.3
        for name in story.sites:
            story.turn(name, faults=False)
        if story.is_settled():
            return story
    raise AssertionError(f"story {seed} does not settle")


@pytest.mark.parametrize("batch", range(10))
def test_every_acknowledged_word_stands_and_none_that_was_never_said(batch: int) -> None:
    for seed in range(batch, STORIES, 10):
        story = told(seed)
        for name in story.made:
            rows = story.rows(name)
            for ven, site in story.sites.items():
                if name in site.words:
                    assert rows[ven]["opt"] in site.words[name], (seed, name, ven)
                if name in site.confirmed:
                    assert rows[ven]["cancel_confirmed"], (seed, name, ven)
                if ven in rows and rows[ven]["opt"]:
                    assert (name, rows[ven]["opt"]) in site.sent, (seed, name, ven)
