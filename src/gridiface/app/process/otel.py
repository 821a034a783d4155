"""Traces and figures over OTLP, for OpenTelemetry collectors. Needs the optional packages of `gridiface[otel]`.

Spans come from tracing.py's hook, figures are those of /metrics under the same names. A collector that is away costs
nothing but the spans that did not fit into the queue; the exporters' own threads do the sending.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import TimeoutError as Late
from contextlib import contextmanager
from typing import Any

from gridiface import __version__, tracing
from gridiface.app.config.model import OtelBlock
from gridiface.errors import ConfigError
from gridiface.logfields import about
from gridiface.operator.metrics import METRICS, Sample

_log = logging.getLogger("gridiface.otel")

#: How long the exporter's thread waits for figures of the event loop, and the loop for the last export, s.
_FIGURES_S, _LAST_S = 5.0, 3.0

Figures = Callable[[], Mapping[str, list[Sample]]]


class Otel:
    """The way to one collector. Call `start` inside the running loop, `stop` last.

    Args:
        block: where to, and what.
        site: name of the installation.
        figures: what /metrics tells now; called on the loop's own thread.

    Raises:
        ConfigError: the packages are not installed, or the file with the headers cannot be read.
    """

    def __init__(self, block: OtelBlock, site: str, figures: Figures) -> None:
        self._block, self._figures = block, figures
        self._headers = _headers(block)
        try:
            self._trace = importlib.import_module("opentelemetry.trace")
            self._sdk_trace = importlib.import_module("opentelemetry.sdk.trace")
            self._export = importlib.import_module("opentelemetry.sdk.trace.export")
            self._sdk_metrics = importlib.import_module("opentelemetry.sdk.metrics")
            self._reading = importlib.import_module("opentelemetry.sdk.metrics.export")
            self._metrics = importlib.import_module("opentelemetry.metrics")
            resources = importlib.import_module("opentelemetry.sdk.resources")
            otlp = "opentelemetry.exporter.otlp.proto.http"
            self._otlp_traces = importlib.import_module(f"{otlp}.trace_exporter")
            self._otlp_metrics = importlib.import_module(f"{otlp}.metric_exporter")
        except ImportError as problem:
            text = "the block otel needs the OpenTelemetry SDK; install gridiface[otel]"
            raise ConfigError(text) from problem
        told = {"service.name": block.service_name, "service.version": __version__, "gridiface.site": site}
        self._resource = resources.Resource.create(told)
        self._traces: Any = None
        self._meters: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to send."""
        self._loop = asyncio.get_running_loop()
        base = self._block.endpoint.rstrip("/")
        if self._block.traces:
            self._traces = self._sdk_trace.TracerProvider(resource=self._resource, shutdown_on_exit=False)
            exporter = self._otlp_traces.OTLPSpanExporter(endpoint=f"{base}/v1/traces", headers=self._headers)
            self._traces.add_span_processor(self._export.BatchSpanProcessor(exporter, schedule_delay_millis=1_000))
            tracer = self._traces.get_tracer("gridiface", __version__)
            tracing.install(lambda name, attributes: self._span(tracer, name, attributes))
        if self._block.metrics:
            out = self._otlp_metrics.OTLPMetricExporter(endpoint=f"{base}/v1/metrics", headers=self._headers)
            reader = self._reading.PeriodicExportingMetricReader(
                out, export_interval_millis=self._block.period_s * 1_000.0
            )
            self._meters = self._sdk_metrics.MeterProvider(
                metric_readers=[reader], resource=self._resource, shutdown_on_exit=False
            )
            self._observe(self._meters.get_meter("gridiface", __version__))
        _log.info("traces and figures go to %s", base)

    async def stop(self) -> None:
        """Send what is left, for a short time, and end."""
        tracing.install(None)
        ended = [asyncio.to_thread(one.shutdown) for one in (self._traces, self._meters) if one is not None]
        if ended:
            try:
                await asyncio.wait_for(asyncio.gather(*ended, return_exceptions=True), _LAST_S)
            except TimeoutError:
                _log.info("the collector did not take the last spans and figures")

    @contextmanager
    def _span(self, tracer: Any, name: str, attributes: Mapping[str, str]) -> Iterator[None]:
        """One span; log records inside name it."""
        with tracer.start_as_current_span(name, attributes={k: v for k, v in attributes.items() if v}) as span:
            told = span.get_span_context()
            with about(trace_id=f"{told.trace_id:032x}", span_id=f"{told.span_id:016x}"):
                yield

    def _observe(self, meter: Any) -> None:
        for name, (kind, text) in METRICS.items():
            make = meter.create_observable_counter if kind == "counter" else meter.create_observable_gauge
            make(name, callbacks=[lambda options, name=name: self._samples(name)], description=text)

    def _samples(self, name: str) -> Iterable[Any]:
        """The present samples of one metric; called on the exporter's thread."""
        loop = self._loop
        if loop is None or loop.is_closed() or not loop.is_running():
            return []

        async def look() -> list[Sample]:
            return list(self._figures()[name])

        try:
            found = asyncio.run_coroutine_threadsafe(look(), loop).result(_FIGURES_S)
        except Late:
            return []
        return [self._metrics.Observation(value, dict(labels)) for labels, value in found]


def _headers(block: OtelBlock) -> dict[str, str]:
    """Headers of a file with one `Name: value` a line; they often hold a token.

    Raises:
        ConfigError: it cannot be read, or a line is no header.
    """
    if block.headers is None:
        return {}
    try:
        lines = block.headers.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"otel.headers {block.headers}: cannot be read: {problem}; name a text file") from problem
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        name, sign, value = line.partition(":")
        if line.strip() and (not sign or not name.strip()):
            raise ConfigError(f"{block.headers}:{number}: is no header; write Name: value")
        if line.strip():
            found[name.strip().lower()] = value.strip()
    return found
