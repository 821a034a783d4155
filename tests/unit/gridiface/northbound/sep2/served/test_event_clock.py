"""When statuses flip; that they flip rightly is tested with the programs and in the protocol core."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from gridiface.northbound.sep2.fleet_channel.own_controls import taken
from gridiface.northbound.sep2.served.event_clock import FINAL, clusters, event_document, is_live
from gridiface.protocols.sep2.events import EventFacts, statuses


def facts(number: int, start: int, duration: int, **more: Any) -> EventFacts:
    return EventFacts(mrid=f"{number:04X}", start=start, duration=duration, creation_time=0, **more)


def test_events_that_share_no_time_are_apart() -> None:
    found = [[f.mrid for f in c] for c in clusters([facts(1, 100, 10), facts(2, 110, 10), facts(3, 115, 50)])]
    assert found == [["0001"], ["0002", "0003"]]
    assert list(clusters([])) == []


def test_clusters_never_change_a_status() -> None:
    dice = random.Random(3)
    for _ in range(200):
        events = [
            facts(
                n,
                dice.randrange(0, 300, 10),
                dice.randrange(10, 100, 10),
                randomize_start=dice.choice((0, 0, -10, 10)),
                randomize_duration=dice.choice((0, 0, 20)),
                modes=frozenset(dice.sample("ABC", dice.randint(1, 3))),
            )
            for n in range(dice.randrange(12))
        ]
        for now in range(0, 420, 30):
            together = {m: s for c in clusters(events) for m, s in statuses(c, now).items()}
            assert together == statuses(events, now)


async def test_the_next_timer_is_the_next_flip_of_any_program(kit: Any) -> None:
    clock = kit.core.events
    assert clock.next_timer(kit.NOW) is None
    await kit.send("POST", kit.program("fleet") + "/derc", kit.control("01" * 16, start=kit.NOW + 50, duration=100))
    await kit.send("POST", kit.program("bat-1") + "/derc", kit.control("02" * 16, start=kit.NOW + 20, duration=10))
    flips = []
    while (due := clock.next_timer(kit.clock.time)) is not None and due <= kit.NOW + 1000:
        flips.append(due - kit.NOW)
        clock.handle_timer(due)
        kit.clock.time = due
    assert flips == [20, 30, 50, 150]
    assert clock.next_timer(kit.clock.time) == kit.NOW + 30 + kit.settings.event_retention_s


async def test_a_clock_that_is_set_back_takes_flips_back_at_once(kit: Any) -> None:
    """What is shown follows from the events and the time that Time tells; what ran to its end stays ended."""
    program = kit.program("fleet")

    async def shown(each: Any) -> dict[str, tuple[int, float]]:
        listed = (await each.get(f"{program}/derc?l=9")).members
        active = (await each.get(f"{program}/actderc?l=9")).members
        assert [c.mRID for c in active] == [c.mRID for c in listed if c.eventStatus.currentStatus == 1]
        assert all(c.eventStatus.dateTime <= each.clock.time for c in listed)
        return {c.mRID[:2]: (c.eventStatus.currentStatus, c.interval.start - each.NOW) for c in listed}

    await kit.send("POST", f"{program}/derc", kit.control("01" * 16, start=kit.NOW, duration=100))
    await kit.send("POST", f"{program}/derc", kit.control("02" * 16, start=kit.NOW + 3000, duration=1000))
    kit.at(3600)
    assert await shown(kit) == {"02": (1, 3000)}
    kit.clock.time = kit.NOW + 10  # nobody's timer has run yet
    assert await shown(kit) == {"02": (0, 3000)}
    assert kit.core.events.next_timer(kit.clock.time) <= kit.NOW + 3000
    kit.at(3000)
    connect = kit.control("04" * 16, start=kit.NOW + 3010, base="<opModConnect>true</opModConnect>")
    assert (await kit.send("POST", f"{program}/derc", connect)).status == 201
    kit.at(15)  # one that came while the clock was ahead is there all the same
    assert await shown(kit) == {"02": (0, 3000), "04": (0, 3010)}
    kit.at(3011)
    assert await shown(kit) == {"02": (1, 3000), "04": (1, 3010)}
    for each in (kit, await kit.restarted()):
        each.at(3011)
        assert await shown(each) == {"02": (1, 3000), "04": (1, 3010)}


async def test_what_ended_stays_ended_over_a_restart_with_a_clock_that_was_set_back(kit: Any) -> None:
    """Set back while the server was down: events of every kind that it had seen end do not run a second time."""
    program = kit.program("fleet")
    await kit.send("POST", f"{program}/derc", kit.control("01" * 16, start=kit.NOW, duration=100))
    await kit.send("POST", f"{program}/derc", kit.control("02" * 16, start=kit.NOW + 3000, duration=1000))
    dr, source = await kit.post("/dr", kit.bodies.dr_program()), await kit.post("/msg", kit.bodies.messages())
    await kit.post(f"{dr}/edc", kit.bodies.load(start=kit.NOW, duration=100))
    await kit.post(f"{source}/txt", kit.bodies.text(start=kit.NOW, duration=100))
    lists = [f"{program}/derc", f"{program}/actderc", f"{dr}/edc", f"{dr}/actedc", f"{source}/txt", f"{source}/acttxt"]

    async def listed(each: Any) -> list[list[str]]:
        return [[e.mRID[:4] for e in (await each.get(f"{path}?l=9")).members] for path in lists]

    kit.at(50)
    assert await listed(kit) == [["0101", "0202"], ["0101"], ["D101"], ["D101"], ["7E01"], ["7E01"]]
    shown = await kit.get(kit.core.state.events["01" * 16].item.path)
    kit.at(100)
    await kit.flush()
    for when in (10, 99, 3000):
        kit.clock.time = kit.NOW + when
        kit = await kit.restarted()
        assert await listed(kit) == [["0202"], ["0202"] if when == 3000 else [], [], [], [], []], when
        assert await kit.get(kit.core.state.events["01" * 16].item.path) == shown  # its place, as long as it is kept
    assert (
        await kit.send("POST", f"{program}/derc", kit.control("01" * 16, start=kit.NOW, duration=100))
    ).status == 204


async def test_what_ended_by_a_clock_that_was_ahead_is_in_nobodys_way(kit: Any) -> None:
    """What it asked is free again: for the utility's next control, weaker or not, and for set-points of the engine."""
    program = kit.program("bat-1")
    newer = kit.control("01" * 16, start=kit.NOW, duration=100, created=kit.NOW)
    await kit.send("POST", f"{program}/derc", newer)
    kit.at(200)
    kit.at(10)
    assert not taken(kit.core.state.programs_of_device("bat-1"), kit.clock.time)
    older = kit.control("0A" * 16, start=kit.NOW + 20, duration=50, created=kit.NOW - 5)
    assert (await kit.send("POST", f"{program}/derc", older)).status == 201
    kit.at(30)
    (running,) = (await kit.get(f"{program}/actderc?l=9")).members
    assert (running.mRID, running.eventStatus.potentiallySuperseded) == ("0A" * 16, False)


