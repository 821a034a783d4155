"""The control functions of the SunSpec models, one class each, the 7xx models and the older 12x ones. Pure.

Each class says whether a device has the function (`find`), fills the registers for a value (`set`) and for letting
go (`release`). Signs: 704 and 124 as used here are + delivered, as in the domain; percentages name their base below.
Every `set` writes the device's own revert timer (0 = never) so that a value cannot outlive its controller, and what
it reverts to: the function disabled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from gridiface.domain.values import often_made
from gridiface_southbound.sunspec.models import Block
from gridiface_southbound.sunspec.sheet import Filled, sheet_for

Blocks = Mapping[int, Block]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratings:
    """The 100 % of each percentage, from settings, else nameplate. Magnitudes in W and var, 0 = not known."""

    max_w: float
    max_charge_w: float = 0.0
    max_discharge_w: float = 0.0
    max_var: float = 0.0
    max_var_neg: float = 0.0


@often_made
class Effect:
    """A filled form and what it makes the device hold; None: the device's own default."""

    form: Filled
    value: float | None
    revert_s: float | None = None


class Function(Protocol):
    """A control function that takes one number."""

    def set(self, value: float, *, revert_s: float | None, ramp_s: float | None) -> Effect:
        """The registers that make the device hold `value`."""
        ...

    def release(self) -> Effect:
        """The registers that switch the function off."""
        ...


def _timer(form: Filled, name: str) -> float | None:
    return form.value(name) or None if name in form.sheet else None


class Power704:
    """Active power by 704 WSet (W), or by WSetPct (% of WMax) where WSet is missing or percent is preferred."""

    def __init__(self, block: Block, ratings: Ratings, *, prefer_percent: bool) -> None:
        watts = () if prefer_percent else ("WSet", "WSetRvrt")
        tail = ("WSetPct", "WSetPctRvrt", "WSetEnaRvrt", "WSetRvrtTms")
        names = ("WSetEna", "WSetMod", *watts, *tail)
        self.sheet = sheet_for(block, names, enable="WSetEna")
        self._off = sheet_for(block, ("WSetEna",), enable="WSetEna")
        self.max_w = ratings.max_w
        #: Whether the device is told watts, else percent of WMax.
        self.in_watts = "WSet" in self.sheet

    @classmethod
    def find(cls, blocks: Blocks, ratings: Ratings, *, prefer_percent: bool = False) -> Power704 | None:
        """The function, or None where the device lacks it."""
        block = blocks.get(704)
        if block is None or not block.has("WSetEna"):
            return None
        percent = block.has("WSetPct") and ratings.max_w > 0
        if not percent and not block.has("WSet"):
            return None
        return cls(block, ratings, prefer_percent=percent and prefer_percent)

    def set(self, value: float, *, revert_s: float | None, ramp_s: float | None) -> Effect:
        """Hold `value` W."""
        percent = 100.0 * value / self.max_w if self.max_w else 0.0
        form = self.sheet.fill(
            {
                "WSetEna": 1,
                "WSetMod": 1 if self.in_watts else 0,
                "WSet": value,
                "WSetPct": percent,
                "WSetRvrtTms": revert_s or 0,
            }
        )
        held = form.value("WSet") if self.in_watts else form.value("WSetPct") * self.max_w / 100.0
        return Effect(form=form, value=held, revert_s=_timer(form, "WSetRvrtTms"))

    def release(self) -> Effect:
        """Disable the set-point."""
        return Effect(form=self._off.fill({}), value=None)


class Power124:
    """Battery power by 124: InWRte and OutWRte bound the power from both sides, percent of WChaMax.

    Both limits are put on the wanted power: OutWRte = p and InWRte = -p leave the device exactly p (a negative
    limit of one direction is a demand in the other, as widespread hybrids document). `direct` is the other reading
    of the model: only the bit and the rate of the wanted direction are set.
    """

    def __init__(self, block: Block, base_w: float, *, direct: bool) -> None:
        rates = ("OutWRte", "InWRte", "InOutWRte_WinTms", "InOutWRte_RvrtTms", "InOutWRte_RmpTms")
        self._sheet = sheet_for(block, ("StorCtl_Mod", *rates), enable="StorCtl_Mod")
        self._off = sheet_for(block, ("StorCtl_Mod",), enable="StorCtl_Mod")
        self._base_w = base_w
        self._direct = direct

    @classmethod
    def find(cls, blocks: Blocks, ratings: Ratings, *, direct: bool = False) -> Power124 | None:
        """The function, or None where the device lacks it."""
        block = blocks.get(124)
        if block is None or not all(block.has(name) for name in ("StorCtl_Mod", "OutWRte", "InWRte")):
            return None
        base = block.value("WChaMax") or ratings.max_charge_w
        return cls(block, base, direct=direct) if base > 0 else None

    def set(self, value: float, *, revert_s: float | None, ramp_s: float | None) -> Effect:
        """Hold `value` W."""
        percent = max(-100.0, min(100.0, 100.0 * value / self._base_w))
        mode, out, into = 3, percent, -percent
        if self._direct:
            mode = 2 if percent > 0 else 1 if percent < 0 else 3
            out, into = max(0.0, percent), max(0.0, -percent)
        form = self._sheet.fill(
            {
                "StorCtl_Mod": mode,
                "OutWRte": out,
                "InWRte": into,
                "InOutWRte_RvrtTms": revert_s or 0,
                "InOutWRte_RmpTms": ramp_s or 0,
            }
        )
        held = (form.value("OutWRte") if value >= 0 or not self._direct else -form.value("InWRte")) * self._base_w / 100
        return Effect(form=form, value=held, revert_s=_timer(form, "InOutWRte_RvrtTms"))

    def release(self) -> Effect:
        """Give the battery back to its own control."""
        return Effect(form=self._off.fill({}), value=None)


