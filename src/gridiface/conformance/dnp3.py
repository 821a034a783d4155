"""DNP3 as a master sees its outstation: requests as function and objects, answers as indications and objects.

A master's rules (sequence numbers, confirms) are kept here, so that only what a procedure breaks on purpose is broken.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridiface.conformance.runner import Failed, Inconclusive
from gridiface.errors import ConfigError, RemoteProtocolError
from gridiface.pki.contexts import KeyPair, client_context
from gridiface.protocols.dnp3.application import (
    CON,
    FIN,
    FIR,
    IIN,
    SEQUENCE_MASK,
    UNS,
    Fragment,
    FunctionCode,
    ObjectHeader,
    parse_response,
)
from gridiface.protocols.dnp3.heads import all_head, range_head
from gridiface.protocols.dnp3.link import Frame, FrameReader, encode
from gridiface.protocols.dnp3.transport import Reassembler

_DATA = 0xC4
_WHOLE = 0xC0
_LINK_FUNCTIONS = {"RESET_LINK": 0xC0, "TEST_LINK": 0xF2, "REQUEST_LINK_STATUS": 0xC9}
_LINK_ANSWERS = {0: "ACK", 1: "NACK", 11: "LINK_STATUS", 15: "NOT_SUPPORTED"}
_QUIET_S = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Dnp3Target:
    """An outstation over TCP or TLS, and the master that we are to it."""

    host: str
    port: int
    address: int = 1
    outstation: int = 10
    certificate: Path | None = None
    key: Path | None = None
    roots: Path | None = None
    timeout_s: float = 5.0
    controls: bool = False

    @property
    def options(self) -> set[str]:
        """Names of what was given, for `needs`."""
        return {"controls"} if self.controls else set()

    def connect(self) -> socket.socket:
        """A connection.

        Raises:
            OSError: there is none.
            ConfigError: TLS is asked for in part.
        """
        given = [item is not None for item in (self.certificate, self.key, self.roots)]
        if any(given) and not all(given):
            raise ConfigError("TLS needs --cert, --key and --ca")
        plain = socket.create_connection((self.host, self.port), self.timeout_s)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.certificate is None or self.key is None or self.roots is None:
            return plain
        context: ssl.SSLContext = client_context(
            "modern", key_pairs=[KeyPair(self.certificate, self.key)], roots=[self.roots]
        )
        return context.wrap_socket(plain, server_hostname=self.host)


class Dnp3Session:
    """One procedure against one outstation. Null unsolicited responses are confirmed and do not count as answers."""

    def __init__(self, target: Dnp3Target) -> None:
        self._target = target
        self._socket: socket.socket | None = None
        self._reader, self._parts = FrameReader(), Reassembler()
        self._frames: list[Frame] = []
        self._sequence = 0
        self._last = b""
        self._octets = b""
        self.names: dict[str, str] = {"now": str(int(time.time() * 1000))}
        self.evidence: list[str] = []
        self.actions: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
            "ask": self.ask,
            "repeat": self.repeat,
            "link": self.link,
            "octets": self.octets,
            "reconnect": self.reconnect,
            "pause": self.pause,
        }

    def close(self) -> None:
        """End the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    # -- actions ---------------------------------------------------------------------------------------------------

    def ask(self, step: Mapping[str, Any]) -> None:
        """Arguments: function, objects (texts as of `objects_of`), sequence, outstation, address, expect."""
        number = _function(step["function"])
        if step.get("sequence", "next") == "next":
            self._sequence = (self._sequence + 1) & SEQUENCE_MASK
        fragment = bytes((FIR | FIN | self._sequence, number)) + objects_of(step.get("objects", []))
        self._last = fragment
        self._send(step, fragment)
        self._expect(step.get("expect", {}))

    def repeat(self, step: Mapping[str, Any]) -> None:
        """The last request once more, octet by octet; expect, and `identical`: the answer is what it was before.

        Raises:
            Failed: the answer is not as expected.
            Inconclusive: the outstation does not have this function.
        """
        before = self._octets
        self._send(step, self._last)
        self._expect(step.get("expect", {}))
        if step.get("identical") and self._octets[2:] != before[2:]:
            raise Failed("the answer to a repeated request differs from the first one")

    def link(self, step: Mapping[str, Any]) -> None:
        """Arguments: function (of the link layer), expect (ACK, NACK, LINK_STATUS, NOT_SUPPORTED, silence).

        Raises:
            Failed: the answer is another.
            Inconclusive: there is no such function.
        """
        control = _LINK_FUNCTIONS.get(str(step["function"]))
        if control is None:
            raise Inconclusive(f"no link function is called {step['function']}")
        to = int(step.get("outstation", self._target.outstation))
        self._write(encode(Frame(control, to, self._target.address, b"")))
        wanted, found = str(step["expect"]), self._link_answer(silent=step["expect"] == "silence")
        if found != wanted:
            raise Failed(f"{step['function']} is answered with {found} instead of {wanted}")

    def octets(self, step: Mapping[str, Any]) -> None:
        """Arguments: hex: sent as it stands."""
        self._write(bytes.fromhex(str(step["hex"])))

    def reconnect(self, step: Mapping[str, Any]) -> None:
        """Close and connect again."""
        del step
        self.close()
        self._reader, self._parts, self._frames = FrameReader(), Reassembler(), []

    def pause(self, step: Mapping[str, Any]) -> None:
        """Arguments: seconds: wait."""
        time.sleep(min(float(step["seconds"]), 30.0))

    # -- the wire --------------------------------------------------------------------------------------------------

    def _send(self, step: Mapping[str, Any], fragment: bytes) -> None:
        to = int(step.get("outstation", self._target.outstation))
        address = int(step.get("address", self._target.address))
        self._write(encode(Frame(_DATA, to, address, bytes((_WHOLE,)) + fragment)))

    def _write(self, octets: bytes) -> None:
        if self._socket is None:
            self._socket = self._target.connect()
        self.evidence.append(f"> {octets[:292].hex()}")
        self._socket.sendall(octets)

    def _frame(self, end: float) -> Frame | None:
        """The next frame for us, or None when it is `end` (monotonic)."""
        assert self._socket is not None
        while not self._frames:
            left = end - time.monotonic()
            if left <= 0:
                return None
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(65_536)
            except TimeoutError:
                return None
            if not data:
                raise EOFError("the outstation closed the connection")
            self._frames += self._reader.feed(data)
        frame = self._frames.pop(0)
        self.evidence.append(f"< {frame.control:02x} {frame.payload[:64].hex()}")
        return frame

    def _link_answer(self, *, silent: bool) -> str:
        end = time.monotonic() + (_QUIET_S if silent else self._target.timeout_s)
        while (frame := self._frame(end)) is not None:
            if not frame.primary:
                return _LINK_ANSWERS.get(frame.control & 0x0F, f"function {frame.control & 0x0F}")
        return "silence"

    def _fragment(self, end: float) -> bytes | None:
        """The next application fragment; what wants a confirm gets it."""
        while (frame := self._frame(end)) is not None:
            if not frame.primary or not frame.payload:
                continue
            whole = self._parts.push(frame.payload)
            if whole is None:
                continue
            if whole[0] & CON:
                number = whole[0] & (UNS | SEQUENCE_MASK)
                confirm = bytes((_WHOLE, FIR | FIN | number, FunctionCode.CONFIRM))
                self._write(encode(Frame(_DATA, self._target.outstation, self._target.address, confirm)))
            if whole[1] != FunctionCode.UNSOLICITED_RESPONSE:
                return whole
        return None

    def _answer(self, end: float) -> list[Fragment]:
        found: list[Fragment] = []
        while (octets := self._fragment(end)) is not None:
            try:
                found.append(parse_response(octets))
            except RemoteProtocolError as problem:
                raise Failed(f"the answer does not parse: {problem.reason}") from problem
            self._octets = octets
            if octets[0] & FIN:
                return found
        return []

    def _expect(self, wanted: Mapping[str, Any]) -> None:
        silent = bool(wanted.get("silence"))
        found = self._answer(time.monotonic() + (_QUIET_S if silent else self._target.timeout_s))
        if silent:
            if found:
                raise Failed("there is an answer where there must be none")
            return
        if not found:
            raise Failed("there is no answer")
        sequence = found[0].sequence
        if sequence != self._sequence:
            raise Failed(f"the answer has sequence {sequence} instead of {self._sequence}")
        if wanted.get("where_supported") and found[-1].iin & IIN.NO_FUNC_CODE_SUPPORT:
            raise Inconclusive("the outstation does not have this function")
        _indications(found[-1].iin, wanted)
        _objects(found, wanted)


