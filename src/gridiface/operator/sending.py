"""Controls that are sent, previewed and cancelled by operators, each with its audit entry in the same transaction."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from typing import Any

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Acceptance, Control, Verdict
from gridiface.domain.timeline import TERMINAL, state_at
from gridiface.operator.audit import Entry
from gridiface.operator.control_schema import ControlAnswer, NewControl
from gridiface.operator.desk import Desk
from gridiface.operator.present import overlaps
from gridiface.operator.problems import Refused
from gridiface.operator.routing import unknown
from gridiface.operator.tokens import Token
from gridiface.operator.translate import PROTOCOL, authority, control_id_of, control_of, fingerprint

_KEY = re.compile(r"[\x21-\x7e]{1,128}")

#: What a refusal is answered with, and what can be done about it.
REFUSALS: dict[Verdict, tuple[int, str]] = {
    Verdict.SUPERSEDED: (409, "send it with a higher priority, or for another time"),
    Verdict.UNSUPPORTED: (422, "ask for a mode that the target can carry out; its capabilities are in its nameplate"),
    Verdict.INVALID: (422, "correct what the reason names"),
    Verdict.LATE: (422, "let it end in the future"),
    Verdict.BLOCKED: (409, "unblock a device of the target"),
    Verdict.NOT_ALLOWED: (403, "choose another target"),
}


class Sending:
    """The use cases on controls."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._one_by_one = asyncio.Lock()

    async def send(self, asked: NewControl, token: Token, key: str | None) -> tuple[ControlAnswer, bool]:
        """Send a control, or say what it would do.

        Args:
            asked: as checked.
            token: of the sender.
            key: the idempotency key, or None.

        Returns:
            The answer, and whether it is that of an earlier request with the same key.

        Raises:
            Refused: 400 a bad key, 409 and 422 as `REFUSALS`, 422 a key used for another request.
            StoreUnavailable: nothing was changed.
        """
        now = self._desk.clock.now()
        if asked.preview:
            control = self._control(asked, "op-" + secrets.token_hex(16), now, token, {})
            return self._answer(control, self._desk.inbox.preview(control, now), now, preview=True), False
        if key is None:
            return await self._submit(asked, "op-" + secrets.token_hex(16), now, token), False
        if not _KEY.fullmatch(key):
            raise Refused(400, "the Idempotency-Key is not 1 to 128 visible ASCII characters", "send a UUID")
        control_id = control_id_of(token.id, key)
        async with self._one_by_one:
            earlier = await self._desk.records.control(control_id)
            if earlier is None:
                return await self._submit(asked, control_id, now, token), False
        if earlier.extra.get("request") != fingerprint(asked):
            raise Refused(422, "this Idempotency-Key was used for another control", "use a new key for a new control")
        said: ControlAnswer = json.loads(earlier.extra["answer"])
        return said, True

    async def cancel(self, control_id: str, by: str, reason: str) -> Control:
        """Cancel a control that was made here; the control as it is then.

        Raises:
            Refused: 404 unknown, 409 over or made by somebody else.
            StoreUnavailable: nothing was changed.
        """
        now = self._desk.clock.now()
        control = self.find(control_id) or await self._desk.records.control(control_id)
        if control is None:
            raise unknown("control", control_id, "GET /api/v1/controls lists them")
        if control.source.protocol != PROTOCOL:
            fix = "only its sender can cancel it; send a control of higher priority, or block devices"
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
        told = f"by {by}: {reason}" if reason else f"by {by}"
        done = before not in TERMINAL and await self._desk.inbox.cancel(
            control_id, now, reason=told, along=[entry.change()]
        )
        if not done:
            text = f"control {control_id} is {before.value} already"
            raise Refused(409, text, "there is nothing left to cancel", control=control_id)
        entry.log()
        return self.find(control_id) or control

    def find(self, control_id: str) -> Control | None:
        """A control that is in memory, or None."""
        return next((control for control in self._desk.status.controls() if control.id == control_id), None)

    def _control(
        self, asked: NewControl, control_id: str, now: Instant, token: Token, extra: dict[str, str]
    ) -> Control:
        rank = authority(asked.priority, *self._desk.authority)
        return control_of(asked, control_id, now, by=token.name, authority=rank, extra=extra)

    async def _submit(self, asked: NewControl, control_id: str, now: Instant, token: Token) -> ControlAnswer:
        control = self._control(asked, control_id, now, token, {})
        said = self._answer(control, self._desk.inbox.preview(control, now), now, preview=False)
        # The answer is kept with the control: a sender who did not get it asks again.
        kept = {"request": fingerprint(asked), "answer": json.dumps(said)}
        control = self._control(asked, control_id, now, token, kept)
        entry = Entry(at=now, who=token.name, what="control.send", subject=control_id, after=_summary(asked, said))
        acceptance = await self._desk.inbox.submit(control, now, along=[entry.change()])
        if not acceptance.will_run:
            status, fix = REFUSALS[acceptance.verdict]
            text = acceptance.reason or "it is refused"
            raise Refused(status, text, fix, verdict=acceptance.verdict.value)
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


def _summary(asked: NewControl, said: ControlAnswer) -> dict[str, Any]:
    body = asked.model_dump(mode="json", exclude={"preview"}, exclude_defaults=True)
    return {**body, "verdict": said["verdict"], "authority": said["authority"]}
