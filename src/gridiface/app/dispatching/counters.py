"""What a dispatch counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class DispatchCounters:
    """What happened since the start, for metrics and `--json` reports."""

    controls_accepted: int = 0
    controls_refused: int = 0
    setpoints_handed_out: int = 0
    setpoints_written: int = 0
    setpoints_failed: int = 0
    setpoints_late: int = 0
    readings: int = 0
    store_failures: int = 0