async def test_early_and_late_calls_do_no_harm(kit: Any) -> None:
    path = kit.program("fleet") + "/derc"
    await kit.send("POST", path, kit.control("01" * 16, start=kit.NOW + 50, duration=100))
    for early in (0, 10, 49.99):
        kit.core.events.handle_timer(kit.NOW + early)
    assert (await kit.get(path)).members[0].eventStatus.currentStatus == 0
    kit.clock.time = kit.NOW + 75
    kit.core.events.handle_timer(kit.clock.time)  # late: the time of the flip is the time of the event
    status = (await kit.get(path)).members[0].eventStatus
    assert (status.currentStatus, status.dateTime) == (1, kit.NOW + 50)


async def test_live_events_and_their_record(kit: Any) -> None:
    await kit.send("POST", kit.program("fleet") + "/derc", kit.control("01" * 16, start=kit.NOW + 50, duration=100))
    record = kit.core.state.events["01" * 16]
    assert is_live(record, int(kit.NOW) + 149)
    assert not is_live(record, int(kit.NOW) + 150)
    change = event_document(record)
    assert (change.space, change.key) == ("sep2/derc", record.item.path)
    assert kit.documents()[change.space, change.key] == change.body
    assert 1 not in FINAL


async def test_a_superseded_status_is_stored(kit: Any) -> None:
    path = kit.program("fleet") + "/derc"
    await kit.send("POST", path, kit.control("01" * 16, start=kit.NOW, duration=5000))
    kit.at(5)
    await kit.send("POST", path, kit.control("02" * 16, start=kit.NOW + 5, duration=10, created=kit.NOW + 5))
    await kit.flush()
    # The winner leaves its list and is forgotten; what it displaced does not come back.
    kit.at(20)
    await kit.send("DELETE", kit.core.state.events["02" * 16].item.path)
    other = await kit.restarted()
    (left,) = (await other.get(f"{path}?l=9")).members
    assert (left.mRID, left.eventStatus.currentStatus) == ("01" * 16, 4)


