"""From the configuration block to settings, point maps and a server."""

import re
from pathlib import Path

import pytest
import yaml

from gridiface.app.config.dnp3 import Dnp3
from gridiface.app.fronts.dnp3_settings import dnp3_server, dnp3_settings, point_map, read_points, station_settings
from gridiface.domain.controls import Target, TargetKind
from gridiface.errors import ConfigError
from gridiface.northbound.dnp3.settings import Mode, NewConnection
from gridiface.protocols.dnp3.authentication.algorithms import MacAlgorithm
from gridiface.protocols.dnp3.points import PointType

BLOCK = """
outstations:
  - name: gateway
    address: 10
    group: fleet
    owner: the utility
    points:
      - {type: analog input, index: 0, name: net power, measure: w, unit: kW, scale: 1000, event_class: 3}
      - {type: analog input, index: 100, measure: soc, device: b1}
    masters:
      - name: iso
        address: 1
        authority: 10
        sources: [192.0.2.0/24]
        unsolicited: {retries: 5, triggers: [{event_class: 1, count: 3, hold_time_s: 0.5}]}
endpoints:
  - {listen: "127.0.0.1:0", connect: "127.0.0.1:20001", new_connection: replace, idle_s: 100}
"""


def block(**more):
    data = yaml.safe_load(BLOCK)
    data["outstations"][0] |= more
    return Dnp3.model_validate(data)


def test_the_settings_hold_what_was_written():
    settings = dnp3_settings(block(), "demo")
    (station,), (endpoint,) = settings.stations, settings.endpoints
    assert station.target == Target(TargetKind.GROUP, "fleet")
    assert station.description[244] == "the utility"
    assert station.description[208] == "demo"
    (master,) = station.masters
    assert (master.authority, master.unsolicited.retries) == (10, 5)
    assert master.unsolicited.triggers[1].count == 3
    assert (endpoint.mode, endpoint.peer) == (Mode.DUAL, ("127.0.0.1", 20001))
    assert endpoint.new_connection is NewConnection.REPLACE
    assert endpoint.deadlines.idle == 100


def test_a_serial_line_and_its_back_off():
    data = yaml.safe_load(BLOCK)
    data["endpoints"] = [{"transport": "serial", "serial": {"port": "/dev/ttyS1", "parity": "even", "rs485": True}}]
    data["outstations"][0]["masters"][0]["unsolicited"] = {"backoff_s": 2.0}
    settings = dnp3_settings(Dnp3.model_validate(data), "demo")
    line = settings.endpoints[0].serial
    assert (line.port, line.baud_rate, line.parity, line.rs485) == ("/dev/ttyS1", 9600, "even", True)
    assert settings.stations[0].masters[0].unsolicited.backoff == 2.0


def test_points_by_hand_replace_those_of_the_profile():
    points = point_map(block().outstations[0])
    power = points.by_key[PointType.ANALOG_INPUT, 0]
    assert (power.unit, power.scale, power.event_class) == ("kW", 1000, 3)
    added = points.by_key[PointType.ANALOG_INPUT, 100]
    assert added.target == Target(TargetKind.DEVICE, "b1")
    assert added.name == "analog input 100"
    assert "voltage" in points.by_name


def test_a_point_file_stands_between_profile_and_hand(tmp_path):
    path = tmp_path / "points.yaml"
    path.write_text("- {type: analog input, index: 100, name: from file, measure: w}\n"
                    "- {type: analog input, index: 101, name: also, measure: var}\n")  # fmt: skip
    points = point_map(block(profile="none", point_file=path).outstations[0])
    assert {entry.name for entry in points} == {"net power", "analog input 100", "also"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- {type: analog input, index: -1, measure: w}", "0.index"),
        ("nonsense", "must be a list"),
        ("[", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_a_point_file_with_a_mistake_is_named(tmp_path, text, words):
    path = tmp_path / "points.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        read_points(path)
    assert str(path) in str(caught.value)


def test_a_map_that_leads_nowhere_names_the_outstation():
    wrong = {"type": "analog input", "index": 5, "measure": "read_back", "argument": "nobody"}
    with pytest.raises(ConfigError, match="gateway: point analog input 5: no output"):
        point_map(block(points=[wrong]).outstations[0])


class Nothing:
    def now(self):
        return 0.0

    def __getattr__(self, name):
        return lambda *_: None


def test_a_server_is_made_of_it():
    nothing = Nothing()
    server = dnp3_server(block(), "demo", clock=nothing, inbox=nothing, ledger=nothing, fleet=nothing, history=nothing)
    assert list(server.stations) == ["gateway"]
    assert len(server.endpoints) == 1


def authenticated(path, **more):
    users = [{"number": 1, "key": str(path), "role": "operator"}]
    return block(authentication={"users": users, "masters": ["iso"]} | more).outstations[0]


def test_users_of_secure_authentication_come_with_their_keys(tmp_path):
    path = tmp_path / "update.key"
    path.write_text("00" * 16 + "\n")
    found = station_settings(authenticated(path, mac="aes-gmac-12"), "demo").authentication
    assert found.users[0].update_key == bytes(16)
    assert found.users[0].role == 1
    assert found.settings.mac is MacAlgorithm.AES_GMAC_12
    assert "00" * 8 not in repr(found)
    strict = {"also_critical": ["read", "freeze"], "challenge_octets": 8, "max_errors": 0, "max_failures": 1}
    settings = station_settings(authenticated(path, **strict), "demo").authentication.settings
    assert settings.also_critical == {1, 7, 8, 9, 10, 11, 12}
    assert (settings.challenge_octets, settings.max_errors, settings.max_failures) == (8, 0, 1)
    assert settings.name == "gateway"
    legacy = station_settings(authenticated(path, mac="hmac-sha-1-10"), "demo").authentication
    assert legacy.settings.allow_sha_1


@pytest.mark.parametrize("text", [None, "", "abc", "00" * 15, "zz" * 16])
def test_an_update_key_that_is_none_is_named_and_never_shown(tmp_path, text):
    path = tmp_path / "update.key"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=r"update\.key: an update key is") as caught:
        station_settings(authenticated(path), "demo")
    assert not text or text not in str(caught.value)


def test_authentication_names_masters_that_exist(tmp_path):
    path = tmp_path / "update.key"
    path.write_text("00" * 32)
    with pytest.raises(ConfigError, match="no master 'dso'"):
        station_settings(authenticated(path, masters=["dso"]), "demo")


def test_the_examples_of_the_operators_page_are_configurations(tmp_path):
    page = Path(__file__).resolve().parents[5] / "docs" / "operator" / "dnp3.md"
    whole, points, line, tls, secure = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    data = yaml.safe_load(whole)["dnp3"]
    assert dnp3_settings(Dnp3.model_validate(data), "demo").endpoints[0].port == 20_000
    outstation = data["outstations"][0]
    by_hand = Dnp3.model_validate(data | {"outstations": [outstation | yaml.safe_load(points)]})
    assert len(point_map(by_hand.outstations[0])) == 4
    lined = dnp3_settings(Dnp3.model_validate(data | yaml.safe_load(line)), "demo")
    assert lined.endpoints[0].place == "/dev/ttyUSB0"
    block_ = Dnp3.model_validate(data | yaml.safe_load(tls))
    with pytest.raises(ConfigError, match="fingerprints"):
        dnp3_settings(block_, "demo")
    secured = Dnp3.model_validate(data | {"outstations": [outstation | yaml.safe_load(secure)]})
    assert secured.outstations[0].authentication.users[0].role == "operator"
