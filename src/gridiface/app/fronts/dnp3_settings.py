"""From the configuration to the DNP3 adapter: its settings, its point maps, and the adapter itself."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from gridiface.app.config.dnp3 import (
    Dnp3,
    Dnp3Authentication,
    Dnp3Endpoint,
    Dnp3Master,
    Dnp3Outstation,
    Dnp3Point,
    Dnp3Tls,
    Dnp3Unsolicited,
)
from gridiface.domain.clock import Clock
from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.ports import ControlInbox, FleetView, Ledger
from gridiface.errors import ConfigError
from gridiface.northbound.dnp3.pointmap.meanings import Action, Measure
from gridiface.northbound.dnp3.pointmap.points import PointEntry, PointMap
from gridiface.northbound.dnp3.profiles import profile
from gridiface.northbound.dnp3.profiles.der_units import unit_entries
from gridiface.northbound.dnp3.server import ControlHistory, Dnp3Server
from gridiface.northbound.dnp3.settings import (
    Deadlines,
    Dnp3Settings,
    EndpointSettings,
    MasterEntry,
    QualityPolicy,
    SecureAuthentication,
    SerialSettings,
    StationSettings,
    TlsSettings,
)
from gridiface.pki.contexts import KeyPair
from gridiface.plainyaml import read_yaml
from gridiface.protocols.dnp3.authentication.algorithms import AuthenticationSettings, MacAlgorithm, User
from gridiface.protocols.dnp3.authentication.roles import OPTIONAL_CRITICAL
from gridiface.protocols.dnp3.outstation.settings import Trigger, UnsolicitedSettings
from gridiface.protocols.dnp3.points import PointType
from gridiface.streams.acceptor import nothing_spare
from gridiface.wording import said

#: Role numbers of IEC 62351-8 as DNP3 uses them.
ROLE_NUMBERS = {
    "viewer": 0,
    "operator": 1,
    "engineer": 2,
    "installer": 3,
    "security-admin": 4,
    "single": 32_768,
}
_MAX_BYTES = 8 * 1024 * 1024
_POINTS = TypeAdapter(tuple[Dnp3Point, ...])


def dnp3_server(
    dnp3: Dnp3,
    site: str,
    *,
    clock: Clock,
    inbox: ControlInbox,
    ledger: Ledger,
    fleet: FleetView,
    history: ControlHistory,
    spare: Callable[[], bool] = nothing_spare,
) -> Dnp3Server:
    """The adapter, not yet started.

    Raises:
        ConfigError: a point map, an address list or a TLS file cannot be used.
    """
    settings = dnp3_settings(dnp3, site)
    return Dnp3Server(settings, clock=clock, inbox=inbox, ledger=ledger, fleet=fleet, history=history, spare=spare)


def dnp3_settings(dnp3: Dnp3, site: str) -> Dnp3Settings:
    """The adapter's settings.

    Raises:
        ConfigError: as `dnp3_server`.
    """
    return Dnp3Settings(
        stations=tuple(station_settings(outstation, site) for outstation in dnp3.outstations),
        endpoints=tuple(_endpoint(endpoint) for endpoint in dnp3.endpoints),
        refresh_s=dnp3.refresh_s,
        journal_frames=dnp3.journal_frames,
    )


def station_settings(outstation: Dnp3Outstation, site: str) -> StationSettings:
    """The settings of one outstation, with its whole point map.

    Raises:
        ConfigError: a point cannot be used, or the point file cannot be read.
    """
    described: dict[int, str | int | float | bytes] = {
        208: site,
        242: version("gridiface"),
        247: outstation.name,
        250: "gridiface outstation",
        252: "gridiface",
    }
    described |= {number: text for number, text in ((244, outstation.owner), (245, outstation.location)) if text}
    target = _target(outstation.group, outstation.device)
    if target is None:
        raise ConfigError(f"outstation {outstation.name}: name the group or device that it speaks of")
    return StationSettings(
        name=outstation.name,
        address=outstation.address,
        target=target,
        points=point_map(outstation),
        masters=tuple(_master(master) for master in outstation.masters),
        quality=QualityPolicy(**outstation.quality.model_dump()),
        out_of_range_above_ratings=outstation.out_of_range_above_ratings,
        local=outstation.local,
        restart_s=outstation.restart_s,
        deadband_writes=outstation.deadband_writes,
        keep_alive_s=outstation.keep_alive_s,
        link_timeout_s=outstation.link_timeout_s,
        self_address=outstation.self_address,
        description=described,
        authentication=secure_authentication(outstation.name, outstation.authentication),
        files=outstation.files,
        configuration_writes=outstation.configuration_writes,
    )


def secure_authentication(station: str, block: Dnp3Authentication | None) -> SecureAuthentication | None:
    """Algorithms and users of an outstation's secure authentication; None where it has none.

    Raises:
        ConfigError: an update key cannot be read.
    """
    if block is None:
        return None
    algorithm = MacAlgorithm[block.mac.upper().replace("-", "_")]
    settings = AuthenticationSettings(
        name=station,
        mac=algorithm,
        aggressive=block.aggressive,
        also_critical=frozenset().union(*(OPTIONAL_CRITICAL[word] for word in block.also_critical)),
        challenge_octets=block.challenge_octets,
        max_errors=block.max_errors,
        max_failures=block.max_failures,
        reply_timeout=block.reply_timeout_s,
        key_lifetime=block.key_lifetime_s,
        key_messages=block.key_messages,
        allow_sha_1="sha-1-" in block.mac,
        authority_key=None if block.authority_key is None else read_update_key(block.authority_key, "an authority"),
        max_users=block.max_users,
        max_status_requests=block.max_status_requests,
    )
    users = tuple(
        User(user.number, user.name or f"user {user.number}", read_update_key(user.key), ROLE_NUMBERS[user.role])
        for user in block.users
    )
    return SecureAuthentication(settings=settings, users=users, masters=block.masters)


def read_update_key(path: Path, whose: str = "an update") -> bytes:
    """An update key, or an authority's, out of its file: 32 or 64 hex digits.

    Raises:
        ConfigError: it cannot be read or is something else; the text never holds what was found.
    """
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError, ValueError):
        key = b""
    if len(key) not in {16, 32}:
        raise ConfigError(f"{path}: {whose} key is 32 or 64 hex digits in a file that can be read")
    return key


def point_map(outstation: Dnp3Outstation) -> PointMap:
    """Profile, then point file, then points by hand; the later replaces the earlier of the same type and index.

    Raises:
        ConfigError: a point cannot be used, or the point file cannot be read.
    """
    try:
        points = PointMap([] if outstation.profile == "none" else profile(outstation.profile))
        if outstation.units is not None:
            points = points.merged(unit_entries(outstation.units.model_dump()))
        if outstation.point_file is not None:
            points = points.merged(point_entry(point) for point in read_points(outstation.point_file))
        points = points.merged(point_entry(point) for point in outstation.points)
        points.core()
    except ConfigError as problem:
        raise ConfigError(f"outstation {outstation.name}: {problem}") from problem
    return points


def read_points(path: Path) -> tuple[Dnp3Point, ...]:
    """The points of a file: a YAML list.

    Raises:
        ConfigError: it cannot be read, or holds something else; the text names the file and the place.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigError(f"{path}: larger than {_MAX_BYTES} bytes")
        data: Any = read_yaml(path.read_text(encoding="utf-8"))
        # YAML tells no list from a tuple; the strictness of every single field stays
        return _POINTS.validate_python(data)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise ConfigError(f"{path}: cannot be read: {problem}") from problem
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"]) or "the file"
        raise ConfigError(f"{path}: {place}: {said(first)}") from problem


