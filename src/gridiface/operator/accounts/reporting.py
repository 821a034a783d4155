"""The report of one control as JSON, written in parts: it may have a line for each of a hundred thousand devices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from itertools import islice

from gridiface.domain.performance import PerformanceInterval, PerformanceReport
from gridiface.operator.api.answers import text_of
from gridiface.operator.rows.present import interval_row, report_head

#: Intervals that are written at once; between two parts others have their turn.
PART = 500


async def written(
    control_id: str, responses: Mapping[str, int], reports: Sequence[PerformanceReport]
) -> AsyncIterator[bytes]:
    """The answer as JSON, a `ReportAnswer`, in parts."""
    begin = text_of({"control": control_id, "responses": responses, "targets": []}).removesuffix("]}")
    lines = 0
    parts = [begin]
    for at, report in enumerate(reports):
        long = len(report.intervals) > PART
        head = text_of(await asyncio.to_thread(report_head, report) if long else report_head(report))
        parts.append(f'{", " if at else ""}{head.removesuffix("}")}, "intervals": [')
        left, separator = iter(report.intervals), ""
        while some := list(islice(left, PART)):
            parts.append(separator + _listed(some))
            separator, lines = ", ", lines + len(some)
            if lines >= PART:
                yield "".join(parts).encode()
                parts, lines = [], 0
                await asyncio.sleep(0)
        parts.append("]}")
    yield "".join([*parts, "]}"]).encode()


def _listed(some: Iterable[PerformanceInterval]) -> str:
    """Intervals as the members of a JSON list."""
    return text_of([interval_row(one) for one in some])[1:-1]
