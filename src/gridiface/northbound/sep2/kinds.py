"""What this server serves: one row per kind of resource, at the standard's sample URIs.

Owns which methods are offered, where the links of a resource lead, and which resources may be subscribed to. The
standard's own table (protocols.sep2.uris) says what may be offered; this one says what is. Rules of who may do what
are in access.py, what a write does in handlers/.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gridiface.protocols.sep2 import resources as r
from gridiface.protocols.sep2.lists import LIST_ORDERS
from gridiface.protocols.sep2.uris import BY_TEMPLATE
from gridiface.protocols.xmlwire import WireObject, spec_of

READ = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of single resource.

    Attributes:
        template: its sample URI.
        cls: its wire class.
        methods: what is offered, as the Allow header names it.
        links: link attribute -> absolute path, or path relative to the resource.
        per_view: whether it shows counts that differ from viewer to viewer.
        subscribable: the value of @subscribable where subscriptions are served.
        polled: whether its class carries pollRate.
    """

    template: str
    cls: type[WireObject]
    methods: tuple[str, ...] = READ
    links: Mapping[str, str] = field(default_factory=dict)
    per_view: bool = False
    subscribable: int = 0
    polled: bool = False

    @property
    def name(self) -> str:
        """Element name of the resource."""
        return self.cls.__name__


@dataclass(frozen=True, slots=True)
class ListKind:
    """A kind of list.

    Attributes:
        template: its sample URI.
        cls: its wire class.
        methods: what is offered.
        order: sort key of a member, ascending.
        time: what the query parameter `a` compares; None where `a` is ignored.
        subscribable, polled: as for Kind.
    """

    template: str
    cls: Any
    methods: tuple[str, ...]
    order: Callable[[Any], Any]
    time: Callable[[Any], int | None] | None
    subscribable: int = 0
    polled: bool = False

    @property
    def name(self) -> str:
        """Element name of the list."""
        return str(self.cls.__name__)


AnyKind = Kind | ListKind

#: The list of an assignment's programs; the standard leaves its place open.
FSA_PROGRAMS = "/edev/{id1}/fsa/{id2}/derp"

_DEVICE_LINKS = {
    "DERListLink": "der",
    "DeviceInformationLink": "di",
    "DeviceStatusLink": "dstat",
    "LogEventListLink": "lel",
    "PowerStatusLink": "ps",
    "FunctionSetAssignmentsListLink": "fsa",
    "RegistrationLink": "rg",
    "SubscriptionListLink": "sub",
}
_DCAP_LINKS = {
    "DERProgramListLink": "/derp",
    "ResponseSetListLink": "/rsps",
    "TimeLink": "/tm",
    "UsagePointListLink": "/upt",
    "EndDeviceListLink": "/edev",
    "MirrorUsagePointListLink": "/mup",
    "SelfDeviceLink": "/sdev",
}
_DER_LINKS = {
    "DERAvailabilityLink": "dera",
    "DERCapabilityLink": "dercap",
    "DERSettingsLink": "derg",
    "DERStatusLink": "ders",
}
_PROGRAM_LINKS = {
    "ActiveDERControlListLink": "actderc",
    "DefaultDERControlLink": "dderc",
    "DERControlListLink": "derc",
    "DERCurveListLink": "dc",
}
_METER_LINKS = {"ReadingLink": "r", "ReadingSetListLink": "rs", "ReadingTypeLink": "rt"}

