"""Keep the wire quiet: send only what moved, and move just enough of the rest that the sum still holds."""

from __future__ import annotations

import numpy as np

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray, IntArray

#: Rounds after which everyone that moves at all is told.
ROUNDS = 6

#: Of more moves than this only those are put in order between which the line is drawn: to sort a whole large fleet
#: costs five times all the rest of a step. They are told apart by so many classes of size.
SORTED, CLASSES = 512, 1024


def to_send(told: FloatArray, wanted: FloatArray, deadband: FloatArray, tolerance: float) -> BoolArray:
    """Which devices get a new set-point.

    Everyone that is to move by more than its dead-band, everyone that was told nothing yet (`told` NaN), and, where
    the small moves left out add up to more than `tolerance` watts, as few more as bring the sum back inside it.

    Args:
        told, wanted: what each device holds and what it should hold, W.
        deadband: W per device, >= 0.
        tolerance: W, how far the sum may be off.
    """
    move = wanted - told
    keep = np.abs(move) <= deadband  # NaN compares false: never told
    send: BoolArray = ~keep
    if not keep.any():
        return send
    for _ in range(ROUNDS):
        rest = np.where(send, 0.0, move)
        missing = float(rest.sum())
        if abs(missing) <= tolerance:
            return send
        # The largest moves in the direction that lacks; the last of them may carry the sum past it, hence the rounds.
        send[_largest(rest if missing > 0 else -rest, abs(missing) - tolerance)] = True
    send |= move != 0.0
    return send


def _largest(moves: FloatArray, needed: float) -> IntArray:
    """The fewest rows whose moves add up to `needed`, the largest first, or all that are above 0. W."""
    rows = np.flatnonzero(moves > 0.0)
    sure = rows[:0]
    if rows.size > SORTED:
        some = moves[rows]
        class_of = np.minimum(some * (CLASSES / float(some.max())), CLASSES - 1).astype(np.int64)
        reached = np.cumsum(np.bincount(class_of, weights=some, minlength=CLASSES)[::-1])
        line = CLASSES - 1 - int(np.searchsorted(reached, needed))
        sure, rows = rows[class_of > line], rows[class_of == line]
        needed -= float(moves[sure].sum())
    order = rows[np.argsort(-moves[rows], kind="stable")]
    count = int(np.searchsorted(np.cumsum(moves[order]), needed)) + 1
    return np.concatenate((sure, order[:count]))


def reusable(told: FloatArray, lo: FloatArray, hi: FloatArray, target: float, tolerance: float) -> bool:
    """Whether the last split still is an answer: inside all bounds, its sum within `tolerance` of the target.

    Args:
        told: the last split, W, shape (n,); NaN for who was never told, and then it is no answer.
        lo, hi: bounds of each device, W, + delivered, shape (n,).
        target, tolerance: W.
    """
    if not abs(float(told.sum()) - target) <= tolerance:  # NaN: somebody was never told
        return False
    slack = 1e-6 + 1e-9 * np.abs(told)
    return bool(np.all((told >= lo - slack) & (told <= hi + slack)))
