"""What is asked of groups and of the parts reserved to programs, and how far each is on its ramp."""

from __future__ import annotations

from dataclasses import dataclass, field

from gridiface.aggregation.deciding.arbitration import Ruling
from gridiface.aggregation.deciding.requests import Capacity
from gridiface.domain.clock import Instant


@dataclass(slots=True)
class Beginning:
    """What a control found when it began to rule: the base of changes, and where its ramp starts.

    `ramp_s`: how long the ramp takes from `at` on, s, 0: there is none; `from_w`: where it starts, W.
    """

    capacity: Capacity
    at: Instant
    ramp_s: float
    from_w: float

    def on_its_way(self, asked_w: float, now: Instant) -> float:
        """What is to be there now of what is asked, W."""
        if not self.ramp_s:
            return asked_w
        way = min(max((now - self.at) / self.ramp_s, 0.0), 1.0)
        return self.from_w + way * (asked_w - self.from_w)


@dataclass(frozen=True, slots=True)
class Part:
    """What one program asks of the part reserved to it, what of that it is given, W, and the part, 0..1."""

    asked: float
    given: float
    share: float
    begun: Beginning

    def now(self, now: Instant) -> float:
        """What it is given now: on its way along the control's own ramp, W."""
        return self.begun.on_its_way(self.given, now)


@dataclass(slots=True)
class Demands:
    """What the plan's nodes ask, W and var by group id, and when each began. `parts` by control id."""

    requested_w: dict[str, float] = field(default_factory=dict)
    requested_var: dict[str, float] = field(default_factory=dict)
    begun: dict[str, Beginning] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)

    def requested(self, node_id: str, ruling: Ruling, now: Instant) -> float:
        """What is asked of a node now: on its way along the control's own ramp, or along those of its parts, W."""
        asked, parts = self.requested_w[node_id], self._parts_of(ruling)
        if not ruling.shared:
            return self.begun[node_id].on_its_way(asked, now)
        return asked + sum(part.now(now) - part.given for part in parts)

    def ramps(self, node_id: str, ruling: Ruling, now: Instant) -> list[float]:
        """How long the ramps take that are under way at a node, s."""
        if ruling.leading is None:
            return []
        begun = [part.begun for part in self._parts_of(ruling)] if ruling.shared else [self.begun[node_id]]
        return [one.ramp_s for one in begun if now < one.at + one.ramp_s]

    def _parts_of(self, ruling: Ruling) -> list[Part]:
        claims = [*ruling.shared.values(), *([] if ruling.power is None else [ruling.power])]
        return [self.parts[claim.control.id] for claim in claims if claim.control.id in self.parts]
