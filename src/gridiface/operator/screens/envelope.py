"""What a group or a device can be counted on for over the coming hours, drawn and as a table."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.envelope import Cause
from gridiface.operator.api.bodies import name_of
from gridiface.operator.areas.envelope import EnvelopeArea, EnvelopeQuery, EnvelopeRow
from gridiface.operator.auth.access import CALLER
from gridiface.operator.screens.house import House
from gridiface.operator.server import Page

#: Times that can be chosen: hours, and steps in s.
SPANS = {"6": ("6 hours", 900.0), "24": ("a day", 900.0), "72": ("3 days", 3_600.0), "168": ("a week", 7_200.0)}

#: What holds a bound back, as people read it.
CAUSES = {
    Cause.ENERGY: "stored energy",
    Cause.CURVE: "charge curve",
    Cause.DAY: "daily cap",
    Cause.DOUBT: "charge in doubt",
    Cause.NATURAL: "sun or demand",
    Cause.LEVELS: "levels it knows",
    Cause.DEPARTURE: "must be ready",
    Cause.GONE: "departed by then",
    Cause.AWAY: "opted out",
    Cause.TIMES: "least times",
    Cause.ASKED: "a control of its own",
    Cause.LIMIT: "limit",
    Cause.BLOCKED: "blocked",
    Cause.DISABLED: "not enabled",
    Cause.LOCAL: "in local control",
    Cause.UNUSABLE: "disconnected or at fault",
    Cause.QUARANTINED: "quarantined",
    Cause.FAILING: "failing",
    Cause.SILENT: "silent",
    Cause.UNABLE: "takes no power",
}


class EnvelopeScreen:
    """`/groups/{id}/envelope` and `/devices/{id}/envelope`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._area = EnvelopeArea(house.desk)

    def pages(self) -> list[Page]:
        """Its routes."""
        page = self._house.page
        return [
            page("/groups/{id}/envelope", self.of_group, confined=True),
            page("/devices/{id}/envelope", self.of_device, confined=True),
        ]

    async def of_group(self, request: web.Request) -> web.StreamResponse:
        """A group's."""
        return await self._show(request, Target(TargetKind.GROUP, name_of(request)))

    async def of_device(self, request: web.Request) -> web.StreamResponse:
        """A device's."""
        return await self._show(request, Target(TargetKind.DEVICE, name_of(request)))

    async def _show(self, request: web.Request, target: Target) -> web.StreamResponse:
        given = request.query.get("hours", "24")
        hours = given if given in SPANS else "24"
        now, (_, step) = self._house.now(), SPANS[hours]
        query = EnvelopeQuery(start=now, end=now + 3_600.0 * float(hours), step=step)
        series = await self._area.series(target, query, request[CALLER], now)
        return self._house.frame.page(
            request,
            "envelope.html",
            kind=target.kind.value,
            target=target.id,
            target_name=self._house.name_of(target.kind.value, target.id),
            spans=series["spans"],
            points=columns(series["spans"]),
            hours=hours,
            choices=[(value, word) for value, (word, _) in SPANS.items()],
            causes={cause.value: words for cause, words in CAUSES.items()},
            now=now,
        )


def columns(spans: list[EnvelopeRow]) -> list[list[Any]]:
    """The columns of the plot: times, most, least, planned; each holds from its time on."""
    times = [one["start"] for one in spans] + [spans[-1]["end"]]
    lines: list[list[Any]] = [
        [one["max_w"] for one in spans],
        [one["min_w"] for one in spans],
        [one["planned_w"] for one in spans],
    ]
    return [times, *(line + line[-1:] for line in lines)]
