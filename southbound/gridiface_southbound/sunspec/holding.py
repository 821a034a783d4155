"""What a SunSpec device was told, and what of it must be shown now. `now`: monotonic seconds.

A device that restarts between two readings, or that somebody sets at its panel, answers as before: only its controls
show it. Not owned: how models are read (registers), settings and curves, which outlive a restart (entering, adopting).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gridiface_southbound.looking import Looking, sure_until
from gridiface_southbound.sunspec.functions import Effect
from gridiface_southbound.sunspec.models import Block
from gridiface_southbound.sunspec.registers import Registers, place_of
from gridiface_southbound.sunspec.sheet import Filled

#: Functions that are settings: they stay over a restart, and their times are no timers.
_SETTINGS = frozenset({"enter_service"})


class Holding(Looking):
    """The functions of one device that stand, each with the form that was shown, and until when."""

    __slots__ = ("_forms",)

    def __init__(self) -> None:
        super().__init__()
        self._forms: dict[str, tuple[Filled, float]] = {}

    def begin(self, functions: Iterable[str]) -> None:
        """These are being told: until they are shown, nobody knows what the device holds of them."""
        for name in functions:
            self._forms.pop(name, None)

    def clear(self) -> None:
        """Nothing is known of what it holds."""
        self._forms.clear()

    def told(self, effects: Mapping[str, Effect], *, now: float, connects: int) -> None:
        """These forms were written and shown; those that let go leave nothing to look at."""
        for name, effect in effects.items():
            if effect.value is not None and name not in _SETTINGS:
                self.put(name, effect.form, effect.revert_s, now)
            else:
                self._forms.pop(name, None)
        self.seen(now=now, connects=connects)

    def put(self, name: str, form: Filled, timer_s: float | None, now: float) -> None:
        """One form was shown, and holds until the device's timer ends."""
        self._forms[name] = form, sure_until(now, timer_s)

    def to_be_seen(self, *, now: float, connects: int) -> list[Filled]:
        """The forms that must be shown now; empty where there is nothing to look at, or no reason to look yet."""
        wanted = self.is_wanted
        return [form for form, until in self._forms.values() if wanted(until, now=now, connects=connects)]

    async def look(self, registers: Registers, blocks: Mapping[int, Block], now: float) -> str:
        """Read what must be shown now, if it is time to. Which point shows something else, and what; empty: none.

        Raises:
            DeviceError: the device cannot be read.
        """
        forms = self.to_be_seen(now=now, connects=registers.connects)
        if not forms:
            return ""
        places = [place_of(blocks[m]) for m in dict.fromkeys(form.sheet.model.id for form in forms)]
        odd = lost(forms, await registers.blocks(places))
        if odd:
            self.clear()
        else:
            self.seen(now=now, connects=registers.connects)
        return odd


def lost(forms: Iterable[Filled], after: Mapping[int, Block]) -> str:
    """Which point does not show any more what was written, and what it shows; empty: all do."""
    for form in forms:
        block = after.get(form.sheet.model.id)
        for point in () if block is None else form.differing(block):
            seen = None if block is None else block.value(point)
            return f"{form.sheet.model.id} {point} reads {seen} after {form.value(point):g} was written"
    return ""
