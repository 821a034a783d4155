"""The resource table of IEEE 2030.5: where each resource lives, what it is, and which methods it takes.

Owns the sample URI tree of the standard's WADL as data and the matching of a path against it. URIs are samples: a
server may host a resource anywhere, clients follow links; this server uses the samples.
Does not own list order (lists.py) nor bodies (exchange.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")


class Need(Enum):
    """What the WADL says about a method of a resource."""

    MANDATORY = "M"
    OPTIONAL = "O"
    DISCOURAGED = "D"
    ERROR = "E"


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """One row of the table.

    Attributes:
        template: path with {id1}, {id2}, ... for the variable segments.
        resource: element name of what is there.
        methods: one letter per METHODS: M, O, D or E.
        after: whether lists take the query parameter `a`.
        group: function set.
    """

    template: str
    resource: str
    methods: str
    after: bool
    group: str

    @property
    def is_list(self) -> bool:
        """Whether a GET takes s and l."""
        return self.resource.endswith("List")

    @property
    def member(self) -> str:
        """Element name of a list's members."""
        return self.resource.removesuffix("List") if self.is_list else ""

    @property
    def segments(self) -> tuple[str, ...]:
        """The path's segments; variable ones in braces."""
        return tuple(self.template.strip("/").split("/"))

    def need(self, method: str) -> Need:
        """How the table stands to `method`.

        Raises:
            ValueError: the method is none of METHODS.
        """
        return Need(self.methods[METHODS.index(method)])

    def permitted(self) -> frozenset[str]:
        """Every method that is not an error."""
        return frozenset(method for method in METHODS if self.need(method) is not Need.ERROR)

    def mandatory(self) -> frozenset[str]:
        """Every method that must be there."""
        return frozenset(method for method in METHODS if self.need(method) is Need.MANDATORY)

    def path(self, *ids: str) -> str:
        """The path with `ids` in place of the variable segments.

        Raises:
            ValueError: too few or too many ids.
        """
        left = list(ids)
        try:
            filled = [left.pop(0) if segment.startswith("{") else segment for segment in self.segments]
        except IndexError:
            raise ValueError(f"{self.template} needs more than {len(ids)} ids") from None
        if left:
            raise ValueError(f"{self.template} needs fewer than {len(ids)} ids")
        return "/" + "/".join(filled)