class Ceiling704:
    """Generation ceiling by 704 WMaxLimPct, percent of WMax, rounded down; at the rating itself it is disabled."""

    def __init__(self, block: Block, max_w: float) -> None:
        names = ("WMaxLimPctEna", "WMaxLimPct", "WMaxLimPctRvrt", "WMaxLimPctEnaRvrt", "WMaxLimPctRvrtTms")
        self._sheet = sheet_for(block, names, enable="WMaxLimPctEna", floored=("WMaxLimPct",))
        self._off = sheet_for(block, ("WMaxLimPctEna",), enable="WMaxLimPctEna")
        self._max_w = max_w

    @classmethod
    def find(cls, blocks: Blocks, ratings: Ratings) -> Ceiling704 | None:
        """The function, or None where the device lacks it."""
        block = blocks.get(704)
        if block is None or ratings.max_w <= 0 or not (block.has("WMaxLimPctEna") and block.has("WMaxLimPct")):
            return None
        return cls(block, ratings.max_w)

    def set(self, value: float, *, revert_s: float | None, ramp_s: float | None) -> Effect:
        """Generate at most `value` W."""
        percent = max(0.0, min(100.0, 100.0 * value / self._max_w))
        bound = percent < 100.0
        timer = (revert_s or 0) if bound else 0
        form = self._sheet.fill(
            {"WMaxLimPctEna": bound, "WMaxLimPct": percent, "WMaxLimPctRvrt": 100.0, "WMaxLimPctRvrtTms": timer}
        )
        held = form.value("WMaxLimPct") * self._max_w / 100.0
        return Effect(form=form, value=held, revert_s=_timer(form, "WMaxLimPctRvrtTms"))

    def release(self) -> Effect:
        """Disable the ceiling."""
        return Effect(form=self._off.fill({}), value=None)


class Ceiling123:
    """Generation ceiling by 123 WMaxLimPct, percent of WMax, rounded down."""

    def __init__(self, block: Block, max_w: float) -> None:
        tail = ("WMaxLimPct_WinTms", "WMaxLimPct_RvrtTms", "WMaxLimPct_RmpTms", "WMaxLim_Ena")
        self._sheet = sheet_for(block, ("WMaxLimPct", *tail), enable="WMaxLim_Ena", floored=("WMaxLimPct",))
        self._off = sheet_for(block, ("WMaxLim_Ena",), enable="WMaxLim_Ena")
        self._max_w = max_w

    @classmethod
    def find(cls, blocks: Blocks, ratings: Ratings) -> Ceiling123 | None:
        """The function, or None where the device lacks it."""
        block = blocks.get(123)
        if block is None or ratings.max_w <= 0 or not (block.has("WMaxLim_Ena") and block.has("WMaxLimPct")):
            return None
        return cls(block, ratings.max_w)

    def set(self, value: float, *, revert_s: float | None, ramp_s: float | None) -> Effect:
        """Generate at most `value` W."""
        percent = max(0.0, min(100.0, 100.0 * value / self._max_w))
        bound = percent < 100.0
        form = self._sheet.fill(
            {
                "WMaxLimPct": percent,
                "WMaxLimPct_RvrtTms": (revert_s or 0) if bound else 0,
                "WMaxLimPct_RmpTms": ramp_s or 0,
                "WMaxLim_Ena": bound,
            }
        )
        held = form.value("WMaxLimPct") * self._max_w / 100.0
        return Effect(form=form, value=held, revert_s=_timer(form, "WMaxLimPct_RvrtTms"))

    def release(self) -> Effect:
        """Disable the ceiling."""
        return Effect(form=self._off.fill({}), value=None)
