"""What came of all controls over a time: sums by program, control, group or device. Reads through the API's area."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from gridiface.domain.clock import Instant
from gridiface.operator.accounts.summing import By
from gridiface.operator.areas.performance import PerformanceArea, PerformanceQuery, PerformanceRow
from gridiface.operator.screens.house import House
from gridiface.operator.screens.paging import has, paged
from gridiface.operator.server import Page

#: The two pages about performance.
SECTIONS = (("/performance", "By control"), ("/performance/sums", "Over time"))

#: Times that can be chosen, s.
SPANS = (("3600", "an hour"), ("86400", "a day"), ("604800", "a week"), ("2592000", "30 days"))

_FIELDS = ("by", "span", "end", "q", "defaults")


class SumsScreen:
    """`/performance/sums`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._area = PerformanceArea(house.desk)

    def pages(self) -> list[Page]:
        """Its route."""
        return [self._house.page("/performance/sums", self.sums, confined=True)]

    async def sums(self, request: web.Request) -> web.StreamResponse:
        """Sums over the last hour, day, week or month, or over one before it."""
        given = {name: request.query.get(name, "").strip()[:128] for name in _FIELDS}
        by = By(given["by"]) if given["by"] in set(By) else By.PROGRAM
        span = given["span"] if given["span"] in dict(SPANS) else "86400"
        now, length = self._house.now(), float(span)
        end = _instant(given["end"], now)
        defaults = given["defaults"] == "true"
        until = now if end is None else end
        asked = PerformanceQuery(by=by, start=max(0.0, until - length), end=end, defaults=defaults)
        start, until, rows = await self._area.rows(self._house.call(request, asked))
        fits = [row for row in rows if has(given["q"], row["name"], row["identity"] or "", row["target"] or "")]

        def link(at: Instant | None) -> str:
            times = {} if at is None or at >= now else {"end": f"{at:.3f}"}
            kept = {name: given[name] for name in ("q", "defaults") if given[name]}
            return "/performance/sums?" + urlencode({"by": by.value, "span": span, **times, **kept})

        return self._house.frame.page(
            request,
            "performance_sums.html",
            sections=SECTIONS,
            listed=paged(fits, request.query, "/performance/sums", _FIELDS).with_rows(self._shown),
            by=by.value,
            kinds=[one.value for one in By],
            span=span,
            spans=SPANS,
            start=start,
            end=until,
            fixed=given["end"] if end is not None else "",
            text=given["q"],
            defaults=defaults,
            earlier=link(until - length) if start > 0 else None,
            later=None if end is None else link(end + length),
        )

    def _shown(self, row: PerformanceRow) -> dict[str, Any]:
        target = row["target"]
        kind = "group" if target is not None and self._house.status.fleet.group(target) is not None else "device"
        return {**row, "target_kind": kind}


def _instant(text: str, now: Instant) -> Instant | None:
    """The end that is asked for; None: until now."""
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) and 0 < found < now else None
