"""The operations of the API for asyncio. One method each; what has no method goes through `request`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

from gridiface.client.errors import NotReached
from gridiface.client.events import EventLines, StreamEvent
from gridiface.client.resources import Resources
from gridiface.operator.areas.envelope import EnvelopeSeries
from gridiface.operator.rows.rows import (
    ControlDetail,
    ControlRow,
    DecisionRow,
    DeviceDetail,
    DeviceRow,
    GroupDetail,
    GroupRow,
    ReportAnswer,
    StatusAnswer,
)
from gridiface.segments import segment


class AsyncClient(Resources):
    """See the package, Transport and Resources. Use it as `async with AsyncClient(...) as grid`.

    Every method raises ApiError where the server says no, and NotReached where it does not answer.
    """

    async def status(self) -> StatusAnswer:
        """Everything the overview shows."""
        found: StatusAnswer = await self.request("GET", "/status")
        return found

    async def devices(self, *, group: str = "", driver: str = "", quality: str = "") -> list[DeviceRow]:
        """All devices that fit."""
        return await self.members("/devices", "devices", group=group, driver=driver, quality=quality)

    async def device(self, device_id: str, *, readings_s: float = 120.0) -> DeviceDetail:
        """All that is known of one device."""
        found: DeviceDetail = await self.request(
            "GET", f"/devices/{segment(device_id)}", query={"readings_s": readings_s}
        )
        return found

    async def block(self, device_id: str, reason: str = "") -> DeviceRow:
        """Release a device and leave it out until it is unblocked."""
        found: DeviceRow = await self.request("POST", f"/devices/{segment(device_id)}/block", body={"reason": reason})
        return found

    async def unblock(self, device_id: str, reason: str = "") -> DeviceRow:
        """Let a blocked device take part again."""
        found: DeviceRow = await self.request("POST", f"/devices/{segment(device_id)}/unblock", body={"reason": reason})
        return found

    async def groups(self) -> list[GroupRow]:
        """All groups: asked, told, done."""
        found: list[GroupRow] = (await self.request("GET", "/groups"))["groups"]
        return found

    async def group(self, group_id: str) -> GroupDetail:
        """One group."""
        found: GroupDetail = await self.request("GET", f"/groups/{segment(group_id)}")
        return found

    async def group_envelope(
        self, group_id: str, *, start: float | None = None, end: float | None = None, step: float = 900.0
    ) -> EnvelopeSeries:
        """What a group can be counted on for over the coming hours; in s since 1970, none: from now, for a day."""
        path, query = f"/groups/{segment(group_id)}/envelope", {"start": start, "end": end, "step": step}
        found: EnvelopeSeries = await self.request("GET", path, query=query)
        return found

    async def device_envelope(
        self, device_id: str, *, start: float | None = None, end: float | None = None, step: float = 900.0
    ) -> EnvelopeSeries:
        """The same of a device."""
        path, query = f"/devices/{segment(device_id)}/envelope", {"start": start, "end": end, "step": step}
        found: EnvelopeSeries = await self.request("GET", path, query=query)
        return found

    async def controls(self, *, state: str = "", target: str = "", defaults: bool = False) -> list[ControlRow]:
        """Controls in memory, the latest start first."""
        return await self.members("/controls", "controls", state=state, target=target, defaults=defaults or None)

    async def control(self, control_id: str) -> ControlDetail:
        """One control: responses per device, decisions, performance."""
        found: ControlDetail = await self.request("GET", f"/controls/{segment(control_id)}")
        return found

    async def report(self, control_id: str) -> ReportAnswer:
        """One control's performance per interval and target."""
        found: ReportAnswer = await self.request("GET", f"/controls/{segment(control_id)}/report")
        return found

    async def send(
        self,
        values: Mapping[str, float],
        *,
        group: str = "",
        device: str = "",
        duration_s: float | None = None,
        start: float | str | None = None,
        priority: int = 50,
        preview: bool = False,
        key: str = "",
        **more: Any,
    ) -> dict[str, Any]:
        """Send a control to a group or a device, or judge it with `preview`.

        Args:
            values: by mode, as {"set_w": 20_000.0}.
            group, device: one of them: whom it concerns.
            duration_s: none: until it is cancelled.
            start: s since 1970 or ISO 8601 with zone; none: now.
            priority: 0 to 100, larger wins.
            preview: say what would happen, change nothing.
            key: idempotency key; empty: one of its own, so that a repetition sends it once all the same.
            more: further fields of NewControl.

        Raises:
            ValueError: not exactly one of group and device.
        """
        if bool(group) == bool(device):
            raise ValueError("name a group or a device")
        target = {"kind": "group", "id": group} if group else {"kind": "device", "id": device}
        body: dict[str, Any] = {"target": target, "values": dict(values), "priority": priority, "preview": preview}
        body |= {} if duration_s is None else {"duration_s": duration_s}
        body |= {} if start is None else {"start": start}
        headers = {"Idempotency-Key": key} if key else None
        found: dict[str, Any] = await self.request("POST", "/controls", body={**body, **more}, headers=headers)
        return found

    async def cancel(self, control_id: str, reason: str = "", *, foreign: bool = False) -> ControlRow:
        """Cancel a control."""
        found: ControlRow = await self.request(
            "POST", f"/controls/{segment(control_id)}/cancel", body={"reason": reason, "foreign": foreign}
        )
        return found

    async def approve(self, control_id: str) -> dict[str, Any]:
        """Send a control that another person asked for."""
        found: dict[str, Any] = await self.request("POST", f"/approvals/{segment(control_id)}/approve", body={})
        return found

    async def decisions(self, *, control: str = "", limit: int = 100) -> list[DecisionRow]:
        """The newest decisions."""
        answer = await self.request("GET", "/decisions", query={"control": control, "limit": limit})
        found: list[DecisionRow] = answer["decisions"]
        return found

    async def alarms(self, *, state: str = "standing", kind: str = "") -> list[dict[str, Any]]:
        """Alarms, those that stand first."""
        return await self.members("/alarms", "alarms", state=state, kind=kind)

    async def acknowledge(self, alarm_id: str, reason: str = "") -> dict[str, Any]:
        """Note that somebody has seen an alarm."""
        found: dict[str, Any] = await self.request(
            "POST", f"/alarms/{segment(alarm_id)}/acknowledge", body={"reason": reason}
        )
        return found

    async def audit(self, *, limit: int = 100, **wanted: Any) -> list[dict[str, Any]]:
        """The newest changes; `wanted` as who, what, subject, since, until."""
        found: list[dict[str, Any]] = (await self.request("GET", "/audit", query={"limit": limit, **wanted}))["entries"]
        return found

    async def events(self, last_id: str = "", *, resume: bool = True) -> AsyncIterator[StreamEvent]:
        """The event stream; where it breaks off it is taken up again after the last event seen.

        Raises:
            NotReached: without `resume`, when it breaks off.
        """
        pause = 0.5
        while True:
            try:
                async for event in self._events(last_id):
                    last_id, pause = event.id or last_id, 0.5
                    yield event
            except NotReached:
                if not resume:
                    raise
            if not resume:
                return
            await asyncio.sleep(pause)
            pause = min(10.0, 2 * pause)

    async def _events(self, last_id: str) -> AsyncIterator[StreamEvent]:
        response = await self.stream("/events", last_id)
        lines = EventLines()
        try:
            async for raw in response.content:
                event = lines.feed(raw.decode("utf-8", "replace").rstrip("\r\n"))
                if event is not None:
                    yield event
        except (aiohttp.ClientError, OSError, TimeoutError) as problem:
            raise NotReached(f"{self.url}: the stream broke off: {problem or type(problem).__name__}") from problem
        finally:
            response.close()
