"""The MQTT driver without a broker: tables, keys, what was heard."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.clocks import StandingClock
from tests.variants import variant

from gridiface.drivers.api import DriverConfig
from gridiface_southbound.mqtt import table as tables
from gridiface_southbound.mqtt.config import MqttConfig
from gridiface_southbound.mqtt.heard import Heard
from gridiface_southbound.mqtt.loading import load_table, template_names
from gridiface_southbound.points import table as points
from gridiface_southbound.points.template import MISSING

PAGE = Path(__file__).resolve().parents[4] / "docs" / "operator" / "mqtt.md"
GOOD: dict[str, Any] = {
    "kind": "battery",
    "nameplate": {"max_w": 5000},
    "parameters": {"base": "home/bat"},
    "points": [
        {"name": "power", "meaning": "w", "topic": "{base}/p", "unit": "W", "positive": "taken"},
        {
            "name": "target", "meaning": "set_w", "topic": "{base}/t", "unit": "W", "positive": "taken",
            "write": {"topic": "{base}/t/set", "release": [{"point": "target", "value": 0}]},
        },
    ],
}  # fmt: skip


changed = partial(variant, GOOD)


@pytest.mark.parametrize("name", template_names())
def test_every_template_says_where_it_comes_from(name: str) -> None:
    table = load_table(name)
    assert table.title
    assert table.source
    assert not table.tried_on_hardware


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (changed("points", 0, "topc", value="x"), "unknown key; did you mean 'topic'"),
        (changed("points", 0, "topic", value="{bas}/p"), "{bas} is no parameter"),
        (changed("points", 0, "topic", value="home/#"), "topic"),
        (changed("points", 0, "topic", value=None), "give the topic that tells it"),
        (changed("points", 1, "topic", value=None), "no topic shows it"),
        (changed("points", 1, "write", "payload", value={"a": 1}), "payload has no {target}"),
        (changed("points", 1, "write", "payload", value=["{target}", "{x}"]), "neither a parameter nor a point"),
        (changed("parameters", value={"base": "a", "power": 1}), "power is a parameter and a point"),
        (changed("availability", value={"topic": "a", "online": []}), "online"),
    ],
)
def test_a_mistake_is_told_with_its_place(data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_table(data)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"user": "a"}, "user and password_file belong together"),
        ({"user": "a", "password_file": "p"}, "plain: true"),
        ({"ca_file": "c"}, "are for tls"),
        ({"tls": True, "key_file": "k"}, "cert_file and key_file"),
        ({"parameters": {"base": "a/#"}}, "a topic has no"),
        ({"parameters": {"bse": "a"}}, "the table has no 'bse'; it has: base"),
        ({"status_topic": "a/+"}, "status_topic"),
    ],
)
def test_wrong_keys_are_told(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MqttConfig(**({"table": GOOD, "host": "h"} | keys))


def test_devices_share_what_the_broker_cannot_tell_apart() -> None:
    def key(**keys: Any) -> Any:
        return MqttConfig(**({"table": GOOD, "host": "h"} | keys)).broker

    assert key() == key(parameters={"base": "other"}, poll_period_s=1, qos=0)
    assert key().port == 1883
    assert key(tls=True).port == 8883
    assert key() != key(client_id="other")


def test_the_newest_message_counts_and_what_was_kept_is_no_news() -> None:
    clock = StandingClock(100.0)
    heard = Heard(1000, clock)
    heard.take("t", b'{"a": [1]}', True)
    assert (heard.value("t", "/a/0"), heard.kept("t"), heard.count("t"), heard.at("t")) == (1, True, 0, 100)
    clock.at = 200
    heard.take("t", b'{"a": [2]}', False)
    heard.take("t", b'{"a": [2]}', True)
    assert (heard.value("t", "/a/0"), heard.kept("t"), heard.count("t"), heard.at("t")) == (2, False, 1, 200)
    heard.take("t", b"x" * 1001, False)
    assert (heard.count("t"), heard.dropped) == (1, 1)
    heard.take("t", b"ON", False)
    assert heard.value("t", "") == "ON"
    for nothing in (b"", b"\xff"):
        heard.take("t", nothing, False)
        assert heard.value("t", "") is MISSING
    assert heard.value("u", "") is MISSING
    assert (heard.at("u"), heard.kept("u"), heard.count("u")) == (None, False, 0)


async def test_waiting_ends_with_the_message() -> None:
    heard = Heard(1000, StandingClock(100.0))
    waiting = [asyncio.ensure_future(heard.until(lambda want=want: heard.value("t", "") == want)) for want in (1, 2)]
    await asyncio.sleep(0)
    heard.take("t", b"1", False)
    await waiting[0]
    assert not waiting[1].done()
    heard.take("t", b"2", False)
    await waiting[1]


@given(st.binary(max_size=100), st.booleans())
def test_any_payload_is_heard(payload: bytes, kept: bool) -> None:
    heard = Heard(1000, StandingClock(100.0))
    heard.take("t", payload, kept)
    heard.value("t", "/a")


def test_the_worked_example_of_the_page_is_a_table() -> None:
    blocks = [part.split("```")[0] for part in PAGE.read_text().split("```yaml\n")[1:]]
    (example,) = [block for block in blocks if "points:" in block]
    assert load_table(yaml.safe_load(example)).by_name["target"].sign == -1


def test_every_key_and_template_is_on_the_page() -> None:
    page = PAGE.read_text()
    models = (tables.TopicTable, tables.Availability, tables.Ask, tables.Answer)
    own = {key for model in models for key in model.model_fields} - set(points.Table.model_fields)
    own |= set(tables.WriteRule.model_fields) - set(points.WriteRule.model_fields)
    own |= set(MqttConfig.model_fields) - set(DriverConfig.model_fields) | set(template_names())
    assert not sorted(key for key in own if f"`{key}`" not in page)


def test_the_protocol_may_be_the_number_that_yaml_makes_of_it() -> None:
    keys = {"host": "h", "table": "example-battery"}
    assert MqttConfig(**keys, protocol=5).protocol == "5"
    assert MqttConfig(**keys, protocol=5, qos=1).tells_refusals
    assert not MqttConfig(**keys, protocol=5, qos=2).tells_refusals
    assert not MqttConfig(**keys).tells_refusals
    for wrong in (4, True, "3.1"):
        with pytest.raises(ValidationError, match="protocol"):
            MqttConfig(**keys, protocol=wrong)
