"""DNP3: the outstations towards control rooms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gridiface.app.dispatching.dispatch import Dispatch
from gridiface.app.fronts.dnp3_desk import Dnp3Desk
from gridiface.app.fronts.dnp3_settings import dnp3_server
from gridiface.app.fronts.front import Front
from gridiface.app.process.timers import Timed
from gridiface.app.running import Running
from gridiface.domain.traffic import Tap
from gridiface.northbound.dnp3.server import Dnp3Server
from gridiface.operator.api.routing import Area
from gridiface.operator.areas.dnp3 import Dnp3Area
from gridiface.operator.desk import Desk
from gridiface.operator.parts import PartHealth
from gridiface.store.repository import Store


class Dnp3Front(Front):
    """The outstations, as `server.dnp3`."""

    def __init__(self, server: Running) -> None:
        super().__init__(server)
        #: Masters that were connected since the start.
        self._seen: set[str] = set()

    def make(self, dispatch: Dispatch, store: Store) -> None:
        """See Front."""
        server, block = self.server, self.server.config.dnp3
        assert block is not None
        server.dnp3 = made = dnp3_server(
            block,
            server.config.site,
            clock=server.clock,
            inbox=dispatch,
            ledger=store,
            fleet=server.engine,
            history=store,
            spare=server.reserve.give,
        )
        dispatch.listeners.append(made.on_outcome)

    async def start(self) -> None:
        """See Front."""
        await self._dnp3.start()

    async def stop(self) -> None:
        """See Front."""
        if self.server.dnp3 is not None:
            await self.server.dnp3.stop()

    def areas(self, desk: Desk) -> list[Area]:
        """See Front."""
        return [Dnp3Area(desk, Dnp3Desk(self._dnp3))]

    def ports(self) -> Mapping[str, int]:
        """See Front."""
        return {} if self.server.dnp3 is None else {"dnp3": self.server.dnp3.port}

    def health(self) -> Iterator[PartHealth]:
        """See Front."""
        stations = Dnp3Desk(self._dnp3).outstations()
        known, online = sum(one["masters"] for one in stations), sum(one["connected"] for one in stations)
        state = "degraded" if any(one["trouble"] for one in stations) else "ok" if online else "waiting"
        named = f"{len(stations)} outstation{'' if len(stations) == 1 else 's'}"
        text = f"port {self._dnp3.port}, {named}, {online} of {known} masters connected"
        yield PartHealth(name="dnp3", title="DNP3 outstation", state=state, text=text, path="/dnp3")

    def listen_in(self, tap: Tap) -> None:
        """See Front."""
        self._dnp3.journal.tap = tap

    def lost_links(self) -> Mapping[str, str]:
        """See Front."""
        found = {}
        for name, attached in Dnp3Desk(self._dnp3).attached().items():
            if attached:
                self._seen.add(name)
            elif name in self._seen:
                found[f"DNP3 master {name}"] = "it was connected and is not"
        return found

    def timed(self) -> Sequence[Timed]:
        """See Front."""
        return [self._dnp3]

    @property
    def _dnp3(self) -> Dnp3Server:
        assert self.server.dnp3 is not None
        return self.server.dnp3


FRONT = Dnp3Front
