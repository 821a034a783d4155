"""IEEE 2030.5 flow reservations over REST: what devices ask for, and how they are answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Protocol, Self, cast

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from gridiface.domain.changes import Change
from gridiface.operator.api.routing import Area, Call, get, post
from gridiface.operator.schema import Asked, NoBody, NoQuery, Reason, Search, Text
from gridiface.operator.sep2_desk import acted, first_of, next_of, shown
from gridiface.wording import worded

RequestPath = Annotated[
    str,
    Field(
        max_length=64,
        pattern=worded(r"^/edev/\d+/frq/\d+$", "the href of a flow reservation request, as /edev/2/frq/1"),
        description="href of the request",
    ),
]


class FlowPort(Protocol):
    """Flow reservations of our server; northbound.sep2 has it."""

    def find_flow_requests(self, text: str, start: int, limit: int) -> tuple[Sequence[Mapping[str, Any]], int]:
        """Those that fit, from `start` on; and how many fit."""
        ...

    def flow_request(self, path: str) -> Mapping[str, Any]:
        """One."""
        ...

    async def answer_flow(
        self, path: str, asked: Mapping[str, Any], *, by: str, along: Sequence[Change]
    ) -> Mapping[str, Any]:
        """Answer one anew; the request as it is then."""
        ...

    async def cancel_flow(self, path: str, *, reason: str, along: Sequence[Change]) -> Mapping[str, Any]:
        """Cancel what is granted to one; the request as it is then."""
        ...


class Sep2Grant(TypedDict):
    """One grant; Wh and W as the wire counts them, + = charging. `status`: currentStatus of its event."""

    path: str
    status: int
    start: int
    duration: int
    energy_wh: float
    power_w: float


class Sep2FlowRequest(TypedDict):
    """One request; `state`: waits, granted, refused, cancelled or over. `grants`: the newest first."""

    path: str
    lfdi: str
    device: str | None
    mrid: str
    description: str
    start: int
    duration: int
    wanted_s: int | None
    energy_wh: float
    power_w: float
    state: str
    grants: list[Sep2Grant]


class Sep2FlowRequests(TypedDict):
    """A page of requests, the latest window first."""

    requests: list[Sep2FlowRequest]
    total: int
    next: str | None


class FlowAnswer(Asked):
    """How a request is answered; what is left out is as it was requested, as far as the device and the fleet can."""

    path: RequestPath
    refuse: bool = Field(default=False, description="grant nothing; then no other part is named")
    energy_wh: float | None = Field(default=None, gt=0, le=1e12, description="at most so much, Wh, without sign")
    power_w: float | None = Field(default=None, gt=0, le=1e12, description="at most so much, W, without sign")
    start: int | None = Field(default=None, ge=0, le=10**11, description="s since 1970 UTC, inside the window")
    duration: int | None = Field(default=None, ge=1, le=0xFFFFFFFF, description="s")
    reason: Text = Field(default="", description="for the audit log")

    @model_validator(mode="after")
    def _either(self) -> Self:
        parts = (self.energy_wh, self.power_w, self.start, self.duration)
        if self.refuse and any(part is not None for part in parts):
            raise ValueError("what is refused has no energy, power or time: name either")
        return self


class FlowPath(Reason):
    """One request."""

    path: RequestPath


class Sep2FlowArea(Area):
    """IEEE 2030.5 flow reservations."""

    name: ClassVar[str] = "sep2-flow"
    title: ClassVar[str] = "IEEE 2030.5: flow reservations"
    screens: ClassVar[str] = "gridiface.operator.screens.sep2_flow:Sep2FlowScreens"

    def __init__(self, port: FlowPort) -> None:
        self._port = port

    @get("/sep2/flow-reservations", "What devices ask to charge or discharge, with what is granted; filter `q`")
    async def list_sep2_flow_reservations(self, call: Call[Search, NoBody]) -> Sep2FlowRequests:
        """One page."""
        first = first_of(call.query)
        found, total = self._port.find_flow_requests(call.query.q.strip(), first, call.query.limit)
        return Sep2FlowRequests(
            requests=[_row(row) for row in found], total=total, next=next_of(first, len(found), total)
        )

    def flow_request(self, path: str) -> Sep2FlowRequest:
        """One request.

        Raises:
            Refused: 404, none is there.
        """
        return _row(shown(lambda: self._port.flow_request(path)))

    @post("/sep2/flow-reservations/answer", "Grant a request, in whole or in part, or refuse it, instead of as before",
          scope="control", problems=(404, 409))  # fmt: skip
    async def answer_sep2_flow_reservation(self, call: Call[NoQuery, FlowAnswer]) -> Sep2FlowRequest:
        """The request as it is then; what the device or the fleet cannot do is not granted."""
        asked = call.body.model_dump(exclude={"path", "reason"})
        row = await acted(
            call,
            "sep2.flow.refuse" if asked["refuse"] else "sep2.flow.grant",
            call.body.path,
            lambda along: self._port.answer_flow(call.body.path, asked, by=call.caller.name, along=along),
            after=asked,
            reason=call.body.reason,
        )
        return _row(row)

    @post("/sep2/flow-reservations/cancel", "Cancel what is granted to a request", scope="control",
          problems=(404, 409))  # fmt: skip
    async def cancel_sep2_flow_reservation(self, call: Call[NoQuery, FlowPath]) -> Sep2FlowRequest:
        """The request as it is then."""
        body = call.body
        row = await acted(
            call,
            "sep2.flow.cancel",
            body.path,
            lambda along: self._port.cancel_flow(body.path, reason=body.reason, along=along),
            reason=body.reason,
        )
        return _row(row)


def _row(row: Mapping[str, Any]) -> Sep2FlowRequest:
    return cast("Sep2FlowRequest", dict(row))
