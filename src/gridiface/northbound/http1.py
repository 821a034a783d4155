"""HTTP/1.1 requests from bytes, strictly (RFC 9112): heads and bodies. Pure; no sockets, no meaning of a request.

A peer that polls sends the same head again and again, so a head that was checked once is known by its bytes. What two
readers could understand differently is refused: bare line feeds, folded lines, two lengths, a length beside chunks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gridiface.errors import RemoteProtocolError

END_OF_HEAD = b"\r\n\r\n"
#: Octets of a head, the request line included.
LONGEST_HEAD = 16 * 1024
_MOST_FIELDS = 100
_LONGEST_CHUNK_LINE = 256
_LONGEST_TRAILER = 4 * 1024
#: Heads that are known by their bytes; each is at most this long.
_REMEMBERED = 16_384
_LONGEST_REMEMBERED = 1024

#: The versions that are spoken; any other one is answered with 505.
_OLD, _VERSIONS = b"1.0", frozenset({b"1.0", b"1.1"})
_REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}) ([\x21-\x7e]+) HTTP/([0-9]\.[0-9])")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_LENGTH = re.compile(r"[0-9]{1,15}")
#: uri-host and port of RFC 9110, section 7.2, with the zones of RFC 6874.
_HOST = re.compile(r"(\[[0-9A-Za-z:.%_~-]+\]|[0-9A-Za-z\-._~%!$&'()*+,;=]*)(:[0-9]*)?")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
#: Fields of which a second one changes the meaning of the first.
_SINGLE = frozenset({"host", "content-length", "transfer-encoding", "content-type"})


@dataclass(frozen=True, slots=True)
class Head:
    """A request's head.

    Attributes:
        method, target: as received.
        path: of the target, in the form that the application compares; "" where the target is none.
        headers: by name in lower case; several of one name joined by commas.
        length: octets of the body; None: it comes in chunks.
        keep_alive: whether the connection may go on after the answer.
        old: HTTP/1.0, whose clients keep a connection only where they are told so.
        expects: whether the client waits for a 100 before it sends the body.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    length: int | None = 0
    keep_alive: bool = True
    old: bool = False
    expects: bool = False
    path: str = ""


def malformed(reason: str) -> RemoteProtocolError:
    """What a request that cannot be read is answered with."""
    return RemoteProtocolError(f"malformed request: {reason}")


def too_long(begun: bytes) -> RemoteProtocolError:
    """What a head without an end is answered with.

    Args:
        begun: as much of it as a head may have.

    Returns:
        414 where not even the request line has an end (RFC 9112, section 3), else 431 (RFC 6585, section 5).
    """
    if b"\r\n" not in begun:
        return RemoteProtocolError("the request line is too long", answer=414)
    return RemoteProtocolError("the header fields are too long", answer=431)


def parse_head(raw: bytes, path_of: Callable[[str], str] = str) -> Head:
    """The head in `raw`, which ends with the empty line; `path_of` gives a target's path.

    Raises:
        RemoteProtocolError: 400, 431 for too many fields, 501 for a transfer coding that nobody here knows, 505 for
            another version of HTTP.
    """
    first, *lines = raw[: -len(END_OF_HEAD)].split(b"\r\n")
    line = _REQUEST_LINE.fullmatch(first)
    if line is None:
        raise malformed("the request line")
    if line[3] not in _VERSIONS:
        raise RemoteProtocolError("not HTTP/1.0 or 1.1", answer=505)
    if len(lines) > _MOST_FIELDS:
        raise RemoteProtocolError("too many header fields", answer=431)
    headers: dict[str, str] = {}
    for text in lines:
        found = _FIELD.fullmatch(text)
        if found is None:
            raise malformed("a header field")
        name, value = found[1].decode("ascii").lower(), found[2].decode("latin-1").rstrip(" \t")
        if name in headers:
            if name in _SINGLE:
                raise malformed(f"{name} is given twice")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    if _HOST.fullmatch(headers.get("host", "")) is None:
        raise malformed("Host names no host")
    old, target = line[3] == _OLD, line[2].decode("ascii")
    return Head(
        method=line[1].decode("ascii"),
        target=target,
        path=path_of(target),
        headers=headers,
        length=_length(headers, old=old),
        keep_alive=_keep_alive(headers, old=old),
        old=old,
        expects=not old and headers.get("expect", "").lower() == "100-continue",
    )


