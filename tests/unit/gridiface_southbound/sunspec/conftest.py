"""Blocks of registers as a device would give them, built by hand from a model's table."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest

from gridiface_southbound.sunspec.models import Block, model


def make_block(model_id: int, points: dict[str, Any], address: int = 40070) -> Block:
    """A block in which the named points hold raw numbers (or texts) and all others are "not implemented"."""
    table = model(model_id)
    assert table is not None
    data = bytearray(2 * table.length)
    for point in table.points.values():
        kind = point.kind
        if kind is not None:
            struct.pack_into(">" + kind.code, data, 2 * point.offset, kind.unimplemented)
    struct.pack_into(">HH", data, 0, model_id, table.length - 2)
    for name, value in points.items():
        point = table.points[name]
        if isinstance(value, str):
            data[2 * point.offset : 2 * point.offset + len(value)] = value.encode()
        else:
            assert point.kind is not None
            struct.pack_into(">" + point.kind.code, data, 2 * point.offset, value)
    return Block(table, address, bytes(data))


@pytest.fixture
def block() -> Callable[..., Block]:
    return make_block
