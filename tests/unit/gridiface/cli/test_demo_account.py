"""The account of a demo: who is counted, and what is shown in each of its phases."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from gridiface.cli.demo_account import Story, panel, print_report

GROUP = {"id": "fleet", "name": "", "devices": 2, "requested_W": 3_000.0, "allocated_W": 2_990.0, "delivered_W": None,
         "soc": 0.5}  # fmt: skip


@pytest.fixture
def story() -> Story:
    made = Story(asked_w=3_000.0, start=100.0, duration_s=30.0, devices=2, lfdis={"A", "B"})
    made.status = {"groups": [GROUP]}
    made.answers = {1: {"A", "B", "GROUP"}, 2: {"A"}}
    return made


def shown(story: Story, now: float) -> str:
    console = Console(width=100, record=True, quiet=False)
    with console.capture() as caught:
        console.print(panel(story, "http://127.0.0.1:1/login", now))
    return caught.get()


def test_story_counts_devices_and_not_the_group(story: Story) -> None:
    assert story.responses() == {"received": 2, "started": 1, "completed": 0}
    assert not story.all_came()


def test_a_device_that_was_switched_off_may_complete_a_part_and_no_other_may(story: Story) -> None:
    story.answers = {1: {"A", "B"}, 2: {"A", "B"}, 3: {"A"}, 8: {"B"}}
    assert story.responses() == {"received": 2, "started": 2, "completed": 1, "partly_completed": 1}
    assert not story.all_came()
    story.fault = 1
    assert story.all_came()


@pytest.mark.parametrize(
    ("now", "phase"),
    [(95.0, "starts in 5 s"), (110.0, "running, 20 s left"), (131.0, "over, the last answers come in")],
)
def test_the_panel_says_how_far_it_is_and_what_is_not_known_as_such(story: Story, now: float, phase: str) -> None:
    text = shown(story, now)
    assert f"opModTargetW 3.00 kW for the whole fleet: {phase}" in text
    assert [cell.strip() for cell in text.splitlines()[4].split("│")[2:-2]] == [
        "fleet",
        "2",
        "3.00",
        "2.99",
        "-",
        "50.0",
    ]
    assert "received 2/2   started 1/2   completed 0/2" in text
    assert "http://127.0.0.1:1/login" in text


def test_groups_are_the_means_of_what_was_known_of_them(story: Story) -> None:
    story.samples = [{**GROUP, "delivered_W": 2_900.0}, GROUP, {**GROUP, "delivered_W": 2_950.0, "id": "other"}]
    assert story.groups() == [
        {"group": "fleet", "name": "", "devices": 2, "requested_W": 3_000.0, "allocated_W": 2_990.0,
         "delivered_W": 2_900.0}
    ]  # fmt: skip


def test_the_report_tells_every_protocols_part(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    result: dict[str, Any] = {
        "by_group": story.groups(),
        "responses": {"received": 2, "completed": 2},
        "requested_W": 3_000.0,
        "delivered_W": 2_900.0,
        "tracking_error_pct": 3.333,
        "devices": 2,
        "openadr": {"opt": "optIn", "reported_W": 1_000.0, "set_point_W": 1_500.0},
        "dnp3": {"told_W": 1_500.0, "set_point_W": 1_500.0, "events": 4, "statuses": {"set-point": "SUCCESS"}},
        "subscription": {"notifications": 5, "older": ["active", "superseded"], "newer": ["active"]},
    }
    print_report(result)
    said = " ".join(capsys.readouterr().out.split())
    for words in (
        "2.90 of 3.00 kW delivered, tracking error 3.333 %",
        "OpenADR: optIn, 1.00 of 1.50 kW reported by the VEN",
        "DNP3: 1.50 of 1.50 kW told in 4 events set-point: SUCCESS",
        "5 notifications; the older control active then superseded, the newer control active",
    ):
        assert words in said
