"""The end of a fast response: what rules then, or what the devices do by themselves, is come back to on a ramp.

A response moves its group by a part of its rating a second at most. Let go of at once, each device would go back by its
own ramp, all in the same instant: the network that the response has just helped would be hit by the step that it was
spared. So the group is led back with the same ramp, and let go of then. A control that follows with a ramp of its own
takes that one; a total around the group makes up for it anyhow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gridiface.aggregation.deciding.arbitration import Claim
from gridiface.aggregation.deciding.plan import Node, Plan
from gridiface.domain.clock import Instant, Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, ServiceClass

#: More than the whole way from full charge to full discharge takes by this, s; then it is over wherever the group is.
_SPARE_S = 5.0


@dataclass(frozen=True, slots=True)
class Fade:
    """One group on its way back. `claim` stands in where nobody asks for its power: to be as it is by itself."""

    claim: Claim
    until: Instant


class Fading:
    """The groups whose fast response is over and that are not there yet.

    Args:
        per_s: part of its rating by which a response moves a group, 1/s.
    """

    def __init__(self, per_s: float) -> None:
        self._longest_s = 2.0 / per_s + _SPARE_S
        self._fades: dict[str, Fade] = {}
        self._coming: dict[str, Fade] = {}
        #: By group: what stands in in the plan so far, also for those that have arrived meanwhile.
        self._standing: dict[str, Claim] = {}

    def __contains__(self, group_id: object) -> bool:
        return group_id in self._fades

    def __bool__(self) -> bool:
        return bool(self._fades)

    def coming(self, plan: Plan, now: Instant) -> dict[str, Claim]:
        """What stands in for the response of each group of the plan so far, should that be over in the next one."""
        ends = now + self._longest_s
        fast = {
            node.id: Fade(_as_it_is(claim.control, now, ends), ends)
            for node in plan.nodes()
            if (claim := fast_claim(node)) is not None and claim is not self._standing.get(node.id)
        }
        self._coming = fast | self._fades
        return {name: fade.claim for name, fade in self._coming.items()}

    def begin(self, plan: Plan) -> None:
        """The next plan is there: whose response is over in it fades."""
        coming, self._coming = self._coming, {}
        nodes = {node.id: node for node in plan.nodes()}
        self._fades = {
            name: fade for name, fade in coming.items() if (node := nodes.get(name)) is not None and _leads(node, fade)
        }
        self._standing = {name: fade.claim for name, fade in self._fades.items()}

    def leads_back(self, node: Node) -> bool:
        """Whether a node is asked nothing but to be as it is by itself."""
        return node.id in self._fades and node.ruling.power is self._fades[node.id].claim

    def end(self, arrived: Iterable[str], now: Instant) -> bool:
        """These have arrived; whether a group has, or had its time, and a plan is due that lets go of it."""
        over = {name for name, fade in self._fades.items() if now >= fade.until}.union(arrived) & self._fades.keys()
        for name in over:
            del self._fades[name]
        return bool(over)

    def shift_time(self, seconds: float) -> None:
        """The clock was set: distances stay."""
        self._fades = {name: replace(fade, until=fade.until + seconds) for name, fade in self._fades.items()}


def fast_claim(node: Node) -> Claim | None:
    """The claim of a fast response on a node's total."""
    for claim in node.ruling.powers:
        if claim.control.service_class is ServiceClass.FAST_FREQUENCY:
            return claim
    return None


def _leads(node: Node, fade: Fade) -> bool:
    """Whether a node is led back: by nothing else, or to a set-point that says nothing of a ramp."""
    if node.ruling.power is fade.claim:
        return True
    leading = node.ruling.leading
    return leading is not None and fast_claim(node) is None and leading.control.ramp_s is None


def _as_it_is(control: Control, now: Instant, ends: Instant) -> Claim:
    """A change by nothing, in the response's name."""
    nothing = ModeValue(0.0)
    after = replace(
        control,
        values={ControlMode.DELTA_W: nothing},
        interval=Interval(now, ends - now),
        effective=None,
        ramp_s=None,
    )
    return Claim(after, ControlMode.DELTA_W, nothing)