# template -> methods beyond GET and HEAD, links, subscribable
_ROWS: tuple[tuple[str, str, dict[str, str], int], ...] = (
    ("/dcap", "", _DCAP_LINKS, 0),
    ("/tm", "", {}, 0),
    ("/sdev", "", {}, 0),
    ("/edev", "POST", {}, 1),
    ("/edev/{id1}", "PUT DELETE", _DEVICE_LINKS, 1),
    ("/edev/{id1}/rg", "", {}, 0),
    ("/edev/{id1}/dstat", "PUT", {}, 0),
    ("/edev/{id1}/di", "PUT", {}, 0),
    ("/edev/{id1}/ps", "PUT", {}, 0),
    ("/edev/{id1}/fsa", "", {}, 1),
    ("/edev/{id1}/fsa/{id2}", "", {"TimeLink": "/tm", "DERProgramListLink": "derp"}, 1),
    (FSA_PROGRAMS, "", {}, 1),
    ("/edev/{id1}/sub", "POST", {}, 0),
    ("/edev/{id1}/sub/{id2}", "PUT DELETE", {}, 0),
    ("/edev/{id1}/lel", "POST", {}, 0),
    ("/edev/{id1}/lel/{id2}", "DELETE", {}, 0),
    ("/edev/{id1}/der", "", {}, 0),
    ("/edev/{id1}/der/{id2}", "", _DER_LINKS, 0),
    ("/edev/{id1}/der/{id2}/dercap", "PUT", {}, 0),
    ("/edev/{id1}/der/{id2}/derg", "PUT", {}, 0),
    ("/edev/{id1}/der/{id2}/ders", "PUT", {}, 0),
    ("/edev/{id1}/der/{id2}/dera", "PUT", {}, 0),
    ("/derp", "", {}, 1),
    ("/derp/{id1}", "", _PROGRAM_LINKS, 1),
    ("/derp/{id1}/derc", "POST", {}, 1),
    ("/derp/{id1}/derc/{id2}", "PUT DELETE", {}, 1),
    ("/derp/{id1}/actderc", "", {}, 0),
    ("/derp/{id1}/dderc", "PUT DELETE", {}, 1),
    ("/derp/{id1}/dc", "POST", {}, 0),
    ("/derp/{id1}/dc/{id2}", "DELETE", {}, 0),
    ("/rsps", "", {}, 0),
    ("/rsps/{id1}", "", {"ResponseListLink": "rsp"}, 0),
    ("/rsps/{id1}/rsp", "POST", {}, 0),
    ("/rsps/{id1}/rsp/{id2}", "", {}, 0),
    ("/mup", "POST", {}, 0),
    ("/mup/{id1}", "PUT POST DELETE", {}, 0),
    ("/upt", "", {}, 0),
    ("/upt/{id1}", "", {"MeterReadingListLink": "mr"}, 0),
    ("/upt/{id1}/mr", "", {}, 0),
    ("/upt/{id1}/mr/{id2}", "", _METER_LINKS, 0),
    ("/upt/{id1}/mr/{id2}/rt", "", {}, 0),
    ("/upt/{id1}/mr/{id2}/r", "", {}, 0),
    ("/upt/{id1}/mr/{id2}/rs", "", {}, 0),
    ("/upt/{id1}/mr/{id2}/rs/{id3}", "", {"ReadingListLink": "r"}, 0),
    ("/upt/{id1}/mr/{id2}/rs/{id3}/r", "", {}, 0),
    ("/upt/{id1}/mr/{id2}/rs/{id3}/r/{id4}", "", {}, 0),
)

#: Resources that show counts of lists whose content depends on the viewer.
_PER_VIEW = frozenset({"/dcap", "/rsps/{id1}"})


def _make(template: str, more: str, links: dict[str, str], subscribable: int) -> AnyKind:
    row = BY_TEMPLATE.get(template)
    name = row.resource if row is not None else "DERProgramList"
    cls = getattr(r, name)
    polled = any(f.attr == "pollRate" for f in spec_of(cls).attributes)
    methods = (*READ, *more.split())
    if not name.endswith("List"):
        return Kind(template, cls, methods, links, template in _PER_VIEW, subscribable, polled)
    order = LIST_ORDERS[name]
    takes_after = row is not None and row.after
    return ListKind(template, cls, methods, order.key, order.time if takes_after else None, subscribable, polled)


KINDS: Mapping[str, AnyKind] = {row[0]: _make(*row) for row in _ROWS}
"""Kind by URI template."""


def kind(template: str) -> Kind:
    """The kind of single resource at a template."""
    found = KINDS[template]
    if isinstance(found, Kind):
        return found
    raise KeyError(template)


def list_kind(template: str) -> ListKind:
    """The kind of list at a template."""
    found = KINDS[template]
    if isinstance(found, ListKind):
        return found
    raise KeyError(template)
