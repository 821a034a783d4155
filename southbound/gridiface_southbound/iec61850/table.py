"""The reference table: which attribute of a device's model is which point, what is controlled, which reports tell it.

Owned here: references, functional constraints, report control blocks and the rules on them. What points mean and how
they are written is `gridiface_southbound.points.table`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from gridiface.errors import LocalProtocolError
from gridiface.protocols.mms.references import Constraint, Reference, parse
from gridiface_southbound.points import table as points
from gridiface_southbound.points.meanings import RATINGS, TEXTS, WORDS
from gridiface_southbound.points.problems import Wrong
from gridiface_southbound.points.scalar import ScalarPoint
from gridiface_southbound.points.template import Scalar, names_in, text_of

#: A reference, `LD/LN.DO.DA`; `{name}` in it is a parameter.
Ref = Annotated[str, Field(min_length=3, max_length=256)]


class WriteRule(points.WriteRule):
    """How a point is written: by the control service where it has one, else by its attribute."""

    status: Ref | None = Field(None, description="What shows the control; none: its object's own mxVal or stVal.")
    status_fc: Constraint | None = Field(None, description="Its functional constraint; none: MX, else ST.")
    interlock_check: bool = Field(default=False, description="The device checks interlocks before it operates.")
    synchro_check: bool = Field(default=False, description="The device checks synchronism before it operates.")


class Point(ScalarPoint):
    """One value of the device."""

    ref: Ref = Field(description="LD/LN.DO.DA; of a control the data object alone.")
    fc: Constraint | None = Field(None, description="Functional constraint; none: by the point's meaning.")
    write: WriteRule | None = None

    @property
    def place(self) -> str:
        """As `Point.place`."""
        return f"{self.ref} [{self.constraint}]"

    @property
    def constraint(self) -> Constraint:
        """The functional constraint, by habit where the table does not say: CO where an object is controlled."""
        if self.fc is not None:
            return self.fc
        if self.write is not None:
            return Constraint.CO if self.ref.count(".") == 1 else Constraint.SP
        if self.meaning in RATINGS:
            return Constraint.SP
        if self.meaning in TEXTS:
            return Constraint.DC
        return Constraint.ST if self.meaning in WORDS else Constraint.MX

    @property
    def controlled(self) -> bool:
        """Whether it is written by the control service."""
        return self.constraint is Constraint.CO


class ReportRule(points.Part):
    """A report control block that tells points by itself; points that it does not tell are polled."""

    ref: Ref = Field(description="LD/LN.name of the block; with `instances` without its number.")
    buffered: bool = Field(default=False, description="Whether it is a buffered block (BR).")
    instances: int = Field(0, ge=0, le=99, description="Blocks with numbers 01 on behind the name; the first free one.")
    data_set: str = Field(
        "", description="Data set to be reported; none: what the block has; own: one made of the points that are read."
    )
    integrity_s: float = Field(0.0, ge=0, le=86_400, description="Period of whole reports, seconds; 0: none.")
    buffer_s: float = Field(0.0, ge=0, le=3600, description="Changes are gathered for so long, seconds.")

    @property
    def names(self) -> tuple[str, ...]:
        """The blocks that may be taken, in order."""
        return tuple(f"{self.ref}{n:02d}" for n in range(1, self.instances + 1)) or (self.ref,)


class ReferenceTable(points.Table[Point]):
    """A whole device."""

    parameters: dict[str, Scalar] = Field(default_factory=dict, max_length=64)
    reports: tuple[ReportRule, ...] = Field((), max_length=16)

    def reference(self, text: str, values: dict[str, Scalar]) -> Reference:
        """A reference with its parameters.

        Raises:
            ValueError: it is none.
        """
        try:
            return parse(text_of(text, values))
        except LocalProtocolError as error:
            raise ValueError(str(error)) from error

    def _problems(self) -> Iterator[Wrong]:
        yield from super()._problems()
        for place, text in self._texts():
            unknown = sorted(set(names_in(text)) - self.parameters.keys())
            if unknown:
                yield place, f"{{{unknown[0]}}} is no parameter"
                continue
            try:
                found = self.reference(text, self.parameters)
            except ValueError as error:
                yield place, f"{error}"
                continue
            if place.startswith("reports") and len(found.path) != 1:
                yield place, "a report control block is LD/LN.name"
        for point in self.points:
            yield from self._written(point)

    def _texts(self) -> Iterator[tuple[str, str]]:
        for point in self.points:
            yield f"points.{point.name}", point.ref
            if point.write is not None and point.write.status is not None:
                yield f"points.{point.name}.write.status", point.write.status
        for rule in self.reports:
            yield "reports", rule.ref

    def _written(self, point: Point) -> Iterator[Wrong]:
        place, rule = f"points.{point.name}", point.write
        if point.controlled and rule is None:
            yield place, "a control (CO) is written only: give write"
        if point.controlled and point.ref.count(".") != 1:
            yield place, "a control is named by its data object, LD/LN.DO"
        if not point.controlled and point.ref.count(".") < 2:
            yield place, "give the attribute, LD/LN.DO.DA"
        if rule is not None and not point.controlled and (rule.status or rule.interlock_check or rule.synchro_check):
            yield place, "status and checks belong to controls (CO)"
