"""The device profile says what is configured, in both forms."""

import math
from pathlib import Path

import pytest
from lxml import etree

from gridiface.northbound.dnp3.settings import (
    EndpointSettings,
    MasterEntry,
    SecureAuthentication,
    TlsSettings,
    Transport,
)
from gridiface.northbound.dnp3.shown.device_profile import points_table, profile_page, profile_xml
from gridiface.pki.contexts import KeyPair
from gridiface.protocols.dnp3.authentication.algorithms import AuthenticationSettings, User
from gridiface.protocols.dnp3.authentication.roles import OPTIONAL_CRITICAL
from gridiface.protocols.dnp3.outstation.settings import Trigger, UnsolicitedSettings
from gridiface.protocols.dnp3.points import KINDS, PointType

TLS = TlsSettings(key_pair=KeyPair(Path("a"), Path("b")), roots=(Path("c"),))

TAGS = {
    PointType.BINARY_INPUT: "binaryInput",
    PointType.BINARY_OUTPUT: "binaryOutput",
    PointType.ANALOG_INPUT: "analogInput",
    PointType.ANALOG_OUTPUT: "analogOutput",
    PointType.COUNTER: "counter",
}


@pytest.fixture
def station(station_settings):
    reports = UnsolicitedSettings(triggers={1: Trigger(5, 2.0)}, retries=None)
    master = MasterEntry(name="iso", address=7, unsolicited=reports, names=("scada.example",))
    return station_settings(masters=[master])


def test_the_xml_holds_every_point_and_setting(station):
    endpoint = EndpointSettings(transport=Transport.TLS, tls=TLS)
    root = etree.fromstring(profile_xml(station, [endpoint]))
    indices = [int(item.text) for item in root.findall(".//analogInput/index")]
    assert indices == list(range(23))
    items = {item.get("name"): item.text for item in root.findall(".//item")}
    assert items["address"] == "10"
    assert items["link address"] == "7"
    assert items["carrier"].startswith("TLS")
    assert items["class 1 reported at"] == "5 events or after 2 s"
    assert "SELECT" in items["functions"]


@pytest.mark.parametrize("points", ["iso-gateway", "der"])
def test_55_the_xml_equals_the_configuration_point_by_point(station_settings, points):
    settings = station_settings(points)
    root = etree.fromstring(profile_xml(settings))
    core = {(config.type, config.index): config for config in settings.points.core()}
    shown = 0
    for kind, tag in TAGS.items():
        for element in root.findall(f".//{tag}Points/dataPoints/{tag}"):
            said = {item.tag: item.text or "" for item in element}
            config = core[kind, int(said["index"])]
            entry = settings.points.by_key[kind, config.index]
            words = KINDS[kind]
            assert said["name"] == entry.name
            assert said["class"] == (str(config.event_class) if config.event_class else "none")
            assert said["static"] == f"g{words.static_group}v{config.static_variation or words.static_variation}"
            assert float(said["SI-per-unit"]) == pytest.approx(entry.sign * entry.scale, rel=1e-5)
            if kind is PointType.ANALOG_INPUT:
                assert float(said["dead-band"]) == pytest.approx(config.deadband)
                if config.event_class:
                    assert float(element.findtext("dnpData/deadband")) == pytest.approx(config.deadband)
            word = ("none", "one", "two", "three")[config.event_class]
            assert said["counterEventClass" if kind is PointType.COUNTER else "changeEventClass"] == word
            if kind in {PointType.ANALOG_INPUT, PointType.ANALOG_OUTPUT}:
                own = "IntegerTransmitted" if kind is PointType.ANALOG_INPUT else "Transmitted"
                for end, bound in (("min", config.minimum), ("max", config.maximum)):
                    # every digit: 2147483647 is not 2.14748e+09
                    told = "" if math.isinf(bound) else str(int(bound)) if bound == int(bound) else repr(bound)
                    assert said[f"{end}imum"] == told
                    assert said.get(f"{end}{own}Value", "") == told
            shown += 1
    assert shown == len(settings.points)


def test_both_forms_say_the_same_of_points(station):
    page = profile_page(station)
    for entry in station.points:
        assert f"| {entry.index} | {entry.name} |" in page


def test_end_points_of_other_stations_are_left_out(station):
    page = profile_page(station, [EndpointSettings(stations=("other",))])
    assert "Network" not in page


def test_limits_and_variations_are_shown(station_settings):
    points = station_settings("der").points
    (row,) = points_table([points.by_name["AO87"]])[2:]
    assert row == "| 87 | AO87 | max_w_percent, while BO17 is on | % WMax | 0.1 | none | g40v1 | none | 0 | 1000 |"


def test_secure_authentication_is_told_as_it_is_configured(station_settings):
    settings = AuthenticationSettings(also_critical=OPTIONAL_CRITICAL["freeze"], max_errors=3, aggressive=False)
    secured = SecureAuthentication(settings=settings, users=(User(1, "bo", b"secret key of bo"),))
    root = etree.fromstring(profile_xml(station_settings(authentication=secured), []))
    told = {item.get("name"): item.text for item in root.findall(".//item")}["secure authentication"]
    assert told == (
        "SAv5, HMAC_SHA_256_16, challenge mode, 1 users, all masters; session keys last 1800 s or 2000 messages; "
        "challenged too: freeze; at most 3 error messages and 5 wrong proofs in a row"
    )
