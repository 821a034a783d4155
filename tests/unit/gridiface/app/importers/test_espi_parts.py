"""Which readings of one direction make up the whole."""

from __future__ import annotations

from gridiface.app.importers.espi_parts import Part, together, whole
from gridiface.domain.telemetry import Quality

GOOD, POOR = (1.0, Quality.GOOD), (2.0, Quality.ESTIMATED)


def test_one_part_is_the_whole_whatever_it_is_called() -> None:
    for part in (Part(), Part(128), Part(0, 3), Part(225, 0)):
        assert whole({part: {0.0: GOOD}}, "it") == ({Part(part.phase): {0.0: GOOD}}, [])


def test_tiers_follow_each_other_and_phases_belong_together() -> None:
    tiers = {Part(128, 1): {0.0: GOOD}, Part(128, 2): {0.0: POOR, 900.0: POOR}, Part(64): {0.0: GOOD}}
    found, notes = whole(tiers, "it")
    assert found == {Part(64): {0.0: GOOD}, Part(128): {0.0: (3.0, Quality.ESTIMATED), 900.0: POOR}}
    assert notes == []
    assert together(list(found.values())) == {0.0: (4.0, Quality.ESTIMATED)}
    assert together([]) == {}


def test_the_whole_stands_for_its_parts() -> None:
    found, notes = whole({Part(224): {0.0: POOR}, Part(128): {0.0: GOOD}, Part(224, 1): {0.0: GOOD}}, "it")
    assert found == {Part(224): {0.0: POOR}}
    assert notes == [
        "readings of tariff tiers of it are left out beside those of all tiers",
        "readings of single phases of it are left out beside those of all",
    ]
