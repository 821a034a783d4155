"""What our VEN offers to report, and the values: samples of the fleet's snapshots.

Owns the names of reports and rIDs and how often is sampled. Which reports run, and when, is the core's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gridiface.domain.clock import Clock, Instant
from gridiface.domain.ports import FleetView
from gridiface.northbound.openadr.settings import ResourceSettings, VenSettings
from gridiface.northbound.openadr.translate_reports import status_sample, usage_sample
from gridiface.protocols.openadr.payloads import units
from gridiface.protocols.openadr.payloads.stream import ItemBase
from gridiface.protocols.openadr.ven import DataPoint, ReportOffer, Sample, SampleMemory

USAGE = "TELEMETRY_USAGE"
STATUS = "TELEMETRY_STATUS"
#: Values on change are looked for this often, s.
_ON_CHANGE_S = 1.0


def _unit(quantity: str) -> ItemBase:
    match quantity:
        case "W":
            return units.power_real()
        case "var":
            return units.power_reactive()
        case "VA":
            return units.PowerApparent(
                itemDescription="ApparentPower",
                itemUnits="VA",
                siScaleCode="none",
                powerAttributes=units.PowerAttributes(hertz=50, voltage=230, ac=True),
            )
        case "V":
            return units.Voltage(itemDescription="Voltage", itemUnits="V", siScaleCode="none")
        case _:
            return units.Frequency(itemDescription="Frequency", itemUnits="Hz", siScaleCode="none")


def offers_of(settings: VenSettings) -> tuple[ReportOffer, ...]:
    """The reports that can be requested of this VEN; rIDs are <resource>/<quantity> and <resource>/status."""

    def point(resource: ResourceSettings, quantity: str) -> DataPoint:
        status = quantity == "status"
        return DataPoint(
            rid=f"{resource.resource}/{quantity}",
            report_type="x-resourceStatus" if status else "usage",
            reading_type="x-notApplicable" if status else "Direct Read",
            unit=None if status else _unit(quantity),
            resources=(resource.resource,),
            min_period=settings.min_period_s,
            max_period=settings.max_period_s,
        )

    usage = tuple(point(resource, quantity) for resource in settings.resources for quantity in resource.usage)
    status = tuple(point(resource, "status") for resource in settings.resources if resource.status)
    offers = []
    if usage:
        offers.append(ReportOffer(specifier="telemetry-usage", name=USAGE, points=usage))
    if status:
        offers.append(ReportOffer(specifier="telemetry-status", name=STATUS, points=status))
    return tuple(offers)


class FleetSamples:
    """A SampleSource over the fleet: what was recorded, and the present at the moment it is asked for.

    Args:
        settings: the VEN.
        fleet: where snapshots are.
        clock: what is now.
    """

    def __init__(self, settings: VenSettings, fleet: FleetView, clock: Clock) -> None:
        self._fleet = fleet
        self._clock = clock
        self._memory = SampleMemory()
        self._points = {
            (offer.specifier, point.rid): point.unit for offer in offers_of(settings) for point in offer.points
        }
        self._resources = {resource.resource: resource for resource in settings.resources}
        self._due: dict[tuple[str, str], Instant] = {}

    def at(self, specifier: str, rid: str, instant: float) -> Sample | None:
        """As SampleSource.at; the present is looked at when it is what is wanted."""
        now = self._clock.now()
        if (specifier, rid) in self._points and instant >= now - 1.0:
            self._record((specifier, rid), min(instant, now))
        return self._memory.at(specifier, rid, instant)

    def between(self, specifier: str, rid: str, start: float, end: float) -> Sequence[Sample]:
        """As SampleSource.between."""
        return self._memory.between(specifier, rid, start, end)

    def take(self, periods: Mapping[tuple[str, str], int], now: Instant) -> None:
        """Record what is due for the requests that run.

        Args:
            periods: (reportSpecifierID, rID) -> seconds; 0: on each change.
            now: the time.
        """
        self._due = {key: due for key, due in self._due.items() if key in periods}
        for key, period in periods.items():
            if key in self._points and self._due.get(key, now) <= now:
                self._due[key] = now + (period or _ON_CHANGE_S)
                self._record(key, now)

    def next_due(self) -> Instant:
        """When `take` has something to do; infinity when never."""
        return min(self._due.values(), default=float("inf"))

    def _record(self, key: tuple[str, str], now: Instant) -> None:
        specifier, rid = key
        name, _, _ = rid.rpartition("/")
        resource, unit = self._resources[name], self._points[key]
        snapshot = self._fleet.snapshot(resource.target)
        if unit is None:
            sample = status_sample(snapshot, now, rated_load_w=resource.rated_load_w)
        else:
            sample = usage_sample(snapshot, unit, now, generation_positive=resource.generation_positive)
        if sample.at > now:  # A device whose clock is ahead: its newest value is the present one.
            sample = Sample(at=now, value=sample.value, status=sample.status, quality=sample.quality)
        self._memory.record(specifier, rid, sample)
