"""What devices may have to give, or take, for others of their group: where a total is to be there, or a limit is kept.

Sun and demand change; a storage runs empty or full before the others; a vehicle must charge for its departure; and what
could not be had of a total may be there later. As long as the total is asked others make up for that. By how much each
at most is what is worked out here: charge that may be gone is not promised a second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.allocate.problem import FloatArray, IntArray
from gridiface.aggregation.allocate.water_filling import water_fill

#: Upwards, downwards; W, both >= 0.
Ways = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Crew:
    """Who makes up for others, one way.

    `places`: of each in the target, -1: it is not in it. `room`: how much more each can, W. `weight`: its part;
    None: whose part it will be is not known. `within`: the number of the limited part that it lies in, -1: in none.
    """

    places: IntArray
    room: FloatArray
    weight: FloatArray | None
    within: IntArray

    def shares(self, watts: float) -> FloatArray:
        """How much each may have to make up for of so much, W >= 0."""
        if watts <= 0.0 or not self.room.size:
            return np.zeros(self.room.size)
        if self.weight is None:
            return np.minimum(self.room, watts)
        found = np.zeros(self.room.size)
        for part in np.unique(self.within).tolist():
            # Limits may keep all other parts from giving theirs.
            rows = np.flatnonzero((self.within == part) | (self.within < 0))
            nothing = np.zeros(rows.size)
            shares = water_fill(watts, nothing, self.room[rows], nothing, self.weight[rows])
            mine = self.within[rows] == part
            found[rows[mine]] = shares[mine]
        return found


@dataclass(frozen=True, slots=True)
class Swing:
    """A group in which some make up for others.

    `members`: by position in the target, those whose own changes count. `unknown`: what sun and demand may change it
    by, once they are not known. `others`: what may change otherwise outside the target, or is asked and not there.
    `spare`: so much may change before anybody makes up for it. `up`, `down`: who gives more, and takes more.
    `total`: whether it has a total of its own.
    """

    members: IntArray
    unknown: Ways
    others: Ways
    spare: Ways
    up: Crew
    down: Crew
    total: bool


def made_up(
    swings: Sequence[Swing], changes: tuple[FloatArray, FloatArray], moody: float
) -> tuple[FloatArray, FloatArray]:
    """How much more each device of a target may have to give, and take, W >= 0.

    Args:
        swings: its groups.
        changes: how much less each may give, and take, than it is counted with, W >= 0.
        moody: for what part of the time sun and demand are not known, 0..1.
    """
    less, more = changes
    sums = np.zeros_like(less), np.zeros_like(less)
    tops = np.zeros_like(less), np.zeros_like(less)
    for swing in swings:
        for way, (side, crew) in enumerate(((less, swing.up), (more, swing.down))):
            watts = swing.others[way] + float(side[swing.members].sum()) + moody * swing.unknown[way]
            shares = crew.shares(watts - swing.spare[way])
            inside = crew.places >= 0
            places, mine = crew.places[inside], shares[inside]
            if swing.total:
                sums[way][places] += mine
            else:  # limits that lie in each other speak of the same change
                tops[way][places] = np.maximum(tops[way][places], mine)
    return sums[0] + tops[0], sums[1] + tops[1]
