"""The commonest command, a new active power and nothing else, with all that stays the same worked out before. Pure.

Made from a command that went the long way and was acknowledged; thrown away as soon as anything about the device
changes. It must write and check exactly what the long way does: the driver's tests run both against each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from gridiface.domain.clock import Instant
from gridiface.domain.controls import ControlMode, ModeValue, Setpoint
from gridiface_southbound.modbus_pdu import PairShape, Request, WriteThenRead
from gridiface_southbound.sunspec.controls import BESIDE, Plan, fall_back_s
from gridiface_southbound.sunspec.functions import Effect, Power704, Ratings
from gridiface_southbound.sunspec.models import Block, scale_registers
from gridiface_southbound.sunspec.sheet import Filled


class HotPower:
    """Active power by 704 in one write and one read, for one device, timer and set of scale factors."""

    __slots__ = (
        "_base",
        "_entered",
        "_head",
        "_high",
        "_low",
        "_max_w",
        "_offset",
        "_revert_s",
        "_run",
        "_scales",
        "_scales_at",
        "_shape",
        "_sheet",
        "_varying",
        "_watts",
        "_write_at",
        "timer",
    )

    def __init__(
        self,
        function: Power704,
        form: Filled,
        block: Block,
        read: Request,
        revert_s: float | None,
        ratings: Ratings,
        entered: Mapping[ControlMode, ModeValue],
        unit: int,
    ) -> None:
        self._write_at, registers = form.writes[0]
        count = len(registers) // 2
        self._sheet = form.sheet
        self._base = form.raw
        self._run = form.sheet.ordered[0]
        self._watts = function.in_watts
        self._max_w = function.max_w
        self._varying = (form.sheet.place("WSet"), form.sheet.place("WSetPct"))
        self._offset = 2 * self._write_at
        self._shape = PairShape(unit, block.address + self._write_at, count, read)
        self._revert_s = revert_s
        self._entered = entered
        #: The device's own timer as it is written, s; None: none runs.
        self.timer = (form.value("WSetRvrtTms") if "WSetRvrtTms" in form.sheet else 0.0) or None
        self._low = -ratings.max_charge_w
        self._high = ratings.max_discharge_w or ratings.max_w
        self._head = block.data[:2]
        self._scales = block.scales()
        self._scales_at = scale_registers(block.model)[0][0]

    @classmethod
    def made_from(
        cls,
        plan: Plan,
        function: object,
        block: Block,
        reads: list[Request],
        *,
        revert_s: float | None,
        ratings: Ratings,
        entered: Mapping[ControlMode, ModeValue],
        unit: int,
    ) -> Self | None:
        """The short way for commands like the one that `plan` carried out, None where there is none.

        `revert_s` is the configured timer; the plan's command had no end of its own before it. `entered`: what its
        command handed on; the short way is for those that ask for settings only that the device holds already.
        """
        effect = plan.effects.get("active_power")
        if not entered.keys() <= BESIDE or plan.skipped:
            return None
        if effect is None or len(plan.effects) > 1 or not isinstance(function, Power704) or len(reads) != 1:
            return None
        form = effect.form
        whole = len(form.writes) == 1 and len(scale_registers(block.model)) == 1
        return cls(function, form, block, reads[0], revert_s, ratings, entered, unit) if whole else None

    def fits(self, command: Setpoint, now: Instant) -> bool:
        """Whether the command asks for a power within the ratings and for nothing else."""
        watts = command.active_power_w
        return (
            watts is not None
            and self._low <= watts <= self._high
            and command.ceiling_w is None
            and command.reactive_power_var is None
            and command.connect is None
            and command.energize is None
            and command.passed == self._entered
            and not command.let_go
            and self._outlives(command, now)
        )

    def _outlives(self, command: Setpoint, now: Instant) -> bool:
        """Whether the command runs for as long as the timer at least, so that its own end changes nothing."""
        ends, timer = command.valid_until, self._revert_s
        if ends is not None and timer is not None and ends - now >= timer:
            return True
        return fall_back_s(command, timer, now) == timer

    def prepare(self, watts: float) -> tuple[Filled, WriteThenRead]:
        """The filled form and the requests to send: the write, and the read of the whole model."""
        raw = self._base.copy()
        in_watts, percent = self._varying
        if in_watts is not None:
            raw[in_watts[0]] = in_watts[1](watts)
        if percent is not None:
            raw[percent[0]] = percent[1](100.0 * watts / self._max_w if self._max_w else 0.0)
        run = self._run
        registers = run.codec.pack(*raw[run.first : run.last])
        return Filled(self._sheet, raw, [(self._write_at, registers)]), WriteThenRead(self._shape, registers)

    def held(self, form: Filled) -> float:
        """The power that the device holds by a form, W."""
        in_watts, _ = self._varying
        if self._watts and in_watts is not None:
            return self._sheet.decode(in_watts[0], form.raw[in_watts[0]])
        return form.value("WSetPct") * self._max_w / 100.0

    def effect(self, form: Filled) -> Effect:
        """A form as the long way has it."""
        return Effect(form=form, value=self.held(form), revert_s=self.timer)

    def confirmed(self, form: Filled, replies: Sequence[object]) -> bool:
        """Whether the write was taken, is shown in every register of 704, and no scale factor has changed."""
        taken, shown = replies
        return (
            taken == b""
            and isinstance(shown, bytes)
            and shown.startswith(self._head)
            and shown.startswith(form.writes[0][1], self._offset)
            and shown.startswith(self._scales, self._scales_at)
        )
