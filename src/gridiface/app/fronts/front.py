"""What a protocol brings to a server, and which of them a configuration has.

A front makes its parts, starts and ends them, and says what of them people see: areas, health, ports, alarms. Importing
a protocol costs a start more than starting it, so a front's module is imported only where its block is configured.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib import import_module

from gridiface.app.config.model import Config
from gridiface.app.dispatching.dispatch import Dispatch
from gridiface.app.process.timers import Timed
from gridiface.app.running import Running
from gridiface.domain.clock import Instant
from gridiface.domain.traffic import Tap
from gridiface.operator.api.routing import Area
from gridiface.operator.desk import Desk, Withdraw
from gridiface.operator.parts import PartHealth
from gridiface.store.repository import Store


class Front(ABC):
    """One protocol of one server: `make`, then `start` and `stop` once each; the rest in between."""

    def __init__(self, server: Running) -> None:
        self.server = server

    @abstractmethod
    def make(self, dispatch: Dispatch, store: Store) -> None:
        """Make the parts and join them to the dispatch; nothing listens yet.

        Raises:
            ConfigError: the block, or a file that it names, cannot be used.
        """

    @abstractmethod
    async def start(self) -> None:
        """Listen and connect.

        Raises:
            ConfigError: it cannot.
            StoreUnavailable: what was cannot be read.
        """

    @abstractmethod
    async def stop(self) -> None:
        """End what was started; safe after a start that failed."""

    @abstractmethod
    def areas(self, desk: Desk) -> list[Area]:
        """Its areas of the REST API."""

    def ports(self) -> Mapping[str, int]:
        """The ports that are listened on, by part."""
        return {}

    def health(self) -> Iterator[PartHealth]:
        """How its parts are doing."""
        return iter(())

    @abstractmethod
    def listen_in(self, tap: Tap) -> None:
        """Tell `tap` of every message, where they are decoded for the trace."""

    def lost_links(self) -> Mapping[str, str]:
        """Links northbound that should be there and are not: name, what is so."""
        return {}

    def lost_vens(self, now: Instant) -> Mapping[str, str]:
        """VENs that have left: name, what is so."""
        return {}

    def ending(self, now: Instant) -> Mapping[str, str]:
        """Peers whose certificates end soon: name, what is so."""
        return {}

    def ended(self, now: Instant) -> Mapping[str, str]:
        """Peers whose last certificates have ended: name, what is so."""
        return {}

    def timed(self) -> Sequence[Timed]:
        """Its parts that the server's timer loop wakes."""
        return ()

    def withdraw(self) -> Mapping[str, Withdraw]:
        """How a control that came in over a protocol is cancelled where its sender sees it, by the protocol's name."""
        return {}

    async def show_fleet(self, opened: Collection[str]) -> None:  # noqa: B027 - most have nobody to show it to
        """Show its peers devices that have just been opened.

        Raises:
            StoreUnavailable: nothing was shown.
        """


def fronts_of(config: Config, server: Running) -> list[Front]:
    """The fronts of a configuration, not made yet, in the order of their start."""
    configured = {
        "sep2": config.sep2 is not None,
        "dnp3": config.dnp3 is not None,
        "openadr": config.openadr is not None,
        "upstream": bool(config.upstreams),
    }
    fronts = []
    for name, there in configured.items():
        if there:
            kind: type[Front] = import_module(f"gridiface.app.fronts.{name}").FRONT
            fronts.append(kind(server))
    return fronts
