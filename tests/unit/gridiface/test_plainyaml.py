"""`on` and `off` are words where they are keys, 12:30 is a text and 012 twelve; other values stay YAML 1.1's."""

import datetime
from pathlib import Path

import pytest
import yaml

from gridiface.app.config.load import parse_config
from gridiface.plainyaml import line_of, read_nodes, read_yaml, scalar_at


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "On", "OFF", "Yes", "NO"])
def test_a_key_that_is_a_word_stays_one(word: str) -> None:
    assert read_yaml(f"{word}: 1") == {word: 1}
    assert read_yaml(f"deep: [{{{word}: {{{word}: 2}}}}]") == {"deep": [{word: {word: 2}}]}


def test_everything_else_is_what_it_was() -> None:
    text = "{true: 1, False: 2, 3: on, a: off, 'no': yes, ~: 4}"
    assert read_yaml(text) == {True: 1, False: 2, 3: True, "a": False, "no": True, None: 4}


def test_keys_of_an_anchor_are_words_where_it_is_merged() -> None:
    assert read_yaml("a: &a {on: 1}\nb: {<<: *a, off: 2}") == {"a": {"on": 1}, "b": {"on": 1, "off": 2}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12:30", "12:30"),
        ("1:2:3", "1:2:3"),
        ("-1:30", "-1:30"),
        ("12:30.5", "12:30.5"),
        ("012345", 12345),
        ("-010", -10),
        ("089", 89),
        ("0", 0),
        ("+7", 7),
        ("1_000", 1000),
        ("0x1F", 31),
        ("-0x10", -16),
        ("0o17", 15),
        ("0b101", 5),
        ("1.5", 1.5),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("1.5e+3", 1500.0),
        ("-.inf", float("-inf")),
        ("1e5", "1e5"),
        ("0x", "0x"),
        ("7.1.2", "7.1.2"),
        ("2026-01-02", datetime.date(2026, 1, 2)),
    ],
)
def test_numbers_are_what_people_mean(text: str, value: object) -> None:
    found = read_yaml(f"a: {text}")["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    ["a: [", "{a: 1, a: 2}", "{on: 1, on: 2}", "a: 2026-13-45", "0x_: 1", "[" * 900_000, "a: !!python/name:os.system"],
)
def test_what_is_no_yaml_is_told(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        read_yaml(text)


def test_a_configuration_names_the_codes_of_a_relay_as_its_page_shows_it() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/operator/drivers.md").read_text()
    device = next(block for block in page.split("```yaml\n")[1:] if "driver: dnp3" in block).split("```")[0]
    config = parse_config(
        f"{device}groups: [{{id: fleet, members: [plant-7]}}]\n", Path("gridiface.yaml"), drivers=True
    )
    assert config.devices[0].connection["outputs"][2] == {"does": "connect", "index": 0, "on": 0x41, "off": 0x81}


def test_a_line_is_found_by_places_and_by_names() -> None:
    root, _ = read_nodes("a: 1\npoints:\n- {name: one, b: 2}\n- name: two\n  c:\n    d: 3\n- 7\n")
    places: list[tuple[tuple[int | str, ...], int]] = [
        (("points", 1, "c", "d"), 6),
        (("points", "two", "c", "d"), 6),
        (("points", "one", "b"), 3),
        (("points", "two", "missing", "d"), 4),  # the nearest above it
        (("points", "nobody"), 2),
        (("points", 9), 2),
        (("a", "b"), 1),
        (("points", 2, "name"), 7),
    ]
    assert [(place, line_of(root, place)) for place, _ in places] == places


def test_a_single_value_as_it_is_written() -> None:
    root, _ = read_nodes("a: [{id: 0123, name: 'x y'}, 1.50]\nb:\n")
    assert scalar_at(root, ("a", 0, "id")) == "0123"
    assert scalar_at(root, ("a", 0, "name")) == "x y"
    assert scalar_at(root, ("a", 1)) == "1.50"
    assert scalar_at(root, ("a",)) is None
    assert scalar_at(root, ("a", 7, "id")) is None
    assert scalar_at(None, ("a",)) is None
