"""A command to a charging point while it is carried out: what was done of it, and how long it holds. Pure."""

from __future__ import annotations

import math

from gridiface.domain.controls import Setpoint
from gridiface.drivers.api import Ack


class Doing:
    """What a command has done so far."""

    def __init__(self, device_id: str, skipped: list[str]) -> None:
        self.written: dict[str, float] = {}
        self.read_back: dict[str, float] = {}
        self.notes: list[str] = []
        self.skipped = skipped
        self.active_power_w: float | None = None
        self.revert_s: float | None = None
        self._id = device_id

    def done(self, now: float) -> Ack:
        """As an Ack; what could not be read back was confirmed by the protocol's own status."""
        return Ack(
            device_id=self._id,
            at=now,
            written=self.written,
            read_back=self.written | self.read_back,
            active_power_w=self.active_power_w,
            revert_s=self.revert_s,
            notes=tuple(self.notes),
            skipped=tuple(self.skipped),
        )


def seconds_of(command: Setpoint, revert_s: float | None, now: float) -> float | None:
    """How long the limit holds: as configured, but not beyond the command's own end."""
    if command.valid_until is None or math.isinf(command.valid_until):
        return revert_s
    left = max(1.0, float(math.ceil(command.valid_until - now)))
    return left if revert_s is None else min(revert_s, left)
