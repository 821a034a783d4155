"""What is wrong with an event that is to be sent: by the rules for senders, by the schema, by what has passed of it.

Answers in words; does not own what is done about them.
"""

from __future__ import annotations

from gridiface.errors import LocalProtocolError
from gridiface.protocols.openadr import signals as table
from gridiface.protocols.openadr.events import ACTIVE, COMPLETED, Event, Signal, to_wire
from gridiface.protocols.openadr.times import after
from gridiface.protocols.xmlwire import encode


def complaints(event: Event) -> list[str]:
    """What forbids to send `event`, by the rules for senders; empty when nothing does."""
    found = []
    if not event.signals:
        found.append("an event needs a signal")
    if event.duration < 0 or event.startafter < 0 or (event.notification or 0) < 0:
        found.append("duration, startafter and notification are not negative")
    if len({signal.id for signal in event.signals}) != len(event.signals):
        found.append("signalIDs must differ (rule 107)")
    if len(event.target.venID) > 1:
        found.append("a target names at most one venID (rule 63)")
    if not event.id or not event.market_context:
        found.append("an event needs an ID and a market context")
    for signal in event.signals:
        found += _signal_complaints(signal, event)
    if event.baseline is not None and len(event.baseline.durations) != len(event.baseline.values):
        found.append("the baseline has as many durations as values")
    return found


def _signal_complaints(signal: Signal, event: Event) -> list[str]:
    found = [text] if (text := table.complaint(signal.name, signal.type, signal.unit, signal.values)) else []
    if not signal.durations or len(signal.durations) != len(signal.values):
        return [*found, f"signal {signal.id} has as many durations as values, and one at least"]
    ends_open = event.duration == 0 and signal.durations[-1] == 0 and all(d > 0 for d in signal.durations[:-1])
    adds_up = event.duration > 0 and all(d > 0 for d in signal.durations) and sum(signal.durations) == event.duration
    if not ends_open and not adds_up:
        found.append(f"the intervals of signal {signal.id} must add up to the active period (rule 8)")
    return found


def wire_complaints(event: Event, now: float) -> list[str]:
    """What the schema has against an event: it must not be found out when a VEN asks for it."""
    try:
        encode(to_wire(event, now))
    except LocalProtocolError as problem:
        return [f"the event cannot be written: {problem}"]
    return []


def changes_of_the_past(old: Event, new: Event, now: float) -> list[str]:
    """What forbids to put `new` in the place of `old` at `now`: what is over must stay. Empty when nothing does."""
    if old.status_at(now) != ACTIVE:
        return ["the event would begin in the past"] if new.dtstart < now and new.dtstart != old.dtstart else []
    found = []
    if new.dtstart != old.dtstart:
        found.append("an event that runs cannot begin at another time")
    if new.status_at(now) == COMPLETED:
        found.append("the event would already be over")
    by_id = {signal.id: signal for signal in new.signals}
    for signal in old.signals:
        changed = by_id.get(signal.id)
        if changed is None or _past(signal, old, now) != _past(changed, old, now):
            found.append(f"intervals of signal {signal.id} that are over cannot change")
    return found


def _past(signal: Signal, event: Event, now: float) -> list[tuple[int, float]]:
    """The intervals that ended at `now` or before."""
    begin, rows = event.dtstart, []
    for duration, value in zip(signal.durations, signal.values, strict=True):
        begin = after(begin, duration)
        if duration == 0 or begin > now:
            break
        rows.append((duration, value))
    return rows
