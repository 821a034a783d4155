"""OpenADR: the VTN whose VENs are members of the fleet, and our VENs at utilities' VTNs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gridiface.app.dispatching.dispatch import Dispatch
from gridiface.app.fronts.front import Front
from gridiface.app.fronts.openadr_settings import openadr_vens, openadr_vtn
from gridiface.app.process.descriptors import kept_from
from gridiface.domain.clock import Instant
from gridiface.domain.traffic import Tap
from gridiface.errors import ConfigError, RefusedControl
from gridiface.northbound.peer_certificates import PeerCertificates
from gridiface.operator.api.routing import Area
from gridiface.operator.areas.openadr_events import OpenAdrEventsArea
from gridiface.operator.areas.openadr_own import OpenAdrOwnArea
from gridiface.operator.areas.openadr_reports import OpenAdrReportsArea
from gridiface.operator.areas.openadr_vens import OpenAdrVensArea
from gridiface.operator.desk import Desk
from gridiface.operator.parts import PartHealth
from gridiface.protocols.openadr.vtn import Liveness
from gridiface.segments import segment
from gridiface.store.repository import Store


class OpenAdrFront(Front):
    """The VTN, as `server.vtn`, and the VENs, as `server.vens`."""

    def make(self, dispatch: Dispatch, store: Store) -> None:
        """See Front."""
        server, block = self.server, self.server.config.openadr
        assert block is not None
        server.vtn = openadr_vtn(
            block,
            clock=server.clock,
            ledger=dispatch.ledger,
            registry=dispatch,
            reserved=kept_from(server.config, "openadr"),
            lent=server.reserve.lent,
        )
        if server.vtn is not None:
            dispatch.channels.append(server.vtn.channel)
            dispatch.listeners.append(server.vtn.channel.on_outcome)
        server.vens = openadr_vens(
            block, clock=server.clock, ledger=dispatch.ledger, inbox=dispatch, fleet=server.engine
        )
        dispatch.listeners.extend(ven.on_outcome for ven in server.vens)

    async def start(self) -> None:
        """VTN first, then our VENs, which know their bindings before old outcomes are told again.

        Raises:
            ConfigError: a VEN of the configuration and a registered one claim the same certificate.
        """
        try:
            if self.server.vtn is not None:
                await self.server.vtn.start()
        except RefusedControl as problem:
            raise ConfigError(f"openadr.vtn: {problem}; correct the entry of that VEN") from problem
        for ven in self.server.vens:
            await ven.start()

    async def stop(self) -> None:
        """See Front."""
        for ven in self.server.vens:
            await ven.stop()
        if self.server.vtn is not None:
            await self.server.vtn.stop()

    def areas(self, desk: Desk) -> list[Area]:
        """See Front."""
        vtn, vens = self.server.vtn, self.server.vens
        found: list[Area] = []
        if vtn is not None:
            found += [OpenAdrVensArea(vtn), OpenAdrEventsArea(vtn), OpenAdrReportsArea(vtn)]
        return [*found, OpenAdrOwnArea(vens)] if vens else found

    def ports(self) -> Mapping[str, int]:
        """See Front."""
        return {} if self.server.vtn is None else {"openadr": self.server.vtn.port}

    def health(self) -> Iterator[PartHealth]:
        """See Front."""
        vtn = self.server.vtn
        if vtn is not None:
            known = vtn.core.vens.values()
            registered = sum(ven.registered for ven in known)
            yield PartHealth(
                name="vtn",
                title="OpenADR VTN",
                state="ok" if registered == len(known) else "degraded",
                text=f"port {vtn.port}, {registered} of {len(known)} VENs registered",
                path="/openadr",
            )
        for own in self.server.vens:
            text = "the VTN answers" if own.up else "the VTN does not answer; events go on as they are known"
            yield PartHealth(
                name=f"ven {own.settings.name}",
                title=f"OpenADR VEN {own.settings.name}",
                state="ok" if own.up else "down",
                text=text,
                path=f"/openadr/own/{segment(own.settings.name)}",
            )

    def listen_in(self, tap: Tap) -> None:
        """See Front."""
        if self.server.vtn is not None:
            self.server.vtn.listen_in(tap)
        for ven in self.server.vens:
            ven.listen_in(tap)

    def lost_links(self) -> Mapping[str, str]:
        """See Front."""
        text = "it does not answer; events go on as they are known"
        return {f"VTN of {ven.settings.name}": text for ven in self.server.vens if not ven.up}

    def lost_vens(self, now: Instant) -> Mapping[str, str]:
        """See Front."""
        vtn = self.server.vtn
        if vtn is None:
            return {}
        core = vtn.core
        lost = [name for name in core.vens if core.liveness(name, now, since=vtn.started) is Liveness.LOST]
        return {name: "it does not poll" if core.vens[name].pull else "no push reaches it" for name in lost}

    def ending(self, now: Instant) -> Mapping[str, str]:
        """See Front."""
        return {who: said for book in self._peers() for who, said in book.ending(now).items()}

    def ended(self, now: Instant) -> Mapping[str, str]:
        """See Front."""
        return {who: said for book in self._peers() for who, said in book.ended(now).items()}

    def _peers(self) -> list[PeerCertificates]:
        """The certificates that peers have shown: those of VTNs, then those of VENs."""
        vtn = self.server.vtn
        return [*(ven.peers for ven in self.server.vens), *([] if vtn is None else [vtn.peers])]


FRONT = OpenAdrFront
