"""What a server can read and write of a TLS 1.2 handshake in clear text: the client's certificates, and an alert.

Until a TLS 1.2 server has sent its ChangeCipherSpec, an alert is a clear-text record that any client understands. A
server that holds back its last flight can therefore still refuse the handshake by the alert of its choice. Knows
nothing of sockets; verifies nothing: what is read here is for diagnosis until OpenSSL has proved the key.
"""

from __future__ import annotations

from gridiface.pki.alerts import Alert

_CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE = 20, 21, 22
_CERTIFICATE = 11
_HEADER = 5
_FATAL = 2
_MAX_HANDSHAKE = 64 * 1024
_MAX_CERTIFICATES = 16


def alert_record(alert: Alert) -> bytes:
    """A clear-text TLS 1.2 record with a fatal alert (RFC 5246 sections 6.2.1 and 7.2)."""
    return bytes((_ALERT, 3, 3, 0, 2, _FATAL, alert))


class HandshakeTap:
    """Reads along what a client sends in a TLS 1.2 handshake.

    Feed it the client's bytes as they come; it keeps at most 64 KiB, never raises, and stops at ChangeCipherSpec or at
    anything it does not understand.

    Attributes:
        alert: the number of the alert that the client sent in clear text (it refuses us), else None.
    """

    __slots__ = ("_done", "_messages", "_records", "alert")

    def __init__(self) -> None:
        self._records = bytearray()
        self._messages = bytearray()
        self._done = False
        self.alert: int | None = None

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take more of the client's bytes."""
        if self._done:
            return
        self._records += data
        while not self._done and len(self._records) >= _HEADER:
            length = int.from_bytes(self._records[3:5], "big")
            if len(self._records) < _HEADER + length:
                break
            self._take(self._records[0], bytes(self._records[_HEADER : _HEADER + length]))
            del self._records[: _HEADER + length]
        if len(self._records) + len(self._messages) > _MAX_HANDSHAKE:
            self._done = True

    def _take(self, content_type: int, fragment: bytes) -> None:
        if content_type == _HANDSHAKE:
            self._messages += fragment
            return
        if content_type == _ALERT and len(fragment) == 2:
            self.alert = fragment[1]
        self._done = True

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """The DER certificates of the client's Certificate message, its own first; empty if none was seen."""
        place = 0
        while place + 4 <= len(self._messages):
            length = int.from_bytes(self._messages[place + 1 : place + 4], "big")
            body = bytes(self._messages[place + 4 : place + 4 + length])
            if len(body) < length:
                return ()
            if self._messages[place] == _CERTIFICATE:
                return _certificate_list(body)
            place += 4 + length
        return ()


def _certificate_list(body: bytes) -> tuple[bytes, ...]:
    found: list[bytes] = []
    place = 3
    while place + 3 <= len(body) and len(found) < _MAX_CERTIFICATES:
        length = int.from_bytes(body[place : place + 3], "big")
        der = body[place + 3 : place + 3 + length]
        if not length or len(der) < length:
            break
        found.append(der)
        place += 3 + length
    return tuple(found)
