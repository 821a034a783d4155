"""The handlers of the REST API; one method per name in the route table. Owns no rule: bodies, access, sending do."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, Target, TargetKind
from gridiface.domain.fleet import Device
from gridiface.domain.timeline import state_at
from gridiface.errors import ConfigError
from gridiface.operator import audit, metrics, openapi
from gridiface.operator import schema as s
from gridiface.operator.access import CALLER
from gridiface.operator.answers import answer
from gridiface.operator.bodies import body_of, name_of, query_of
from gridiface.operator.desk import Desk
from gridiface.operator.present import (
    SHOWN,
    control_detail,
    decision_row,
    decisions_about,
    device_facts,
    group_detail,
    groups_of,
    plain,
    reading_row,
)
from gridiface.operator.problems import Refused
from gridiface.operator.sending import Sending, unknown
from gridiface.operator.status import delivery_row, newest_first
from gridiface.operator.tokens import Token

#: How far back deliveries of a device are shown, s; decisions that are searched for it; readings that are shown.
_DELIVERIES_S, _SEARCHED, _READINGS = 600.0, 2_000, 5_000


class Api:
    """Handlers over one desk; `page` builds and tests may call the `*_detail` methods without a request."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._status = desk.status
        self._sending = Sending(desk)

    # --- reading ------------------------------------------------------------------------------------------------

    async def get_status(self, request: web.Request) -> web.StreamResponse:
        """GET /api/v1/status."""
        query_of(request, s.NoQuery)
        return answer(self._status.at(self._now()))

    async def list_devices(self, request: web.Request) -> web.StreamResponse:
        """GET /api/v1/devices."""
        query = query_of(request, s.DeviceQuery)
        fleet = self._status.fleet
        if query.group and fleet.group(query.group) is None:
            raise unknown("group", query.group, "GET /api/v1/groups lists them")
        members = frozenset(fleet.members(query.group)) if query.group else None

        def fits(device: Device) -> bool:
            if (members is not None and device.id not in members) or query.driver not in {"", device.driver}:
                return False
            if not query.quality:
                return True
            snapshot = fleet.snapshot(Target(TargetKind.DEVICE, device.id))
            return query.quality == ("none" if snapshot is None else snapshot.quality.value)

        fitting = sorted((device for device in fleet.devices() if fits(device)), key=lambda device: device.id)
        left = [device for device in fitting if device.id > query.after]
        shown = left[: query.limit]
        rows = [self._status.device_row(device) for device in shown]
        following = shown[-1].id if len(left) > len(shown) else None
        return answer(s.DeviceList(devices=rows, total=len(fitting), next=following))

    async def get_device(self, request: web.Request) -> web.StreamResponse:
        """GET /api/v1/devices/{id}."""
        query = query_of(request, s.DeviceDetailQuery)
        return answer(await self.device_detail(self._device(request), query.readings_s))

    async def device_detail(self, device: Device, readings_s: float) -> s.DeviceDetail:
        """Everything that is known of one device.

        Raises:
            StoreUnavailable: its past cannot be read.
        """
        now, records, fleet = self._now(), self._desk.records, self._status.fleet
        groups = groups_of(device.id, fleet)
        decisions = await records.decisions(limit=_SEARCHED)
        deliveries = await records.deliveries(device.id, start=now - _DELIVERIES_S, end=now + 1)
        readings = await records.readings(device.id, start=now - readings_s, end=now + 1) if readings_s else []
        rows = [row for one in reversed(deliveries) if (row := delivery_row(one)) is not None]
        return {
            **self._status.device_row(device),
            **device_facts(device),
            "groups": groups,
            "snapshot": plain(fleet.snapshot(Target(TargetKind.DEVICE, device.id))),
            "setpoint": plain(fleet.setpoint(device.id)),
            "block": self._desk.blocks.of(device.id),
            "decisions": decisions_about(device.id, groups, decisions),
            "deliveries": rows[:SHOWN],
            "readings": [reading_row(reading) for reading in readings[-_READINGS:]],
        }

    async def list_groups(self, request: web.Request) -> web.StreamResponse:
        """GET /api/v1/groups."""
        query_of(request, s.NoQuery)
        return answer(s.GroupList(groups=self._status.group_rows(self._now())))

    async def get_group(self, request: web.Request) -> web.StreamResponse:
        """GET /api/v1/groups/{id}."""
        query_of(request, s.NoQuery)
        name = name_of(request)
        group = self._status.fleet.group(name)
        if group is None:
            raise unknown("group", name, "GET /api/v1/groups lists them")
        return answer(group_detail(group, self._status, self._now()))

    async def list_controls(self, request: web.Request) -> web.StreamResponse:
        """GET /api/v1/controls."""
        query, now = query_of(request, s.ControlQuery), self._now()
        fitting = [
            control
            for control in newest_first(self._status.controls())
            if (query.defaults or not control.is_default)
            and (not query.target or control.target.id == query.target)
            and (not query.state or state_at(control, now).value == query.state)
        ]
        begin = _place_after(fitting, query.after)
        shown = fitting[begin : begin + query.limit]
        following = shown[-1].id if begin + len(shown) < len(fitting) else None
        rows = [self._status.control_row(control, now) for control in shown]
        return answer(s.ControlList(controls=rows, total=len(fitting), next=following))

    async def get_control(self, request: web.Request) -> web.StreamResponse:
        """GET /api/v1/controls/{id}."""
        query_of(request, s.NoQuery)
        return answer(await self.control_detail(name_of(request)))

    async def control_detail(self, control_id: str) -> s.ControlDetail:
        """Everything that is known of one control, also of one that is long over.

        Raises:
            Refused: 404.
            StoreUnavailable: its past cannot be read.
        """
        records = self._desk.records
        control = self._sending.find(control_id) or await records.control(control_id)
        if control is None:
            raise unknown("control", control_id, "GET /api/v1/controls lists them")
        outcomes = await records.outcomes(control_id)
        decisions = await records.decisions(control_id=control_id, limit=SHOWN)
        return control_detail(control, outcomes, decisions, self._status, self._now())

    async def get_report(self, request: web.Request) -> web.StreamResponse:
        """GET /api/v1/controls/{id}/report."""
        query_of(request, s.NoQuery)
        name = name_of(request)
        report = self._status.control_report(name)
        if not report["targets"] and not any(report["responses"].values()):
            raise unknown("control", name, "there is a report from the control's start on")
        return answer(report)

    async def list_decisions(self, request: web.Request) -> web.StreamResponse:
        """GET /api/v1/decisions."""
        query = query_of(request, s.DecisionQuery)
        found = await self._desk.records.decisions(control_id=query.control or None, limit=query.limit)
        return answer(s.DecisionList(decisions=[decision_row(decision) for decision in found]))

    async def stream_events(self, request: web.Request) -> web.StreamResponse:
        """GET /api/v1/events."""
        query_of(request, s.NoQuery)
        token, tokens = request[CALLER].token, self._desk.tokens

        def valid() -> bool:
            return token is None or tokens.holds(token, self._now())

        return await self._desk.events.serve(request, request.headers.get("Last-Event-ID", ""), valid)

    async def get_openapi(self, _: web.Request) -> web.StreamResponse:
        """GET /api/v1/openapi.json."""
        return answer(openapi.document())

    async def get_metrics(self, _: web.Request) -> web.StreamResponse:
        """GET /metrics."""
        text = self._desk.figures.render(self._status, self._now(), ready=self._desk.ready())
        return web.Response(body=text.encode(), headers={"Content-Type": metrics.MEDIA})

    async def get_health(self, _: web.Request) -> web.StreamResponse:
        """GET /healthz."""
        return web.Response(text="ok\n")

    async def get_readiness(self, _: web.Request) -> web.StreamResponse:
        """GET /readyz."""
        return web.Response(text="ready\n") if self._desk.ready() else web.Response(status=503, text="not ready\n")

    # --- changing -----------------------------------------------------------------------------------------------

    async def send_control(self, request: web.Request) -> web.StreamResponse:
        """POST /api/v1/controls."""
        query_of(request, s.NoQuery)
        asked = await body_of(request, s.NewControl)
        keys = request.headers.getall("Idempotency-Key", [])
        if len(keys) > 1:
            raise Refused(400, "there is more than one Idempotency-Key", "send one")
        said, again = await self._sending.send(asked, _token(request), keys[0] if keys else None)
        if asked.preview:
            return answer(said)
        headers = {"Location": f"/api/v1/controls/{said['control']}"}
        return answer(said, status=201, headers=headers | ({"Idempotency-Replayed": "true"} if again else {}))

    async def cancel_control(self, request: web.Request) -> web.StreamResponse:
        """POST /api/v1/controls/{id}/cancel."""
        query_of(request, s.NoQuery)
        asked = await body_of(request, s.Reason)
        control = await self._sending.cancel(name_of(request), _token(request).name, asked.reason)
        return answer(self._status.control_row(control, self._now()))

    async def block_device(self, request: web.Request) -> web.StreamResponse:
        """POST /api/v1/devices/{id}/block."""
        query_of(request, s.NoQuery)
        asked, device = await body_of(request, s.Reason), self._device(request)
        await self._desk.blocks.block(device.id, self._now(), by=_token(request).name, reason=asked.reason)
        return answer(self._status.device_row(device))

    async def unblock_device(self, request: web.Request) -> web.StreamResponse:
        """POST /api/v1/devices/{id}/unblock."""
        query_of(request, s.NoQuery)
        asked, device = await body_of(request, s.Reason), self._device(request)
        await self._desk.blocks.unblock(device.id, self._now(), by=_token(request).name, reason=asked.reason)
        return answer(self._status.device_row(device))

    async def list_tokens(self, request: web.Request) -> web.StreamResponse:
        """GET /api/v1/tokens."""
        query_of(request, s.NoQuery)
        now = self._now()
        await self._desk.tokens.load(now)
        return answer(s.TokenList(tokens=self._desk.tokens.rows(now)))

    async def create_token(self, request: web.Request) -> web.StreamResponse:
        """POST /api/v1/tokens."""
        query_of(request, s.NoQuery)
        asked = await body_of(request, s.NewToken)
        by = _token(request).name
        try:
            made = await self._desk.tokens.create(asked.name, asked.scopes, asked.days, self._now(), by=by)
        except ConfigError as error:
            reason, _, fix = str(error).partition("; ")
            raise Refused(409, reason, fix) from error
        return answer(made, status=201)

    async def revoke_token(self, request: web.Request) -> web.StreamResponse:
        """DELETE /api/v1/tokens/{id}."""
        query_of(request, s.NoQuery)
        name = name_of(request)
        gone = await self._desk.tokens.revoke(name, self._now(), by=_token(request).name)
        if gone is None:
            raise unknown("token", name, "GET /api/v1/tokens lists them")
        return answer(gone)

    async def list_audit(self, request: web.Request) -> web.StreamResponse:
        """GET /api/v1/audit."""
        query = query_of(request, s.AuditQuery)
        return answer({"entries": await audit.newest(self._desk.records, query.limit)})

    # --- helpers ------------------------------------------------------------------------------------------------

    def _now(self) -> Instant:
        return self._desk.clock.now()

    def _device(self, request: web.Request) -> Device:
        name = name_of(request)
        device = self._status.fleet.device(name)
        if device is None:
            raise unknown("device", name, "GET /api/v1/devices lists them")
        return device


def _token(request: web.Request) -> Token:
    token = request[CALLER].token
    if token is None:
        raise Refused(401, "this needs a token")
    return token


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
