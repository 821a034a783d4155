"""The list of devices, and a device's plot."""

from __future__ import annotations

from typing import Any

from gridiface.domain.fleet import Device, Nameplate
from gridiface.operator.screens.devices import beside, joined, matches, newest, thin


def test_a_device_is_found_by_any_of_its_names() -> None:
    plate = Nameplate(max_w=1.0, manufacturer="ACME", serial="SN-7")
    device = Device(id="b1", nameplate=plate, name="Roof", identities={"lfdi": "3E4F"})
    for text in ("b1", "roof", "acme", "sn-7", "3e4f"):
        assert matches(device, text)
    assert not matches(device, "other")


def test_what_was_told_holds_and_what_was_measured_is_joined() -> None:
    told: list[tuple[float, float | None]] = [(1.0, 100.0), (5.0, None)]
    measured: list[tuple[float, float | None]] = [(0.0, 0.0), (2.0, 80.0), (6.0, 100.0)]
    assert joined(told, measured, 7.0) == [
        [0.0, 1.0, 2.0, 5.0, 6.0, 7.0],
        [None, 100.0, 100.0, None, None, None],
        [0.0, 40.0, 80.0, 95.0, 100.0, None],
    ]
    assert joined([], [], 7.0) == [[], [], []]


def test_a_silence_stays_a_gap() -> None:
    measured: list[tuple[float, float | None]] = [(0.0, 1.0), (100.0, 1.0)]
    assert joined([(50.0, 5.0)], measured, 100.0)[2] == [1.0, None, 1.0]


def test_points_are_thinned_and_the_last_stays() -> None:
    found = thin([(float(n), None) for n in range(1000)], 100)
    assert len(found) == 100
    assert found[-1][0] == 999.0


def test_newest_reading_of_each_kind() -> None:
    rows: Any = [{"quantity": "W", "phase": "ABC", "value": value} for value in (1, 2)]
    assert newest(rows) == [rows[1]]


async def test_search_and_filters(house: Any) -> None:
    _, text, _ = await house.ask("GET", "/parts/devices?q=BATT")
    assert "/devices/a" in text
    assert "/devices/b" in text
    _, text, _ = await house.ask("GET", "/parts/devices?q=nowhere")
    assert "No device fits" in text
    _, text, _ = await house.ask("GET", "/parts/devices?show=silent")
    assert "/devices/b" in text
    assert "/devices/a" not in text
    assert "has not told its state" in text
    _, text, _ = await house.ask("GET", "/parts/devices?driver=modbus")
    assert "No device fits" in text


def test_a_plot_below_another_one_is_over_the_same_time() -> None:
    assert beside([1.0, 9.0], [(2.0, 70.0), (5.0, 71.0)]) == [[1.0, 2.0, 5.0, 9.0], [None, 70.0, 71.0, None]]
    assert beside([2.0, 5.0], [(2.0, 70.0), (5.0, 71.0)]) == [[2.0, 5.0], [70.0, 71.0]]
    assert beside([], [(2.0, 70.0)]) == [[2.0], [70.0]]
    assert beside([1.0], []) == [[], []]
