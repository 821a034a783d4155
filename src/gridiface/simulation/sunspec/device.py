"""One simulated device: register image, physics, revert timers and faults behind Modbus requests. Sans-I/O.

`handle(pdu, now)` answers one request; `advance(now)` lets time pass. `now` is monotonic, seconds. Faults of the wire
(silence, garbage) are the server's; faults of the device (refusals, wrong values) are here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import StrEnum

from gridiface.simulation.sunspec.config import UnitConfig
from gridiface.simulation.sunspec.curves import Shelf, adopt
from gridiface.simulation.sunspec.image import RegisterImage, table
from gridiface.simulation.sunspec.layout import FUNCTIONS, LIVE_MODELS, TimedFunction, build
from gridiface.simulation.sunspec.physics import Demand, Plant, Unit
from gridiface.simulation.sunspec.publishing import publish

#: Physics is not advanced for less than this: many requests in a burst see one state.
_QUANTUM_S = 0.01

_READ = (3, 4)


class Fault(StrEnum):
    """What can be wrong with a device. `none` ends every fault."""

    NONE = "none"
    OFF = "off"  # refuses connections
    HANG = "hang"  # takes connections and requests, answers nothing
    SLOW = "slow"  # answers after `seconds`
    REJECT = "reject"  # refuses every write with exception 4
    BUSY = "busy"  # refuses every write with exception 6
    NO_FUNCTION_16 = "no_function_16"
    IGNORE = "ignore"  # confirms writes and does nothing
    WRONG_VALUES = "wrong_values"  # stores half of every set-point
    RESCALE = "rescale"  # changes its scale factors, now
    DROP = "drop"  # closes the connection when asked
    GARBAGE = "garbage"
    WRONG_TRANSACTION = "wrong_transaction"
    WRONG_UNIT = "wrong_unit"
    BAD_LENGTH = "bad_length"
    ADOPT_FAILS = "adopt_fails"  # says of every curve that it could not be adopted
    ONE_AT_A_TIME = "one_at_a_time"  # answers the first of several requests in one segment


_SCALED = ((704, "WSet_SF"), (704, "WMaxLimPct_SF"), (704, "WSetPct_SF"), (123, "WMaxLimPct_SF"), (124, "InOutWRte_SF"))
_VALUES = ("WSet", "WSetPct", "WMaxLimPct", "VarSet", "VarSetPct", "OutWRte", "InWRte", "VArMaxPct")


class SimulatedDevice:
    """A device that answers Modbus requests.

    Args:
        config: what it is.
        now: monotonic seconds at its start.
    """

    def __init__(self, config: UnitConfig, now: float) -> None:
        self.config = config
        self.image: RegisterImage = build(config)
        self.fault = Fault.NONE
        self.fault_seconds = 0.0
        self.reads = 0
        self.writes = 0
        stores = config.kind == "battery"
        self.unit = Unit(
            Plant(
                max_w=config.max_w,
                max_charge_w=config.charge_w,
                max_var=0.44 * config.max_w,
                energy_wh=config.energy_wh if stores else None,
                soc_min=config.soc_min,
                soc_max=config.soc_max,
                ramp_w_per_s=config.ramp,
                time_constant_s=config.time_constant_s,
                efficiency=config.efficiency,
                loss=config.loss,
                noise=config.noise,
            ),
            soc=config.soc,
            available=config.available,
            nominal_v=230.0 * config.grid_percent / 100.0,
            seed=config.seed,
        )
        self._now = now
        self._functions = [function for function in FUNCTIONS if function.model in self.image.places]
        self._expiry: dict[TimedFunction, float] = {}
        self._next_expiry = float("inf")
        self._shelf = Shelf(self.image, config.adopt_s)
        self._told_at: float | None = None
        self._functions_at = self._index_functions()
        self._touched_by: dict[tuple[int, int], tuple[TimedFunction, ...]] = {}
        self._writable, self._allowed = self._index_writable()
        self._live = [(m, *self._span(m)) for m in LIVE_MODELS if m in self.image.places]
        self._published = -1.0
        self._demand_changed()

    # Requests ------------------------------------------------------------------------------------------------------

    def handle(self, pdu: bytes, now: float) -> bytes:
        """The answer to one request; never raises, whatever the bytes."""
        function = pdu[0] if pdu else 0
        if len(pdu) < 5 or function not in (*_READ, 6, 16):
            return bytes((function | 0x80, 1))
        address, count = struct.unpack_from(">HH", pdu, 1)
        if function in _READ:
            return self._read(function, address, count, now)
        if function == 6:
            return pdu[:5] if not (code := self._write(address, pdu[3:5], now)) else bytes((0x86, code))
        if not self.config.function_16 or self.fault is Fault.NO_FUNCTION_16:
            return bytes((0x90, 1))
        if not 1 <= count <= 123 or len(pdu) != 6 + 2 * count or pdu[5] != 2 * count:
            return bytes((0x90, 3))
        return pdu[:5] if not (code := self._write(address, pdu[6:], now)) else bytes((0x90, code))

    def _read(self, function: int, address: int, count: int, now: float) -> bytes:
        self.reads += 1
        image = self.image
        if not 1 <= count <= 125:
            return bytes((function | 0x80, 3))
        if address < image.base or address + count > image.end:
            return bytes((function | 0x80, 2))
        if not self._shelf.empty:
            self._adopt(now)
        if self._expiry:
            if now >= self._next_expiry:
                self.advance(now)
            self._show_remaining(now)
        if any(first < address + count and address < last for _, first, last in self._live):
            self.advance(now)
            self._publish(now)
        start = 2 * (address - image.base)
        return bytes((function, 2 * count)) + image.data[start : start + 2 * count]

    def _write(self, address: int, registers: bytes, now: float) -> int:
        """The exception code, 0 when it was taken."""
        self.writes += 1
        if self.fault is Fault.REJECT:
            return 4
        if self.fault is Fault.BUSY:
            return 6
        first = address - self.image.base
        last = first + len(registers) // 2
        if code := self._refused(first, last, registers):
            return code
        if self.fault is Fault.IGNORE:
            return 0
        if now >= self._next_expiry:
            self.advance(now)
        self.image.data[2 * first : 2 * last] = registers
        touched = self._touched(first, last)
        if self.fault is Fault.WRONG_VALUES:
            self._halve(touched)
        for function in touched:
            self._start_timer(function, now)
        if self._told_at is None:
            self._told_at = now
        if not self._shelf.empty:
            self._shelf.written(first, last, now)
        return 0

    def _adopt(self, now: float) -> None:
        """Curves that are adopted by now rule from now on."""
        if self._shelf.settle(now, fails=self.fault is Fault.ADOPT_FAILS) and self._told_at is None:
            self._told_at = now

    def _refused(self, first: int, last: int, registers: bytes) -> int:
        """The exception code for registers that may not be written, or not with these values; 0 for none."""
        if first < 0 or last > len(self._writable) or not all(self._writable[first:last]):
            return 2
        allowed = self._allowed
        for register in range(first, last):
            if register in allowed:
                at = 2 * (register - first)
                if registers[at] << 8 | registers[at + 1] not in allowed[register]:
                    return 3
        return 0

    # Time ----------------------------------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Let time pass up to `now`: a new command from when it came, timers in their order, physics in between."""
        if not self._shelf.empty:
            self._adopt(now)
        if now - self._now < _QUANTUM_S and self._told_at is None:
            return
        if self._told_at is not None:
            self._step_to(self._told_at)
            self._told_at = None
            self._demand_changed()
        while self._expiry:
            function, at = min(self._expiry.items(), key=lambda entry: entry[1])
            if at > now:
                break
            self._step_to(at)
            self._revert(function)
        self._step_to(now)

    def _step_to(self, at: float) -> None:
        self.unit.step(at - self._now)
        self._now = max(self._now, at)

    def power_cycle(self, now: float) -> None:
        """It restarts and has forgotten every command; its battery is as full as before."""
        self.advance(now)
        self.image = build(self.config)
        self._expiry.clear()
        self._shelf = Shelf(self.image, self.config.adopt_s)
        self._next_expiry = float("inf")
        self._published = -1.0
        self._demand_changed()

    def rescale(self) -> None:
        """Change scale factors now; registers change so that values stay what they mean."""
        for model_id, scale in _SCALED:
            if model_id in self.image.places and (raw := self.image.raw(model_id, scale)) is not None:
                other = -1 if raw == 0 else (0 if raw == -1 else -1)
                self.image.rescale(model_id, scale, other)

    def _start_timer(self, function: TimedFunction, now: float) -> None:
        enabled = self.image.raw(function.model, function.enable)
        seconds = self.image.raw(function.model, function.timer)
        if enabled is None or enabled == function.idle or not seconds:
            self._expiry.pop(function, None)
        else:
            self._expiry[function] = now + seconds
        self._next_expiry = min(self._expiry.values(), default=float("inf"))

    def _revert(self, function: TimedFunction) -> None:
        image, model_id = self.image, function.model
        del self._expiry[function]
        self._next_expiry = min(self._expiry.values(), default=float("inf"))
        if function.stored:
            adopt(image, model_id, int(image.raw(model_id, function.stored) or 0))
            self._demand_changed()
            return
        fallback = image.raw(model_id, function.enable_revert) if function.enable_revert else None
        image.put_raw(model_id, function.enable, function.idle if fallback is None else fallback)
        for value, source in function.copies:
            raw = image.raw(model_id, source)
            if raw is not None and fallback:
                image.put_raw(model_id, value, raw)
        if function.remaining:
            image.put_raw(model_id, function.remaining, 0)
        self._demand_changed()

    def _show_remaining(self, now: float) -> None:
        for function, at in self._expiry.items():
            if function.remaining:
                self.image.put_raw(function.model, function.remaining, max(0, round(at - now)))

    def _touched(self, first: int, last: int) -> tuple[TimedFunction, ...]:
        """The functions whose registers lie in a span."""
        known = self._touched_by.get((first, last))
        if known is None:
            found = {f: None for register in range(first, last) for f in self._functions_at.get(register, ())}
            known = self._touched_by[first, last] = tuple(found)
        return known

    def _halve(self, touched: Iterable[TimedFunction]) -> None:
        for function in touched:
            for name in function.points:
                if name in _VALUES and (raw := self.image.raw(function.model, name)):
                    self.image.put_raw(function.model, name, int(raw) // 2)

    # Commands to physics -------------------------------------------------------------------------------------------

    def _demand_changed(self) -> None:
        self._published = -1.0
        newer = 704 in self.image.places
        demand = self._demand_704() if newer else self._demand_12x()
        if newer and 123 in self.image.places and demand == Demand(connected=demand.connected):
            # Both generations side by side: the older controls rule while the newer are idle.
            older = self._demand_12x()
            demand = older if demand.connected else demand
        if demand != self.unit.demand:
            self.unit.tell(demand)

    def _demand_704(self) -> Demand:
        get, raw = self.image.get, self.image.raw
        max_w = self.config.max_w
        power = None
        if raw(704, "WSetEna") == 1:
            watts = raw(704, "WSetMod") == 1 and self.config.watt_set_point
            power = get(704, "WSet") if watts else (get(704, "WSetPct") or 0.0) * max_w / 100.0
        limited = raw(704, "WMaxLimPctEna") == 1
        reactive = None
        if raw(704, "VarSetEna") == 1:
            percent = (get(704, "VarSetPct") or 0.0) / 100.0
            bases = {0: max_w, 1: 0.44 * max_w, 2: 0.44 * max_w, 3: max_w}
            mode = raw(704, "VarSetMod")
            reactive = get(704, "VarSet") if mode == 4 else percent * bases.get(int(mode or 0), 0.0)
        factor = None
        for group in ("PFWInj", "PFWAbs"):
            if raw(704, f"{group}Ena") == 1 and (group == "PFWInj") == (self.unit.w >= 0):
                sign = 1.0 if raw(704, f"{group}.Ext") == 0 else -1.0
                factor = sign * (get(704, f"{group}.PF") or 1.0)
        ceiling = (get(704, "WMaxLimPct") or 0.0) * max_w / 100.0 if limited else None
        if not self._shelf.empty:
            grid, w = self.config.grid_percent, self.unit.w
            ceiling, reactive = self._shelf.bounds(ceiling, reactive, free=factor is None, w=w, grid=grid, max_w=max_w)
        return Demand(
            power_w=power,
            ceiling_w=ceiling,
            reactive_var=reactive,
            power_factor=factor,
            connected=raw(703, "ES") == 1,
        )

    def _demand_12x(self) -> Demand:
        get, raw = self.image.get, self.image.raw
        max_w = self.config.max_w
        power = None
        ramp = get(123, "WMaxLimPct_RmpTms") or None
        if 124 in self.image.places and (mode := int(raw(124, "StorCtl_Mod") or 0)):
            base = (get(124, "WChaMax") or 0.0) / 100.0
            high = (get(124, "OutWRte") or 0.0) * base if mode & 2 else max_w
            low = -(get(124, "InWRte") or 0.0) * base if mode & 1 else -self.config.charge_w
            # Between the two rates the battery would follow its house; alone it rests as near to 0 as they allow.
            power = max(low, min(high, 0.0))
            ramp = get(124, "InOutWRte_RmpTms") or None
        reactive = None
        if raw(123, "VArPct_Ena") == 1:
            reactive = (get(123, "VArMaxPct") or 0.0) * 0.44 * max_w / 100.0
        return Demand(
            power_w=power,
            ceiling_w=(get(123, "WMaxLimPct") or 0.0) * max_w / 100.0 if raw(123, "WMaxLim_Ena") == 1 else None,
            reactive_var=reactive,
            power_factor=get(123, "OutPFSet") if raw(123, "OutPFSet_Ena") == 1 else None,
            connected=raw(123, "Conn") == 1,
            ramp_s=ramp,
        )

    # Measurements to registers -------------------------------------------------------------------------------------

    def _publish(self, now: float) -> None:
        if now - self._published < _QUANTUM_S:
            return
        self._published = now
        publish(self.image, self.unit, self.config)

    # Tables --------------------------------------------------------------------------------------------------------

    def _span(self, model_id: int) -> tuple[int, int]:
        slots = table(model_id).values()
        first = self.image.address(model_id, "ID")
        return first, first + max(slot.offset + slot.size for slot in slots)

    def _index_functions(self) -> dict[int, list[TimedFunction]]:
        found: dict[int, list[TimedFunction]] = {}
        for function in self._functions:
            for name in function.points:
                slot = table(function.model)[name]
                first = self.image.address(function.model, name) - self.image.base
                for register in range(first, first + slot.size):
                    found.setdefault(register, []).append(function)
        return found

    def _index_writable(self) -> tuple[bytearray, dict[int, frozenset[int]]]:
        writable = bytearray(len(self.image.data) // 2)
        allowed: dict[int, frozenset[int]] = {}
        for model_id in self.image.places:
            for slot in table(model_id).values():
                numeric = slot.type != "string"
                read_only = slot.name.startswith(("Crv1.", "Ctl1."))
                if read_only or not slot.writable or not numeric or self.image.raw(model_id, slot.name) is None:
                    continue
                first = self.image.address(model_id, slot.name) - self.image.base
                writable[first : first + slot.size] = b"\x01" * slot.size
                if slot.allowed:
                    allowed[first] = slot.allowed
        return writable, allowed
