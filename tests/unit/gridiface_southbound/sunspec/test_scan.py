"""Finding and walking the map, also of devices that answer oddly."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.drivers.api import DeviceBusy
from gridiface.errors import DeviceRejected, DeviceTimeout
from gridiface_southbound.sunspec.scan import MAX_MODELS, DeviceMap, ModelPlace, Reader, find_base, scan

MARKER = b"SunS"


def reader(registers: Mapping[int, bytes], *, outside: Exception | None = None) -> Reader:
    """A device with four bytes at each named register; elsewhere it raises."""

    async def read(address: int, count: int) -> bytes:
        assert count == 2
        if address in registers:
            return registers[address]
        raise outside or DeviceRejected("exception 2")

    return read


def header(model_id: int, length: int) -> bytes:
    return model_id.to_bytes(2, "big") + length.to_bytes(2, "big")


END = b"\xff\xff\0\0"


@pytest.mark.parametrize("base", [40000, 0, 50000])
async def test_the_map_is_found_and_walked(base: int) -> None:
    registers = {base: MARKER, base + 2: header(1, 66), base + 70: header(701, 153), base + 225: END}
    found = await scan(reader(registers))
    assert found == DeviceMap(base, (ModelPlace(1, base + 2, 66), ModelPlace(701, base + 70, 153)))
    assert found.first(704, 701) == ModelPlace(701, base + 70, 153)
    assert found.first(704) is None


async def test_a_time_out_at_one_base_is_not_here() -> None:
    async def read(address: int, count: int) -> bytes:
        if address == 40000:
            raise DeviceTimeout("silent")
        return MARKER if address == 0 else b"\0\0\0\0"

    assert await find_base(read) == 0


async def test_a_device_that_is_silent_everywhere_is_a_time_out() -> None:
    with pytest.raises(DeviceTimeout):
        await find_base(reader({}, outside=DeviceTimeout("silent")))


async def test_a_candidate_that_is_silent_for_once_is_asked_again_and_never_called_wrong() -> None:
    asked: list[int] = []

    async def read(address: int, count: int) -> bytes:
        asked.append(address)
        if address != 40000:
            raise DeviceRejected("exception 2")
        if asked.count(address) < answers_from:
            raise DeviceTimeout("silent")
        return MARKER

    answers_from = 2
    assert await find_base(read) == 40000
    assert asked == [40000, 0, 50000, 40000]
    answers_from = 9
    with pytest.raises(DeviceTimeout, match="40000: no answer; 0: exception 2; 50000: exception 2"):
        await find_base(read)


async def test_a_gateway_that_does_not_reach_its_device_says_nothing_of_its_map() -> None:
    with pytest.raises(DeviceBusy, match="exception 11"):
        await find_base(reader({}, outside=DeviceBusy("exception 11")))
    with pytest.raises(DeviceBusy, match="exception 6"):
        await scan(reader({40000: MARKER, 40002: header(1, 66)}, outside=DeviceBusy("exception 6")))


async def test_a_device_without_marker_is_refused_with_what_it_said() -> None:
    with pytest.raises(DeviceRejected, match=r"40000: 00000000.*0: exception 2"):
        await find_base(reader({40000: bytes(4)}))


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ({}, "no end of the map"),
        ({40070: header(0, 5)}, "cannot be"),
        ({40070: header(9, 0)}, "cannot be"),
        ({40070: header(9, 30000)}, "cannot be"),
    ],
)
async def test_an_odd_end_keeps_what_was_found(after: dict[int, bytes], reason: str) -> None:
    found = await scan(reader({40000: MARKER, 40002: header(1, 66), **after}))
    assert [place.id for place in found.models] == [1]
    assert reason in found.reasons[0]


async def test_a_map_beyond_the_last_register() -> None:
    registers = {50000: MARKER, 50002: header(1, 15532)}
    found = await scan(reader(registers))
    assert "65535" in found.reasons[0]


async def test_a_map_without_end_is_cut() -> None:
    endless = {40002 + 4 * n: header(5, 2) for n in range(1000)}
    found = await scan(reader({40000: MARKER, **endless}))
    assert len(found.models) == MAX_MODELS
    assert "left out" in found.reasons[0]


async def test_a_marker_without_models() -> None:
    with pytest.raises(DeviceRejected, match="no model"):
        await scan(reader({40000: MARKER, 40002: END}))


async def test_silence_in_the_walk_is_a_time_out() -> None:
    with pytest.raises(DeviceTimeout):
        await scan(reader({40000: MARKER}, outside=DeviceTimeout("silent")))


@given(st.dictionaries(st.integers(40002, 40100), st.binary(min_size=4, max_size=4)))
async def test_any_map_ends(registers: dict[int, bytes]) -> None:
    try:
        found = await scan(reader({40000: MARKER, **registers}))
    except DeviceRejected:
        return
    assert 1 <= len(found.models) <= MAX_MODELS
    assert all(place.address + 2 <= 0x10000 for place in found.models)