# --- against a reference model --------------------------------------------------------------------------------------


@dataclass
class Modelled:
    """One event as the model sees it: `modes` are those that nobody has taken from it."""

    mrid: str
    start: int
    end: int
    made: int
    shift_start: int
    shift_duration: int
    asked: frozenset[str]
    modes: set[str] = field(default_factory=set)
    began: bool = False
    began_at: int = 0
    status: int = 0
    took: dict[str, set[str]] = field(default_factory=dict)

    @property
    def first(self) -> int:
        return max(self.start + min(0, self.shift_start), self.made)

    @property
    def over(self) -> int:
        return self.end + max(0, self.shift_start) + max(0, self.shift_duration)


class Model:
    """One program second by second, with a memory: what begins takes its modes from the weaker, and none comes back.

    The server has no such memory: it works every status out from the events alone, also after a restart.
    """

    def __init__(self, now: int) -> None:
        self.now = self.last = now
        self.events: dict[str, Modelled] = {}

    def advance(self, to: int) -> None:
        while self.now < to:
            self.now += 1
            self._begin()

    def post(self, event: Modelled) -> None:
        event.modes = set(event.asked)
        self.events[event.mrid] = event
        for other in self.events.values():
            # what runs when this one comes has taken from it
            known = other.began and self._live(other)
            if known and self._meet(event, other) and _rank(other) > _rank(event):
                self._take(other, event)
        self.last = self.now
        self._begin()

    def cancel(self, mrid: str, status: int) -> None:
        event = self.events[mrid]
        event.status = status
        if event.began and event.began_at == self.now:
            # Times are whole seconds: what is cancelled in the second in which it began has not run at all, and what
            # it took from events that go on is theirs again. One that it displaced as a whole was told so.
            for other, modes in event.took.items():
                if self.events[other].status in {0, 1}:
                    self.events[other].modes |= modes
            for winner in sorted(self.events.values(), key=_rank, reverse=True):
                if winner.began and winner.began_at == self.now and self._live(winner):
                    self._take_from_weaker(winner)

    def _live(self, event: Modelled) -> bool:
        return event.status in {0, 1} and self.now < event.over

    def _begin(self) -> None:
        due = [e for e in self.events.values() if self._live(e) and not e.began and e.first <= self.now]
        for event in sorted(due, key=_rank, reverse=True):
            if not self._live(event):
                continue
            for other in list(self.events.values()):
                if other is event or not self._live(other) or not self._meet(event, other):
                    continue
                if _rank(event) > _rank(other):
                    self._take(event, other)
                elif other.began:
                    self._take(other, event)
            if event.status == 0:
                event.began, event.began_at, event.status = True, self.now, 1
                self.last = self.now

    def _take_from_weaker(self, winner: Modelled) -> None:
        for other in self.events.values():
            if other is not winner and self._live(other) and self._meet(winner, other) and _rank(winner) > _rank(other):
                self._take(winner, other)

    @staticmethod
    def _meet(one: Modelled, other: Modelled) -> bool:
        return one.start < other.end and other.start < one.end and bool(one.asked & other.asked)

    @staticmethod
    def _take(winner: Modelled, loser: Modelled) -> None:
        winner.took.setdefault(loser.mrid, set()).update(loser.modes & winner.modes)
        loser.modes -= winner.modes
        if not loser.modes:
            loser.status = 4

    def active(self) -> set[str]:
        return {e.mrid for e in self.events.values() if e.status == 1 and self.now < e.over}


def _rank(event: Modelled) -> tuple[int, int]:
    return event.made, int(event.mrid, 16)


BASES = {
    "W": "<opModMaxLimW>5000</opModMaxLimW>",
    "P": "<opModFixedW>1000</opModFixedW>",
    "C": "<opModConnect>true</opModConnect>",
}
#: R21: 2,000 sequences in every run; GRIDIFACE_SEP2_SEQUENCES=100000 is the whole of them, ten milliseconds each.
SEQUENCES = int(os.environ.get("GRIDIFACE_SEP2_SEQUENCES", "2000"))


@pytest.mark.parametrize("part", range(4))
async def test_any_sequence_of_events_agrees_with_the_model(make_kit: Any, part: int) -> None:
    """Duplicate, late, out-of-order, cancelled, superseding, randomised events, with restarts in between (R21)."""
    # What is over leaves between two sequences, so that each takes as long as the first.
    kit = await make_kit(event_retention_s=5000.0)
    kit.schema = None  # what is served is looked at elsewhere; this is about when
    for number in range(part, SEQUENCES, 4):
        kit = await one_sequence(kit, random.Random(number))


