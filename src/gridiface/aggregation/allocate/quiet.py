"""Keep the wire quiet: send only what moved, and move just enough of the rest that the sum still holds."""

from __future__ import annotations

import numpy as np

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray

#: Rounds after which everyone that moves at all is told.
ROUNDS = 6


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
        toward = rest if missing > 0 else -rest
        order = np.argsort(-toward, kind="stable")
        gained = np.cumsum(toward[order])
        count = int(np.searchsorted(gained, abs(missing) - tolerance)) + 1
        send[order[: min(count, order.size)]] = True
    send |= move != 0.0
    return send


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
