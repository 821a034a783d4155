"""Whose part of one total is whose: regulation that rides on a set-point, and programs with reserved parts.

Several controls can ask for one total at the same time. Each has in its account what it asked, what it was given, and
its part of what the total differs from what was asked, so that accounts of one target sum up to its total, and devices'
lines to those. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gridiface.aggregation.accounting.device_lines import ACKNOWLEDGED, ALLOCATED, DELIVERED, held_of
from gridiface.aggregation.accounting.scoring import Sample
from gridiface.aggregation.allocate import FloatArray
from gridiface.aggregation.allocate.problem import IntArray, span
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant

#: How long what a signal asked for counts as what it may have moved the total by: a score looks as far back, s.
MOVED_S = 300.0


@dataclass(frozen=True, slots=True)
class Rides:
    """A regulation signal on a total, W.

    Attributes:
        base_w: what is asked beside it: the set-point, or what the total was without a request.
        base_given_w: as much of that as the limits leave.
        asked_w, given_w: the signal itself, and what of it the limits leave on top of the base.
        moved_w: the largest signal of the last minutes, without regard to sign; infinity where nobody else asks.
    """

    base_w: float
    base_given_w: float
    asked_w: float
    given_w: float
    moved_w: float

    @classmethod
    def of(cls, total_w: float, signal_w: float, low_w: float, high_w: float, moved_w: float) -> Rides:
        """Of a total that is asked with the signal in it, clipped to [low, high]."""
        base_w = total_w - signal_w
        base_given_w = min(max(base_w, low_w), high_w)
        given_w = min(max(total_w, low_w), high_w) - base_given_w
        return cls(base_w, base_given_w, signal_w, given_w, moved_w)

    def response_w(self, delivered_w: float) -> float:
        """What the signal moved the total by, as measured: the total less the base.

        Where somebody else asks for the base it is at most as much as the signal moved lately: what is missing or too
        much beyond that is the set-point's.
        """
        return min(max(delivered_w - self.base_given_w, -self._most_w), self._most_w)

    def part_of_error(self, delivered_w: float) -> float:
        """The part of the difference between the total and what it should be that is the signal's, 0 to 1."""
        error_w = delivered_w - self.base_given_w - self.given_w
        if abs(error_w) < 1e-9:
            return 1.0
        return min(max((self.response_w(delivered_w) - self.given_w) / error_w, 0.0), 1.0)

    @property
    def _most_w(self) -> float:
        return max(self.moved_w, abs(self.given_w))


@dataclass(frozen=True, slots=True)
class Split:
    """One moment of a total that a signal is in, divided once for both accounts.

    Attributes:
        acknowledged: the part of what is told that is acknowledged, by the devices' ratings, 0 to 1.
        held, signals: what the devices hold (see `held_of`), and the signal's part of it; None: no lines of devices.
    """

    acknowledged: float
    held: FloatArray | None
    signals: FloatArray | None

    @classmethod
    def of(cls, sample: Sample, rides: Rides, columns: Columns, rows: IntArray) -> Split:
        """Of the account of the whole total; `rows`: the target's devices."""
        acknowledged = _acknowledged(columns, rows)
        if sample.devices is None:
            return cls(acknowledged, None, None)
        held = held_of(columns, sample.devices)
        return cls(acknowledged, held, signals_of(columns, sample.devices, held, rides, sample.delivered_w))


def signals_of(
    columns: Columns, rows: IntArray, held: FloatArray, rides: Rides, delivered_w: float | None
) -> FloatArray:
    """The signal's part of what `held` says of the devices: by their ratings, and as much of each one's error."""
    told, watts = held[ALLOCATED], held[DELIVERED]
    here = span(rows)
    asked = np.isfinite(told)
    weights = np.where(asked, columns.set_max_w[here], 0.0)
    whole = float(weights.sum())
    mine = weights * (rides.given_w / whole if whole > 0 else 0.0)
    part = 1.0 if delivered_w is None else rides.part_of_error(delivered_w)
    signals = np.empty_like(held)
    signals[ALLOCATED] = np.where(asked, mine, np.nan)
    signals[ACKNOWLEDGED] = signals[ALLOCATED] * columns.acknowledged[here]
    # Who is told nothing has no part of the signal, and is as unknown as what is measured of it.
    delivered = mine + np.where(asked, part * (watts - told), 0.0 * watts)
    if delivered_w is not None and abs(float(np.nansum(watts)) - delivered_w) <= 1e-6 * max(abs(delivered_w), 1.0):
        # Without a meter the total is what is measured of these: what is missing of those who are not heard is theirs.
        heard = np.where(np.isfinite(delivered), weights, 0.0)
        rest, whole = rides.response_w(delivered_w) - float(np.nansum(delivered)), float(heard.sum())
        delivered += heard * (rest / whole if whole > 0 else 0.0)
    signals[DELIVERED] = delivered
    return signals


