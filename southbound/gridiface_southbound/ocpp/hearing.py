"""What a charging point says by itself, passed on where it changes what a reading tells. Owns no connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gridiface_southbound.ocpp.listener import Seat


class Hearing:
    """The ears of one driver at its charging point's seat.

    Args:
        places: the connectors that count now.
    """

    def __init__(self, places: Callable[[], list[int]]) -> None:
        self._places = places
        self._tell: Callable[[], None] | None = None
        self._seat: Seat | None = None
        self._before: object = None
        self._asking = False
        self._just_told = False

    def on_news(self, tell: Callable[[], None]) -> None:
        """Whom to tell: that it called or hung up, that a session begins or ends, that values were measured."""
        self._tell = tell

    def sit(self, seat: Seat) -> None:
        """Hear what is said at this seat."""
        self._seat = seat
        seat.hearers.append(self._hear)

    def leave(self) -> None:
        """Hear no more; twice is once."""
        seat, self._seat = self._seat, None
        if seat is not None:
            seat.hearers.remove(self._hear)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """While it is asked, its answer is no news."""
        self._asking = True
        try:
            yield
        finally:
            self._asking = False

    def just_told(self) -> bool:
        """Whether news brought the present reading about, so that it need not be asked; asking this forgets it."""
        told, self._just_told = self._just_told, False
        return told

    def _hear(self) -> None:
        if self._tell is None or self._seat is None:
            return
        ones = [self._seat.station.at(place) for place in self._places()]
        said = [(one.status, one.session, one.transaction, one.error, one.gives_w, one.meters) for one in ones]
        before, self._before = self._before, (self._seat.session, said)
        if self._before != before and not self._asking:
            self._just_told = True
            self._tell()
