"""The few DER shapes that X.509 libraries leave to us: elements, and hardwareModuleName (RFC 4108 section 5)."""

from __future__ import annotations

SEQUENCE, BIT_STRING, OCTET_STRING, OBJECT_IDENTIFIER = 0x30, 0x03, 0x04, 0x06


def element(tag: int, content: bytes) -> bytes:
    """A DER element: tag, definite length, content."""
    if len(content) < 0x80:
        return bytes((tag, len(content))) + content
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + content


def _base128(number: int) -> bytes:
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))


def object_identifier(dotted: str) -> bytes:
    """A DER OBJECT IDENTIFIER.

    Raises:
        ValueError: the text is not a dotted identifier with at least two arcs.
    """
    arcs = [int(arc) for arc in dotted.split(".")]
    if len(arcs) < 2 or min(arcs) < 0 or arcs[0] > 2 or (arcs[0] < 2 and arcs[1] > 39):
        raise ValueError(f"{dotted!r} is not an object identifier")
    return element(OBJECT_IDENTIFIER, b"".join(_base128(arc) for arc in (arcs[0] * 40 + arcs[1], *arcs[2:])))


def hardware_module_name(hw_type: str, hw_serial: bytes) -> bytes:
    """SEQUENCE { hwType OBJECT IDENTIFIER, hwSerialNum OCTET STRING }."""
    return element(SEQUENCE, object_identifier(hw_type) + element(OCTET_STRING, hw_serial))


def take(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """The content of the element with `tag` at the start of `data`, and what follows it.

    Raises:
        ValueError: another element is there, or it is cut off.
    """
    if len(data) < 2 or data[0] != tag:
        raise ValueError("unexpected DER element")
    length, start = data[1], 2
    if length & 0x80:
        width = length & 0x7F
        if not 1 <= width <= 4 or len(data) < 2 + width:
            raise ValueError("unreadable DER length")
        length, start = int.from_bytes(data[2 : 2 + width], "big"), 2 + width
    if len(data) < start + length:
        raise ValueError("truncated DER element")
    return data[start : start + length], data[start + length :]


def _dotted(content: bytes) -> str:
    arcs, number = [], 0
    if not content or content[-1] & 0x80:
        raise ValueError("truncated object identifier")
    for octet in content:
        number = number << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(number)
            number = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (first, arcs[0] - first * 40, *arcs[1:]))


def read_hardware_module_name(data: bytes) -> tuple[str, bytes]:
    """Read a hardwareModuleName: hwType (dotted) and hwSerialNum.

    Raises:
        ValueError: the bytes are not one.
    """
    body, rest = take(data, SEQUENCE)
    hw_type, remainder = take(body, OBJECT_IDENTIFIER)
    serial, after = take(remainder, OCTET_STRING)
    if rest or after:
        raise ValueError("bytes after the hardwareModuleName")
    return _dotted(hw_type), serial
