"""What this server serves: one row per kind of resource, at the standard's sample URIs.

Owns which methods are offered, where the links of a resource lead, and which resources may be subscribed to. The
standard's own table (protocols.sep2.uris) says what may be offered; this one says what is. Rules of who may do what
are in access.py, what a write does in handlers/.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
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
        free: links that whoever writes the resource chooses; shown while what they lead to is there.
        demanded: the links that the schema demands.
    """

    template: str
    cls: type[WireObject]
    methods: tuple[str, ...] = READ
    links: Mapping[str, str] = field(default_factory=dict)
    per_view: bool = False
    subscribable: int = 0
    polled: bool = False
    free: tuple[str, ...] = ()
    demanded: frozenset[str] = frozenset()

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

#: The lists of an assignment; the standard leaves their places open.
FSA_PROGRAMS = "/edev/{id1}/fsa/{id2}/derp"
#: The lists of an assignment that publications join, by the first part of their path: link, list.
FSA_LISTS: Mapping[str, tuple[str, str]] = {
    "bill": ("CustomerAccountListLink", "CustomerAccountList"),
    "dr": ("DemandResponseProgramListLink", "DemandResponseProgramList"),
    "file": ("FileListLink", "FileList"),
    "msg": ("MessagingProgramListLink", "MessagingProgramList"),
    "ppy": ("PrepaymentListLink", "PrepaymentList"),
    "tp": ("TariffProfileListLink", "TariffProfileList"),
    "upt": ("UsagePointListLink", "UsagePointList"),
}

