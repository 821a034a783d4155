"""The same operations for scripts and notebooks: each call waits for its answer. Works beside a running loop, too."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator, Mapping
from typing import Any, Self, TypeVar

from gridiface.client.aio import AsyncClient
from gridiface.client.blocking_resources import BlockingResources
from gridiface.client.events import StreamEvent
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

_T = TypeVar("_T")


class Client(BlockingResources):
    """See AsyncClient, whose methods these are. Use it as `with Client(...) as grid`, or `close` it.

    Args:
        url, options: as for Transport.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self._async: AsyncClient = AsyncClient(url, **options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gridiface client", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections; a second call does nothing."""
        if not self._loop.is_closed():
            self._run(self._async.close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def status(self) -> StatusAnswer:
        """Everything the overview shows."""
        return self._run(self._async.status())

    def devices(self, *, group: str = "", driver: str = "", quality: str = "") -> list[DeviceRow]:
        """All devices that fit."""
        return self._run(self._async.devices(group=group, driver=driver, quality=quality))

    def device(self, device_id: str, *, readings_s: float = 120.0) -> DeviceDetail:
        """All that is known of one device."""
        return self._run(self._async.device(device_id, readings_s=readings_s))

    def block(self, device_id: str, reason: str = "") -> DeviceRow:
        """Release a device and leave it out until it is unblocked."""
        return self._run(self._async.block(device_id, reason))

    def unblock(self, device_id: str, reason: str = "") -> DeviceRow:
        """Let a blocked device take part again."""
        return self._run(self._async.unblock(device_id, reason))

    def groups(self) -> list[GroupRow]:
        """All groups: asked, told, done."""
        return self._run(self._async.groups())

    def group(self, group_id: str) -> GroupDetail:
        """One group."""
        return self._run(self._async.group(group_id))

    def group_envelope(self, group_id: str, **span: Any) -> EnvelopeSeries:
        """What a group can be counted on for over the coming hours; `start`, `end`, `step` as of the other client."""
        return self._run(self._async.group_envelope(group_id, **span))

    def device_envelope(self, device_id: str, **span: Any) -> EnvelopeSeries:
        """The same of a device."""
        return self._run(self._async.device_envelope(device_id, **span))

    def controls(self, *, state: str = "", target: str = "", defaults: bool = False) -> list[ControlRow]:
        """Controls in memory, the latest start first."""
        return self._run(self._async.controls(state=state, target=target, defaults=defaults))

    def control(self, control_id: str) -> ControlDetail:
        """One control: responses per device, decisions, performance."""
        return self._run(self._async.control(control_id))

    def report(self, control_id: str) -> ReportAnswer:
        """One control's performance per interval and target."""
        return self._run(self._async.report(control_id))

    def send(self, values: Mapping[str, float], **options: Any) -> dict[str, Any]:
        """Send a control, or judge it with `preview`; see AsyncClient.send."""
        return self._run(self._async.send(values, **options))

    def cancel(self, control_id: str, reason: str = "", *, foreign: bool = False) -> ControlRow:
        """Cancel a control."""
        return self._run(self._async.cancel(control_id, reason, foreign=foreign))

    def approve(self, control_id: str) -> dict[str, Any]:
        """Send a control that another person asked for."""
        return self._run(self._async.approve(control_id))

    def decisions(self, *, control: str = "", limit: int = 100) -> list[DecisionRow]:
        """The newest decisions."""
        return self._run(self._async.decisions(control=control, limit=limit))

    def alarms(self, *, state: str = "standing", kind: str = "") -> list[dict[str, Any]]:
        """Alarms, those that stand first."""
        return self._run(self._async.alarms(state=state, kind=kind))

    def acknowledge(self, alarm_id: str, reason: str = "") -> dict[str, Any]:
        """Note that somebody has seen an alarm."""
        return self._run(self._async.acknowledge(alarm_id, reason))

    def audit(self, *, limit: int = 100, **wanted: Any) -> list[dict[str, Any]]:
        """The newest changes."""
        return self._run(self._async.audit(limit=limit, **wanted))

    def request(self, method: str, path: str, **options: Any) -> Any:
        """Any operation of the API; see Transport.request."""
        return self._run(self._async.request(method, path, **options))

    def events(self, last_id: str = "", *, resume: bool = True) -> Iterator[StreamEvent]:
        """The event stream; see AsyncClient.events."""
        source = self._async.events(last_id, resume=resume)
        try:
            while True:
                event = self._run(_next(source))
                if event is None:
                    return
                yield event
        finally:
            with contextlib.suppress(RuntimeError):
                self._run(source.aclose())  # type: ignore[attr-defined]  # it is a generator

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        if self._loop.is_closed():
            work.close()
            raise RuntimeError("the client is closed")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


async def _next(source: Any) -> StreamEvent | None:
    try:
        found: StreamEvent = await anext(source)
    except StopAsyncIteration:
        return None
    return found
