"""Tables found and checked: a mistake is told with its place and what to do."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gridiface.app.config.load import parse_config
from gridiface.domain.controls import Setpoint
from gridiface.domain.fleet import Nameplate
from gridiface.drivers.api import DriverConfig
from gridiface.errors import ConfigError
from gridiface_southbound.modbus import table as tables
from gridiface_southbound.modbus.config import ModbusConfig
from gridiface_southbound.modbus.image import RegisterImage
from gridiface_southbound.modbus.loading import load_table, template_names
from gridiface_southbound.modbus.table import RegisterTable
from gridiface_southbound.points import table as points
from gridiface_southbound.points.commands import Commands
from gridiface_southbound.points.meanings import Meaning
from gridiface_southbound.points.table import Poll

GOOD: dict[str, Any] = {
    "kind": "battery",
    "address_base": 0,
    "nameplate": {"max_w": 5000},
    "points": [
        {"name": "power", "meaning": "w", "address": 1, "type": "int16", "unit": "W", "positive": "taken"},
        {
            "name": "target",
            "meaning": "set_w",
            "address": 2,
            "type": "int16",
            "unit": "W",
            "positive": "taken",
            "write": {"release": [{"point": "target", "value": 0}]},
        },
    ],
}


def broken(*path: Any, value: Any = None, drop: bool = False) -> dict[str, Any]:
    data: Any = copy.deepcopy(GOOD)
    at = data
    for part in path[:-1]:
        at = at[part]
    if drop:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return data  # type: ignore[no-any-return]  # the tests' tables are plain data


@pytest.mark.parametrize("name", template_names())
def test_every_template_says_where_it_comes_from(name: str) -> None:
    table = load_table(name)
    assert table.title
    assert table.source
    assert not table.tried_on_hardware
    assert RegisterTable.model_validate(table.model_dump(exclude_unset=True)) == table


def test_there_are_templates_for_the_usual_kinds() -> None:
    assert {load_table(name).kind.value for name in template_names()} >= {"battery", "pv", "evse", "meter"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (broken("points", 1, "mask", value=0xFF), "mask picks bits of uint16, .* not of int16"),
        (broken("points", 0, value=GOOD["points"][0] | {"type": "uint16", "mask": 0x1FFFF}), "more bits than uint16"),
        (broken("points", 0, value=GOOD["points"][0] | {"type": "uint16", "mask": 0x5}), "do not lie side by side"),
        (broken("points", 1, "write", "function", value=22), "function 22 writes some bits .* mask says which"),
        (broken("points", 1, "scal", value=1), r"points\.2 \(target\)\.scal: unknown key; did you mean 'scale'"),
        (broken("points", 1, "write", "realese", value=[]), "write.realese: unknown key; did you mean 'release'"),
        (broken("heart_beat", value={}), "heart_beat: unknown key; did you mean 'heartbeat'"),
        (broken("address_base", drop=True), "address_base: Field required"),
        (broken("points", 0, "positive", drop=True), r"points\.1 \(power\): positive says which direction"),
        (broken("points", 0, "positive", value="injected"), "positive of w is one of delivered, taken"),
        (broken("points", 0, "unit", value="V"), "unit of w is one of W, kW, MW, not 'V'"),
        (broken("points", 0, "unit", value="%"), "percent_of names the 100 %"),
        (broken("points", 0, "unit", value="A"), "unit A and watts_per_amp"),
        (broken("points", 0, "phase", value="AN"), "phase of w is one of A, B, C"),
        (broken("points", 0, "area", value="coil"), "area coil and type int16 do not fit"),
        (broken("points", 0, "type", value="string"), "a string needs length"),
        (broken("points", 0, "length", value=2), "length is for string, enum and bitfield"),
        (broken("points", 0, "scale", value=0), "scale 0"),
        (broken("points", 0, "valid", value=[5, 1]), "valid: 5 is above 1"),
        (broken("points", 0, "meaning", value="state"), "state needs values"),
        (broken("points", 0, "meaning", value="alarms"), "alarms need bits"),
        (broken("points", 0, "name", value="target"), "the name target is used twice"),
        (broken("points", 0, "meaning", value="set_w"), "set_w is a control and needs write"),
        (broken("points", 0, "address", value=65536), "outside 0..65535"),
        (broken("points", 1, "write", drop=True), "set_w is a control and needs write"),
        (broken("points", 1, "write", "release", value=[]), "release is missing"),
        (broken("points", 1, "write", "function", value=5), "function 5 does not write area holding"),
        (broken("points", 1, "area", value="input"), "input cannot be written"),
        (broken("points", 1, "write", "memory", value="flash"), "give min_period_s"),
        (broken("points", 1, "write", "revert", value="timer"), r"write\.revert: no point is called 'timer'"),
        (broken("points", 1, "write", "revert", value="power"), "point power is written, so it needs write"),
        (broken("points", 1, "type", value="int32") | {"max_registers": 1}, "more than max_registers"),
        (broken("identity", value=[{"point": "power"}]), "give one_of or starts_with"),
        (broken("points", value=[]), "points: "),
        (42, "a register table is a template's name"),
        ("exmple-battery", "did you mean 'example-battery"),
        ("missing.yaml", r"/missing.yaml cannot be read: .*; give the file of the register"),
    ],
)
def test_a_mistake_is_told_with_its_place(data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_table(data)


def test_function_six_writes_one_register() -> None:
    data = broken("points", 1, "type", value="int32")
    data["points"][1]["write"]["function"] = 6
    with pytest.raises(ValueError, match="function 6 writes one register"):
        load_table(data)


def test_files_are_read_and_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(GOOD))
    assert load_table(str(file)) == load_table(GOOD)
    for content, message in (
        (b"title: a\nkind: [,", "mine.yaml:2 is not YAML"),
        (b"- 1", "holds no register table"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"a" * 1_000_001, "larger than"),
        (b"kind: battery", r"mine.yaml:1: address_base: Field required"),
    ):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            load_table(str(file))


WRITTEN = """\
title: Mine
kind: battery
address_base: 0
identity: [{point: powr, one_of: [1]}]
heartbeat:
  period_s: 5
  point: power
