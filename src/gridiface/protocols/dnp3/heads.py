"""Object headers as octets: ranges, counts, all of a group, objects with an index or a size each.

Owns which qualifier is the shortest that fits (IEEE 1815 clause 4.2.2.7). How they are read is application.py's.
"""

from __future__ import annotations

from gridiface.protocols.dnp3.application import Qualifier


def range_head(group: int, variation: int, start: int, stop: int) -> bytes:
    """The header of objects start..stop, with the shorter qualifier that fits."""
    if stop <= 0xFF:
        return bytes((group, variation, Qualifier.RANGE8, start, stop))
    return bytes((group, variation, Qualifier.RANGE16, start & 0xFF, start >> 8, stop & 0xFF, stop >> 8))


def all_head(group: int, variation: int) -> bytes:
    """The header that asks for all objects of a group."""
    return bytes((group, variation, Qualifier.ALL))


def count_head(group: int, variation: int, count: int) -> bytes:
    """The header of a count of objects without indices."""
    if count <= 0xFF:
        return bytes((group, variation, Qualifier.COUNT8, count))
    return bytes((group, variation, Qualifier.COUNT16, count & 0xFF, count >> 8))


def sized_object(group: int, variation: int, octets: bytes) -> bytes:
    """Header, size and octets of one free-format object."""
    return bytes((group, variation, Qualifier.COUNT8_SIZE16, 1)) + len(octets).to_bytes(2, "little") + octets


def indexed_objects(group: int, variation: int, objects: list[tuple[int, bytes]]) -> bytes:
    """Header and objects with an index each, in 8 or 16 bits as the largest index needs."""
    short = len(objects) <= 0xFF and all(index <= 0xFF for index, _ in objects)
    width = 1 if short else 2
    qualifier = Qualifier.COUNT8_INDEX8 if short else Qualifier.COUNT16_INDEX16
    head = bytes((group, variation, qualifier)) + len(objects).to_bytes(width, "little")
    return head + b"".join(index.to_bytes(width, "little") + octets for index, octets in objects)
