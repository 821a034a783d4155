"""Controls on a time axis, one lane per program: where each bar begins and how wide it is, in per cent. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, Target
from gridiface.domain.timeline import state_at

#: Windows that can be chosen: name -> (before now, after now), s.
WINDOWS = {
    "1 h": (900.0, 2_700.0),
    "6 h": (3_600.0, 18_000.0),
    "24 h": (14_400.0, 72_000.0),
    "7 d": (86_400.0, 518_400.0),
}

#: Most lanes and bars that are drawn.
_LANES, _BARS = 24, 400

_STEPS = (60, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400)


@dataclass(frozen=True, slots=True)
class Bar:
    """One control: position and width in per cent of the window."""

    control: Control
    state: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Lane:
    """The controls of one program; `targets`: whom they concern."""

    protocol: str
    program: str
    authority: float
    bars: tuple[Bar, ...]
    identity: str = ""
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True)
class Timeline:
    """What is drawn; `ticks` are (per cent, instant), `days`: they are days."""

    lanes: tuple[Lane, ...]
    ticks: tuple[tuple[float, Instant], ...]
    now: float
    start: Instant
    end: Instant
    left_out: int
    days: bool = False


def timeline(controls: Iterable[Control], now: Instant, window: str) -> Timeline:
    """The lanes of a window, the highest authority first.

    Args:
        controls: default controls are left out.
        now: seconds since 1970 UTC.
        window: one of WINDOWS; another is taken as the first.
    """
    before, after = WINDOWS.get(window, WINDOWS["1 h"])
    start, end = now - before, now + after
    lanes: dict[tuple[str, str, str], list[Control]] = {}
    for control in controls:
        if not control.is_default and control.span.start < end and control.span.end > start:
            source = control.source
            lanes.setdefault((source.protocol, source.program, source.identity), []).append(control)
    drawn, left_out = [], 0
    most = max(1, _BARS // max(1, len(lanes)))
    for (protocol, program, identity), found in lanes.items():
        own = sorted(found, key=lambda control: control.span.start)[:most]
        left_out += len(found) - len(own)
        bars = tuple(_bar(control, now, start, end) for control in own)
        label = program or identity
        authority = max(control.source.authority for control in own)
        targets = tuple(dict.fromkeys(control.target for control in own))
        drawn.append(Lane(protocol, label, authority, bars, identity, targets))
    drawn.sort(key=lambda lane: (-lane.authority, lane.protocol, lane.program))
    left_out += sum(len(lane.bars) for lane in drawn[_LANES:])
    ticks = _ticks(start, end)
    days = end - start > 2 * 86_400
    return Timeline(tuple(drawn[:_LANES]), ticks, _percent(now, start, end), start, end, left_out, days)


def _bar(control: Control, now: Instant, start: Instant, end: Instant) -> Bar:
    first, last = max(start, control.span.start), min(end, control.span.end)
    state = state_at(control, now).value
    x = _percent(first, start, end)
    return Bar(control, state, x, max(0.4, _percent(last, start, end) - x))


def _ticks(start: Instant, end: Instant) -> tuple[tuple[float, Instant], ...]:
    step = next((step for step in _STEPS if (end - start) / step <= 8), _STEPS[-1])
    first = int(start // step + 1) * step
    return tuple((_percent(float(at), start, end), float(at)) for at in range(first, int(end), step))


def _percent(at: Instant, start: Instant, end: Instant) -> float:
    return round(100 * (at - start) / (end - start), 2)