def of_signal(sample: Sample, rides: Rides, split: Split) -> Sample:
    """The account of a regulation signal: what it asked to move the total by, and by what it moved it."""
    delivered, told = sample.delivered_w, sample.allocated_w is not None
    return replace(
        sample,
        requested_w=rides.asked_w,
        accepted_w=rides.given_w,
        allocated_w=rides.given_w if told else None,
        acknowledged_w=rides.given_w * split.acknowledged if told else None,
        delivered_w=None if delivered is None else rides.response_w(delivered),
        held=split.signals,
    )


def without_signal(sample: Sample, rides: Rides, split: Split) -> Sample:
    """The account of a set-point that a signal rides on: the total without the signal's part."""
    delivered, acknowledged = sample.delivered_w, sample.acknowledged_w
    return replace(
        sample,
        requested_w=rides.base_w,
        accepted_w=rides.base_given_w,
        allocated_w=None if sample.allocated_w is None else sample.allocated_w - rides.given_w,
        acknowledged_w=None if acknowledged is None else acknowledged - rides.given_w * split.acknowledged,
        delivered_w=None if delivered is None else delivered - rides.response_w(delivered),
        held=None if split.held is None or split.signals is None else split.held - split.signals,
    )


def _acknowledged(columns: Columns, rows: IntArray) -> float:
    """The part of what is told that is acknowledged, by the devices' ratings, 0 to 1."""
    here = span(rows)
    weights = np.where(np.isfinite(columns.told_w[here]), columns.set_max_w[here], 0.0)
    whole = float(weights.sum())
    return float(weights[columns.acknowledged[here]].sum()) / whole if whole > 0 else 0.0


def of_part(sample: Sample, given_w: float, share: float, given_to_all_w: float, columns: Columns) -> Sample:
    """One program's reserved part of a total: what it was given, and its share of what the total differs by.

    Args:
        sample: of the whole total.
        given_w: what this program is given now, W; `given_to_all_w`: what all that have a part are.
        share: the part reserved to it, 0 to 1.
    """
    own_w = given_w - share * given_to_all_w

    def mine(total: float | None) -> float | None:
        return None if total is None else own_w + share * total

    made = replace(
        sample,
        allocated_w=mine(sample.allocated_w),
        acknowledged_w=mine(sample.acknowledged_w),
        delivered_w=mine(sample.delivered_w),
    )
    if sample.devices is None:
        return made
    held = held_of(columns, sample.devices) if sample.held is None else sample.held
    weights = np.where(np.isfinite(held), columns.set_max_w[span(sample.devices)], 0.0)
    whole = weights.sum(axis=1, keepdims=True)
    return replace(
        made, held=share * held + own_w * np.divide(weights, whole, out=np.zeros_like(weights), where=whole > 0)
    )


class Moved:
    """How far the signals of each target went in the last minutes."""

    def __init__(self) -> None:
        self._peaks: dict[object, list[tuple[Instant, float]]] = {}

    def by(self, target: object, signal_w: float, now: Instant) -> float:
        """The largest signal of the last minutes, this one included, W without sign."""
        size = abs(signal_w)
        # Falling from the front: what is behind and smaller than the newest never is the largest again.
        kept = [(at, watts) for at, watts in self._peaks.get(target, []) if watts > size and 0 <= now - at <= MOVED_S]
        self._peaks[target] = [*kept, (now, size)]
        return self._peaks[target][0][1]
