"""Is the fleet doing what was asked? One sentence, and the tone it is said in. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gridiface.operator.rows.rows import GroupRow
from gridiface.operator.screens.words import power

#: What counts as following: within this share of the request, or so many W.
SHARE, WATTS = 0.02, 100.0

#: How long after a change the fleet may be on its way, s.
SETTLE_S = 10.0


@dataclass(frozen=True, slots=True)
class Headline:
    """The sentence, what stands below it, its tone (good, warn, bad, plain), and the three sums in W."""

    text: str
    more: str
    tone: str
    requested_w: float | None
    allocated_w: float | None
    delivered_w: float | None


def headline(groups: Sequence[GroupRow], since_s: float | None) -> Headline:
    """What to say of the fleet.

    Args:
        groups: all of them; those that are asked and not inside another asked one are compared.
        since_s: how long ago the newest of the running controls began, s; None: none runs.
    """
    asked = asked_groups(groups)
    if not asked:
        tops = [group for group in groups if group["parent"] is None]
        delivered = _sum(group["delivered_W"] for group in tops)
        allocated = _sum(group["allocated_W"] for group in tops)
        text = "Nothing is asked of the fleet" if since_s is None else "A control runs that names no power"
        more = _UNKNOWN if delivered is None else f"It delivers {power(delivered)}."
        return Headline(text, more, "plain", None, allocated, delivered)
    requested = sum(group["requested_W"] or 0.0 for group in asked)
    allocated = _sum(group["allocated_W"] for group in asked)
    delivered = _sum(group["delivered_W"] for group in asked)
    text, more, tone = _judge(requested, allocated, delivered, since_s)
    return Headline(text, more, tone, requested, allocated, delivered)


_UNKNOWN = "No device tells what it delivers."


def _judge(
    requested: float, allocated: float | None, delivered: float | None, since_s: float | None
) -> tuple[str, str, str]:
    wanted = power(requested)
    if delivered is None:
        return f"{wanted} is asked, nothing is measured", _UNKNOWN, "bad"
    off = max(SHARE * abs(requested), WATTS)
    if abs(delivered - requested) <= off:
        return f"The fleet follows: {power(delivered)} of {wanted}", "It delivers what was asked.", "good"
    if since_s is not None and since_s < SETTLE_S:
        return f"The fleet is on its way to {wanted}", f"It delivers {power(delivered)} so far.", "warn"
    if allocated is None or abs(allocated - requested) > off:
        short = f"Only {power(allocated or 0.0)} can be allocated within ratings, charge and limits."
        return f"The fleet delivers {power(delivered)} of {wanted}", short, "warn"
    missing = power(abs(requested - delivered))
    side = "short" if abs(delivered) < abs(requested) else "too much"
    return f"The fleet does not follow: {power(delivered)} of {wanted}", f"{missing} {side}.", "bad"


def asked_groups(groups: Sequence[GroupRow]) -> list[GroupRow]:
    """The groups of which something is asked, without those inside another such group."""
    parents = {group["id"]: group["parent"] for group in groups}
    asked = {group["id"] for group in groups if group["requested_W"] is not None}

    def inside(name: str | None) -> bool:
        seen = set()
        while name is not None and name not in seen:
            seen.add(name)
            name = parents.get(name)
            if name in asked:
                return True
        return False

    return [group for group in groups if group["id"] in asked and not inside(group["id"])]


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
