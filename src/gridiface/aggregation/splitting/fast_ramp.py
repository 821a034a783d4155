"""How fast a fast response may move its group, while it rules and on the way back from it."""

from __future__ import annotations

import numpy as np

from gridiface.aggregation.deciding.fading import Fading, fast_claim
from gridiface.aggregation.deciding.plan import Node
from gridiface.aggregation.envelope.limits import Envelope
from gridiface.aggregation.splitting.coarse import largest_step
from gridiface.aggregation.splitting.solution import NodeResult
from gridiface.aggregation.state.columns import Columns

#: A group so near to where it is led back to, of its rating, is there.
_NEAR = 0.01


class FastRamp:
    """The ramp of the groups of one fleet.

    Args:
        columns: the fleet.
        per_s: part of a group's rating by which it may be moved, 1/s.

    Attributes:
        fading: the groups on the way back.
        arrived: those of them that were there in this step; whoever begins a step clears it.
    """

    def __init__(self, columns: Columns, per_s: float) -> None:
        self._c, self._per_s = columns, per_s
        self.fading = Fading(per_s)
        self.arrived: set[str] = set()

    def way_back(self, node: Node, bounds: Envelope, beside_w: float) -> float | None:
        """Where a node is led that nobody asks for a power any more, W: what its devices do by themselves.

        Those in totals inside it stay as they are. None: it is asked for a power.
        """
        if not self.fading.leads_back(node):
            return None
        loose = float(np.where(bounds.free, bounds.base, bounds.held)[node.loose].sum())
        inside = np.setdiff1d(node.rows, node.loose, assume_unique=True)
        return loose + float(np.where(bounds.free, bounds.position, bounds.held)[inside].sum()) + beside_w

    def asked(
        self, node: Node, bounds: Envelope, wanted_w: float, beside_w: float, last: NodeResult | None, elapsed_s: float
    ) -> tuple[float, float]:
        """What a node is asked now of `wanted_w`, and how much it may give on top of that in this step, W.

        The latter is infinite for what is not fast.

        Args:
            node: the group.
            bounds: the envelope; where its devices are.
            wanted_w: what is asked.
            beside_w: what lies beside its members.
            last: of the step before; what steps of coarse devices left of that is walked on from, or they never begin.
            elapsed_s: since the last step, s.
        """
        fades = node.id in self.fading
        if not fades and fast_claim(node) is None:
            return wanted_w, np.inf
        c = self._c
        rating = float(np.maximum(c.export_w[node.loose], c.import_w[node.loose]).sum())
        most = self._per_s * rating * elapsed_s
        position = float(np.where(bounds.free, bounds.position, bounds.held)[node.rows].sum()) + beside_w
        if fades and abs(wanted_w - position) <= _NEAR * rating:
            self.arrived.add(node.id)
        if last is not None and last.wanted is not None and c.stepped:
            step = largest_step(c, node.loose)
            position += min(max(last.wanted - last.total, -step), step)
        asked = min(max(wanted_w, position - most), position + most)
        return asked, position + most - asked
