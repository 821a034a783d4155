"""Whether a group's meter sees what its members do.

A loop that is closed over a meter that stands still, counts the wrong way round or tells another scale runs away: it
asks for more and more of what the meter does not show. That a meter shows nothing while members move is not enough to
tell: a loop that works looks like that while a load beside the members changes. But then the load comes first, and what
members answer it with is seen. So moves are judged by themselves: from where members stood still until they have moved,
and the meter had the time to show it. One that is not seen may be a load that went the other way; several in a row are
none.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gridiface.domain.clock import Instant

#: Members that moved by less than this part of their ratings stand still; a move of less than this, or than so much, W,
#: is not judged.
STILL, MOVE, MOVE_W = 0.005, 0.03, 100.0

#: A move is judged when this part of it is so long ago that the meter has seen it.
MOST = 0.8

#: A meter may be behind its members by so much, s, and by so many of its own periods.
BEHIND_S, BEHIND_PERIODS = 2.0, 1.5

#: A longer move is not judged: too much may have happened beside it, s.
LONGEST_S = 20.0

#: A move is not seen when the meter misses this part of it, at least and at most: the lower end is that of one that
#: stands still, the upper that of one that counts the wrong way round. More than that is another thing.
UNSEEN = (0.8, 2.3)

#: So many moves in a row that are not seen, and together this part of the ratings, are the meter's: many, or large.
ENOUGH = ((3, 0.2), (2, 0.4))

#: Members must have moved by this part of their ratings in all, in the end: what goes to and fro leads nowhere.
LED = 0.15

#: What lay beside the members is believed as it was so long before the first such move, s: a meter that goes wrong
#: makes them move.
BEFORE_S = 10.0

#: While a move that was not seen is open, or a large one is under way and not seen so far, what lies beside the members
#: is followed so far from what it was before, part of their ratings, and so much further each time that so much has
#: passed without another word, s: the loop moves them by that, which a meter that is right shows, and one that is wrong
#: does not.
LEASH, LEASH_S = 0.1, 10.0


@dataclass(frozen=True, slots=True)
class _Look:
    """One reading of the meter: when, what it showed, what members gave and what was taken to lie beside them, W."""

    at: Instant
    metered: float
    members: float
    beside: float


@dataclass(slots=True)
class Sight:
    """Of one group and its meter."""

    _looks: list[_Look] = field(default_factory=list)
    _start: _Look | None = None  # where members stood still last, before they moved
    _first: _Look | None = None  # where the first of the moves began that were not seen
    _open: _Look | None = None  # where the move began that is under way, large, and not seen so far
    _moves: int = 0
    _together: float = 0.0
    _good: float = 0.0

    def forget(self) -> None:
        """Other members are counted than before, or the clock was set: what they move by from now on is compared."""
        self._looks, self._start, self._open = [], None, None
        self._seen()

    def leash(self, at: Instant, rating_w: float) -> tuple[float, float] | None:
        """Between what values what lies beside the members is to be followed, W; None: wherever it goes.

        Args:
            at: now.
            rating_w: of the members together.
        """
        if (first := self._first or self._open) is None:
            return None
        far = LEASH * rating_w * (1.0 + max(at - first.at, 0.0) // LEASH_S)
        good = self._good if self._first is not None else self._before(first)
        return good - far, good + far

    def look(
        self,
        at: Instant,
        metered_w: float,
        members_w: float,
        beside_w: float,
        *,
        rating_w: float,
        period_s: float,
        least_s: float,
        on_the_way: bool = True,
    ) -> float | None:
        """Take a reading in.

        Args:
            at: when it came.
            metered_w, members_w: at the meter, and the sum of the members, W, + delivered.
            beside_w: what is taken to lie beside the members, before this reading.
            rating_w: of the members together.
            period_s: of the meter's readings.
            least_s: a meter that shows moves so late is still one.
            on_the_way: whether members may do something else by now than they were read to. Where none may at the first
                reading, the first move is judged, too, however soon it begins.

        Returns:
            What lay beside the members before the meter ceased to see them, W; None while it sees them.
        """
        now, behind = _Look(at, metered_w, members_w, beside_w), BEHIND_S + BEHIND_PERIODS * period_s
        self._looks.append(now)
        while len(self._looks) > 1 and self._looks[1].at <= at - LONGEST_S - BEFORE_S - behind:
            self._looks.pop(0)
        before = self._as_of(at - behind)
        if before is None:
            if len(self._looks) == 1 and not on_the_way:
                self._start = now
            return None
        start, self._open = self._start, None
        if start is not None and before.at >= start.at:
            if _over(start, before, now, rating_w):
                self._start = None
                self._judge(start, before, now)
            elif abs(before.members - start.members) >= LED * rating_w and self._is_unseen(start, before, now):
                self._open = start
        if all(abs(one.members - members_w) <= STILL * rating_w for one in self._looks if one.at >= before.at):
            self._start = now
        elif start is not None and at - start.at > LONGEST_S:
            self._start = None
        return self._verdict(before, now, rating_w, least_s)

    def _judge(self, start: _Look, before: _Look, now: _Look) -> None:
        """Members have moved: whether the meter has shown it."""
        if self._missed(start, before, now) < UNSEEN[0]:
            self._seen()
        if not self._is_unseen(start, before, now):
            return
        if self._first is None:
            self._first, self._good = start, self._before(start)
        self._moves += 1
        self._together += abs(now.members - start.members)

    def _is_unseen(self, start: _Look, before: _Look, now: _Look) -> bool:
        return UNSEEN[0] <= self._missed(start, before, now) <= UNSEEN[1]

    def _before(self, start: _Look) -> float:
        """What lay beside the members before a move, W."""
        good = self._as_of(start.at - BEFORE_S)
        return (self._looks[0] if good is None else good).beside

    def _verdict(self, before: _Look, now: _Look, rating_w: float, least_s: float) -> float | None:
        """Whether it is enough; see `look`."""
        if not any(self._moves >= moves and self._together >= part * rating_w for moves, part in ENOUGH):
            return None
        first = self._first
        assert first is not None
        if now.at - first.at < least_s or abs(before.members - first.members) < LED * rating_w:
            return None
        if self._missed(first, before, now) < UNSEEN[0]:
            self._seen()  # it was late, no more
            return None
        good_w = self._good
        self.forget()
        return good_w

    def _missed(self, start: _Look, before: _Look, now: _Look) -> float:
        """What part of the members' move the meter does not show; it may have seen any of what they gave since."""
        moved, shown = before.members - start.members, now.metered - start.metered
        moves = [one.members - start.members for one in self._looks if one.at >= before.at]
        missed = shown - min(max(shown, min(moves)), max(moves))
        return -missed / moved

    def _seen(self) -> None:
        self._first, self._moves, self._together = None, 0, 0.0

    def _as_of(self, at: Instant) -> _Look | None:
        """The last look at that time or before it."""
        return next((one for one in reversed(self._looks) if one.at <= at), None)


def _over(start: _Look, before: _Look, now: _Look, rating_w: float) -> bool:
    """Whether members have moved far enough, and most of it so long ago that the meter has seen it."""
    far, further = abs(before.members - start.members), abs(now.members - start.members)
    return far >= max(MOVE * rating_w, MOVE_W) and MOST * further <= far
