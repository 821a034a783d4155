"""Who sees and writes what: every resource that is served, every method, every role."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.fleet import Role
from gridiface.protocols.xmlwire import decode

ROLES = ("utility", "inv-1", "inv-2", "aggregator", "stranger", "")
NS = 'xmlns="urn:ieee:std:2030.5:ns"'
MIRROR = (
    f"<MirrorUsagePoint {NS}><mRID>AA01</mRID><roleFlags>0049</roleFlags><serviceCategoryKind>0</serviceCategoryKind>"
    "<status>1</status><deviceLFDI>{lfdi}</deviceLFDI><MirrorMeterReading><mRID>BB01</mRID><MirrorReadingSet>"
    "<mRID>BB02</mRID><timePeriod><duration>9</duration><start>1</start></timePeriod><Reading><value>1</value></Reading>"
    "</MirrorReadingSet><Reading><value>2</value></Reading><ReadingType><uom>38</uom></ReadingType>"
    "</MirrorMeterReading></MirrorUsagePoint>"
)
LOG = (
    f"<LogEvent {NS}><createdDateTime>1</createdDateTime><functionSet>11</functionSet><logEventCode>2</logEventCode>"
    "<logEventID>1</logEventID><logEventPEN>1</logEventPEN><profileID>2</profileID></LogEvent>"
)
CURVE = (
    f"<DERCurve {NS}><mRID>CC</mRID><creationTime>1</creationTime><CurveData><xvalue>1</xvalue><yvalue>1</yvalue>"
    "</CurveData><curveType>11</curveType><xMultiplier>0</xMultiplier><yMultiplier>0</yMultiplier>"
    "<yRefType>2</yRefType></DERCurve>"
)
DEFAULT = f"<DefaultDERControl {NS}><mRID>{{mrid}}</mRID><DERControlBase/></DefaultDERControl>"

#: Who may read what is below each owner; "" is no certificate at all.
READERS = {
    "inv-1": {"utility", "inv-1"},
    "inv-2": {"utility", "inv-2", "aggregator"},
    "managed-1": {"utility", "aggregator"},
    "aggregator": {"utility", "aggregator"},
    "bat-1": {"utility"},
    "fleet": {"utility"},
}
OPEN = {"/dcap", "/tm"}
PUBLISHED = ("bill", "brs", "dr", "file", "msg", "ppy", "tp", "upt")
SHARED = {"/edev", "/derp", "/rsps", "/mup", "/sdev", *(f"/{root}" for root in PUBLISHED)}
#: What is published to all is read by every registered client, what is published to one device by it and its manager.
READERS_OF = READERS | {"all": {"utility", "inv-1", "inv-2", "aggregator"}, "one": {"utility", "inv-2", "aggregator"}}


async def populated(kit: Any) -> Any:
    """Something of everything below every owner."""
    for number, (name, by) in enumerate([("inv-1", "inv-1"), ("inv-2", "inv-2"), ("managed-1", "aggregator")], 1):
        lfdi = kit.core.state.by_device[name].lfdi
        assert (await kit.send("POST", "/mup", MIRROR.format(lfdi=lfdi), by=by)).status == 201
        assert (await kit.send("POST", kit.edev(name) + "/lel", LOG, by=by)).status == 201
        program = kit.program(name)
        assert (await kit.send("POST", f"{program}/dc", CURVE)).status == 201
        assert (await kit.send("PUT", f"{program}/dderc", DEFAULT.format(mrid=f"0{number}"))).status == 204
        assert (await kit.send("POST", f"{program}/derc", kit.control(f"{number:032X}"))).status == 201
        answer = kit.response(lfdi, f"{number:032X}", 1)
        assert (await kit.send("POST", program.replace("derp", "rsps") + "/rsp", answer, by=by)).status == 201
    await kit.fill()
    for root, part, body, event in (
        ("msg", "txt", kit.bodies.messages("7F00"), kit.bodies.text("7F01")),
        ("dr", "edc", kit.bodies.dr_program("7F02"), kit.bodies.load("7F03")),
    ):
        listing, target = kit.core.state.tree.listing(f"/{root}"), Target(TargetKind.DEVICE, "inv-2")
        program = decode(body.encode(), listing.kind.cls.__wire__.elements[-1].kind)
        path, _ = await kit.core.publishing.create(listing, program, kit.NOW, by="operator", target=target)
        await kit.post(f"{path}/{part}", event)
    return kit


@pytest.fixture
async def full(kit: Any) -> Any:
    """A server with something of everything below every owner."""
    return await populated(kit)


def owners(kit: Any) -> dict[str, str]:
    """Every served path and whose it is."""
    state, found = kit.core.state, {}
    names = {
        record.number: next(n for n, r in _names(state).items() if r is record) for record in state.end_devices.values()
    }
    for mirror in kit.core.metering.mirrors.values():
        kit.core.metering.expand(f"{mirror.usage_point}/mr")
    for path in kit.core.state.tree.below("/dcap", "/tm", *SHARED):
        if state.tree.get(path) is None or path in OPEN | SHARED:
            continue
        found[path] = _owner(kit, path, names)
    return found


def _owner(kit: Any, path: str, names: dict[int, str]) -> str:
    root, number = path.split("/")[1:3]
    state = kit.core.state
    if root == "rsps" and not number.isdecimal():
        root, number = number[:-1], number[-1]
    if root in {"edev", "frp"}:
        return names[int(number)]
    if root in {"derp", "rsps"}:
        return names[state.programs[int(number)].owner]
    if root in PUBLISHED and f"/{root}/{number}" in state.publications:
        return "all" if state.publications[f"/{root}/{number}"].target is None else "one"
    return names[state.by_lfdi[kit.core.metering.mirrors[int(number)].device_lfdi].number]


def may_read(path: str, owner: str, by: str) -> bool:
    """The rule, said once more: a Registration is its own device's alone."""
    return by == owner if path.endswith("/rg") else by in READERS_OF[owner]


