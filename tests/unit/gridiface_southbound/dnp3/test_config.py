"""The keys of the DNP3 driver: scaling, profiles, what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gridiface_southbound.dnp3.config import Dnp3Config, Input, Output

W = {"shows": "w", "index": 0}


@given(st.floats(-1e9, 1e9), st.sampled_from([1.0, 1000.0, 1e6]), st.floats(-100, 100), st.sampled_from([1, -1]))
def test_a_number_survives_the_way_there_and_back(value, scale, offset, sign):
    output = Output(does="set_w", index=0, scale=scale, offset=offset, sign=sign)
    assert output.si(output.wire(value)) == pytest.approx(value, abs=1e-3 + 1e-9 * abs(value))


def test_inputs_and_states():
    assert Input(shows="w", index=0, scale=1000, sign=-1, offset=1).si(3.0) == -2000
    assert Input(shows="running", type="binary input", index=0, sign=-1).si(0.0) == 1
    assert Output(does="connect", index=0).relay


def test_points_by_hand_replace_those_of_the_profile():
    config = Dnp3Config.model_validate(
        {"host": "h", "profile": "iso-gateway", "inputs": [{"shows": "w", "index": 70}],
         "outputs": [{"does": "set_w", "index": 71}]}
    )  # fmt: skip
    assert [point.index for point in config.all_inputs if point.shows == "w"] == [70]
    assert [point.index for point in config.all_outputs if point.does == "set_w"] == [71]
    assert len(config.all_inputs) > 10


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"inputs": [{"shows": "soc", "index": 0}]},
        {"inputs": [W, W]},
        {"inputs": [W], "outputs": [{"does": "set_w", "index": 0}] * 2},
        {"inputs": [W], "tls": True},
        {"inputs": [W], "tls": True, "ca_file": "a.pem", "udp": True},
        {"inputs": [W], "host": "", "serial_port": "/dev/ttyS0", "udp": True},
        {"inputs": [W], "cert_file": "a.pem"},
        {"inputs": [W], "address": 65_520},
        {"inputs": [{**W, "scale": 0}]},
        {"inputs": [{**W, "index": 65_536}]},
        {"inputs": [W], "outputs": [{"does": "set_w", "index": 0, "variation": 5}]},
        {"inputs": [W], "porto": 1},
    ],
)
def test_what_cannot_be_meant(keys):
    with pytest.raises(ValidationError):
        Dnp3Config.model_validate({"host": "h", **keys})
