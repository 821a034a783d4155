"""The local schedule: what holds in a daily window while no control and no default says anything of its kind. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gridiface.domain.controls import ControlMode, ModeValue, Target
from gridiface.domain.local_time import DailyWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSchedule:
    """One line of it: last in arbitration, after controls and defaults."""

    id: str
    target: Target
    window: DailyWindow
    values: Mapping[ControlMode, ModeValue] = field(default_factory=dict)
