"""The CAN driver without a bus: placement of signals as DBC files say it, tables, keys."""

from __future__ import annotations

import math
import socket
import struct
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.variants import variant

from gridiface.drivers.api import DriverConfig
from gridiface_southbound.can import table as tables
from gridiface_southbound.can.bus import FRAME, Bus
from gridiface_southbound.can.config import CanConfig
from gridiface_southbound.can.loading import load_table, template_names
from gridiface_southbound.can.signals import SignalImage, extract, insert
from gridiface_southbound.can.table import Frame, Point
from gridiface_southbound.points import table as points
from gridiface_southbound.points.image import Unplannable

PAGE = Path(__file__).resolve().parents[4] / "docs" / "operator" / "can.md"
WHOLE = Frame(name="f", id=1)
BYTES = st.binary(min_size=8, max_size=8)
GOOD: dict[str, Any] = {
    "kind": "battery",
    "nameplate": {"max_w": 5000},
    "frames": [{"name": "told", "id": 0x100}, {"name": "ours", "id": 0x200, "sent": True}],
    "points": [
        {"name": "power", "meaning": "w", "frame": "told", "start": 0, "length": 16, "unit": "W", "positive": "taken"},
        {
            "name": "target", "meaning": "set_w", "frame": "ours", "start": 0, "length": 16, "format": "signed",
            "unit": "W", "positive": "taken",
            "write": {"read_back": "power", "release": [{"point": "target", "value": 0}]},
        },
    ],
}  # fmt: skip


changed = partial(variant, GOOD)


def point(**keys: Any) -> Point:
    return Point(**({"name": "p", "frame": "f", "start": 0, "length": 8} | keys))


@pytest.mark.parametrize(
    ("keys", "data", "raw"),
    [
        # Intel: start is the lowest bit, counted from the lowest bit of byte 0.
        ({"start": 0, "length": 16}, "34 12 00 00 00 00 00 00", 0x1234),
        ({"start": 4, "length": 8}, "a0 05 00 00 00 00 00 00", 0x5A),
        ({"start": 63, "length": 1}, "00 00 00 00 00 00 00 80", 1),
        ({"start": 0, "length": 16, "format": "signed"}, "fe ff 00 00 00 00 00 00", -2),
        # Motorola: start is the highest bit; 7 is the top of byte 0, 23 the top of byte 2.
        ({"start": 7, "length": 16, "byte_order": "big"}, "12 34 00 00 00 00 00 00", 0x1234),
        ({"start": 23, "length": 12, "byte_order": "big"}, "00 00 ab c0 00 00 00 00", 0xABC),
        ({"start": 3, "length": 8, "byte_order": "big"}, "0a 50 00 00 00 00 00 00", 0xA5),
        ({"start": 7, "length": 64, "byte_order": "big"}, "01 02 03 04 05 06 07 08", 0x0102030405060708),
        ({"start": 32, "length": 32, "format": "float", "step": 0}, "00 00 00 00 00 00 c0 3f", 1.5),
        ({"start": 7, "length": 32, "format": "float", "step": 0, "byte_order": "big"}, "3f c0 00 00 ff ff ff ff", 1.5),
    ],
)
def test_known_frames(keys: dict[str, Any], data: str, raw: float) -> None:
    place, frame = point(**keys), bytes.fromhex(data)
    assert extract(place, WHOLE, frame) == raw
    assert insert(place, WHOLE, frame, raw) == frame


@given(
    st.data(),
    st.sampled_from(["little", "big"]),
    st.sampled_from(["unsigned", "signed"]),
    st.binary(min_size=8, max_size=8),
)
def test_a_signal_leaves_the_others_alone(data: Any, order: Any, form: Any, frame: bytes) -> None:
    length = data.draw(st.integers(1, 64))
    lowest = data.draw(st.integers(0, 64 - length))
    top = 63 - lowest - length + 1
    start = lowest if order == "little" else top // 8 * 8 + 7 - top % 8
    place = point(start=start, length=length, byte_order=order, format=form)
    assert place.shift(64) == lowest
    assert place.raw_range is not None
    raw = data.draw(st.integers(*place.raw_range))
    made = insert(place, WHOLE, frame, raw)
    assert extract(place, WHOLE, made) == raw
    mask = ((1 << length) - 1) << lowest
    before, after = int.from_bytes(frame, order), int.from_bytes(made, order)
    assert (before ^ after) & ~mask == 0


