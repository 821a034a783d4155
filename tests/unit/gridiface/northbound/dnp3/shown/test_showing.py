"""Inputs sorted by what they show."""

from gridiface.domain.controls import Target, TargetKind
from gridiface.northbound.dnp3.shown.showing import Showing
from gridiface.northbound.dnp3.translate.points import OF_STATION
from gridiface.protocols.dnp3.points import PointType


def test_every_input_is_in_one_list(station):
    settings = station("der").settings
    showing = Showing(settings)
    shown = [entry.name for block in showing.blocks for entry in block.entries]
    shown += [entry.name for entry in (*showing.own, *showing.edited)]
    assert sorted(shown) == sorted(entry.name for entry in settings.points.inputs())
    assert {entry.measure in OF_STATION for block in showing.blocks for entry in block.entries} == {False}
    assert "BI107" in {entry.name for entry in showing.about_records}


def test_who_reads_an_output_back_and_whose_energy_counts(station):
    showing = Showing(station("der").settings)
    assert [entry.name for entry in showing.readers("AO87")] == ["AI148"]
    assert [entry.name for entry in showing.readers("AO244")] == ["AI328"]
    assert showing.readers("nothing") == []
    assert showing.counted == {Target(TargetKind.GROUP, "fleet")}
    assert {block.type for block in showing.blocks} >= {PointType.ANALOG_INPUT, PointType.COUNTER}
    assert Showing(station().settings).counted == set()
