"""The topic table: which topic tells which point, which one takes it, and how the device shows that it is there.

Owned here: topics, payloads, availability and the rules on them. What points mean and how they are written is
`gridiface_southbound.points.table`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from gridiface.wording import worded
from gridiface_southbound.points import table as points
from gridiface_southbound.points.problems import Wrong
from gridiface_southbound.points.scalar import ScalarPoint
from gridiface_southbound.points.template import MAX_DEPTH, Scalar, Success, depth, names_in

#: A topic without wildcards; `{name}` in it is a parameter.
Topic = Annotated[
    str, Field(min_length=1, max_length=1024, pattern=worded(r"^[^+#\x00]+$", "a topic without the wildcards + and #"))
]


class Availability(points.Part):
    """The topic by which the device, or the broker in its place (its last will), says whether it is there."""

    topic: Topic
    pointer: str = Field(
        "",
        pattern=worded(r"^(/.*)?$", "empty or a JSON Pointer, which begins with /"),
        description="JSON Pointer; empty: the whole payload.",
    )
    online: tuple[str, ...] = Field(("online",), min_length=1, description="Payloads that mean: there.")


class Ask(points.Part):
    """What is published so that the device tells its state."""

    topic: Topic
    payload: str = ""
    period_s: float = Field(0.0, ge=0, le=86_400, description="At most so often; 0: before each reading.")
    answers: tuple[Topic, ...] = Field((), description="Topics that must be heard then; silence is a lost device.")


class Answer(Success):
    """The topic on which the device says whether it takes what was published."""

    topic: Topic


class WriteRule(points.WriteRule):
    """How a point is written."""

    topic: Topic = Field(description="The topic that takes it; points with the same one go out together.")
    payload: Any = Field(None, description="JSON with {name} for points; none: the value alone.")
    retain: bool = Field(default=False, description="Whether the broker keeps it for a device that is away.")
    answer: Answer | None = None
    echo: Literal["always", "changes"] = Field(
        "always", description="changes: the device is silent where the value is what it shows already."
    )


class Point(ScalarPoint):
    """One value of the device."""

    topic: Topic | None = Field(None, description="The topic that tells it; none: it is written only.")
    pointer: str = Field(
        "",
        pattern=worded(r"^(/.*)?$", "empty or a JSON Pointer, which begins with /"),
        description="JSON Pointer (RFC 6901); empty: the whole payload.",
    )
    write: WriteRule | None = None

    @property
    def place(self) -> str:
        """As `Point.place`."""
        return f"{self.topic or ''} {self.pointer}".strip()


class TopicTable(points.Table[Point]):
    """A whole device."""

    parameters: dict[str, Scalar] = Field(default_factory=dict, max_length=64)
    availability: Availability | None = None
    ask: tuple[Ask, ...] = Field((), max_length=16)
    stale_after_s: float = Field(300.0, gt=0, le=86_400, description="Power told longer ago is stale.")

    def _problems(self) -> Iterator[Wrong]:
        yield from super()._problems()
        both = self.parameters.keys() & self.by_name.keys()
        if both:
            yield "parameters", f"{min(both)} is a parameter and a point"
        for place, topic in self._topics():
            for name in sorted(set(names_in(topic)) - self.parameters.keys()):
                yield place, f"{{{name}}} is no parameter"
        for point in self.points:
            yield from self._written(point)

    def _topics(self) -> Iterator[tuple[str, str]]:
        if self.availability is not None:
            yield "availability", self.availability.topic
        for ask in self.ask:
            yield from (("ask", topic) for topic in (ask.topic, *ask.answers))
        for point in self.points:
            place = f"points.{point.name}"
            if point.topic is not None:
                yield place, point.topic
            if point.write is not None:
                yield place, point.write.topic
                if point.write.answer is not None:
                    yield place, point.write.answer.topic

    def _written(self, point: Point) -> Iterator[Wrong]:
        place, rule = f"points.{point.name}", point.write
        if rule is None:
            if point.topic is None:
                yield place, "give the topic that tells it"
            return
        written = {one.name for one in self.points if one.write is not None}
        names = set(names_in(rule.payload))
        if rule.payload is not None and point.name not in names:
            yield place, f"its payload has no {{{point.name}}}"
        for name in sorted(names - self.parameters.keys() - written):
            yield place, f"{{{name}}} is neither a parameter nor a point that is written"
        if depth(rule.payload) > MAX_DEPTH:
            yield place, f"payload is nested deeper than {MAX_DEPTH}"
        if rule.read_back is True and point.topic is None:
            yield place, "no topic shows it: give topic, or read_back: false or another point's name"
