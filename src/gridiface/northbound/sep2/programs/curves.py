"""POST and DELETE of DERCurves by the utility, and the curves of a program for those who link to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gridiface.domain.changes import Change
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.served.access import require_utility
from gridiface.northbound.sep2.served.event_clock import is_live
from gridiface.northbound.sep2.served.kinds import kind
from gridiface.northbound.sep2.served.nodes import Item
from gridiface.northbound.sep2.served.services import (
    Call,
    Services,
    bad_value,
    item_of,
    limit_reached,
    program_of,
    still_there,
)
from gridiface.northbound.sep2.served.state_records import Program
from gridiface.protocols.sep2.enums import DERCurveType
from gridiface.protocols.sep2.exchange import Reply, changed, created
from gridiface.protocols.sep2.mrids import same_mrid
from gridiface.protocols.sep2.resources import DERCurve


class Curves:
    """The curves of programs."""

    def __init__(self, services: Services) -> None:
        self._s = services

    def of(self, program: Program) -> Callable[[str], DERCurve | None]:
        """Finds the program's own curves by href."""

        def resolve(href: str) -> DERCurve | None:
            item = self._s.tree.item(href) if href.startswith(f"{program.path}/dc/") else None
            return item.obj if item is not None else None

        return resolve

    async def post_curve(self, call: Call) -> Reply:
        """Add a curve to a program.

        Raises:
            RemoteProtocolError: 400, 403, 404, 409, 413, 415.
            StoreUnavailable: nothing was changed.
        """
        require_utility(call.caller)
        program = program_of(call.node)
        curve = call.read(DERCurve, self._s)
        _check_curve(curve)
        async with self._s.locks.hold(program.path):
            still_there(self._s, call.node)
            listing = self._s.tree.listing(f"{program.path}/dc")
            members = list(listing.items.values()) if listing else []
            known = next((item for item in members if same_mrid(item.obj.mRID, curve.mRID)), None)
            if known is not None:
                if replace(curve, mRID=known.obj.mRID, href=known.path) == known.obj:
                    return changed(known.path)
                raise RemoteProtocolError("the mRID belongs to another curve", answer=409)
            if len(members) >= self._s.settings.limits.curves_per_program:
                raise limit_reached("curve")
            path, change = self.make(program, curve)
            await self._s.ledger.commit(change)
            place_curve(self._s, program, path, curve)
        return created(path)

    def make(self, program: Program, curve: DERCurve) -> tuple[str, list[Change]]:
        """A place for a curve, and what must be stored; it is not shown yet."""
        number, changes = self._s.state.counters.take("dc")
        curve.href = path = f"{program.path}/dc/{number}"
        return path, [*changes, documents.put(documents.CURVES, path, curve)]

    async def delete_curve(self, call: Call) -> Reply:
        """Take a curve away that no live control uses.

        Raises:
            RemoteProtocolError: 403, 404, 409.
            StoreUnavailable: nothing was changed.
        """
        require_utility(call.caller)
        program, item = program_of(call.node), item_of(call.node)
        async with self._s.locks.hold(program.path):
            still_there(self._s, item)
            link = f'href="{item.path}"'.encode()
            default = self._s.tree.item(f"{program.path}/dderc")
            users = [r.item for r in program.events.values() if is_live(r, call.second)]
            users += [default] if default is not None and default.obj is not None else []
            if any(link in _written(user) for user in users):
                raise RemoteProtocolError("a control uses the curve", answer=409)
            await self._s.ledger.commit([documents.delete(documents.CURVES, item.path)])
            self._s.tree.remove(item.path)
        return changed()


def _written(item: Item) -> bytes:
    """The wire form of a control, to look for links in."""
    return documents.put("", "", item.obj).body


def place_curve(services: Services, program: Program, path: str, curve: DERCurve) -> None:
    """Show a curve."""
    item = Item(path, kind("/derp/{id1}/dc/{id2}"), program.audience, curve, data=program)
    services.tree.add(item, f"{program.path}/dc")


def _check_curve(curve: DERCurve) -> None:
    if curve.curveType not in set(DERCurveType):
        raise bad_value(f"curveType {curve.curveType} is not defined")
    is_power_factor = curve.curveType == DERCurveType.WATT_PF
    if any((point.excitation is not None) != is_power_factor for point in curve.curveData):
        raise bad_value("excitation belongs to the points of a power factor curve, and to all of them")
