"""When a device may return to service, by SunSpec 703 (IEEE 1547-2018, 4.10). Pure.

Settings, not commands: a device keeps them, no timer of its own takes them back. What it held before the first write
is written again when the setting is let go of. A window is never left empty: what would do that is not written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gridiface.domain.controls import ENTER_SERVICE_WINDOWS, ControlMode
from gridiface_southbound.sunspec.functions import Blocks, Effect
from gridiface_southbound.sunspec.models import Block
from gridiface_southbound.sunspec.sheet import sheet_for

#: The points of 703 in the order of their registers.
POINTS: Mapping[ControlMode, str] = {
    ControlMode.ENTER_V_HIGH: "ESVHi",
    ControlMode.ENTER_V_LOW: "ESVLo",
    ControlMode.ENTER_HZ_HIGH: "ESHzHi",
    ControlMode.ENTER_HZ_LOW: "ESHzLo",
    ControlMode.ENTER_DELAY: "ESDlyTms",
    ControlMode.ENTER_RANDOM_DELAY: "ESRndTms",
    ControlMode.ENTER_RAMP: "ESRmpTms",
}


class EnterService703:
    """The settings of 703 that a device implements. Values: percent of nominal voltage, Hz, s."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self.modes = frozenset(mode for mode, name in POINTS.items() if block.has(name))

    @classmethod
    def find(cls, blocks: Blocks) -> EnterService703 | None:
        """The settings, or None where the device has none of them."""
        block = blocks.get(703)
        found = None if block is None else cls(block)
        return found if found is not None and found.modes else None

    def held(self, modes: Iterable[ControlMode]) -> dict[ControlMode, float]:
        """What the device holds of these settings, as last read."""
        values = ((mode, self._block.value(POINTS[mode])) for mode in modes)
        return {mode: value for mode, value in values if value is not None}

    def emptied(self, values: Mapping[ControlMode, float]) -> frozenset[ControlMode]:
        """Those of `values` after which a window would hold nothing."""
        after = {**self.held(self.modes), **values}
        found: set[ControlMode] = set()
        for lower, upper in ENTER_SERVICE_WINDOWS:
            if lower in after and upper in after and after[lower] >= after[upper]:
                found |= {lower, upper} & values.keys()
        return frozenset(found)

    def beyond(self, values: Mapping[ControlMode, float]) -> dict[ControlMode, float]:
        """Those of `values` that the registers cannot hold with the device's scale factors, and what would stand there.

        A bound that is held to the end of its register is another bound: it must not be written.
        """
        form = self.set(values).form
        found: dict[ControlMode, float] = {}
        for mode, value in values.items():
            there, step = form.value(POINTS[mode]), 10.0 ** (self._block.scale(POINTS[mode]) or 0)
            if abs(there - value) > step:
                found[mode] = there
        return found

    def set(self, values: Mapping[ControlMode, float]) -> Effect:
        """The registers that hold these settings; the others are left alone. Modes of `modes` only."""
        names = [name for mode, name in POINTS.items() if mode in values]
        form = sheet_for(self._block, names, enable="").fill({POINTS[mode]: value for mode, value in values.items()})
        return Effect(form=form, value=None)

    def holds(self, effect: Effect) -> bool:
        """Whether the device, as last read, shows every register of these settings."""
        return effect.form.shown(self._block)
