"""POST, PUT and DELETE of what is published, by the utility, for all function sets alike."""

from __future__ import annotations

from typing import Any

from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.published.publications import ROOTS
from gridiface.northbound.sep2.published.publishing import Publishing
from gridiface.northbound.sep2.served.access import require_utility
from gridiface.northbound.sep2.served.kinds import KINDS, Kind
from gridiface.northbound.sep2.served.nodes import Listing
from gridiface.northbound.sep2.served.services import Call, Services, item_of
from gridiface.protocols.sep2 import resources
from gridiface.protocols.sep2.exchange import Reply, changed, created


class Published:
    """Writes below the roots of publications; what is posted to a root is for every registered device."""

    def __init__(self, services: Services, publishing: Publishing) -> None:
        self._s = services
        self._publishing = publishing

    async def post(self, call: Call) -> Reply:
        """Add a resource to a list.

        Raises:
            RemoteProtocolError: 400, 403, 404, 409, 413, 415.
            StoreUnavailable: nothing was changed.
        """
        require_utility(call.caller)
        if not isinstance(call.node, Listing):
            raise RemoteProtocolError("no such list", answer=404)
        cls: Any = getattr(resources, call.node.kind.name.removesuffix("List"))
        obj: Any = call.read(cls, self._s)
        path, new = await self._publishing.create(call.node, obj, call.now, by=call.caller.lfdi)
        return created(path) if new else changed(path)

    async def put(self, call: Call) -> Reply:
        """Replace a resource; an event can only be cancelled.

        Raises:
            RemoteProtocolError: 400, 403, 404, 409, 413, 415.
            StoreUnavailable: nothing was changed.
        """
        require_utility(call.caller)
        item = item_of(call.node)
        cls: Any = item.kind.cls
        obj: Any = call.read(cls, self._s)
        await self._publishing.replace(item, obj, call.now, by=call.caller.lfdi)
        return changed()

    async def delete(self, call: Call) -> Reply:
        """Take a resource away, with what is below it.

        Raises:
            RemoteProtocolError: 403, 404, 409.
            StoreUnavailable: nothing was changed.
        """
        require_utility(call.caller)
        await self._publishing.remove(item_of(call.node), call.now)
        return changed()

    def table(self) -> dict[tuple[str, str], Any]:
        """Which method of which resource leads here."""
        found: dict[tuple[str, str], Any] = {}
        handlers = {"POST": self.post, "PUT": self.put, "DELETE": self.delete}
        for template, of in KINDS.items():
            if template.split("/")[1] in ROOTS:
                found |= {(method, template): handlers[method] for method in of.methods if method in handlers}
        grants = KINDS["/edev/{id1}/frp/{id2}"]
        if isinstance(grants, Kind):
            found |= {(m, grants.template): handlers[m] for m in grants.methods if m in handlers}
        return found
