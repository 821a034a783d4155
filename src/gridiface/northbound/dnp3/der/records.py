"""The edit windows of one outstation at work: what a write to a field does, curves for modes, schedules that are due.

A record changes when it is durable; until then later writes of the same request build on what is on its way. There is
one selector for all masters: while one of them edits, the others are kept out of that window. No I/O.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gridiface.deadlines import waits
from gridiface.domain.changes import Document, PutDocument
from gridiface.domain.clock import Instant
from gridiface.domain.curves import CurveKind
from gridiface.northbound.dnp3.der.curves import TYPE as _TYPE
from gridiface.northbound.dnp3.der.curves import is_kind, payload_of
from gridiface.northbound.dnp3.der.schedules import Due, Schedule, Status, Validation, schedule_of, validate
from gridiface.northbound.dnp3.der.windows import SELECT, Record, Window, windows_of
from gridiface.northbound.dnp3.pointmap.points import PointEntry, PointMap
from gridiface.protocols.dnp3.controls import CommandStatus
from gridiface.protocols.dnp3.points import PointType

_log = logging.getLogger("gridiface.dnp3")

CURVES = "curves"
SCHEDULES = {"schedules": False, "simple": True}
"""Windows of schedules, and whether they are of the older block."""

_DAYS = frozenset({"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"})
_SUBMIT, _ENABLE, _READY = "submit", "enable", "ready"
#: So long after its last write a window belongs to the master who wrote, s.
EDIT_HOLD_S = 15.0
#: How long after a restart commands that were due meanwhile are still carried out, s.
_CATCH_UP_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Edit:
    """What a write leads to: the document to make durable, and what to do then; both None where nothing changes."""

    status: CommandStatus
    document: PutDocument | None = None
    then: Callable[[], list[str]] | None = None
    slot: str = ""


@dataclass(frozen=True, slots=True)
class Carried:
    """The commands that schedules have due, with the master of each, and what to keep once they are durable."""

    due: Sequence[tuple[str, Due]]
    documents: Sequence[PutDocument]
    undo: Callable[[], None]


class Records:
    """All windows of one outstation.

    Args:
        station: its name.
        points: its map.
        curve_in_use: whether a mode that acts uses a curve.
        curve_named: whether a mode names it, enabled or not.
    """

    def __init__(
        self,
        station: str,
        points: PointMap,
        curve_in_use: Callable[[int], bool],
        curve_named: Callable[[int], bool],
    ) -> None:
        self.windows = windows_of(station, points)
        self._points = points
        self._curve_in_use, self._curve_named = curve_in_use, curve_named
        self._coming: dict[str, tuple[int, dict[int, Record]]] = {}
        self._editors: dict[str, tuple[str, Instant]] = {}
        self._shown: dict[str, dict[str, float]] = {name: {} for name in self.windows}

    def load(self, documents: Iterable[Document]) -> None:
        """Take up what was written in earlier runs."""
        kept = list(documents)
        for window in self.windows.values():
            window.load(kept)

    def shown(self) -> Iterator[tuple[str, float]]:
        """Name and value of every output of a window."""
        for name, window in self.windows.items():
            values = self._values(window)
            self._shown[name] = values
            yield from values.items()

    # --- writing -----------------------------------------------------------------------------------------------------

    def edit(self, entry: PointEntry, wire: float, master: str, now: Instant, *, trial: bool = False) -> Edit:
        """What a write to a field does; nothing is changed yet, but for what later writes build on (not by a trial)."""
        name, _, field = entry.argument.partition("/")
        window = self.windows[name]
        editor, until = self._editors.get(name, (master, 0.0))
        if editor != master and waits(until, now, EDIT_HOLD_S):
            return Edit(CommandStatus.BLOCKED_OTHER_MASTER)
        edit = self._edit(window, name, field, wire, master, now, trial=trial)
        if edit.status is CommandStatus.SUCCESS and not trial:
            self._editors[name] = (master, now + EDIT_HOLD_S)
        return edit

    def _edit(
        self, window: Window, name: str, field: str, wire: float, master: str, now: Instant, *, trial: bool
    ) -> Edit:
        selected, coming = self._coming.get(name, (window.selected, {}))
        if wire != int(wire):
            return Edit(CommandStatus.OUT_OF_RANGE)
        if field == SELECT:
            if not trial:
                self._coming[name] = (int(wire), coming)
            return Edit(
                CommandStatus.SUCCESS, window.selection(int(wire)), lambda: self._select(window, int(wire)), name
            )
        record = coming.get(selected, window.record(selected))
        fresh = self._written(name, field, selected, record, wire, master, now)
        if isinstance(fresh, CommandStatus):
            return Edit(fresh)
        if not trial:
            self._coming[name] = (selected, {**coming, selected: fresh})
        number, kept = selected, fresh
        return Edit(
            CommandStatus.SUCCESS, window.document(number, kept), lambda: self._keep(window, number, kept), name
        )

    def forget_coming(self) -> None:
        """What was on its way was lost, or all of it has arrived: later writes build on what is durable."""
        self._coming.clear()

    def _written(
        self, window: str, field: str, number: int, record: Record, wire: float, master: str, now: Instant
    ) -> Record | CommandStatus:
        """The record after a write, or why it is refused."""
        if window == CURVES:
            if self._curve_in_use(number):
                return CommandStatus.AUTOMATION_INHIBIT
            if field == _TYPE and wire != record.value(_TYPE) and self._curve_named(number):
                # a mode would be left with a curve that it cannot follow
                return CommandStatus.NOT_SUPPORTED
            return record.with_value(field, wire)
        on = bool(wire)
        if field == _SUBMIT:
            if record.notes.get("by"):
                return CommandStatus.BLOCKED
            state = validate(record, self._points, simple=False) if on else Validation.NOT_SUBMITTED
            return record.with_notes(state=float(state))
        if field in {_ENABLE, _READY}:
            return self._enabled(window, field, record, master, now) if on else record.with_notes(by="")
        if record.notes.get("by"):
            return CommandStatus.BLOCKED
        return record.with_value(field, float(on) if field in _DAYS else wire)

    def _enabled(self, window: str, field: str, record: Record, master: str, now: Instant) -> Record | CommandStatus:
        state = Validation(int(record.note("state")))
        if field == _READY:
            state = validate(record, self._points, simple=SCHEDULES[window])
        if state is not Validation.VALID:
            _log.info("a schedule cannot be enabled: %s", state.name)
            return CommandStatus.BLOCKED
        return record.with_notes(state=float(state), by=master, done=now)

    def _select(self, window: Window, number: int) -> list[str]:
        window.selected = number
        self._settle(window)
        return self._moved(window)

    def _keep(self, window: Window, number: int, record: Record) -> list[str]:
        window.records[number] = record
        self._settle(window)
        return self._moved(window)

    def _settle(self, window: Window) -> None:
        """What was on its way and has arrived need not be remembered."""
        selected, coming = self._coming.get(window.name, (window.selected, {}))
        left = {number: record for number, record in coming.items() if window.records.get(number) is not record}
        if left or selected != window.selected:
            self._coming[window.name] = (selected, left)
        else:
            self._coming.pop(window.name, None)

    def _moved(self, window: Window) -> list[str]:
        """Names of the outputs whose value is another one now."""
        before, now = self._shown[window.name], self._values(window)
        self._shown[window.name] = now
        return [name for name, value in now.items() if before.get(name) != value]

    def value(self, name: str, entry: PointEntry) -> float:
        """What an output of a window shows now."""
        return self._shown[entry.argument.partition("/")[0]][name]

    def _values(self, window: Window) -> dict[str, float]:
        values = window.shown()
        record = window.record()
        for field, entry in window.fields.items():
            if field == _SUBMIT:
                values[entry.name] = float(record.note("state") == Validation.VALID)
            elif field in {_ENABLE, _READY}:
                values[entry.name] = float(bool(record.notes.get("by")))
        return values

    # --- curves ------------------------------------------------------------------------------------------------------

    def curve(self, number: float, kind: str, now: Instant) -> dict[str, Any] | None:
        """The payload for a curve of a kind; None: there is none that can be used."""
        window = self.windows.get(CURVES)
        if window is None or not 1 <= number <= window.most:
            return None
        return payload_of(window.record(int(number)), CurveKind[kind.upper()], now)

    def unfit(self, number: float, kind: str) -> CommandStatus | None:
        """Why a mode cannot name a curve: there is none of that number, or it is of another kind; None: it can."""
        window = self.windows.get(CURVES)
        if window is None or not 1 <= number <= window.most or number != int(number):
            return CommandStatus.OUT_OF_RANGE
        coming = self._coming.get(CURVES, (0, {}))[1]
        record = coming.get(int(number), window.record(int(number)))
        return None if is_kind(record, CurveKind[kind.upper()]) else CommandStatus.NOT_SUPPORTED

    @property
    def selected_curve_named(self) -> bool:
        """BI107."""
        window = self.windows.get(CURVES)
        return window is not None and self._curve_named(window.selected)

    # --- schedules ---------------------------------------------------------------------------------------------------

    def state(self, argument: str, now: Instant) -> float:
        """What a point about schedules shows: `WINDOW/state`, `/status` of the selected one, `/running`, `/most`."""
        name, _, word = argument.partition("/")
        window = self.windows.get(name)
        if window is None:
            return 0.0
        match word:
            case "state":
                return window.record().note("state")
            case "status":
                return float(self._status(window, window.record(), now))
            case "running":
                return float(next((n for n, r in sorted(window.records.items()) if self._runs(window, r, now)), 0))
            case _:
                return float(window.most)

    def due(self, now: Instant) -> list[tuple[str, Due]]:
        """The commands that are due, with the master who enabled them, the last one for each output; by time.

        What a schedule of a smaller priority number commands is not touched by others while it runs.
        """
        found: dict[tuple[PointType, int], tuple[str, Due]] = {}
        for window, number, record, schedule in self._live():
            since = max(record.note("done"), now - _CATCH_UP_S)
            for one in schedule.due(since, now):
                if not self._outranked(window, number, record, one, now):
                    found[one.type, one.index] = (str(record.notes["by"]), one)
        return sorted(found.values(), key=lambda pair: pair[1].at)

    def carried_out(self, now: Instant) -> Carried:
        """What is due counts as carried out from now on; `undo` takes that back where it came to nothing."""
        due, before, documents = self.due(now), [], []
        for window, number, record, schedule in self._live():
            if schedule.due(max(record.note("done"), now - _CATCH_UP_S), now):
                fresh = record.with_notes(done=now)
                window.records[number] = fresh
                before.append((window, number, record, fresh))
                documents.append(window.document(number, fresh))

        def undo() -> None:
            for window, number, record, fresh in before:
                if window.records.get(number) is fresh:
                    window.records[number] = record

        return Carried(due, tuple(documents), undo)

    def next_due(self, now: Instant) -> Instant | None:
        """When a command of a schedule is due next."""
        times = [at for _, _, record, schedule in self._live() if (at := schedule.next_after(now)) is not None]
        return min(times, default=None)

    def _live(self) -> Iterator[tuple[Window, int, Record, Schedule]]:
        for name, simple in SCHEDULES.items():
            window = self.windows.get(name)
            for number, record in [] if window is None else sorted(window.records.items()):
                if window is not None and record.notes.get("by"):
                    yield window, number, record, schedule_of(record, simple=simple)

    def _outranked(self, window: Window, number: int, record: Record, one: Due, now: Instant) -> bool:
        own = record.value("priority")
        for other_window, other, theirs, schedule in self._live():
            if (other_window is window and other == number) or theirs.value("priority") >= own:
                continue
            if schedule.running(now) and any((kind, index) == (one.type, one.index)
                                             for _, kind, index, _ in schedule.entries):  # fmt: skip
                return True
        return False

    def _runs(self, window: Window, record: Record, now: Instant) -> bool:
        if not record.notes.get("by"):
            return False
        return schedule_of(record, simple=SCHEDULES[window.name]).running(now)

    def _status(self, window: Window, record: Record, now: Instant) -> Status:
        if not record.values:
            return Status.NONE
        if record.note("state") != Validation.VALID:
            return Status.NOT_READY
        schedule = schedule_of(record, simple=SCHEDULES[window.name])
        if not schedule.start:
            return Status.START_TIME_REQUIRED
        if schedule.running(now):
            return Status.RUNNING if record.notes.get("by") else Status.READY
        return Status.READY if schedule.next_after(now) is not None else Status.ENDED
