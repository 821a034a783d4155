"""Where a configuration listens."""

from __future__ import annotations

import pytest

from gridiface.app.config.listening import Listening, listening_in
from gridiface.app.config.model import Config


def test_every_place_is_found_with_its_key_and_transport() -> None:
    master = {"name": "m", "address": 2}
    config = Config.model_validate(
        {
            "sep2": {"listen": "127.0.0.1:1", "tls": {"certificate": "c", "key": "k", "roots": ["r"]}},
            "operator": {"listen": "127.0.0.1:2"},
            "dnp3": {
                "outstations": [{"name": "o", "address": 1, "group": "g", "profile": "none", "masters": [master]}],
                "endpoints": [
                    {"listen": "127.0.0.1:3"},
                    {"listen": "127.0.0.1:3", "transport": "udp"},
                    {"connect": "127.0.0.1:4"},
                ],
            },
        }
    )
    found = {(one.address, one.udp): one.place for one in listening_in(config)}
    assert found == {
        ("127.0.0.1:1", False): ("sep2", "listen"),
        ("127.0.0.1:2", False): ("operator", "listen"),
        ("127.0.0.1:3", False): ("dnp3", "endpoints", 0, "listen"),
        ("127.0.0.1:3", True): ("dnp3", "endpoints", 1, "listen"),
    }


@pytest.mark.parametrize(
    ("one", "other", "udp", "taken"),
    [
        ("127.0.0.1:1", "127.0.0.1:1", False, True),
        ("127.0.0.1:1", "127.0.0.1:2", False, False),
        ("127.0.0.1:1", "127.0.0.2:1", False, False),
        ("0.0.0.0:1", "127.0.0.2:1", False, True),
        ("[::1]:1", "[::]:1", False, True),
        ("127.0.0.1:0", "127.0.0.1:0", False, False),
        ("127.0.0.1:1", "127.0.0.1:1", True, False),
    ],
)
def test_a_port_is_taken_by_the_same_port_of_the_same_address(one: str, other: str, udp: bool, taken: bool) -> None:
    assert Listening((), one).takes(Listening((), other, udp)) is taken
