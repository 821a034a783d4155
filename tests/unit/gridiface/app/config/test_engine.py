"""The engine's blocks: their rules, and that the keys are the engine's own settings."""

from dataclasses import fields
from pathlib import Path

import pytest

from gridiface.aggregation.config import EngineConfig
from gridiface.app.config.engine import EngineBlock
from gridiface.app.config.load import parse_config
from gridiface.domain.controls import ControlMode, TargetKind
from gridiface.errors import ConfigError

FLEET = """
devices:
  - id: ev
    driver: modbus
    constraints:
      charge_w_by_soc: [[0.0, 7000], [0.8, 7000], [1.0, 1000]]
      departure: {at: "07:00", soc: 0.8, days: [mon, fri]}
      daily_cycles: 1.5
groups:
  - id: fleet
    members: [ev]
    shares: {capacity: 0.6}
schedules:
  - {id: night, group: fleet, start: "22:00", end: "06:00", set_w: -5000}
engine:
  timezone: Europe/Berlin
  follow_after_s: 20
"""


def load(text):
    return parse_config(text, Path("gridiface.yaml"))


def test_every_setting_of_the_engine_has_its_key():
    inside = {one.name for one in fields(EngineConfig)} - {"strategies"}
    assert inside == set(EngineBlock.model_fields) - {"period_s"}


def test_what_is_written_reaches_the_domain():
    config = load(FLEET)
    rule = config.devices[0].constraints.rule()
    assert rule.charge_w_by_soc[1] == (0.8, 7000.0)
    assert rule.departure.time.at_s == 7 * 3600
    assert rule.departure.time.days == frozenset({0, 4})
    line = config.schedules[0].rule()
    assert (line.target.kind, line.target.id) == (TargetKind.GROUP, "fleet")
    assert line.values[ControlMode.SET_W].value == -5000
    assert line.window.days == frozenset(range(7))
    settings = config.engine.settings()
    assert (settings.timezone, settings.follow_after_s, settings.strategy) == ("Europe/Berlin", 20, "water-filling")
    assert config.groups[0].shares == {"capacity": 0.6}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('at: "07:00"', 'at: "25:00"', "HH:MM"),
        ("Europe/Berlin", "Europe/Nowhere", "time-zone database"),
        ("[0.8, 7000]", "[0.0, 7000]", "must rise"),
        ("{capacity: 0.6}", "{capacity: 0.6, flex: 0.6}", "their sum"),
        ("group: fleet, start", "group: flet, start", "did you mean 'fleet'"),
        ("set_w: -5000", "days: [mon]", "needs one of"),
        ("group: fleet, start", "start", "exactly one of"),
        ("follow_after_s: 20", "strategy: merit", "did you mean 'merit-order'"),
    ],
)
def test_mistakes_are_named_with_their_fix(old, new, said):
    with pytest.raises(ConfigError, match=said):
        load(FLEET.replace(old, new))
