"""The device profile of an outstation, made from what is configured: an XML document, and a page for people.

The sections are those of the DNP3 Device Profile: device, network, link, application, unsolicited, outstation
capabilities, points. Owns both forms; the facts are the settings' and the protocol core's own tables, so the document
cannot say what the outstation does not do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from lxml import etree

from gridiface.northbound.dnp3.pointmap.meanings import Action
from gridiface.northbound.dnp3.pointmap.points import PointEntry
from gridiface.northbound.dnp3.settings import (
    EndpointSettings,
    MasterEntry,
    SerialSettings,
    StationSettings,
    Transport,
)
from gridiface.protocols.dnp3.application import FunctionCode
from gridiface.protocols.dnp3.authentication.roles import OPTIONAL_CRITICAL
from gridiface.protocols.dnp3.outstation.functions import BROADCAST_FUNCTIONS, FUNCTIONS
from gridiface.protocols.dnp3.points import KINDS, PointType

_XML_TAGS = {
    PointType.BINARY_INPUT: "binaryInput",
    PointType.BINARY_OUTPUT: "binaryOutput",
    PointType.ANALOG_INPUT: "analogInput",
    PointType.ANALOG_OUTPUT: "analogOutput",
    PointType.COUNTER: "counter",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a section."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Section:
    """One section: its title, the XML element it becomes, and its lines."""

    title: str
    tag: str
    items: tuple[Item, ...]


def sections(station: StationSettings, endpoints: Sequence[EndpointSettings]) -> list[Section]:
    """Everything but the points."""
    behind = [end for end in endpoints if not end.stations or station.name in end.stations]
    return [
        _device(station),
        *(_network(number, endpoint) for number, endpoint in enumerate(behind, 1)),
        _link(station),
        _application(station),
        *(_master(master) for master in station.masters),
        _outstation(station),
    ]


def _device(station: StationSettings) -> Section:
    described = station.description
    return Section(
        "Device",
        "deviceConfig",
        (
            Item("device function", "outstation"),
            Item("name", station.name),
            Item("vendor", str(described.get(252, "gridiface"))),
            Item("product", str(described.get(250, "gridiface"))),
            Item("software version", str(described.get(242, version("gridiface")))),
            Item("subset level", "request and response objects of levels 1 to 4; not certified"),
            Item("secure authentication", _secure(station)),
            Item("file transfer", "device profile and frame log, read only" if station.files else "no"),
        ),
    )


def _network(number: int, endpoint: EndpointSettings) -> Section:
    deadlines = endpoint.deadlines
    peer = "none" if endpoint.peer is None else f"{endpoint.peer[0]}:{endpoint.peer[1]}"
    carrier = {
        Transport.TCP: "TCP",
        Transport.TLS: "TLS 1.2 and 1.3 over TCP, client certificates",
        Transport.UDP: "UDP",
        Transport.SERIAL: "serial line",
    }
    if endpoint.serial is not None:
        return Section(f"Serial line, end point {number}", "serialConfig", _line(endpoint.serial))
    return Section(
        f"Network, end point {number}",
        "networkConfig",
        (
            Item("carrier", carrier[endpoint.transport]),
            Item("type of end point", endpoint.mode.value),
            Item("address and port", endpoint.place),
            Item("master's address and port", peer),
            Item("new connection while one is open", endpoint.new_connection.value),
            Item("connections, in all and per address", f"{endpoint.connections}, {endpoint.connections_per_address}"),
            Item("closed without a frame of a master after", _seconds(deadlines.first_frame)),
            Item("closed when silent for", _seconds(deadlines.idle)),
        ),
    )


def _line(line: SerialSettings) -> tuple[Item, ...]:
    return (
        Item("port", line.port),
        Item("baud rate", str(line.baud_rate)),
        Item("data bits, parity, stop bits", f"{line.data_bits}, {line.parity}, {line.stop_bits:g}"),
        Item("flow control", line.flow_control),
        Item("sender switched for two-wire lines (RS-485)", _yes(line.rs485)),
        Item("keep-alive", "never: the line may be shared"),
    )


def _link(station: StationSettings) -> Section:
    return Section(
        "Link layer",
        "linkConfig",
        (
            Item("address", str(station.address)),
            Item("self-address", _yes(station.self_address)),
            Item("sends confirmed user data frames", "never"),
            Item("maximum octets in a frame", "292"),
            Item("link status keep-alive", _seconds(station.keep_alive_s)),
            Item("wait for the answer to it", _seconds(station.link_timeout_s)),
        ),
    )


def _application(station: StationSettings) -> Section:
    names = [code.name for code in FunctionCode if code in FUNCTIONS]
    spread = [code.name for code in FunctionCode if code in BROADCAST_FUNCTIONS]
    return Section(
        "Application layer",
        "applConfig",
        (
            Item("functions", ", ".join(names)),
            Item("functions by broadcast", ", ".join(spread)),
            Item("maximum octets of a received fragment", "2048"),
            Item("time base", "UTC, the host's clock; a master's time write is reported, the clock is not set"),
            Item("cold and warm restart", "refused" if station.restart_s is None else _seconds(station.restart_s)),
            Item("dead-bands written by masters", _yes(station.deadband_writes)),
        ),
    )


def _master(master: MasterEntry) -> Section:
    reports = master.unsolicited
    items = [
        Item("link address", str(master.address)),
        Item("may control", _yes(master.may_control)),
        Item("authority", f"{master.authority:g}"),
        Item("may come from", ", ".join(str(network) for network in master.sources) or "any address"),
        Item("identified by certificate", _yes(bool(master.fingerprints or master.names))),
        Item("maximum octets of a sent fragment", str(master.max_fragment)),
        Item("confirm timeout", _seconds(master.confirm_timeout_s)),
        Item("select timeout", _seconds(master.select_timeout_s)),
        Item("controls in one request", str(master.max_controls)),
        Item("events kept per class", str(master.event_capacity)),
        Item("event buffer overflow", f"{'oldest' if master.drop_oldest else 'newest'} is lost"),
        Item("asks for the time", _yes(master.need_time)),
        Item("unsolicited responses", _yes(reports is not None)),
    ]
    if reports is not None:
        retries = "without end" if reports.retries is None else str(reports.retries)
        items += [
            Item("unsolicited confirm timeout", _seconds(reports.confirm_timeout)),
            Item("unsolicited retries", retries),
            Item("unsolicited offline interval", _seconds(reports.offline_interval)),
            Item("unsolicited retries are", "regenerated" if reports.regenerate else "identical"),
        ]
        items += [
            Item(f"class {number} reported at", f"{trigger.count} events or after {_seconds(trigger.hold_time)}")
            for number, trigger in sorted(reports.triggers.items())
        ]
    return Section(f"Master {master.name}", "masterConfig", tuple(items))


def _outstation(station: StationSettings) -> Section:
    quality = station.quality
    return Section(
        "Outstation",
        "outstationConfig",
        (
            Item("lost source", "COMM_LOST without ONLINE, last value kept"),
            Item("stale value", quality.stale.value),
            Item("total with members missing", quality.estimated.value),
            Item("substituted value", quality.substituted.value),
            Item(
                "set-point above what is feasible",
                "OUT_OF_RANGE" if station.out_of_range_above_ratings else "SUCCESS, read-back shows what is feasible",
            ),
            Item("a command is acknowledged", "when its control is durable"),
        ),
    )


def _secure(station: StationSettings) -> str:
    secure = station.authentication
    if secure is None:
        return "no"
    settings = secure.settings
    modes = "challenge and aggressive mode" if settings.aggressive else "challenge mode"
    whom = ", ".join(secure.masters) or "all masters"
    also = [word for word, functions in OPTIONAL_CRITICAL.items() if functions <= settings.also_critical]
    critical = f"; challenged too: {', '.join(also)}" if also else ""
    return (
        f"SAv5, {settings.mac.name}, {modes}, {len(secure.users)} users, {whom}; session keys last "
        f"{settings.key_lifetime:g} s or {settings.key_messages} messages{critical}; at most {settings.max_errors} "
        f"error messages and {settings.max_failures} wrong proofs in a row"
    )


def _yes(value: bool) -> str:  # one word of a document
    return "yes" if value else "no"


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:g} s"


# --- points ---------------------------------------------------------------------------------------------------------


_IDENTITY = frozenset({"index", "name"})
_CLASS_WORDS = {0: "none", 1: "one", 2: "two", 3: "three"}


def point_items(entry: PointEntry) -> Iterator[Item]:
    """What is to be said of a point, the same in both forms."""
    kind = KINDS[entry.type]
    static = f"g{kind.static_group}v{entry.static_variation or kind.static_variation}"
    event = f"g{kind.event_group}v{entry.event_variation or kind.event_variation}" if entry.event_class else "none"
    yield Item("index", str(entry.index))
    yield Item("name", entry.name)
    yield Item("meaning", _meaning(entry))
    yield Item("unit", entry.unit)
    yield Item("SI per unit", f"{entry.sign * entry.scale:g}")
    yield Item("class", str(entry.event_class) if entry.event_class else "none")
    yield Item("static", static)
    yield Item("event", event)
    if entry.type is PointType.ANALOG_INPUT:
        yield Item("dead-band", f"{entry.deadband:g}")
    if entry.type in {PointType.ANALOG_INPUT, PointType.ANALOG_OUTPUT}:
        yield Item("minimum", _bound(entry.minimum))
        yield Item("maximum", _bound(entry.maximum))


def _meaning(entry: PointEntry) -> str:
    word = entry.action.value if entry.is_output else entry.measure.value
    whom = "" if entry.target is None else f" of {entry.target.kind} {entry.target.id}"
    extra = f" {entry.argument}" if entry.argument else ""
    if entry.action is not Action.NONE and entry.enabled_by:
        extra += f", while {entry.enabled_by} is on"
    return f"{word}{extra}{whom}"


def _bound(value: float) -> str:
    return "" if math.isinf(value) else f"{value:.12g}"


# --- the two forms --------------------------------------------------------------------------------------------------


def _declared(entry: PointEntry) -> Iterator[Item]:
    """A point by the element names of the DNP3 Device Profile, in the order of its lists; a / leads inwards."""
    word, always = _CLASS_WORDS[entry.event_class], "always"
    yield Item("index", str(entry.index))
    yield Item("name", entry.name)
    match entry.type:
        case PointType.COUNTER:
            frozen = entry.frozen_class is not None
            yield Item("countersIncludedInClass0", always)
            yield Item("counterEventClass", word)
            yield Item("frozenCounterExists", str(frozen).lower())
            if frozen:
                yield Item("frozenCountersIncludedInClass0", always)
                yield Item("frozenCounterEventClass", _CLASS_WORDS[entry.frozen_class or 0])
            return
        case PointType.ANALOG_INPUT | PointType.ANALOG_OUTPUT:
            own = "IntegerTransmitted" if entry.type is PointType.ANALOG_INPUT else "Transmitted"
            bounds = [("min", entry.minimum), ("max", entry.maximum)]
        case _:
            own, bounds = "", []
    yield Item("changeEventClass", word)
    yield Item("includedInClass0Response", always)
    for end, value in bounds:
        if not math.isinf(value):
            yield Item(f"{end}{own}Value", _bound(value))
    if bounds and entry.offset:
        yield Item("scaleOffset", f"{entry.offset:g}")
    if bounds:
        yield Item("scaleFactor", f"{entry.sign * entry.scale:g}")
        yield Item("units", entry.unit)
    if entry.type is PointType.ANALOG_INPUT and entry.event_class:
        yield Item("dnpData/deadband", f"{entry.deadband:g}")


def profile_xml(station: StationSettings, endpoints: Sequence[EndpointSettings] = ()) -> bytes:
    """The document as XML, UTF-8, with declaration."""
    root = etree.Element("DNP3DeviceProfileDocument")
    header = etree.SubElement(root, "documentHeader")
    etree.SubElement(header, "documentName").text = f"DNP3 device profile of {station.name}"
    device = etree.SubElement(root, "referenceDevice")
    configuration = etree.SubElement(device, "configuration")
    for section in sections(station, endpoints):
        element = etree.SubElement(configuration, section.tag, title=section.title)
        for item in section.items:
            etree.SubElement(element, "item", name=item.name).text = item.value
    points = etree.SubElement(device, "dataPointsList")
    for kind, tag in _XML_TAGS.items():
        entries = [entry for entry in station.points if entry.type is kind]
        if not entries:
            continue
        section_ = etree.SubElement(points, f"{tag}Points")
        definition = etree.SubElement(etree.SubElement(section_, "configuration"), "pointListDefinition")
        etree.SubElement(definition, "fixed")
        listed = etree.SubElement(section_, "dataPoints")
        for entry in entries:
            element = etree.SubElement(listed, tag)
            for item in (*_declared(entry), *(item for item in point_items(entry) if item.name not in _IDENTITY)):
                holder = element
                *nested, name = item.name.replace(" ", "-").split("/")
                for outer in nested:
                    holder = etree.SubElement(holder, outer)
                etree.SubElement(holder, name).text = item.value
    text: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return text


def profile_page(station: StationSettings, endpoints: Sequence[EndpointSettings] = ()) -> str:
    """The document as Markdown."""
    lines = [f"# DNP3 device profile of {station.name}", ""]
    for section in sections(station, endpoints):
        lines += [f"## {section.title}", "| item | value |", "|---|---|"]
        lines += [f"| {item.name} | {item.value} |" for item in section.items]
        lines.append("")
    for kind in _XML_TAGS:
        entries = [entry for entry in station.points if entry.type is kind]
        if entries:
            lines += [f"## Points: {kind.value}s", *points_table(entries), ""]
    return "\n".join(lines)


def points_table(entries: Sequence[PointEntry]) -> list[str]:
    """Points of one type as rows of a Markdown table, head included."""
    rows = [list(point_items(entry)) for entry in entries]
    head = [item.name for item in rows[0]]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return [*lines, *(f"| {' | '.join(item.value for item in row)} |" for row in rows)]
