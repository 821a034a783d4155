"""Whether readings show that a limit is passed, or passed by more than before: then a step does not wait for its time.

Devices that can only be led by set-points do as they like under a limit until it is too much; a step every few seconds
would let them for so long. What cannot be helped (a silent device, a load that nobody leads) is no news a second time.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gridiface.aggregation.accounting.capping import spare_w
from gridiface.aggregation.deciding.plan import Node
from gridiface.aggregation.envelope.rollup import shows, speaks
from gridiface.aggregation.state.columns import Columns


class Passing:
    """Remembers by how much each group's limits were passed when it was looked last."""

    def __init__(self, columns: Columns) -> None:
        self._c = columns
        self._excess: dict[str, float] = {}

    def news(self, nodes: Iterable[Node]) -> bool:
        """Whether a limit is passed by more than before."""
        found, before = False, self._excess
        self._excess = {}
        for node in nodes:
            if not node.limits.any:
                continue
            excess, spare = self._measured(node)
            if excess > spare:
                self._excess[node.id] = excess
                found |= excess > before.get(node.id, 0.0) + spare
        return found

    def _measured(self, node: Node) -> tuple[float, float]:
        """By how much the limit that is passed most is passed, and what of that is nothing, W."""
        c, rows, limits = self._c, node.rows, node.limits
        watts = np.where(shows(c, rows), c.w[rows], 0.0)
        given, taken = float(np.maximum(watts, 0.0).sum()), float(np.maximum(-watts, 0.0).sum())
        net = given - taken
        if node.meter is not None and speaks(c, node.meter):
            net = float(c.w[node.meter])
        pairs = ((limits.export, net), (limits.draw, -net), (limits.generation, given), (limits.load, taken))
        over = [(done - bound.watts, spare_w(bound.watts)) for bound, done in pairs if bound is not None]
        return max(over, key=lambda pair: pair[0] - pair[1])
