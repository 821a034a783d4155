"""An outstation: one link address, one database, an association for each master.

Owns the composition, and which connection carries which master. The parts: channel.py (connection), association.py
(one master), functions.py (what requests do), database.py (points), unsolicited.py (reports).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gridiface.errors import LocalProtocolError
from gridiface.protocols.dnp3.authentication.algorithms import Statistic
from gridiface.protocols.dnp3.files import FileStore
from gridiface.protocols.dnp3.outstation.association import Association
from gridiface.protocols.dnp3.outstation.attributes import AttributeSet, AttributeValue
from gridiface.protocols.dnp3.outstation.authentication import OutstationAuthentication
from gridiface.protocols.dnp3.outstation.channel import Channel
from gridiface.protocols.dnp3.outstation.database import Database
from gridiface.protocols.dnp3.outstation.handler import Notice, OutstationHandler
from gridiface.protocols.dnp3.outstation.settings import AssociationSettings, OutstationSettings
from gridiface.protocols.dnp3.outstation.state import Station
from gridiface.protocols.dnp3.points import PointConfig


class Outstation:
    """One outstation and its masters.

    Args:
        settings: address and what concerns all masters.
        associations: one per master, each with its own buffers, classes, sequences and selection.
        database: the points; update them at any time, then call `to_send` of every open channel.
        handler: answers what only the application can.
        attributes: device attributes (g0) by variation; those that follow from points and limits are filled in.
        now: seconds since 1970, UTC.
        authentication: secure authentication by master address; masters without one are not challenged.
        files: what masters may read and write by file transfer; None for no file functions at all.

    Raises:
        LocalProtocolError: two associations with one master address, or none at all.
    """

    def __init__(
        self,
        settings: OutstationSettings,
        associations: Iterable[AssociationSettings],
        database: Database,
        handler: OutstationHandler | None = None,
        attributes: dict[int, AttributeValue] | None = None,
        now: float = 0.0,
        authentication: Mapping[int, OutstationAuthentication] | None = None,
        files: FileStore | None = None,
    ) -> None:
        masters = list(associations)
        if not masters or len({item.master for item in masters}) != len(masters):
            raise LocalProtocolError("an outstation needs masters, each with an address of its own")
        described = AttributeSet(dict(attributes or {}))
        described.derive(
            database,
            max_tx=max(item.max_tx_fragment for item in masters),
            max_rx=max(item.max_rx_fragment for item in masters),
            max_controls=max(item.max_controls for item in masters),
        )
        if authentication:
            described.given.update({209: 5, 210: len(Statistic)})
        self.database = database
        self.station = Station(settings, database, handler or OutstationHandler(), described, files=files)
        self.associations = {
            item.master: Association(item, self.station, now, (authentication or {}).get(item.master))
            for item in masters
        }
        self._channels: list[Channel] = []

    def open(
        self,
        now: float,
        masters: Iterable[int] | None = None,
        *,
        probes: bool = True,
        greets: bool = True,
        datagrams: bool = False,
        frame_gap: float | None = None,
    ) -> Channel:
        """A new connection; frames of masters other than those given (None: all configured) are ignored on it.

        `probes` False: a silent peer is never asked for its link status, as on a line that several stations share.
        `greets` False: the peer is told nothing before it showed a frame of a master, as anyone who sent a datagram.
        `datagrams`: it is where datagrams come from; a master that goes on from another such place goes on with its
        dialogue, where a new connection begins one (IEEE 1815 clause 13.2.3).
        `frame_gap`: seconds without an octet after which half a frame is given up (link.FrameReader).

        Raises:
            LocalProtocolError: a master that is not configured.
        """
        allowed = list(self.associations if masters is None else masters)
        unknown = [master for master in allowed if master not in self.associations]
        if unknown:
            raise LocalProtocolError(f"no association with master {unknown[0]}")
        reach = {master: self.associations[master] for master in allowed}
        channel = _Registered(self, reach, now, probes=probes, greets=greets, datagrams=datagrams, frame_gap=frame_gap)
        self._channels.append(channel)
        return channel

    def reconfigure(self, configs: Iterable[PointConfig]) -> None:
        """Other classes, dead-bands and variations of points that are there, for all masters, at once.

        Raises:
            LocalProtocolError: no such point; those before it were changed.
        """
        for config in configs:
            column = self.database.columns[config.type]
            if config.index not in column.positions:
                raise LocalProtocolError(f"there is no {config.type.value} {config.index}")
            at = column.reconfigure(config)
            for association in self.associations.values():
                association.state.classes[config.type][at] = config.event_class

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The open connections."""
        return tuple(self._channels)

    def next_event(self) -> Notice | None:
        """The oldest notice that was not fetched yet."""
        return self.station.notices.popleft() if self.station.notices else None

    def next_timer(self) -> float | None:
        """When `handle_timer` is due for masters that no connection carries now; None when nothing is pending."""
        due = [at for item in self._unattached() if (at := item.next_timer()) is not None]
        return min(due, default=None)

    def handle_timer(self, now: float) -> None:
        """Acts on what is due without a connection: freezes at a time, overdue authentication replies."""
        for association in self._unattached():
            association.handle_timer(now)

    def clock_set(self, seconds: float, now: float) -> None:
        """The host's clock was set by so much, and shows `now`: nothing waits for longer, or less, than it should.

        What was sent and not confirmed is sent anew; a selection is dropped.
        """
        for association in self.associations.values():
            association.state.clock_set(seconds)
            if association.authentication is not None:
                association.authentication.clock_set(seconds)
        for channel in self._channels:
            channel.clock_set(now)

    def _unattached(self) -> list[Association]:
        return [item for item in self.associations.values() if not item.attached]

    def claim(self, channel: Channel, master: int) -> bool:
        """A connection carries a master now, another one that did loses it; whether its datagrams merely moved.

        Then frame count bits and half a fragment move with it: a link is a pair of addresses, too.
        """
        moved = False
        for other in self._channels:
            if other is not channel:
                if channel.datagrams and other.datagrams and other.carries(master):
                    moved = True
                    channel.go_on_from(other, master)
                other.release(master)
        return moved

    def forget(self, channel: Channel) -> None:
        """A connection is closed; one that waited for its master to speak may greet it now."""
        if channel in self._channels:
            self._channels.remove(channel)
            for other in self._channels:
                other.greet()


class _Registered(Channel):
    """A channel that tells its outstation which masters it carries."""

    def __init__(
        self,
        outstation: Outstation,
        associations: dict[int, Association],
        now: float,
        *,
        probes: bool,
        greets: bool,
        datagrams: bool,
        frame_gap: float | None,
    ) -> None:
        self._outstation = outstation
        super().__init__(
            outstation.station,
            associations,
            now,
            probes=probes,
            greets=greets,
            datagrams=datagrams,
            frame_gap=frame_gap,
        )

    def close(self) -> None:
        super().close()
        self._outstation.forget(self)

    def _attach(self, association: Association, *, moved: bool = False) -> None:
        moved = self._outstation.claim(self, association.settings.master)
        super()._attach(association, moved=moved)
