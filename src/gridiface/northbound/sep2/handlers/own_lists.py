"""Lists that a device fills about itself: languages, network interfaces, price thresholds, load shed availability.

One mechanism for all: what is posted is stored and shown with the lists that hang below it, by the table of kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.published.publications import place_below
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.served.access import Caller, require_owner
from gridiface.northbound.sep2.served.documents import Record
from gridiface.northbound.sep2.served.kinds import KINDS, Kind, kind
from gridiface.northbound.sep2.served.nodes import Item, Listing
from gridiface.northbound.sep2.served.services import (
    Call,
    Services,
    bad_value,
    item_of,
    limit_reached,
    record_of,
    settle_links,
    still_there,
)
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord
from gridiface.protocols.sep2.exchange import Reply, changed, created
from gridiface.protocols.sep2.resources import LoadShedAvailability, PriceResponseCfg, SupportedLocale

LISTS = (
    "/edev/{id1}/di/loc",
    "/edev/{id1}/cfg/prcfg",
    "/edev/{id1}/lsl",
    *(template for template, of in KINDS.items() if template.startswith("/edev/{id1}/ns") and not isinstance(of, Kind)),
)
"""Templates of the lists."""

_HUNDRED_PERCENT = 10_000


def _check_locale(locale: SupportedLocale) -> None:
    if not locale.locale.strip():
        raise bad_value("a SupportedLocale names its language")


def _check_thresholds(cfg: PriceResponseCfg) -> None:
    if cfg.consumeThreshold > cfg.maxReductionThreshold:
        raise bad_value("consumeThreshold is above maxReductionThreshold")


def _check_availability(availability: LoadShedAvailability) -> None:
    if (availability.sheddablePercent or 0) > _HUNDRED_PERCENT:
        raise bad_value("sheddablePercent is above 100 %")


_RULES: Mapping[type, Callable[[Any], None]] = {
    SupportedLocale: _check_locale,
    PriceResponseCfg: _check_thresholds,
    LoadShedAvailability: _check_availability,
}


class OwnLists:
    """Writes of a device, or its aggregator, into lists about the device."""

    def __init__(self, services: Services) -> None:
        self._s = services

    async def post(self, call: Call) -> Reply:
        """Add a member.

        Raises:
            RemoteProtocolError: 400, 403, 404, 413, 415.
            StoreUnavailable: nothing was changed.
        """
        record = require_owner(call.caller, record_of(call.node))
        if not isinstance(call.node, Listing):
            raise RemoteProtocolError("no such list", answer=404)
        of = _member_of(call.node)
        obj: Any = call.read(of.cls, self._s)
        self._check(of, obj, call.caller)
        async with self._s.locks.hold(record.path):
            still_there(self._s, call.node)
            if len(call.node.items) >= self._s.settings.limits.own_per_list:
                raise limit_reached(of.name)
            number, changes = self._s.state.counters.take(f"own{call.node.path}")
            obj.href = path = f"{call.node.path}/{number}"
            await self._s.ledger.commit([*changes, documents.put(documents.OWN, path, obj)])
            self._place(record, path, of, obj)
        return created(path)

    async def put(self, call: Call) -> Reply:
        """Replace a member.

        Raises:
            RemoteProtocolError: 400, 403, 404, 413, 415.
            StoreUnavailable: nothing was changed.
        """
        record, item = require_owner(call.caller, record_of(call.node)), item_of(call.node)
        obj: Any = call.read(item.kind.cls, self._s)
        self._check(item.kind, obj, call.caller)
        async with self._s.locks.hold(record.path):
            still_there(self._s, item)
            obj.href = item.path
            await self._s.ledger.commit([documents.put(documents.OWN, item.path, obj)])
            self._s.tree.set(item, obj)
        return changed()

    async def delete(self, call: Call) -> Reply:
        """Take a member out with what is below it.

        Raises:
            RemoteProtocolError: 403, 404.
            StoreUnavailable: nothing was changed.
        """
        record = require_owner(call.caller, record_of(call.node))
        async with self._s.locks.hold(record.path):
            still_there(self._s, call.node)
            await self._s.ledger.commit(
                [
                    documents.delete(space, path)
                    for path in self._s.tree.below(call.node.path)
                    if (space := documents.space_of(path)) is not None
                ]
            )
            self._s.tree.remove(call.node.path)
        return changed()

    def _check(self, of: Kind, obj: Any, caller: Caller) -> None:
        rule = _RULES.get(type(obj))
        if rule is not None:
            rule(obj)
        settle_links(self._s.tree, of, obj, caller.viewer)

    def _place(self, record: EndDeviceRecord, path: str, of: Kind, obj: Any) -> None:
        item = Item(path, of, record.audience, obj, data=record)
        self._s.tree.add(item, path.rpartition("/")[0])
        place_below(self._s.state, item, data=record)

    def load(self, record: EndDeviceRecord, stored: Record) -> None:
        """Show what was stored; parents come before what is below them."""
        listing = self._s.tree.listing(stored.key.rpartition("/")[0])
        if listing is None:
            return
        of = _member_of(listing)
        cls: Any = of.cls
        self._s.state.counters.saw(f"own{listing.path}", int(stored.key.rpartition("/")[2]))
        self._place(record, stored.key, of, stored.resource(cls))

    def table(self) -> dict[tuple[str, str], Any]:
        """Which method of which resource leads here."""
        found: dict[tuple[str, str], Any] = {}
        for template in LISTS:
            member = kind(f"{template}/{{id{template.count('{') + 1}}}")
            found |= {("POST", template): self.post}
            found |= {("PUT", member.template): self.put, ("DELETE", member.template): self.delete}
        return found


def _member_of(listing: Listing) -> Kind:
    template = listing.kind.template
    return kind(f"{template}/{{id{template.count('{') + 1}}}")
