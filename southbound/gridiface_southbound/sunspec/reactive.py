"""Reactive power, power factor and connection in the SunSpec models, the 7xx and the older 12x ones. Pure.

As functions: one class per function and model, `find`, `set`, `release`. Power factors follow the domain: -1..1, the
sign is the excitation, + over-excited (injecting var).
"""

from __future__ import annotations

from gridiface_southbound.sunspec.functions import Blocks, Effect, Ratings
from gridiface_southbound.sunspec.models import Block
from gridiface_southbound.sunspec.sheet import sheet_for


def _share(value: float, ratings: Ratings) -> tuple[float, float]:
    """(percent, base) of a reactive power against the rating of its own direction."""
    base = ratings.max_var if value >= 0 else ratings.max_var_neg or ratings.max_var
    return (max(-100.0, min(100.0, 100.0 * value / base)) if base > 0 else 0.0), base


class Var704:
    """Reactive power by 704 VarSet (var), or VarSetPct (% of VarMaxInj, of VarMaxAbs when negative)."""

    def __init__(self, block: Block, ratings: Ratings) -> None:
        names = ("VarSetEna", "VarSetMod", "VarSet", "VarSetRvrt", "VarSetPct", "VarSetPctRvrt")
        self._sheet = sheet_for(block, (*names, "VarSetEnaRvrt", "VarSetRvrtTms"), enable="VarSetEna")
        self._off = sheet_for(block, ("VarSetEna",), enable="VarSetEna")
        self._ratings = ratings
        self._vars = "VarSet" in self._sheet

    @classmethod
    def find(cls, blocks: Blocks, ratings: Ratings) -> Var704 | None:
        """The function, or None where the device lacks it."""
        block = blocks.get(704)
        if block is None or not (block.has("VarSetEna") and block.has("VarSetMod")):
            return None
        percent = block.has("VarSetPct") and ratings.max_var > 0
        return cls(block, ratings) if percent or block.has("VarSet") else None

    def set(self, value: float, *, revert_s: float | None, ramp_s: float | None) -> Effect:
        """Hold `value` var."""
        percent, base = _share(value, self._ratings)
        form = self._sheet.fill(
            {
                "VarSetEna": 1,
                "VarSetMod": 4 if self._vars else 1,
                "VarSet": value,
                "VarSetPct": percent,
                "VarSetRvrtTms": revert_s or 0,
            }
        )
        held = form.value("VarSet") if self._vars else form.value("VarSetPct") * base / 100.0
        timer = form.value("VarSetRvrtTms") if "VarSetRvrtTms" in self._sheet else 0.0
        return Effect(form=form, value=held, revert_s=timer or None)

    def release(self) -> Effect:
        """Disable the reactive set-point."""
        return Effect(form=self._off.fill({}), value=None)


class Var123:
    """Reactive power by 123: VArMaxPct (% of the rating of that direction), else VArWMaxPct (% of WMax)."""

    def __init__(self, block: Block, ratings: Ratings) -> None:
        tail = ("VArPct_WinTms", "VArPct_RvrtTms", "VArPct_RmpTms", "VArPct_Mod", "VArPct_Ena")
        self._of_var = block.has("VArMaxPct") and ratings.max_var > 0
        value = "VArMaxPct" if self._of_var else "VArWMaxPct"
        self._sheet = sheet_for(block, (value, *tail), enable="VArPct_Ena")
        self._off = sheet_for(block, ("VArPct_Ena",), enable="VArPct_Ena")
        self._ratings = ratings

    @classmethod
    def find(cls, blocks: Blocks, ratings: Ratings) -> Var123 | None:
        """The function, or None where the device lacks it."""
        block = blocks.get(123)
        if block is None or not block.has("VArPct_Ena"):
            return None
        by_var = block.has("VArMaxPct") and ratings.max_var > 0
        return cls(block, ratings) if by_var or (block.has("VArWMaxPct") and ratings.max_w > 0) else None

    def set(self, value: float, *, revert_s: float | None, ramp_s: float | None) -> Effect:
        """Hold `value` var."""
        percent, base = _share(value, self._ratings)
        name = "VArMaxPct"
        if not self._of_var:
            name, base = "VArWMaxPct", self._ratings.max_w
            percent = max(-100.0, min(100.0, 100.0 * value / base))
        form = self._sheet.fill(
            {
                name: percent,
                "VArPct_RvrtTms": revert_s or 0,
                "VArPct_RmpTms": ramp_s or 0,
                "VArPct_Mod": 2 if self._of_var else 1,
                "VArPct_Ena": 1,
            }
        )
        timer = form.value("VArPct_RvrtTms") if "VArPct_RvrtTms" in self._sheet else 0.0
        return Effect(form=form, value=form.value(name) * base / 100.0, revert_s=timer or None)

    def release(self) -> Effect:
        """Disable the reactive set-point."""
        return Effect(form=self._off.fill({}), value=None)