_DEVICE_LINKS = {
    "ConfigurationLink": "cfg",
    "ConnectionPointLink": "cp",
    "FileStatusLink": "fs",
    "FlowReservationRequestListLink": "frq",
    "FlowReservationResponseListLink": "frp",
    "IPInterfaceListLink": "ns",
    "LoadShedAvailabilityListLink": "lsl",
    "DERListLink": "der",
    "DeviceInformationLink": "di",
    "DeviceStatusLink": "dstat",
    "LogEventListLink": "lel",
    "PowerStatusLink": "ps",
    "FunctionSetAssignmentsListLink": "fsa",
    "RegistrationLink": "rg",
    "SubscriptionListLink": "sub",
}
_FSA_LINKS = {"TimeLink": "/tm", "DERProgramListLink": "derp"} | {link: root for root, (link, _) in FSA_LISTS.items()}
_DCAP_LINKS = {
    "CustomerAccountListLink": "/bill",
    "DemandResponseProgramListLink": "/dr",
    "FileListLink": "/file",
    "MessagingProgramListLink": "/msg",
    "PrepaymentListLink": "/ppy",
    "TariffProfileListLink": "/tp",
    "DERProgramListLink": "/derp",
    "ResponseSetListLink": "/rsps",
    "TimeLink": "/tm",
    "UsagePointListLink": "/upt",
    "EndDeviceListLink": "/edev",
    "MirrorUsagePointListLink": "/mup",
    "SelfDeviceLink": "/sdev",
}
_DER_LINKS = {
    "AssociatedDERProgramListLink": "derp",
    "AssociatedUsagePointLink": "upt",
    "CurrentDERProgramLink": "cdp",
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
#: Places that the standard's table leaves open.
RATE_READING_TYPE = "/tp/{id1}/rc/{id2}/rt"
SUPPLIER = "/bill/{id1}/ss"
#: CSIP-AUS 1.3: the intervals of all components of a tariff; the last part of their list's path, and the whole.
COMBINED = "ctti"
COMBINED_INTERVALS = f"/tp/{{id1}}/{COMBINED}"
_OPEN_PLACES: Mapping[str, str] = {
    "/edev/{id1}/cp": "ConnectionPoint",
    FSA_PROGRAMS: "DERProgramList",
    RATE_READING_TYPE: "ReadingType",
    COMBINED_INTERVALS: "TimeTariffIntervalList",
    **{f"/edev/{{id1}}/fsa/{{id2}}/{root}": name for root, (_, name) in FSA_LISTS.items()},
}
_METER_LINKS = {"ReadingLink": "r", "ReadingSetListLink": "rs", "ReadingTypeLink": "rt"}

_IP_LINKS = {"IPAddrListLink": "addr", "LLInterfaceListLink": "ll"}
_DR_LINKS = {"ActiveEndDeviceControlListLink": "actedc", "EndDeviceControlListLink": "edc"}
_RATE_LINKS = {
    "ActiveTimeTariffIntervalListLink": "acttti",
    "ReadingTypeLink": "rt",
    "TimeTariffIntervalListLink": "tti",
}
_MESSAGE_LINKS = {"ActiveTextMessageListLink": "acttxt", "TextMessageListLink": "txt"}
_AGREEMENT_LINKS = {
    "ActiveBillingPeriodListLink": "actbp",
    "BillingPeriodListLink": "bp",
    "HistoricalReadingListLink": "ver",
    "ProjectionReadingListLink": "pro",
    "TargetReadingListLink": "tar",
}
_PREPAYMENT_LINKS = {
    "AccountBalanceLink": "ab",
    "ActiveSupplyInterruptionOverrideListLink": "actsi",
    "CreditRegisterListLink": "cr",
    "PrepayOperationStatusLink": "os",
    "SupplyInterruptionOverrideListLink": "si",
}

# template -> methods beyond GET and HEAD, links, subscribable
_ROWS: tuple[tuple[str, str, dict[str, str], int], ...] = (
    ("/dcap", "", _DCAP_LINKS, 0),
    ("/tm", "", {}, 0),
    ("/sdev", "", {}, 0),
    ("/edev", "POST", {}, 1),
    ("/edev/{id1}", "PUT DELETE", _DEVICE_LINKS, 1),
    ("/edev/{id1}/rg", "", {}, 0),
    ("/edev/{id1}/dstat", "PUT", {}, 0),
    ("/edev/{id1}/di", "PUT", {"SupportedLocaleListLink": "loc"}, 0),
    ("/edev/{id1}/di/loc", "POST", {}, 0),
    ("/edev/{id1}/di/loc/{id2}", "PUT DELETE", {}, 0),
    ("/edev/{id1}/ps", "PUT", {}, 0),
    ("/edev/{id1}/cp", "PUT POST", {}, 0),
    ("/edev/{id1}/ns", "POST", {}, 0),
    ("/edev/{id1}/ns/{id2}", "PUT DELETE", _IP_LINKS, 0),
    ("/edev/{id1}/ns/{id2}/addr", "POST", {}, 0),
    ("/edev/{id1}/ns/{id2}/addr/{id3}", "PUT DELETE", {"RPLInstanceListLink": "rpl"}, 0),
    ("/edev/{id1}/ns/{id2}/addr/{id3}/rpl", "POST", {}, 0),
    ("/edev/{id1}/ns/{id2}/addr/{id3}/rpl/{id4}", "PUT DELETE", {"RPLSourceRoutesListLink": "srt"}, 0),
    ("/edev/{id1}/ns/{id2}/addr/{id3}/rpl/{id4}/srt", "POST", {}, 0),
    ("/edev/{id1}/ns/{id2}/addr/{id3}/rpl/{id4}/srt/{id5}", "PUT DELETE", {}, 0),
    ("/edev/{id1}/ns/{id2}/ll", "POST", {}, 0),
    ("/edev/{id1}/ns/{id2}/ll/{id3}", "PUT DELETE", {}, 0),
    ("/edev/{id1}/ns/{id2}/ll/{id3}/nbh", "POST", {}, 0),
    ("/edev/{id1}/ns/{id2}/ll/{id3}/nbh/{id4}", "PUT DELETE", {}, 0),
    ("/edev/{id1}/cfg", "PUT", {"PriceResponseCfgListLink": "prcfg"}, 1),
    ("/edev/{id1}/cfg/prcfg", "POST", {}, 0),
    ("/edev/{id1}/cfg/prcfg/{id2}", "PUT DELETE", {}, 0),
    ("/edev/{id1}/fs", "PUT", {}, 0),
    ("/edev/{id1}/lsl", "POST", {}, 0),
    ("/edev/{id1}/lsl/{id2}", "PUT DELETE", {}, 0),
    ("/edev/{id1}/frq", "POST", {}, 0),
    ("/edev/{id1}/frq/{id2}", "PUT", {}, 0),
    ("/edev/{id1}/frp", "", {}, 1),
    ("/edev/{id1}/frp/{id2}", "PUT DELETE", {}, 1),
    ("/edev/{id1}/fsa", "", {}, 1),
    ("/edev/{id1}/fsa/{id2}", "", _FSA_LINKS, 1),
    (FSA_PROGRAMS, "", {}, 1),
    *((f"/edev/{{id1}}/fsa/{{id2}}/{root}", "", {}, int(root != "file")) for root in FSA_LISTS),
    ("/edev/{id1}/sub", "POST", {}, 0),
    ("/edev/{id1}/sub/{id2}", "PUT DELETE", {}, 0),
    ("/edev/{id1}/lel", "POST", {}, 1),
    ("/edev/{id1}/lel/{id2}", "DELETE", {}, 0),
    ("/edev/{id1}/der", "", {}, 0),
    ("/edev/{id1}/der/{id2}", "", _DER_LINKS, 0),
    ("/edev/{id1}/der/{id2}/dercap", "PUT", {}, 0),
    ("/edev/{id1}/der/{id2}/derg", "PUT", {}, 1),
    ("/edev/{id1}/der/{id2}/ders", "PUT", {}, 1),
    ("/edev/{id1}/der/{id2}/dera", "PUT", {}, 1),
    ("/edev/{id1}/der/{id2}/upt", "", {}, 0),
    ("/edev/{id1}/der/{id2}/derp", "", {}, 1),
    ("/edev/{id1}/der/{id2}/cdp", "", {}, 1),
    ("/derp", "", {}, 1),
    ("/derp/{id1}", "", _PROGRAM_LINKS, 1),
    ("/derp/{id1}/derc", "POST", {}, 1),
    ("/derp/{id1}/derc/{id2}", "PUT DELETE", {}, 1),
    ("/derp/{id1}/actderc", "", {}, 1),
    ("/derp/{id1}/dderc", "PUT DELETE", {}, 1),
    ("/derp/{id1}/dc", "POST", {}, 0),
    ("/derp/{id1}/dc/{id2}", "DELETE", {}, 0),
    ("/rsps", "", {}, 0),
    ("/rsps/{id1}", "", {"ResponseListLink": "rsp"}, 0),
    ("/rsps/{id1}/rsp", "POST", {}, 0),
    ("/rsps/{id1}/rsp/{id2}", "", {}, 0),
    ("/mup", "POST", {}, 0),
    ("/mup/{id1}", "PUT POST DELETE", {}, 0),
    ("/upt", "POST", {}, 1),
    ("/upt/{id1}", "DELETE", {"MeterReadingListLink": "mr"}, 0),
    ("/upt/{id1}/mr", "POST", {}, 1),
    ("/upt/{id1}/mr/{id2}", "DELETE", _METER_LINKS, 0),
    ("/upt/{id1}/mr/{id2}/rt", "PUT", {}, 0),
    ("/upt/{id1}/mr/{id2}/r", "PUT", {}, 3),
    ("/upt/{id1}/mr/{id2}/rs", "POST", {}, 1),
    ("/upt/{id1}/mr/{id2}/rs/{id3}", "DELETE", {"ReadingListLink": "r"}, 0),
    ("/upt/{id1}/mr/{id2}/rs/{id3}/r", "POST", {}, 1),
    ("/upt/{id1}/mr/{id2}/rs/{id3}/r/{id4}", "PUT DELETE", {}, 0),
    ("/file", "POST", {}, 0),
    ("/file/{id1}", "PUT DELETE", {}, 0),
    ("/dr", "POST", {}, 1),
    ("/dr/{id1}", "DELETE", _DR_LINKS, 0),
    ("/dr/{id1}/edc", "POST", {}, 1),
    ("/dr/{id1}/edc/{id2}", "PUT DELETE", {}, 1),
    ("/dr/{id1}/actedc", "", {}, 1),
    ("/tp", "POST", {}, 1),
    ("/tp/{id1}", "DELETE", {"CombinedTimeTariffIntervalListLink": "ctti", "RateComponentListLink": "rc"}, 0),
    (COMBINED_INTERVALS, "", {}, 1),
    ("/tp/{id1}/rc", "POST", {}, 0),
    ("/tp/{id1}/rc/{id2}", "DELETE", _RATE_LINKS, 0),
    (RATE_READING_TYPE, "PUT", {}, 0),
    ("/tp/{id1}/rc/{id2}/tti", "POST", {}, 1),
    ("/tp/{id1}/rc/{id2}/tti/{id3}", "PUT DELETE", {"ConsumptionTariffIntervalListLink": "cti"}, 1),
    ("/tp/{id1}/rc/{id2}/tti/{id3}/cti", "POST", {}, 0),
    ("/tp/{id1}/rc/{id2}/tti/{id3}/cti/{id4}", "DELETE", {}, 0),
    ("/tp/{id1}/rc/{id2}/acttti", "", {}, 1),
    ("/msg", "POST", {}, 1),
    ("/msg/{id1}", "DELETE", _MESSAGE_LINKS, 1),
    ("/msg/{id1}/txt", "POST", {}, 1),
    ("/msg/{id1}/txt/{id2}", "PUT DELETE", {}, 1),
    ("/msg/{id1}/acttxt", "", {}, 1),
    ("/bill", "POST", {}, 1),
    ("/bill/{id1}", "DELETE", {"CustomerAgreementListLink": "ca", "ServiceSupplierLink": "ss"}, 0),
    (SUPPLIER, "PUT DELETE", {}, 0),
    ("/bill/{id1}/ca", "POST", {}, 1),
    ("/bill/{id1}/ca/{id2}", "DELETE", _AGREEMENT_LINKS, 0),
    ("/bill/{id1}/ca/{id2}/bp", "POST", {}, 1),
    ("/bill/{id1}/ca/{id2}/bp/{id3}", "PUT DELETE", {}, 0),
    ("/bill/{id1}/ca/{id2}/actbp", "", {}, 1),
    ("/bill/{id1}/ca/{id2}/pro", "POST", {}, 0),
    ("/bill/{id1}/ca/{id2}/pro/{id3}", "PUT DELETE", {}, 0),
    ("/bill/{id1}/ca/{id2}/tar", "POST", {}, 0),
    ("/bill/{id1}/ca/{id2}/tar/{id3}", "DELETE", {}, 0),
    ("/bill/{id1}/ca/{id2}/ver", "POST", {}, 0),
    ("/bill/{id1}/ca/{id2}/ver/{id3}", "DELETE", {}, 0),
    ("/brs", "POST", {}, 1),
    ("/brs/{id1}", "DELETE", {"BillingReadingListLink": "br"}, 0),
    ("/brs/{id1}/br", "POST", {}, 0),
    ("/brs/{id1}/br/{id2}", "PUT DELETE", {}, 0),
    ("/ppy", "POST", {}, 1),
    ("/ppy/{id1}", "DELETE", _PREPAYMENT_LINKS, 0),
    ("/ppy/{id1}/ab", "PUT", {}, 0),
    ("/ppy/{id1}/os", "PUT", {}, 0),
    ("/ppy/{id1}/si", "POST", {}, 0),
    ("/ppy/{id1}/si/{id2}", "PUT DELETE", {}, 0),
    ("/ppy/{id1}/actsi", "", {}, 0),
    ("/ppy/{id1}/cr", "POST", {}, 0),
    ("/ppy/{id1}/cr/{id2}", "DELETE", {}, 0),
)

#: Links that lead where the writer says, by the template of the resource that has them.
_FREE: Mapping[str, tuple[str, ...]] = {
    "/bill/{id1}/ca/{id2}": ("PrepaymentLink", "TariffProfileLink", "UsagePointLink"),
    **{
        f"/bill/{{id1}}/ca/{{id2}}/{name}/{{id3}}": ("BillingReadingSetListLink", "ReadingTypeLink")
        for name in ("pro", "tar", "ver")
    },
    "/edev/{id1}/cfg/prcfg/{id2}": ("RateComponentLink",),
    "/edev/{id1}/der/{id2}/cdp": tuple(_PROGRAM_LINKS),
    "/edev/{id1}/der/{id2}/upt": ("MeterReadingListLink",),
    "/edev/{id1}/dstat": ("TimeLink",),
    "/edev/{id1}/fs": ("FileLink",),
    "/edev/{id1}/lsl/{id2}": ("DemandResponseProgramLink",),
    "/ppy/{id1}": ("UsagePointLink",),
}

#: Resources that show counts of lists whose content depends on the viewer, or links that not everybody sees.
_PER_VIEW = frozenset({"/dcap", "/rsps/{id1}", "/edev/{id1}"})


def _make(template: str, more: str, links: dict[str, str], subscribable: int) -> AnyKind:
    row = BY_TEMPLATE.get(template)
    name = row.resource if row is not None else _OPEN_PLACES[template]
    cls = getattr(r, name)
    polled = any(f.attr == "pollRate" for f in spec_of(cls).attributes)
    methods = (*READ, *more.split())
    if not name.endswith("List"):
        free = _FREE.get(template, ())
        per_view = template in _PER_VIEW or bool(free)
        return Kind(template, cls, methods, links, per_view, subscribable, polled, free, _demanded(cls))
    order = LIST_ORDERS[name]
    takes_after = row is not None and row.after
    return ListKind(template, cls, methods, order.key, order.time if takes_after else None, subscribable, polled)


def _demanded(cls: type[WireObject]) -> frozenset[str]:
    return frozenset(
        f.attr for f in spec_of(cls).elements if f.required and isinstance(f.kind, type) and issubclass(f.kind, r.Link)
    )


KINDS: Mapping[str, AnyKind] = {row[0]: _make(*row) for row in _ROWS}
"""Kind by URI template."""

MIRRORED: Mapping[str, AnyKind] = {
    template: replace(found, methods=READ) for template, found in KINDS.items() if template.startswith("/upt/")
}
"""What is below /upt where it is made of a mirror: it is written at the mirror, and only read here."""


def kind(template: str, table: Mapping[str, AnyKind] = KINDS) -> Kind:
    """The kind of single resource at a template.

    Raises:
        KeyError: there is none at it.
    """
    found = table[template]
    if isinstance(found, Kind):
        return found
    raise KeyError(template)


def list_kind(template: str, table: Mapping[str, AnyKind] = KINDS) -> ListKind:
    """The kind of list at a template.

    Raises:
        KeyError: there is none at it.
    """
    found = table[template]
    if isinstance(found, ListKind):
        return found
    raise KeyError(template)