def may_write(path: str, owner: str, by: str) -> bool:
    """Programs, what is published and grants by the utility; what a device says of itself by it or its aggregator."""
    if path.split("/")[1] in {"derp", *PUBLISHED} or (path.startswith("/edev") and "/frp" in path):
        return by == "utility"
    return by in READERS_OF[owner] - {"utility"}


def _names(state: Any) -> dict[str, Any]:
    return {**state.by_device, **state.by_group, "aggregator": next(
        record for record in state.end_devices.values() if record.role is Role.AGGREGATOR)}  # fmt: skip


@pytest.mark.parametrize("by", ROLES)
async def test_each_role_reads_its_own_and_nothing_else(full: Any, by: str) -> None:
    paths = owners(full)
    assert len(paths) > 280
    assert {path.split("/")[1] for path in paths} >= {*PUBLISHED, "edev", "derp", "rsps", "mup", "upt"}
    for path, owner in paths.items():
        item = full.core.state.tree.item(path)
        empty = item is not None and item.obj is None and item.live is None
        reply = await full.send("GET", path, by=by)
        if may_read(path, owner, by):
            assert reply.status == (404 if empty else 200), path
        else:
            assert reply.status == (403 if by in {"stranger", ""} else 404), (path, owner)
            assert full.typed(reply).reasonCode is not None
            assert owner.encode() not in reply.body