points:
  - {name: power, meaning: w, address: 1, type: int16, unit: W, positive: taken}
  - name: target
    meaning: set_w
    address: 2
    type: int16
    unit: W
    positive: taken
    write:
      revert: timer
      release:
        - {point: target, value: 0}
        - {point: nobody, value: 0}
"""

#: (what is written instead, what becomes of it, [the line, the key]).
SLIPS = [
    ("address: 2", "adress: 2", [(12, "adress: unknown key; did you mean 'address'"), (10, "address: Field required")]),
    ("type: int16, unit", "type: int17, unit", [(9, r"points.1 \(power\).type: Input should be")]),
    ("address: 2", "address: two", [(12, "address: Input should be a valid integer")]),
    ("unit: W\n", "unit: V\n", [(14, r"points.2 \(target\): unit of set_w is one of")]),
    ("    positive: taken\n", "", [(10, r"points.2 \(target\): positive says")]),
    ("    type: int16\n", "    scale: 0\n    type: int16\n", [(13, "scale 0")]),
    ("point: target, value", "pont: target, value", [(19, "pont: unknown key")]),
    ("address: 2", "address: 65536", [(12, "points.target.address: address 65536 is outside")]),
    (
        "address: 2",
        "address: 2",
        [
            (4, "identity.1: no point is called 'powr'"),
            (5, "heartbeat: point power is written, so it needs write"),
            (17, "points.target.write.revert: no point is called 'timer'"),
            (20, "points.target.write.release.2: no point is called 'nobody'"),
        ],
    ),
    ("address: 2", "address: 2\n    address: 3", [(13, " is not YAML: the key 'address' stands twice")]),
    ("address: 2", "address: [2", [(13, " is not YAML: ")]),
]


@pytest.mark.parametrize(("found", "written", "told"), SLIPS)
def test_a_mistake_in_a_file_is_told_with_its_line_and_key(
    found: str, written: str, told: list[tuple[int, str]], tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(WRITTEN.replace(found, written))
    with pytest.raises(ValueError, match="mine") as caught:
        load_table(str(file))
    for line, text in told:
        assert re.search(f"mine.yaml:{line}[^;]*{text}", str(caught.value)), str(caught.value)


def test_a_mistake_in_a_table_of_the_configuration_is_told_with_its_line_there(tmp_path: Path) -> None:
    inside = "".join(
        f"        {line}\n" for line in WRITTEN.replace("address: 2", "address: 2\n    scal: 2").splitlines()
    )
    text = f"devices:\n  - id: a\n    driver: modbus\n    connection:\n      host: h\n      table:\n{inside}"
    with pytest.raises(ConfigError) as caught:
        parse_config(text, tmp_path / "g.yaml", drivers=True)
    (told,) = str(caught.value).splitlines()
    place = "devices[0].connection.table.points[1].scal: driver modbus: table: points.2 (target).scal: unknown key"
    assert told.startswith(f"{tmp_path / 'g.yaml'}:{7 + 12}: {place}")


def test_a_bare_off_of_yaml_is_the_word_off() -> None:
    data = yaml.safe_load("{name: s, meaning: state, address: 9, type: enum, values: {0: off, 1: running}}")
    table = load_table(GOOD | {"points": [*GOOD["points"], data]})
    assert table.by_name["s"].words == {0: "off", 1: "running"}


def test_orders_are_handed_down_and_habits_follow_the_meaning() -> None:
    table = load_table(GOOD | {"word_order": "little"})
    assert {point.word_order for point in table.points} == {"little"}
    assert [point.polled for point in table.points] == [Poll.FAST, Poll.NEVER]
    assert table.points[0].sign == -1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3),
    max_leaves=10,
)


@given(st.sampled_from(["points", "gaps", "identity", "heartbeat", "nameplate", "kind", "title"]), JSON)
def test_any_content_is_a_table_or_a_value_error(key: str, value: Any) -> None:
    try:
        found = load_table(GOOD | {key: value})
    except ValueError:
        return
    assert isinstance(found, RegisterTable)


PAGE = Path(__file__).resolve().parents[4] / "docs" / "operator" / "modbus.md"


def test_the_worked_example_of_the_page_is_a_table() -> None:
    blocks = [part.split("```")[0] for part in PAGE.read_text().split("```yaml\n")[1:]]
    (example,) = [block for block in blocks if "points:" in block]
    table = load_table(yaml.safe_load(example))
    made = Commands(RegisterImage(table), Nameplate(max_w=5000, max_charge_w=4000)).plan(
        Setpoint(device_id="d", issued=0, active_power_w=1237), revert_s=60, now=0
    )
    told = [(write.point.address, int.from_bytes(write.data, "big", signed=True)) for write in made.writes]
    assert told == [(201, 4), (203, 60), (202, -124)]
    assert made.held[Meaning.SET_W] == 1240


def test_every_key_and_meaning_and_template_is_on_the_page() -> None:
    page = PAGE.read_text()
    models = (tables.Point, tables.WriteRule, tables.RegisterTable, points.TableNameplate, points.Heartbeat)
    keys = {key for model in models for key in model.model_fields}
    keys |= set(ModbusConfig.model_fields) - set(DriverConfig.model_fields)
    keys |= {meaning.value for meaning in Meaning} | set(template_names()) | set(tables.WIDTHS)
    # Parts of a heartbeat or a nameplate stand in one cell with others.
    assert not sorted(key for key in keys if f"`{key}`" not in page)
