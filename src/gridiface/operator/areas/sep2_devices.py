"""IEEE 2030.5 clients over REST: registrations, access, poll and post rates, mirrors, subscriptions, reset."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import Field
from typing_extensions import TypedDict

from gridiface.domain.fleet import Role
from gridiface.operator.api.routing import Area, Call, Reply, delete, get, post, put, unknown
from gridiface.operator.problems import Refused
from gridiface.operator.schema import Asked, Name, NoBody, NoQuery, Reason, Search
from gridiface.operator.sep2_desk import DevicesPort, acted, first_of, next_of
from gridiface.wording import worded

_LFDI = re.compile(r"[0-9A-Fa-f]{40}")
_LISTED = "GET /api/v1/sep2/end-devices lists them"
Seconds = Annotated[int, Field(ge=1, le=86_400, description="s")]


class Sep2EndDevice(TypedDict):
    """One end device. `pin` is shown where one is asked for; `granted`: its certificate is let in.

    `managed_by`: LFDIs of the aggregators that act for it.
    """

    path: str
    lfdi: str
    sfdi: int
    role: str
    device: str | None
    group: str | None
    granted: bool
    connects: bool
    in_band: bool
    changed: int
    post_rate: int
    managed_by: list[str]
    pin: int | None


class Sep2EndDevices(TypedDict):
    """A page of end devices, by number."""

    end_devices: list[Sep2EndDevice]
    total: int
    next: str | None


class Registered(Asked):
    """How a certificate is registered."""

    device: Name | None = Field(default=None, description="the fleet's device that it is; none: one of its own")
    role: Literal["device", "aggregator"] | None = Field(default=None, description="of the client; none: device")
    pin: int | None = Field(default=None, ge=0, le=999_999, description="with its check digit; none: 111115")


class Managed(Reason):
    """A device that an aggregator acts for."""

    device: Name = Field(description="LFDI of its end device, or the fleet's device that it is")


class Rate(Asked):
    """A rate."""

    seconds: Seconds


class PollRates(TypedDict):
    """pollRate by resource, s."""

    poll_rates: dict[str, int]


class Whose(Asked):
    """Of one end device, or of all."""

    lfdi: str | None = Field(default=None, max_length=40, description="only of this end device")
    reason: str = Field(default="", max_length=256, description="for the audit log")


class Count(TypedDict):
    """How many."""

    count: int


class Sep2Subscription(TypedDict):
    """One subscription: of what, by whom, to where."""

    path: str
    resource: str
    by: str
    uri: str
    limit: int


class Sep2Subscriptions(TypedDict):
    """A page of subscriptions."""

    subscriptions: list[Sep2Subscription]
    total: int
    next: str | None


class PathOf(Asked):
    """One resource of the server."""

    path: str = Field(
        max_length=512,
        pattern=worded(r"^/[A-Za-z0-9/]*$", "a path that begins with /, of letters, digits and /"),
        description="its href",
    )


class ResetDone(TypedDict):
    """How many of what were removed."""

    removed: dict[str, int]


class EndDeviceSearch(Search):
    """Which end devices."""

    role: Literal["", "device", "aggregator", "utility", "operator"] = Field(default="", description="only these")


#: What an end device can be.
ROLES = ("aggregator", "device", "operator", "utility")


class Sep2DevicesArea(Area):
    """IEEE 2030.5 clients."""

    name: ClassVar[str] = "sep2-devices"
    title: ClassVar[str] = "IEEE 2030.5: clients"

    def __init__(self, port: DevicesPort) -> None:
        self._port = port

    @get("/sep2/end-devices", "End devices by number: who is registered, and what each is; filters `q`, `role`")
    async def list_sep2_end_devices(self, call: Call[EndDeviceSearch, NoBody]) -> Sep2EndDevices:
        """One page."""
        query, first = call.query, first_of(call.query)
        found, total = self._port.find_end_devices(query.q.strip(), query.role, first, query.limit)
        return Sep2EndDevices(
            end_devices=[_row(row) for row in found], total=total, next=next_of(first, len(found), total)
        )

    @property
    def counts(self) -> Mapping[str, int]:
        """How many there are of what; see DevicesPort.counts."""
        return self._port.counts()

    @get(
        "/sep2/end-devices/{id}",
        "One end device by its LFDI, with its PIN",
        scope="configure",
        problems=(404,),
        tagged=True,
    )
    async def get_sep2_end_device(self, call: Call[NoQuery, NoBody]) -> Sep2EndDevice:
        """It."""
        return self._device(call.id)

    @put(
        "/sep2/end-devices/{id}",
        "Register a certificate by its LFDI; one that is registered stays as it is, 409 where the body says otherwise",
        scope="configure",
        problems=(409,),
        others=((201, "it was not registered before"),),
    )
    async def ensure_sep2_end_device(self, call: Call[NoQuery, Registered]) -> Reply[Sep2EndDevice]:
        """It, and whether it is new."""
        asked, lfdi = call.body, _lfdi(call.id)
        row, new = await acted(
            call,
            "sep2.end-device.register",
            lfdi,
            lambda along: self._port.ensure_end_device(
                lfdi,
                device=asked.device,
                pin=asked.pin,
                role=None if asked.role is None else Role(asked.role),
                along=along,
            ),
            after=asked.model_dump(exclude={"pin"}),
        )
        return Reply(_row(row), 201 if new else 200)

    @delete("/sep2/end-devices/{id}", "Take a registration away, with everything below it", scope="configure",
            problems=(404,), match="get_sep2_end_device")  # fmt: skip
    async def remove_sep2_end_device(self, call: Call[NoQuery, NoBody]) -> Sep2EndDevice:
        """What is gone."""
        row = self._device(call.id)
        await acted(
            call,
            "sep2.end-device.remove",
            row["lfdi"],
            lambda along: self._port.remove_end_device(row["lfdi"], along=along),
        )
        return row

    @post(
        "/sep2/end-devices/{id}/manage",
        "Put a device under an aggregator: it reads and writes what is the device's from its next request on",
        scope="configure",
        problems=(404,),
        others=((201, "it was not under it before"),),
    )
    async def manage_sep2_device(self, call: Call[NoQuery, Managed]) -> Reply[Sep2EndDevice]:
        """The device's end device as it is then."""
        lfdi, device = _lfdi(call.id), call.body.device
        row, new = await acted(
            call,
            "sep2.end-device.manage",
            device,
            lambda along: self._port.manage(lfdi, device, along=along),
            after={"aggregator": lfdi},
            reason=call.body.reason,
        )
        return Reply(_row(row), 201 if new else 200)

    @post(
        "/sep2/end-devices/{id}/release",
        "Take a device from an aggregator; its access and its subscriptions to what is the device's end",
        scope="configure",
        problems=(404, 409),
    )
    async def release_sep2_device(self, call: Call[NoQuery, Managed]) -> Sep2EndDevice:
        """The device's end device as it is then."""
        lfdi, device = _lfdi(call.id), call.body.device
        row = await acted(
            call,
            "sep2.end-device.release",
            device,
            lambda along: self._port.release(lfdi, device, along=along),
            after={"aggregator": lfdi},
            reason=call.body.reason,
        )
        return _row(row)

    @post("/sep2/end-devices/{id}/grant", "Let a certificate in again", scope="control")
    async def grant_sep2_access(self, call: Call[NoQuery, Reason]) -> Count:
        """How many end devices it concerns: 0 for a utility's certificate, else 1."""
        return await self._access(call, granted=True)

    @post(
        "/sep2/end-devices/{id}/revoke",
        "Keep a certificate out from its next request on; also a utility's. Its record is kept",
        scope="control",
    )
    async def revoke_sep2_access(self, call: Call[NoQuery, Reason]) -> Count:
        """How many end devices it concerns: 0 for a utility's certificate, else 1."""
        return await self._access(call, granted=False)

    async def _access(self, call: Call[NoQuery, Reason], *, granted: bool) -> Count:
        lfdi = _lfdi(call.id)
        await acted(
            call,
            "sep2.access.grant" if granted else "sep2.access.revoke",
            lfdi,
            lambda along: self._port.set_access(lfdi, granted=granted, along=along),
            reason=call.body.reason,
        )
        return Count(count=int(self._port.end_device(lfdi) is not None))

    @put("/sep2/end-devices/{id}/post-rate", "Set the postRate of an end device and its mirrors", scope="control",
         problems=(404,), match="get_sep2_end_device")  # fmt: skip
    async def set_sep2_post_rate(self, call: Call[NoQuery, Rate]) -> Sep2EndDevice:
        """The end device as it is then."""
        lfdi, seconds = self._device(call.id)["lfdi"], call.body.seconds
        await acted(
            call,
            "sep2.post-rate.set",
            lfdi,
            lambda along: self._port.set_post_rate(lfdi, seconds, along=along),
            after={"seconds": seconds},
        )
        return self._device(lfdi)

    @get("/sep2/poll-rates", "pollRate of every kind of resource", tagged=True)
    async def list_sep2_poll_rates(self, call: Call[NoQuery, NoBody]) -> PollRates:
        """All."""
        return PollRates(poll_rates=dict(self._port.poll_rates()))

    @put("/sep2/poll-rates/{id}", "Set the pollRate that all resources of a name show", scope="control",
         match="list_sep2_poll_rates")  # fmt: skip
    async def set_sep2_poll_rate(self, call: Call[NoQuery, Rate]) -> PollRates:
        """All, as they are then."""
        name, seconds = call.id, call.body.seconds
        await acted(
            call,
            "sep2.poll-rate.set",
            name,
            lambda along: self._port.set_poll_rate(name, seconds, along=along),
            after={"seconds": seconds},
        )
        return PollRates(poll_rates=dict(self._port.poll_rates()))

    @post("/sep2/mirrors/empty", "Forget all mirrors, or those of one end device", scope="control")
    async def empty_sep2_mirrors(self, call: Call[NoQuery, Whose]) -> Count:
        """How many are gone."""
        lfdi = None if call.body.lfdi is None else _lfdi(call.body.lfdi)
        count = await acted(
            call,
            "sep2.mirrors.empty",
            lfdi or "all",
            lambda along: self._port.empty_mirrors(lfdi, along=along),
            reason=call.body.reason,
        )
        return Count(count=count)

    @get("/sep2/subscriptions", "Subscriptions of clients")
    async def list_sep2_subscriptions(self, call: Call[Search, NoBody]) -> Sep2Subscriptions:
        """One page."""
        first = first_of(call.query)
        found, total = self._port.find_subscriptions(call.query.q.strip(), first, call.query.limit)
        return Sep2Subscriptions(
            subscriptions=[cast("Sep2Subscription", dict(row)) for row in found],
            total=total,
            next=next_of(first, len(found), total),
        )

    @post("/sep2/subscriptions/cancel", "End a subscription; its last notification says so (status 1)", scope="control",
          problems=(404,))  # fmt: skip
    async def cancel_sep2_subscription(self, call: Call[NoQuery, PathOf]) -> Count:
        """1."""
        path = call.body.path

        async def cancel(along: Any) -> bool:
            return self._port.cancel_subscription(path)

        if not await acted(call, "sep2.subscription.cancel", path, cancel):
            raise unknown("subscription", path, "GET /api/v1/sep2/subscriptions lists them")
        return Count(count=1)

    @post(
        "/sep2/reset",
        "Remove all that clients, utilities and operators made: back to configuration and fleet. For test servers",
        scope="admin",
    )
    async def reset_sep2(self, call: Call[NoQuery, Reason]) -> ResetDone:
        """How many of what are gone."""
        removed = await acted(
            call,
            "sep2.reset",
            "all",
            lambda along: self._port.reset(by=call.caller.name, along=along),
            reason=call.body.reason,
        )
        return ResetDone(removed=dict(removed))

    def end_device(self, lfdi: str) -> Sep2EndDevice:
        """One end device, without its PIN.

        Raises:
            Refused: 404, it is not registered.
        """
        return cast("Sep2EndDevice", {**self._device(lfdi), "pin": None})

    def _device(self, lfdi: str) -> Sep2EndDevice:
        row = self._port.end_device(lfdi.upper()) if _LFDI.fullmatch(lfdi) else None
        if row is None:
            raise unknown("end device", lfdi, _LISTED)
        return _row(row)


def _lfdi(text: str) -> str:
    if not _LFDI.fullmatch(text):
        raise Refused(422, "an LFDI is 40 hexadecimal digits", "`gridiface pki lfdi CERTIFICATE` prints it")
    return text.upper()


def _row(row: Mapping[str, Any]) -> Sep2EndDevice:
    return cast("Sep2EndDevice", dict(row))
