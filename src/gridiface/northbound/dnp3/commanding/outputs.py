"""What the outputs of one outstation hold: last accepted values, what is in force, and for whom. No I/O.

Owns the bookkeeping between commands, controls and what is read back, and its durable form. What a command means is
translate/commands.py's, who may send it handlers.py's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite

from gridiface.domain.changes import Document, PutDocument
from gridiface.domain.controls import Control
from gridiface.domain.timeline import TERMINAL
from gridiface.northbound.dnp3.pointmap.meanings import CONTROLLING, Action
from gridiface.northbound.dnp3.pointmap.points import PointEntry, PointMap
from gridiface.northbound.dnp3.translate.commands import POINT, PROTOCOL

SPACE = "dnp3.output"
_PULSED = frozenset({Action.RAISE, Action.LOWER})
Holder = tuple[str, str]
"""Slot and master."""


@dataclass(slots=True)
class Held:
    """One output.

    Attributes:
        value: wire units; what the status point (g10, g40) shows.
        shown: wire units; what read-backs show: less than `value` where only a part is feasible.
        armed: commanded while the output that enables it was off.
    """

    value: float
    shown: float
    armed: bool = False


@dataclass(slots=True)
class InForce:
    """A control that runs, or is about to, for one master in one slot; `si` is its value after sign. Never changed."""

    control_id: str
    entry: PointEntry
    si: float


class Outputs:
    """All outputs of one outstation.

    Args:
        station: its name, part of the keys of its documents.
        points: its map.
    """

    def __init__(self, station: str, points: PointMap) -> None:
        self._station = station
        self._points = points
        self.held = {entry.name: Held(start, start) for entry in points.outputs() for start in [_start(entry)]}
        self._in_force: dict[Holder, InForce] = {}
        self._by_control: dict[str, Holder] = {}
        self._wanted: dict[Holder, float] = {}
        self._soon: dict[str, Held] = {}
        self._curves = [entry.name for entry in points.outputs() if entry.action is Action.CURVE]

    # --- what is -------------------------------------------------------------------------------------------------

    def is_on(self, name: str) -> bool:
        """Whether an enabling output is on; no name: yes."""
        return not name or self.expected(name).value != 0

    def expected(self, name: str) -> Held:
        """What an output holds, or will as soon as what is on its way is durable."""
        return self._soon.get(name) or self.held[name]

    def expect(self, name: str, value: float, armed: bool) -> None:
        """A value is on its way to be stored."""
        self._soon[name] = Held(value, value, armed)

    def expect_nothing(self) -> None:
        """What was on its way is lost."""
        self._soon.clear()

    def number(self, name: str) -> float | None:
        """The SI value that a stored output holds; None without a name."""
        return self._points.by_name[name].to_si(self.held[name].value) if name else None

    def in_force(self, slot: str, master: str) -> InForce | None:
        """The control of a master in a slot."""
        return self._in_force.get((slot, master))

    def runs(self, name: str) -> bool:
        """Whether a control that came by this output is in force, for any master."""
        return any(item.entry.name == name for item in self._in_force.values())

    def owner(self, control_id: str) -> tuple[PointEntry | None, str]:
        """The output that a control in force came by, and its master; (None, "") where it is none of ours."""
        holder = self._by_control.get(control_id)
        item = None if holder is None else self._in_force.get(holder)
        return (None, "") if holder is None or item is None else (item.entry, holder[1])

    def curve_in_use(self, number: int) -> bool:
        """Whether a mode that acts uses a curve."""
        return any(item.entry.action is Action.CURVE and item.si == number for item in self._in_force.values())

    def curve_named(self, number: int) -> bool:
        """Whether a mode names a curve, enabled or not; what is on its way counts."""
        return any(self.expected(name).value == number for name in self._curves)

    def wanted(self, slot: str, master: str) -> float | None:
        """The SI value that a master asked for last in a slot, taken or on its way to be; None: nothing."""
        return self._wanted.get((slot, master))

    def want(self, slot: str, master: str, si: float) -> None:
        """A command is on its way to be made durable."""
        self._wanted[slot, master] = si

    def controls_of(self, *, master: str | None = None, names: Iterable[str] | None = None) -> list[InForce]:
        """What is in force, of one master or of all, of some outputs or of all."""
        chosen = None if names is None else set(names)
        return [
            item
            for (_, owner), item in self._in_force.items()
            if (master is None or owner == master) and (chosen is None or item.entry.name in chosen)
        ]

    # --- what becomes --------------------------------------------------------------------------------------------

    def store(self, name: str, value: float, *, armed: bool = False) -> list[PointEntry]:
        """An output holds a value; returns the outputs whose status changed."""
        fresh = Held(value, value, armed)
        if self._soon.get(name) == fresh:
            del self._soon[name]
        self.held[name] = fresh
        return [self._points.by_name[name]]

    def take(
        self, entry: PointEntry, master: str, control_id: str, *, wire: float, si: float, feasible: float | None
    ) -> list[PointEntry]:
        """A control is in force in place of the one before; returns the outputs whose status changed.

        Args:
            entry: the output it came by.
            master: whose it is.
            control_id: of the control.
            wire: the commanded value, wire units.
            si: the same after scale and sign.
            feasible: SI; what can be delivered of it, where that is less.
        """
        slot = entry.own_slot
        self._drop((slot, master))
        self._in_force[slot, master] = InForce(control_id, entry, si)
        self._by_control[control_id] = (slot, master)
        # a later command may be on its way already: what it wants stands
        wanted = self._wanted.setdefault((slot, master), si)
        if entry.action in _PULSED and feasible is not None and wanted == si:
            # the next pulse counts from what can be done: else as many were lost as had asked for more than that
            self._wanted[slot, master] = feasible
        changed = []
        for other in self._points.of_slot(slot):
            if other.name == entry.name and entry.action not in _PULSED:
                shown = wire if feasible is None else entry.to_wire(feasible)
                self.held[other.name] = Held(wire, shown)
            elif _same_kind(other, entry):
                value = other.to_wire(si)
                self.held[other.name] = Held(value, value if feasible is None else other.to_wire(feasible))
            else:
                self.held[other.name] = Held(other.idle, other.idle)
            changed.append(other)
        return changed

    def end(self, control_id: str) -> list[PointEntry]:
        """A control is over or was taken away; returns the outputs whose status changed."""
        holder = self._by_control.get(control_id)
        if holder is None:
            return []
        ended = self._in_force[holder].entry.name
        self._drop(holder)
        self._wanted.pop(holder, None)
        slot = holder[0]
        rest = [item for (other, _), item in self._in_force.items() if other == slot]
        for entry in self._points.of_slot(slot):
            kept = next((item for item in reversed(rest) if _same_kind(entry, item.entry)), None)
            if kept is None and entry.keeps and entry.name == ended:
                # the others of the slot asked for nothing: they must not act beside it when its mode is on again
                value = self.held[entry.name].value
                self.held[entry.name] = Held(value, value, armed=True)
                continue
            value = entry.idle if kept is None else entry.to_wire(kept.si)
            self.held[entry.name] = Held(value, value)
        return self._points.of_slot(slot)

    def unwant(self, slot: str, master: str) -> None:
        """A command came to nothing: what counts is what is in force."""
        now = self._in_force.get((slot, master))
        if now is None:
            self._wanted.pop((slot, master), None)
        else:
            self._wanted[slot, master] = now.si

    def _drop(self, holder: Holder) -> None:
        before = self._in_force.pop(holder, None)
        if before is not None:
            self._by_control.pop(before.control_id, None)

    # --- durable form ----------------------------------------------------------------------------------------------

    def document(self, name: str, value: float, *, armed: bool = False) -> PutDocument:
        """The document of an output that is about to hold a value."""
        if isfinite(value):
            body = b'{"value":%a,"armed":%s}' % (float(value), b"true" if armed else b"false")
        else:
            body = json.dumps({"value": value, "armed": armed}).encode()
        return PutDocument(space=SPACE, key=f"{self._station}/{name}", body=body)

    def load(self, documents: Iterable[Document], controls: Iterable[Control], masters: Iterable[str]) -> None:
        """Take up where the last run ended.

        A value that asked for a control counts only while that control lives; stored and armed values count as they
        are. Documents of points that are no longer there are passed over.
        """
        known = {self._station + "/" + name: name for name in self.held}
        for document in documents:
            name = known.get(document.key) if document.space == SPACE else None
            body = _parsed(document.body)
            if name is None or body is None:
                continue
            armed = bool(body.get("armed"))
            entry = self._points.by_name[name]
            if entry.action not in CONTROLLING or armed or entry.keeps:
                self.store(name, float(body["value"]), armed=armed or entry.keeps)
        names = set(masters)
        for control in sorted(controls, key=lambda one: one.id):
            self._load_control(control, names)

    def _load_control(self, control: Control, masters: set[str]) -> None:
        entry = self._points.by_name.get(control.extra.get(POINT, ""))
        mine = control.source.protocol == PROTOCOL and control.source.program.startswith(f"{self._station}/")
        if entry is None or not mine or control.state in TERMINAL or control.source.identity not in masters:
            return
        si = next((value.value for value in control.values.values()), 0.0)
        wire = entry.to_wire(abs(si) if entry.sign_from else si)
        self.take(entry, control.source.identity, control.id, wire=wire, si=si, feasible=None)


def _start(entry: PointEntry) -> float:
    return entry.idle if entry.action in CONTROLLING else entry.initial


def _same_kind(one: PointEntry, other: PointEntry) -> bool:
    """Whether the value of one output can be said in the units of the other."""
    if other.action in _PULSED:
        return one.action is Action.REGULATION
    return one.action is other.action


def _parsed(body: bytes) -> Mapping[str, float] | None:
    try:
        found = json.loads(body)
        return found if isinstance(found, dict) and isinstance(found.get("value"), int | float) else None
    except ValueError:
        return None
