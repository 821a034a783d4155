"""Checks across blocks: names that must exist, trees that must be trees. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec

from gridiface.aggregation.allocate import names
from gridiface.app.config.dnp3 import dnp3_targets
from gridiface.app.config.dnp3_checks import dnp3_checks
from gridiface.app.config.engine import EngineBlock
from gridiface.app.config.listening import Listening, listening_in
from gridiface.app.config.market_file import markets_of
from gridiface.app.config.mistakes import dotted, nearest
from gridiface.app.config.model import Config
from gridiface.app.config.openadr import OpenAdrProgram, OpenAdrResource
from gridiface.drivers.registry import DriverRegistry, KeysRefused
from gridiface.errors import ConfigError

Mistake = tuple[tuple[int | str, ...], str]


def cross_checks(config: Config) -> Iterator[Mistake]:
    """Every mistake that only shows when blocks are read together, as (place, what is wrong; the fix)."""
    rules = (
        _database,
        _duplicates,
        _members,
        _tree,
        _devices,
        _clients,
        _points,
        _programs,
        _vens,
        _strategies,
        _schedules,
        _upstreams,
        _notices,
        _engine,
        _ports,
    )
    for rule in rules:
        yield from rule(config)


def driver_checks(config: Config) -> Iterator[Mistake]:
    """Every device whose driver is not installed or refuses its keys."""
    registry = DriverRegistry(folder=config.folder)
    for index, device in enumerate(config.devices):
        if device.driver == "sep2":  # served by the 2030.5 server itself
            continue
        key = "driver"
        try:
            registry.factory(device.driver)
            key = "connection"
            registry.config(device.driver, device.connection)
        except KeysRefused as problem:
            for place, text in problem.told:
                yield ("devices", index, key, *place), f"driver {device.driver}: {text}"
        except ConfigError as problem:
            yield ("devices", index, key), str(problem)


def extra_checks(config: Config) -> Iterator[Mistake]:
    """Every part that is configured while what it is made with, an extra of the package, is not installed."""
    oidc = config.operator is not None and config.operator.oidc is not None
    openadr = config.openadr
    wanted: list[tuple[bool, tuple[int | str, ...], str, str]] = [
        (config.database.startswith("postgres"), ("database",), "asyncpg", "postgresql"),
        (oidc, ("operator", "oidc"), "jwt", "oidc"),
        (config.otel is not None, ("otel",), "opentelemetry.sdk", "otel"),
    ]
    if openadr is not None:
        vtn = openadr.vtn is not None and openadr.vtn.xmpp is not None
        wanted.append((vtn, ("openadr", "vtn", "xmpp"), "slixmpp", "xmpp"))
        for index, ven in enumerate(openadr.vens):
            wanted.append((ven.xmpp is not None, ("openadr", "vens", index, "xmpp"), "slixmpp", "xmpp"))
    for asked, place, module, extra in wanted:
        if asked and not _is_installed(module):
            yield place, f"{module.partition('.')[0]} is not installed; pip install 'gridiface[{extra}]'"


def file_checks(config: Config) -> Iterator[Mistake]:
    """Files whose content is a part of the configuration, and is not right."""
    try:
        markets_of(config.markets)
    except ConfigError as problem:
        yield ("markets",), str(problem)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its package
        return False


def _database(config: Config) -> Iterator[Mistake]:
    family, separator, rest = config.database.partition("://")
    if separator and family.partition("+")[0] == "sqlite" and not rest.startswith("/"):
        yield ("database",), f"{config.database} names a host, which a file has none of; write sqlite:///{rest}"
        return
    kind = family.partition("+")[0]
    if separator and (kind not in {"sqlite", "postgresql", "postgres"} or not rest.strip("/")):
        yield (
            ("database",),
            f"no database that is known: {family}://; write sqlite:///FILE or postgresql://USER@HOST/DB",
        )


def _duplicates(config: Config) -> Iterator[Mistake]:
    places: list[tuple[str, int, str]] = [
        *(("devices", index, device.id) for index, device in enumerate(config.devices)),
        *(("groups", index, group.id) for index, group in enumerate(config.groups)),
    ]
    count = Counter(name for _, _, name in places)
    for block, index, name in places:
        if count[name] > 1:
            yield (block, index, "id"), f"{name!r} is used more than once; devices and groups need own ids"


def _members(config: Config) -> Iterator[Mistake]:
    devices = {device.id for device in config.devices}
    groups = {group.id for group in config.groups}
    known = devices | groups
    for index, group in enumerate(config.groups):
        for position, member in enumerate(group.members):
            if member in group.members[:position]:
                yield ("groups", index, "members", position), f"{member!r} is named twice; keep one of the two"
            if member not in known:
                yield ("groups", index, "members", position), f"no device or group {member!r}; {nearest(member, known)}"
        if group.meter is not None and group.meter not in devices:
            yield ("groups", index, "meter"), f"no device {group.meter!r}; {nearest(group.meter, devices)}"
    if config.sep2 is not None:
        for index, name in enumerate(config.sep2.in_band_groups):
            if name not in groups:
                yield ("sep2", "in_band_groups", index), f"no group {name!r}; {nearest(name, groups)}"


def _tree(config: Config) -> Iterator[Mistake]:
    """Groups must be a forest: no group in two groups, none inside itself."""
    groups = {group.id: group for group in config.groups}
    parents: dict[str, str] = {}
    for index, group in enumerate(config.groups):
        for position, member in enumerate(group.members):
            if member in groups and parents.setdefault(member, group.id) != group.id:
                text = f"group {member!r} is in {parents[member]!r} already; a group has one parent"
                yield ("groups", index, "members", position), text
    for index, group in enumerate(config.groups):
        seen, above = {group.id}, parents.get(group.id)
        while above is not None and above not in seen:
            seen.add(above)
            above = parents.get(above)
        if above == group.id:
            yield ("groups", index, "members"), f"group {group.id!r} contains itself; take it out of its own members"


def _devices(config: Config) -> Iterator[Mistake]:
    with_client = {client.device for client in config.sep2.clients} if config.sep2 is not None else set()
    for index, device in enumerate(config.devices):
        rating = device.rating
        if rating.soc_min >= rating.soc_max:
            yield ("devices", index, "rating", "soc_min"), "soc_min must be below soc_max"
        if device.driver == "sep2":
            if config.sep2 is None:
                yield ("devices", index, "driver"), "driver sep2 needs the block `sep2`"
            elif device.id not in with_client:
                yield ("devices", index, "driver"), f"no entry of sep2.clients has `device: {device.id}`; add one"


def _clients(config: Config) -> Iterator[Mistake]:
    if config.sep2 is None:
        return
    devices = {device.id for device in config.devices}
    for index, client in enumerate(config.sep2.clients):
        place = ("sep2", "clients", index)
        if client.device is not None and client.device not in devices:
            yield (*place, "device"), f"no device {client.device!r}; {nearest(client.device, devices)}"
        for position, managed in enumerate(client.manages):
            if managed not in devices:
                yield (*place, "manages", position), f"no device {managed!r}; {nearest(managed, devices)}"
        if client.manages and client.role != "aggregator":
            yield (*place, "manages"), f"only role aggregator manages devices, this is {client.role}"


def _points(config: Config) -> Iterator[Mistake]:
    """Groups and devices that DNP3 points speak of, and what must differ there."""
    if config.dnp3 is None:
        return
    known = {"group": {group.id for group in config.groups}, "device": {device.id for device in config.devices}}
    for place, kind, name in dnp3_targets(config.dnp3):
        if name not in known[kind]:
            yield ("dnp3", *place), f"no {kind} {name!r}; {nearest(name, known[kind])}"
    for place, text in dnp3_checks(config.dnp3):
        yield ("dnp3", *place), text


def _programs(config: Config) -> Iterator[Mistake]:
    """Groups and devices that utilities' OpenADR programs speak of."""
    if config.openadr is None:
        return
    known = {"group": {group.id for group in config.groups}, "device": {device.id for device in config.devices}}
    for number, ven in enumerate(config.openadr.vens):
        named: list[tuple[str, int, OpenAdrProgram | OpenAdrResource]] = [
            ("programs", index, holder) for index, holder in enumerate(ven.programs)
        ]
        named += [("resources", index, holder) for index, holder in enumerate(ven.resources)]
        for block, index, holder in named:
            kind, name = ("group", holder.group) if holder.group is not None else ("device", holder.device)
            if name is not None and name not in known[kind]:
                place = ("openadr", "vens", number, block, index, kind)
                yield place, f"no {kind} {name!r}; {nearest(name, known[kind])}"


