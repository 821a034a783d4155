"""Lists: the query parameters s, l and a, pages, and the order each list type prescribes.

Pure functions on anything that carries the fields named in the order keys: typed resources or stored rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import unquote_plus

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.sep2.enums import ErrorReason

_T = TypeVar("_T")
_Key = Callable[[Any], Any]
_LONGEST_NUMBER = 20


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What part of a list is wanted.

    Attributes:
        start: ordinal of the first member, from 0 (`s`).
        limit: greatest number of members (`l`); 1 when the client says nothing.
        after: only members whose time is later than this, s since 1970 UTC (`a`); None for all.
    """

    start: int = 0
    limit: int = 1
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[_T]):
    """An answer's part of a list: `all` is the length of the whole list."""

    all: int
    items: Sequence[_T]

    @property
    def results(self) -> int:
        """Number of members in this answer."""
        return len(self.items)


def parse_query(raw: str, *, timed: bool = True) -> ListQuery:
    """The paging parameters of a query string (without "?").

    Of duplicates the first counts; unknown parameters are ignored.

    Args:
        raw: as received.
        timed: whether the list takes `a`; one that does not ignores it, whatever it says.

    Raises:
        RemoteProtocolError: answer 400 when one is not a number, or s or l is negative.
    """
    found: dict[str, str] = {}
    for part in raw.split("&"):
        name, _, text = part.partition("=")
        found.setdefault(unquote_plus(name), text)
    query = ListQuery()
    start = _number(found, "s", query.start)
    limit = _number(found, "l", query.limit)
    if start < 0 or limit < 0:
        raise RemoteProtocolError("s and l must not be negative", detail=ErrorReason.INVALID_VALUES)
    return ListQuery(start, limit, _number(found, "a", 0) if timed and "a" in found else None)


def _number(found: dict[str, str], name: str, default: int) -> int:
    if name not in found:
        return default
    text = unquote_plus(found[name])
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_NUMBER):
        raise RemoteProtocolError(f"query parameter {name} is not a number", detail=ErrorReason.INVALID_VALUES)
    return int(text)


def page(
    items: Sequence[_T], query: ListQuery, key_time: Callable[[_T], int | None] | None = None, most: int | None = None
) -> Page[_T]:
    """The part of an ordered list that `query` asks for.

    Args:
        items: the whole list in its order.
        query: what is wanted.
        key_time: time of a member on lists that take `a`; None on others, which ignore it.
        most: the server's own cap on the members of one answer.
    """
    whole = len(items)
    if key_time is not None and query.after is not None:
        after = query.after
        items = [item for item in items if (when := key_time(item)) is not None and when > after]
    limit = query.limit if most is None else min(query.limit, most)
    return Page(whole, items[query.start : query.start + limit])


@dataclass(frozen=True, slots=True)
class ListOrder:
    """How a list type is ordered: `key` sorts ascending; `time` is what `a` compares, None where `a` is ignored."""

    key: _Key
    time: Callable[[Any], int | None] | None = None


def _number_of(hexadecimal: str) -> int:
    return int(hexadecimal or "0", 16)


def _by_mrid(item: Any) -> Any:
    return -_number_of(item.mRID)


def _by_primacy(item: Any) -> Any:
    return item.primacy, -_number_of(item.mRID)


def _by_href(item: Any) -> Any:
    return natural(item.href or "")


def _by_event(item: Any) -> Any:
    return item.interval.start, -item.creationTime, -_number_of(item.mRID)


def _by_newest_event(item: Any) -> Any:
    return -item.interval.start, -item.creationTime, -_number_of(item.mRID)


def _by_newest_period(item: Any) -> Any:
    return -item.timePeriod.start, -_number_of(item.mRID)


def _by_description(item: Any) -> Any:
    return item.description or "", -_number_of(item.mRID)


def _event_start(item: Any) -> int | None:
    return int(item.interval.start)


def _period_start(item: Any) -> int | None:
    return None if item.timePeriod is None else int(item.timePeriod.start)


def natural(path: str) -> tuple[tuple[int, int | str], ...]:
    """A key that orders paths segment by segment, numbers by value: /edev/2 before /edev/10."""
    return tuple((0, int(s)) if s.isascii() and s.isdigit() and len(s) < 20 else (1, s) for s in path.split("/"))


