"""The figures: valid text, bounded, and they count."""

from __future__ import annotations

import re
from typing import Any

from gridiface.domain.controls import DeliveryOutcome, Outcome, OutcomeKind
from gridiface.operator.metrics import METRICS, Figures

LINE = re.compile(r'([a-z_]+)(\{[a-z]+="(?:[^"\\\n]|\\.)*"(?:,[a-z]+="(?:[^"\\\n]|\\.)*")*\})? -?[0-9.e+]+')


async def test_text_is_in_the_format_and_every_metric_is_there(house: Any) -> None:
    house.desk.on_outcome(Outcome(control_id="c1", kind=OutcomeKind.STARTED, at=1.0))
    await house.ask("GET", "/api/v1/devices/a")
    await house.ask("PATCH", "/no/such")
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