@pytest.mark.parametrize("by", ROLES)
async def test_dcap_and_tm_are_open_to_every_valid_certificate_and_the_rest_to_the_registered(
    full: Any, by: str
) -> None:
    for path in OPEN:
        assert (await full.send("GET", path, by=by)).status == 200
    for path in SHARED:
        assert (await full.send("GET", path, by=by)).status == (403 if by in {"stranger", ""} else 200)


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("inv-1", {"inv-1"}),
        ("inv-2", {"inv-2"}),
        ("aggregator", {"aggregator", "inv-2", "managed-1"}),
        ("utility", set(READERS)),
    ],
)
async def test_show_each_client_its_own_and_its_managed_end_devices(full: Any, by: str, names: set[str]) -> None:
    known = _names(full.core.state)
    found = await full.get("/edev?l=99", by=by)
    assert {d.lFDI for d in found.members} == {known[name].lfdi for name in names}
    assert found.all == len(names)
    assert (await full.get("/dcap", by=by)).EndDeviceListLink.all == len(names)
    for root, texts in (("msg", 2), ("dr", 2), ("tp", 1), ("bill", 1), ("ppy", 1), ("file", 1), ("brs", 1)):
        seen = texts if by != "inv-1" else 1
        assert (await full.get(f"/{root}?l=99", by=by)).all == seen, root
    with_der = {name for name in names if name != "aggregator"}
    assert (await full.get("/derp?l=99", by=by)).all == len(with_der)
    mirrors = {name for name in names if name in {"inv-1", "inv-2", "managed-1"}}
    assert {m.deviceLFDI for m in (await full.get("/mup?l=99", by=by)).members} == {known[n].lfdi for n in mirrors}
    assert (await full.get("/upt?l=99", by=by)).all == len(mirrors) + 1  # and the utility's own, which is for all


@pytest.mark.parametrize("by", ROLES)
async def test_nobody_writes_below_another(full: Any, by: str) -> None:
    """Device data by the device or its aggregator, programs by the utility, the rest by nobody."""
    before = full.documents()
    for path, owner in owners(full).items():
        node = full.core.state.tree.get(path)
        for method in sorted(set(node.kind.methods) - {"GET", "HEAD"}):
            if may_write(path, owner, by):
                continue
            reply = await full.send(method, path, "<a/>", by=by)
            assert reply.status in {403, 404}, (method, path, by, reply.status)
    assert full.documents() == before


@pytest.mark.parametrize("by", ROLES)
async def test_every_method_of_every_resource_is_refused_or_known(full: Any, by: str) -> None:
    """R17: 405 with Allow only for what the caller sees, 403 or 404 for the rest, and never a 5xx."""
    for path, owner in owners(full).items():
        node = full.core.state.tree.get(path)
        for method in ("PUT", "POST", "DELETE"):
            if method in node.kind.methods:
                continue
            reply = await full.send(method, path, "<a/>", by=by)
            seen = may_read(path, owner, by)
            assert reply.status == (405 if seen else 403 if by in {"stranger", ""} else 404), (method, path)
            assert ("Allow" in reply.headers) == seen


async def test_a_pin_is_shown_to_its_own_device_alone(full: Any) -> None:
    for name in ("inv-1", "inv-2"):
        path = full.edev(name)
        for by in ROLES:
            reply = await full.send("GET", f"{path}/rg", by=by)
            assert (reply.status == 200) == (by == name), (by, name)
            assert (b"pIN" in reply.body) == (by == name)
            seen = await full.send("GET", path, by=by)
            assert (b"RegistrationLink" in seen.body) == (by == name)
        assert b"RegistrationLink" not in (await full.send("GET", "/edev?l=99")).body


async def test_the_shared_lists_take_no_writes_from_strangers(full: Any) -> None:
    before = full.documents()
    assert (await full.send("POST", "/mup", MIRROR.format(lfdi=full.lfdi["stranger"]), by="stranger")).status == 403
    assert (await full.send("POST", "/edev", f"<EndDevice {NS}><sFDI>1</sFDI><changedTime>1</changedTime></EndDevice>",
                            by="stranger")).status in {403, 405}  # fmt: skip
    assert full.documents() == before


async def test_responses_of_others_are_not_shown_to_a_device(full: Any) -> None:
    """An aggregator sees those of its devices, a device its own, in the same set."""
    program = full.core.state.program_of_device("inv-2")
    path = program.path.replace("derp", "rsps")
    for by in ("inv-2", "aggregator", "utility"):
        assert (await full.get(f"{path}/rsp?l=9", by=by)).all == 1
        assert (await full.get(path, by=by)).ResponseListLink.all == 1


async def test_a_derived_lfdi_opens_no_door(full: Any) -> None:
    lfdi = full.core.state.by_device["bat-1"].lfdi
    assert (await full.send("GET", "/edev", by=lfdi)).status == 403
    assert full.core.services.doorman.caller(lfdi).role is Role.UNREGISTERED
