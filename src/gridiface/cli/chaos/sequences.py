"""R21: events that come late, twice, out of order, cancelled, superseding and randomised, against a reference model.

The model says in a few lines what one program's events must come to; the engine must say the same, in the same order,
also when it is restarted in between. Times that are drawn by chance are the engine's: they must lie in what the sender
allows, be the same whenever they are drawn, and outlive a restart.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from gridiface.aggregation.engine import Engine
from gridiface.cli.chaos.engine_world import START, ask, batteries
from gridiface.cli.chaos.scenario import Finding, Plan, Scenario
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, Delivery, DeliveryOutcome, Outcome
from gridiface.domain.fleet import Device, Group
from gridiface.domain.telemetry import Snapshot

#: Things that happen in one sequence.
_ACTIONS = 16


class Model:
    """The reference: what is told of each event as a whole, in order."""

    def __init__(self) -> None:
        self.events: dict[str, Control] = {}
        self.log: dict[str, list[str]] = {}
        self.begun: set[str] = set()

    def submit(self, event: Control, now: Instant) -> bool:
        """Whether an event is taken: not twice, not too late, not ruled out by a later one that runs."""
        # What chance makes of its times is nothing to the answer: it is superseded later where it comes under another.
        sent = replace(event, effective=None)
        ruled = any(_newer(e, sent) and _overlap(e, sent) for e in self._running())
        if event.id in self.log or event.interval.end <= now or ruled:
            return False
        self.events[event.id] = event
        self.log[event.id] = ["RECEIVED"]
        return True

    def cancel(self, name: str) -> None:
        """Its sender takes it back."""
        if name in self.events:
            self.log[name].append("CANCELLED")
            del self.events[name]

    def advance(self, now: Instant) -> None:
        """Starts and ends up to `now`, in their order."""
        edges = {edge for e in self.events.values() for edge in (e.span.start, e.span.end) if edge <= now}
        for edge in sorted(edges | {now}):
            for event in [one for one in self.events.values() if one.span.end <= edge]:
                # Chance may leave nothing of a short one: it is not carried out, and nobody is told that it was.
                self.log[event.id].append("FAILED" if event.span.start >= event.span.end else "COMPLETED")
                del self.events[event.id]
            self.begun.update(event.id for event in self.events.values() if event.span.start <= edge)
            self._supersede()
        # Of two that start at the same instant the older one is superseded without having been carried out.
        for event in self._running():
            if "STARTED" not in self.log[event.id]:
                self.log[event.id].append("STARTED")

    def _supersede(self) -> None:
        for ruler in self._running():
            for other in list(self.events.values()):
                if ruler.id in self.events and _newer(ruler, other) and _overlap(ruler, other):
                    self.log[other.id].append("SUPERSEDED")
                    del self.events[other.id]

    def _running(self) -> list[Control]:
        return [event for event in self.events.values() if event.id in self.begun]


def _newer(one: Control, other: Control) -> bool:
    """Whether one was made later than another; of two made together the one with the larger id."""
    return (one.created, one.id) > (other.created, other.id)


def _overlap(one: Control, other: Control) -> bool:
    return one.span.start < other.span.end and other.span.start < one.span.end


class Sequence:
    """One sequence of things that happen, drawn from a seed, to an engine and to the model alike."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - draws a test, protects nothing
        self._devices = batteries(2)
        self.model = Model()
        self.outcomes: list[Outcome] = []
        self.durable: dict[str, Control] = {}
        self.now = START
        self.engine = self._fresh()
        self.restarts = self.randomised = self.older = 0

    def run(self) -> str:
        """Live through it; what differs, or nothing."""
        for number in range(_ACTIONS):
            self.now += self._dice.choice([0.5, 1.0, 2.0])
            for due in self._dues():
                self._turn(due)
            problem = self._happen(number)
            if problem:
                return problem
            self._turn(self.now)
        told: dict[str, list[str]] = {}
        for outcome in self.outcomes:
            if outcome.device_id is None:
                told.setdefault(outcome.control_id, []).append(outcome.kind.name)
        return "" if told == self.model.log else f"told {told}, expected {self.model.log}"

    def _happen(self, number: int) -> str:
        dice = self._dice.random()
        if dice < 0.55:
            return self._event(number)
        if dice < 0.7 and self.durable:
            name = self._dice.choice(sorted(self.durable))
            self.engine.cancel(name, self.now)
            self.model.cancel(name)
        elif dice < 0.8:
            self._turn(self.now)
            self.engine = self._fresh()
            self.engine.restore(self.durable.values(), self.outcomes, self.now)
            self.restarts += 1
        return ""

    def _event(self, number: int) -> str:
        known = bool(self.durable) and self._dice.random() < 0.15
        name = self._dice.choice(sorted(self.durable)) if known else f"c{number:02d}"
        start = self.now + self._dice.choice([-6.0, -1.0, 0.7, 3.0, 6.0])
        # Some were made before others that came before them, some together with them.
        made = START + max(0, number - self._dice.choice([0, 0, 0, 1, 4]))
        event = replace(
            ask(name, start, self._dice.choice([3.0, 7.0]), program="p", created=made, set_w=100.0 * number),
            randomize_start_s=self._dice.choice([0.0, 0.0, -2.0, 3.0]),
            randomize_duration_s=self._dice.choice([0.0, 0.0, -2.0, 3.0]),
        )
        answer, drawn, _ = self.engine.decide(event, self.now)
        self.older += event.created < max((one.created for one in self.model.events.values()), default=START)
        if answer.will_run and drawn.span != event.interval:
            self.randomised += 1
            if not _inside(event, drawn, self.now) or self.engine.decide(event, self.now)[1].span != drawn.span:
                return f"{name}: {event.interval} was drawn as {drawn.span}"
        if answer.will_run != self.model.submit(drawn, self.now):
            return f"{name} at {self.now - START:.1f} s: {answer.verdict}, {answer.reason}"
        if answer.will_run:
            self.durable[drawn.id] = drawn
            self.engine.admit(drawn, self.now)
        return ""

    def _dues(self) -> list[Instant]:
        """The edges that have passed since the last turn, and now."""
        edges = {edge for one in self.durable.values() for edge in (one.span.start, one.span.end)}
        return sorted({self.now, *(edge for edge in edges if self._last < edge <= self.now)})

    def _turn(self, now: Instant) -> None:
        """One tick whose set-points are all acknowledged."""
        self._last = now
        self.engine.observe([_seen(device, now) for device in self._devices], now)
        self.model.advance(now)
        result = self.engine.tick(now)
        self.outcomes += result.outcomes
        done = [
            Delivery(device_id=s.device_id, outcome=DeliveryOutcome.ACKNOWLEDGED, at=now, setpoint=s)
            for s in result.setpoints
        ]
        self.engine.deliver(done, now)
        self.outcomes += self.engine.tick(now).outcomes

    def _fresh(self) -> Engine:
        engine = Engine()
        for device in self._devices:
            engine.add_device(device, self.now)
        engine.set_groups([Group(id="fleet", members=tuple(device.id for device in self._devices))], self.now)
        engine.observe([_seen(device, self.now) for device in self._devices], self.now)
        self._last = self.now
        return engine


