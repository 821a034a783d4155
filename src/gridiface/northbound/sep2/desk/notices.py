"""The operator's shorter ways: a control, a default, a message, a price, a demand response event in one step each.

Each finds or makes what it hangs on (program, source of messages, tariff), fills in what the wire wants (mRID, times,
status) and goes the way of every other act (desk.py). Owns no rule of a function set.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gridiface.domain.changes import Change
from gridiface.domain.controls import Target, TargetKind
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.along import along_with
from gridiface.northbound.sep2.desk.desk import Sep2Desk
from gridiface.northbound.sep2.served.event_clock import is_live
from gridiface.northbound.sep2.served.state_records import Program
from gridiface.protocols.sep2.enums import ServiceKind

#: Prices are whole numbers of 0.00001 of the currency per kWh.
_PRICE_EXPONENT = -5
_INT32 = 2**31 - 1
_ALL_RESPONSES = "03"


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """When something holds: start as s since 1970 (None: now), duration and random shifts in s."""

    start: float | None = None
    duration: int = 3600
    randomize_start: int = 0
    randomize_duration: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Whom:
    """Whom something is for: a fleet's device (or its LFDI), a group, or everybody."""

    device: str | None = None
    group: str | None = None

    @property
    def target(self) -> Target | None:
        """As a target; None: everybody."""
        if self.group is not None:
            return Target(TargetKind.GROUP, self.group)
        return None if self.device is None else Target(TargetKind.DEVICE, self.device)


