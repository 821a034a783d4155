"""What a device's settings held before they were written first, known beyond the end of the process.

Owned here: what is kept, its form, whose it is. It is durable before the device is told anything, so that whatever
happens after it can be put right. What is written back, and when, is entering.py's, controls.py's and adopting.py's.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from gridiface.domain.controls import ControlMode
from gridiface.drivers.api import DeviceBusy, Keep
from gridiface.errors import StoreUnavailable

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CurveBefore:
    """A function with curves before it was told anything: enabled or not, which stored set was in force, its values."""

    enabled: bool
    index: int
    content: dict[str, float] = field(default_factory=dict)


class Memory:
    """The settings of one device as they were: by mode, in the units of the mode; curves and droop by their model."""

    def __init__(self) -> None:
        self.values: dict[ControlMode, float] = {}
        self.curves: dict[int, CurveBefore] = {}
        self._serial = ""
        self._kept = b""
        self._keep: Keep | None = None

    def recall(self, kept: bytes, keep: Keep) -> None:
        """Take up what was kept last; from now on it is kept by `keep`."""
        self._keep = keep
        self._kept = kept
        if kept:
            self._serial, self.values, self.curves = _unpacked(kept)

    def belongs_to(self, serial: str) -> None:
        """The device has told who it is: what another one in its place held is none of its settings."""
        if (self.values or self.curves) and serial != self._serial:
            _log.warning("device %s is there in place of %s: what that one held is forgotten", serial, self._serial)
            self.values, self.curves = {}, {}
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

    async def add_curve(self, model_id: int, before: CurveBefore) -> None:
        """A function with curves is about to be told something; what is known of it already stays.

        Raises:
            DeviceBusy: it cannot be kept now; nothing may be written.
        """
        if model_id in self.curves:
            return
        self.curves[model_id] = before
        try:
            await self._keep_all()
        except StoreUnavailable as problem:
            del self.curves[model_id]
            raise DeviceBusy(f"what the device holds before it is told cannot be kept: {problem}") from problem

    async def drop_curve(self, model_id: int) -> None:
        """A function with curves is again as it was; where that cannot be kept now, as `drop`."""
        self.curves.pop(model_id, None)
        await self.drop(())

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
        packed = _packed(self._serial, self.values, self.curves)
        if self._keep is not None and packed != self._kept:
            await self._keep(packed)
            self._kept = packed


def _packed(serial: str, values: Mapping[ControlMode, float], curves: Mapping[int, CurveBefore]) -> bytes:
    if not values and not curves:
        return b""
    held = {mode.value: value for mode, value in values.items()}
    body = {"serial": serial, "held": held}
    if curves:
        body["curves"] = {str(model_id): asdict(before) for model_id, before in curves.items()}
    return json.dumps(body, sort_keys=True).encode()


def _unpacked(kept: bytes) -> tuple[str, dict[ControlMode, float], dict[int, CurveBefore]]:
    try:
        body = json.loads(kept)
        held = {ControlMode(name): float(value) for name, value in body["held"].items()}
        curves = {
            int(model_id): CurveBefore(
                bool(one["enabled"]), int(one["index"]), {str(n): float(v) for n, v in one["content"].items()}
            )
            for model_id, one in body.get("curves", {}).items()
        }
        return str(body["serial"]), held, curves
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        _log.warning("what a device held before cannot be read and is forgotten: %r", problem)
        return "", {}, {}
