"""IEEE 2030.5: the server towards utilities and the fleet's own inverters."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from gridiface.app.dispatching.dispatch import Dispatch
from gridiface.app.fleet.members import SEP2
from gridiface.app.fronts.front import Front
from gridiface.app.fronts.sep2_settings import sep2_settings, tls_listener
from gridiface.app.fronts.sep2_surface import Sep2Surface
from gridiface.app.process.descriptors import kept_from
from gridiface.app.process.timers import Timed
from gridiface.domain.traffic import Tap
from gridiface.northbound.sep2.desk.flow import Sep2FlowDesk
from gridiface.northbound.sep2.server import Sep2Server
from gridiface.operator.api.routing import Area
from gridiface.operator.areas.sep2_devices import Sep2DevicesArea
from gridiface.operator.areas.sep2_flow import Sep2FlowArea
from gridiface.operator.areas.sep2_programs import Sep2ProgramsArea
from gridiface.operator.areas.sep2_resources import Sep2ResourcesArea
from gridiface.operator.desk import Desk, Withdraw
from gridiface.operator.parts import PartHealth
from gridiface.store.repository import Store


class Sep2Front(Front):
    """The server, as `server.sep2`."""

    def make(self, dispatch: Dispatch, store: Store) -> None:
        """See Front."""
        server, block = self.server, self.server.config.sep2
        assert block is not None
        server.sep2 = made = Sep2Server(
            sep2_settings(block, server.config.site),
            clock=server.clock,
            ledger=dispatch.ledger,
            inbox=dispatch,
            registry=dispatch,
            fleet=server.engine,
            listener=lambda http: tls_listener(block, http, kept_from(server.config, "sep2"), server.reserve.lent),
        )
        store.watch_reach(made.on_store_reach)
        dispatch.channels.append(made.channel)
        dispatch.listeners.append(made.on_outcome)

    async def start(self) -> None:
        """See Front."""
        await self._sep2.start()

    async def stop(self) -> None:
        """See Front."""
        if self.server.sep2 is not None:
            await self.server.sep2.stop()

    def areas(self, desk: Desk) -> list[Area]:
        """See Front."""
        shown = Sep2Surface(self._sep2)
        flow = Sep2FlowArea(Sep2FlowDesk(self._sep2.desk.core, self._sep2.clock))
        return [Sep2DevicesArea(shown), Sep2ProgramsArea(shown), Sep2ResourcesArea(shown), flow]

    def ports(self) -> Mapping[str, int]:
        """See Front."""
        return {} if self.server.sep2 is None else {"sep2": self.server.sep2.port}

    def health(self) -> Iterator[PartHealth]:
        """See Front."""
        sep2 = self._sep2
        counts, known = sep2.counts, len(sep2.core.state.end_devices)
        text = f"port {sep2.port}, {known} end devices, {counts.requests} requests, {counts.refused} refused"
        state = "ok" if not counts.failed else "degraded"
        if counts.failed:
            text += f", {counts.failed} failed: see the log"
        yield PartHealth(name="sep2", title="IEEE 2030.5 server", state=state, text=text, path="/sep2")

    def listen_in(self, tap: Tap) -> None:
        """See Front."""
        self._sep2.answering.tap = tap

    def timed(self) -> Sequence[Timed]:
        """See Front."""
        return [self._sep2]

    def withdraw(self) -> Mapping[str, Withdraw]:
        """See Front."""
        return {SEP2: self._sep2.cancel_control}

    async def show_fleet(self, opened: Collection[str]) -> None:
        """Give devices that were just opened their EndDevices, and those what they told of themselves."""
        await self._sep2.refresh_fleet(opened)

    @property
    def _sep2(self) -> Sep2Server:
        assert self.server.sep2 is not None
        return self.server.sep2


FRONT = Sep2Front
