"""The DNP3 block: what it takes, what it refuses."""

import pytest
from pydantic import ValidationError

from gridiface.app.config.dnp3 import Dnp3, Dnp3Endpoint, Dnp3Master, Dnp3Outstation, Dnp3Point, dnp3_targets
from gridiface.northbound.dnp3.settings import Mode

TLS = {"certificate": "a.pem", "key": "a.key", "roots": ["root.pem"]}


@pytest.mark.parametrize(
    ("block", "mode"),
    [
        ({"listen": "0.0.0.0:20000"}, Mode.LISTEN),
        ({"connect": "scada.example:20000"}, Mode.CONNECT),
        ({"listen": "[::]:20000", "connect": "192.0.2.1:20000"}, Mode.DUAL),
        ({"listen": "0.0.0.0:20000", "transport": "udp"}, Mode.LISTEN),
        ({"listen": "0.0.0.0:20000", "transport": "udp", "connect": "192.0.2.1:20000"}, Mode.LISTEN),
        ({"listen": "0.0.0.0:19999", "transport": "tls", "tls": TLS}, Mode.LISTEN),
        ({"transport": "serial", "serial": {"port": "/dev/ttyS0"}}, Mode.LISTEN),
    ],
)
def test_an_end_point_listens_connects_or_both(block, mode):
    assert Dnp3Endpoint.model_validate(block).mode is mode


@pytest.mark.parametrize(
    "block",
    [
        {},
        {"listen": "20000"},
        {"listen": "host:99999"},
        {"listen": "0.0.0.0:1", "transport": "tls"},
        {"listen": "0.0.0.0:1", "tls": TLS},
        {"connect": "a:1", "transport": "udp"},
        {"transport": "serial"},
        {"serial": {"port": "/dev/ttyS0"}},
        {"listen": "0.0.0.0:1", "transport": "serial", "serial": {"port": "/dev/ttyS0"}},
        {"transport": "serial", "serial": {"port": "/dev/ttyS0", "parity": "mark"}},
        {"listen": "0.0.0.0:1", "porto": 1},
    ],
)
def test_an_end_point_that_leads_nowhere_is_refused(block):
    with pytest.raises(ValidationError):
        Dnp3Endpoint.model_validate(block)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "analog input", "index": 0},
        {"type": "analog output", "index": 0},
        {"type": "analog output", "index": 0, "action": "set_w", "measure": "w"},
        {"type": "analog input", "index": 0, "measure": "watts"},
        {"type": "analog input", "index": 0, "measure": "w", "group": "a", "device": "b"},
        {"type": "analog input", "index": 70_000, "measure": "w"},
        {"type": "octet string", "index": 0, "measure": "w"},
        {"type": "analog input", "index": 0, "measure": "w", "scale": 0},
    ],
)
def test_a_point_without_one_meaning_is_refused(block):
    with pytest.raises(ValidationError):
        Dnp3Point.model_validate(block)


def test_names_and_lists_are_checked():
    master = {"name": "iso", "address": 1, "fingerprints": ["ab:" * 31 + "ab"], "sources": ["192.0.2.0/24"]}
    assert Dnp3Master.model_validate(master).fingerprints == ("AB" * 32,)
    for wrong in ({"fingerprints": ["12"]}, {"sources": ["192.0.2.1/24"]}, {"address": 65_520}, {"name": "a b"}):
        with pytest.raises(ValidationError):
            Dnp3Master.model_validate(master | wrong)


def test_an_outstation_speaks_of_one_target():
    block = {"name": "gw", "address": 10, "masters": [{"name": "iso", "address": 1}]}
    assert Dnp3Outstation.model_validate(block | {"group": "fleet"}).profile == "iso-gateway"
    for wrong in ({}, {"group": "a", "device": "b"}, {"group": "a", "masters": []}):
        with pytest.raises(ValidationError):
            Dnp3Outstation.model_validate(block | wrong)


def test_every_key_has_a_meaning_for_the_reference_page():
    def keys(model):
        for name, field in model.model_fields.items():
            yield f"{model.__name__}.{name}", field

    unexplained = [
        name
        for model in (Dnp3, Dnp3Endpoint, Dnp3Master, Dnp3Outstation, Dnp3Point)
        for name, field in keys(model)
        if not field.description and name.split(".")[1] not in {"masters", "quality", "outstations", "endpoints", "tls"}
    ]
    assert unexplained == []


def test_the_targets_that_are_named_have_their_places():
    point = {"type": "analog input", "index": 0, "measure": "w", "device": "b1"}
    block = Dnp3.model_validate(
        {
            "outstations": [
                {
                    "name": "gw",
                    "address": 1,
                    "group": "fleet",
                    "points": [point],
                    "masters": [{"name": "m", "address": 2}],
                }
            ],
            "endpoints": [{"listen": "127.0.0.1:0"}],
        }
    )
    assert list(dnp3_targets(block)) == [
        (("outstations", 0, "group"), "group", "fleet"),
        (("outstations", 0, "points", 0, "device"), "device", "b1"),
    ]
