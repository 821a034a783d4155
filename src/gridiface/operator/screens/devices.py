"""The fleet as a list that is searched and paged, and one device with everything that is known of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from gridiface.domain.clock import Instant
from gridiface.domain.fleet import Device, DeviceKind
from gridiface.naming import in_order
from gridiface.operator.api.bodies import name_of
from gridiface.operator.areas.devices import DevicesArea
from gridiface.operator.auth.access import CALLER
from gridiface.operator.problems import Refused
from gridiface.operator.rows.rows import ReadingRow
from gridiface.operator.screens.forms import acting, form_of, part_of
from gridiface.operator.screens.house import House, see_other
from gridiface.operator.server import Page

#: Devices on one page; points of a plot; how far back a plot may go, s.
_SHOWN, _POINTS, _LONGEST_S = 50, 600, 3600.0

#: What can be looked for, by word.
SHOW = {"": "all", "troubled": "needs attention", "online": "online", "blocked": "blocked", "silent": "silent"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reader looks for."""

    text: str
    group: str
    driver: str
    show: str
    page: int

    @classmethod
    def of(cls, request: web.Request) -> Wanted:
        """From the query string; what cannot be is taken as not given."""
        query = request.query
        number = query.get("page", "1")
        page = int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1
        show = query.get("show", "")
        return cls(
            query.get("q", "").strip()[:100],
            query.get("group", "")[:128],
            query.get("driver", "")[:64],
            show if show in SHOW else "",
            max(1, page),
        )

    def link(self, page: int) -> str:
        """The address of another page of the same search."""
        given = {"q": self.text, "group": self.group, "driver": self.driver, "show": self.show, "page": page}
        return "/devices?" + urlencode({name: value for name, value in given.items() if value})


class DevicesScreen:
    """`/devices` and `/devices/{id}`.

    Args:
        house: what all screens share.
        defines: whether devices can be added, moved and removed here.
    """

    def __init__(self, house: House, *, defines: bool = False) -> None:
        self._house = house
        self._defines = defines
        self._area = DevicesArea(house.desk)

    def pages(self) -> list[Page]:
        """All routes."""
        page = self._house.page
        return [
            page("/devices", self.show, confined=True),
            page("/parts/devices", self.renew, confined=True),
            page("/devices/{id}", self.show_one, confined=True),
            page("/parts/devices/{id}", self.renew_one, confined=True),
            page("/devices/{id}/block", self.block, scope="control", method="POST", confined=True),
            page("/devices/{id}/unblock", self.unblock, scope="control", method="POST", confined=True),
        ]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The list."""
        view = self._house.view(request)
        drivers = sorted({device.driver for device in view.devices()})
        return self._house.frame.page(
            request,
            "devices.html",
            defines=self._defines,
            kinds=list(DeviceKind),
            groups=view.groups(),
            drivers=drivers,
            choices=SHOW,
            **self._found(request),
        )

    async def renew(self, request: web.Request) -> web.StreamResponse:
        """The rows anew."""
        return self._house.frame.fragment(request, "parts/devices.html", **self._found(request))

    def _found(self, request: web.Request) -> dict[str, Any]:
        wanted, status, view = Wanted.of(request), self._house.status, self._house.view(request)
        now = self._house.now()
        fits = self._filter(wanted, now)
        all_ = view.devices()
        found = sorted((device for device in all_ if fits(device)), key=lambda device: in_order(device.id))
        pages = max(1, -(-len(found) // _SHOWN))
        page = min(wanted.page, pages)
        begin = (page - 1) * _SHOWN
        rows = []
        for device in found[begin : begin + _SHOWN]:
            row = status.device_row(device)
            rows.append((row, status.why(row)))
        return {
            "wanted": wanted,
            "rows": rows,
            "total": len(found),
            "all": len(all_),
            "page": page,
            "pages": pages,
            "first": begin + 1 if found else 0,
            "last": begin + len(rows),
        }

    def _filter(self, wanted: Wanted, now: Instant) -> Callable[[Device], bool]:
        status = self._house.status
        members = frozenset(status.fleet.members(wanted.group)) if wanted.group else None
        qualities = status.qualities(now) if wanted.show in {"online", "silent"} else {}
        text = wanted.text.lower()
        chosen: dict[str, Callable[[str], bool]] = {
            "": lambda _: True,
            "troubled": frozenset(status.troubled(now)).__contains__ if wanted.show == "troubled" else bool,
            "online": lambda name: qualities.get(name) in {"good", "estimated"},
            "silent": lambda name: qualities.get(name) in {None, "bad", "stale"},
            "blocked": status.is_blocked,
        }
        shows = chosen[wanted.show]

        def fits(device: Device) -> bool:
            if (members is not None and device.id not in members) or wanted.driver not in {"", device.driver}:
                return False
            return shows(device.id) and (not text or matches(device, text))

        return fits

    # --- one device -----------------------------------------------------------------------------------------------

    async def show_one(self, request: web.Request) -> web.StreamResponse:
        """One device."""
        values = await self._one(request)
        detail: dict[str, Any] = values["device"]
        back = request.query.get("minutes", "5")
        seconds = min(_LONGEST_S, 60.0 * int(back)) if back.isascii() and back.isdigit() and len(back) < 4 else 300.0
        now = self._house.now()
        readings = await self._house.desk.records.readings(detail["id"], start=now - seconds, end=now + 1)
        deliveries = await self._house.desk.records.deliveries(detail["id"], start=now - seconds, end=now + 1)
        told = [(one.at, one.setpoint.active_power_w) for one in deliveries if one.outcome != "unchanged"]
        measured = [(one.source_time, one.value) for one in readings if one.quantity == "W" and one.phase == "ABC"]
        charge = [(one.source_time, 100 * one.value) for one in readings if one.quantity == "soc"]
        power = joined(told, measured, now)
        return self._house.frame.page(
            request,
            "device.html",
            minutes=int(seconds // 60),
            defines=self._defines,
            all_groups=[group for group in self._house.view(request).groups() if not group.parent or group.members],
            power=power,
            charge=beside(power[0], thin(charge)),
            newest=newest(detail["readings"]),
            seen=self._house.desk.certificates.seen(detail["identities"].get("lfdi", "")),
            **values,
        )

    async def renew_one(self, request: web.Request) -> web.StreamResponse:
        """What changes of one device."""
        return self._house.frame.fragment(
            request, "parts/device.html", part=part_of(request), **await self._one(request)
        )

    async def _one(self, request: web.Request) -> dict[str, Any]:
        device = self._device(request)
        detail = await self._area.detail(device, 60.0, request[CALLER])
        return {"device": detail, "why": detail["why"], "now": self._house.now()}

    async def block(self, request: web.Request) -> web.StreamResponse:
        """Release the device and leave it out."""
        device, form = self._device(request), await form_of(request)
        who = acting(request, "control").name
        await self._house.desk.blocks.block(device.id, self._house.now(), by=who, reason=form.text("reason"))
        return see_other("devices", device.id)

    async def unblock(self, request: web.Request) -> web.StreamResponse:
        """Let the device take part again."""
        device, form = self._device(request), await form_of(request)
        who = acting(request, "control").name
        await self._house.desk.blocks.unblock(device.id, self._house.now(), by=who, reason=form.text("reason"))
        return see_other("devices", device.id)

    def _device(self, request: web.Request) -> Device:
        device = self._house.status.fleet.device(name_of(request))
        if device is None or not self._house.view(request).device(device.id):
            raise Refused(404, f"there is no device {request.match_info['id'][:64]!r}", "the list has all of them")
        return device


def beside(times: Sequence[Any], points: Points) -> list[list[Any]]:
    """The columns of a plot that stands below another one, over the same time: [times], [values], null at its ends."""
    if not points:
        return [[], []]
    before = [(times[0], None)] if times and times[0] < points[0][0] else []
    after = [(times[-1], None)] if times and times[-1] > points[-1][0] else []
    whole: list[tuple[float, float | None]] = [*before, *points, *after]
    return [[at for at, _ in whole], [value for _, value in whole]]


def matches(device: Device, text: str) -> bool:
    """Whether a device's id, name, kind, make or one of its identities contains a text in lower case."""
    plate = device.nameplate
    words = (device.id, device.name, device.kind, plate.manufacturer, plate.model, plate.serial)
    # One text to look through: a fleet has ten thousand devices. What is searched for holds no line end.
    return text in "\n".join((*words, *device.identities.values())).lower()


