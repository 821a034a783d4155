"""Green Button files: directions, units, quality, links; hostile XML."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.aggregation.settlement.series import BAD, ESTIMATED, GOOD
from gridiface.app.importers import MeterImport, parse_green_button
from gridiface.errors import ConfigError

PATH = Path("gb.xml")
START = 1_782_864_000  # 1 July 2026, 00:00 UTC
BASE = "/espi/1_1/resource/Subscription/9/UsagePoint/7"


def reading(at: int, value: int, quality: int | None = None, duration: int = 900) -> str:
    mark = "" if quality is None else f"<ReadingQuality><quality>{quality}</quality></ReadingQuality>"
    period = f"<timePeriod><duration>{duration}</duration><start>{START + 900 * at}</start></timePeriod>"
    return f"<IntervalReading>{mark}{period}<value>{value}</value></IntervalReading>"


def entry(self_href: str, content: str, *links: tuple[str, str]) -> str:
    every = "".join(f'<link rel="{rel}" href="{href}"/>' for rel, href in (("self", self_href), *links))
    return f"<entry>{every}<content>{content}</content></entry>"


def kind(number: str, flow: int = 1, uom: int = 72, power: int = 0, more: str = "") -> str:
    inside = f"<flowDirection>{flow}</flowDirection><powerOfTenMultiplier>{power}</powerOfTenMultiplier>{more}"
    body = f'<ReadingType xmlns="http://naesb.org/espi">{inside}<uom>{uom}</uom></ReadingType>'
    return entry(f"/espi/1_1/resource/ReadingType/{number}", body)


def meter(number: str, *readings: str, base: str = BASE) -> str:
    home = f"{base}/MeterReading/{number}"
    block = f'<IntervalBlock xmlns="http://naesb.org/espi">{"".join(readings)}</IntervalBlock>'
    related = ("related", f"https://utility.example/espi/1_1/resource/ReadingType/{number}")
    return entry(home, '<MeterReading xmlns="http://naesb.org/espi"/>', related) + entry(
        f"{home}/IntervalBlock/1", block, ("up", f"{home}/IntervalBlock")
    )


def feed(*entries: str) -> bytes:
    return f'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom">{"".join(entries)}</feed>'.encode()


def read(*entries: str) -> MeterImport:
    return parse_green_button(feed(*entries), PATH)


def test_golden_consumption() -> None:
    # 250 Wh in a quarter hour are 1000 W taken; code 8 is estimated.
    found = read(kind("1"), meter("1", reading(0, 250), reading(1, 500, quality=8)))
    (series,) = found.series
    assert (series.meter_id, series.start, series.interval_s) == ("7", START, 900.0)
    assert series.w.tolist() == [-1000.0, -2000.0]
    assert series.quality.tolist() == [GOOD, ESTIMATED]


def test_golden_both_directions() -> None:
    # Taken 250 Wh, delivered 100 Wh in the same quarter hour: -1000 + 400 = -600 W.
    found = read(
        kind("1"),
        kind("2", flow=19),
        meter("1", reading(0, 250), reading(1, 250)),
        meter("2", reading(0, 100)),
    )
    assert found.series[0].w[0] == pytest.approx(-600.0)
    assert found.series[0].w.size == 1
    assert found.rows == 3


def test_powers_of_ten_and_watts() -> None:
    # 25 x 10^1 Wh; 15 x 10^2 W.
    assert read(kind("1", power=1), meter("1", reading(0, 25), reading(1, 25))).series[0].w[0] == -1000.0
    power = read(kind("1", uom=38, power=2), meter("1", reading(0, 15), reading(1, 15)))
    assert power.series[0].w[0] == -1500.0


def test_gaps_duplicates_and_conflicts() -> None:
    found = read(kind("1"), meter("1", reading(0, 1), reading(0, 1), reading(3, 2), reading(3, 5)))
    assert (found.rows, found.duplicates, found.conflicts, found.missing) == (4, 1, 1, 2)
    assert found.series[0].quality.tolist() == [GOOD, BAD, BAD, GOOD]
    assert found.series[0].w[3] == -20.0


def test_several_usage_points_and_ids() -> None:
    other = meter("1", reading(0, 1), reading(1, 1), base=BASE.replace("/7", "/8"))
    entries = (kind("1"), meter("1", reading(0, 1), reading(1, 1)), other)
    assert [series.meter_id for series in read(*entries).series] == ["7", "8"]
    with pytest.raises(ConfigError, match="holds 2 usage points"):
        parse_green_button(feed(*entries), PATH, "house")
    assert parse_green_button(feed(*entries[:2]), PATH, "house").series[0].meter_id == "house"


def test_other_commodities_are_left_out() -> None:
    gas = read(kind("1"), kind("2", uom=42), meter("1", reading(0, 1), reading(1, 1)), meter("2", reading(0, 9)))
    assert gas.rows == 2
    assert gas.notes == ("readings of unit 42 are not electric energy or power: left out",)


def test_a_stylesheet_a_comment_and_a_byte_order_mark_change_nothing() -> None:
    plain = feed(kind("1"), meter("1", reading(0, 250), reading(1, 500)))
    styled = plain.replace(b'"1.0"?>', b'"1.0"?><?xml-stylesheet type="text/xsl" href="GreenButton.xslt"?><!-- x -->')
    found = parse_green_button(b"\xef\xbb\xbf" + styled, PATH)
    assert found.series[0].w.tolist() == parse_green_button(plain, PATH).series[0].w.tolist() == [-1000.0, -2000.0]


def test_the_net_of_both_directions_stands_in_where_neither_is_there() -> None:
    # 250 Wh given in a quarter hour, as -250 taken.
    net = kind("4", flow=4), meter("4", reading(0, -250), reading(1, 500))
    assert read(*net).series[0].w.tolist() == [1000.0, -2000.0]
    both = kind("1"), kind("2", flow=19), meter("1", reading(0, 0), reading(1, 500))
    found = read(*both, meter("2", reading(0, 250), reading(1, 0)), *net)
    assert found.series[0].w.tolist() == [1000.0, -2000.0]
    assert found.notes == ("readings of the net (flow direction 4) of 7 are left out: 1 and 19 are read",)


def test_a_direction_that_is_not_stated_is_consumption() -> None:
    assert read(kind("1", flow=0), meter("1", reading(0, 250), reading(1, 0))).series[0].w[0] == -1000.0


def test_registers_and_peaks_beside_the_intervals_are_left_out() -> None:
    intervals = kind("1"), meter("1", reading(0, 250), reading(1, 500))
    register = kind("2", more=REGISTER), meter("2", reading(0, 987_654))
    peak = kind("3", uom=38, more="<dataQualifier>8</dataQualifier>"), meter("3", reading(0, 9_000), reading(1, 9_000))
    power = kind("5", uom=38), meter("5", reading(0, 1_001), reading(1, 2_001))
    found = read(*register, *peak, *power, *intervals)
    assert found.series[0].w.tolist() == [-1000.0, -2000.0]
    assert found.conflicts == 0
    assert [note.split(",")[0].split(" of")[0] for note in found.notes] == [
        "accumulationBehaviour 1 is a register reading",
        "readings",
        "readings",
    ]


def test_of_one_usage_point_the_shortest_intervals_count_and_each_has_its_own() -> None:
    hours = [reading(4 * at, 1_000, duration=3600) for at in range(2)]
    other = BASE.replace("/7", "/8")
    found = read(
        *(kind("1"), kind("2"), meter("2", *hours), meter("1", reading(0, 250), reading(1, 500))),
        meter("2", *hours, base=other),
    )
    assert [(one.meter_id, one.interval_s, one.w.tolist()) for one in found.series] == [
        ("7", 900.0, [-1000.0, -2000.0]),
        ("8", 3600.0, [-1000.0, -1000.0]),
    ]
    assert found.notes == ("intervals of 3600 s of 7 are left out beside those of 900 s",)


def test_readings_without_a_time_follow_the_start_of_their_block() -> None:
    plain = "".join(f"<IntervalReading><value>{value}</value></IntervalReading>" for value in (250, 500))
    block = f"<interval><duration>1800</duration><start>{START}</start></interval>{plain}"
    found = read(kind("1", more="<intervalLength>900</intervalLength>"), meter("1", block))
    assert (found.series[0].start, found.series[0].w.tolist()) == (START, [-1000.0, -2000.0])


def test_values_with_decimals_are_read() -> None:
    found = read(kind("1"), meter("1", reading(0, 1).replace(">1</value>", ">250.5</value>"), reading(1, 1)))
    assert found.series[0].w[0] == -1002.0


REGISTER = "<accumulationBehaviour>1</accumulationBehaviour>"


@pytest.mark.parametrize(
    ("entries", "wrong"),
    [
        ((), "no intervals of electric energy"),
        ((kind("1", uom=42), meter("1", reading(0, 1))), "no intervals of electric energy"),
        ((kind("1", more=REGISTER), meter("1", reading(0, 1))), "is a register reading"),
        ((kind("1", power=99),), "powerOfTenMultiplier 99 is out of range"),
        ((kind("1"), meter("1", reading(0, 1), reading(1, 1, duration=300))), "intervals of 900 s and of 300 s"),
        ((kind("1"), meter("1", reading(0, 1, duration=7000))), "does not divide a day"),
        ((kind("1"), meter("1", reading(0, 1, duration=0))), "lasts 0 s"),
        ((kind("1"), meter("1", reading(-10_000_000, 1))), "an interval starts at"),
        ((kind("1"), meter("1", reading(0, 1), reading(20_000_000, 1))), "is a date wrong?"),
        ((kind("1"), meter("1", reading(0, 10**20))), "value is out of range"),
        ((kind("1"), meter("1", reading(0, 1).replace("<value>1", "<value>x"))), "value is no number"),
        ((kind("1"), meter("1", reading(0, 1).replace("<value>1</value>", ""))), "lacks value"),
        ((kind("1"), meter("1", "<IntervalReading><value>1</value></IntervalReading>")), "has no timePeriod"),
        ((meter("1", reading(0, 1)),), "has no ReadingType"),
    ],
)
def test_what_cannot_be_read_is_said(entries: tuple[str, ...], wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(*entries)
    assert wrong in str(caught.value)
    assert str(caught.value).startswith("gb.xml:")


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (b'<!DOCTYPE feed [<!ENTITY a "aaaa">]><feed>&a;</feed>', "DOCTYPE"),
        (b'<!DOCTYPE feed SYSTEM "file:///etc/passwd"><feed/>', "DOCTYPE"),
        (b"<feed>", "not well-formed"),
        (b"", "empty"),
        (b"<a>" * 100 + b"</a>" * 100, "nested deeper"),
        (b"<feed>" + b"<a/>" * 3_000_001 + b"</feed>", "tags"),
        ("<feed/>".encode("utf-16"), "not well-formed"),
    ],
)
def test_hostile_xml_is_refused(data: bytes, wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        parse_green_button(data, PATH)


def test_phases_and_tariff_tiers_are_added_and_count_once() -> None:
    # 250 + 100 + 50 Wh of three phases in a quarter of an hour: 1600 W; the second interval lacks one of them.
    phases = [kind(str(code), more=f"<phase>{code}</phase>") for code in (128, 64, 32)]
    each = meter("128", reading(0, 250), reading(1, 1)), meter("64", reading(0, 100), reading(1, 1))
    found = read(*phases, *each, meter("32", reading(0, 50)))
    assert (found.series[0].w.tolist(), found.conflicts) == ([-1600.0], 0)
    assert found.notes == ("1 intervals of 7 are missing in one direction or phase: left out",)
    # The whole stands for itself.
    found = read(kind("224", more="<phase>224</phase>"), *phases[:2], meter("224", reading(0, 400)), *each)
    assert found.series[0].w.tolist() == [-1600.0]
    assert "single phases of flow direction 1 of 7 are left out" in found.notes[0]
    # Peak and off-peak, each with nothing in the other's hours or without them; and with both together beside.
    tiers = [kind(str(tier), more=f"<tou>{tier}</tou>") for tier in (1, 2)]
    parts = meter("1", reading(0, 250), reading(1, 0)), meter("2", reading(1, 100, quality=8))
    (series,) = read(*tiers, *parts).series
    assert (series.w.tolist(), series.quality.tolist()) == ([-1000.0, -400.0], [GOOD, ESTIMATED])
    found = read(kind("0"), *tiers, meter("0", reading(0, 300)), *parts)
    assert found.series[0].w.tolist() == [-1200.0]
    assert "tariff tiers of flow direction 1 of 7 are left out" in found.notes[0]


def test_gas_is_no_electricity_whatever_its_unit() -> None:
    gas = kind("2", more="<commodity>7</commodity>")
    found = read(
        kind("1", more="<commodity>1</commodity>"), gas, meter("1", reading(0, 250)), meter("2", reading(0, 9))
    )
    assert found.series[0].w.tolist() == [-1000.0]
    assert found.notes == ("readings of commodity 7 are not electricity: left out",)
    base = BASE.replace("UsagePoint/7", "UsagePoint/8")
    service = '<UsagePoint xmlns="http://naesb.org/espi"><ServiceCategory><kind>1</kind></ServiceCategory></UsagePoint>'
    found = read(kind("1"), entry(base, service), meter("1", reading(0, 250)), meter("1", reading(0, 9), base=base))
    assert [one.meter_id for one in found.series] == ["7"]
    assert found.notes == ("usage point 8 is no electricity (service kind 1): left out",)


def test_readings_that_say_no_quality_have_that_of_their_type() -> None:
    readings = reading(0, 1), reading(1, 1, quality=17), reading(2, 1, quality=8)
    (series,) = read(kind("1", more="<defaultQuality>8</defaultQuality>"), meter("1", *readings)).series
    assert series.quality.tolist() == [ESTIMATED, GOOD, ESTIMATED]


def test_mistakes_are_named_with_their_line() -> None:
    def at(start: object, duration: int = 900, value: str = "<value>1</value>") -> str:
        period = f"<timePeriod><duration>{duration}</duration><start>{start}</start></timePeriod>"
        return f"\n<IntervalReading>{period}{value}</IntervalReading>"

    for wrong, said in (
        (at(START + 900, 600), "900 s and of 600 s in one meter reading"),
        (at(START + 1000), "off the grid of the others"),
        (at(START * 1000), "write seconds since 1970"),
        (at(START + 900, value=""), "lacks value"),
        (at("noon"), "start is no whole number"),
    ):
        with pytest.raises(ConfigError, match=f"gb.xml:3: .*{said}"):
            read(kind("1"), meter("1", at(START), wrong))


@given(st.binary(max_size=100))
def test_any_octets_give_data_or_an_error(data: bytes) -> None:
    with pytest.raises(ConfigError):
        parse_green_button(b"<feed>" + data, PATH)


@given(
    st.text(alphabet="0123456789-xe.", max_size=20), st.sampled_from(["value", "start", "duration", "quality", "uom"])
)
def test_any_number_gives_data_or_an_error(text: str, name: str) -> None:
    entries = (kind("1"), meter("1", reading(0, 1, quality=0), reading(1, 2)))
    whole = feed(*entries).decode()
    place = whole.index(f"<{name}>") + len(name) + 2
    changed = whole[:place] + text + whole[whole.index("<", place) :]
    try:
        found = parse_green_button(changed.encode(), PATH)
    except ConfigError:
        return
    assert found.rows == 2