def _inside(event: Control, drawn: Control, now: Instant) -> bool:
    """Whether what was drawn is what the sender allows: the start by its part at most, the end by both at most."""
    start_s, duration_s = event.randomize_start_s, event.randomize_duration_s
    began, ends = drawn.span.start, drawn.span.end
    late = max(event.interval.start, now) + abs(start_s)
    earliest, latest = event.interval.start + min(start_s, 0.0), max(event.interval.start + max(start_s, 0.0), late)
    least, most = event.interval.end + min(duration_s, 0.0), event.interval.end + max(duration_s, 0.0)
    return earliest <= began <= latest and (
        least + min(start_s, 0.0) <= ends <= most + max(start_s, 0.0) or ends == began
    )


def _seen(device: Device, now: Instant) -> Snapshot:
    return Snapshot(device_id=device.id, source_time=now, received=now, w=0.0, soc=0.5)


def run(plan: Plan) -> Finding:
    """2,000 sequences, in the full form 100,000."""
    count = plan.count(2_000, 100_000)
    differences: list[dict[str, Any]] = []
    restarts = events = randomised = older = 0
    for seed in range(plan.seed, plan.seed + count):
        sequence = Sequence(seed)
        problem = sequence.run()
        restarts += sequence.restarts
        randomised += sequence.randomised
        older += sequence.older
        events += len(sequence.model.log)
        if problem:
            differences.append({"seed": seed, "what": problem[:300]})
    return Finding(
        {"no difference to the model": not differences},
        {
            "sequences": count,
            "events": events,
            "restarts": restarts,
            "randomised": randomised,
            "out_of_order": older,
            "differences": len(differences),
            "first": differences[:3],
        },
    )


SCENARIO = Scenario("sequences", "R21", "event sequences against a reference model, across restarts", run)
