"""A driver for devices that tell their state by themselves: a write is proved by what they say after it.

Owned here: the wait for an echo. Not owned: how the device is heard (subclasses) and what it said (heard).
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

from gridiface.errors import DeviceTimeout
from gridiface_southbound.points.driver import PointDriver
from gridiface_southbound.points.heard import Heard
from gridiface_southbound.points.image import Image, Write
from gridiface_southbound.points.scalar import ScalarImage, ScalarPoint
from gridiface_southbound.points.template import MISSING

S = TypeVar("S", bound=ScalarPoint)

Sought = Sequence[tuple[Write[S], S]]


class EchoDriver(PointDriver[S], Generic[S]):
    """Drives a device that is heard, not asked."""

    _image: ScalarImage[S]
    _heard: Heard

    @abstractmethod
    def _source(self, point: S) -> str | None:
        """Where a point is heard; None: nowhere."""

    @abstractmethod
    def _spot(self, point: S) -> str:
        """Where in the document of its source it is, a JSON Pointer."""

    def _may_be_silent(self, write: Write[S]) -> bool:
        """Whether the device need not tell a value again that it shows already."""
        return False

    async def _look(self, points: Sequence[S]) -> Image[S]:
        self._take()
        return self._image

    def _take(self) -> None:
        """Put what was heard into the image."""
        for point in self._points.points:
            source = self._source(point)
            seen: Any = MISSING if source is None else self._heard.value(source, self._spot(point))
            if seen is not MISSING:
                self._image.data[point.name] = seen

    def _missing(self, points: Iterable[S]) -> list[S]:
        """The points that were not heard."""
        found = ((point, self._source(point)) for point in points)
        return [p for p, source in found if source and self._heard.value(source, self._spot(p)) is MISSING]

    def _sought(self, writes: Iterable[Write[S]], shown: Iterable[S]) -> tuple[Sought[S], dict[str, int]]:
        """The writes with the points that show them, and how often those were heard until now."""
        showing = {point.name for point in shown}
        sought = [(write, point) for write in writes if (point := self._shown_by(write)).name in showing]
        sources = {source for _, point in sought if (source := self._source(point))}
        return sought, {source: self._heard.count(source) for source in sources}

    async def _echoed(self, sought: Sought[S], before: dict[str, int]) -> bool:
        """Whether the device shows these writes, told anew.

        Raises:
            DeviceTimeout: it told nothing.
        """

        def fresh(write: Write[S], point: S) -> bool:
            source = self._source(point) or ""
            return self._may_be_silent(write) or self._heard.count(source) > before.get(source, 0)

        def done() -> bool:
            self._take()
            return all(fresh(write, point) and self._shows(write, point, self._image)[1] for write, point in sought)

        patience = self._keys.timeout_s + self._delay(write for write, _ in sought)
        try:
            async with asyncio.timeout(patience):
                await self._heard.until(done)
        except TimeoutError:
            unheard = [point.name for write, point in sought if not fresh(write, point)]
            if unheard:
                raise DeviceTimeout(f"no echo of {', '.join(unheard)} within {patience:g} s") from None
            return False
        return True

    def _shown_by(self, write: Write[S]) -> S:
        rule = write.point.write
        name = rule.read_back if rule is not None and isinstance(rule.read_back, str) else write.point.name
        return self._points.by_name[name]