# URI, resource, methods (GET HEAD PUT POST DELETE), "a" where the query parameter a is taken.
_TABLE = """
# support
/dcap DeviceCapability MMEEE
/sdev SelfDevice MMDEE
/edev EndDeviceList MMEOE a
/edev/{id1} EndDevice MMOEO
/edev/{id1}/rg Registration MMOEO
/edev/{id1}/dstat DeviceStatus MMMEO
/edev/{id1}/fsa FunctionSetAssignmentsList MMEDE
/edev/{id1}/fsa/{id2} FunctionSetAssignments MMEED
/edev/{id1}/sub SubscriptionList MMEME
/edev/{id1}/sub/{id2} Subscription MMMEM
/ntfy NotificationList DDEME
/ntfy/{id1} Notification DDEEE
/rsps ResponseSetList OOEDE
/rsps/{id1} ResponseSet OOEED
/rsps/{id1}/rsp ResponseList OOEME
/rsps/{id1}/rsp/{id2} Response OOEEO
# common
/tm Time MMDEE
/edev/{id1}/di DeviceInformation MMMEO
/edev/{id1}/di/loc SupportedLocaleList MMEME
/edev/{id1}/di/loc/{id2} SupportedLocale MMMEM
/edev/{id1}/ps PowerStatus MMMEE
/edev/{id1}/ns IPInterfaceList MMEOE
/edev/{id1}/ns/{id2} IPInterface MMOEO
/edev/{id1}/ns/{id2}/addr IPAddrList MMEOE
/edev/{id1}/ns/{id2}/addr/{id3} IPAddr MMOEO
/edev/{id1}/ns/{id2}/addr/{id3}/rpl RPLInstanceList MMEOE
/edev/{id1}/ns/{id2}/addr/{id3}/rpl/{id4} RPLInstance MMOEO
/edev/{id1}/ns/{id2}/addr/{id3}/rpl/{id4}/srt RPLSourceRoutesList MMEOE
/edev/{id1}/ns/{id2}/addr/{id3}/rpl/{id4}/srt/{id5} RPLSourceRoutes MMOEO
/edev/{id1}/ns/{id2}/ll LLInterfaceList MMEOE
/edev/{id1}/ns/{id2}/ll/{id3} LLInterface MMOEO
/edev/{id1}/ns/{id2}/ll/{id3}/nbh NeighborList MMEOE
/edev/{id1}/ns/{id2}/ll/{id3}/nbh/{id4} Neighbor MMOEO
/edev/{id1}/lel LogEventList MMEME a
/edev/{id1}/lel/{id2} LogEvent MMOEM
/edev/{id1}/cfg Configuration MMMEE
/edev/{id1}/cfg/prcfg PriceResponseCfgList MMEME
/edev/{id1}/cfg/prcfg/{id2} PriceResponseCfg MMMEM
/file FileList MMEDE
/file/{id1} File MMDED
/edev/{id1}/fs FileStatus MMMEE
# drlc
/dr DemandResponseProgramList MMEDE
/dr/{id1} DemandResponseProgram MMEED
/dr/{id1}/actedc EndDeviceControlList MMEEE a
/dr/{id1}/edc EndDeviceControlList MMEDE a
/dr/{id1}/edc/{id2} EndDeviceControl MMEED
/edev/{id1}/lsl LoadShedAvailabilityList MMEME
/edev/{id1}/lsl/{id2} LoadShedAvailability MMOEM
# metering
/upt UsagePointList MMEOE
/upt/{id1} UsagePoint MMEEO
/upt/{id1}/mr MeterReadingList MMEOE
/upt/{id1}/mr/{id2} MeterReading MMEEO
/upt/{id1}/mr/{id2}/rt ReadingType MMOEE
/upt/{id1}/mr/{id2}/r Reading MMOEO
/upt/{id1}/mr/{id2}/rs ReadingSetList MMEOE a
/upt/{id1}/mr/{id2}/rs/{id3} ReadingSet MMEEO
/upt/{id1}/mr/{id2}/rs/{id3}/r ReadingList MMEOE a
/upt/{id1}/mr/{id2}/rs/{id3}/r/{id4} Reading MMOEO
# mirror
/mup MirrorUsagePointList MMEME
/mup/{id1} MirrorUsagePoint OOMMM
# pricing
/tp TariffProfileList MMEDE
/tp/{id1} TariffProfile MMEED
/tp/{id1}/rc RateComponentList MMEDE
/tp/{id1}/rc/{id2} RateComponent MMEED
/tp/{id1}/rc/{id2}/acttti TimeTariffIntervalList MMEEE a
/tp/{id1}/rc/{id2}/tti TimeTariffIntervalList MMEDE a
/tp/{id1}/rc/{id2}/tti/{id3} TimeTariffInterval MMEED
/tp/{id1}/rc/{id2}/tti/{id3}/cti ConsumptionTariffIntervalList MMEDE a
/tp/{id1}/rc/{id2}/tti/{id3}/cti/{id4} ConsumptionTariffInterval MMEED
# messaging
/msg MessagingProgramList MMEDE
/msg/{id1} MessagingProgram MMEED
/msg/{id1}/acttxt TextMessageList MMEEE a
/msg/{id1}/txt TextMessageList MMEDE a
/msg/{id1}/txt/{id2} TextMessage MMEED
# billing
/bill CustomerAccountList MMEDE
/bill/{id1} CustomerAccount MMEED
/bill/{id1}/ca CustomerAgreementList MMEDE a
/bill/{id1}/ca/{id2} CustomerAgreement MMEED
/bill/{id1}/ca/{id2}/actbp BillingPeriodList MMEEE
/bill/{id1}/ca/{id2}/bp BillingPeriodList MMEDE a
/bill/{id1}/ca/{id2}/bp/{id3} BillingPeriod MMDED
/bill/{id1}/ca/{id2}/pro ProjectionReadingList MMEDE a
/bill/{id1}/ca/{id2}/pro/{id3} ProjectionReading MMDED
/bill/{id1}/ca/{id2}/tar TargetReadingList MMEDE a
/bill/{id1}/ca/{id2}/tar/{id3} TargetReading MMEED
/bill/{id1}/ca/{id2}/ver HistoricalReadingList MMEDE a
/bill/{id1}/ca/{id2}/ver/{id3} HistoricalReading MMEED
/brs BillingReadingSetList MMEDE a
/brs/{id1} BillingReadingSet MMEED
/brs/{id1}/br BillingReadingList MMEDE a
/brs/{id1}/br/{id2} BillingReading MMDED
/bill/{id1}/ss ServiceSupplier MMEED
# prepayment
/ppy PrepaymentList MMEDE
/ppy/{id1} Prepayment MMEED
/ppy/{id1}/ab AccountBalance MMDEE
/ppy/{id1}/os PrepayOperationStatus MMDEE
/ppy/{id1}/actsi SupplyInterruptionOverrideList MMEEE a
/ppy/{id1}/si SupplyInterruptionOverrideList MMEDE a
/ppy/{id1}/si/{id2} SupplyInterruptionOverride MMDED
/ppy/{id1}/cr CreditRegisterList MMEOE
/ppy/{id1}/cr/{id2} CreditRegister MMEEO
# flow
/edev/{id1}/frq FlowReservationRequestList MMEME a
/edev/{id1}/frq/{id2} FlowReservationRequest MMMEO
/edev/{id1}/frp FlowReservationResponseList MMEDE a
/edev/{id1}/frp/{id2} FlowReservationResponse MMEED
# der
/edev/{id1}/der DERList MMEOE
/edev/{id1}/der/{id2} DER MMOEO
/edev/{id1}/der/{id2}/upt UsagePoint MMEEO
/edev/{id1}/der/{id2}/derp DERProgramList MMEOE
/edev/{id1}/der/{id2}/cdp DERProgram MMEEO
/edev/{id1}/der/{id2}/dercap DERCapability MMMEE
/edev/{id1}/der/{id2}/derg DERSettings MMMEE
/edev/{id1}/der/{id2}/ders DERStatus MMMEE
/edev/{id1}/der/{id2}/dera DERAvailability MMMEE
/derp DERProgramList MMEOE
/derp/{id1} DERProgram MMEEO
/derp/{id1}/actderc DERControlList MMEEE a
/derp/{id1}/derc DERControlList MMEOE a
/derp/{id1}/derc/{id2} DERControl MMEEO
/derp/{id1}/dderc DefaultDERControl MMOEE
/derp/{id1}/dc DERCurveList MMEOE
/derp/{id1}/dc/{id2} DERCurve MMEEO
"""


