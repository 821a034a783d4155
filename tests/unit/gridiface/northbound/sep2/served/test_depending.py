"""What is read is up to date, though only what it depends on was looked at."""

from __future__ import annotations

import re
from typing import Any

from gridiface.northbound.sep2.served.depending import depends_on
from gridiface.northbound.sep2.served.nodes import Viewer
from gridiface.northbound.sep2.settings import CsipAusSettings

BEFORE, AFTER = 50, 150
EVERYTHING = Viewer("", sees_all=True)


async def filled(make_kit: Any) -> Any:
    """Events of every function set and program that begin between BEFORE and AFTER."""
    kit = await make_kit(csip_aus=CsipAusSettings())
    kit.schema = None  # the official schema has no extensions
    await kit.fill()
    await kit.post("/tp/1/rc/1/tti", kit.bodies.tier("91FE", start=kit.NOW + 60))
    for number, program in enumerate(list(kit.core.state.programs.values())):
        await kit.post(f"{program.path}/derc", kit.control(f"{number + 1:032X}", start=kit.NOW + 60, duration=300))
    kit.at(BEFORE)
    return kit


async def test_every_resource_shows_what_is_true_when_it_is_read(make_kit: Any) -> None:
    """Many flips are due; of each resource the first reading and the one after all flips are the same."""
    kit = await filled(make_kit)
    found = {path for path in kit.core.state.tree.below("") if "{" not in path}
    assert len(found) > 200
    changed = set()
    for by in ("utility", "inv-1"):
        for path in sorted(found):
            kit.at(BEFORE)
            earlier = await kit.send("GET", f"{path}?l=255", by=by)
            kit.clock.time = kit.NOW + AFTER  # nobody's timer has run yet
            first = await kit.send("GET", f"{path}?l=255", by=by)
            kit.at(AFTER)
            assert (await kit.send("GET", f"{path}?l=255", by=by)).body == first.body, (by, path)
            if first.body != earlier.body:
                changed.add(re.sub(r"\d+", "N", path))
    assert {"/derp", "/derp/N", "/derp/N/derc", "/derp/N/actderc", "/derp/N/derc/N", "/edev/N/frp"} <= changed
    assert {"/dr/N/edc", "/msg/N/acttxt", "/tp/N/rc/N/acttti", "/edev/N/fsa/N/derp", "/edev/N/der/N/cdp"} <= changed


async def test_a_reader_of_one_program_does_not_wait_for_the_flips_of_all(make_kit: Any) -> None:
    kit = await filled(make_kit)
    events, programs = kit.core.events, list(kit.core.state.programs.values())
    kit.clock.time = kit.NOW + AFTER
    for path in ("/tm", "/dcap", "/rsps/1/rsp", "/mup"):
        await kit.send("GET", path)
        assert not any(kit.core.state.tree.listing(p.active).items for p in programs), path
    await kit.get(f"{programs[0].path}/derc?l=9")
    running = [p for p in programs if kit.core.state.tree.listing(p.active).items]
    assert running == programs[:1]
    assert events.due <= kit.clock.time  # more is due, and
    assert events.next_timer(kit.clock.time) <= kit.clock.time
    assert (await kit.get(f"{programs[1].path}/actderc?l=9")).all == 1
    while kit.core.handle_timer(kit.clock.time, 1):
        pass
    assert all(kit.core.state.tree.listing(p.active).items for p in programs)
    assert events.due > kit.clock.time


async def test_paths_that_lead_nowhere(make_kit: Any) -> None:
    kit = await filled(make_kit)
    kit.clock.time = kit.NOW + AFTER
    for path in ("/", "/derp/x", "/derp/999/derc", "/edev/x/der/1/cdp", "/edev/999/der/1/cdp", "/nowhere/1", "/dr/7"):
        assert not set(depends_on(kit.core.state, path, EVERYTHING)) & {
            p.path for p in kit.core.state.programs.values()
        }
        assert (await kit.send("GET", path)).status == 404
    assert (await kit.get("/derp/1/derc/?l=9")).members[0].eventStatus.currentStatus == 1
