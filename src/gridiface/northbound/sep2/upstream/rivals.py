"""Events of several servers for the same device: which of them has to give way. Pure.

Inside one server the client core decides, mode by mode. Between servers the same rule holds with the authorities that
the configuration gives their primacies: an event that begins takes the modes it shares with weaker ones that overlap
it. Limits are no rivals: they all stand, and the engine takes the tightest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gridiface.domain.controls import Target
from gridiface.northbound.sep2.upstream.bindings import Key
from gridiface.protocols.sep2.enums import ResponseStatus

LIMITS = frozenset({"opModMaxLimW", "opModExpLimW", "opModImpLimW", "opModGenLimW", "opModLoadLimW"})
"""Modes that bound the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """One event for one device as seen from outside its session; times by our clock.

    Attributes:
        session: name of the session; lfdi, mrid: which event of it.
        target: the fleet's device or group.
        modes: what it still controls.
        begins, ends: when.
        authority, created: what decides; the larger wins.
        running: whether it has begun.
    """

    session: str
    lfdi: str
    mrid: str
    target: Target
    modes: frozenset[str]
    begins: float
    ends: float
    authority: float
    created: float
    running: bool

    @property
    def rank(self) -> tuple[float, float, str]:
        """Sorts the strongest last."""
        return self.authority, self.created, self.mrid

    @property
    def claims(self) -> frozenset[str]:
        """The modes of which one can rule only."""
        return self.modes - LIMITS

    def meets(self, other: Rival) -> bool:
        """Whether the two cannot both rule."""
        in_time = self.begins < other.ends and other.begins < self.ends
        return self.session != other.session and self.target == other.target and in_time and bool(self._shared(other))

    def _shared(self, other: Rival) -> frozenset[str]:
        return self.claims & other.claims

    def covers(self, other: Rival) -> bool:
        """Whether nothing is left of the other where this one rules."""
        return other.modes <= self.claims


@dataclass(frozen=True, slots=True)
class Displaced:
    """An event of another server took an event's place for a device."""

    key: Key
    status: ResponseStatus


def losers(beginning: Rival, others: Iterable[Rival]) -> list[tuple[Rival, ResponseStatus]]:
    """Who has to give way when an event begins, and the status that says so.

    An event that is weaker than one that runs does not begin; one that is stronger ends weaker ones for good.
    """
    found: list[tuple[Rival, ResponseStatus]] = []
    for other in others:
        if not beginning.meets(other):
            continue
        if other.rank < beginning.rank and beginning.covers(other):
            status = ResponseStatus.SUPERSEDED if other.running else ResponseStatus.ABORTED_OTHER_SERVER
            found.append((other, status))
        elif other.running and beginning.rank < other.rank and other.covers(beginning):
            found.append((replace(beginning, running=False), ResponseStatus.ABORTED_OTHER_SERVER))
    return found
