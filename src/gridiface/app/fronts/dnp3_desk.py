"""The DNP3 outstations as the operator's surface sees them: live points, masters, buffers, commands, frames.

Implements operator.areas.dnp3.Dnp3Port over the adapter. Owns no rule of either.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import cast

from gridiface.domain.changes import Change
from gridiface.northbound.dnp3.pointmap.points import PointEntry
from gridiface.northbound.dnp3.server import Dnp3Server
from gridiface.northbound.dnp3.settings import MasterEntry
from gridiface.northbound.dnp3.station import Station
from gridiface.northbound.dnp3.tags import Tags
from gridiface.northbound.dnp3.wire.endpoint import Endpoint
from gridiface.northbound.dnp3.wire.session import Session
from gridiface.operator.rows.dnp3 import (
    BufferRow,
    CommandRow,
    EndpointList,
    EndpointRow,
    MasterRow,
    OutstationRow,
    PointKind,
    PointName,
    PointRow,
    SessionRow,
    Tagged,
)
from gridiface.protocols.dnp3.objects import Flags
from gridiface.protocols.dnp3.outstation.events import CLASSES
from gridiface.protocols.dnp3.points import STATE_BITS, PointType

_ORDER = {kind: at for at, kind in enumerate(PointType)}
_ANALOG_FLAGS = {0x20: "OVER_RANGE", 0x40: "REFERENCE_ERR"}
_PLAIN_FLAGS = ("ONLINE", "RESTART", "COMM_LOST", "REMOTE_FORCED", "LOCAL_FORCED")


class Dnp3Desk:
    """See operator.areas.dnp3.Dnp3Port."""

    def __init__(self, server: Dnp3Server) -> None:
        self._server = server

    def outstations(self) -> list[OutstationRow]:
        """See Dnp3Port."""
        return [self._outstation(station) for station in self._server.stations.values()]

    def tags(self, outstation: str) -> Tagged:
        """See Dnp3Port."""
        tags = self._server.station(outstation).tags
        return {"local": tags.local, "blocked": dict(tags.blocked)}

    async def set_tags(self, outstation: str, tags: Tagged, *, along: Sequence[Change]) -> None:
        """See Dnp3Port."""
        await self._server.set_tags(outstation, Tags(tags["local"], tags["blocked"]), along=along)

    def points(self, outstation: str, kind: str) -> list[PointName]:
        """See Dnp3Port."""
        station = self._server.station(outstation)
        entries = [entry for entry in station.settings.points if not kind or entry.type.value == kind]
        entries.sort(key=lambda entry: (_ORDER[entry.type], entry.index))
        return [PointName(entry.type.value, entry.index, entry.name, _meaning(entry)) for entry in entries]

    def live(self, outstation: str, points: Sequence[PointName]) -> list[PointRow]:
        """See Dnp3Port."""
        station = self._server.station(outstation)
        wanted = {(one.type, one.index) for one in points}
        found = {
            place: entry for entry in station.settings.points if (place := (entry.type.value, entry.index)) in wanted
        }
        return [_point(station, found[one.type, one.index]) for one in points]

    def masters(self, outstation: str) -> list[MasterRow]:
        """See Dnp3Port."""
        station = self._server.station(outstation)
        return [self._master(station, master) for master in station.settings.masters]

    def attached(self) -> dict[str, bool]:
        """Whether each master is connected, by `OUTSTATION/MASTER`."""
        return {
            f"{station.settings.name}/{row['name']}": row["connected"]
            for station in self._server.stations.values()
            for row in self.masters(station.settings.name)
        }

    def commands(self, outstation: str, limit: int) -> list[CommandRow]:
        """See Dnp3Port."""
        return [
            {
                "at": entry.at,
                "master": entry.master,
                "how": entry.how,
                "group": entry.group,
                "index": entry.index,
                "point": entry.point,
                "value": _finite(entry.value),
                "code": entry.code,
                "status": entry.status,
            }
            for entry in self._server.commands.newest(outstation, limit)
        ]

    def endpoints(self) -> EndpointList:
        """See Dnp3Port."""
        return {
            "endpoints": [self._endpoint(endpoint) for endpoint in self._server.endpoints],
            "notices": dict(self._server.counters),
        }

    def frames(self, limit: int) -> list[str]:
        """See Dnp3Port."""
        return list(deque(self._server.journal.lines(), maxlen=limit))

    def pcap(self) -> bytes:
        """See Dnp3Port."""
        return self._server.journal.pcap()

    def disconnect(self, outstation: str, master: str) -> bool:
        """See Dnp3Port."""
        return self._server.disconnect(outstation, master)

    # --- rows --------------------------------------------------------------------------------------------------------

    def _outstation(self, station: Station) -> OutstationRow:
        settings = station.settings
        return {
            "name": settings.name,
            "address": settings.address,
            "target": settings.target.id,
            "points": len(settings.points),
            "masters": len(settings.masters),
            "connected": sum(association.attached for association in station.outstation.associations.values()),
            "trouble": station.handler.in_trouble,
            **self.tags(settings.name),
        }

    def _master(self, station: Station, master: MasterEntry) -> MasterRow:
        association = station.outstation.associations[master.address]
        session = self._server.carrier(station, master.address)
        state, buffer = association.state, association.state.buffer
        buffers: list[BufferRow] = [
            {"event_class": number, "waiting": buffer.waiting(number), "unconfirmed": buffer.unconfirmed(number)}
            for number in CLASSES
        ]
        return {
            "name": master.name,
            "address": master.address,
            "authority": master.authority,
            "may_control": master.may_control,
            "connected": association.attached,
            "peer": None if session is None else _peer(session),
            "heard": None if session is None else session.heard_at,
            "restart_seen": not state.restarted,
            "enabled": sorted(state.enabled),
            "buffers": buffers,
            "dropped": buffer.dropped,
            "overflow": buffer.overflowed,
            "clock_offset_ms": None if state.synchronised_at is None else state.clock_offset_ms,
            "secure": association.authentication is not None,
        }

    def _endpoint(self, endpoint: Endpoint) -> EndpointRow:
        settings = endpoint.settings
        return {
            "place": settings.place,
            "transport": settings.transport.value,
            "mode": settings.mode.value,
            "port": endpoint.port,
            "outstations": list(settings.stations) or list(self._server.stations),
            "counters": dict(endpoint.counters),
            "sessions": [_session(session) for session in endpoint.sessions],
        }


def _point(station: Station, entry: PointEntry) -> PointRow:
    value, flags, time_ms = station.database.value(entry.type, entry.index)
    outputs = station.handler.outputs
    held = outputs.held[entry.name] if entry.is_output else None
    tags = station.handler.judge.blocked
    blocked = tags.get(entry.name, tags.get("")) if entry.is_output else None
    return {
        "type": cast(PointKind, entry.type.value),
        "index": entry.index,
        "name": entry.name,
        "unit": entry.unit,
        "value": _finite(value),
        "flags": flag_names(entry.type, flags),
        "at": time_ms / 1000,
        "event_class": entry.event_class,
        "meaning": _meaning(entry),
        "shown": None if held is None else _finite(held.shown),
        "in_force": entry.is_output and outputs.runs(entry.name),
        "blocked": blocked,
    }


def _meaning(entry: PointEntry) -> str:
    meaning = entry.action.value if entry.is_output else entry.measure.value
    return f"{meaning} {entry.argument}".strip()


def flag_names(point_type: PointType, flags: int) -> list[str]:
    """The flags that are set, by name; state bits are no flags."""
    names = [name for name in _PLAIN_FLAGS if flags & Flags[name]]
    if point_type not in STATE_BITS:
        names += [name for bit, name in _ANALOG_FLAGS.items() if flags & bit]
    return names


def _session(session: Session) -> SessionRow:
    masters = [
        master.name
        for station, channel in session.channels
        for master in station.settings.masters
        if channel.carries(master.address)
    ]
    return {"peer": _peer(session), "since": session.began, "heard": session.heard_at, "masters": masters}


def _peer(session: Session) -> str:
    host, port = session.peer
    return f"{host}:{port}" if port else host


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