class Sep2Notices:
    """Short ways over a desk."""

    def __init__(self, desk: Sep2Desk) -> None:
        self._desk = desk
        self._core = desk.core
        self._last = 0

    # --- controls -----------------------------------------------------------------------------------------------------

    def program_of(self, *, number: int | None, whom: Whom, node: bool = False) -> Program:
        """The program of that number, or of a device, a group's total, or a group as a node.

        Raises:
            RemoteProtocolError: 404 where there is none.
        """
        state = self._core.state
        found: Program | None = None
        if number is not None:
            found = state.programs.get(number)
        elif whom.group is not None:
            found = state.nodes.get(whom.group) if node else state.program_of_group(whom.group)
        elif whom.device is not None:
            record = state.by_lfdi.get(whom.device.upper())
            found = state.program_of_device(whom.device)
            if found is None and record is not None and record.program is not None:
                found = state.programs.get(record.program)
        if found is None:
            raise RemoteProtocolError("there is no such program", answer=404)
        return found

    async def control(
        self,
        program: Program,
        base: Mapping[str, Any],
        when: When,
        *,
        by: str,
        category: str | None = None,
        responses: str = _ALL_RESPONSES,
        description: str = "",
        along: Sequence[Change] = (),
    ) -> dict[str, Any]:
        """A DERControl of a program; active at once where it starts now, else scheduled.

        Args:
            program: whose.
            base: DERControlBase by element names.
            when: its interval and random shifts.
            by: who asks.
            category: deviceCategory in hex; None: all.
            responses: responseRequired in hex.
            description: for people.
            along: durable with it.

        Raises:
            RemoteProtocolError: as a utility would be answered.
        """
        resource = self._event(when, responses, description) | {"DERControlBase": dict(base)}
        if category is not None:
            resource["deviceCategory"] = category
        path, _ = await self._desk.create(f"{program.path}/derc", resource, by=by, along=along)
        return self._desk.show(path)

    async def default(
        self,
        program: Program,
        base: Mapping[str, Any],
        more: Mapping[str, Any],
        *,
        by: str,
        along: Sequence[Change] = (),
    ) -> dict[str, Any]:
        """What holds in a program while no control is active; `more`: setGradW, setSoftGradW, setES*."""
        path = f"{program.path}/dderc"
        item = self._core.state.tree.item(path)
        mrid = item.obj.mRID if item is not None and item.obj is not None else self.mrid()
        resource = {"mRID": mrid, "DERControlBase": dict(base), **more}
        await self._desk.replace(path, resource, by=by, along=along)
        return self._desk.show(path)

    async def curve(
        self, program: Program, curve: Mapping[str, Any], *, by: str, along: Sequence[Change] = ()
    ) -> dict[str, Any]:
        """A curve for controls of a program; mRID and creationTime are filled in where they are missing."""
        resource = {"mRID": self.mrid(), "creationTime": self._second(), **curve}
        path, _ = await self._desk.create(f"{program.path}/dc", resource, by=by, along=along)
        return self._desk.show(path)

    # --- messages, prices, demand response ----------------------------------------------------------------------------

    async def message(
        self,
        text: str,
        whom: Whom,
        when: When,
        *,
        by: str,
        language: str = "en",
        priority: int = 1,
        originator: str | None = None,
        along: Sequence[Change] = (),
    ) -> dict[str, Any]:
        """A text to people at devices; acknowledgements are asked for.

        Raises:
            RemoteProtocolError: as a utility would be answered.
        """
        with along_with(along):
            program = {"locale": language, "primacy": 0, "description": "operator"}
            source = await self._publication("msg", program, whom, by, lambda obj: obj.locale == language)
            resource = self._event(When(start=when.start, duration=when.duration), "05", "")
            resource |= {"priority": priority, "textMessage": text}
            if originator is not None:
                resource["originator"] = originator
            path, _ = await self._desk.create(f"{source}/txt", resource, by=by)
        return self._desk.show(path)

    async def price(
        self,
        price: float,
        whom: Whom,
        when: When,
        *,
        by: str,
        currency: int = 840,
        tier: int = 0,
        along: Sequence[Change] = (),
    ) -> dict[str, Any]:
        """A price per kWh delivered to the customer, for an interval.

        Args:
            price: per kWh, in the currency.
            whom, when: for whom and when.
            by: who says so.
            currency: number of ISO 4217.
            tier: touTier.
            along: durable with it.

        Raises:
            RemoteProtocolError: 400 where the price does not fit, else as a utility would be answered.
        """
        scaled = round(price * 10**-_PRICE_EXPONENT)
        if abs(scaled) > _INT32:
            raise RemoteProtocolError(f"a price of {price:g} does not fit the wire", answer=400)
        with along_with(along):
            profile = {
                "currency": currency,
                "pricePowerOfTenMultiplier": _PRICE_EXPONENT,
                "primacy": 0,
                "rateCode": "operator",
                "serviceCategoryKind": int(ServiceKind.ELECTRICITY),
            }
            tariff = await self._publication("tp", profile, whom, by, lambda obj: obj.currency == currency)
            components = self._core.state.tree.listing(f"{tariff}/rc")
            component = next(iter(components.items), "") if components is not None else ""
            if not component:
                links = {"ReadingTypeLink": {"href": tariff}, "TimeTariffIntervalListLink": {"href": tariff}}
                resource = {"mRID": self.mrid(), "roleFlags": "0000", **links}
                component, _ = await self._desk.create(f"{tariff}/rc", resource, by=by)
            event = self._event(when, _ALL_RESPONSES, "") | {"touTier": tier}
            path, _ = await self._desk.create(f"{component}/tti", event, by=by)
            block = {"consumptionBlock": 0, "price": scaled, "startValue": 0}
            await self._desk.create(f"{path}/cti", block, by=by)
        return self._desk.show(path)

    async def demand_response(
        self,
        asked: Mapping[str, Any],
        whom: Whom,
        when: When,
        *,
        by: str,
        category: str = "00000000",
        mandatory: bool = False,
        primacy: int = 0,
        along: Sequence[Change] = (),
    ) -> dict[str, Any]:
        """A demand response event (EndDeviceControl).

        Args:
            asked: what it asks for, by element names: DutyCycle, Offset, SetPoint, TargetReduction ...
            whom, when: for whom and when.
            by: who asks.
            category: deviceCategory in hex; 00000000: all.
            mandatory: drProgramMandatory.
            primacy: of the program.
            along: durable with it.

        Raises:
            RemoteProtocolError: as a utility would be answered.
        """
        with along_with(along):
            program = {"primacy": primacy, "description": "operator"}
            source = await self._publication("dr", program, whom, by, lambda obj: obj.primacy == primacy)
            resource = self._event(when, _ALL_RESPONSES, "") | {
                "deviceCategory": category,
                "drProgramMandatory": mandatory,
                "loadShiftForward": False,
                **asked,
            }
            path, _ = await self._desk.create(f"{source}/edc", resource, by=by)
        return self._desk.show(path)

    # --- another in the place of one that is there --------------------------------------------------------------------

    def whom_of(self, path: str, root: str) -> Whom:
        """Whom a live event of a function set is for.

        Args:
            path: of the event.
            root: of the function set, such as "msg".

        Raises:
            RemoteProtocolError: 404 where no such event is, 409 where it is over.
        """
        parts = path.split("/")
        publication = self._core.state.publications.get("/".join(parts[:3]))
        event = self._desk.show(path)
        if publication is None or publication.root != root or "EventStatus" not in event:
            raise RemoteProtocolError(f"{path} is no event of /{root}", answer=404)
        if not self._is_live(event):
            raise RemoteProtocolError(f"{path} is over: nothing can take its place", answer=409)
        target = publication.target
        if target is None:
            return Whom()
        return Whom(group=target.id) if target.kind is TargetKind.GROUP else Whom(device=target.id)

    async def end(self, path: str, by: str) -> None:
        """Cancel an event that another has taken the place of, unless that has superseded it already."""
        if self._is_live(self._desk.show(path)):
            await self._desk.cancel(path, randomised=False, reason="replaced", by=by)

    def _is_live(self, event: Mapping[str, Any]) -> bool:
        record = self._core.state.events.get(event["mRID"])
        return record is not None and is_live(record, int(self._desk.now()))

    async def _publication(self, root: str, resource: dict[str, Any], whom: Whom, by: str, fits: Any) -> str:
        """The publication for these that fits; made where there is none."""
        state = self._core.state
        for path, publication in state.publications.items():
            item = state.tree.item(path)
            if publication.root == root and publication.target == whom.target and item is not None and fits(item.obj):
                return path
        path, _ = await self._desk.create(
            f"/{root}", {"mRID": self.mrid(), **resource}, by=by, device=whom.device, group=whom.group
        )
        return path

    # --- what the wire wants ------------------------------------------------------------------------------------------

    def mrid(self) -> str:
        """A new mRID that ends in our enterprise number, greater than those before.

        Of two events of one second the greater mRID wins: that shall be the later one.
        """
        self._last = max(self._last + 1, int(self._desk.now() * 1_000_000))
        return f"{self._last:016X}{secrets.token_hex(4).upper()}{self._core.settings.pen:08X}"

    def _second(self) -> int:
        return int(self._desk.now())

    def _event(self, when: When, responses: str, description: str) -> dict[str, Any]:
        now = self._second()
        event: dict[str, Any] = {
            "mRID": self.mrid(),
            "responseRequired": responses,
            "creationTime": now,
            "EventStatus": {"currentStatus": 0, "dateTime": now, "potentiallySuperseded": False},
            "interval": {"start": now if when.start is None else int(when.start), "duration": when.duration},
        }
        if description:
            event["description"] = description[:32]
        if when.randomize_start:
            event["randomizeStart"] = when.randomize_start
        if when.randomize_duration:
            event["randomizeDuration"] = when.randomize_duration
        return event
