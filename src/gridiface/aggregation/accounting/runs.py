"""The lines of devices in services whose controls follow each other every few seconds.

A line of each device for each of those controls would be thousands of rows in a second. So a program's signals to one
target are one run: devices' lines go on from one control to the next and end after a quarter of an hour, or when no
signal follows. They are under the id of the control with which the run began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gridiface.aggregation.accounting.device_lines import DeviceLines, DeviceMeans
from gridiface.aggregation.accounting.scoring import KEPT_PER_S, Sample
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, Target
from gridiface.domain.performance import LONGEST_LINE_S
from gridiface.domain.response_counts import ResponseCounts

#: A run is over when for so long no signal followed, s.
PATIENCE_S = 60.0

#: Who asks whom: protocol, program, identity, target.
Key = tuple[str, str, str, Target]


def key_of(control: Control) -> Key:
    """What a control's run is found by."""
    source = control.source
    return source.protocol, source.program, source.identity, control.target


@dataclass(slots=True)
class _Run:
    """`holder`: the control whose signal is held; empty since `until` where none is."""

    control_id: str
    since: Instant
    until: Instant
    kept_at: Instant
    holder: str = ""
    means: DeviceMeans = field(default_factory=DeviceMeans)
    took: dict[str, ResponseCounts] = field(default_factory=dict)
    answered: dict[str, str] = field(default_factory=dict)

    def responded(self, control_id: str, device_id: str, seconds: float) -> None:
        """A device took a signal for the first time."""
        if self.answered.get(device_id) != control_id:
            self.answered[device_id] = control_id
            self.took.setdefault(device_id, ResponseCounts()).add(seconds)

    def lines(self, *, over: bool = False) -> DeviceLines:
        """The devices' lines, with how long they took to take signals."""
        return replace(self.means.lines(self.control_id, over=over), responses=self.took)

    def hold(self, holder: str, sample: Sample | None, columns: Columns, now: Instant) -> None:
        """What was held counts until now; `sample` from now on."""
        if now > self.until:
            self.means.add(now - self.until, now)
        self.until, self.holder = now, holder
        self.means.hold(
            columns, None if sample is None else sample.devices, now, None if sample is None else sample.held
        )


class Runs:
    """The runs that are under way.

    Args:
        columns: the fleet.
        interval_s: lines become durable at most so often.
    """

    def __init__(self, columns: Columns, interval_s: float) -> None:
        self._c, self._interval_s = columns, interval_s
        self._open: dict[Key, _Run] = {}

    def __len__(self) -> int:
        return len(self._open)

    def sample(self, control: Control, sample: Sample | None, now: Instant) -> list[DeviceLines]:
        """What holds for a control from now on, None: nothing. Lines that are over, or are to be made durable."""
        key = key_of(control)
        run = self._open.get(key)
        if sample is None or sample.devices is None:
            if run is not None and run.holder == control.id:
                run.hold("", None, self._c, now)
            return []
        news = []
        if run is not None and now - run.since >= LONGEST_LINE_S:
            run.hold("", None, self._c, now)
            news.append(run.lines(over=True))
            run = None
        if run is None:
            run = self._open[key] = _Run(control.id, now, now, now)
        run.hold(control.id, sample, self._c, now)
        if now - run.kept_at >= max(self._interval_s, run.means.count / KEPT_PER_S):
            news.append(run.lines())
            run.kept_at = now
        return news

    def responded(self, control: Control, device_id: str, seconds: float) -> None:
        """A device of a run took a signal, s after it was told."""
        run = self._open.get(key_of(control))
        if run is not None:
            run.responded(control.id, device_id, seconds)

    def expire(self, now: Instant) -> list[DeviceLines]:
        """The lines of runs that no signal followed."""
        return self._end([key for key, run in self._open.items() if not run.holder and now - run.until >= PATIENCE_S])

    def suspend(self, now: Instant) -> list[DeviceLines]:
        """End all of them."""
        for run in self._open.values():
            run.hold("", None, self._c, now)
        return self._end(list(self._open))

    def lines(self, control_id: str) -> DeviceLines | None:
        """The lines of the run that began with a control, as they are now; None: there is none."""
        run = next((one for one in self._open.values() if one.control_id == control_id), None)
        return None if run is None else run.lines()

    def shift_time(self, seconds: float) -> None:
        """The clock was set."""
        for run in self._open.values():
            run.since += seconds
            run.until += seconds
            run.kept_at += seconds
            run.means.shift_time(seconds)

    def _end(self, keys: Sequence[Key]) -> list[DeviceLines]:
        runs = [self._open.pop(key) for key in keys]
        return [run.lines(over=True) for run in runs]