async def one_sequence(kit: Any, dice: random.Random) -> Any:
    """One program's life; the next sequence begins when all of it is over."""
    program = kit.program(dice.choice(["fleet", "bat-1"]))
    model, posted = Model(int(kit.clock.time)), []
    for _ in range(dice.randint(3, 9)):
        what = dice.choice(["post", "post", "post", "advance", "advance", "cancel", "again", "restart"])
        if what == "post":
            posted.append(await post_one(kit, dice, model, program))
        elif what == "advance":
            kit.clock.time += dice.choice([1, 7, 30, 65])
            if dice.random() < 0.7:
                kit.core.handle_timer(kit.clock.time)
            model.advance(int(kit.clock.time))
        elif what == "cancel" and posted:
            await cancel_one(kit, dice, model, program, dice.choice(posted))
        elif what == "again" and posted:
            before = kit.documents()
            reply = await kit.send("POST", f"{program}/derc", dice.choice(posted)[1])
            assert reply.status == 204
            assert kit.documents() == before
        elif what == "restart" and dice.random() < 0.3:
            await kit.flush()
            kit = await kit.restarted()
        await compare(kit, model, program)
    kit.clock.time += 10_000
    kit.core.handle_timer(kit.clock.time)
    return kit


async def post_one(kit: Any, dice: random.Random, model: Model, program: str) -> tuple[Modelled, str]:
    now = int(kit.clock.time)
    modes = frozenset(dice.sample("WPC", dice.randint(1, 3)))
    start, duration = now + dice.choice([-40, -5, 0, 5, 20, 60]), dice.choice([45, 60, 90])
    shift = dice.choice([0, 0, -15, 15]), dice.choice([0, 0, 20, -20])
    mrid = f"{dice.randrange(1, 1 << 60):032X}"
    # creationTime may be older than its arrival, but not older than what happened since
    made = max(now - dice.choice([0, 0, 3, 50]), min(now, model.last + 1))
    event = Modelled(mrid, start, start + duration, made, *shift, modes)
    more = f"<randomizeDuration>{shift[1]}</randomizeDuration><randomizeStart>{shift[0]}</randomizeStart>"
    body = kit.control(
        mrid, start=start, duration=duration, base="".join(BASES[m] for m in "CPW" if m in modes), created=event.made,
        more=more,
    )  # fmt: skip
    reply = await kit.send("POST", f"{program}/derc", body)
    assert reply.status == 201, reply
    model.post(event)
    return event, body


async def cancel_one(kit: Any, dice: random.Random, model: Model, program: str, known: tuple[Modelled, str]) -> None:
    event, body = known
    randomised = bool(event.shift_start or event.shift_duration)
    status = dice.choice([2, 3])
    shown = await kit.get(kit.core.state.events[event.mrid].item.path)
    reply = await kit.send("PUT", shown.href, body.replace("<currentStatus>0<", f"<currentStatus>{status}<"))
    # While a device may still run it, because chance shifted it, it can be cancelled.
    over = shown.eventStatus.currentStatus in FINAL or event.over <= int(kit.clock.time)
    if status == shown.eventStatus.currentStatus:
        assert reply.status == 204
    elif status == 3 and not randomised:
        assert reply.status == 400
    else:
        assert reply.status == (409 if over else 204)
        if not over:
            model.cancel(event.mrid, status)


async def compare(kit: Any, model: Model, program: str) -> None:
    kit.core.handle_timer(kit.clock.time)
    paths = {mrid: kit.core.state.events[mrid].item.path for mrid in model.events}
    shown = {mrid: (await kit.get(path)).eventStatus for mrid, path in paths.items()}
    for mrid, event in model.events.items():
        assert shown[mrid].currentStatus == event.status, (
            mrid,
            model.now,
            "\n".join(str((e, shown[e.mrid])) for e in model.events.values()),
        )
        assert shown[mrid].dateTime <= model.now
    active = {c.mRID for c in (await kit.get(f"{program}/actderc?l=99")).members}
    assert active & set(model.events) == model.active()
    # The list holds what is ahead, what runs, and what was cancelled or superseded; what ran to its end has left it.
    listed = {c.mRID: c.eventStatus.currentStatus for c in (await kit.get(f"{program}/derc?l=99")).members}
    assert {mrid for mrid, status in listed.items() if status == 1} == active
    assert listed.keys() & set(model.events) == {
        mrid for mrid, event in model.events.items() if event.status not in {0, 1} or model.now < event.over
    }
