"""What the operator, and a device for itself, changes while the server runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gridiface.errors import ConfigError, StoreUnavailable

NS = 'xmlns="urn:ieee:std:2030.5:ns"'


async def mirror(kit: Any) -> str:
    body = (
        f"<MirrorUsagePoint {NS}><mRID>0A</mRID><roleFlags>49</roleFlags><serviceCategoryKind>0</serviceCategoryKind>"
        f"<status>1</status><deviceLFDI>{kit.lfdi['inv-1']}</deviceLFDI><MirrorMeterReading><mRID>0B</mRID>"
        "<ReadingType><uom>38</uom></ReadingType></MirrorMeterReading></MirrorUsagePoint>"
    )
    reply = await kit.send("POST", "/mup", body, by="inv-1")
    assert reply.status in {201, 204}
    return str(reply.headers["Location"])


async def test_show_post_rate_on_the_mirror_and_change_it_at_run_time(kit: Any) -> None:
    path, edev = await mirror(kit), kit.edev("inv-1")
    assert (await kit.get(path, by="inv-1")).postRate == 300
    kit.clock.time += 9
    await kit.core.operating.set_post_rate(kit.core.state.by_device["inv-1"], 60, kit.clock.time)
    for each in (kit, await kit.restarted()):
        assert (await each.get(path, by="inv-1")).postRate == 60
        shown = await each.get(edev, by="inv-1")
        assert (shown.postRate, shown.changedTime) == (60, kit.NOW + 9)
        assert (await each.get(each.edev("inv-2"))).postRate == 300
    assert await mirror(kit) == path  # overwritten by the client: the server's rate stays
    assert (await kit.get(path, by="inv-1")).postRate == 60


async def test_a_device_changes_its_own_post_rate_and_nothing_else(kit: Any) -> None:
    edev = kit.edev("inv-2")
    body = (await kit.send("GET", edev, by="inv-2")).body.decode()
    faster = body.replace("<postRate>300<", "<postRate>30<")
    for by, status in (("inv-2", 204), ("aggregator", 204), ("utility", 403), ("inv-1", 404)):
        assert (await kit.send("PUT", edev, faster, by=by)).status == status
    assert (await kit.get(edev, by="inv-2")).postRate == 30
    for wrong in (
        body.replace("<enabled>true<", "<enabled>false<"), body.replace(kit.lfdi["inv-2"], kit.lfdi["inv-1"]),
        body.replace("<postRate>300<", "<postRate>0<"), body.replace("<postRate>300<", "<postRate>86401<"),
    ):  # fmt: skip
        assert wrong != body
        assert (await kit.send("PUT", edev, wrong, by="inv-2")).status == 400
    assert (await kit.get(edev, by="inv-2")).postRate == 30


async def test_an_end_device_without_a_post_rate_is_the_same_one(kit: Any) -> None:
    """An optional element; an older edition does not have it, and gives back what it was given."""
    edev = kit.edev("inv-2")
    body = (await kit.send("GET", edev, by="inv-2")).body.decode()
    kept, commits = body.replace("<postRate>300</postRate>", ""), kit.ledger.commits
    assert kept != body
    assert (await kit.send("PUT", edev, kept, by="inv-2")).status == 204
    assert (await kit.send("PUT", edev, kept.replace("<enabled>true<", "<enabled>false<"), by="inv-2")).status == 400
    assert (await kit.send("GET", edev, by="inv-2")).body.decode() == body
    assert kit.ledger.commits == commits


async def test_a_revoked_certificate_is_a_stranger_from_its_next_request_on(kit: Any) -> None:
    edev, operating = kit.edev("inv-1"), kit.core.operating
    assert kit.core.channel.serves("inv-1")
    for name in ("inv-1", "utility"):
        await operating.set_enabled(kit.lfdi[name], False, kit.clock.time)
        await operating.set_enabled(kit.lfdi[name], False, kit.clock.time)
    for each in (kit, await kit.restarted()):
        for by in ("inv-1", "utility"):
            assert (await each.send("GET", edev, by=by)).status == 403
            assert (await each.send("GET", "/dcap", by=by)).status == 200
        assert not each.core.channel.serves("inv-1")
        assert each.core.state.tree.item(edev).obj.enabled is False
    for name in ("inv-1", "utility"):
        await operating.set_enabled(kit.lfdi[name], True, kit.clock.time)
    assert (await kit.get(edev, by="inv-1")).enabled is True
    assert (await kit.get(edev, by="utility")).enabled is True


async def test_update_changed_time_when_any_attribute_or_assignment_changes_and_show_it_first(kit: Any) -> None:
    lfdi, state = kit.lfdi["inv-1"], kit.core.state
    record = state.by_device["inv-1"]

    async def changed_at(seconds: float) -> bool:
        newest = (await kit.get("/edev")).members[0]
        return (newest.lFDI, newest.changedTime) == (lfdi, kit.NOW + seconds)

    kit.clock.time = kit.NOW + 10
    await kit.core.operating.set_post_rate(record, 60, kit.clock.time)
    assert await changed_at(10)
    for seconds, enabled in ((20, False), (30, True)):
        kit.clock.time = kit.NOW + seconds
        await kit.core.operating.set_enabled(lfdi, enabled, kit.clock.time)
        assert await changed_at(seconds)
    kit.clock.time = kit.NOW + 40
    path, _ = await kit.core.assignments.ensure(record, "second", kit.clock.time)
    assert await changed_at(40)
    kit.clock.time = kit.NOW + 50
    await kit.core.assignments.remove(record, path, kit.clock.time)
    assert await changed_at(50)
    # By `a` a client asks for what has changed since.
    assert (await kit.get(f"/edev?l=9&a={int(kit.NOW) + 49}")).results == 1
    assert (await kit.get(f"/edev?l=9&a={int(kit.NOW) + 50}")).results == 0
    sfdis = [d.sFDI for d in (await kit.get("/edev?l=9")).members[1:]]
    assert sfdis == sorted(sfdis)


async def test_bump_the_version_of_a_program_and_keep_its_mrid(kit: Any) -> None:
    program = kit.core.state.programs[kit.core.state.by_device["inv-1"].program]
    before = await kit.get(program.path)
    await kit.core.assignments.rank(program, 3, kit.NOW)
    after = await kit.get(program.path)
    assert (after.mRID, after.version, after.primacy) == (before.mRID, (before.version or 0) + 1, 3)


async def test_poll_rates_change_for_all_resources_of_a_name(kit: Any) -> None:
    assert (await kit.get("/derp", by="inv-1")).pollRate == 300
    await kit.core.operating.set_poll_rate("DERProgramList", 17)
    for each in (kit, await kit.restarted()):
        assert (await each.get("/derp", by="inv-1")).pollRate == 17
        assert (await each.get(each.edev("inv-1") + "/fsa/1/derp", by="inv-1")).pollRate == 17
        assert (await each.get("/edev", by="inv-1")).pollRate == 900


@pytest.mark.parametrize("seconds", [0, -1, 86_401])
async def test_rates_have_bounds(kit: Any, seconds: int) -> None:
    with pytest.raises(ConfigError):
        await kit.core.operating.set_poll_rate("DERProgramList", seconds)
    with pytest.raises(ConfigError):
        await kit.core.operating.set_post_rate(kit.core.state.by_device["inv-1"], seconds, 0.0)


async def test_only_what_has_a_poll_rate_can_be_given_one(kit: Any) -> None:
    with pytest.raises(ConfigError, match="DERControlList"):
        await kit.core.operating.set_poll_rate("DERControlList", 60)


async def test_what_is_not_durable_is_not_shown(kit: Any) -> None:
    kit.ledger.down = True
    with pytest.raises(StoreUnavailable):
        await kit.core.operating.set_poll_rate("DERProgramList", 17)
    with pytest.raises(StoreUnavailable):
        await kit.core.operating.set_enabled(kit.lfdi["inv-1"], False, 0.0)
    assert (await kit.get("/derp", by="inv-1")).pollRate == 300


async def test_a_disabled_end_device_does_not_count_in_the_engine(kit: Any) -> None:
    """The fleet's device takes no part while its only way is shut; another driver's device stays what it is."""
    lfdi = kit.lfdi["inv-1"]
    await kit.core.operating.set_enabled(lfdi, False, kit.NOW)
    assert not kit.fleet.known["inv-1"].enabled
    other = await kit.restarted()
    assert not other.fleet.known["inv-1"].enabled
    await other.core.operating.set_enabled(lfdi, True, kit.NOW)
    assert other.fleet.known["inv-1"].enabled
    kit.fleet.known["inv-1"] = replace(kit.fleet.known["inv-1"], driver="sunspec")
    await other.core.operating.set_enabled(lfdi, False, kit.NOW)
    assert other.fleet.known["inv-1"].enabled
