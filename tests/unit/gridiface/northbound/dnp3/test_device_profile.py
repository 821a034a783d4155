"""The device profile says what is configured, in both forms."""

from pathlib import Path

import pytest
from lxml import etree

from gridiface.northbound.dnp3.device_profile import points_table, profile_page, profile_xml
from gridiface.northbound.dnp3.settings import EndpointSettings, MasterEntry, TlsSettings, Transport
from gridiface.pki.contexts import KeyPair
from gridiface.protocols.dnp3.settings import Trigger, UnsolicitedSettings

TLS = TlsSettings(key_pair=KeyPair(Path("a"), Path("b")), roots=(Path("c"),))


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