def _rows() -> tuple[ResourceRow, ...]:
    rows: list[ResourceRow] = []
    group = ""
    for line in _TABLE.strip().splitlines():
        if line.startswith("#"):
            group = line[1:].strip()
            continue
        template, resource, methods, *after = line.split()
        rows.append(ResourceRow(template, resource, methods, after == ["a"], group))
    return tuple(rows)


RESOURCES: tuple[ResourceRow, ...] = _rows()
"""Every row of the table."""

BY_TEMPLATE: dict[str, ResourceRow] = {row.template: row for row in RESOURCES}
"""Row by URI template."""


@dataclass(frozen=True, slots=True)
class Match:
    """A path found in the table; `ids` are its variable segments in order."""

    row: ResourceRow
    ids: tuple[str, ...]


class _Node:
    """One segment of the URI tree."""

    __slots__ = ("fixed", "row", "variable")

    def __init__(self) -> None:
        self.fixed: dict[str, _Node] = {}
        self.variable: _Node | None = None
        self.row: ResourceRow | None = None


class Routes:
    """Finds the row of a path; `extra` adds rows of a profile."""

    def __init__(self, rows: tuple[ResourceRow, ...] = RESOURCES, extra: tuple[ResourceRow, ...] = ()) -> None:
        self._root = _Node()
        for row in (*rows, *extra):
            node = self._root
            for segment in row.segments:
                if segment.startswith("{"):
                    node.variable = node.variable or _Node()
                    node = node.variable
                else:
                    node = node.fixed.setdefault(segment, _Node())
            node.row = row

    def match(self, path: str) -> Match | None:
        """The row of an absolute path without query, or None; a trailing slash is ignored."""
        node = self._root
        ids: list[str] = []
        for segment in path.removeprefix("/").removesuffix("/").split("/"):
            child = node.fixed.get(segment)
            if child is None:
                child = node.variable
                ids.append(segment)
            if child is None or not segment:
                return None
            node = child
        return Match(node.row, tuple(ids)) if node.row is not None else None


ROUTES = Routes()
"""The routes of the standard's own table."""
