"""What became of set-points: acknowledgements start controls, failures take a device out and free its share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from gridiface.aggregation.accounting.accounts import Accounts
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.deciding.entry import Entry
from gridiface.aggregation.deciding.lifecycle import ControlBook
from gridiface.aggregation.deciding.setpoints import PARTS
from gridiface.aggregation.envelope import doubt
from gridiface.aggregation.hailing import answered
from gridiface.aggregation.listening import health
from gridiface.aggregation.state.column_table import NAN
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.log import DecisionLog, device_target
from gridiface.domain.clock import Instant
from gridiface.domain.controls import OPTED_OUT, Delivery, DeliveryOutcome, Outcome, OutcomeKind, Setpoint
from gridiface.domain.timeline import opts_out

#: The device has it.
DONE = frozenset({DeliveryOutcome.ACKNOWLEDGED, DeliveryOutcome.UNCHANGED})

#: The device did not do it: others take its share.
FAILED = frozenset({DeliveryOutcome.TIMEOUT, DeliveryOutcome.REJECTED, DeliveryOutcome.BREAKER_OPEN})

#: The device will hold it, and nothing that was let go of with it.
HELD = DONE | {DeliveryOutcome.PUBLISHED}

#: Whether a release came through is not known: it is tried again when the device is there again. A device that
#: refuses to be let go of would refuse again.
UNSURE = frozenset({DeliveryOutcome.TIMEOUT, DeliveryOutcome.BREAKER_OPEN})

#: A device's own words for not doing it.
DECLINED = frozenset({OutcomeKind.FAILED, OutcomeKind.REFUSED})

#: Its word that it takes part, or will.
TAKES_PART = frozenset({OutcomeKind.RECEIVED, OutcomeKind.STARTED})

#: How long a device is left alone whose customer opted out of what has no end, s.
OPT_OUT_S = 900.0


class Deliveries:
    """Takes deliveries and devices' own answers in."""

    def __init__(
        self, columns: Columns, book: ControlBook, config: EngineConfig, log: DecisionLog, accounts: Accounts
    ) -> None:
        self._c, self._book, self._config, self._log = columns, book, config, log
        self._accounts = accounts
        #: By device whose customer opted out: of which controls, and until when; infinity: until it is over.
        self._out: dict[str, dict[str, Instant]] = {}
        #: By control that has not begun: the words of devices whose customers opted out of it already.
        self._ahead: dict[str, dict[str, Outcome]] = {}

    def take(self, deliveries: Sequence[Delivery], now: Instant) -> bool:
        """Note what became of set-points; whether the allocation has to be made anew."""
        changed = False
        started: dict[str, list[str]] = {}
        for delivery in deliveries:
            changed |= self._one(delivery, started, now)
        self._start(started, now)
        return changed

    def report(self, outcomes: Iterable[Outcome], now: Instant) -> bool:
        """Take the own answers of devices in; whether the allocation has to be made anew."""
        changed = False
        for outcome in outcomes:
            entry = self._book.report(outcome)
            row = None if outcome.device_id is None else self._c.row.get(outcome.device_id)
            if entry is None or row is None:
                continue
            if not entry.active:
                self._note_ahead(entry, outcome)
            if opts_out(outcome) and entry.active:
                changed |= self._opted_out(row, entry, outcome, now)
            elif outcome.kind is OutcomeKind.STARTED:
                changed |= entry.active and self._opted_in(row, now)
                self._taken(row, now)
            elif outcome.kind in DECLINED and entry.active:
                doubt.declined(self._c, row)
                changed |= self._fail(row, now, outcome.reason or "the device declined")
        return changed

    def resume(self, outcomes: Iterable[Outcome], now: Instant) -> None:
        """After a restart: whose customer opted out of what runs, by its last word in what was told, is out."""
        out: dict[tuple[str, str], Outcome] = {}
        for outcome in outcomes:
            name = (outcome.control_id, outcome.device_id or "")
            if opts_out(outcome):
                out[name] = outcome
            elif outcome.kind is OutcomeKind.STARTED:
                out.pop(name, None)
        for (control_id, device_id), outcome in out.items():
            entry, row = self._book.get(control_id), self._c.row.get(device_id)
            if entry is None or row is None:
                continue
            if entry.active:
                self._opted_out(row, entry, outcome, now)
            else:
                self._note_ahead(entry, outcome)

    def _note_ahead(self, entry: Entry, outcome: Outcome) -> None:
        """A device's word on a control that has not begun: its last one counts when it begins."""
        if not entry.live or outcome.device_id is None:
            return
        if opts_out(outcome):
            self._ahead.setdefault(entry.control.id, {})[outcome.device_id] = outcome
        elif outcome.kind in TAKES_PART:
            self._ahead.get(entry.control.id, {}).pop(outcome.device_id, None)

    def begun(self, entry: Entry, now: Instant) -> None:
        """A control begins: who opted out of it before is out from the first step on."""
        for device_id, outcome in self._ahead.pop(entry.control.id, {}).items():
            if (row := self._c.row.get(device_id)) is not None:
                self._opted_out(row, entry, outcome, now)

    def over(self, entries: Iterable[Entry], now: Instant) -> None:
        """These controls have ended, in whatever way: who opted out of nothing else may be asked again.

        Of one that had no end its time counts: set-points of a sender follow each other within seconds.
        """
        ended: set[str] = set()
        for entry in entries:
            self._ahead.pop(entry.control.id, None)
            if math.isfinite(entry.control.span.end):
                ended.add(entry.control.id)
        for device_id, mine in list(self._out.items()) if ended else ():
            if (named := ended & mine.keys()) and (row := self._c.row.get(device_id)) is not None:
                mine.update(dict.fromkeys(named, now))
                until = max(mine.values())
                health.opt_out_ends(self._c, row, until)
                if until <= now:
                    del self._out[device_id]

    def shift_time(self, seconds: float) -> None:
        """The clock was set: keep the distances."""
        for mine in self._out.values():
            mine.update({name: until + seconds for name, until in mine.items()})

    def _opted_out(self, row: int, entry: Entry, outcome: Outcome, now: Instant) -> bool:
        """Its customer takes no part until the control is over, or until it opts in again."""
        c = self._c
        doubt.declined(c, row)
        mine = self._out.setdefault(str(c.ids[row]), {})
        if not c.opted_out[row]:
            mine.clear()
        mine[entry.control.id] = math.inf if math.isfinite(entry.control.span.end) else now + OPT_OUT_S
        until = max(mine.values())
        share = float(c.told_w[row])
        if not health.opt_out(c, row, now, until):
            return False
        target = device_target(c.ids[row])
        self._log.add(now, target, "availability", OPTED_OUT, outcome.reason)
        if math.isfinite(share) and share != 0.0:
            self._log.add(now, target, "allocation", "re-allocated", "its share goes to the others", value=share)
        c.told_w[row], c.told_order[row] = NAN, -1
        return True

    def _opted_in(self, row: int, now: Instant) -> bool:
        """Whether it was out by its customer's word, and is not any more."""
        if not self._c.opted_out[row]:
            return False
        self._out.pop(str(self._c.ids[row]), None)
        health.opt_in(self._c, row, now)
        return True

    def _one(self, delivery: Delivery, started: dict[str, list[str]], now: Instant) -> bool:
        c, row = self._c, self._c.row.get(delivery.device_id)
        if row is None:
            return False
        newest = delivery.setpoint.issued >= float(c.told_at[row])
        if newest:
            self._newest(row, delivery, now)
        if delivery.outcome in DONE:
            took_s = max(0.0, delivery.at - delivery.setpoint.issued)
            for control_id in delivery.setpoint.control_ids if not c.answers[row] else ():
                if not self._undone(control_id, delivery):
                    started.setdefault(control_id, []).append(delivery.device_id)
                    if delivery.outcome is DeliveryOutcome.ACKNOWLEDGED:
                        self._accounts.responded(control_id, delivery.device_id, took_s)
            return newest and self._passed(row)
        if delivery.outcome is DeliveryOutcome.LATE:
            return self._late(row, delivery, newest, now)
        if delivery.outcome in FAILED and not delivery.setpoint.release:
            return self._failed(row, delivery, newest, now)
        if delivery.outcome in UNSURE and newest:
            c.told[row] = True
            return self._failed(row, delivery, newest, now)
        return False

    def _passed(self, row: int) -> bool:
        """It answers: whether that ends its trial, so that it is counted on from the next step on."""
        c = self._c
        passed = bool(c.trial[row] and not c.unmoved[row])
        c.trial[row] &= not passed
        return passed

    def _undone(self, control_id: str, delivery: Delivery) -> bool:
        """Whether the device did nothing of what a control asks, though it did other things that it was told."""
        entry = self._book.get(control_id) if delivery.undone else None
        claims = [] if entry is None else entry.claims
        if entry is None or not claims or any(claim.kind not in delivery.undone for claim in claims):
            return False
        entry.failures[delivery.device_id] = delivery.detail or "the device could not carry it out"
        return True

    def _newest(self, row: int, delivery: Delivery, now: Instant) -> None:
        """What became of the set-point that the device was told last."""
        c = self._c
        if delivery.outcome in HELD:
            self._held(row, delivery.setpoint)
            if c.hails[row]:
                answered(c, row, now)
        match delivery.outcome:
            case DeliveryOutcome.PUBLISHED:
                if not c.told[row]:
                    c.waits_since[row] = math.nan
                elif math.isnan(c.waits_since[row]):
                    c.waits_since[row] = now
            case DeliveryOutcome.ACKNOWLEDGED:
                self._taken(row, now)
            case DeliveryOutcome.UNCHANGED:
                # What was published before and is not answered stays so.
                if not c.answers[row]:
                    c.waits_since[row] = math.nan
                c.acknowledged[row] = bool(c.told[row]) and math.isnan(c.waits_since[row])
        if delivery.outcome in DONE and delivery.setpoint.release:
            doubt.let_go(c, row)

    def _taken(self, row: int, now: Instant) -> None:
        """The device has what it was told last. Where it fetched that, its ramp begins only now, where it is."""
        c = self._c
        c.acknowledged[row] = bool(c.told[row])
        if not c.down[row]:
            c.down_at[row] = -math.inf  # that it failed before is over
        if not math.isnan(c.waits_since[row]):
            c.waits_since[row] = math.nan
            c.from_at[row] = now
            if math.isfinite(c.w[row]):
                c.from_w[row] = c.w[row]

    def _held(self, row: int, setpoint: Setpoint) -> None:
        """What was let go of is gone; whether it is off the grid by our word."""
        self._c.cut[row] = setpoint.connect is False or setpoint.energize is False
        if setpoint.release:
            self._c.holds[row] = 0
        for mode in setpoint.let_go:
            self._c.holds[row] &= ~PARTS[mode]

    def _late(self, row: int, delivery: Delivery, newest: bool, now: Instant) -> bool:
        """Our own delay, not the device's fault: it is told anew, with the value of then."""
        c = self._c
        if newest:
            c.told_w[row], c.told_order[row], c.acknowledged[row] = NAN, -1, False
            doubt.falls_back(c, row, now, at_once=True)
            c.told[row] = True  # a release that was dropped is still to come
        self._log.add(now, device_target(delivery.device_id), "delivery", "late", delivery.detail or "dropped")
        return newest

    def _failed(self, row: int, delivery: Delivery, newest: bool, now: Instant) -> bool:
        # Behind an open breaker it was not asked at all: that is no relapse.
        asked = delivery.outcome is not DeliveryOutcome.BREAKER_OPEN
        times = "1 attempt" if delivery.attempts == 1 else f"{delivery.attempts} attempts"
        reason = f"{delivery.outcome} after {times}" if asked else f"not asked: {delivery.detail}"
        for control_id in delivery.setpoint.control_ids:
            entry = self._book.get(control_id)
            if entry is not None:
                entry.failures[delivery.device_id] = reason
        said = f"{reason}: {delivery.detail}" if asked and delivery.detail else reason
        changed = newest and self._fail(row, now, said, relapse=asked)
        if changed and delivery.again_s is not None:
            self._c.back_at[row] = now + delivery.again_s  # sooner it would be in vain again
        return changed

    def _start(self, started: dict[str, list[str]], now: Instant) -> None:
        for control_id, device_ids in started.items():
            entry = self._book.get(control_id)
            if entry is not None:
                for device_id in device_ids if entry.failures else ():
                    entry.failures.pop(device_id, None)
                self._book.start(entry, device_ids, now)

    def _fail(self, row: int, now: Instant, reason: str, *, relapse: bool = True) -> bool:
        c, config = self._c, self._config
        again = bool(c.acknowledged[row])
        if c.down[row]:  # told though nobody counted on it: that it waits for its return is as before
            news, c.acknowledged[row], c.waits_since[row] = False, False, math.nan
        else:
            wait, longest = config.return_after_s, config.return_after_max_s
            news = health.fail(c, row, now, wait_s=wait, longest_s=longest, relapse=relapse)
        doubt.falls_back(c, row, now, at_once=again)
        if news:
            share = float(c.told_w[row])
            target = device_target(c.ids[row])
            self._log.add(now, target, "availability", "failing", reason)
            if math.isfinite(share) and share != 0.0:
                self._log.add(now, target, "allocation", "re-allocated", "its share goes to the others", value=share)
        c.told_w[row], c.told_order[row] = NAN, -1  # what it holds is unknown: told anew, or released, when it is back
        return news
