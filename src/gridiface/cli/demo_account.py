"""The account of a demo: what has happened so far, as a table that follows it and as a report at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table

from gridiface.simulation.utility import Posted

_STEPS = {1: "received", 2: "started", 3: "completed"}
#: What a device answers at the end when it took part for a part of the time only.
_PARTLY = (8, 9)


@dataclass(slots=True)
class Story:
    """What has happened so far."""

    asked_w: float
    start: float
    duration_s: float
    devices: int
    lfdis: set[str] = field(default_factory=set)
    posted: Posted | None = None
    answers: dict[int, set[str]] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    fault: int | None = None
    stays: bool = False
    note: str = ""
    samples: list[dict[str, Any]] = field(default_factory=list)

    @property
    def end(self) -> float:
        """When the control ends."""
        return self.start + self.duration_s

    def groups(self) -> list[dict[str, Any]]:
        """Mean of what each group was allocated and delivered after the ramp, from what the page showed."""
        means = []
        for row in self.status.get("groups", []):
            own = [s for s in self.samples if s["id"] == row["id"]]
            found = {name: _average([s[name] for s in own]) for name in ("requested_W", "allocated_W", "delivered_W")}
            means.append({"group": row["id"], "name": row["name"], "devices": row["devices"], **found})
        return means

    def responses(self) -> dict[str, int]:
        """Devices that sent each step; the group's own answer is not a device's."""
        counts = {name: len(self.answers.get(status, set()) & self.lfdis) for status, name in _STEPS.items()}
        partly = set().union(*(self.answers.get(status, set()) for status in _PARTLY)) & self.lfdis
        return counts | ({"partly_completed": len(partly)} if partly else {})

    def all_came(self) -> bool:
        """Whether every device sent every step; one that was switched off completes a part."""
        counts = self.responses()
        partly = min(counts.get("partly_completed", 0), 0 if self.fault is None else 1)
        ended = counts["completed"] + partly
        return min(counts["received"], counts["started"], ended) >= self.devices


def _average(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _kw(watts: float | None) -> str:
    return "-" if watts is None else f"{watts / 1000:.2f}"


def panel(story: Story, link: str, now: float) -> RenderableType:
    """The account so far as a panel that is drawn anew again and again; `link` leads to the same as a page."""
    wait = story.start - now
    if wait > 0:
        phase = f"starts in {wait:.0f} s"
    else:
        left = story.end - now
        phase = f"running, {left:.0f} s left" if left > 0 else "over, the last answers come in"
    groups = Table(title=None, expand=False)
    for name in ("group", "devices", "requested kW", "allocated kW", "delivered kW", "charge %"):
        groups.add_column(name, justify="left" if name == "group" else "right")
    for row in story.status["groups"]:
        soc = "-" if row["soc"] is None else f"{row['soc'] * 100:.1f}"
        figures = [_kw(row[name]) for name in ("requested_W", "allocated_W", "delivered_W")]
        groups.add_row(row["name"] or row["id"], str(row["devices"]), *figures, soc)
    responses = "   ".join(f"{name} {count}/{story.devices}" for name, count in story.responses().items())
    title = f"DERControl opModTargetW {_kw(story.asked_w)} kW for the whole fleet: {phase}"
    words = [f"Responses: {responses}", story.note, f"the same as a page, to change and cancel it, too: {link}"]
    return Panel(Group(groups, *(line for line in words if line)), title=title, title_align="left")


def print_report(result: Mapping[str, Any]) -> None:
    """The whole account, once it is over: see `gridiface demo --json` for its fields."""
    table = Table(title="Performance of the event, after the ramp")
    for name in ("group", "devices", "requested kW", "allocated kW", "delivered kW"):
        table.add_column(name, justify="left" if name == "group" else "right")
    for row in result["by_group"]:
        figures = [_kw(row[name]) for name in ("requested_W", "allocated_W", "delivered_W")]
        table.add_row(row["name"] or row["group"], str(row["devices"]), *figures)
    console = Console()
    console.print(table)
    responses = ", ".join(f"{name} {count}" for name, count in result["responses"].items())
    console.print(f"{_kw(result['delivered_W'])} of {_kw(result['requested_W'])} kW delivered,")
    console.print(
        f"tracking error {result['tracking_error_pct']} %, responses of {result['devices']} devices: {responses}"
    )
    heard, scada = result["openadr"], result["dnp3"]
    console.print(
        f"OpenADR: {heard['opt']}, {_kw(heard['reported_W'])} of {_kw(heard['set_point_W'])} kW reported by the VEN"
    )
    console.print(f"DNP3: {_kw(scada['told_W'])} of {_kw(scada['set_point_W'])} kW told in {scada['events']} events")
    for what, status in scada["statuses"].items():
        console.print(f"  {what}: {status}")
    told = result["subscription"]
    shown = ", ".join(f"the {name} control {' then '.join(told[name])}" for name in ("older", "newer"))
    console.print(f"Subscription: {told['notifications']} notifications; {shown.lower()}")
