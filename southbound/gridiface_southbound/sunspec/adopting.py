"""Curves and droop on one device: written into a stored set, adopted, enabled, read back; and put back as they were.

Owned here: the procedure of models 705 to 712 (write a stored set that may be written, AdptCrvReq, wait for
AdptCrvRslt, Ena) and of the older 126 to 144 (ActCrv, ModEna), the revert timer, what was there before, and
what this process has put in force. Not owned: what is asked and what came of it (curve_tasks), values (curve_values),
what is kept beyond a restart (memory), when it happens (driver). One attempt; a device that has not yet adopted what
it was told is busy.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gridiface.domain.controls import ControlMode, Setpoint
from gridiface.domain.curves import KIND_OF_MODE, BadCurve, Curve, CurveKind, Droop, curves_in
from gridiface.domain.fleet import Capability
from gridiface.drivers.api import DeviceBusy
from gridiface.errors import DeviceRejected
from gridiface_southbound.sunspec.curve_tables import CURVE_MODELS, CurveModel, Line
from gridiface_southbound.sunspec.curve_tasks import Done, Task
from gridiface_southbound.sunspec.curve_values import Asked, Content, Store, UnfitCurve, store_table
from gridiface_southbound.sunspec.memory import CurveBefore, Memory
from gridiface_southbound.sunspec.models import Block, scaler, whole_model
from gridiface_southbound.sunspec.registers import Registers
from gridiface_southbound.sunspec.scan import DeviceMap, ModelPlace

_log = logging.getLogger(__name__)

_FAILED = 2
_DROOP, _NO_MODEL = ControlMode.FREQUENCY_DROOP.value, "the device has no model for it"
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.02, 0.5


class _Patience:
    """How long a device is looked at again and again until it shows something; must be made in a running loop."""

    def __init__(self, seconds: float) -> None:
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._pause = _FIRST_LOOK_S

    @property
    def over(self) -> bool:
        """Whether the time is up: what has just been looked at was the last."""
        return asyncio.get_running_loop().time() >= self._deadline

    async def rest(self) -> None:
        """Wait before the next look, each time twice as long up to the longest."""
        await asyncio.sleep(self._pause)
        self._pause = min(2 * self._pause, _LONGEST_LOOK_S)


@dataclass(frozen=True, slots=True)
class _Found:
    """One function of this device: its model, where it lies, how often its groups are there, and which curves.

    `limits`: whether its droop has a least power.
    """

    spec: CurveModel
    place: ModelPlace
    counts: tuple[tuple[str, int], ...]
    lines: tuple[Line, ...] = ()
    limits: bool = False


class Curves:
    """The functions with curves, and droop, of one device.

    Args:
        registers: its registers.
        memory: what it held before.
        timeout_s: time it may take to adopt a curve.
    """

    def __init__(self, registers: Registers, memory: Memory, timeout_s: float) -> None:
        self._registers = registers
        self._memory = memory
        self._timeout_s = timeout_s
        self._found: dict[int, _Found] = {}
        self._of_kind: dict[CurveKind, _Found] = {}
        self._held: dict[int, Asked] = {}
        self._timed: set[int] = set()

    async def learn(self, found: DeviceMap, blocks: Mapping[int, Block]) -> None:
        """Which functions the device has, by its map, the heads of its models and, of the trip models, their sets.

        Raises:
            DeviceTimeout: no answer.
        """
        self._found, self._of_kind = {}, {}
        self._held.clear()
        self._timed.clear()
        for spec in CURVE_MODELS:
            place, head = found.first(spec.id), blocks.get(spec.id)
            if place is None or head is None or not all(head.has(name) for name in (spec.enable, spec.request)):
                continue
            counts = store_table(spec, head, place)
            if counts is None or (spec.adopts and (head.raw(spec.count) or 0) < 2):
                continue  # the only set is the one that shows what is in force: there is nothing to write
            one = _Found(spec, place, tuple(counts), spec.lines)
            if spec.least or any(line.can is not None for line in spec.lines):
                try:
                    store = await self._read(one)
                except DeviceRejected as refusal:
                    _log.info("model %d is left alone: %s", spec.id, refusal.reason)
                    continue
                one = replace(one, lines=tuple(line for line in spec.lines if store.has(line)), limits=store.limits)
                if spec.lines and not one.lines:
                    continue
            self._found[spec.id] = one
            for line in one.lines:
                self._of_kind.setdefault(line.kind, one)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """The domain's words for what was found."""
        named = {line.can or one.spec.can for one in self._found.values() for line in one.lines}
        named |= {one.spec.can for one in self._found.values() if not one.spec.lines}
        limited = any(one.limits for one in self._found.values())
        return frozenset(named | ({Capability.FREQUENCY_DROOP_LEAST} if limited else set()))

    @property
    def timed(self) -> bool:
        """Whether a revert timer of a function runs, which each command has to renew."""
        return bool(self._timed)

    def task(self, command: Setpoint | None) -> Task:
        """What a command (None: let go of everything) asks, and which part of it cannot be carried out."""
        task, changed = Task(), set(self._memory.curves) & self._found.keys()
        if command is None:
            task.restored = sorted(changed)
            return task
        curves = command.passed.get(ControlMode.CURVE)
        droop = command.passed.get(ControlMode.FREQUENCY_DROOP)
        if curves is not None:
            self._sort(curves_in(curves), task)
            if not curves_in(curves):
                task.skipped.append("curve: it names none")
        if droop is not None:
            try:
                asked = Asked(droop=Droop.of(droop.payload))
            except BadCurve as problem:
                task.cannot(_DROOP, str(problem))
            else:
                if 711 in self._found:
                    task.asked[711] = asked
                else:
                    task.cannot(_DROOP, _NO_MODEL)
        # Curves that are handed on are all that stand: what was told before and is not among them is over.
        over = command.let_go | ({ControlMode.CURVE} if curves is not None else frozenset())
        for model_id in sorted(changed - task.asked.keys()):
            mode = ControlMode.FREQUENCY_DROOP if model_id == 711 else ControlMode.CURVE
            if mode in over:
                task.restored.append(model_id)
        return task

    def _sort(self, records: Mapping[str, object], task: Task) -> None:
        """Curves by the models that hold them."""
        by_model: dict[int, dict[CurveKind, Curve]] = {}
        for name, record in records.items():
            kind = KIND_OF_MODE.get(name)
            one = None if kind is None else self._of_kind.get(kind)
            if kind is None or one is None:
                task.cannot(f"curve:{name}", _NO_MODEL)
                continue
            try:
                by_model.setdefault(one.spec.id, {})[kind] = Curve.of(kind, record)
            except BadCurve as problem:
                task.cannot(f"curve:{name}", str(problem))
        task.asked |= {model_id: Asked(curves=curves) for model_id, curves in by_model.items() if curves}

    async def carry_out(self, task: Task, *, revert_s: float | None, alone: bool) -> Done:
        """Put in force what is asked and put back what is over.

        Args:
            task: from `task`.
            revert_s: the revert timer of functions that have one; None or 0: none.
            alone: nothing else is written with this command: what is in force already is written again.

        Raises:
            DeviceTimeout, DeviceBusy: as `Driver.write`.
            DeviceRejected: the device refused, or did not adopt it.
        """
        done = Done(skipped=list(task.skipped), undone=set(task.undone))
        for model_id in task.restored:
            await self._restore(self._found[model_id], done)
        for model_id, asked in task.asked.items():
            same = self._held.get(model_id) == asked
            if same and not alone and model_id not in self._timed:
                continue
            try:
                await self._put_in_force(self._found[model_id], asked, revert_s, done)
            except UnfitCurve as problem:
                done.skipped.append(str(problem))
                done.undone |= {f"curve:{kind.mode}" for kind in asked.curves} or {_DROOP}
        return done

    # One function --------------------------------------------------------------------------------------------------

    async def _put_in_force(self, one: _Found, asked: Asked, revert_s: float | None, done: Done) -> None:
        spec, store = one.spec, await self._read(one)
        before = self._memory.curves.get(spec.id) or CurveBefore(
            store.enabled, store.in_force, store.content(store.in_force) if store.in_force else {}
        )
        slot = self._slot(store)
        content = store.wanted(asked, slot or store.in_force, done.notes, before.content)
        stands = bool(store.in_force) and not store.differing(store.in_force, content)
        if slot is None and not stands:
            raise UnfitCurve(f"model {spec.id}: the device lets no stored curve be written")
        fallback = None if slot is None else await self._fallback(one, store, slot, before, revert_s)
        writes = [] if stands or slot is None else store.writes(slot, content)
        await self._memory.add_curve(spec.id, before)
        self._held.pop(spec.id, None)
        if slot is not None and not stands:
            await self._adopt(one, store, slot, writes)
        timer = await self._enable(one, store, fallback, store.in_force if stands or slot is None else slot)
        shown = await self._shown(one, content, enabled=True)
        self._held[spec.id] = asked
        self._timed.discard(spec.id)
        if timer:
            self._timed.add(spec.id)
            done.revert_s = timer if done.revert_s is None else min(done.revert_s, timer)
        self._tell(done, one, shown, content)

    async def _restore(self, one: _Found, done: Done) -> None:
        """The function as it was before it was told anything."""
        spec, store = one.spec, await self._read(one)
        before = self._memory.curves[spec.id]
        self._held.pop(spec.id, None)
        if not before.enabled:
            await self._head(one, store, {spec.enable: 0})
        content = before.content if spec.adopts or before.index else {}
        try:
            await self._put_back(one, store, before, content)
            timers = {"RvrtTms": 0} if store.block.has("RvrtTms") else {}
            await self._head(one, store, {**timers, spec.enable: int(before.enabled)})
            self._tell(done, one, await self._shown(one, content, enabled=before.enabled), content)
        except UnfitCurve as problem:
            raise DeviceRejected(f"what the device held before cannot be put back: {problem}") from problem
        self._timed.discard(spec.id)
        await self._memory.drop_curve(spec.id)

    async def _put_back(self, one: _Found, store: Store, before: CurveBefore, content: Content) -> None:
        if not one.spec.adopts:
            if content and before.index <= store.count and store.differing(before.index, content):
                await self._send(one, store.writes(before.index, content))
            await self._head(one, store, {**_at_once(store), one.spec.request: before.index})
        elif content and store.differing(1, content):
            slot = self._slot(store)
            if slot is None:
                raise UnfitCurve(f"model {one.spec.id}: the device lets no stored curve be written")
            await self._adopt(one, store, slot, store.writes(slot, content))

    def _slot(self, store: Store) -> int | None:
        """The stored set to write: the last that may be written and is not in force, else the one in force."""
        able = store.writable()
        return next((index for index in reversed(able) if index != store.in_force), able[-1] if able else None)

    async def _fallback(
        self, one: _Found, store: Store, slot: int, before: CurveBefore, revert_s: float | None
    ) -> dict[str, int]:
        """The head's points for the revert timer. Without a way back to what was there, the timer is switched off."""
        if not store.block.has("RvrtTms"):
            return {}
        off, seconds = {"RvrtTms": 0}, round(revert_s or 0)
        if not one.spec.fallback:  # the older models fall back to their own default
            return {"RvrtTms": seconds} if not one.spec.adopts else off
        others = [index for index in store.writable() if index != slot]
        if not seconds or not before.enabled or not before.content or not others or not store.block.has(
            one.spec.fallback
        ):  # fmt: skip
            return off
        if store.differing(others[0], before.content):
            await self._send(one, store.writes(others[0], before.content))
        return {one.spec.fallback: others[0], "RvrtTms": seconds}

    async def _adopt(self, one: _Found, store: Store, slot: int, writes: Sequence[tuple[int, bytes]]) -> None:
        """Write a stored set and have it adopted.

        Raises:
            DeviceBusy: the device was not ready in time.
            DeviceRejected: it says that it failed.
        """
        spec = one.spec
        await self._send(one, writes)
        if not spec.adopts:
            return  # `_enable` chooses it
        stale = spec.result and store.block.raw(spec.result) == _FAILED
        await self._head(one, store, {spec.request: slot})
        patience = _Patience(self._timeout_s)
        while True:
            heads = await self._registers.blocks([one.place])
            said = heads[spec.id].raw(spec.result) if spec.id in heads else None
            if said is not None and said not in (0, _FAILED):
                return
            late = patience.over
            if said == _FAILED and (not stale or late):
                raise DeviceRejected(f"model {spec.id}: the device did not adopt stored curve {slot}: it failed")
            if late:
                raise DeviceBusy(f"model {spec.id}: stored curve {slot} is not adopted after {self._timeout_s:g} s")
            await patience.rest()

    async def _enable(self, one: _Found, store: Store, timers: Mapping[str, int] | None, index: int) -> float:
        """Start the timer and enable the function; the time of the timer.

        The older models' timers count from when a curve is chosen: they stand before that, and it is chosen each time.
        """
        chosen = {} if one.spec.adopts else {one.spec.request: index}
        await self._head(one, store, {**_at_once(store), **(timers or {}), **chosen, one.spec.enable: 1})
        return float((timers or {}).get("RvrtTms", 0))

    async def _shown(self, one: _Found, content: Content, *, enabled: bool) -> Store:
        """The device shows what was put in force; it is given the time for that.

        Raises:
            DeviceBusy: it shows something else.
        """
        patience = _Patience(self._timeout_s)
        while True:
            store = await self._read(one)
            odd = [one.spec.enable] if store.enabled != enabled else []
            if content:
                odd += store.differing(store.in_force, content) if store.in_force else [one.spec.request]
            if not odd:
                return store
            if patience.over:
                raise DeviceBusy(f"{one.spec.id} {odd[0]} reads {store.block.value(odd[0])} after it was written")
            await patience.rest()

    @staticmethod
    def _tell(done: Done, one: _Found, shown: Store, content: Content) -> None:
        done.touched = True
        index, head = shown.in_force, f"{one.spec.id}."
        told = {f"{head}{one.spec.enable}": float(shown.enabled)}
        told |= {f"{head}{shown.full(index, name)}": value for name, value in content.items()} if index else {}
        done.written |= told
        done.read_back |= {name: shown.block.value(name.removeprefix(head)) or 0.0 for name in told}

    # Registers -----------------------------------------------------------------------------------------------------

    async def _read(self, one: _Found) -> Store:
        table = whole_model(one.spec.id, one.counts)
        if table is None:
            raise DeviceRejected(f"model {one.spec.id} is not known")
        return Store(one.spec, await self._registers.whole(one.place, table))

    async def _head(self, one: _Found, store: Store, values: Mapping[str, int]) -> None:
        """Write points of the head, in this order."""
        for name, value in values.items():
            point = store.block.model.points[name]
            number = scaler(store.block.model, name, 0)(value)
            await self._send(one, [(point.offset, number.to_bytes(2 * point.size, "big"))])

    async def _send(self, one: _Found, writes: Sequence[tuple[int, bytes]]) -> None:
        for offset, registers in writes:
            await self._registers.write(one.place.address + offset, registers)


def _at_once(store: Store) -> dict[str, int]:
    """What makes a curve take effect when it is chosen: another controller may have left a window for random delays."""
    return {"WinTms": 0} if store.block.has("WinTms") else {}
