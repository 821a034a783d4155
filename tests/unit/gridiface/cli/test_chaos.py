"""The reliability runs of the engine in their short form, and that each can fail. R8, R18, R19, R20, R21."""

import contextlib
import json
import os

import pytest
from typer.testing import CliRunner

from gridiface.aggregation.engine import Engine
from gridiface.aggregation.listening.intake import Intake
from gridiface.aggregation.listening.plausibility import Plausibility
from gridiface.cli.chaos import (
    clock,
    dnp3_fuzz,
    dnp3_tcp,
    engine_world,
    flapping,
    kill,
    modbus_event,
    northbound,
    restart,
    sequences,
)
from gridiface.cli.chaos.scenario import Finding, Plan, scenario, scenarios
from gridiface.cli.main import app
from gridiface.errors import ConfigError
from gridiface.simulation.dnp3.fuzz import FuzzReport
from gridiface.simulation.load.killing import Account

#: Tests that the sequences are dealt out to, for workers of their own.
PARTS = 4

#: The long forms, for which there is no room in every run.
FULL = os.environ.get("GRIDIFACE_CHAOS") == "full"


def form(**short):
    """The long form where it is asked for, else the short one of so many."""
    return Plan(full=True) if FULL else Plan(**short)


@pytest.mark.timeout(600 if not FULL else 0)
@pytest.mark.parametrize("part", range(PARTS))
def test_r21_event_sequences_agree_with_the_reference_model(part):
    count = (100_000 if FULL else 2_000) // PARTS
    finding = sequences.run(Plan(size=count, seed=1 + part * count))
    assert finding.ok, finding
    assert finding.figures["sequences"] == count
    assert finding.figures["events"] > 5 * count
    assert finding.figures["restarts"] > count // 2
    assert finding.figures["randomised"] > count
    assert finding.figures["out_of_order"] > count // 4


def test_r18_clocks_that_are_set():
    finding = clock.run(form())
    assert finding.ok, [name for name, one in finding.checks.items() if not one]
    assert len(finding.checks) == 4 * len(clock.CASES)


def test_r19_flapping_slow_and_deaf_devices():
    finding = flapping.run(form(size=100, seconds=200))
    assert finding.ok, finding
    assert finding.figures["falls"] > 20


def test_r20_the_link_is_lost():
    finding = northbound.run(form())
    assert finding.ok, finding


def test_restarts_in_mid_event():
    finding = restart.run(form(size=10))
    assert finding.ok, finding


def test_r8_an_event_reaches_every_modbus_device(monkeypatch):
    # On a machine shared with other tests the time is looked at by `gridiface chaos modbus-event`, not here.
    monkeypatch.setattr(modbus_event, "_LATEST_MS", 30_000.0)
    finding = modbus_event.run(form(size=50))
    assert finding.ok, finding
    assert finding.figures["missed"] == 0
    assert finding.figures["devices"] == (1_000 if FULL else 50)
    assert finding.figures["delivered_error"] <= 0.005


def test_r9_the_dnp3_core_is_fuzzed():
    finding = dnp3_fuzz.run(Plan(size=400, seed=7))
    assert finding.ok, finding
    assert (finding.figures["inputs"], finding.figures["exceptions"]) == (400, 0)


def test_r10_a_dnp3_server_is_fuzzed_over_tcp(monkeypatch):
    asked = []

    class Fake:
        def __init__(self, *place):
            asked.append(place)

        def run(self, inputs, seed):
            return FuzzReport(inputs=inputs, seed=seed, unanswered=1)

    monkeypatch.setattr(dnp3_tcp, "whole_server", lambda: contextlib.nullcontext(4711))
    monkeypatch.setattr(dnp3_tcp, "TcpFuzz", Fake)
    assert not dnp3_tcp.run(Plan(size=3)).ok
    assert asked == [("127.0.0.1", 4711)]


def test_a_run_that_checked_nothing_is_not_fine():
    assert not Finding().ok
    assert Finding({"a": True}).ok
    assert not Finding({"a": True, "b": False}).ok


def test_differences_are_found(monkeypatch):
    real = sequences.Model.cancel
    monkeypatch.setattr(sequences.Model, "cancel", lambda self, name: None)
    assert not sequences.run(Plan(size=20)).ok
    monkeypatch.setattr(sequences.Model, "cancel", real)
    monkeypatch.setattr(Plausibility, "_following", lambda self, now: False)
    assert not flapping.run(Plan(size=50, seconds=120)).checks["who does not follow is found"]
    monkeypatch.setattr(Intake, "lose", lambda *_: None)
    assert not flapping.run(Plan(size=50, seconds=120)).checks["re-allocated within 5 s"]
    monkeypatch.setattr(Engine, "restore", lambda self, controls, outcomes, now: None)
    assert not restart.run(Plan(size=2)).ok


def test_the_world_of_the_scenarios_is_as_it_says():
    world = engine_world.EngineWorld(engine_world.batteries(3, 1_000.0))
    world.submit(engine_world.ask("c", world.now + 1, 10.0, set_w=1_500.0))
    for _ in range(6):
        world.step()
    assert world.total == pytest.approx(1_500.0)


def test_scenarios_are_found_by_name():
    known = scenarios()
    assert {one.measure for one in known.values()} >= {"R8", "R18", "R19", "R20", "R21"}
    assert scenario("clock") is clock.SCENARIO
    with pytest.raises(ConfigError, match="sequences"):
        scenario("nothing")


def test_the_verb():
    listed = CliRunner().invoke(app, ["chaos", "list", "--json"])
    assert {"name", "measure", "summary"} == set(json.loads(listed.stdout)[0])
    run = CliRunner().invoke(app, ["chaos", "sequences", "--size", "3", "--json"])
    answer = json.loads(run.stdout)
    assert run.exit_code == 0
    assert (answer["ok"], answer["measure"], answer["figures"]["sequences"]) == (True, "R21", 3)
    assert "no difference" in CliRunner().invoke(app, ["chaos", "sequences", "--size", "2"]).stdout


def test_r1_says_what_was_lost_or_doubled():
    account = Account(kills=2, readings=5, ready_s=[1.0, 3.0])
    assert kill.finding(account).ok
    assert kill.finding(account).figures["ready_s"] == {"min": 1.0, "median": 2.0, "max": 3.0}
    assert not kill.finding(Account(kills=2, readings=1)).ok
    assert not kill.finding(Account(kills=1, readings=1, lost=["reading 1"])).ok
    assert not kill.finding(Account(kills=1, readings=1, doubled=["reading 1"])).ok
