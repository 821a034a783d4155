"""Traces and figures to a collector that nobody here wrote the format of: OTLP's own protobuf messages are read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.waiting import until

from gridiface.app.config.load import parse_config
from gridiface.app.config.model import OtelBlock
from gridiface.app.process.otel import Otel
from gridiface.app.wiring import GridServer
from gridiface.errors import ConfigError
from gridiface.operator.metrics import METRICS

CONFIG = """\
site: small
operator: {{listen: "127.0.0.1:0"}}
otel: {{endpoint: "{url}", period_s: 1, headers: headers}}
devices:
  - {{id: inv, driver: sunspec, connection: {{host: 127.0.0.1, port: 1}}, rating: {{max_w: 1000}}}}
groups:
  - {{id: fleet, members: [inv]}}
"""


class Collector:
    """Takes OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.metrics: dict[str, Any] = {}
        self.resource: dict[str, str] = {}
        self.tokens: set[str] = set()

    async def start(self) -> str:
        app = web.Application()
        app.router.add_post("/v1/traces", self._traces)
        app.router.add_post("/v1/metrics", self._metrics)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def _traces(self, request: web.Request) -> web.Response:
        self.tokens.add(request.headers.get("Authorization", ""))
        for group in ExportTraceServiceRequest.FromString(await request.read()).resource_spans:
            self.resource = {one.key: one.value.string_value for one in group.resource.attributes}
            self.spans += [span for scope in group.scope_spans for span in scope.spans]
        return web.Response()

    async def _metrics(self, request: web.Request) -> web.Response:
        for group in ExportMetricsServiceRequest.FromString(await request.read()).resource_metrics:
            self.metrics |= {one.name: one for scope in group.scope_metrics for one in scope.metrics}
        return web.Response()


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    made = Collector()
    yield made
    await made.runner.cleanup()


async def test_spans_and_figures_of_a_whole_server_arrive(collector: Collector, tmp_path: Path, told: Any) -> None:
    url = await collector.start()
    (tmp_path / "headers").write_text("Authorization: Bearer of-the-collector\n")
    server = GridServer(parse_config(CONFIG.format(url=url), tmp_path / "g.yaml"))
    await server.start()
    try:
        body = {"target": {"kind": "group", "id": "fleet"}, "values": {"set_w": 500.0}, "duration_s": 60}
        desk = server._operator.desk  # type: ignore[union-attr]
        token = (await desk.tokens.create("t", ["control"], 1.0, server.clock.now(), by="test"))["token"]
        where = f"http://127.0.0.1:{server.ports()['operator']}/api/v1/controls"
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
            session.post(where, json=body) as answer,
        ):
            assert answer.status == 201
        await until(lambda: {"control.submit"} <= {span.name for span in collector.spans})
        await until(lambda: {"gridiface_ready", "gridiface_devices"} <= collector.metrics.keys())
        ready = collector.metrics["gridiface_ready"].gauge.data_points[0]
    finally:
        await server.stop()
    by_name = {span.name: span for span in collector.spans}
    asked, submitted = by_name["POST /api/v1/controls"], by_name["control.submit"]
    assert submitted.parent_span_id == asked.span_id
    assert submitted.trace_id == asked.trace_id
    assert {one.key: one.value.string_value for one in submitted.attributes}["protocol"] == "operator"
    assert (collector.resource["service.name"], collector.resource["gridiface.site"]) == ("gridiface", "small")
    assert collector.tokens == {"Bearer of-the-collector"}
    assert (ready.as_int or ready.as_double) == 1
    assert collector.metrics.keys() <= METRICS.keys()
    assert collector.metrics["gridiface_outcomes_total"].sum.is_monotonic
    # The audit's line holds the verdict, which is "accepted" too if the device has not failed to open by then.
    (line,) = [line for line in told if line["logger"] == "gridiface.dispatch" and " accepted: " in line["message"]]
    (audited,) = [line for line in told if "control.send" in line["message"]]
    assert line["trace_id"] == audited["trace_id"] == asked.trace_id.hex()


async def test_a_collector_that_is_away_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "headers").write_text("")
    server = GridServer(parse_config(CONFIG.format(url="http://127.0.0.1:1"), tmp_path / "g.yaml"))
    await server.start()
    try:
        assert server._ready()
    finally:
        async with asyncio.timeout(20):
            await server.stop()


@pytest.mark.parametrize(("text", "words"), [("no header", "is no header"), (None, "cannot be read")])
def test_headers_that_are_none(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "headers"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        Otel(OtelBlock(headers=path), "s", dict)
