"""Controls: listed, shown, sent, previewed, cancelled; their reports and the decisions on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from gridiface.domain.controls import Control, ControlState
from gridiface.domain.ports import DecisionSearch
from gridiface.domain.timeline import state_at
from gridiface.operator.accounts.reporting import written
from gridiface.operator.api.idempotency import key_of
from gridiface.operator.api.routing import ROOT, Area, Call, Reply, get, post, unknown
from gridiface.operator.auth.access import Caller
from gridiface.operator.confined import sees_target
from gridiface.operator.desk import Desk
from gridiface.operator.problems import Refused
from gridiface.operator.rows.control_schema import ControlAnswer, NewControl
from gridiface.operator.rows.present import SHOWN, control_detail, decision_row, plain
from gridiface.operator.rows.rows import ControlDetail, ControlRow, DecisionRow, ReportAnswer
from gridiface.operator.rows.status import newest_first
from gridiface.operator.schema import LONGEST_ID, OF_IDS, Asked, NoBody, NoQuery, Page, Reason
from gridiface.operator.sending import WAITING, Sending
from gridiface.segments import segment


class ControlQuery(Page):
    """Which controls."""

    state: ControlState | Literal[""] = Field(default="", description="only controls in this state")
    target: str = Field(default="", max_length=128, description="only controls of this device or group")
    defaults: bool = Field(default=False, description="true: default controls, too")


class ControlList(TypedDict):
    """A page of controls, the latest start first."""

    controls: list[ControlRow]
    total: int
    next: str | None


class DecisionQuery(Asked):
    """Which decisions."""

    limit: int = Field(default=100, ge=1, le=1000, description="most members in this answer, the newest")
    control: str = Field(
        default="", max_length=LONGEST_ID, pattern=OF_IDS, description="only decisions on this control"
    )
    target: str = Field(default="", max_length=128, description="only those on this device or group")
    signal: str = Field(default="", max_length=128, description="only those about this signal, such as export_limit")
    source: str = Field(default="", max_length=128, description="only those from this protocol, engine, schedule")
    verdict: str = Field(default="", max_length=128, description="only this verdict, such as shortfall")
    text: str = Field(default="", max_length=128, description="only those whose reason holds these words, in any case")
    start: float | None = Field(default=None, allow_inf_nan=False, description="from then on, s since 1970")
    end: float | None = Field(default=None, allow_inf_nan=False, description="before then, s since 1970")


class DecisionList(TypedDict):
    """The newest decisions, newest first.

    `reach`: a search by signal, source, verdict or text looked at decisions from then on, s since 1970; older ones
    are found with `end` there. null: it looked at all.
    """

    decisions: list[DecisionRow]
    reach: float | None


class Cancel(Reason):
    """Why, and whose."""

    foreign: bool = Field(
        default=False,
        description="true: also a control that came in over a protocol; its sender is told that it was cancelled",
    )


class SharesAnswer(TypedDict):
    """Who would get what of a previewed control, by device. W, + delivered; w null: it cannot be asked now."""

    shares: list[dict[str, Any]]


class ControlsArea(Area):
    """Controls. `detail` is for pages, too."""

    name: ClassVar[str] = "controls"
    title: ClassVar[str] = "Controls"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._status = desk.status
        self._sending = Sending(desk)

    @get(
        "/controls",
        "Controls in memory (running, ahead, and those that ended lately), the latest start first; filters `state`, "
        "`target`; `defaults`: default controls, too",
        confined=True,
    )
    async def list_controls(self, call: Call[ControlQuery, NoBody]) -> ControlList:
        """One page of controls."""
        query = call.query
        fitting = [
            control
            for control in newest_first(self._status.controls())
            if (query.defaults or not control.is_default)
            and (not query.target or control.target.id == query.target)
            and (not query.state or state_at(control, call.now).value == query.state)
            and self._sees(call.caller, control)
        ]
        begin = _place_after(fitting, query.after)
        shown = fitting[begin : begin + query.limit]
        following = shown[-1].id if begin + len(shown) < len(fitting) else None
        rows = [self._status.control_row(control, call.now) for control in shown]
        return ControlList(controls=rows, total=len(fitting), next=following)

    @post(
        "/controls",
        "Send a control, or judge it with `preview`",
        scope="control",
        done=201,
        confined=True,
        others=((200, "a preview: nothing was changed"), (202, "it waits for a second person")),
        problems=(409,),
    )
    async def send_control(self, call: Call[NoQuery, NewControl]) -> Reply[ControlAnswer]:
        """A control from an operator."""
        said, again = await self._sending.send(call.body, call.caller, key_of(call.request))
        if call.body.preview:
            return Reply(said, 200)
        waits = said["verdict"] == WAITING
        place = f"{ROOT}/{'approvals' if waits else 'controls'}/{segment(said['control'])}"
        headers = {"Location": place, **({"Idempotency-Replayed": "true"} if again else {})}
        return Reply(said, 202 if waits else None, headers)

    @get(
        "/controls/{id}",
        "One control, also one that ended long ago: steps per device with times and reasons, decisions, power",
        confined=True,
        problems=(404,),
    )
    async def get_control(self, call: Call[NoQuery, NoBody]) -> ControlDetail:
        """One control."""
        return await self.detail(call.id, call.caller)

    async def detail(self, control_id: str, caller: Caller) -> ControlDetail:
        """Everything that is known of one control that a caller may see, also of one that is long over.

        Raises:
            Refused: 404.
            StoreUnavailable: its past cannot be read.
        """
        records = self._desk.records
        control = await self._control(control_id, caller)
        outcomes = await records.outcomes(control_id)
        found = await records.decisions(control_id=control_id, limit=SHOWN)
        decisions = [one for one in found if sees_target(caller, one.target, self._status.fleet)]
        reports = await self._desk.measured.reports(control)
        return control_detail(control, outcomes, decisions, reports, self._status, self._desk.clock.now())

    @get(
        "/controls/{id}/report",
        "Requested, accepted, allocated, acknowledged and delivered power per interval and target",
        confined=True,
        problems=(404,),
        answer=ReportAnswer,
    )
    async def get_report(self, call: Call[NoQuery, NoBody]) -> web.StreamResponse:
        """One control's performance."""
        control = await self._control(call.id, call.caller)
        reports, responses = await self._desk.measured.reports(control), self._status.responses(call.id)
        if not reports and not any(responses.values()):
            raise unknown("control", call.id, "there is a report from the control's start on")
        headers = {"Content-Type": "application/json; charset=utf-8"}
        return web.Response(body=written(call.id, responses, reports), headers=headers)

    @post("/controls/shares", "Who would get what of a control, which is not sent", scope="control", confined=True)
    async def preview_shares(self, call: Call[NoQuery, NewControl]) -> SharesAnswer:
        """The split over the devices as they are now."""
        found = self._sending.shares(call.body, call.caller, call.now)
        return SharesAnswer(shares=[plain(share) for share in found])

    @post(
        "/controls/{id}/cancel",
        "Cancel a control that was made here; with `foreign`, also one that came in over a protocol",
        scope="control",
        confined=True,
        problems=(404, 409),
    )
    async def cancel_control(self, call: Call[NoQuery, Cancel]) -> ControlRow:
        """The control as it is then."""
        await self._control(call.id, call.caller)
        control = await self._sending.cancel(call.id, call.caller.name, call.body.reason, foreign=call.body.foreign)
        return self._status.control_row(control, call.now)

    @get("/decisions", "The newest decisions that match: which signal, from whom, won or lost, and why", confined=True)
    async def list_decisions(self, call: Call[DecisionQuery, NoBody]) -> DecisionList:
        """The decision log."""
        query = call.query
        search = DecisionSearch(
            target=query.target or None,
            signal=query.signal or None,
            source=query.source or None,
            verdict=query.verdict or None,
            text=query.text or None,
            start=query.start,
            end=query.end,
        )
        control = query.control or None
        seen = await self._desk.records.within_reach(search, control_id=control)
        found = await self._desk.records.decisions(control_id=control, limit=query.limit, search=seen)
        fleet = self._status.fleet
        rows = [decision_row(one) for one in found if sees_target(call.caller, one.target, fleet)]
        return DecisionList(decisions=rows, reach=seen.start if seen.start != search.start else None)

    def _sees(self, caller: Caller, control: Control) -> bool:
        return sees_target(caller, control.target, self._status.fleet)

    async def _control(self, control_id: str, caller: Caller) -> Control:
        """What somebody may not see is answered as what is not there."""
        control = self._sending.find(control_id) or await self._desk.records.control(control_id)
        if control is None or not self._sees(caller, control):
            raise unknown("control", control_id, "GET /api/v1/controls lists them")
        return control


def _place_after(controls: Sequence[Control], control_id: str) -> int:
    """The index after the control of that id; 0 without one.

    Raises:
        Refused: 400, it is not in the list any more.
    """
    if not control_id:
        return 0
    for index, control in enumerate(controls):
        if control.id == control_id:
            return index + 1
    raise Refused(400, "`after` names no control of this list", "begin again without it")
