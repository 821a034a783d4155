"""What was read of a server and what its events have become, as rows for people. Owns no decision."""

from __future__ import annotations

from typing import Any

from gridiface.northbound.sep2.upstream.session import UpstreamSession
from gridiface.protocols.sep2.polling import AnyList

Row = dict[str, Any]


def resources_of(session: UpstreamSession) -> list[Row]:
    """The resources that are kept up to date, by href; times are ours, s since 1970 UTC."""
    tree = session.client.tree
    return [
        {
            "href": node.href,
            "resource": node.kind.__name__,
            "fetched_at": node.fetched_at if node.value is not None else None,
            "next_at": max(node.next_at, 0.0),
            "failures": node.failures,
            "subscribed": node.href in tree.rates,
            "members": len(getattr(node.value, "members", ())) if isinstance(node.value, AnyList) else None,
        }
        for node in sorted(tree.nodes.values(), key=lambda one: one.href)
    ]


def events_of(session: UpstreamSession) -> list[Row]:
    """Each event for each device, by start; times are ours."""
    rows: list[Row] = []
    offset = session.client.clock_offset or 0.0
    for binding in session.book.bindings.known.values():
        device = session.client.devices.get(binding.lfdi)
        followed = None if device is None else device.follower.events.get(binding.mrid)
        target = session.settings.targets.get(binding.lfdi)
        if followed is None or target is None:
            continue
        rows.append(
            {
                "mRID": binding.mrid,
                "lfdi": binding.lfdi,
                "target": target.id,
                "description": getattr(followed.event, "description", None) or "",
                "program": followed.facts.program,
                "primacy": followed.facts.primacy,
                "phase": followed.phase.value,
                "modes": sorted(followed.remaining),
                "begins": followed.begins - offset,
                "ends": followed.ends - offset,
                "control": binding.control,
                "answered": sorted(binding.told),
                "over": binding.over,
            }
        )
    return sorted(rows, key=lambda row: (row["begins"], row["mRID"], row["lfdi"]))