def _vens(config: Config) -> Iterator[Mistake]:
    """VENs below our VTN are devices of their own and join groups that exist."""
    if config.openadr is None or config.openadr.vtn is None:
        return
    devices, groups = {device.id for device in config.devices}, {group.id for group in config.groups}
    for number, ven in enumerate(config.openadr.vtn.vens):
        for index, member in enumerate(ven.members):
            place = ("openadr", "vtn", "vens", number, "members", index)
            if member.device in devices:
                yield (*place, "device"), f"{member.device!r} is in `devices` already; a VEN's device needs no driver"
            for position, name in enumerate(member.groups):
                if name not in groups:
                    yield (*place, "groups", position), f"no group {name!r}; {nearest(name, groups)}"


def _strategies(config: Config) -> Iterator[Mistake]:
    """Allocators that are installed."""
    known = list(names())
    named: list[tuple[tuple[int | str, ...], str]] = [(("engine", "strategy"), config.engine.strategy)]
    named += [(("groups", index, "strategy"), group.strategy) for index, group in enumerate(config.groups)]
    for place, name in named:
        if name and name not in known:
            yield place, f"no allocation strategy {name!r}; {nearest(name, known)}"


def _schedules(config: Config) -> Iterator[Mistake]:
    """Schedules of groups and devices that exist, each with an id of its own."""
    known = {"group": {group.id for group in config.groups}, "device": {device.id for device in config.devices}}
    seen: set[str] = set()
    for index, entry in enumerate(config.schedules):
        kind, name = ("group", entry.group) if entry.group is not None else ("device", entry.device or "")
        if name not in known[kind]:
            yield ("schedules", index, kind), f"no {kind} {name!r}; {nearest(name, known[kind])}"
        if entry.id in seen:
            yield ("schedules", index, "id"), f"{entry.id!r} is used more than once; schedules need own ids"
        seen.add(entry.id)


