"""The IEEE 2030.5 server as the operator's areas want it: plain fields become the server's own values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from gridiface.domain.ports import Change
from gridiface.northbound.sep2.along import along_with
from gridiface.northbound.sep2.desk import Sep2Desk
from gridiface.northbound.sep2.desk_notices import Sep2Notices, When, Whom
from gridiface.northbound.sep2.server import Sep2Server
from gridiface.northbound.sep2.state import Program

_Make = Callable[[Whom], Awaitable[dict[str, Any]]]


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

        async def make(whom: Whom) -> dict[str, Any]:
            return await self._notices.message(
                asked["text"],
                whom,
                _when(asked),
                by=by,
                language=asked["language"],
                priority=asked["priority"],
                originator=asked["originator"],
            )

        return await self._made("msg", asked, make, by, along)

    async def price(self, asked: Mapping[str, Any], *, by: str, along: Sequence[Change] = ()) -> dict[str, Any]:
        """A TimeTariffInterval."""

        async def make(whom: Whom) -> dict[str, Any]:
            return await self._notices.price(
                asked["price"], whom, _when(asked), by=by, currency=asked["currency"], tier=asked["tier"]
            )

        return await self._made("tp", asked, make, by, along)

    async def demand_response(
        self, asked: Mapping[str, Any], *, by: str, along: Sequence[Change] = ()
    ) -> dict[str, Any]:
        """An EndDeviceControl."""

        async def make(whom: Whom) -> dict[str, Any]:
            return await self._notices.demand_response(
                asked["asked"],
                whom,
                _when(asked),
                by=by,
                category=asked["category"],
                mandatory=asked["mandatory"],
                primacy=asked["primacy"],
            )

        return await self._made("dr", asked, make, by, along)

    async def _made(
        self, root: str, asked: Mapping[str, Any], make: _Make, by: str, along: Sequence[Change]
    ) -> dict[str, Any]:
        """An event for whom it names, or in the place of another, for the same; that one ends once it is there."""
        instead = asked.get("instead")
        whom = _whom(asked) if instead is None else self._notices.whom_of(instead, root)
        with along_with(along):
            made = await make(whom)
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