def objects_of(texts: list[str]) -> bytes:
    """Object headers from texts: `60:2` all objects, `30:5:0-9` a range, `hex:...` octets as they stand.

    Raises:
        Inconclusive: a text has none of these forms, which is a mistake of the procedure.
    """
    octets = b""
    for text in map(str, texts):
        try:
            if text.startswith("hex:"):
                octets += bytes.fromhex(text[4:])
                continue
            group, variation, *span = text.split(":")
            if span:
                start, _, stop = span[0].partition("-")
                octets += range_head(int(group), int(variation), int(start), int(stop or start))
            else:
                octets += all_head(int(group), int(variation))
        except ValueError as problem:
            raise Inconclusive(f"{text!r} are no objects: {problem}") from problem
    return octets


def _function(name: Any) -> int:
    if isinstance(name, int):
        return name
    try:
        return int(FunctionCode[str(name)])
    except KeyError:
        raise Inconclusive(f"no function is called {name}") from None


def _indications(found: int, wanted: Mapping[str, Any]) -> None:
    names = [bit.name or "?" for bit in IIN if bit & found]
    for name in wanted.get("iin", []):
        if not IIN[name] & found:
            raise Failed(f"IIN {name} is not set; set are {', '.join(names) or 'none'}")
    for name in wanted.get("no_iin", []):
        if IIN[name] & found:
            raise Failed(f"IIN {name} is set")


def _objects(found: list[Fragment], wanted: Mapping[str, Any]) -> None:
    headers = [header for fragment in found for header in fragment.headers]
    groups = {str(header.group) for header in headers}
    kinds = {f"{header.group}:{header.variation}" for header in headers}
    for name, there in (("groups", groups), ("variations", kinds)):
        missing = [str(item) for item in wanted.get(name, []) if str(item) not in there]
        if missing:
            raise Failed(f"no object {missing[0]} is in the answer; there are {', '.join(sorted(kinds)) or 'none'}")
    unwanted = [str(item) for item in wanted.get("no_groups", []) if str(item) in groups]
    if unwanted:
        raise Failed(f"objects of group {unwanted[0]} are in the answer")
    if wanted.get("empty") and headers:
        raise Failed(f"objects {', '.join(sorted(kinds))} are in an answer that should have none")
    indices = sorted(index for header in headers for index in header.indices)
    if "indices" in wanted and indices != list(wanted["indices"]):
        raise Failed(f"points {indices[:20]} instead of {wanted['indices']}")
    if "status" in wanted:
        _status(headers, int(wanted["status"]))


def _status(headers: list[ObjectHeader], wanted: int) -> None:
    codes = {header.body[-1] for header in headers if header.group in {12, 41} and header.body}
    if codes != {wanted}:
        raise Failed(f"command status {sorted(codes)} instead of {wanted}")