def _upstreams(config: Config) -> Iterator[Mistake]:
    """Names of sessions, and what they stand for."""
    known = {"group": {group.id for group in config.groups}, "device": {device.id for device in config.devices}}
    names = Counter(upstream.name for upstream in config.upstreams)
    for number, upstream in enumerate(config.upstreams):
        place = ("upstreams", number)
        if names[upstream.name] > 1:
            yield (*place, "name"), f"{upstream.name!r} is used more than once; each upstream needs a name of its own"
        if upstream.own_group is not None and upstream.own_group not in known["group"]:
            yield (
                (*place, "own_group"),
                f"no group {upstream.own_group!r}; {nearest(upstream.own_group, known['group'])}",
            )
        taken = Counter((member.device, member.group) for member in upstream.devices)
        for index, member in enumerate(upstream.devices):
            kind, name = ("group", member.group) if member.group is not None else ("device", member.device)
            if name is not None and name not in known[kind]:
                yield (*place, "devices", index, kind), f"no {kind} {name!r}; {nearest(name, known[kind])}"
            if taken[member.device, member.group] > 1:
                yield (*place, "devices", index), f"{kind} {name!r} is named more than once"


def _notices(config: Config) -> Iterator[Mistake]:
    """Whoever is told of alarms has a name of its own."""
    seen: set[str] = set()
    for block, told in (
        () if config.operator is None else (("webhooks", config.operator.webhooks), ("mails", config.operator.mails))
    ):
        for index, one in enumerate(told):
            if one.name in seen:
                text = f"{one.name!r} is used more than once; each webhook and mail needs a name of its own"
                yield ("operator", block, index, "name"), text
            seen.add(one.name)


def _engine(config: Config) -> Iterator[Mistake]:
    """Tuning that contradicts itself, which the engine knows."""
    try:
        config.engine.settings()
    except ConfigError as problem:
        text = str(problem).removeprefix("engine: ")
        key = text.partition(" ")[0]
        yield ("engine", key) if key in EngineBlock.model_fields else ("engine",), text


def _ports(config: Config) -> Iterator[Mistake]:
    """Places that are listened on, each once."""
    seen: list[Listening] = []
    for one in listening_in(config):
        first = next((other for other in seen if one.takes(other)), None)
        if first is not None:
            yield one.place, f"{dotted(first.place)} listens on {first.address} already; choose another port"
        seen.append(one)