def point_entry(point: Dnp3Point) -> PointEntry:
    """A configured point as the adapter wants it.

    Raises:
        ConfigError: it cannot be used.
    """
    kind = PointType(point.type)
    left_out = {"type", "index", "name", "measure", "action", "group", "device", "minimum", "maximum"}
    same = {name: getattr(point, name) for name in type(point).model_fields if name not in left_out}
    return PointEntry(
        type=kind,
        index=point.index,
        name=point.name or f"{kind.value} {point.index}",
        measure=point.measure or Measure.UNKNOWN,
        action=point.action or Action.NONE,
        target=_target(point.group, point.device),
        minimum=float("-inf") if point.minimum is None else point.minimum,
        maximum=float("inf") if point.maximum is None else point.maximum,
        **same,
    )


def _target(group: str | None, device: str | None) -> Target | None:
    if group is not None:
        return Target(TargetKind.GROUP, group)
    return None if device is None else Target(TargetKind.DEVICE, device)


def _master(master: Dnp3Master) -> MasterEntry:
    return MasterEntry(
        name=master.name,
        address=master.address,
        authority=master.authority,
        may_control=master.may_control,
        sources=tuple(ip_network(text) for text in master.sources),
        fingerprints=master.fingerprints,
        names=master.certificate_names,
        unsolicited=None if master.unsolicited is None else _unsolicited(master.unsolicited),
        confirm_timeout_s=master.confirm_timeout_s,
        select_timeout_s=master.select_timeout_s,
        max_fragment=master.max_fragment,
        max_controls=master.max_controls,
        event_capacity=master.event_capacity,
        drop_oldest=master.overflow == "oldest",
        need_time=master.need_time,
        time_sync_interval_s=master.time_sync_interval_s,
    )


def _unsolicited(block: Dnp3Unsolicited) -> UnsolicitedSettings:
    return UnsolicitedSettings(
        confirm_timeout=block.confirm_timeout_s,
        retries=block.retries,
        offline_interval=block.offline_interval_s,
        regenerate=block.regenerate,
        triggers={item.event_class: Trigger(item.count, item.hold_time_s) for item in block.triggers},
        backoff=block.backoff_s,
    )


def _endpoint(endpoint: Dnp3Endpoint) -> EndpointSettings:
    host, port = _host_port(endpoint.listen) if endpoint.listen is not None else ("", 0)
    return EndpointSettings(
        host=host,
        port=port,
        stations=endpoint.outstations,
        transport=endpoint.transport,
        mode=endpoint.mode,
        peer=None if endpoint.connect is None else _host_port(endpoint.connect),
        tls=None if endpoint.tls is None else _tls(endpoint.tls),
        serial=None if endpoint.serial is None else SerialSettings(**endpoint.serial.model_dump()),
        new_connection=endpoint.new_connection,
        connections=endpoint.connections,
        connections_per_address=endpoint.connections_per_address,
        deadlines=Deadlines(handshake=endpoint.handshake_s, first_frame=endpoint.first_frame_s, idle=endpoint.idle_s),
    )


def _host_port(place: str) -> tuple[str, int]:
    host, _, port = place.rpartition(":")
    return host.strip("[]"), int(port)


def _tls(tls: Dnp3Tls) -> TlsSettings:
    return TlsSettings(
        key_pair=KeyPair(tls.certificate, tls.key),
        roots=tls.roots,
        revocation_list=tls.revoked,
        crls=tls.crls,
    )