class PowerFactor704:
    """Power factor by 704 PFWInj or PFWAbs with their excitation."""

    def __init__(self, block: Block, group: str) -> None:
        heads = (f"{group}Ena", f"{group}EnaRvrt", f"{group}RvrtTms")
        self._group = group
        self._sheet = sheet_for(block, (*heads, f"{group}.PF", f"{group}.Ext"), enable=f"{group}Ena")
        self._off = sheet_for(block, (f"{group}Ena",), enable=f"{group}Ena")

    @classmethod
    def find(cls, blocks: Blocks, group: str) -> PowerFactor704 | None:
        """The function, or None where the device lacks it."""
        block = blocks.get(704)
        points = (f"{group}Ena", f"{group}.PF", f"{group}.Ext")
        return cls(block, group) if block is not None and all(block.has(name) for name in points) else None

    def set(self, value: float, *, revert_s: float | None, ramp_s: float | None) -> Effect:
        """Hold the power factor `value`."""
        group = self._group
        form = self._sheet.fill(
            {
                f"{group}Ena": 1,
                f"{group}RvrtTms": revert_s or 0,
                f"{group}.PF": abs(value),
                f"{group}.Ext": 0 if value >= 0 else 1,
            }
        )
        timer = form.value(f"{group}RvrtTms") if f"{group}RvrtTms" in self._sheet else 0.0
        sign = 1.0 if value >= 0 else -1.0
        return Effect(form=form, value=sign * form.value(f"{group}.PF"), revert_s=timer or None)

    def release(self) -> Effect:
        """Disable the fixed power factor."""
        return Effect(form=self._off.fill({}), value=None)


class PowerFactor123:
    """Power factor by 123 OutPFSet; `sign` -1 for devices that count under-excited as positive."""

    def __init__(self, block: Block, sign: int) -> None:
        names = ("OutPFSet", "OutPFSet_WinTms", "OutPFSet_RvrtTms", "OutPFSet_RmpTms", "OutPFSet_Ena")
        self._sheet = sheet_for(block, names, enable="OutPFSet_Ena")
        self._off = sheet_for(block, ("OutPFSet_Ena",), enable="OutPFSet_Ena")
        self._sign = sign

    @classmethod
    def find(cls, blocks: Blocks, sign: int = 1) -> PowerFactor123 | None:
        """The function, or None where the device lacks it."""
        block = blocks.get(123)
        points = ("OutPFSet", "OutPFSet_Ena")
        return cls(block, sign) if block is not None and all(block.has(name) for name in points) else None

    def set(self, value: float, *, revert_s: float | None, ramp_s: float | None) -> Effect:
        """Hold the power factor `value`."""
        form = self._sheet.fill(
            {
                "OutPFSet": self._sign * value,
                "OutPFSet_RvrtTms": revert_s or 0,
                "OutPFSet_RmpTms": ramp_s or 0,
                "OutPFSet_Ena": 1,
            }
        )
        timer = form.value("OutPFSet_RvrtTms") if "OutPFSet_RvrtTms" in self._sheet else 0.0
        return Effect(form=form, value=self._sign * form.value("OutPFSet"), revert_s=timer or None)

    def release(self) -> Effect:
        """Disable the fixed power factor."""
        return Effect(form=self._off.fill({}), value=None)


class Connect703:
    """Permission to enter service, 703 ES. It has no timer of its own: a device that was told to cease stays so."""

    def __init__(self, block: Block) -> None:
        self._sheet = sheet_for(block, ("ES",), enable="ES")

    @classmethod
    def find(cls, blocks: Blocks) -> Connect703 | None:
        """The function, or None where the device lacks it."""
        block = blocks.get(703)
        return cls(block) if block is not None and block.has("ES") else None

    def set(self, value: float, *, revert_s: float | None, ramp_s: float | None) -> Effect:
        """Permit service (1) or not (0)."""
        return Effect(form=self._sheet.fill({"ES": bool(value)}), value=float(bool(value)))

    def release(self) -> Effect:
        """Permit service."""
        return Effect(form=self._sheet.fill({"ES": 1}), value=1.0)


class Connect123:
    """Connection by 123 Conn, with its revert timer while disconnected."""

    def __init__(self, block: Block) -> None:
        self._sheet = sheet_for(block, ("Conn_WinTms", "Conn_RvrtTms", "Conn"), enable="Conn")

    @classmethod
    def find(cls, blocks: Blocks) -> Connect123 | None:
        """The function, or None where the device lacks it."""
        block = blocks.get(123)
        return cls(block) if block is not None and block.has("Conn") else None

    def set(self, value: float, *, revert_s: float | None, ramp_s: float | None) -> Effect:
        """Connect (1) or disconnect (0)."""
        timer = 0 if value else revert_s or 0
        form = self._sheet.fill({"Conn_RvrtTms": timer, "Conn": bool(value)})
        held = form.value("Conn_RvrtTms") if "Conn_RvrtTms" in self._sheet else 0.0
        return Effect(form=form, value=float(bool(value)), revert_s=held or None)

    def release(self) -> Effect:
        """Connect."""
        return self.set(1.0, revert_s=None, ramp_s=None)
