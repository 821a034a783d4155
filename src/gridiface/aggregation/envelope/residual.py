"""What one group's meter sees beside its members: the difference of the two, taken at each reading of the meter.

The two are not read at one instant: who moves is a reading ahead of the meter, or behind it. So the difference is
smoothed, and what is known at least of it is kept beside that: what members' own movement does not explain is there,
and limits need not wait for the smoothing. Who is counted among the members changes, too: who falls silent goes on
behind the meter, and who is heard again is no longer beside the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray, IntArray
from gridiface.domain.clock import Instant

#: A meter may be behind its members by so much, s, and by one reading of its own.
BEHIND_S = 2.0

#: A jump of the difference of at least so much, W, is a member's own when its next reading shows the same move but for
#: this part of it.
JUMP_W, SAME_MOVE = 100.0, 0.2

#: Who falls silent is behind the meter with what it was read to where the meter showed everybody's power as expected
#: before, but for this part of what those gave who fall silent.
AS_EXPECTED = 0.2


@dataclass(frozen=True, slots=True)
class Beside:
    """What lies beside the members of a group at its metered points, W, + delivered.

    `watts`: smoothed. `high`, `low`: what limits upwards and downwards count with; `low <= watts <= high`. `behind`:
    what of it is of members that are not heard: their rows in the fleet, and W; not known of others.
    """

    watts: float = 0.0
    high: float = 0.0
    low: float = 0.0
    behind: tuple[IntArray, FloatArray] | None = field(default=None, compare=False)

    @classmethod
    def steady(cls, watts: float) -> Beside:
        """That of which nothing newer is known."""
        return cls(watts, watts, watts)

    def within(self, low: float, high: float) -> Beside:
        """The same where totals count with no more and no less than that, W; what limits count with stays."""
        watts = min(max(self.watts, low), high)
        return replace(self, watts=watts, high=max(self.high, watts), low=min(self.low, watts))

    @property
    def given(self) -> float:
        """What generators there may give at most, W: loads beside them hide nothing of who is known to be behind."""
        behind = self.behind_sums[1]
        return max(self.high - behind, 0.0) + behind

    @property
    def taken(self) -> float:
        """What loads there may take at most, W, <= 0."""
        behind = self.behind_sums[0]
        return min(self.low - behind, 0.0) + behind

    @property
    def behind_sums(self) -> tuple[float, float]:
        """What those in `behind` take (<= 0) and what they give (>= 0), W."""
        return self.behind_but(())

    def behind_but(self, others: Iterable[Beside]) -> tuple[float, float]:
        """The same of those of whom none of `others` knows that they are behind its meter, too."""
        if self.behind is None:
            return 0.0, 0.0
        rows, watts = self.behind
        for other in others:
            if other.behind is not None:
                watts = np.where(np.isin(rows, other.behind[0]), 0.0, watts)
        return float(np.minimum(watts, 0.0).sum()), float(np.maximum(watts, 0.0).sum())

    def beyond(self, ups: FloatArray, downs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What members that are not heard may do beyond what is in it already, W.

        Args:
            ups, downs: the most and the least that each may do, over the rows of the fleet; >= 0 and <= 0.
        """
        if self.behind is None:
            return ups, downs
        (rows, watts), ups, downs = self.behind, ups.copy(), downs.copy()
        ups[rows] = np.maximum(ups[rows] - np.maximum(watts, 0.0), 0.0)
        downs[rows] = np.minimum(downs[rows] - np.minimum(watts, 0.0), 0.0)
        return ups, downs

    def __add__(self, other: Beside) -> Beside:
        """That of two groups that have no member in common."""
        behind = self.behind or other.behind
        if self.behind and other.behind:
            rows, watts = zip(self.behind, other.behind, strict=True)
            behind = np.concatenate(rows), np.concatenate(watts)
        return Beside(self.watts + other.watts, self.high + other.high, self.low + other.low, behind)


#: Where there is no meter.
NOTHING = Beside()


@dataclass(frozen=True, slots=True)
class Members:
    """The members of a group as they are counted now, one entry each, W, + delivered.

    `watts`: 0 of who is not counted. `read`: by a reading of theirs that is believed. `coming`: how much more they may
    give already than they were read to, as they were told since: (least, most), W.
    """

    watts: FloatArray
    read: BoolArray
    coming: tuple[float, float] = (0.0, 0.0)


