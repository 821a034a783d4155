"""The process dies at any commit, before or after it is durable, and begins anew: nothing is lost, nothing doubled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from gridiface.domain.controls import Outcome, OutcomeKind
from gridiface.domain.telemetry import Snapshot
from gridiface.errors import StoreUnavailable
from gridiface.protocols.sep2.resources import DERControlResponse, EventStatus, MirrorMeterReadingList
from gridiface.protocols.xmlwire import encode

Make = Callable[..., Any]


class Dying:
    """Lets a house die at its n-th commit."""

    def __init__(self, house: Any, number: int, *, after: bool) -> None:
        self.house, self.left, self.after, self.dead = house, number, after, False
        self._commit = house.commit
        house.commit = self.commit

    async def commit(self, changes: Sequence[Any]) -> None:
        if self.dead:
            raise StoreUnavailable("dead")
        self.left -= bool(changes)
        if self.left < 0 and changes:
            self.dead = True
            if self.after:
                await self._commit(changes)
            raise StoreUnavailable("died")
        await self._commit(changes)

    def revive(self) -> None:
        self.house.commit = self._commit


async def carry(stage: Any, seconds: float, dying: Dying) -> None:
    """Let time pass; when the process has died, begin it anew and go on."""
    end = stage.clock.now() + seconds
    while stage.clock.now() < end:
        try:
            await stage.run(1)
        except StoreUnavailable:
            assert dying.dead
            dying.revive()
            await stage.restart()
            for kind in stage.told:
                tell(stage, kind)


def tell(stage: Any, kind: OutcomeKind) -> None:
    """The engine tells; after a restart it tells again."""
    for name in list(stage.session.book.bindings.by_control):
        stage.session.on_outcome(Outcome(control_id=name, kind=kind, at=stage.clock.now()))


@pytest.mark.parametrize("after", [False, True])
async def test_whatever_the_moment_of_death_each_answer_is_given_once(
    make_stage: Make, event: Make, after: bool
) -> None:
    for number in range(12):
        stage = await make_stage(sample_s=1.0)
        stage.told = []
        dying = Dying(stage.house, number, after=after)
        stage.server.controls = [event(stage.clock.now() + 5)]
        await carry(stage, 8, dying)
        for kind, seconds in ((OutcomeKind.STARTED, 30), (OutcomeKind.COMPLETED, 60)):
            stage.told.append(kind)
            tell(stage, kind)
            await carry(stage, seconds, dying)
        answers = {encode(body): body.status for body in stage.server.bodies(DERControlResponse)}
        assert list(answers.values()) == [1, 2, 3], f"died at commit {number}"
        assert len(stage.session.mailbox) == 0


async def test_a_cancel_is_confirmed_once_whatever_the_moment_of_death(make_stage: Make, event: Make) -> None:
    for number in range(10):
        stage = await make_stage()
        stage.told = []
        dying = Dying(stage.house, number, after=True)
        stage.server.controls = [event(stage.clock.now() + 50)]
        await carry(stage, 8, dying)
        cancelled = EventStatus(currentStatus=2, dateTime=1_000_010, potentiallySuperseded=False)
        stage.server.controls = [replace(stage.server.controls[0], eventStatus=cancelled)]
        await carry(stage, 30, dying)
        answers = {encode(body): body.status for body in stage.server.bodies(DERControlResponse)}
        assert sorted(answers.values()) == [1, 6], f"died at commit {number}"
        assert stage.house.live() == {}


async def test_readings_that_are_sent_again_carry_the_same_names(make_stage: Make) -> None:
    stage = await make_stage(sample_s=1.0)
    stage.told = []
    dying = Dying(stage.house, 5, after=False)
    for _ in range(90):
        now = stage.clock.now()
        stage.house.shots["d1"] = Snapshot(device_id="d1", source_time=now, received=now, w=100.0)
        await carry(stage, 1, dying)
    sets: dict[str, bytes] = {}
    for post in stage.server.bodies(MirrorMeterReadingList):
        for reading in post.members:
            (one,) = reading.mirrorReadingSet
            assert sets.setdefault(one.mRID, encode(one)) == encode(one)
    assert dying.dead
    assert len(sets) >= 3
