"""Supervision by SunSpec 715 (DERCtl), of a battery by 802: signs of life both ways, local control, alarms.

Owned here: our heartbeat, whether the device's own still moves, whether it obeys its own panel, the reset of latched
alarms, and STOP and START where nothing else connects. Not owned: registers and when they are read (driver).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from gridiface.domain.clock import Instant
from gridiface.domain.telemetry import Quality, Snapshot
from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout
from gridiface_southbound.points.heartbeat import Pulse
from gridiface_southbound.points.table import Heartbeat
from gridiface_southbound.sunspec.functions import Blocks, Effect
from gridiface_southbound.sunspec.models import Block
from gridiface_southbound.sunspec.registers import Registers
from gridiface_southbound.sunspec.sheet import sheet_for

_log = logging.getLogger(__name__)

LOCAL = 1

#: A heartbeat that moved before, once a second as SunSpec has it, and stands for so long tells that what answers is
#: not the device itself; seconds. `BAD_S`: after which its data count as bad.
STANDS_S, BAD_S = 10.0, 60.0

#: The counter begins again there: below what says "not implemented" in the shorter of both registers.
_MODULO = 0xFFFF


class _Words(NamedTuple):
    """What the points are called in a model."""

    own: str
    ours: str
    reset: str


_MODELS: Mapping[int, _Words] = {
    715: _Words("DERHb", "ControllerHb", "AlarmReset"),
    802: _Words("Hb", "CtrlHb", "AlmRst"),
}

#: The models in the order of preference.
SUPERVISING = tuple(_MODELS)


def is_local(blocks: Blocks) -> bool:
    """Whether the device says that it obeys its own panel, not us."""
    return any(model_id in blocks and blocks[model_id].raw("LocRemCtl") == LOCAL for model_id in SUPERVISING)


@dataclass(slots=True)
class _Beat:
    """The device's own heartbeat: its last value, when it came, and whether it ever moved."""

    value: float
    since: Instant
    moved: bool = False


class Supervision:
    """The supervision of one device.

    Args:
        device_id: for errors and the log.
        registers: of the device.
    """

    def __init__(self, device_id: str, registers: Registers) -> None:
        self._id, self._registers = device_id, registers
        self._blocks: dict[int, Block] = {}
        self._beats: dict[int, _Beat] = {}
        self._pulses: list[Pulse] = []
        self._local = False

    async def begin(self, blocks: Blocks, period_s: float | None) -> None:
        """The device was opened: our heartbeat begins where it wants one. `period_s`: None: it gets none.

        Raises:
            DeviceTimeout: it does not answer.
        """
        await self.end()
        self._blocks = {model_id: blocks[model_id] for model_id in SUPERVISING if model_id in blocks}
        self._beats.clear()
        self._local = is_local(blocks)
        for model_id, block in self._blocks.items() if period_s is not None else ():
            if not block.has(_MODELS[model_id].ours):
                continue
            point = _MODELS[model_id].ours
            rule = Heartbeat(point=point, period_s=period_s or 1.0, kind="counter", modulo=_MODULO, value=1)
            pulse = Pulse(rule, partial(self._put, block, point))
            try:
                await pulse.start()
            except DeviceTimeout:
                raise
            except DeviceError as problem:
                _log.warning("device %s takes no heartbeat: %s", self._id, problem.reason)
            else:
                self._pulses.append(pulse)

    async def end(self) -> None:
        """No heartbeat after this; twice is once."""
        pulses, self._pulses = self._pulses, []
        for pulse in pulses:
            await pulse.stop()

    def judged(self, snapshot: Snapshot, blocks: Blocks) -> Snapshot:
        """What was just read, worth less where the device's own heartbeat stands: a gateway answers for it then."""
        self._local = is_local(blocks)
        since = [at for m in SUPERVISING if m in blocks and (at := self._stands_since(blocks[m], snapshot.received))]
        if not since or snapshot.received - min(since) < STANDS_S:
            return snapshot
        at = min(since)
        bad = snapshot.received - at >= BAD_S
        return replace(snapshot, source_time=at, quality=Quality.BAD if bad else Quality.STALE)

    def _stands_since(self, block: Block, now: Instant) -> Instant | None:
        """Since when its heartbeat has had this value; None: it has none, or one that never moved."""
        value = block.raw(_MODELS[block.model.id].own)
        if value is None:
            return None
        known = self._beats.get(block.model.id)
        if known is None or value != known.value:
            self._beats[block.model.id] = _Beat(value, now, moved=known is not None)
            return None
        return known.since if known.moved else None

    def require_remote(self) -> None:
        """Raises DeviceRejected where the device obeys its own panel: what it takes then it does not carry out."""
        if self._local:
            raise DeviceRejected("it is in local control (LocRemCtl)", device_id=self._id)

    @property
    def local(self) -> bool:
        """Whether it obeyed its own panel when it was last read."""
        return self._local

    async def reset_alarms(self) -> None:
        """Reset what is latched.

        Raises:
            DeviceRejected: it has no such point, or refused.
            DeviceTimeout: no answer.
        """
        for model_id, block in self._blocks.items():
            if block.has(_MODELS[model_id].reset):
                await self._put(block, _MODELS[model_id].reset, 1)
                return
        raise DeviceRejected("it has no point to reset alarms (715 AlarmReset, 802 AlmRst)", device_id=self._id)

    async def _put(self, block: Block, point: str, raw: int) -> None:
        place = block.model.points[point]
        await self._registers.write(block.address + place.offset, raw.to_bytes(2 * place.size, "big"))


class Operate715:
    """Connection by 715 OpCtl: STOP and START. It has no timer: a device that was stopped stays so."""

    _STOP, _START = 0, 1

    def __init__(self, block: Block) -> None:
        self._sheet = sheet_for(block, ("OpCtl",), enable="OpCtl")

    @classmethod
    def find(cls, blocks: Blocks) -> Operate715 | None:
        """The function, or None where the device lacks it."""
        block = blocks.get(715)
        return cls(block) if block is not None and block.has("OpCtl") else None

    def set(self, value: float, *, revert_s: float | None, ramp_s: float | None) -> Effect:
        """Start (1) or stop (0)."""
        form = self._sheet.fill({"OpCtl": self._START if value else self._STOP})
        return Effect(form=form, value=float(bool(value)))

    def release(self) -> Effect:
        """Start."""
        return self.set(1.0, revert_s=None, ramp_s=None)
