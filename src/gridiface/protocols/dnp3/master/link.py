"""A master's end of the link: octets to fragments and back, link functions, and the probe of a silent outstation.

Owns frames, segments and what waits to be written. What fragments mean is master.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from gridiface.protocols.dnp3.link import (
    DIR,
    PRM,
    Frame,
    FrameReader,
    PrimaryFunction,
    SecondaryStation,
    Silence,
    SilenceWatch,
    encode,
)
from gridiface.protocols.dnp3.master.settings import MasterSettings
from gridiface.protocols.dnp3.transport import FragmentWriter, Reassembler

_DATA = DIR | PRM | PrimaryFunction.UNCONFIRMED_USER_DATA
_STATUS_REQUEST = DIR | PRM | PrimaryFunction.REQUEST_LINK_STATUS


class MasterLink:
    """The link to one outstation; call `open` for each new connection and `close` when it is gone."""

    def __init__(self, settings: MasterSettings) -> None:
        self._to, self._own = settings.outstation, settings.address
        self._writer = FragmentWriter(_DATA, self._to, self._own)
        self._reader = FrameReader(settings.frame_gap)
        self._assembler = Reassembler(settings.max_rx_fragment)
        self._station = SecondaryStation()
        self._silence = SilenceWatch(settings.keep_alive, settings.link_timeout)
        self._out: list[bytes] = []

    def open(self, now: float) -> None:
        """A connection is there: nothing of the one before counts."""
        self._silence.heard(now)
        self._reader.clear()
        self._assembler.clear()
        self._station = SecondaryStation()

    def close(self) -> None:
        """The connection is gone: what was not written is not written any more."""
        self._out.clear()

    def receive(self, data: bytes, now: float, *, datagram: bool = False) -> Iterator[bytes]:
        """Takes octets as they came; the whole fragments of the outstation in them, in order."""
        self._silence.heard(now)
        frames = self._reader.feed(data, now)
        if datagram:
            self._reader.clear()
        for frame in frames:
            if frame.from_master or not frame.primary or (frame.source, frame.destination) != (self._to, self._own):
                continue
            answer, fresh = self._station.take(frame)
            if answer is not None:
                self._frame(DIR | answer)
            fragment = self._assembler.push(frame.payload) if fresh else None
            if fragment is not None:
                yield fragment

    def send(self, fragment: bytes) -> None:
        """Queues a fragment."""
        self._out.append(self._writer.encode(fragment))

    @property
    def waits(self) -> bool:
        """Whether something is to be written."""
        return bool(self._out)

    def take(self) -> bytes:
        """Everything that is to be written now, whole frames only; handed out once."""
        out = b"".join(self._out)
        self._out.clear()
        return out

    def next_timer(self) -> float | None:
        """When `handle_timer` is due."""
        return self._silence.next_timer()

    def handle_timer(self, now: float) -> bool:
        """Asks a silent outstation for its link status; True once, when it stays silent."""
        action = self._silence.handle_timer(now)
        if action is Silence.PROBE:
            self._frame(_STATUS_REQUEST)
        return action is Silence.LOST

    def _frame(self, control: int) -> None:
        self._out.append(encode(Frame(control, self._to, self._own)))
