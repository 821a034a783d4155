"""IEEE 2030.5 resources over REST: any resource, and what a utility writes; messages, prices, events, files."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Protocol, Self

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from gridiface.domain.changes import Change
from gridiface.operator.api.bodies import MAX_BYTES
from gridiface.operator.api.routing import Area, Call, Reply, etag_of, get, post
from gridiface.operator.problems import Refused
from gridiface.operator.schema import Asked, Name, NoBody, NoQuery, Text
from gridiface.operator.sep2_desk import acted, shown
from gridiface.wording import worded

Words = dict[str, Any]
#: Longest file that is handed in, as base64: 18 million octets.
_FILE_TEXT = 24_000_000
Path = Annotated[
    str,
    Field(
        max_length=512,
        pattern=worded(r"^/[A-Za-z0-9/]*$", "a path that begins with /, of letters, digits and /"),
        description="href on the server",
    ),
]


class ResourcesPort(Protocol):
    """Resources of our server; northbound.sep2 has it."""

    def show(self, path: str, *, start: int, limit: int) -> Words:
        """A resource or a page of a list."""
        ...

    async def create(
        self, path: str, resource: Any, *, by: str, device: str | None, group: str | None, along: Sequence[Change]
    ) -> tuple[str, bool]:
        """Add to a list; its path, and whether it is new."""
        ...

    async def replace(self, path: str, resource: Any, *, by: str, along: Sequence[Change]) -> None:
        """Replace."""
        ...

    async def remove(self, path: str, *, by: str, along: Sequence[Change]) -> None:
        """Remove."""
        ...

    async def cancel(self, path: str, *, randomised: bool, reason: str, by: str, along: Sequence[Change]) -> Words:
        """Cancel an event."""
        ...

    async def add_file(
        self, file: Words, octets: bytes, *, by: str, device: str | None, group: str | None, along: Sequence[Change]
    ) -> Words:
        """Offer a file with its octets."""
        ...

    async def message(self, asked: Mapping[str, Any], *, by: str, along: Sequence[Change]) -> Words:
        """A TextMessage."""
        ...

    async def price(self, asked: Mapping[str, Any], *, by: str, along: Sequence[Change]) -> Words:
        """A TimeTariffInterval."""
        ...

    async def demand_response(self, asked: Mapping[str, Any], *, by: str, along: Sequence[Change]) -> Words:
        """An EndDeviceControl."""
        ...


class ShowQuery(Asked):
    """Which resource."""

    href: Path
    start: int = Field(default=0, ge=0, description="of a list: ordinal of the first member")
    limit: int = Field(default=100, ge=0, le=1000, description="of a list: most members")


class Whom(Asked):
    """Whom it is for; neither: every registered device."""

    device: Name | None = Field(default=None, description="only this device of the fleet")
    group: Name | None = Field(default=None, description="only the devices of this group")


class NewResource(Whom):
    """What is added to a list. `device` or `group` only for what is published as a whole (/dr, /tp, /msg ...)."""

    path: Path
    resource: Words = Field(description="element names and values, as the standard names them")


class OtherResource(Asked):
    """What takes the place of a resource."""

    path: Path
    resource: Words = Field(description="element names and values, as the standard names them")


class Removing(Asked):
    """What is removed."""

    path: Path
    reason: Text = Field(default="", description="for the audit log")


class CancelEvent(Asked):
    """Which event is cancelled, and how."""

    path: Path
    randomised: bool = Field(default=False, description="devices end it after their random delay")
    reason: Text = Field(default="", description="for devices and the audit log")


class Timed(Whom):
    """When it holds; `instead` names the live event whose place it takes, for the same devices."""

    instead: Path | None = Field(default=None, description="event that is cancelled once this one is there")

    start: float | None = Field(default=None, ge=0, le=1e11, description="s since 1970 UTC; none: now")
    duration: int = Field(default=3600, ge=1, le=0xFFFFFFFF, description="s")

    @model_validator(mode="after")
    def _whose(self) -> Self:
        if self.instead is not None and (self.device is not None or self.group is not None):
            raise ValueError("what takes the place of another is for the same devices: name no device or group")
        return self


class NewMessage(Timed):
    """A text to people."""

    text: str = Field(min_length=1, max_length=1000, description="what they read")
    language: str = Field(default="en", min_length=2, max_length=16, description="locale of the text")
    priority: int = Field(default=1, ge=0, le=3, description="0 low, 1 normal, 2 high, 3 critical")
    originator: str | None = Field(default=None, max_length=20, description="who says so")


class NewPrice(Timed):
    """A price per kWh."""

    price: float = Field(ge=-20_000, le=20_000, allow_inf_nan=False, description="per kWh, in the currency")
    currency: int = Field(default=840, ge=0, le=999, description="number of ISO 4217")
    tier: int = Field(default=0, ge=0, le=15, description="touTier")


class NewDrEvent(Timed):
    """A demand response event."""

    asked: Words = Field(description="DutyCycle, Offset, SetPoint, TargetReduction, ApplianceLoadReduction: values")
    category: str = Field(
        default="00000000",
        pattern=worded(r"^[0-9A-Fa-f]{8}$", "8 hexadecimal digits"),
        description="deviceCategory in hex; 0: all",
    )
    mandatory: bool = Field(default=False, description="drProgramMandatory")
    primacy: int = Field(default=0, ge=0, le=255, description="of its program")
    randomize_start: int = Field(default=0, ge=-3600, le=3600, description="s")
    randomize_duration: int = Field(default=0, ge=-3600, le=3600, description="s")


class NewFile(Whom):
    """A file for download, with its octets."""

    model: Text = Field(description="mfModel that it is for")
    version: str = Field(max_length=16, description="mfVer")
    maker: int = Field(default=0, ge=0, le=0xFFFFFFFF, description="mfID, an IANA enterprise number")
    type: str = Field(
        default="00",
        pattern=worded(r"^[0-9A-Fa-f]{2,4}$", "2 to 4 hexadecimal digits"),
        description="00 software, 01 credential",
    )
    activate: int | None = Field(default=None, ge=0, description="when it is to be activated, s since 1970 UTC")
    content: str = Field(max_length=_FILE_TEXT, description="its octets, base64")


class Sep2Where(TypedDict):
    """Where a resource is."""

    path: str


class Sep2ResourcesArea(Area):
    """IEEE 2030.5 resources."""

    name: ClassVar[str] = "sep2-resources"
    title: ClassVar[str] = "IEEE 2030.5: resources, messages, prices, demand response, files"
    screens: ClassVar[str] = "gridiface.operator.screens.sep2_writing:Sep2Writing"

    def __init__(self, port: ResourcesPort) -> None:
        self._port = port

    @get("/sep2/resource", "Any resource as the utility sees it; of a list, one page", problems=(404,), tagged=True)
    async def get_sep2_resource(self, call: Call[ShowQuery, NoBody]) -> Words:
        """Its elements by name."""
        query = call.query
        return shown(lambda: self._port.show(query.href, start=query.start, limit=query.limit))

    @post(
        "/sep2/resource",
        "Add to a list what a utility posts there: controls, curves, publications of any function set",
        scope="control",
        done=201,
        problems=(404, 409),
        others=((200, "the same was there"),),
    )
    async def create_sep2_resource(self, call: Call[NoQuery, NewResource]) -> Reply[Sep2Where]:
        """Where it is."""
        asked = call.body
        path, new = await acted(
            call,
            "sep2.resource.create",
            asked.path,
            lambda along: self._port.create(
                asked.path, asked.resource, by=call.caller.name, device=asked.device, group=asked.group, along=along
            ),
            after=asked.resource,
        )
        return Reply(Sep2Where(path=path), 201 if new else 200)

    @post("/sep2/resource/replace", "Replace a resource, as a utility PUTs it", scope="control",
          problems=(404, 409, 412), headers=(("If-Match", "ETag of the resource as it was read"),))  # fmt: skip
    async def replace_sep2_resource(self, call: Call[NoQuery, OtherResource]) -> Words:
        """It, as it is then."""
        asked = call.body
        if "If-Match" in call.request.headers:
            seen = shown(lambda: self._port.show(asked.path, start=0, limit=ShowQuery(href=asked.path).limit))
            call.check_match(etag_of(seen))
        await acted(
            call,
            "sep2.resource.replace",
            asked.path,
            lambda along: self._port.replace(asked.path, asked.resource, by=call.caller.name, along=along),
            after=asked.resource,
        )
        return self._port.show(asked.path, start=0, limit=0)

    @post("/sep2/resource/cancel", "Cancel an event of any function set", scope="control",
          problems=(404, 409))  # fmt: skip
    async def cancel_sep2_event(self, call: Call[NoQuery, CancelEvent]) -> Words:
        """It, as it is then."""
        asked = call.body
        return await acted(
            call,
            "sep2.event.cancel",
            asked.path,
            lambda along: self._port.cancel(
                asked.path, randomised=asked.randomised, reason=asked.reason, by=call.caller.name, along=along
            ),
            reason=asked.reason,
        )

    @post("/sep2/resource/remove", "Remove a resource with what is below it; no live event", scope="control",
          problems=(404, 409))  # fmt: skip
    async def remove_sep2_resource(self, call: Call[NoQuery, Removing]) -> Sep2Where:
        """What is gone."""
        asked = call.body
        await acted(
            call,
            "sep2.resource.remove",
            asked.path,
            lambda along: self._port.remove(asked.path, by=call.caller.name, along=along),
            reason=asked.reason,
        )
        return Sep2Where(path=asked.path)

    @post("/sep2/messages", "A text to people at devices", scope="control", done=201, problems=(404, 409))
    async def send_sep2_message(self, call: Call[NoQuery, NewMessage]) -> Words:
        """The TextMessage as devices see it."""
        asked = call.body.model_dump()
        return await acted(
            call, "sep2.message.send", asked["text"][:64],
            lambda along: self._port.message(asked, by=call.caller.name, along=along), after=asked,
        )  # fmt: skip

    @post("/sep2/prices", "A price per kWh for an interval", scope="control", done=201, problems=(404, 409))
    async def send_sep2_price(self, call: Call[NoQuery, NewPrice]) -> Words:
        """The TimeTariffInterval as devices see it."""
        asked = call.body.model_dump()
        return await acted(
            call, "sep2.price.send", str(asked["price"]),
            lambda along: self._port.price(asked, by=call.caller.name, along=along), after=asked,
        )  # fmt: skip

    @post("/sep2/dr-events", "A demand response event", scope="control", done=201, problems=(404, 409))
    async def send_sep2_dr_event(self, call: Call[NoQuery, NewDrEvent]) -> Words:
        """The EndDeviceControl as devices see it."""
        asked = call.body.model_dump()
        return await acted(
            call, "sep2.dr-event.send", ", ".join(asked["asked"])[:64],
            lambda along: self._port.demand_response(asked, by=call.caller.name, along=along), after=asked,
        )  # fmt: skip

    @post("/sep2/files", "A file for download, kept on this server", scope="configure", done=201,
          problems=(404, 409), most_bytes=_FILE_TEXT + MAX_BYTES)  # fmt: skip
    async def add_sep2_file(self, call: Call[NoQuery, NewFile]) -> Words:
        """The File as devices see it."""
        asked = call.body
        try:
            octets = base64.b64decode(asked.content, validate=True)
        except (ValueError, binascii.Error):
            raise Refused(422, "content is not base64", "encode the file's octets in base64") from None
        file = {"fileURI": "/", "mfID": asked.maker, "mfModel": asked.model, "mfVer": asked.version,
                "size": len(octets), "type": asked.type}  # fmt: skip
        if asked.activate is not None:
            file["activateTime"] = asked.activate

        async def add(along: list[Change]) -> Words:
            return await self._port.add_file(
                file, octets, by=call.caller.name, device=asked.device, group=asked.group, along=along
            )

        return await acted(call, "sep2.file.add", f"{asked.model} {asked.version}"[:64], add, after=file)
