"""What one tick returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gridiface.aggregation.accounting.device_lines import DeviceLines
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Decision, Outcome, Setpoint
from gridiface.domain.performance import PerformanceInterval


@dataclass(frozen=True, slots=True)
class TickResult:
    """What one tick wants done and recorded.

    `setpoints`, `outcomes` and `performance` may make their members on access (see `setpoints.SetpointBatch`,
    `late.Late`); iterate the first once. `moved`: the controls that took a step themselves, not only for a device.
    `lines`: what is known of the devices of running controls, to be made durable together with the first part of
    `performance`; of those that are over, the last such, whose intervals are in `performance`. Of an interval that is
    long it has what there is so far every few seconds: the next of the same control, target and start takes its place.
    """

    setpoints: Sequence[Setpoint] = ()
    outcomes: Sequence[Outcome] = ()
    decisions: tuple[Decision, ...] = ()
    performance: Sequence[PerformanceInterval] = ()
    at: Instant = 0.0
    moved: frozenset[str] = frozenset()
    lines: tuple[DeviceLines, ...] = ()
