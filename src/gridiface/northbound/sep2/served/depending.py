"""Which programs and event sets are behind what is read at a path: these must be up to date before it is read.

When thousands of events begin or end in one second, a reader waits for those that it is shown, not for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from gridiface.northbound.sep2.served.nodes import Listing, Viewer
from gridiface.northbound.sep2.served.state import State

#: Roots below which nothing shows an event or counts events.
_WITHOUT = frozenset({"tm", "dcap", "sdev", "mup", "upt", "rsps", "file", "bill", "brs", "ppy"})


def depends_on(state: State, path: str, viewer: Viewer) -> Iterator[str]:
    """The paths of programs and event sets on which it depends what a viewer is shown at a path, which may be none."""
    root, *below = path.strip("/").split("/")
    if root in _WITHOUT:
        return
    if root == "derp" and below:
        yield f"/derp/{below[0]}"
    elif root == "derp":
        yield from _members(state, path, viewer)
    elif root == "edev" and below:
        yield f"/edev/{below[0]}/frp"
        yield from _members(state, path, viewer)  # of lists of programs, which show how many events each has
        if below[-1] == "cdp" and below[0].isdecimal():
            yield from _programs(state, int(below[0]))
    elif root == "edev":
        yield from (f"{device}/frp" for device in _members(state, path, viewer))
    else:  # event sets of one root share lists, and are few
        yield from [other for other in state.event_sets if other.startswith(f"/{root}/")]


def _members(state: State, path: str, viewer: Viewer) -> Iterator[str]:
    """What a list shows; nothing where there is none."""
    node = state.tree.get(path.rstrip("/"))
    if isinstance(node, Listing):
        yield from (item.path for item in node.members(node.view_of(viewer)))


def _programs(state: State, number: int) -> Iterator[str]:
    """The programs of an end device."""
    record = state.end_devices.get(number)
    if record is not None and record.device_id is not None:
        yield from (program.path for program in state.programs_of_device(record.device_id))
