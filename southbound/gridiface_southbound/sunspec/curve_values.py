"""Stored curves and droops as values, and back into registers. Pure: blocks in, values and writes out.

Owned here: what one stored set of a model holds, what it has to hold for a curve or droop, and where that does not fit
the device. Not owned: names and differences of models (curve_tables), which set is written and adopted (adopting).
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gridiface.domain.curves import Curve, CurveKind, Droop
from gridiface_southbound.sunspec.curve_tables import CurveModel, Line
from gridiface_southbound.sunspec.models import Block, scaler, whole_model
from gridiface_southbound.sunspec.scan import ModelPlace

#: Of a device that claims more, the definitions cannot be right.
MOST_STORED, MOST_POINTS = 32, 100

#: Values of a stored set by the names of their points inside it.
Content = dict[str, float]

_NUMBERED = re.compile(r"((?:\w+\.)?)(?:Pt(\d+)\.\w+|(?:V|VAr|W|Hz|Tms)(\d+))")
_MOST_REGISTERS = 100


class UnfitCurve(Exception):
    """This device cannot hold what is asked; the reason is its text."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of one model: curves by kind, or a droop."""

    curves: Mapping[CurveKind, Curve] = field(default_factory=dict)
    droop: Droop | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """The stored sets of one model of one device, numbered from 1, as read."""

    spec: CurveModel
    block: Block

    @property
    def count(self) -> int:
        """How many sets there are."""
        return int(self.block.raw(self.spec.count) or 0)

    @property
    def most(self) -> int:
        """How many points a curve can have."""
        return int(self.block.raw(self.spec.most) or 0)

    @property
    def in_force(self) -> int:
        """The set that is in force while the function is enabled; 0: none."""
        if self.spec.adopts:
            return 1
        index = int(self.block.raw(self.spec.request) or 0)
        return index if index <= self.count else 0

    @property
    def enabled(self) -> bool:
        """Whether the function acts."""
        return bool(int(self.block.raw(self.spec.enable) or 0) & 1)

    def full(self, index: int, name: str) -> str:
        """The name of a set's point in the whole model."""
        return f"{self.spec.stored}{index}.{name}"

    def has(self, line: Line) -> bool:
        """Whether a curve is there: a device may lack some of a set."""
        names = ("ActPt", line.x.format(1), line.y.format(1))
        return any(
            all(self.block.raw(self.full(index, line.group + name)) is not None for name in names)
            for index in range(1, self.count + 1)
        )

    @property
    def limits(self) -> bool:
        """Whether a droop has a least power."""
        return bool(self.spec.least) and any(
            self.block.raw(self.full(index, self.spec.least)) is not None for index in range(1, self.count + 1)
        )

    def writable(self) -> list[int]:
        """The sets that may be written; of a model that adopts never the first."""
        first = 2 if self.spec.adopts else 1
        return [index for index in range(first, self.count + 1) if self.block.raw(self.full(index, "ReadOnly")) == 0]

    def content(self, index: int) -> Content:
        """What a set holds: the writable points that are implemented, those of its curves as far as they are active."""
        prefix = self.full(index, "")
        found: Content = {}
        for name, point in self.block.model.points.items():
            if not name.startswith(prefix) or not point.writable:
                continue
            inside = name.removeprefix(prefix)
            value = self.block.value(name)
            if value is not None and not self._idle(index, inside):
                found[inside] = value
        return found

    def _idle(self, index: int, inside: str) -> bool:
        """Whether a point lies behind the last active one of its curve."""
        match = _NUMBERED.fullmatch(inside)
        if match is None:
            return False
        active = self.block.raw(self.full(index, f"{match[1]}ActPt")) or 0
        return int(match[2] or match[3]) > active

    def wanted(self, asked: Asked, slot: int, notes: list[str], own: Content | None = None) -> Content:
        """What a set has to hold: what is in force, changed by what is asked.

        Args:
            asked: for this model.
            slot: the set that will be written.
            notes: takes up what is carried out otherwise than asked.
            own: what was in force before anything was asked: limits that nobody asks for any more are those again.

        Raises:
            UnfitCurve: the device cannot hold it.
        """
        content = self.content(self.in_force or slot)
        known = content.keys() | self.content(slot).keys()
        for line in self.spec.lines:
            curve = asked.curves.get(line.kind)
            if curve is not None:
                self._lay(line, curve, content, known, notes)
        if asked.droop is not None:
            droop = asked.droop
            self._limit(droop, content, known, own or {})
            content |= {"DbOf": droop.over_hz, "DbUf": droop.under_hz, "KOf": droop.over_gain, "KUf": droop.under_gain}
            content["RspTms"] = droop.response_s
        return content

    def _limit(
        self, droop: Droop, content: Content, known: frozenset[str] | set[str], own: Mapping[str, float]
    ) -> None:
        """Put the least power of a droop in its place, rounded up: it is not to go lower; without one the maker's."""
        least = self.spec.least
        if droop.most_percent is not None:
            raise UnfitCurve(f"model {self.spec.id} has no point for the most power of a droop")
        if droop.least_percent is None:
            if least in own:
                content[least] = own[least]
        elif least not in known:
            raise UnfitCurve(f"the device has no {least}: the least power of its droop is its own")
        else:
            content[least] = math.ceil(droop.least_percent)

    def _lay(
        self, line: Line, curve: Curve, content: Content, known: frozenset[str] | set[str], notes: list[str]
    ) -> None:
        """Put one curve in the place of that of its kind."""
        label, group = curve.kind.mode, line.group
        if len(curve.points) > self.most:
            raise UnfitCurve(f"{label} has {len(curve.points)} points, the device takes {self.most}")
        for name in [name for name in content if (m := _NUMBERED.fullmatch(name)) is not None and m[1] == group]:
            del content[name]
        content[f"{group}ActPt"] = len(curve.points)
        scale = self._reference(line, curve, content, known, notes)
        for number, (x, y) in enumerate(curve.points, 1):
            content[f"{group}{line.x.format(number)}"] = x * scale
            content[f"{group}{line.y.format(number)}"] = y
        if line.bases is not None:
            base = line.bases.get(curve.base)
            if base is None:
                raise UnfitCurve(f"{label}: model {self.spec.id} has no y axis of reference type {curve.base}")
            if f"{self.spec.stored}1.DeptRef" in self.block.model.points:
                content["DeptRef"] = base
        content |= {name: float(value) for name, value in line.fixed.items() if name in known}
        for name, seconds in ((line.response, curve.response_s), (line.pt1, curve.pt1_s)):
            if name and seconds is not None and name in known:
                content[name] = seconds
            elif name and seconds is not None:
                notes.append(f"{label}: the device has no {name}, its own response time stays")

    def _reference(
        self, line: Line, curve: Curve, content: Content, known: frozenset[str] | set[str], notes: list[str]
    ) -> float:
        """Put the reference voltage in its points; the factor for x where it has no point of its own."""
        if curve.follows is not None and line.reference and "VRefAutoEna" in known:
            content["VRefAutoEna"] = float(curve.follows)
            if curve.follows_s is not None and "VRefAutoTms" in known:
                content["VRefAutoTms"] = curve.follows_s
        elif curve.follows:
            notes.append(f"{curve.kind.mode}: the device's reference voltage cannot follow by itself")
        if curve.reference_percent is None:
            return 1.0
        if line.reference and "VRef" in known:
            content["VRef"] = curve.reference_percent
            return 1.0
        return curve.reference_percent / 100.0

    def raw(self, index: int, content: Mapping[str, float]) -> dict[str, int]:
        """The raw numbers of a set's points by their full names.

        Raises:
            UnfitCurve: a value does not fit its register with the device's scale factor.
        """
        found: dict[str, int] = {}
        for inside, value in content.items():
            name = self.full(index, inside)
            exponent = self.block.scale(name)
            if exponent is None or name not in self.block.model.points:
                raise UnfitCurve(f"{self.spec.id} {inside} cannot be scaled")
            number = scaler(self.block.model, name, exponent)(value)
            if abs(number * 10.0**exponent - value) > 0.500001 * 10.0**exponent:
                raise UnfitCurve(f"{self.spec.id} {inside}: {value:g} does not fit its register")
            found[name] = number
        return found

    def writes(self, index: int, content: Mapping[str, float]) -> list[tuple[int, bytes]]:
        """What is sent to make a set hold this: (offset in the model, registers), neighbours together.

        Raises:
            UnfitCurve: as `raw`.
        """
        points, numbers = self.block.model.points, self.raw(index, content)
        found: list[tuple[int, bytes]] = []
        for name in sorted(numbers, key=lambda name: points[name].offset):
            point, kind = points[name], points[name].kind
            data = struct.pack(">" + ("" if kind is None else kind.code), numbers[name])
            if found:
                offset, before = found[-1]
                size = len(before) // 2
                if offset + size == point.offset and size + point.size <= _MOST_REGISTERS:
                    found[-1] = (offset, before + data)
                    continue
            found.append((point.offset, data))
        return found

    def differing(self, index: int, content: Mapping[str, float]) -> list[str]:
        """The points of a set that do not hold what they should.

        Raises:
            UnfitCurve: as `raw`.
        """
        return [name for name, number in self.raw(index, content).items() if self.block.raw(name) != number]


def store_table(spec: CurveModel, head: Block, place: ModelPlace) -> Sequence[tuple[str, int]] | None:
    """How often the groups of a model are there, by the model's head; None where that cannot be."""
    stored, most = head.raw(spec.count), head.raw(spec.most) if spec.most else 0
    if not stored or stored > MOST_STORED or most is None or most > MOST_POINTS or (spec.most and not most):
        return None
    key = spec.stored if not spec.adopts else spec.count
    counts = ((key, int(stored)), *(((spec.most, int(most)),) if spec.adopts and spec.most else ()))
    table = whole_model(spec.id, counts)
    return counts if table is not None and table.length <= place.length + 2 else None
