"""Points for people: raw, understood, in words."""

from __future__ import annotations

from gridiface_southbound.modbus.image import RegisterImage
from gridiface_southbound.modbus.table import RegisterTable
from gridiface_southbound.mqtt.table import TopicTable
from gridiface_southbound.points.scalar import ScalarImage
from gridiface_southbound.points.showing import shown

TABLE = RegisterTable.model_validate(
    {
        "kind": "battery",
        "address_base": 1,
        "points": [
            {"name": "power", "meaning": "w", "address": 101, "type": "int16", "scale": 0.1, "unit": "W",
             "positive": "taken", "not_available": [-32768]},
            {"name": "mode", "meaning": "state", "address": 102, "type": "enum", "values": {4: "running"}},
            {"name": "faults", "meaning": "alarms", "address": 103, "type": "bitfield", "bits": {0: "hot", 4: "door"}},
            {"name": "maker", "meaning": "manufacturer", "address": 104, "type": "string", "length": 2},
            {"name": "unread", "address": 200, "type": "int16"},
        ],
    }
)  # fmt: skip


def told(**data: bytes) -> list[tuple[str, ...]]:
    found = shown(RegisterImage(TABLE, data), {})
    return [(one.name, one.place, one.raw, one.value, one.unit, one.meaning) for one in found]


def test_what_was_read_is_shown_in_the_tables_order() -> None:
    assert told(power=b"\xff\x9c", mode=b"\0\x04", faults=b"\0\x11", maker=b"ACME") == [
        ("power", "holding 101", "-100", "-10", "W", "w"),
        ("mode", "holding 102", "4", "running", "", "state"),
        ("faults", "holding 103", "0x11", "hot, door", "", "alarms"),
        ("maker", "holding 104", "ACME", "ACME", "", "manufacturer"),
    ]


def test_what_is_no_value_is_not_known() -> None:
    assert told(power=b"\x80\0", mode=b"\0\x09", faults=b"\0\0") == [
        ("power", "holding 101", "-", "no value", "W", "w"),
        ("mode", "holding 102", "9", "9", "", "state"),
        ("faults", "holding 103", "0x0", "none", "", "alarms"),
        ("maker", "holding 104", "-", "no value", "", "manufacturer"),
    ]


def test_parameters_stand_where_the_device_has_the_point() -> None:
    point = {
        "name": "power",
        "meaning": "w",
        "topic": "{base}/state",
        "pointer": "/w",
        "unit": "W",
        "positive": "taken",
    }
    table = TopicTable.model_validate({"kind": "battery", "parameters": {"base": "bat"}, "points": [point]})
    (one,) = shown(ScalarImage(table, {"power": 1200}), {"base": "shed"})
    assert (one.place, one.raw, one.value) == ("shed/state /w", "1200", "1200")
