"""Groups in groups with limits on what is given, what is taken and the net: what passes them, and what does not.

`split_one_way` is exact: where any powers keep all limits and come to a total, it finds such powers. It moves everybody
one way from where nothing is given in one place and taken in another, as far as bounds and limits let that be. That is
all it looks at: who should get how much is the business of strategies, and it is what is left when these do not do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.allocate import BoolArray, FloatArray, IntArray
from gridiface.aggregation.allocate.tree import Cap
from gridiface.aggregation.allocate.water_filling import water_fill
from gridiface.aggregation.envelope.extent import Extent, extent_of

#: Limits that are passed by no more than this together, W, are kept; a total that is off by no more is reached.
KEPT_W = 0.5

#: Halvings after which the mix of two splits is near enough to the first one.
_HALVINGS = 12


@dataclass(frozen=True, slots=True)
class Nest:
    """A group: positions of all its devices, its limits, W, and the groups inside it.

    `net`: least and most of the sum; `given`, `taken`: most of what devices give, and take (>= 0).
    """

    rows: IntArray
    net: tuple[float, float] = (-np.inf, np.inf)
    given: float = np.inf
    taken: float = np.inf
    inside: tuple[Nest, ...] = ()

    def passed(self, powers: FloatArray) -> float:
        """By how much these powers, one per position, W, pass the limits here and inside together, W."""
        mine = powers[self.rows]
        net, given = float(mine.sum()), float(np.maximum(mine, 0.0).sum())
        over = max(net - self.net[1], self.net[0] - net, 0.0) + max(given - self.given, 0.0)
        return over + max(given - net - self.taken, 0.0) + sum(one.passed(powers) for one in self.inside)


def of_caps(rows: IntArray, net: tuple[float, float], caps: tuple[Cap, ...]) -> Nest:
    """Groups of which only the net is bounded."""
    return Nest(rows, net, inside=tuple(of_caps(cap.rows, (cap.low, cap.high), cap.inside) for cap in caps))


@dataclass(frozen=True, slots=True)
class _Able:
    """A group with what it can come to under its limits and those inside; `alone`: without all of them.

    `loose`: positions of its devices that are in no group inside.
    """

    nest: Nest
    loose: IntArray
    alone: Extent
    under: Extent
    inside: tuple[_Able, ...]

    @property
    def still(self) -> float:
        """The net at which the least is given and the least taken, W."""
        assert self.under.given is not None
        assert self.under.taken is not None
        return min(max(self.under.given[0] - self.under.taken[0], self.under.net[0]), self.under.net[1])


def _able(nest: Nest, lo: FloatArray, hi: FloatArray, left: BoolArray | None = None) -> _Able:
    """`left`: who is in no group yet; changed."""
    left = np.ones(lo.size, dtype=np.bool_) if left is None else left
    inside = tuple(_able(one, lo, hi, left) for one in nest.inside)
    loose = nest.rows[left[nest.rows]]
    left[loose] = False
    alone = extent_of(lo[nest.rows], hi[nest.rows], parts=True)
    under = alone
    for one in inside:
        under = under + one.under - one.alone
    return _Able(nest, loose, alone, under.under(nest.net, nest.given, nest.taken), inside)


def reachable(nest: Nest, lo: FloatArray, hi: FloatArray) -> tuple[float, float]:
    """The least and the most that devices inside these bounds come to under all limits, W."""
    return _able(nest, lo, hi).under.net


def split_one_way(
    nest: Nest, target: float, lo: FloatArray, hi: FloatArray, base: FloatArray, weight: FloatArray
) -> FloatArray:
    """Powers whose sum is the target, or the nearest that can be, under all limits that can be kept.

    Args:
        nest: the groups; its `rows` are all positions.
        target: W.
        lo, hi, base, weight: of the devices, see `Problem`.
    """
    found = np.empty(lo.size)
    _fill(_able(nest, lo, hi), target, (lo, hi, base, weight), found)
    return found


def _fill(able: _Able, target: float, devices: tuple[FloatArray, ...], found: FloatArray) -> None:
    """One group: its loose devices, and the groups inside as if each were one."""
    lo, hi, base, weight = devices
    taken, rows = [one.nest.rows for one in able.inside], able.loose
    insides = [one.under.net for one in able.inside]
    least = np.concatenate([lo[rows], [net[0] for net in insides]])
    most = np.concatenate([hi[rows], [net[1] for net in insides]])
    still = np.concatenate([np.clip(0.0, lo[rows], hi[rows]), [one.still for one in able.inside]])
    start = np.concatenate([base[rows], [float(base[mine].sum()) for mine in taken]])
    size = np.concatenate([weight[rows], [float(weight[mine].sum()) for mine in taken]])
    total = min(max(target, able.under.net[0]), able.under.net[1])
    if total >= float(still.sum()):
        least = still
    else:
        most = still
    split = water_fill(total, least, np.maximum(most, least), np.clip(start, least, most), size)
    found[rows] = split[: rows.size]
    for one, share in zip(able.inside, split[rows.size :].tolist(), strict=True):
        _fill(one, share, devices, found)


def mend(
    nest: Nest,
    powers: FloatArray,
    target: float,
    devices: tuple[FloatArray, FloatArray, FloatArray],
    *,
    passed: float,
) -> FloatArray | None:
    """Powers that pass less, or, where nothing is passed, come nearer to the target; as near to these as can be.

    Args:
        nest: the groups.
        powers: W, one per position.
        target: of their sum, W.
        devices: (lo, hi, weight), see `Problem`.
        passed: by how much `powers` pass the limits, W.

    Returns:
        None where there are none.
    """
    lo, hi, weight = devices
    found, total = split_one_way(nest, target, lo, hi, powers, weight), float(powers.sum())
    there, off = nest.passed(found), abs(float(found.sum()) - target)
    if passed <= KEPT_W:
        return found if there <= KEPT_W and off < abs(total - target) - KEPT_W else None
    if there >= passed:
        return None
    return _mixed(nest, powers, found) if abs(float(found.sum()) - total) <= KEPT_W else found


def _mixed(nest: Nest, first: FloatArray, kept: FloatArray) -> FloatArray:
    """As much of the first powers as there can be in a mix with others that pass no limit: such sums are convex."""
    most = nest.passed(kept) + KEPT_W
    part, step = 1.0, 0.5
    for _ in range(_HALVINGS):
        if nest.passed(first + (part - step) * (kept - first)) <= most:
            part -= step
        step /= 2
    return first + part * (kept - first)