def test_what_does_not_fit_is_not_sent() -> None:
    table = load_table(GOOD)
    image, target = SignalImage(table), table.by_name["target"]
    assert image.range_of(target) == (-32768, 32767)
    assert image.encoded(target, -5).data == -5
    with pytest.raises(Unplannable, match="does not fit into 16 bits"):
        image.encoded(target, 40_000)
    wide = point(length=32, format="float", step=0)
    assert image.range_of(wide) == (-math.inf, math.inf)
    with pytest.raises(Unplannable, match="32 bits"):
        image.encoded(wide, 1e300)


@pytest.mark.parametrize("name", template_names())
def test_every_template_says_where_it_comes_from(name: str) -> None:
    table = load_table(name)
    assert table.title
    assert table.source
    assert not table.tried_on_hardware


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (changed("frames", 0, "perod_s", value=1), "unknown key; did you mean 'period_s'"),
        (changed("frames", 0, "id", value=0x800), "needs extended: true"),
        (changed("frames", 1, "id", value=0x100), "an identifier is used twice"),
        (changed("frames", 1, "name", value="told"), "a name is used twice"),
        (changed("frames", 0, "period_s", value=1), "only what is sent has a period"),
        (changed("frames", 0, "length", value=1), "do not fit into 1 bytes"),
        (changed("points", 0, "frame", value="tld"), "no frame is called 'tld'; frames: told, ours"),
        (changed("points", 0, "frame", value="ours"), "frame ours is sent, so it needs write"),
        (changed("points", 1, "frame", value="told"), "frame told is not sent"),
        (changed("points", 1, "write", "read_back", value=True), "a frame that we send shows nothing"),
        (changed("points", 1, "write", "default", value=70_000), "does not fit into 16 bits"),
        (changed("points", 0, "format", value="float"), "a float has 32 or 64 bits and step: 0"),
        (changed("points", 0, "step", value=0.5), "steps of 1 or more"),
        (changed("points", 0, "type", value="text"), "a signal is a number"),
        (changed("points", value=[*GOOD["points"], {**GOOD["points"][1], "name": "x", "meaning": None, "positive": None,
                                                    "start": 15, "length": 2}]), "lies over another point of ours"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_table(data)


def test_an_interface_has_a_name_of_linux() -> None:
    for name in ("", "../can0", "x" * 16):
        with pytest.raises(ValidationError, match="interface"):
            CanConfig(table=GOOD, interface=name)  # type: ignore[arg-type]  # as YAML gives it


async def test_any_packet_is_a_frame_or_nothing() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard: list[tuple[int, bool, bytes]] = []
    bus = Bus(ours, lambda *frame: heard.append(frame))
    for packet in (
        b"",
        b"x",
        FRAME.pack(5, 9, bytes(8)),
        FRAME.pack(0x4000_0005, 0, bytes(8)),
        FRAME.pack(5, 2, b"ab"),
    ):
        if packet:
            theirs.send(packet)
    bus._readable()
    assert heard == [(5, False, b"ab")]
    bus.send(0x1234567, True, b"xyz")
    assert FRAME.unpack(theirs.recv(64)) == (0x81234567, 3, b"xyz\0\0\0\0\0")
    assert struct.calcsize("=IB3x8s") == 16
    bus.close()
    bus.close()
    theirs.close()


def test_the_worked_example_of_the_page_is_a_table() -> None:
    blocks = [part.split("```")[0] for part in PAGE.read_text().split("```yaml\n")[1:]]
    (example,) = [block for block in blocks if "points:" in block]
    assert load_table(yaml.safe_load(example)).by_name["target"].sign == -1


def test_every_key_and_template_is_on_the_page() -> None:
    page = PAGE.read_text()
    own = set(tables.Frame.model_fields) | set(tables.SignalTable.model_fields) - set(points.Table.model_fields)
    own |= set(tables.Point.model_fields) - set(tables.ScalarPoint.model_fields) | {"default"}
    own |= set(CanConfig.model_fields) - set(DriverConfig.model_fields) | set(template_names())
    assert not sorted(key for key in own if f"`{key}`" not in page)
