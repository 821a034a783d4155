"""The IEEE 2030.5 server as the operator's areas want it: plain fields become the server's own values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gridiface.domain.changes import Change
from gridiface.northbound.sep2.along import along_with
from gridiface.northbound.sep2.desk.desk import Sep2Desk
from gridiface.northbound.sep2.desk.notices import Sep2Notices, When, Whom
from gridiface.northbound.sep2.served.state_records import Program
from gridiface.northbound.sep2.server import Sep2Server


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """One kind of event: where it is published, who makes it, which field is what it says, and its other fields."""

    root: str
    make: Callable[..., Awaitable[dict[str, Any]]]
    says: str
    more: tuple[str, ...]


_MESSAGE = _Kind(root="msg", make=Sep2Notices.message, says="text", more=("language", "priority", "originator"))
_PRICE = _Kind(root="tp", make=Sep2Notices.price, says="price", more=("currency", "tier"))
_LOAD = _Kind(root="dr", make=Sep2Notices.demand_response, says="asked", more=("category", "mandatory", "primacy"))


class Sep2Surface(Sep2Desk):
    """A desk with the shorter ways."""

    def __init__(self, server: Sep2Server) -> None:
        desk = server.desk
        super().__init__(desk.core, server.clock)
        self._notices = Sep2Notices(self)

    async def control(self, asked: Mapping[str, Any], *, by: str, along: Sequence[Change] = ()) -> dict[str, Any]:
        """Make a DERControl."""
        return await self._notices.control(
            self._program_of(asked),
            asked["base"],
            _when(asked),
            by=by,
            category=asked["category"],
            responses=asked["responses"],
            description=asked["description"],
            along=along,
        )

    async def default(self, asked: Mapping[str, Any], *, by: str, along: Sequence[Change] = ()) -> dict[str, Any]:
        """Set a DefaultDERControl."""
        return await self._notices.default(self._program_of(asked), asked["base"], asked["more"], by=by, along=along)

    async def curve(self, asked: Mapping[str, Any], *, by: str, along: Sequence[Change] = ()) -> dict[str, Any]:
        """Add a DERCurve."""
        return await self._notices.curve(self._program_of(asked), asked["curve"], by=by, along=along)

    async def message(self, asked: Mapping[str, Any], *, by: str, along: Sequence[Change] = ()) -> dict[str, Any]:
        """A TextMessage."""
        return await self._made(_MESSAGE, asked, by, along)

    async def price(self, asked: Mapping[str, Any], *, by: str, along: Sequence[Change] = ()) -> dict[str, Any]:
        """A TimeTariffInterval."""
        return await self._made(_PRICE, asked, by, along)

    async def demand_response(
        self, asked: Mapping[str, Any], *, by: str, along: Sequence[Change] = ()
    ) -> dict[str, Any]:
        """An EndDeviceControl."""
        return await self._made(_LOAD, asked, by, along)

    async def _made(self, kind: _Kind, asked: Mapping[str, Any], by: str, along: Sequence[Change]) -> dict[str, Any]:
        """An event for whom it names, or in the place of another, for the same; that one ends once it is there."""
        instead = asked.get("instead")
        whom = _whom(asked) if instead is None else self._notices.whom_of(instead, kind.root)
        more = {name: asked[name] for name in kind.more}
        with along_with(along):
            made = await kind.make(self._notices, asked[kind.says], whom, _when(asked), by=by, **more)
            if instead is not None:
                await self._notices.end(instead, by)
        return made

    def _program_of(self, asked: Mapping[str, Any]) -> Program:
        return self._notices.program_of(number=asked["program"], whom=_whom(asked), node=asked["node"])


def _whom(asked: Mapping[str, Any]) -> Whom:
    return Whom(device=asked["device"], group=asked["group"])


def _when(asked: Mapping[str, Any]) -> When:
    return When(
        start=asked["start"],
        duration=asked["duration"],
        randomize_start=asked.get("randomize_start", 0),
        randomize_duration=asked.get("randomize_duration", 0),
    )
