"""IEEE 2030.5 upward: sessions with utilities' servers, as their client."""

from __future__ import annotations

from collections.abc import Mapping

from gridiface.app.dispatching.dispatch import Dispatch
from gridiface.app.fronts.front import Front
from gridiface.app.fronts.upstream_settings import upstreams
from gridiface.domain.clock import Instant
from gridiface.domain.traffic import Tap
from gridiface.northbound.sep2.upstream.upstreams import Upstreams
from gridiface.operator.api.routing import Area
from gridiface.operator.areas.sep2_upstreams import Sep2UpstreamsArea
from gridiface.operator.desk import Desk
from gridiface.store.repository import Store


class UpstreamFront(Front):
    """The sessions, as `server.upstreams`."""

    def make(self, dispatch: Dispatch, store: Store) -> None:
        """See Front."""
        server = self.server
        server.upstreams = upstreams(
            server.config, clock=server.clock, ledger=store, inbox=dispatch, fleet=server.engine, history=store
        )
        if server.upstreams is not None:
            dispatch.listeners.append(server.upstreams.on_outcome)

    async def start(self) -> None:
        """See Front."""
        await self._sessions.start()

    async def stop(self) -> None:
        """See Front."""
        if self.server.upstreams is not None:
            await self.server.upstreams.stop()

    def areas(self, desk: Desk) -> list[Area]:
        """See Front."""
        return [Sep2UpstreamsArea(desk, self._sessions)]

    def listen_in(self, tap: Tap) -> None:
        """Its sessions keep what they read and said; there is no trace of messages."""

    def lost_links(self) -> Mapping[str, str]:
        """See Front."""
        now = self.server.clock.now()
        lost = {name: session.condition.lost(now) for name, session in self._sessions.sessions.items()}
        return {f"2030.5 server {name}": why for name, why in lost.items() if why}

    def ending(self, now: Instant) -> Mapping[str, str]:
        """See Front."""
        return {who: said for one in self._sessions.sessions.values() for who, said in one.peers.ending(now).items()}

    def ended(self, now: Instant) -> Mapping[str, str]:
        """See Front."""
        return {who: said for one in self._sessions.sessions.values() for who, said in one.peers.ended(now).items()}

    @property
    def _sessions(self) -> Upstreams:
        assert self.server.upstreams is not None
        return self.server.upstreams


FRONT = UpstreamFront
