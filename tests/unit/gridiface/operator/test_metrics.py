"""The figures: valid text, bounded, and they count."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

import pytest

from gridiface.domain.controls import DeliveryOutcome, Outcome, OutcomeKind
from gridiface.operator.metrics import METRICS, Figures

LINE = re.compile(r'([a-z_]+)(\{[a-z]+="(?:[^"\\\n]|\\.)*"(?:,[a-z]+="(?:[^"\\\n]|\\.)*")*\})? -?[0-9.e+]+')


async def test_text_is_in_the_format_and_every_metric_is_there(house: Any) -> None:
    house.desk.on_outcome(Outcome(control_id="c1", kind=OutcomeKind.STARTED, at=1.0))
    await house.ask("GET", "/api/v1/devices/a")
    await house.ask("PROPFIND", "/no/such")
    status, text, headers = await house.ask("GET", "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = text.splitlines()
    assert [line for line in lines if not line.startswith("#") and not LINE.fullmatch(line)] == []
    assert {line.split()[2] for line in lines if line.startswith("# TYPE")} == set(METRICS)
    assert 'gridiface_outcomes_total{step="started"} 1' in lines
    assert 'gridiface_group_requested_watts{group="fleet"} 3000' in lines
    assert 'gridiface_devices{quality="none"} 1' in lines
    assert 'gridiface_http_requests_total{method="GET",route="/api/v1/devices/{id}",status="2xx"} 1' in lines
    assert 'gridiface_http_requests_total{method="other",route="other",status="4xx"} 1' in lines


async def test_peers_cannot_make_new_series(house: Any) -> None:
    for number in range(20):
        await house.ask("GET", f"/devices/x{number}")
        await house.ask("GET", f"/nothing/{number}")
    text = (await house.ask("GET", "/metrics"))[1]
    assert "x1" not in text
    assert sum(line.startswith("gridiface_http") for line in text.splitlines()) == 2


async def test_names_are_escaped_and_bounded(house: Any) -> None:
    group = house.desk.status.fleet.groups()[0]
    object.__setattr__(group, "id", 'a"b\\c\nd')
    text = Figures().render(house.desk.status, 102.0, ready=True)
    assert r'gridiface_group_delivered_watts{group="a\"b\\c\nd"} 2900' in text
    assert all(outcome.value in text for outcome in DeliveryOutcome)


# --- the Grafana dashboard that the wheel carries: queries name what there is, panels do not overlap ---

BOARD: dict[str, Any] = json.loads(files("gridiface.operator").joinpath("grafana", "gridiface.json").read_text())
PANELS: list[dict[str, Any]] = BOARD["panels"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
VARIABLES = [entry["query"] for entry in BOARD["templating"]["list"] if entry["type"] == "query"]

#: What Prometheus itself adds.
OUTSIDE = {"job", "instance"}


async def labels_of(house: Any) -> dict[str, set[str]]:
    """Labels by metric, as a running surface tells them."""
    await house.ask("GET", "/api/v1/status")
    text = (await house.ask("GET", "/metrics"))[1]
    found: dict[str, set[str]] = {name: set() for name in METRICS}
    for name, labels in re.findall(r"^(gridiface_\w+)(?:\{(.*?)\})? ", text, re.MULTILINE):
        found[name] |= set(re.findall(r"(\w+)=", labels))
    return found


@pytest.mark.parametrize("query", QUERIES + VARIABLES)
async def test_each_query_names_metrics_and_labels_that_are_told(house: Any, query: str) -> None:
    known = await labels_of(house)
    named = re.findall(r"gridiface_\w+", query)
    assert named
    for name in named:
        assert name in METRICS
    selectors = re.findall(r"(gridiface_\w+)\{([^}]*)\}", query)
    for name, matchers in selectors:
        assert set(re.findall(r"(\w+)\s*=~?", matchers)) <= known[name] | OUTSIDE
    for by in re.findall(r"by \(([^)]*)\)", query):
        assert {label.strip() for label in by.split(",")} <= set().union(*(known[name] for name in named))


def test_counters_are_shown_as_rates_and_gauges_are_not() -> None:
    for query in QUERIES:
        for name in re.findall(r"gridiface_\w+", query):
            counted = METRICS[name][0] == "counter"
            assert (f"rate({name}" in query) == counted, query


def test_every_metric_is_on_the_board() -> None:
    shown = set(re.findall(r"gridiface_\w+", " ".join(QUERIES)))
    assert shown == set(METRICS)


def test_the_board_is_whole() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert BOARD["uid"]
    assert BOARD["schemaVersion"] >= 36
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not own & taken, panel["title"]
        taken |= own
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
