"""What a device's settings held before they were written first, known beyond the end of the process.

Owned here: what is kept, its form, whose it is. It is durable before the device is told anything, so that whatever
happens after it can be put right. What is written back, and when, is entering.py's and controls.py's.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping

from gridiface.domain.controls import ControlMode
from gridiface.drivers.api import DeviceBusy, Keep
from gridiface.errors import StoreUnavailable

_log = logging.getLogger(__name__)


class Memory:
    """The settings of one device as they were, by mode; values in the units of the mode."""

    def __init__(self) -> None:
        self.values: dict[ControlMode, float] = {}
        self._serial = ""
        self._kept = b""
        self._keep: Keep | None = None

    def recall(self, kept: bytes, keep: Keep) -> None:
        """Take up what was kept last; from now on it is kept by `keep`."""
        self._keep = keep
        self._kept = kept
        if kept:
            self._serial, self.values = _unpacked(kept)

    def belongs_to(self, serial: str) -> None:
        """The device has told who it is: what another one in its place held is none of its settings."""
        if self.values and serial != self._serial:
            _log.warning("device %s is there in place of %s: what that one held is forgotten", serial, self._serial)
            self.values = {}
        self._serial = serial

    async def add(self, held: Mapping[ControlMode, float]) -> None:
        """Settings are about to be written: those not yet known are kept as the device holds them now.

        Raises:
            DeviceBusy: it cannot be kept now; nothing may be written.
        """
        fresh = {mode: value for mode, value in held.items() if mode not in self.values}
        self.values |= fresh
        try:
            await self._keep_all()
        except StoreUnavailable as problem:
            for mode in fresh:
                del self.values[mode]
            raise DeviceBusy(f"what the device holds before it is told cannot be kept: {problem}") from problem

    async def drop(self, modes: Iterable[ControlMode]) -> None:
        """These settings are again as they were.

        Where that cannot be kept now, the next change keeps it: to put a setting right twice does no harm.
        """
        for mode in modes:
            self.values.pop(mode, None)
        try:
            await self._keep_all()
        except StoreUnavailable as problem:
            _log.warning("settings that were put right are remembered until the next change: %s", problem)

    async def _keep_all(self) -> None:
        packed = _packed(self._serial, self.values)
        if self._keep is not None and packed != self._kept:
            await self._keep(packed)
            self._kept = packed


def _packed(serial: str, values: Mapping[ControlMode, float]) -> bytes:
    if not values:
        return b""
    held = {mode.value: value for mode, value in values.items()}
    return json.dumps({"serial": serial, "held": held}, sort_keys=True).encode()


def _unpacked(kept: bytes) -> tuple[str, dict[ControlMode, float]]:
    try:
        body = json.loads(kept)
        return str(body["serial"]), {ControlMode(name): float(value) for name, value in body["held"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        _log.warning("what a device held before cannot be read and is forgotten: %r", problem)
        return "", {}
