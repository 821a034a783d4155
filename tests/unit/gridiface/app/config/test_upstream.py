"""What the configuration says of utilities' servers."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gridiface.app.config.checks import cross_checks
from gridiface.app.config.model import Config
from gridiface.app.config.upstream import Upstream

TLS = {"certificate": "a.pem", "key": "a.key", "roots": ["r.pem"]}


def block(**more: Any) -> dict[str, Any]:
    return {"name": "utility", "url": "https://u.example/dcap", "tls": TLS, "all_devices": True} | more


def test_the_least_that_must_be_said() -> None:
    found = Upstream.model_validate(block())
    assert (found.mode, found.authority, found.time_qualities, found.pin) == ("poll", 255.0, (3, 4, 5, 6, 7), None)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"url": "http://u.example/dcap"}, "https://HOST"),
        ({"url": "https://u.example/dcap?x=1"}, "https://HOST"),
        ({"mode": "subscribe"}, "needs the block `notifications`"),
        ({"all_devices": False}, "name at least one"),
        ({"tls": TLS | {"check_hostname": False}}, "needs `servers`"),
        ({"servers": ["12"]}, "40 hex digits"),
        ({"time_qualities": [2]}, "greater than or equal to 3"),
        ({"devices": [{"device": "a", "group": "b"}]}, "exactly one"),
        ({"notifications": {"listen": "127.0.0.1:0", "certificate": "x.pem"}}, "belong together"),
        ({"notifications": {"listen": "nowhere"}}, "HOST:PORT"),
        ({"nonsense": 1}, "Extra inputs"),
    ],
)
def test_mistakes_are_told(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Upstream.model_validate(block(**more))


def test_names_must_exist_and_be_unique() -> None:
    config = Config.model_validate(
        {
            "devices": [{"id": "d1", "driver": "sunspec"}],
            "groups": [{"id": "fleet", "members": ["d1"]}],
            "upstreams": [
                block(devices=[{"device": "d2"}, {"group": "flett"}, {"device": "d1"}, {"device": "d1"}]),
                block(own_group="other"),
            ],
        }
    )
    found = dict(cross_checks(config))
    assert "more than once" in found["upstreams", 0, "name"]
    assert "no device 'd2'" in found["upstreams", 0, "devices", 0, "device"]
    assert "did you mean 'fleet'" in found["upstreams", 0, "devices", 1, "group"]
    assert "more than once" in found["upstreams", 0, "devices", 2]
    assert "no group 'other'" in found["upstreams", 1, "own_group"]
