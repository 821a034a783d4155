"""The controls the engine knows: their life from admission to end, and each step told exactly once.

Starts and ends are taken from a heap, so an edge that has passed never comes again, whatever the clock does. Whether
a control is superseded is a function of the set of controls, not of the order in which they came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from gridiface.aggregation.deciding.arbitration import Claim, displaced_kinds, precedence
from gridiface.aggregation.deciding.changes import Changes
from gridiface.aggregation.deciding.edges import Edges
from gridiface.aggregation.deciding.entry import FINAL, Entry, Lost, whole
from gridiface.aggregation.deciding.late import Late, Told, ToldInParts
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, ControlState, Outcome, OutcomeKind, Target, TargetKind
from gridiface.domain.timeline import TERMINAL, move

STATE_OF: Mapping[OutcomeKind, ControlState] = {
    OutcomeKind.CANCELLED: ControlState.CANCELLED,
    OutcomeKind.SUPERSEDED: ControlState.SUPERSEDED,
    OutcomeKind.REFUSED: ControlState.REFUSED,
}

#: How the parts of some devices in a control ended: those of each kind and reason.
Judge = Callable[[Sequence[str]], Mapping[tuple[OutcomeKind, str], Sequence[str]]]

#: What judges the parts of devices in a control that ends now, also when it is asked later.
Ending = Callable[[Entry], Judge]


class ControlBook:
    """All controls of the engine; outcomes wait in it until `drain`."""

    def __init__(self, *, keep_finished: int = 1000) -> None:
        self._entries: dict[str, Entry] = {}
        self._defaults: dict[str, Entry] = {}
        self._edges = Edges()
        self._told: list[Told | ToldInParts] = []
        self._by_target: dict[Target, dict[str, Entry]] = {}
        self._defaults_of: dict[Target, dict[str, Entry]] = {}
        self._finished: dict[str, Entry] = {}
        self._keep = keep_finished
        #: Which reserved part of its target's power a control rules; set by the engine.
        self.lane: Callable[[Control], str] = lambda control: ""
        self._started_now: list[Entry] = []
        self._ended_now: list[tuple[Entry, OutcomeKind, str]] = []
        self._lost: list[Lost] = []
        self._changes = Changes()

    def get(self, control_id: str) -> Entry | None:
        """A control, default or not, running or over."""
        return self._entries.get(control_id) or self._defaults.get(control_id) or self._finished.get(control_id)

    def all(self) -> list[Entry]:
        """Every control known, by id."""
        merged = {**self._finished, **self._entries, **self._defaults}
        return [merged[control_id] for control_id in sorted(merged)]

    def live(self, target: Target) -> list[Entry]:
        """Controls of exactly this target that are scheduled or active, defaults left out."""
        return list(self._by_target.get(target, {}).values())

    def active(self) -> list[Entry]:
        """All controls that run now, defaults left out."""
        return [entry for entry in self._entries.values() if entry.active]

    def ahead(self) -> list[Entry]:
        """All controls that run or are scheduled, defaults left out."""
        return [entry for entry in self._entries.values() if entry.live]

    def default_targets(self) -> set[Target]:
        """All targets for which a default stands."""
        return set(self._defaults_of)

    def targets(self) -> set[Target]:
        """All targets for which something is active or a default stands."""
        return {entry.control.target for entry in self.active()} | self.default_targets()

    def group_targets(self) -> set[Target]:
        """Those of them that are groups."""
        groups = {target for target in (*self._by_target, *self._defaults_of) if target.kind is TargetKind.GROUP}
        return {target for target in groups if self.stands(target)}

    def stands(self, target: Target) -> bool:
        """Whether something is active for a target, or a default stands."""
        return target in self._defaults_of or any(entry.active for entry in self.live(target))

    def changes(self) -> Changes:
        """What changed since the last call: for whoever makes the plans."""
        changes, self._changes = self._changes, Changes()
        return changes

    def claims(self, target: Target) -> list[Claim]:
        """The modes that active controls claim of this target."""
        return [claim for entry in self.live(target) if entry.active for claim in entry.claims]

    def default_claims(self, target: Target) -> list[Claim]:
        """The modes of the default controls of this target."""
        return [claim for entry in self._defaults_of.get(target, {}).values() for claim in entry.claims]

    def admit(self, control: Control, concerned: tuple[str, ...], now: Instant) -> Entry:
        """Take a control in; its receipt is told for it and for the concerned devices. A default replaces its id."""
        if control.is_default:
            return self._add_default(control)
        entry = self._add(control, concerned)
        self._tell(entry, OutcomeKind.RECEIVED, now, (None, *concerned))
        self._settle(control.target, now)
        return entry

    def restore(
        self,
        controls: Iterable[Control],
        outcomes: Iterable[Outcome],
        now: Instant,
        *,
        concerned: Callable[[Control], tuple[str, ...]],
        ours: Callable[[str], bool],
    ) -> list[Entry]:
        """Take over what was known before a restart; nothing that was told is told again. The running ones.

        Args:
            controls, outcomes: what is known.
            now: when.
            concerned: as for `admit`, of a control of which nothing was told yet: its receipt is told now.
            ours: whether we report a device's part. Those to whom a receipt was told have one, wherever they are now.
        """
        for control in sorted(controls, key=lambda one: (one.created, one.id)):
            if control.is_default:
                self._add_default(control)
            elif control.state not in TERMINAL:
                self._add(control, ())
            else:
                self._keep_finished(Entry(control))
        for outcome in outcomes:
            entry = self._entries.get(outcome.control_id) or self._finished.get(outcome.control_id)
            if entry is not None:
                entry.told.setdefault(outcome.kind, set()).add(outcome.device_id)
                if outcome.kind in FINAL:
                    entry.ended.add(outcome.device_id)
        for entry in (*self._finished.values(), *self._entries.values()):
            received = entry.told.get(OutcomeKind.RECEIVED)
            if received is not None:
                entry.concerned = tuple(sorted(name for name in received if name is not None and ours(name)))
            elif entry.live:
                entry.concerned = concerned(entry.control)
                self._tell(entry, OutcomeKind.RECEIVED, now, (None, *entry.concerned))
        return [entry for entry in list(self._entries.values()) if self._resume(entry)]

    def _resume(self, entry: Entry) -> bool:
        """Whether a restored control was running; then it goes on doing so."""
        if None in entry.ended:
            self._close(entry)
            return False
        if not (entry.started(None) or entry.active):
            return False
        entry.resumed = True
        if not entry.active:
            entry.control = move(entry.control, ControlState.ACTIVE)
        self._changes.targets.add(entry.control.target)
        return True

    def remove_default(self, control_id: str) -> bool:
        """Take a default control away; False when there is none of that id."""
        entry = self._defaults.pop(control_id, None)
        if entry is None:
            return False
        self._changes.targets.add(entry.control.target)
        self._changes.gone.add(control_id)
        of_target = self._defaults_of[entry.control.target]
        del of_target[control_id]
        if not of_target:
            del self._defaults_of[entry.control.target]
        return True

    def cancel(self, control_id: str, now: Instant) -> bool:
        """End a control before its time; False when it is unknown or over."""
        if self.remove_default(control_id):
            return True
        entry = self._entries.get(control_id)
        if entry is None or not entry.live:
            return False
        self.finish(entry, OutcomeKind.CANCELLED, now)
        return True

    def rank(self, control_id: str, authority: float, now: Instant) -> float | None:
        """Give a control another authority; the one it had, None where it is unknown, over, or has it already."""
        entry = self._entries.get(control_id) or self._defaults.get(control_id)
        if entry is None or not entry.live or entry.control.source.authority == authority:
            return None
        before = entry.control.source.authority
        self._changes.targets.add(entry.control.target)
        entry.control = replace(entry.control, source=replace(entry.control.source, authority=authority))
        self._settle(entry.control.target, now)
        return before

    def advance(self, now: Instant, ending: Ending) -> tuple[list[Entry], list[tuple[Entry, OutcomeKind, str]]]:
        """Let due starts and ends happen. Returns those that started and those that ended since the last call.

        Of controls of single devices so many at a time: see `Edges`.
        """
        for control_id in self._edges.due(now):
            self._turn(control_id, now, ending)
        started, self._started_now = [entry for entry in self._started_now if entry.active], []
        ended, self._ended_now = self._ended_now, []
        return started, ended

    def next_edge(self) -> Instant | None:
        """When the next control starts or ends."""
        return self._edges.next(self._matters)

    def _matters(self, control_id: str) -> bool:
        entry = self._entries.get(control_id)
        return entry is not None and entry.live

    def _turn(self, control_id: str, now: Instant, ending: Ending) -> None:
        """A start or an end of a control is due."""
        entry = self._entries.get(control_id)
        if entry is None or not entry.live:
            return
        if now >= entry.control.span.end:
            self._complete(entry, now, ending)
        elif not entry.active:
            entry.control = move(entry.control, ControlState.ACTIVE)
            self._started_now.append(entry)
            self._changes.targets.add(entry.control.target)
            self._settle(entry.control.target, now)

    def start(self, entry: Entry, device_ids: Iterable[str], at: Instant) -> None:
        """Devices have begun to carry the control out; with the first the control as a whole has (none: only that)."""
        if entry.active and not entry.control.is_default:
            mine = entry.reported(device_ids)
            self.concern(entry, mine, at)
            self._tell(entry, OutcomeKind.STARTED, at, (None,))
            self._tell(entry, OutcomeKind.STARTED, at, mine)

    def concern(self, entry: Entry, device_ids: Iterable[str], at: Instant) -> None:
        """These devices have a part in it, too: who came into the target after the control is told like the rest."""
        received = entry.told.get(OutcomeKind.RECEIVED, ())
        new = [device_id for device_id in device_ids if device_id not in received]
        if new:
            self._tell(entry, OutcomeKind.RECEIVED, at, new)
            entry.concerned = tuple(dict.fromkeys((*entry.concerned, *new)))

    def report(self, outcome: Outcome) -> Entry | None:
        """Take a device's own answer in; the control's entry where it is known."""
        entry = self.get(outcome.control_id)
        if entry is None or entry.control.is_default:
            return None
        self._tell(entry, outcome.kind, outcome.at, (outcome.device_id,), outcome.reason)
        if outcome.kind is OutcomeKind.STARTED and entry.active:
            self._tell(entry, OutcomeKind.STARTED, outcome.at, (None,))
        return entry

    def drain(self) -> tuple[Sequence[Outcome], frozenset[str]]:
        """The outcomes since the last call, in order; the controls that took a step themselves."""
        told, self._told = self._told, []
        if not told:
            return (), frozenset()
        moved = frozenset(one.control_id for one in told if one.of_the_whole)
        return Late(lambda: (outcome for one in told for outcome in one.outcomes())), moved

    def drain_lost(self) -> list[Lost]:
        """Which controls lost modes to others since the last call and go on."""
        lost, self._lost = self._lost, []
        return lost

    @property
    def pending(self) -> bool:
        """Whether outcomes wait to be drained, or ends to be taken note of."""
        return bool(self._told or self._ended_now or self._lost)

    def finish(self, entry: Entry, kind: OutcomeKind, now: Instant, reason: str = "") -> None:
        """End a control as a whole and for every device whose part we report, all alike."""
        self._tell_ends(entry, now, lambda device_ids: {(kind, reason): device_ids})
        self._tell(entry, kind, now, (None,), reason)
        self._end(entry, kind, reason)

    def _complete(self, entry: Entry, now: Instant, ending: Ending) -> None:
        if not entry.active:
            reason = "its time passed before it could be carried out"
            self.finish(entry, OutcomeKind.FAILED, now, reason)
            return
        kind, reason = whole(entry)
        self._tell_ends(entry, now, ending(entry))
        if kind is OutcomeKind.COMPLETED:
            self._tell(entry, OutcomeKind.STARTED, now, (None,))
        self._tell(entry, kind, now, (None,), reason)
        self._end(entry, kind, reason)

    def _tell_ends(self, entry: Entry, at: Instant, judge: Judge) -> None:
        """Tell the end of each device's part that we report, worked out as somebody reads it."""

        def make(device_ids: Sequence[str]) -> Iterator[Told]:
            left = [device_id for device_id in device_ids if device_id not in entry.ended]
            for (kind, reason), found in judge(left).items():
                told = entry.told.setdefault(kind, set())
                news = [device_id for device_id in found if device_id not in told]
                told.update(news)
                entry.ended.update(news)
                if news:
                    yield Told(entry.control.id, kind, at, news, reason)

        if entry.concerned:
            self._told.append(ToldInParts(entry.control.id, entry.concerned, make))

    def _end(self, entry: Entry, kind: OutcomeKind, reason: str) -> None:
        if entry.live:
            over = STATE_OF.get(kind, ControlState.COMPLETED if entry.active else ControlState.REFUSED)
            entry.control = move(entry.control, over)
        self._ended_now.append((entry, kind, reason))
        self._close(entry)

    def _close(self, entry: Entry) -> None:
        control = entry.control
        self._changes.targets.add(control.target)
        self._changes.gone.add(control.id)
        self._entries.pop(control.id, None)
        of_target = self._by_target.get(control.target, {})
        of_target.pop(control.id, None)
        if not of_target:
            self._by_target.pop(control.target, None)
        self._keep_finished(entry)

    def _keep_finished(self, entry: Entry) -> None:
        """One that is over can be looked at until there are too many newer ones."""
        self._finished[entry.control.id] = entry
        while len(self._finished) > self._keep:
            del self._finished[next(iter(self._finished))]

    def _add_default(self, control: Control) -> Entry:
        """A default stands from now on, in the place of the one with its id."""
        self.remove_default(control.id)
        entry = self._defaults[control.id] = Entry(control)
        self._changes.targets.add(control.target)
        self._defaults_of.setdefault(control.target, {})[control.id] = entry
        return entry

    def _add(self, control: Control, concerned: tuple[str, ...]) -> Entry:
        entry = self._entries[control.id] = Entry(control, concerned)
        self._by_target.setdefault(control.target, {})[control.id] = entry
        self._edges.add(control)
        return entry

    def _settle(self, target: Target, now: Instant) -> None:
        """Supersede what the active controls of the target displace for good."""
        entries = self.live(target)
        for ruler in sorted(
            (entry for entry in entries if entry.active), key=lambda e: precedence(e.control), reverse=True
        ):
            for other in entries:
                if other is ruler or not other.live or not ruler.live:
                    continue
                apart = self.lane(ruler.control) != self.lane(other.control)
                lost = displaced_kinds(ruler.control, other.control, apart=apart) - other.dead
                if not lost:
                    continue
                modes = tuple(dict.fromkeys(claim.mode for claim in other.claims if claim.kind in lost))
                other.dead |= lost
                self._changes.targets.add(target)
                if other.claims:
                    self._lost.append(Lost(other.control, modes, ruler.control.id))
                else:
                    self.finish(other, OutcomeKind.SUPERSEDED, now, f"superseded by {ruler.control.id}")

    def _tell(
        self, entry: Entry, kind: OutcomeKind, at: Instant, device_ids: Iterable[str | None], reason: str = ""
    ) -> None:
        """Tell a step for the devices (None: the whole) to which it is news; nothing after an end but receipt."""
        told = entry.told.setdefault(kind, set())
        ended = entry.ended if kind is not OutcomeKind.RECEIVED else ()
        news = [device_id for device_id in device_ids if device_id not in told and device_id not in ended]
        if not news:
            return
        told.update(news)
        if kind in FINAL:
            entry.ended.update(news)
        self._told.append(Told(entry.control.id, kind, at, news, reason))