_EVENTS = ListOrder(_by_event, _event_start)
_MRID = ListOrder(_by_mrid)
_PRIMACY = ListOrder(_by_primacy)
_HREF = ListOrder(_by_href)
_DESCRIPTION = ListOrder(_by_description)

LIST_ORDERS: dict[str, ListOrder] = {
    "EndDeviceList": ListOrder(lambda d: (-d.changedTime, d.sFDI), lambda d: int(d.changedTime)),
    "FunctionSetAssignmentsList": _MRID,
    "SubscriptionList": _HREF,
    "NotificationList": _HREF,
    "ResponseSetList": _MRID,
    "ResponseList": ListOrder(lambda r: (-(r.createdDateTime or 0), _number_of(r.endDeviceLFDI))),
    "SupportedLocaleList": ListOrder(lambda x: x.locale),
    "IPInterfaceList": ListOrder(lambda i: i.ifIndex or 0),
    "IPAddrList": ListOrder(lambda a: _number_of(a.address)),
    "LLInterfaceList": ListOrder(lambda i: _number_of(i.EUI64)),
    "NeighborList": ListOrder(lambda n: n.shortAddress),
    "RPLInstanceList": ListOrder(lambda r: (r.DODAGid, r.RPLInstanceID)),
    "RPLSourceRoutesList": ListOrder(lambda r: (_number_of(r.SourceRoute), _number_of(r.DestAddress))),
    "LogEventList": ListOrder(lambda e: (-e.createdDateTime, -e.logEventID), lambda e: int(e.createdDateTime)),
    "PriceResponseCfgList": _HREF,
    "FileList": _HREF,
    "DemandResponseProgramList": _PRIMACY,
    "EndDeviceControlList": _EVENTS,
    "LoadShedAvailabilityList": _HREF,
    "UsagePointList": _MRID,
    "MeterReadingList": _MRID,
    "ReadingSetList": ListOrder(_by_newest_period, _period_start),
    "ReadingList": ListOrder(lambda r: (r.localID or 0, r.consumptionBlock or 0, r.touTier or 0), _period_start),
    "MirrorUsagePointList": _MRID,
    "MirrorMeterReadingList": _MRID,
    "TariffProfileList": _MRID,
    "RateComponentList": _MRID,
    "TimeTariffIntervalList": _EVENTS,
    "ConsumptionTariffIntervalList": ListOrder(lambda c: c.startValue),
    "MessagingProgramList": _MRID,
    "TextMessageList": ListOrder(_by_newest_event, _event_start),
    "CustomerAccountList": ListOrder(lambda a: (a.customerName or "", -_number_of(a.mRID))),
    "CustomerAgreementList": ListOrder(lambda a: (a.serviceLocation or "", -_number_of(a.mRID))),
    "BillingPeriodList": ListOrder(lambda p: (-p.interval.start, natural(p.href or "")), _event_start),
    "ProjectionReadingList": _DESCRIPTION,
    "TargetReadingList": _DESCRIPTION,
    "HistoricalReadingList": _DESCRIPTION,
    "BillingReadingSetList": ListOrder(_by_newest_period, _period_start),
    "BillingReadingList": ListOrder(
        lambda r: (r.timePeriod.start if r.timePeriod else 0, r.consumptionBlock or 0, r.touTier or 0), _period_start
    ),
    "ServiceSupplierList": _MRID,
    "PrepaymentList": _MRID,
    "SupplyInterruptionOverrideList": ListOrder(lambda o: (o.interval.start, o.interval.duration), _event_start),
    "CreditRegisterList": ListOrder(lambda c: (-c.effectiveTime, -_number_of(c.mRID))),
    "FlowReservationRequestList": ListOrder(
        lambda r: (r.intervalRequested.start, -r.creationTime, -_number_of(r.mRID)),
        lambda r: int(r.intervalRequested.start),
    ),
    "FlowReservationResponseList": _EVENTS,
    "DERList": _HREF,
    "DERProgramList": _PRIMACY,
    "DERControlList": _EVENTS,
    "DERCurveList": ListOrder(lambda c: (-c.creationTime, -_number_of(c.mRID))),
}
"""Order of every list type, by element name."""


def ordered(list_name: str, items: Sequence[_T]) -> list[_T]:
    """`items` in the order that the list type prescribes."""
    return sorted(items, key=LIST_ORDERS[list_name].key)