Points = Sequence[tuple[float, float | None]]


def thin(points: Points, most: int = _POINTS) -> Points:
    """Every so-many-th point, the last among them."""
    step = -(-len(points) // most)
    return points if step <= 1 else [*points[::-step]][::-1]


def joined(told: Points, measured: Points, now: float) -> list[list[float | None]]:
    """(times, told, measured) on one time axis; what was told holds until it is told anew.

    Args:
        told, measured: (time, W), by time.
        now: the end of the axis.
    """
    measured = thin(measured)
    times = sorted({at for at, _ in told} | {at for at, _ in measured} | ({now} if told or measured else set()))
    tells, measures = dict(told), dict(measured)
    columns: list[list[float | None]] = [[], [], []]
    holds: float | None = None
    for at in times:
        holds = tells.get(at, holds)
        columns[0].append(round(at, 2))
        columns[1].append(holds)
        columns[2].append(measures.get(at))
    return columns if not measures else _bridged(columns)


def _bridged(columns: list[list[float | None]]) -> list[list[float | None]]:
    """Measured values between two samples on a straight line, so that a line is drawn through."""
    times, _, values = columns
    known = [index for index, value in enumerate(values) if value is not None]
    for left, right in pairwise(known):
        first, last = values[left], values[right]
        start, end = times[left], times[right]
        assert first is not None
        assert last is not None
        assert start is not None
        assert end is not None
        if right - left == 1 or end - start > 30.0:
            continue
        for index in range(left + 1, right):
            moment = times[index]
            assert moment is not None
            values[index] = first + (last - first) * (moment - start) / (end - start)
    return columns


def newest(readings: Sequence[ReadingRow]) -> list[ReadingRow]:
    """The newest reading of each quantity and phase."""
    found = {(row["quantity"], row["phase"]): row for row in readings}
    return [found[key] for key in sorted(found)]
