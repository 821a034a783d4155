"""The IEEE 2030.5 server as the operator's areas want it: plain fields become the server's own values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gridiface.domain.ports import Change
from gridiface.northbound.sep2.desk import Sep2Desk
from gridiface.northbound.sep2.desk_notices import Sep2Notices, When, Whom
from gridiface.northbound.sep2.server import Sep2Server
from gridiface.northbound.sep2.state import Program


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
        return await self._notices.message(
            asked["text"],
            _whom(asked),
            _when(asked),
            by=by,
            language=asked["language"],
            priority=asked["priority"],
            originator=asked["originator"],
            along=along,
        )

    async def price(self, asked: Mapping[str, Any], *, by: str, along: Sequence[Change] = ()) -> dict[str, Any]:
        """A TimeTariffInterval."""
        return await self._notices.price(
            asked["price"],
            _whom(asked),
            _when(asked),
            by=by,
            currency=asked["currency"],
            tier=asked["tier"],
            along=along,
        )

    async def demand_response(
        self, asked: Mapping[str, Any], *, by: str, along: Sequence[Change] = ()
    ) -> dict[str, Any]:
        """An EndDeviceControl."""
        return await self._notices.demand_response(
            asked["asked"],
            _whom(asked),
            _when(asked),
            by=by,
            category=asked["category"],
            mandatory=asked["mandatory"],
            primacy=asked["primacy"],
            along=along,
        )

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
