"""Drivers and their devices, and the checklist of a first day. Reads only."""

from __future__ import annotations

from collections import Counter

from aiohttp import web

from gridiface.operator.screens.house import House
from gridiface.operator.server import Page

_SHOWN = 100


class FleetPartsScreen:
    """`/drivers` and `/start`."""

    def __init__(self, house: House) -> None:
        self._house = house

    def pages(self) -> list[Page]:
        """All routes."""
        page = self._house.page
        return [
            page("/drivers", self.drivers, confined=True),
            page("/start", self.start),
        ]

    async def drivers(self, request: web.Request) -> web.StreamResponse:
        """How many devices of each driver answer, and which do not."""
        status, now, view = self._house.status, self._house.now(), self._house.view(request)
        qualities = status.qualities(now)
        total: Counter[str] = Counter()
        heard: Counter[str] = Counter()
        for device in view.devices():
            total[device.driver] += 1
            heard[device.driver] += qualities.get(device.id) in {"good", "estimated"}
        rows = [(name, count, heard[name]) for name, count in sorted(total.items())]
        troubles = self._house.troubles(view.these(status.troubled(now))[:_SHOWN])
        return self._house.frame.page(request, "drivers.html", rows=rows, troubles=troubles)

    async def start(self, request: web.Request) -> web.StreamResponse:
        """What is done and what is not on the way to a fleet that is controlled."""
        status, desk, now = self._house.status, self._house.desk, self._house.now()
        parts = {part.name.split()[0]: part for part in desk.parts()}
        controls = [one for one in status.controls() if not one.is_default]
        online = status.device_counts(now)["online"]
        northbound = {"sep2", "vtn", "ven", "dnp3"} & parts.keys()
        steps = [
            (
                desk.users.has_admin(),
                "Somebody can sign in as an admin",
                "the link is printed by gridiface serve",
                "/users",
            ),
            (bool(status.fleet.devices()), "Devices are configured", "add them under devices: in the file", "/devices"),
            (online > 0, "A device tells its state", "gridiface doctor looks at connections", "/drivers"),
            (bool(status.fleet.groups()), "A group offers them as one", "add it under groups: in the file", "/groups"),
            (bool(northbound), "A protocol listens to the outside", "add sep2:, openadr: or dnp3:", "/"),
            (bool(desk.peers), "A peer is known by name", "add clients with their certificates", "/certificates"),
            (bool(controls), "A control has come in", "send one yourself, or let the utility do it", "/controls/new"),
            (
                any(map(status.has_run, controls)),
                "It was carried out and measured",
                "the control's page shows who did what",
                "/performance",
            ),
        ]
        return self._house.frame.page(request, "start.html", steps=steps, done=sum(step[0] for step in steps))