def _length(headers: Mapping[str, str], *, old: bool) -> int | None:
    said, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if coding is not None:
        if said is not None or old:
            raise malformed("Transfer-Encoding does not fit here")
        if coding.lower() != "chunked":
            raise RemoteProtocolError("unknown transfer coding", answer=501)
        return None
    if said is None:
        return 0
    if _LENGTH.fullmatch(said) is None:
        raise malformed("Content-Length")
    return int(said)


def _keep_alive(headers: Mapping[str, str], *, old: bool) -> bool:
    options = {option.strip().lower() for option in headers.get("connection", "").split(",")}
    return "keep-alive" in options if old else "close" not in options


class Heads:
    """Heads by their bytes; `path_of` as for `parse_head`."""

    def __init__(self, path_of: Callable[[str], str] = str) -> None:
        self._path_of = path_of
        self._known: dict[bytes, Head] = {}

    def get(self, raw: bytes) -> Head:
        """As `parse_head`; the same bytes mean the same."""
        head = self._known.get(raw)
        if head is None:
            head = parse_head(raw, self._path_of)
            if len(raw) <= _LONGEST_REMEMBERED:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[raw] = head
        return head


@dataclass(slots=True)
class Body:
    """A body that is on its way.

    Args:
        length: octets to come; None: in chunks.
        most: octets that are accepted.
    """

    length: int | None
    most: int
    done: bool = False
    _data: bytearray = field(default_factory=bytearray)
    _left: int = 0  # of the chunk at hand
    _last: bool = False  # the chunk of no length was here: trailer lines follow
    _trailer: int = 0

    @property
    def data(self) -> bytes:
        """What came so far."""
        return bytes(self._data)

    def take(self, waiting: bytearray) -> None:
        """Take from the front of `waiting` what belongs to this body; `done` tells when that is all.

        Raises:
            RemoteProtocolError: 413 beyond `most`, 400 for chunks that are none.
        """
        if self.length is None:
            while not self.done and self._chunk(waiting):
                pass
            return
        if self.length > self.most:
            raise _too_large()
        self._move(waiting, self.length - len(self._data))
        self.done = len(self._data) == self.length

    def _move(self, waiting: bytearray, count: int) -> int:
        """Take up to `count` octets; how many it was."""
        if count >= len(waiting):
            count = len(waiting)
            self._data += waiting
            waiting.clear()
        else:
            self._data += waiting[:count]
            del waiting[:count]
        return count

    def _chunk(self, waiting: bytearray) -> bool:
        """One step: a size line, some octets of a chunk with its end, or a trailer line. Whether there was one."""
        if self._left > 2:
            moved = self._move(waiting, self._left - 2)
            self._left -= moved
            return moved > 0
        if self._left:
            if len(waiting) < 2:
                return False
            if waiting[:2] != b"\r\n":
                raise malformed("a chunk is longer than it says")
            del waiting[:2]
            self._left = 0
            return True
        end = waiting.find(b"\r\n")
        if end < 0 or end > _LONGEST_CHUNK_LINE:
            if len(waiting) > _LONGEST_CHUNK_LINE:
                raise malformed("the line of a chunk")
            return False
        line = bytes(waiting[:end])
        del waiting[: end + 2]
        self._line(line)
        return True

    def _line(self, line: bytes) -> None:
        if self._last:
            self._trailer += len(line) + 2
            if line and (_FIELD.fullmatch(line) is None or self._trailer > _LONGEST_TRAILER):
                raise malformed("the trailer")
            self.done = not line
            return
        found = _CHUNK.fullmatch(line)
        if found is None:
            raise malformed("the size of a chunk")
        size = int(found[1], 16)
        if len(self._data) + size > self.most:
            raise _too_large()
        self._last = size == 0
        self._left = size + 2 if size else 0


def _too_large() -> RemoteProtocolError:
    return RemoteProtocolError("the body is too large", answer=413)
