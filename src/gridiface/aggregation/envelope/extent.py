"""What the devices of a group can give, take and come to under limits that lie in each other. Numbers only.

An extent is the least and the most of three sums: what is given (>= 0), what is taken (>= 0) and the net of both, W. As
the net is the difference of the other two, such extents add up without loss, and whatever narrows one of the sums
narrows the others: what a group can come to under the limits of all groups inside it is found in one walk.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.allocate import FloatArray

Span = tuple[float, float]

_NOTHING: Span = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Extent:
    """Least and most of each sum, W. `slack`: what the net may be off the difference of the other two.

    `given` and `taken` are None where no limit speaks of them: then they are not looked at.
    """

    net: Span = _NOTHING
    given: Span | None = None
    taken: Span | None = None
    slack: float = 0.0

    def __add__(self, other: Extent) -> Extent:
        """Both together."""
        return Extent(
            _added(self.net, other.net, 1.0),
            _both(self.given, other.given, 1.0),
            _both(self.taken, other.taken, 1.0),
            self.slack + other.slack,
        )

    def __sub__(self, part: Extent) -> Extent:
        """What is left without a part of it."""
        return Extent(
            _added(self.net, part.net, -1.0),
            _both(self.given, part.given, -1.0),
            _both(self.taken, part.taken, -1.0),
            self.slack - part.slack,
        )

    def under(self, net: Span, given: float, taken: float) -> Extent:
        """With limits; who cannot keep one comes as near to it as it can. First what is given and taken, then the net.

        Args:
            net: least and most of the net, W.
            given, taken: most of each, W.
        """
        found = self
        if self.given is not None and self.taken is not None:
            found = Extent(self.net, _capped(self.given, given), self.taken, self.slack)._agreed()
            assert found.taken is not None
            found = Extent(found.net, found.given, _capped(found.taken, taken), self.slack)._agreed()
        within = _floored(_capped(found.net, net[1]), net[0])
        return Extent(within, found.given, found.taken, self.slack)._agreed()

    def inside(self, able: Extent) -> Extent:
        """As near to this as what limits leave of all that could be done."""
        if self.given is None or self.taken is None or able.given is None or able.taken is None:
            return Extent(_clipped(self.net, able.net), slack=self.slack)
        given, taken, net = _clipped(self.given, able.given), _clipped(self.taken, able.taken), self.net
        if (given, taken) != (self.given, self.taken):
            net = _clipped(net, (given[0] - taken[1] - self.slack, given[1] - taken[0] + self.slack))
        net = _clipped(net, able.net)
        # Where the net itself was changed less is given, or less taken.
        given = _clipped(given, (0.0, net[1] + taken[1] + self.slack))
        taken = _clipped(taken, (0.0, given[1] - net[0] + self.slack))
        return Extent(net, given, taken, self.slack)

    def _agreed(self) -> Extent:
        """Each of the three sums with what the other two leave of it."""
        if self.given is None or self.taken is None:
            return self
        (least, most), (gives, given), (takes, taken), slack = self.net, self.given, self.taken, self.slack
        return Extent(
            _clipped(self.net, (gives - taken - slack, given - takes + slack)),
            _clipped(self.given, (least + takes - slack, most + taken + slack)),
            _clipped(self.taken, (gives - most - slack, given - least + slack)),
            slack,
        )


def extent_of(
    lo: FloatArray,
    hi: FloatArray,
    silent: tuple[FloatArray | float, FloatArray | float] = (0.0, 0.0),
    *,
    parts: bool,
) -> Extent:
    """The extent of devices with these bounds, W, + delivered.

    Args:
        lo, hi: one per device.
        silent: how much more (>= 0), and less (<= 0), each may give than it is counted with.
        parts: whether what is given and taken counts.
    """
    net, (ups, downs) = (float(lo.sum()), float(hi.sum())), silent
    if not parts:
        return Extent(net)
    given = float(np.maximum(lo + ups, 0.0).sum()), float(np.maximum(hi + ups, 0.0).sum())
    taken = float(np.maximum(-hi - downs, 0.0).sum()), float(np.maximum(-lo - downs, 0.0).sum())
    return Extent(net, given, taken, float(np.sum(ups) - np.sum(downs)))


def _added(one: Span, other: Span, sign: float) -> Span:
    return one[0] + sign * other[0], one[1] + sign * other[1]


def _both(one: Span | None, other: Span | None, sign: float) -> Span | None:
    return None if one is None or other is None else _added(one, other, sign)


def _capped(span: Span, most: float) -> Span:
    return span[0], max(min(span[1], most), span[0])


def _floored(span: Span, least: float) -> Span:
    return min(max(span[0], least), span[1]), span[1]


def _clipped(span: Span, able: Span) -> Span:
    least, most = able
    return min(max(span[0], least), most), min(max(span[1], least), most)
