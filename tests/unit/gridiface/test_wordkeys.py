"""`on` and `off` are words where they are keys; values and true and false stay what YAML 1.1 makes of them."""

from pathlib import Path

import pytest
import yaml

from gridiface.app.config.load import parse_config
from gridiface.wordkeys import read_words


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "On", "OFF", "Yes", "NO"])
def test_a_key_that_is_a_word_stays_one(word: str) -> None:
    assert read_words(f"{word}: 1") == {word: 1}
    assert read_words(f"deep: [{{{word}: {{{word}: 2}}}}]") == {"deep": [{word: {word: 2}}]}


def test_everything_else_is_what_it_was() -> None:
    text = "{true: 1, False: 2, 3: on, a: off, 'no': yes, ~: 4}"
    assert read_words(text) == {True: 1, False: 2, 3: True, "a": False, "no": True, None: 4}


def test_keys_of_an_anchor_are_words_where_it_is_merged() -> None:
    assert read_words("a: &a {on: 1}\nb: {<<: *a, off: 2}") == {"a": {"on": 1}, "b": {"on": 1, "off": 2}}


def test_what_is_no_yaml_is_told() -> None:
    with pytest.raises(yaml.YAMLError):
        read_words("a: [")


def test_a_configuration_names_the_codes_of_a_relay_as_its_page_shows_it() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/operator/drivers.md").read_text()
    device = next(block for block in page.split("```yaml\n")[1:] if "driver: dnp3" in block).split("```")[0]
    config = parse_config(
        f"{device}groups: [{{id: fleet, members: [plant-7]}}]\n", Path("gridiface.yaml"), drivers=True
    )
    assert config.devices[0].connection["outputs"][2] == {"does": "connect", "index": 0, "on": 0x41, "off": 0x81}
