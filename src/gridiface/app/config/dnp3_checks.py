"""Checks across the block of DNP3: names and link addresses that must differ, outstations that must exist. Pure.

What a point map is made of is the adapter's: `app.fronts.checks` asks it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from gridiface.app.config.dnp3 import Dnp3, Dnp3Outstation
from gridiface.app.config.mistakes import Place, nearest

_Key = TypeVar("_Key")


def dnp3_checks(block: Dnp3) -> Iterator[tuple[Place, str]]:
    """Every such mistake, as (place below `dnp3`, what is wrong; the fix)."""
    names = [one.name for one in block.outstations]
    for index, name in _again(enumerate(names)):
        yield ("outstations", index, "name"), f"{name!r} is used more than once; each outstation needs its own name"
    for number, endpoint in enumerate(block.endpoints):
        for index, name in enumerate(endpoint.outstations):
            if name not in names:
                yield ("endpoints", number, "outstations", index), f"no outstation {name!r}; {nearest(name, names)}"
        addresses = [
            (index, one.address)
            for index, one in enumerate(block.outstations)
            if not endpoint.outstations or one.name in endpoint.outstations
        ]
        for index, address in _again(addresses):
            where = endpoint.listen or endpoint.connect or "the serial line"
            text = f"link address {address} is another outstation's behind {where}; give each its own address"
            yield ("outstations", index, "address"), text
    reached = {name for one in block.endpoints for name in one.outstations or names}
    for index, name in enumerate(names):
        # A name that is no outstation's is told above, and may be meant for this one.
        if name not in reached and reached <= set(names):
            text = (
                f"no end point has {name!r} behind it: no master can reach it; name it in an end point's `outstations`"
            )
            yield ("outstations", index, "name"), text
    for number, outstation in enumerate(block.outstations):
        for place, text in _outstation(outstation):
            yield ("outstations", number, *place), text


def _outstation(outstation: Dnp3Outstation) -> Iterator[tuple[Place, str]]:
    for index, address in _again((index, one.address) for index, one in enumerate(outstation.masters)):
        text = f"link address {address} is another master's of this outstation; give each its own address"
        yield ("masters", index, "address"), text
    for index, name in _again((index, one.name) for index, one in enumerate(outstation.masters)):
        yield ("masters", index, "name"), f"{name!r} is used more than once; each master needs its own name"
    for index, (kind, number) in _again((index, (one.type, one.index)) for index, one in enumerate(outstation.points)):
        text = f"{kind} {number} is there already; take one of the two out, or give it another index"
        yield ("points", index, "index"), text


def _again(entries: Iterable[tuple[int, _Key]]) -> Iterator[tuple[int, _Key]]:
    """Those whose key an earlier one has."""
    seen: set[_Key] = set()
    for index, key in entries:
        if key in seen:
            yield index, key
        seen.add(key)
