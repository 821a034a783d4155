"""What the OpenADR blocks take and refuse."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gridiface.app.config.openadr import OpenAdr

VEN = {"name": "utility", "url": "http://vtn.example", "programs": [{"group": "fleet"}]}
TLS = {"certificate": "a.pem", "key": "a.key", "roots": ["root.pem"]}
LOGIN = {"jid": "ven@x.test/client", "server": "x.test:5222", "tls": TLS}
COMPONENT = {"domain": "vtn.x.test", "server": "127.0.0.1:5347", "secret_file": "secret"}
PRINT = "00:11:22:33:44:55:66:77:88:99"


def test_a_small_configuration_is_enough() -> None:
    openadr = OpenAdr.model_validate({"vens": [VEN], "vtn": {"vens": [{"ven_id": "A"}]}})
    assert openadr.vens[0].programs[0].group == "fleet"
    assert openadr.vtn is not None
    assert openadr.vtn.vens[0].ven_id == "A"


def test_fingerprints_are_upper_case() -> None:
    vtn = {"tls": TLS, "listen": "0.0.0.0:8444", "vens": [{"ven_id": "A", "fingerprint": "aa:" * 9 + "bb"}]}
    openadr = OpenAdr.model_validate({"vtn": vtn})
    assert openadr.vtn is not None
    assert openadr.vtn.vens[0].fingerprint == "AA:" * 9 + "BB"


@pytest.mark.parametrize(
    ("block", "word"),
    [
        ({"vens": [VEN, VEN]}, "names of their own"),
        ({"vens": [{**VEN, "url": "https://vtn.example"}]}, "tls"),
        ({"vens": [{**VEN, "url": "ftp://vtn.example"}]}, "http"),
        ({"vens": [{**VEN, "signatures": PRINT}]}, "needs the key"),
        ({"vens": [{**VEN, "programs": [{"group": "a"}, {"group": "b"}]}]}, "once each"),
        ({"vens": [{**VEN, "programs": [{}]}]}, "exactly one"),
        ({"vens": [{**VEN, "unknown": 1}]}, "unknown"),
        ({"vtn": {"listen": "0.0.0.0:8444"}}, "this machine itself"),
        ({"vtn": {"listen": "8444"}}, "HOST:PORT"),
        ({"vtn": {"tls": TLS, "vens": [{"ven_id": "A"}]}}, "fingerprint"),
        ({"vtn": {"vens": [{"ven_id": "A", "fingerprint": PRINT}]}}, "need `tls`"),
        ({"vtn": {"vens": [{"ven_id": "A"}, {"ven_id": "A"}]}}, "venIDs must differ"),
        ({"vtn": {"tls": TLS, "vens": [{"ven_id": "A", "fingerprint": "00:11"}]}}, "ten octets"),
        ({"vens": [{**VEN, "name": "no name"}]}, "letters"),
        ({"vens": [{**VEN, "xmpp": LOGIN}]}, "exactly one of `url` and `xmpp`"),
        ({"vens": [{"name": "utility", "programs": [{"group": "a"}]}]}, "exactly one of `url` and `xmpp`"),
        ({"vens": [{**VEN, "url": None, "xmpp": LOGIN, "signatures": PRINT}]}, "simple HTTP"),
        ({"vens": [{**VEN, "url": None, "xmpp": {**LOGIN, "jid": "ven@x.test"}}]}, "user@domain/resource"),
        ({"vtn": {"vens": [{"ven_id": "A", "jid": "ven@x.test"}]}}, "needs the `xmpp` block"),
        ({"vtn": {"xmpp": {"component": COMPONENT}, "vens": [{"ven_id": "A", "jid": "a@b/c"}]}}, "user@domain"),
    ],
)
def test_what_cannot_be_meant_is_refused(block: dict[str, object], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        OpenAdr.model_validate(block)


def test_a_calendar_needs_a_zone_and_a_resource_that_exist() -> None:
    block = {"name": "u", "url": "http://v", "programs": [{"group": "fleet"}]}
    good = OpenAdr.model_validate(
        {"vens": [{**block, "calendars": [{"start": "22:00", "end": "06:00", "days": ["fri"]}]}]}
    )
    assert good.vens[0].calendars[0].start.hour == 22
    block["resources"] = [{"id": "a", "device": "ev-1"}, {"id": "all", "group": "fleet"}]
    device = OpenAdr.model_validate({"vens": [{**block, "calendars": [{"device": "ev-1"}]}]})
    assert device.vens[0].calendars[0].device == "ev-1"
    for wrong in (
        {"zone": "Atlantis/Harbour"},
        {"resource": "none"},
        {"days": []},
        {"device": "ev-2"},
        {"device": "ev-1", "resource": "a"},
    ):
        with pytest.raises(ValidationError):
            OpenAdr.model_validate({"vens": [{**block, "calendars": [wrong]}]})
