"""The signal table: frames by their identifier, and where in them each point lies, as a DBC file says it.

Owned here: frames, placement of signals and the rules on them. What points mean and how they are written is
`gridiface_southbound.points.table`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Literal

from pydantic import Field

from gridiface.wording import worded
from gridiface_southbound.points import table as points
from gridiface_southbound.points.problems import Wrong
from gridiface_southbound.points.scalar import ScalarPoint

STANDARD, EXTENDED = 0x7FF, 0x1FFF_FFFF


class Frame(points.Part):
    """One frame of up to eight bytes."""

    name: str = Field(pattern=worded(r"^[a-z][a-z0-9_]{0,63}$", "1 to 64 small letters, digits and _, a letter first"))
    id: int = Field(ge=0, le=EXTENDED, description="Identifier, without flags.")
    extended: bool = Field(default=False, description="29 bits.")
    length: int = Field(8, ge=1, le=8, description="Bytes.")
    sent: bool = Field(default=False, description="We send it; else the device does.")
    period_s: float = Field(0.0, ge=0, le=60, description="A frame that is sent is repeated so often; 0: once.")
    fill: int = Field(0, ge=0, le=255, description="What the bytes hold where no signal is.")


class WriteRule(points.WriteRule):
    """How a point is written: in its frame, with the other points of the frame as they were last."""

    default: int = Field(0, description="What stands in the frame until the point is written first; bare bits.")


class Point(ScalarPoint):
    """One signal."""

    frame: str
    start: int = Field(ge=0, le=63, description="As in DBC: of the lowest bit, with big order of the highest.")
    length: int = Field(ge=1, le=64, description="Bits.")
    byte_order: Literal["little", "big"] = Field("little", description="Intel or Motorola.")
    format: Literal["unsigned", "signed", "float"] = "unsigned"
    write: WriteRule | None = None

    @property
    def place(self) -> str:
        """As `Point.place`."""
        return f"{self.frame} bit {self.start}"

    @property
    def raw_range(self) -> tuple[int, int] | None:
        """What an integer signal can hold; None: a float."""
        if self.format == "float":
            return None
        if self.format == "signed":
            return -(1 << self.length - 1), (1 << self.length - 1) - 1
        return 0, (1 << self.length) - 1

    def shift(self, frame_bits: int) -> int:
        """How many bits lie below it, in the frame as one number of its byte order."""
        if self.byte_order == "little":
            return self.start
        from_top = self.start // 8 * 8 + 7 - self.start % 8
        return frame_bits - from_top - self.length

    def _shape(self) -> Iterator[Wrong]:
        if self.type == "text":
            yield "type", "a signal is a number or a flag"
        if self.format == "float" and (self.length not in (32, 64) or self.step):
            yield "format", "a float has 32 or 64 bits and step: 0"
        if self.format != "float" and self.step < 1:
            yield "step", "a signal of whole bits has steps of 1 or more"
        if any(isinstance(raw, str) for raw in self.values):
            yield "values", "values of a signal are numbers"
        yield from super()._shape()

    def _writing(self) -> Iterator[Wrong]:
        if self.write is not None and self.write.read_back is True:
            yield (
                "write.read_back",
                "a frame that we send shows nothing: read_back names the point that does, or is false",
            )
        if self.write is not None and self.raw_range is not None:
            low, high = self.raw_range
            if not low <= self.write.default <= high:
                yield "write.default", f"default {self.write.default} does not fit into {self.length} bits"
        yield from super()._writing()


class SignalTable(points.Table[Point]):
    """A whole device."""

    frames: tuple[Frame, ...] = Field(min_length=1, max_length=256)
    stale_after_s: float = Field(3.0, gt=0, le=3600, description="A device whose frames are older is silent.")

    @cached_property
    def frame_by_name(self) -> dict[str, Frame]:
        """The frames by name."""
        return {frame.name: frame for frame in self.frames}

    def _problems(self) -> Iterator[Wrong]:
        yield from super()._problems()
        if len(self.frame_by_name) < len(self.frames):
            yield "frames", "a name is used twice"
        if len({(frame.id, frame.extended) for frame in self.frames}) < len(self.frames):
            yield "frames", "an identifier is used twice"
        for frame in self.frames:
            if not frame.extended and frame.id > STANDARD:
                yield f"frames.{frame.name}.id", f"{frame.id:#x} needs extended: true"
            if frame.period_s and not frame.sent:
                yield f"frames.{frame.name}", "only what is sent has a period"
        used: dict[str, int] = {}
        for point in self.points:
            yield from self._placed(point, used)

    def _placed(self, point: Point, used: dict[str, int]) -> Iterator[Wrong]:
        place, frame = f"points.{point.name}", self.frame_by_name.get(point.frame)
        if frame is None:
            yield f"{place}.frame", f"no frame is called {point.frame!r}; frames: {', '.join(self.frame_by_name)}"
            return
        if frame.sent != (point.write is not None):
            yield place, f"frame {frame.name} is {'sent, so it needs write' if frame.sent else 'not sent'}"
        shift, bits = point.shift(8 * frame.length), 8 * frame.length
        if shift < 0 or shift + point.length > bits:
            yield place, f"bits {point.start} and {point.length} on do not fit into {frame.length} bytes"
            return
        mask = ((1 << point.length) - 1) << shift
        if point.byte_order == "big":
            mask = int.from_bytes(mask.to_bytes(frame.length, "big"), "little")
        if frame.sent and used.get(frame.name, 0) & mask:
            yield place, f"lies over another point of {frame.name}"
        used[frame.name] = used.get(frame.name, 0) | mask
