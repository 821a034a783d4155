"""Controls that are sent, previewed and cancelled by operators, each with its audit entry in the same transaction."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.domain.controls import OPTED_OUT, Acceptance, Control, Share, Verdict
from gridiface.domain.timeline import TERMINAL, state_at
from gridiface.operator.api.routing import unknown
from gridiface.operator.auth.access import Caller
from gridiface.operator.auth.approvals import Pending
from gridiface.operator.desk import Desk
from gridiface.operator.problems import Refused
from gridiface.operator.records.audit import Entry
from gridiface.operator.rows.control_schema import ControlAnswer, NewControl
from gridiface.operator.rows.present import covers, iso, overlaps, reached
from gridiface.operator.rows.translate import PROTOCOL, authority, control_id_of, control_of, fingerprint, target_of

#: The verdict on a control that waits for a second person; the others are the engine's.
WAITING = "pending"

#: What a refusal is answered with, and what can be done about it.
REFUSALS: dict[Verdict, tuple[int, str]] = {
    Verdict.SUPERSEDED: (409, "send it with a higher priority, or for another time"),
    Verdict.UNSUPPORTED: (422, "ask for a mode that the target can carry out; its capabilities are in its nameplate"),
    Verdict.INVALID: (422, "correct what the reason names"),
    Verdict.LATE: (422, "let it end in the future"),
    Verdict.BLOCKED: (409, "unblock a device of the target"),
    Verdict.NOT_ALLOWED: (403, "choose another target"),
}


class KeyUsed(Refused):
    """422: the idempotency key was used for another control."""

    def __init__(self) -> None:
        super().__init__(422, "this Idempotency-Key was used for another control", "use a new key for a new control")


class Sending:
    """The use cases on controls."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def send(self, asked: NewControl, caller: Caller, key: str | None) -> tuple[ControlAnswer, bool]:
        """Send a control, say what it would do, or let it wait for a second person.

        Args:
            asked: as checked.
            caller: the sender.
            key: the idempotency key, or None.

        Returns:
            The answer, and whether it is that of an earlier request with the same key.

        Raises:
            Refused: 403 not the caller's group, 409 and 422 as `REFUSALS`, 422 a key used for another
                request.
            StoreUnavailable: nothing was changed.
        """
        now = self._desk.clock.now()
        self._check_reach(asked, caller)
        if asked.preview:
            control = self._control(asked, "op-" + secrets.token_hex(16), now, caller, {})
            return self._answer(control, self._desk.inbox.preview(control, now), now, preview=True), False
        if key is None:
            return await self._send(asked, "op-" + secrets.token_hex(16), now, caller), False
        control_id = control_id_of(caller.id, key)
        async with self._desk.one_by_one:
            earlier = await self._earlier(control_id, now)
            if earlier is None:
                return await self._send(asked, control_id, now, caller), False
        known, said = earlier
        if known != fingerprint(asked):
            raise KeyUsed
        return said, True

    async def approve(self, pending: Pending, caller: Caller, now: Instant) -> ControlAnswer:
        """Send a control that has waited for this second person.

        Raises:
            Refused: 403 the same person asked, 404 it does not wait any more, and as `send`.
            StoreUnavailable: nothing was changed.
        """
        asked = NewControl.model_validate(pending.asked)
        self._check_reach(asked, caller)
        if pending.is_of(caller):
            raise Refused(403, f"{pending.by} asked for this control", "a second person has to approve it")
        async with self._desk.one_by_one:
            if await self._desk.pending.get(pending.id, now) is None:
                raise waits_no_more(pending.id)
            what = {"asked_by": pending.by, "asked_at": pending.at}
            entry = Entry(at=now, who=caller.name, what="control.approve", subject=pending.id, before=what)
            gone = self._desk.pending.gone(pending)
            said = await self._submit(asked, pending.id, now, pending.caller(), [*gone, entry.change()])
            entry.log()
            self._desk.pending.forget(gone[0])
        return said

    async def _earlier(self, control_id: str, now: Instant) -> tuple[str, ControlAnswer] | None:
        """(fingerprint, answer) of an earlier request of the same key, sent or waiting."""
        control = await self._desk.records.control(control_id)
        if control is not None:
            said: ControlAnswer = json.loads(control.extra["answer"])
            return control.extra.get("request", ""), said
        pending = await self._desk.pending.get(control_id, now)
        if pending is None:
            return None
        asked = NewControl.model_validate(pending.asked)
        waiting = self._control(asked, control_id, pending.at, pending.caller(), {})
        return pending.fingerprint, self._waits(self._answer_of(waiting, pending.at), pending)

    async def _send(self, asked: NewControl, control_id: str, now: Instant, caller: Caller) -> ControlAnswer:
        fleet = self._desk.status.fleet
        target = target_of(asked)
        if not self._desk.approval.applies(len(reached(target, fleet)), len(fleet.devices())):
            return await self._submit(asked, control_id, now, caller)
        control = self._control(asked, control_id, now, caller, {})
        said = self._answer_of(control, now)
        groups = None if caller.groups is None else tuple(sorted(caller.groups))
        body = asked.model_dump(mode="json", exclude_defaults=True)
        within = now + self._desk.approval.within_s
        prints = fingerprint(asked)
        pending = Pending(control_id, body, prints, caller.name, caller.id, caller.maker, now, within, groups)
        entry = Entry(at=now, who=caller.name, what="control.ask", subject=control_id, after=_summary(asked, said))
        if not await self._desk.pending.add(pending, entry, now):
            raise Refused(409, "too many controls wait for approval", "approve or reject some of them")
        return self._waits(said, pending)

    def _answer_of(self, control: Control, now: Instant) -> ControlAnswer:
        """The engine's judgement as an answer.

        Raises:
            Refused: it would not run.
        """
        acceptance = self._desk.inbox.preview(control, now)
        if not acceptance.will_run:
            raise _refused(acceptance)
        return self._answer(control, acceptance, now, preview=False)

    @staticmethod
    def _waits(said: ControlAnswer, pending: Pending) -> ControlAnswer:
        reason = f"waits until {iso(pending.expires)} for a second person to approve it"
        return {**said, "verdict": WAITING, "will_run": False, "reason": reason}

    def _check_reach(self, asked: NewControl, caller: Caller) -> None:
        """Somebody who is confined to groups controls these and what is in them."""
        if caller.groups is None:
            return
        if not covers(caller.groups, target_of(asked), self._desk.status.fleet):
            raise Refused(403, f"{caller.name!r} may not control this target", "choose a target of your own groups")

    def shares(self, asked: NewControl, caller: Caller, now: Instant) -> Sequence[Share]:
        """Who would get what of a control that is not sent; empty where no power is asked.

        Raises:
            Refused: 403 the target is beyond the caller's groups.
        """
        self._check_reach(asked, caller)
        control = control_of(asked, "preview", now, by="", authority=0.0, extra={})
        return self._desk.status.fleet.shares(control, now)

    async def cancel(self, control_id: str, by: str, reason: str, *, foreign: bool = False) -> Control:
        """Cancel a control; the control as it is then.

        Args:
            control_id: which.
            by, reason: who cancels, and why.
            foreign: also one that was not made here; its sender is told in its protocol's words that it was cancelled.

        Raises:
            Refused: 404 unknown, 409 over, or made by somebody else and not `foreign`.
            StoreUnavailable: nothing was changed.
        """
        now = self._desk.clock.now()
        control = self.find(control_id) or await self._desk.records.control(control_id)
        if control is None:
            raise unknown("control", control_id, "GET /api/v1/controls lists them")
        if control.source.protocol != PROTOCOL and not foreign:
            fix = "send a control of higher priority, or cancel it with `foreign`: its sender is told"
            raise Refused(409, f"control {control_id} came in over {control.source.protocol}", fix)
        before = state_at(control, now)
        entry = Entry(
            at=now,
            who=by,
            what="control.cancel",
            subject=control_id,
            before={"state": before.value},
            after={"state": "cancelled"},
            reason=reason,
        )
        way = self._desk.withdraw.get(control.source.protocol)
        leaves = control.source.protocol != PROTOCOL and way is None  # it stays the wish of a peer above us
        told = f"{OPTED_OUT} by {by}" if leaves else f"by {by}"
        told = f"{told}: {reason}" if reason else told
        if before in TERMINAL:
            raise _over(control_id, before.value)
        if way is None:
            done = await self._desk.inbox.cancel(control_id, now, reason=told, along=[entry.change()])
        else:
            # In the words of the protocol that it came in over, so that its peers see it.
            done = await way(control_id, now, reason=told, along=[entry.change()])
        if not done:
            raise _over(control_id, state_at(self.find(control_id) or control, now).value)
        entry.log()
        return self.find(control_id) or control

    def find(self, control_id: str) -> Control | None:
        """A control that is in memory, or None."""
        return next((control for control in self._desk.status.controls() if control.id == control_id), None)

    def _control(
        self, asked: NewControl, control_id: str, now: Instant, caller: Caller, extra: dict[str, str]
    ) -> Control:
        rank = authority(asked.priority, *self._desk.authority)
        return control_of(asked, control_id, now, by=caller.name, authority=rank, extra=extra)

    async def _submit(
        self, asked: NewControl, control_id: str, now: Instant, caller: Caller, along: Sequence[Change] = ()
    ) -> ControlAnswer:
        control = self._control(asked, control_id, now, caller, {})
        said = self._answer(control, self._desk.inbox.preview(control, now), now, preview=False)
        # The answer is kept with the control: a sender who did not get it asks again.
        kept = {"request": fingerprint(asked), "answer": json.dumps(said)}
        control = self._control(asked, control_id, now, caller, kept)
        entry = Entry(at=now, who=caller.name, what="control.send", subject=control_id, after=_summary(asked, said))
        acceptance = await self._desk.inbox.submit(control, now, along=[entry.change(), *along])
        if not acceptance.will_run:
            raise _refused(acceptance)
        entry.log()
        return said

    def _answer(self, control: Control, acceptance: Acceptance, now: Instant, *, preview: bool) -> ControlAnswer:
        span = control.interval
        return {
            "control": control.id,
            "preview": preview,
            "verdict": acceptance.verdict.value,
            "will_run": acceptance.will_run,
            "reason": acceptance.reason,
            "feasible_W": acceptance.feasible_w,
            "left_out": list(acceptance.left_out),
            "start": span.start,
            "end": None if span.duration is None else span.end,
            "authority": control.source.authority,
            "overlaps": overlaps(control, self._desk.status, now),
        }


def waits_no_more(control_id: str) -> Refused:
    """To who decides about a control that somebody else has decided about meanwhile, or that never was."""
    text = f"no control {control_id!r} waits: somebody has decided it, its time ran out, or there is none"
    return Refused(404, text, "load the page anew; GET /api/v1/approvals lists what waits")


def _over(control_id: str, state: str) -> Refused:
    return Refused(
        409, f"control {control_id} is {state} already", "there is nothing left to cancel", control=control_id
    )


def _refused(acceptance: Acceptance) -> Refused:
    status, fix = REFUSALS[acceptance.verdict]
    return Refused(status, acceptance.reason or "it is refused", fix, verdict=acceptance.verdict.value)


def _summary(asked: NewControl, said: ControlAnswer) -> dict[str, Any]:
    body = asked.model_dump(mode="json", exclude={"preview"}, exclude_defaults=True)
    return {**body, "verdict": said["verdict"], "authority": said["authority"]}
