"""One association from TCP's octets to MMS units and back: transport, session, presentation and ACSE, as its initiator.

Owns the order in which the layers open and close. Not owned: what MMS units say (client), and time: whoever waits for
an answer knows for how long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from gridiface.errors import LocalProtocolError, RemoteProtocolError
from gridiface.protocols.mms import acse, cotp, presentation, session, tpkt
from gridiface.protocols.mms.acse import UNNAMED, Title
from gridiface.protocols.mms.ber import broken

_SOURCE_REFERENCE = 1
#: Around an MMS unit stand session's four octets and presentation's elements.
_ENVELOPE = 64


@dataclass(frozen=True, slots=True)
class Addresses:
    """Selectors of transport, session and presentation, and the titles, of one side."""

    transport: bytes = b"\0\1"
    session: bytes = b"\0\1"
    presentation: bytes = b"\0\0\0\1"
    title: Title = UNNAMED


@dataclass(frozen=True, slots=True)
class Settings:
    """Who we are, whom we call, and the bounds.

    Attributes:
        local, remote: the addresses.
        password: for ACSE's authentication; None: none.
        size_power: the longest transport unit that is proposed, a power of two.
        max_octets: the longest MMS unit that is taken.
        outstanding: requests without an answer that are proposed.
    """

    local: Addresses = Addresses(title=Title("1.1.1.999", 12))
    remote: Addresses = Addresses(title=Title("1.1.1.999.1", 12))
    password: bytes | None = None
    size_power: int = 13
    max_octets: int = 65_000
    outstanding: int = 10


class State(Enum):
    """How far the association is."""

    IDLE = auto()
    CONNECTING = auto()
    ASSOCIATING = auto()
    OPEN = auto()
    RELEASING = auto()
    ENDED = auto()


class Association:
    """The layers below MMS.

    Call `connect` once when TCP is there; then `receive`, and after every call `to_send`. When `state` is ENDED the TCP
    connection is to be closed, after what `to_send` still gives; `why` tells why.
    """

    def __init__(self, settings: Settings) -> None:
        self.state = State.IDLE
        self.why = ""
        self._settings = settings
        self._packets = tpkt.PacketReader(tpkt.HEADER + (1 << settings.size_power))
        self._whole = cotp.Reassembler(settings.max_octets + _ENVELOPE)
        self._size = 1 << settings.size_power
        self._reference = 0
        self._first = b""
        self._out: list[bytes] = []

    def connect(self, user_data: bytes) -> None:
        """Begin; `user_data` is MMS's initiate request.

        Raises:
            LocalProtocolError: it was begun before, or a selector or title is none.
        """
        if self.state is not State.IDLE:
            raise LocalProtocolError("an association begins once")
        local, remote = self._settings.local, self._settings.remote
        self._first = acse.encode_request(
            user_data, calling=local.title, called=remote.title, password=self._settings.password
        )
        self.state = State.CONNECTING
        request = cotp.Connect(
            _SOURCE_REFERENCE, 0, self._settings.size_power, calling=local.transport, called=remote.transport
        )
        self._packet(cotp.encode_connect(request))

    def receive(self, data: bytes) -> list[bytes]:
        """Take octets as they came; the MMS units that are whole now.

        Raises:
            RemoteProtocolError: the peer breaks a rule, or refuses; the association has ended.
        """
        found: list[bytes] = []
        try:
            for unit in self._packets.feed(data):
                if self.state is State.ENDED:
                    break
                mms = self._unit(cotp.decode(unit))
                if mms is not None:
                    found.append(mms)
        except RemoteProtocolError as error:
            self.abort(error.reason)
            raise
        return found

    def send(self, unit: bytes) -> None:
        """Send an MMS unit.

        Raises:
            LocalProtocolError: the association is not open.
        """
        if self.state is not State.OPEN:
            raise LocalProtocolError("the association is not open")
        self._data(presentation.encode_data(unit, presentation.MMS_CONTEXT))

    def release(self) -> None:
        """End it in order, after MMS has concluded; nothing where it is not open."""
        if self.state is not State.OPEN:
            return
        self.state = State.RELEASING
        unit = presentation.encode_data(acse.encode_release_request(), presentation.ACSE_CONTEXT)
        self._session(session.SessionUnit(session.Kind.FINISH, unit))

    def abort(self, why: str = "aborted by this side") -> None:
        """End it at once; the peer is told."""
        if self.state in (State.ASSOCIATING, State.OPEN, State.RELEASING):
            unit = presentation.encode_abort(acse.encode_abort())
            self._session(session.SessionUnit(session.Kind.ABORT, unit))
        self._end(why)

    def to_send(self) -> bytes:
        """Everything that is to be written now."""
        out = b"".join(self._out)
        self._out.clear()
        return out

    # Upwards -------------------------------------------------------------------------------------------------------

    def _unit(self, unit: cotp.Unit) -> bytes | None:
        match unit:
            case cotp.Disconnect():
                raise self._over(f"the transport connection was refused or ended: {unit.words}")
            case cotp.Connect():
                self._confirmed(unit)
                return None
            case cotp.Data():
                if self.state is State.CONNECTING:
                    raise broken("data before the transport connection is confirmed")
                whole = self._whole.push(unit)
                return None if whole is None else self._of_session(session.decode(whole))

    def _confirmed(self, unit: cotp.Connect) -> None:
        if self.state is not State.CONNECTING:
            raise broken("a transport connection is confirmed twice")
        if unit.destination != _SOURCE_REFERENCE or unit.size_power > self._settings.size_power:
            raise broken("a confirmation of another connection request")
        self._reference, self._size = unit.source, unit.size
        self.state = State.ASSOCIATING
        local, remote = self._settings.local, self._settings.remote
        offer = presentation.encode_connect(local.presentation, remote.presentation, self._first)
        self._session(session.SessionUnit(session.Kind.CONNECT, offer, local.session, remote.session))

    def _of_session(self, unit: session.SessionUnit) -> bytes | None:
        action = _ACTIONS.get((self.state, unit.kind))
        if action is None:
            raise broken(f"session unit {unit.kind.name} while {self.state.name.lower()}")
        return action(self, unit)

    def _accepted(self, unit: session.SessionUnit) -> bytes:
        answer = presentation.decode_answer(unit.user_data)
        if answer.reason is not None and not answer.user_data:
            raise self._over(f"refused by the presentation layer: {answer.words}")
        told = acse.decode_answer(answer.user_data)
        if told.result:
            raise self._over(f"the association is refused: {told.why}")
        self.state = State.OPEN
        return told.user_data

    def _refused(self, unit: session.SessionUnit) -> None:
        if unit.user_data:
            answer = presentation.decode_answer(unit.user_data)
            if answer.user_data:
                told = acse.decode_answer(answer.user_data)
                raise self._over(f"the association is refused: {told.why}")
            raise self._over(f"refused by the presentation layer: {answer.words}")
        raise self._over(f"refused by the session layer: {unit.words}")

    def _received(self, unit: session.SessionUnit) -> bytes:
        context, content = presentation.decode_data(unit.user_data)
        if context != presentation.MMS_CONTEXT:
            raise broken(f"data of context {context}")
        return content

    def _ignored(self, unit: session.SessionUnit) -> None:
        """Data that crossed our release."""

    def _aborted(self, unit: session.SessionUnit) -> None:
        raise self._over(f"the peer aborts: {presentation.decode_abort(unit.user_data)}")

    def _finished(self, unit: session.SessionUnit) -> None:
        """The peer releases: agreed."""
        answer = presentation.encode_data(acse.encode_release_answer(), presentation.ACSE_CONTEXT)
        self._session(session.SessionUnit(session.Kind.DISCONNECT, answer))
        self._end("the peer has ended the association")

    def _released(self, unit: session.SessionUnit) -> None:
        self._end("released")

    # Downwards -----------------------------------------------------------------------------------------------------

    def _data(self, content: bytes) -> None:
        self._session(session.SessionUnit(session.Kind.DATA, content))

    def _session(self, unit: session.SessionUnit) -> None:
        for segment in cotp.segments(session.encode(unit), self._size):
            self._packet(segment)

    def _packet(self, unit: bytes) -> None:
        self._out.append(tpkt.packet(unit))

    def _over(self, why: str) -> RemoteProtocolError:
        """The peer has ended it: it needs no abort."""
        self._end(why)
        return broken(why)

    def _end(self, why: str) -> None:
        if self.state is not State.ENDED:
            self.state, self.why = State.ENDED, why


#: What each session unit does in each state; what is not here breaks the protocol.
_ACTIONS: dict[tuple[State, session.Kind], Callable[[Association, session.SessionUnit], bytes | None]] = {
    (State.ASSOCIATING, session.Kind.ACCEPT): Association._accepted,
    (State.ASSOCIATING, session.Kind.REFUSE): Association._refused,
    (State.ASSOCIATING, session.Kind.ABORT): Association._aborted,
    (State.OPEN, session.Kind.DATA): Association._received,
    (State.OPEN, session.Kind.FINISH): Association._finished,
    (State.OPEN, session.Kind.ABORT): Association._aborted,
    (State.RELEASING, session.Kind.DATA): Association._ignored,
    (State.RELEASING, session.Kind.DISCONNECT): Association._released,
    (State.RELEASING, session.Kind.FINISH): Association._finished,
    (State.RELEASING, session.Kind.ABORT): Association._aborted,
}
