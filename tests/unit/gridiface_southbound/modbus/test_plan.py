"""Points merged into requests: every point once, never over undeclared items, never too long."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gridiface_southbound.modbus.plan import plan_reads, write_of
from gridiface_southbound.modbus.table import RegisterTable
from gridiface_southbound.modbus_pdu import reply_data


def table(points: list[dict[str, Any]], **keys: Any) -> RegisterTable:
    named = [{"name": f"p{number}", "type": "uint16", **point} for number, point in enumerate(points)]
    return RegisterTable.model_validate({"kind": "meter", "address_base": 0, "points": named} | keys)


def test_neighbours_share_a_request_and_strangers_do_not() -> None:
    found = table(
        [{"address": 10}, {"address": 11, "type": "float32"}, {"address": 14}, {"address": 10, "area": "input"}]
    )
    blocks = plan_reads(found, found.points)
    assert [(b.area.value, b.start, b.size) for b in blocks] == [
        ("holding", 10, 3),
        ("holding", 14, 1),
        ("input", 10, 1),
    ]


def test_declared_gaps_and_known_points_are_read_over() -> None:
    found = table(
        [{"address": 10}, {"address": 14}, {"address": 15}, {"address": 16}], gaps=[{"address": 11, "count": 3}]
    )
    (block,) = plan_reads(found, [found.points[0], found.points[3]])
    assert (block.start, block.size) == (10, 7)
    assert block.request().pdu.hex() == "03000a0007"


def test_what_may_not_answer_is_not_read_over() -> None:
    hidden = [{"address": 11, "write": {"read_back": False}}, {"address": 11, "optional": True}]
    for middle in hidden:
        found = table([{"address": 10}, middle, {"address": 12}])
        assert len(plan_reads(found, [found.points[0], found.points[2]])) == 2


def test_base_one_is_one_less_on_the_wire() -> None:
    found = table([{"address": 40001}], address_base=1)
    assert plan_reads(found, found.points)[0].start == 40000


def test_bits_are_packed_from_the_low_end() -> None:
    found = table([{"address": 3 + 7 * n, "type": "bit", "area": "coil"} for n in range(2)])
    found = table(
        [p.model_dump(exclude={"name"}) for p in found.points], gaps=[{"area": "coil", "address": 4, "count": 6}]
    )
    (block,) = plan_reads(found, found.points)
    request = block.request()
    assert request.pdu.hex() == "0100030008"
    assert (request.head.hex(), request.length) == ("0101", 3)
    assert [(p.name, data) for p, data in block.cut(b"\x80")] == [("p0", b"\x00"), ("p1", b"\x01")]


def test_each_function_writes_as_the_standard_says() -> None:
    coil = {"area": "coil", "type": "bit", "address": 0xAC}
    cases = [
        (coil | {"write": {}}, b"\x01", "0500acff00"),
        (coil | {"write": {}}, b"\x00", "0500ac0000"),
        (coil | {"write": {"function": 15}}, b"\x01", "0f00ac00010101"),
        ({"address": 1, "write": {"function": 6}}, b"\x00\x03", "0600010003"),
        ({"address": 1, "type": "uint32", "write": {}}, b"\x00\x0a\x01\x02", "10000100020" + "4000a0102"),
    ]
    for point, data, expected in cases:
        found = table([point])
        request = write_of(found, found.points[0], data)
        assert request.pdu.hex() == expected
        assert reply_data(request, request.pdu[: request.length]) == b""


@given(st.data())
def test_any_table_is_read_whole_and_within_limits(data: Any) -> None:
    kinds = st.sampled_from([("uint16", 1), ("int32", 2), ("float64", 4)])
    points, at = [], data.draw(st.integers(0, 50))
    gaps = []
    for _ in range(data.draw(st.integers(1, 60))):
        kind, width = data.draw(kinds)
        points.append({"address": at, "type": kind})
        at += width
        hole = data.draw(st.sampled_from([0, 0, 1, 5]))
        if hole and data.draw(st.booleans()):
            gaps.append({"address": at, "count": hole})
        at += hole
    limit = data.draw(st.integers(4, 125))
    found = table(points, gaps=gaps, max_registers=limit)
    wanted = [p for p in found.points if data.draw(st.booleans())]
    blocks = plan_reads(found, wanted)
    assert sorted(p.name for b in blocks for p, _ in b.points) == sorted(p.name for p in wanted)
    known = {p.address + n for p in found.points for n in range(p.width)}
    known |= {g.address + n for g in found.gaps for n in range(g.count)}
    for block in blocks:
        assert block.size <= limit
        assert set(range(block.start, block.start + block.size)) <= known
        reply = b"".join(n.to_bytes(2, "big") for n in range(block.start, block.start + block.size))
        for point, registers in block.cut(reply):
            assert registers[:2] == point.address.to_bytes(2, "big")
            assert len(registers) == 2 * point.width
        assert {p.name for piece in block.split() for p, _ in piece.points} == {p.name for p, _ in block.points}
