"""Controls that wait for a second person: listed, approved, rejected. See operator.approval_share."""

from __future__ import annotations

from typing import Any, ClassVar

from typing_extensions import TypedDict

from gridiface.operator.api.routing import Area, Call, get, post
from gridiface.operator.auth.access import Caller
from gridiface.operator.auth.approvals import Pending
from gridiface.operator.desk import Desk
from gridiface.operator.records.audit import Entry
from gridiface.operator.rows.control_schema import ControlAnswer, NewControl
from gridiface.operator.rows.present import covers
from gridiface.operator.rows.translate import target_of
from gridiface.operator.schema import NoBody, NoQuery, Reason
from gridiface.operator.sending import Sending, waits_no_more


class ApprovalRow(TypedDict):
    """One control that waits: who asked, for what, until when. `mine`: the reader asked, and so cannot approve."""

    control: str
    by: str
    at: float
    expires: float
    asked: dict[str, Any]
    mine: bool


class ApprovalList(TypedDict):
    """All controls that wait, the oldest first."""

    approvals: list[ApprovalRow]


class ApprovalsArea(Area):
    """Controls that wait for a second person."""

    name: ClassVar[str] = "approvals"
    title: ClassVar[str] = "Approvals"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._sending = Sending(desk)

    @get("/approvals", "Controls that wait for a second person, the oldest first", confined=True)
    async def list_approvals(self, call: Call[NoQuery, NoBody]) -> ApprovalList:
        """What waits."""
        waiting = await self._desk.pending.waiting(call.now)
        return {"approvals": [_row(p, call.caller) for p in waiting if self._shows(p, call.caller)]}

    @get("/approvals/{id}", "One control that waits", confined=True, problems=(404,))
    async def get_approval(self, call: Call[NoQuery, NoBody]) -> ApprovalRow:
        """One of them."""
        return _row(await self._pending(call), call.caller)

    @post(
        "/approvals/{id}/approve",
        "Send a control that another person asked for",
        scope="control",
        confined=True,
        done=201,
        problems=(404, 409),
    )
    async def approve_control(self, call: Call[NoQuery, Reason]) -> ControlAnswer:
        """It is judged anew, and starts now where no start was named."""
        return await self._sending.approve(await self._pending(call), call.caller, call.now)

    @post(
        "/approvals/{id}/reject",
        "Take a waiting control away without sending it; who asked may do so, too",
        scope="control",
        confined=True,
        problems=(404,),
    )
    async def reject_control(self, call: Call[NoQuery, Reason]) -> ApprovalRow:
        """What waited."""
        pending = await self._pending(call)
        row = _row(pending, call.caller)
        what = {"asked_by": pending.by, "asked": pending.asked}
        reason = call.body.reason
        await self._desk.pending.reject(
            pending,
            Entry(
                at=call.now,
                who=call.caller.name,
                what="control.reject",
                subject=pending.id,
                before=what,
                reason=reason,
            ),
        )
        return row

    async def _pending(self, call: Call[NoQuery, Any]) -> Pending:
        found = await self._desk.pending.get(call.id, call.now)
        if found is None or not self._shows(found, call.caller):
            raise waits_no_more(call.id)
        return found

    def _shows(self, pending: Pending, caller: Caller) -> bool:
        if caller.groups is None:
            return True
        target = target_of(NewControl.model_validate(pending.asked))
        return covers(caller.groups, target, self._desk.status.fleet)


def _row(pending: Pending, caller: Caller) -> ApprovalRow:
    return {
        "control": pending.id,
        "by": pending.by,
        "at": pending.at,
        "expires": pending.expires,
        "asked": pending.asked,
        "mine": pending.is_of(caller),
    }