@dataclass(slots=True)
class Residual:
    """The difference of one group; 0 before the first reading of the meter."""

    watts: float = 0.0
    read: Instant = -math.inf  # when that reading of the meter came which was taken in last
    _least: float = -math.inf  # what members' movement leaves of the last difference at least, and at most
    _most: float = math.inf
    _difference: float = math.nan  # what the meter's last reading leaves of those who are counted now, W
    _members: Members | None = None
    _behind: FloatArray | None = None  # see `behind`
    _others: bool = False  # others are read than at the meter's last reading
    _jump: float = 0.0  # by how much the last difference was off what was counted with, W, where that may be a member
    _taken: float = 0.0  # what part of it was taken over
    _walked: float = 0.0  # what the members moved by in all, W
    _path: list[tuple[Instant, float]] = field(default_factory=list)

    @property
    def beside(self) -> Beside:
        """As it is counted with now.

        Where somebody is back since the last reading of the meter, what was smoothed until then may be anything that
        this reading leaves.
        """
        high, low = max(self.watts, self._least), min(self.watts, self._most)
        if self._others and math.isfinite(self._most - self._least):
            high, low = max(high, self._most), min(low, self._least)
        return Beside(self.watts, high, low)

    @property
    def jumped(self) -> bool:
        """Whether the last reading of the meter may have shown a move that members are still to be read to."""
        return self._members is not None and abs(self._jump) >= JUMP_W

    def takes(self, read: Instant) -> bool:
        """Whether a reading of the meter that came then is new; an old one tells nothing of what members do now."""
        return read > self.read

    def forget(self) -> None:
        """The group has other members than before: who they are is compared from the next reading on."""
        self._members = self._behind = None

    def others(self, read: BoolArray) -> bool:
        """Whether others are read than at the meter's last reading."""
        return self._others or self._members is None or not np.array_equal(self._members.read, read)

    def behind(self) -> FloatArray | None:
        """What the meter is taken to show of each member that is not read, W; 0: not known. None: of nobody."""
        return self._behind

    def compare(self, members: Members, *, goes_on: FloatArray | None = None, parts: bool = True) -> None:
        """Who is read since the last reading of the meter is beside the others no longer, who is read no more is.

        Else it would be counted twice, or not at all, until the meter's next reading.

        Args:
            members: as they are counted now.
            goes_on: what each was read to last, W; NaN where that is not believed: as when the meter was read.
            parts: whether the meter can be read: what it saw of who falls silent with it may be over.
        """
        last = self._members
        if last is None:
            return
        read = members.read if parts else members.read | last.read
        if not (other := read ^ last.read).any():
            return
        went = other & last.read
        left = last.watts if goes_on is None else np.where(np.isnan(goes_on), last.watts, goes_on)
        off = np.abs(left - last.watts)[went] + abs(self._difference - self.watts)
        behind = np.zeros(other.size) if self._behind is None else np.where(read, 0.0, self._behind)
        behind[went] = np.where(off <= AS_EXPECTED * np.abs(left[went]).sum(), left[went], 0.0)
        self._behind = behind if behind.any() else None
        self._shift(float(left[went].sum()) + float((last.watts - members.watts)[other & ~went].sum()))
        self._others = True
        self._members = Members(np.where(went, 0.0, np.where(other, members.watts, last.watts)), read)

    def explained(self, members: Members, later: BoolArray) -> None:
        """What the meter saw of members that moved by themselves is theirs as soon as they are read to it.

        Until the meter's next reading it would be counted twice: as theirs, and beside them.

        Args:
            members: as they are counted now.
            later: who is read for the first time since the meter was, and was told nothing in between.
        """
        last = self._members
        if last is None or not self.jumped:
            return
        moves = np.where(later & members.read & last.read, members.watts - last.watts, 0.0)
        moved = float(moves.sum())
        if abs(moved - self._jump) > SAME_MOVE * abs(self._jump):
            return
        self._least -= moved
        self._most -= moved
        self._difference -= moved
        self.watts -= self._taken * moved
        self._walked += moved
        self._path[-1] = self._path[-1][0], self._walked
        self._members, self._jump = Members(last.watts + moves, last.read), 0.0

    def update(
        self,
        metered_w: float,
        members: Members,
        *,
        filter_s: float,
        read: Instant,
        usual_s: float = math.inf,
        goes_on: FloatArray | None = None,
    ) -> None:
        """Take a reading of the meter in, and what its members were read to when it came.

        Args:
            metered_w: at the group's meter, W, + delivered.
            members: as they are counted.
            filter_s: time constant of the smoothing, s; 0: none.
            read: when it came, later than the last.
            usual_s: time between readings, s; after a longer silence what has changed since is smoothed like the rest.
            goes_on: see `compare`.
        """
        self.compare(members, goes_on=goes_on)
        total, last = float(members.watts.sum()), self._members
        moved = 0.0 if last is None else float((members.watts - last.watts).sum())
        difference = metered_w - total
        since, self.read, self._members, self._difference = read - self.read, read, members, difference
        part = 1.0 if filter_s <= 0 or math.isinf(since) else min(1.0, since / filter_s, usual_s / filter_s)
        self._jump, self._taken = 0.0 if self._others or math.isinf(since) else difference - self.watts, part
        before = self.watts
        self.watts += part * (difference - self.watts)
        self._walk(read, moved)
        ahead = [self._walked - walked for _, walked in self._path]
        self._least = difference + min(ahead) - max(members.coming[1], 0.0)
        self._most = difference + max(ahead) - min(members.coming[0], 0.0)
        self._check_behind(before)
        if self._others:  # what was taken for theirs may have been something else: it is not smoothed away
            self.watts, self._others = min(max(self.watts, self._least), self._most), False

    def shift_time(self, seconds: float) -> None:
        """The clock was set: keep the distances."""
        self.read += seconds
        self._path = [(at + seconds, walked) for at, walked in self._path]

    def _check_behind(self, before_w: float) -> None:
        """Who may be what the meter ceased to show since then may begin again."""
        if self._behind is not None:
            off = max(before_w - self._most, self._least - before_w, 0.0)
            self._behind = np.where(off >= (1.0 - AS_EXPECTED) * np.abs(self._behind), 0.0, self._behind)

    def _shift(self, watts: float) -> None:
        """So much more lies beside the members, and so much less of it is theirs."""
        self.watts += watts
        self._difference += watts
        self._least += watts
        self._most += watts

    def _walk(self, read: Instant, moved: float) -> None:
        """Keep where the members were when the meter may have seen them: at its last reading, or shortly before."""
        self._walked += moved
        self._path.append((read, self._walked))
        while len(self._path) > 2 and self._path[0][0] < read - BEHIND_S:
            self._path.pop(0)
