"""What our VEN offers to report, and the values: samples of the fleet's snapshots.

Owns the names of reports and rIDs and how often is sampled. Which reports run, and when, is the core's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from gridiface.deadlines import waits
from gridiface.domain.changes import Change, DeleteDocument, PutDocument
from gridiface.domain.clock import Clock, Instant
from gridiface.domain.ports import FleetView
from gridiface.northbound.openadr.settings import ResourceSettings, VenSettings
from gridiface.northbound.openadr.translate.reports import status_sample, stored_energy_sample, usage_sample
from gridiface.northbound.openadr.ven.green_button import feed_of
from gridiface.northbound.openadr.ven.history import FleetHistory
from gridiface.protocols.openadr import records
from gridiface.protocols.openadr.payloads import units
from gridiface.protocols.openadr.payloads.stream import ItemBase, OadrPayloadResourceStatus
from gridiface.protocols.openadr.ven import DataPoint, ReportOffer, Sample, SampleMemory

USAGE = "TELEMETRY_USAGE"
#: What is measured beside usage, in a report of our own: the profile's TELEMETRY_USAGE holds nothing else (rule 331).
OTHER = "x-TELEMETRY_OTHER"
STATUS = "TELEMETRY_STATUS"
HISTORY = "HISTORY_USAGE"
GREEN_BUTTON = "HISTORY_GREENBUTTON"
#: Power in TELEMETRY_USAGE; energy in it, and the reportSpecifierID of that.
POWER, ENERGY, METERED = "W", "Wh", "telemetry-energy"
#: Energy that can still be delivered, which CHARGE_STATE signals speak of.
STORED = "stored"
#: reportType of what is no usage.
_TYPES = {"status": "x-resourceStatus", STORED: "storedEnergy", "V": "reading", "Hz": "reading"}
_PREFIX = "sample/"
#: Samples kept over a restart per data point: those that the next report needs.
_MOST_KEPT = 240
#: Readings of one Green Button feed, so that a message is not too large for its receiver.
_MOST_READINGS = 400
#: Values on change are looked for no more often, s.
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
        case "stored":
            return units.energy_real()
        case _:
            return units.Frequency(itemDescription="Frequency", itemUnits="Hz", siScaleCode="none")


def offers_of(settings: VenSettings) -> tuple[ReportOffer, ...]:
    """The reports that can be requested of this VEN; rIDs are <resource>/<quantity> and <resource>/status."""

    def point(resource: ResourceSettings, quantity: str) -> DataPoint:
        status = quantity == "status"
        return DataPoint(
            rid=f"{resource.resource}/{quantity}",
            report_type=_TYPES.get(quantity, "usage"),
            reading_type="x-notApplicable" if status else "Direct Read",
            unit=None if status else _unit(quantity),
            resources=(resource.resource,),
            min_period=settings.min_period_s,
            max_period=settings.max_period_s,
            on_change=True,
        )

    wanted = [(one, quantity) for one in settings.resources for quantity in one.usage if quantity != ENERGY]
    usage = tuple(point(resource, quantity) for resource, quantity in wanted if quantity == POWER)
    other = tuple(point(resource, quantity) for resource, quantity in wanted if quantity != POWER)
    status = tuple(point(resource, "status") for resource in settings.resources if resource.status)
    offers = []
    if usage:
        offers.append(ReportOffer(specifier="telemetry-usage", name=USAGE, points=usage))
    if other:
        offers.append(ReportOffer(specifier="telemetry-other", name=OTHER, points=other))
    if status:
        offers.append(ReportOffer(specifier="telemetry-status", name=STATUS, points=status))
    return (*offers, *_recorded_offers(settings))


def _recorded_offers(settings: VenSettings) -> tuple[ReportOffer, ...]:
    """Energy as telemetry, and recorded power and energy, as values and as Green Button feeds.

    rIDs are <resource>/W, /Wh and /feed. Energy is a report of its own: one holds point or interval data (rule 342).
    """

    def point(resource: ResourceSettings, quantity: str) -> DataPoint:
        known: dict[str, ItemBase] = {"W": units.power_real(), ENERGY: units.energy_real()}
        return DataPoint(
            rid=f"{resource.resource}/{quantity}",
            unit=known.get(quantity),
            resources=(resource.resource,),
            min_period=settings.history_period_s,
            max_period=max(settings.max_period_s, settings.history_period_s),
            interval_data=True,
            additive=quantity == ENERGY,
        )

    keep = settings.history_keep_s
    metered = tuple(point(resource, ENERGY) for resource in settings.resources if ENERGY in resource.usage)
    offers = [ReportOffer(specifier=METERED, name=USAGE, points=metered, duration=keep)] if metered else []
    recorded = [resource for resource in settings.resources if resource.history]
    if not recorded:
        return tuple(offers)
    usage = tuple(point(resource, quantity) for resource in recorded for quantity in ("W", ENERGY))
    feeds = tuple(point(resource, "feed") for resource in recorded)
    return (
        *offers,
        ReportOffer(specifier="history-usage", name=HISTORY, points=usage, duration=keep),
        ReportOffer(specifier="history-greenbutton", name=GREEN_BUTTON, points=feeds, duration=keep),
    )


class FleetSamples:
    """A SampleSource over the fleet: what was recorded, and the present at the moment it is asked for.

    Args:
        settings: the VEN.
        fleet: where snapshots are.
        clock: what is now.
        space: of the VEN's documents.
    """

    def __init__(self, settings: VenSettings, fleet: FleetView, clock: Clock, space: str = "") -> None:
        self._fleet = fleet
        self._clock = clock
        self._space = space
        # As much as is offered, at the fastest rate that is (rule 312).
        longest = max((offer.duration for offer in offers_of(settings) if not offer.is_recorded), default=0)
        self._memory = SampleMemory(most=longest // settings.min_period_s + 1)
        self._on_change_s = max(_ON_CHANGE_S, float(settings.min_period_s))
        self._kept: dict[tuple[str, str], int] = {}
        self._dirty: set[tuple[str, str]] = set()
        self.history = FleetHistory(
            space,
            [resource for resource in settings.resources if resource.history or ENERGY in resource.usage],
            fleet,
            period_s=settings.history_period_s,
            keep_s=settings.history_keep_s,
        )
        self._points = {
            (offer.specifier, point.rid): point.unit
            for offer in offers_of(settings)
            for point in offer.points
            if not offer.is_recorded
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
        if specifier != METERED and not specifier.startswith("history-"):
            return self._memory.between(specifier, rid, start, end)
        resource, _, quantity = rid.rpartition("/")
        if quantity == "feed":
            return self._feeds(resource, self.history.between(resource, "Wh", start, end))
        return self.history.between(resource, "Wh" if quantity == ENERGY else "W", start, end)

    def _feeds(self, resource: str, rows: Sequence[Sample]) -> list[Sample]:
        made, now, length = [], self._clock.now(), self.history.period_s
        for first in range(0, len(rows), _MOST_READINGS):
            part = rows[first : first + _MOST_READINGS]
            whole = int(part[-1].at + length - part[0].at)
            feed = feed_of(resource, part, length_s=length, now=now)
            made.append(Sample(at=part[0].at, feed=feed, duration=whole))
        return made

    def load(self, documents: Mapping[str, bytes]) -> None:
        """Go on after a restart: history, and the samples that the next reports need."""
        self.history.load(documents)
        for key, body in documents.items():
            specifier, _, rid = key.removeprefix(_PREFIX).partition("/")
            if key.startswith(_PREFIX) and (specifier, rid) in self._points:
                for sample in json.loads(body):
                    status = (
                        records.load(OadrPayloadResourceStatus, sample.pop("status").encode())
                        if sample.get("status")
                        else None
                    )
                    self._memory.record(specifier, rid, Sample(**{**sample, "status": status}))

    def keep(self, depths: Mapping[tuple[str, str], int]) -> None:
        """Which samples must outlive a restart: (reportSpecifierID, rID) -> seconds back."""
        self._dirty |= self._kept.keys() - depths.keys()
        self._kept = dict(depths)

    def changes(self) -> list[Change]:
        """What is to be stored since the last call."""
        dirty, self._dirty = self._dirty, set()
        return [*self.history.changes(), *(self._document(key) for key in sorted(dirty))]

    def _document(self, key: tuple[str, str]) -> Change:
        specifier, rid = key
        name = f"{_PREFIX}{specifier}/{rid}"
        if key not in self._kept:
            return DeleteDocument(self._space, name)
        now = self._clock.now()
        samples = self._memory.between(specifier, rid, now - self._kept[key] - 1.0, now + 1.0)[-_MOST_KEPT:]
        rows = [
            {
                "at": sample.at,
                "value": sample.value,
                "quality": sample.quality,
                "status": None if sample.status is None else records.dump(sample.status).decode(),
            }
            for sample in samples
        ]
        return PutDocument(self._space, name, json.dumps(rows).encode())

    def take(self, periods: Mapping[tuple[str, str], int], now: Instant) -> None:
        """Record what is due for the requests that run.

        Args:
            periods: (reportSpecifierID, rID) -> seconds; 0: on each change.
            now: the time.
        """
        self._due = {key: due for key, due in self._due.items() if key in periods}
        for key, period in periods.items():
            wait = period or self._on_change_s
            if key in self._points and not waits(self._due.get(key, now), now, wait):
                self._due[key] = now + wait
                self._record(key, now)

    def next_due(self) -> Instant:
        """When `take` has something to do; infinity when never."""
        return min(self._due.values(), default=float("inf"))

    def _record(self, key: tuple[str, str], now: Instant) -> None:
        specifier, rid = key
        name, _, quantity = rid.rpartition("/")
        resource, unit = self._resources[name], self._points[key]
        snapshot = self._fleet.snapshot(resource.target)
        if unit is None:
            sample = status_sample(snapshot, now, rated_load_w=resource.rated_load_w)
        elif quantity == STORED:
            sample = stored_energy_sample(snapshot, units.energy_real(), now)
        else:
            sample = usage_sample(snapshot, unit, now, generation_positive=resource.generation_positive)
        if sample.at > now:  # A device whose clock is ahead: its newest value is the present one.
            sample = Sample(at=now, value=sample.value, status=sample.status, quality=sample.quality)
        self._memory.record(specifier, rid, sample)
        if key in self._kept:
            self._dirty.add(key)
