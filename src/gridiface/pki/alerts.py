"""The TLS alert numbers that gridiface sends and reads (RFC 5246 section 7.2)."""

from __future__ import annotations

from enum import IntEnum


class Alert(IntEnum):
    """AlertDescription; each value is the number on the wire."""

    CLOSE_NOTIFY = 0
    UNEXPECTED_MESSAGE = 10
    BAD_RECORD_MAC = 20
    HANDSHAKE_FAILURE = 40
    BAD_CERTIFICATE = 42
    UNSUPPORTED_CERTIFICATE = 43
    CERTIFICATE_REVOKED = 44
    CERTIFICATE_EXPIRED = 45
    CERTIFICATE_UNKNOWN = 46
    ILLEGAL_PARAMETER = 47
    UNKNOWN_CA = 48
    ACCESS_DENIED = 49
    DECODE_ERROR = 50
    DECRYPT_ERROR = 51
    PROTOCOL_VERSION = 70
    INSUFFICIENT_SECURITY = 71
    INTERNAL_ERROR = 80
    USER_CANCELED = 90
    NO_RENEGOTIATION = 100
    CERTIFICATE_REQUIRED = 116


def alert_name(number: int) -> str:
    """The standard's word for an alert number; `alert N` for one that this table does not hold."""
    try:
        return Alert(number).name.lower()
    except ValueError:
        return f"alert {number}"
