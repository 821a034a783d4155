"""Who can be relied on: lost and failing devices are left out at once and come back slowly.

Each relapse doubles the time a device has to wait before it is asked again, so that a flapping one does not throw
its share back and forth. Works on whole columns; says who changed.
"""

from __future__ import annotations

import numpy as np

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray, IntArray
from gridiface.aggregation.envelope.doubt import keep
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.log import DecisionLog, device_target
from gridiface.domain.clock import Instant

#: A device that held for so many times its waiting time starts again with a clean record.
FORGIVE = 10.0

#: For so long after a restart who tells by itself may be silent so much longer, s: peers that found nobody there wait
#: 8 s and more before they try again, for each of their messages anew.
RECONNECTING_S, RECONNECT_S = 60.0, 20.0
#: Who was heard so often has found us with all of its messages.
RECONNECTED = 5

#: A way of less than this part of a device's rating shows nothing, nor one of less than so much, W.
SHOWS, SHOWS_W = 0.02, 1e-3

#: A device moved as it was told when it came so much of its way at least, and at most: who goes far beyond does not
#: follow.
WAY = (0.5, 2.0)


def fail(columns: Columns, row: int, now: Instant, *, wait_s: float, longest_s: float, relapse: bool = True) -> bool:
    """A device did not do what it was told. True when that is news.

    Args:
        columns: the fleet.
        row: of the device; it is left out until it comes back.
        now: s since 1970.
        wait_s: how long it is left out the first time; twice as long with each relapse, `longest_s` at most.
        longest_s: see wait_s.
        relapse: whether it was asked and failed; else it waits as long as the last time.
    """
    c = columns
    keep(c, np.array([row]))
    news = not bool(c.down[row])
    if news and not relapse and c.relapses[row]:
        c.relapses[row] -= 1
    wait = min(wait_s * 2.0 ** int(c.relapses[row]), longest_s)
    if news:
        held = now - float(c.back_at[row])
        if held > FORGIVE * wait:
            c.relapses[row] = 0
            wait = wait_s
        c.relapses[row] = min(int(c.relapses[row]) + 1, 30)
    c.down[row], c.trial[row] = True, False
    # Who was tried again in vain took nothing since it failed before: what it shows since then is what it does.
    in_vain = news and not c.lost[row] and bool(c.received[row] > c.down_at[row] > -np.inf)
    if not in_vain:
        c.down_at[row] = now
    # Who opted out and fails, or falls silent, besides is no sooner asked for that.
    c.back_at[row] = max(now + wait, float(c.back_at[row])) if c.opted_out[row] else now + wait
    c.acknowledged[row], c.waits_since[row] = False, np.nan
    c.touched[row] = True
    return news


def opt_out(columns: Columns, row: int, now: Instant, until: Instant) -> bool:
    """A device's customer takes no part in what it was told, `until` then. True when that is news; it is no failure."""
    c = columns
    keep(c, np.array([row]))
    news = not bool(c.opted_out[row] and c.back_at[row] == until)
    c.down[row], c.opted_out[row], c.trial[row] = True, True, False
    c.down_at[row], c.back_at[row] = now, until
    c.opted_at[row] = now
    c.acknowledged[row], c.waits_since[row] = False, np.nan
    c.touched[row] = True
    return news


def opt_in(columns: Columns, row: int, now: Instant) -> None:
    """It takes part again: it is asked with the next step, and nothing needs to be heard of it first."""
    columns.back_at[row], columns.down_at[row] = now, -np.inf


def opt_out_ends(columns: Columns, row: int, until: Instant) -> None:
    """What its customer opted out of is over: it is asked again from `until` on, once it was heard of."""
    if columns.opted_out[row]:
        columns.back_at[row] = until


def recover(columns: Columns, now: Instant) -> IntArray:
    """Let those come back whose waiting time is over and who have been heard of since; their rows.

    A device that never sends telemetry is tried again when its time is over. All are on trial until they take what
    they are told; who took it and did not follow until it moves.
    """
    c = columns
    if not c.down.any():
        return np.empty(0, dtype=np.int64)
    heard = (c.received > c.down_at) | (c.seen == 0)
    back = np.flatnonzero(c.down & ~c.lost & heard & (now >= c.back_at))
    c.down[back], c.opted_out[back] = False, False
    # Who fetches what it is told takes its time, and is handed over to.
    c.trial[back] = ~c.answers[back] | c.unmoved[back]
    c.back_at[back] = now
    c.told_w[back], c.told_order[back] = np.nan, -1  # what they hold by now is not known: they are told at once
    c.touched[back] = True
    return back


def has_moved(start: FloatArray, target: FloatArray, shown: FloatArray, rating: FloatArray) -> BoolArray:
    """Who has moved as it was told, far enough to be seen.

    Args:
        start, target: from where to where it was told to move, W, + delivered; NaN: it was told nothing.
        shown: what it was measured to do since, W.
        rating: of each, W, >= 0.
    """
    way, come = target - start, shown - start
    with np.errstate(invalid="ignore"):
        found: BoolArray = np.abs(way) >= np.maximum(SHOWS * rating, SHOWS_W)
        found &= (come * np.sign(way) >= WAY[0] * np.abs(way)) & (come * np.sign(way) <= WAY[1] * np.abs(way))
    return found


def allowed_silence(columns: Columns, *, lost_after_s: float, reconnecting: bool) -> FloatArray:
    """How long each device may be silent before it counts as lost, s.

    Args:
        columns: the fleet.
        lost_after_s: at least; three times its own period where that is more.
        reconnecting: this process has just begun: who told by itself before found nobody, and tries again in its own
            time, each of its messages apart.
    """
    usual = np.maximum(lost_after_s, 3.0 * columns.period_s)
    if not reconnecting:
        return usual
    searching = columns.reconnects & (columns.seen < RECONNECTED)
    return np.where(searching, np.maximum(usual, RECONNECT_S), usual)


def watch(columns: Columns, now: Instant, allowed_s: FloatArray) -> IntArray:
    """Find those whose telemetry has stopped; their rows. They count as down until they are heard again.

    A device that never sent any is not lost: nothing was known of it. `allowed_s`: see `allowed_silence`.
    """
    c = columns
    age = now - c.received
    silent = (age > allowed_s) & (c.seen > 0) & ~c.lost
    gone = np.flatnonzero(silent)
    c.lost[gone] = True
    c.touched[gone] = True
    return gone


def next_watch(columns: Columns, allowed_s: FloatArray) -> Instant | None:
    """When the next device will have been silent for too long, or the next one may come back."""
    c = columns
    due = []
    heard = (c.seen > 0) & ~c.lost
    if heard.any():
        due.append(float((c.received + allowed_s)[heard].min()))
    waiting = c.down & ~c.lost
    if waiting.any():
        due.append(float(c.back_at[waiting].min()))
    return min(due, default=None)


def quarantine(
    columns: Columns, row: int, now: Instant, reason: str, log: DecisionLog, *, value: float | None = None
) -> bool:
    """Leave a device out, or a meter unheeded, until it is released; False where it is so already.

    Args:
        columns: the fleet.
        row: whose telemetry is not believed.
        now: when.
        reason: for the record.
        log: the record.
        value: for the record.
    """
    c = columns
    if bool(c.quarantined[row]):
        return False
    c.quarantined[row], c.touched[row], c.acknowledged[row] = True, True, False
    c.odd_since[row] = now
    text = f"{reason}; left out until it is released"
    log.add(now, device_target(c.ids[row]), "telemetry", "quarantined", text, value=value)
    return True
