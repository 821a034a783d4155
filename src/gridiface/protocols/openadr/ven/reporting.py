"""EiReport of a VEN: what it offers, which requests run, and the reports that become due.

Owns metadata, the schedule of requests and the making of reports (rules 300 to 346, section "Reports").
Does not own values: a SampleSource has them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.openadr.answers import Code, Refusal, ok, response
from gridiface.protocols.openadr.payloads.report import (
    OadrCanceledReport,
    OadrCancelReport,
    OadrCreatedReport,
    OadrCreateReport,
    OadrPendingReports,
    OadrRegisterReport,
    OadrReport,
    OadrReportRequest,
    OadrUpdateReport,
)
from gridiface.protocols.openadr.payloads.stream import QUALITY_BAD, QUALITY_GOOD, Intervals
from gridiface.protocols.openadr.reports import (
    METADATA,
    ReportKind,
    ReportRequest,
    ReportValue,
    intervals_of,
    metadata_request,
    request_from_wire,
    request_to_wire,
)
from gridiface.protocols.openadr.ven.notices import ReportsChanged
from gridiface.protocols.openadr.ven.offers import MOST_INTERVALS, check_amount, metadata_of
from gridiface.protocols.openadr.ven.samples import (
    PREVIOUS_USED,
    SampleSource,
    at_least_apart,
    coarser,
    same,
    value_at,
    value_of,
)
from gridiface.protocols.openadr.ven.state import DataPoint, ReportOffer, Running, State

#: Octets of a message, and about how many an interval and each of its values take.
_MESSAGE, _INTERVAL, _VALUE = 200_000, 300, 260
_MOST_CATCH_UP = 1000
_MOST_MISSED = 100


class ReportDesk:
    """The reports of one VEN."""

    def __init__(self, state: State, samples: SampleSource) -> None:
        self._state = state
        self._samples = samples
        self._offers = {offer.specifier: offer for offer in state.config.offers}
        self._told: tuple[str, ...] = ()

    # -- metadata ------------------------------------------------------------------------------------------------

    def register_report(self, now: float, request_id: str | None = None) -> OadrRegisterReport:
        """All that we offer; `request_id` when the VTN asked for it (rules 305, 311)."""
        return OadrRegisterReport(
            requestID=self._state.new_id(),
            oadrReport=[metadata_of(offer, now) for offer in self._offers.values()],
            venID=self._state.registration.venID,
            reportRequestID=request_id,
        )

    def registering(self) -> None:
        """New metadata goes out: all requests end but periodic ones for metadata (rule 306)."""
        for request_id, running in list(self._state.requests.items()):
            if running.request.specifier != METADATA:
                self._state.drop("request", request_id)
        self._changed()

    def loaded(self) -> None:
        """After a restart: what is not offered any more is not reported; the new metadata will say so (rule 306)."""
        offered = {name: {point.rid for point in offer.points} for name, offer in self._offers.items()}
        for request_id, running in list(self._state.requests.items()):
            request = running.request
            if request.specifier != METADATA and not set(request.rids) <= offered.get(request.specifier, set()):
                self._state.drop("request", request_id)
        self._changed()

    def request_metadata(self) -> None:
        """Post a request for what the VTN offers, once (rule 327)."""
        wanted = metadata_request(self._state.new_id())
        payload = OadrCreateReport(
            requestID=self._state.new_id(),
            oadrReportRequest=[request_to_wire(wanted)],
            venID=self._state.registration.venID,
        )
        self._state.post("create_report", payload)

    def digest(self) -> str:
        """Of what is offered: tells whether the VTN knows it already."""
        return hashlib.sha256(repr(list(self._offers.values())).encode()).hexdigest()

    # -- requests ------------------------------------------------------------------------------------------------

    def take(self, wires: Sequence[OadrReportRequest], request_id: str, now: float) -> OadrCreatedReport:
        """Take requests, piggy-backed or not: the good ones run, the first bad one gives the code."""
        problem: RemoteProtocolError | None = None
        for wire in wires:
            try:
                self._start(self._checked(wire, now), now)
            except RemoteProtocolError as error:
                problem = problem or error
        answer = ok(request_id)
        if problem is not None:
            answer = response(problem.answer, problem.reason, request_id)
        self._changed()
        return OadrCreatedReport(
            eiResponse=answer, oadrPendingReports=self._pending(), venID=self._state.registration.venID
        )

    def cancel(self, payload: OadrCancelReport, now: float) -> OadrCanceledReport:
        """Stop requests; 452 when one of them is not known, the others stop all the same (rule 336)."""
        unknown = self.stop(payload.reportRequestID, follow=payload.reportToFollow, now=now)
        answer = ok(payload.requestID)
        if unknown:
            answer = response(Code.INVALID_ID, "a reportRequestID is not known", payload.requestID)
        return OadrCanceledReport(
            eiResponse=answer, oadrPendingReports=self._pending(), venID=self._state.registration.venID
        )

    def stop(self, ids: Iterable[str], *, follow: bool, now: float) -> list[str]:
        """Stop requests, with one last report where `follow` says so (rule 345); returns the unknown ones."""
        unknown = []
        for request_id in ids:
            running = self._state.requests.get(request_id)
            if running is None:
                unknown.append(request_id)
                continue
            if follow and running.request.specifier != METADATA:
                self._send(running, now)
            self._state.drop("request", request_id)
        self._changed()
        return unknown

    def erase(self) -> None:
        """The registration is over: no request runs."""
        for request_id in list(self._state.requests):
            self._state.drop("request", request_id)
        self._changed()

    def depths(self) -> dict[tuple[str, str], int]:
        """(reportSpecifierID, rID) -> seconds back that the next report of a running request looks."""
        found: dict[tuple[str, str], int] = {}
        for running in self._state.requests.values():
            request = running.request
            if request.kind is ReportKind.PERIODIC and request.granularity != request.back:
                for rid in request.rids:
                    key = (request.specifier, rid)
                    found[key] = max(found.get(key, 0), request.back)
        return found

    def periods(self) -> dict[tuple[str, str], int]:
        """(reportSpecifierID, rID) -> seconds between the samples that running requests need; 0: on change."""
        found: dict[tuple[str, str], int] = {}
        for running in self._state.requests.values():
            request = running.request
            if request.kind is ReportKind.PERIODIC:
                for rid in request.rids:
                    key = (request.specifier, rid)
                    found[key] = min(found.get(key, request.granularity), request.granularity)
        return found

    # -- time ----------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Put the reports that are due into the outbox, the oldest first."""
        for _ in range(_MOST_CATCH_UP):
            due = [running for running in self._state.requests.values() if running.due <= now]
            if not due:
                return
            self._serve(min(due, key=lambda running: running.due), now)

    def set_back(self, now: float) -> None:
        """The clock was set back to `now`: reports that come again and again go on within their period, in its beat."""
        for running in list(self._state.requests.values()):
            request, ahead = running.request, running.due - now
            begun = running.told or request.start is None or request.start <= now
            if not (begun and ahead > request.back > 0):
                continue
            running.due -= request.back * math.floor(ahead / request.back)
            running.covered = min(running.covered, running.due - request.back)
            self._state.put("request", request.id, running)

    def next_due(self) -> float:
        """When `tick` has something to do; infinity when never."""
        return min((running.due for running in self._state.requests.values()), default=math.inf)

    # -- inside --------------------------------------------------------------------------------------------------

    def _pending(self) -> OadrPendingReports:
        return OadrPendingReports(reportRequestID=list(self._state.requests))

    def _changed(self) -> None:
        ids = tuple(self._state.requests)
        if ids != self._told:
            self._told = ids
            self._state.notices.append(ReportsChanged(ids))

    def _checked(self, wire: OadrReportRequest, now: float) -> ReportRequest:
        offer = self._offers.get(wire.reportSpecifier.reportSpecifierID)
        request = request_from_wire(wire, history=bool(offer and offer.is_history))
        if request.specifier == METADATA:
            return request
        if offer is None:
            raise Refusal(Code.INVALID_ID, "the reportSpecifierID is not known")
        points = {point.rid: point for point in offer.points}
        if not set(request.rids) <= points.keys():
            raise Refusal(Code.INVALID_ID, "an rID is not known")
        check_amount(request, offer, [points[rid] for rid in request.rids], now)
        return request

    def _start(self, request: ReportRequest, now: float) -> None:
        old = self._state.requests.get(request.id)
        if old is not None and old.request == request:
            return  # The same request again: its answer was lost.
        if old is None and len(self._state.requests) >= self._state.config.most_requests:
            raise Refusal(Code.DEPLOYMENT, "too many report requests")
        begin = now if request.start is None else request.start
        if request.back == 0:
            # Whatever its reportInterval says: of a one-shot it is ignored (rule 324).
            due = now
        elif request.specifier == METADATA:
            due = max(now, begin)
        else:
            # A point report whose granularity is its period starts with a value at once (section 8.3.2.2).
            offer = self._offers.get(request.specifier)
            points = request.granularity == request.back and offer is not None and not offer.is_recorded
            due = begin if points else begin + request.back
            # Reports that were due before the request came are made up for, as far back as there can be data.
            oldest = now - min(offer.duration if offer else 0, _MOST_MISSED * request.back)
            skipped = max(0, math.ceil((oldest - due) / request.back))
            due += skipped * request.back
            begin = max(begin, due - request.back) if skipped else begin
        self._state.put("request", request.id, Running(request=request, due=due, covered=begin))

    def _serve(self, running: Running, now: float) -> None:
        request = running.request
        at = covered = min(running.due, now)
        if request.specifier == METADATA:
            self.registering()
            self._state.post("register_report", self.register_report(now, request.id))
        else:
            covered = self._send(running, at)
        if request.back == 0 or running.due >= request.end:
            self._state.drop("request", request.id)
            self._changed()
            return
        running.covered, running.told = covered, True
        running.due = min(running.due + request.back, request.end)
        self._state.put("request", request.id, running)

    def _send(self, running: Running, at: float) -> float:
        """Report at `at`; returns where the next report goes on."""
        request = running.request
        offer = self._offers[request.specifier]
        values = self._values(running, offer, at)
        # What was recorded and not over yet comes whole with the next report.
        covered = _until(values, at, running.covered) if offer.is_recorded else at
        values = _with_durations(values, offer, request.granularity)
        intervals = intervals_of(values, one_point_each=self._state.config.one_point_each)
        # A long history goes in several messages, so that none is too large for its receiver.
        step = 1 if any(value.feed is not None for value in values) else _per_message(len(request.rids))
        for first in range(0, len(intervals), step):
            part = intervals[first : first + step]
            for uid, interval in enumerate(part):
                interval.uid = str(uid)
            report = OadrReport(
                dtstart=part[0].dtstart,
                intervals=Intervals(interval=part),
                reportRequestID=request.id,
                reportSpecifierID=offer.specifier,
                reportName=offer.name,
                createdDateTime=at,
            )
            payload = OadrUpdateReport(
                requestID=self._state.new_id(), oadrReport=[report], venID=self._state.registration.venID
            )
            self._state.post("update_report", payload)
        return covered

    def _values(self, running: Running, offer: ReportOffer, at: float) -> list[ReportValue]:
        points = {point.rid: point for point in offer.points}
        return [value for rid in running.request.rids for value in self._values_of(points[rid], running, offer, at)]

    def _values_of(self, point: DataPoint, running: Running, offer: ReportOffer, at: float) -> Iterable[ReportValue]:
        """Of one data point: recorded over a span, or sampled at instants, as the request and the offer are."""
        request = running.request
        end, step = min(at, request.end), request.granularity
        if offer.is_recorded and request.back > 0:
            # A periodic request goes on from where the last report ended.
            return self._recorded(point, offer, running.covered, end, step, whole=True)
        if offer.is_history:
            return self._recorded(point, offer, request.start or 0.0, end, step)
        if offer.is_recorded:
            return self._recorded(point, offer, at - 2 * point.min_period, at, 0)[-1:]
        if request.kind is ReportKind.ONE_SHOT:
            return (self._at(point, offer, at, 0),)
        if step == 0:
            return self._changed_since(point, offer, running, at)
        return (self._at(point, offer, instant, step) for instant in _instants(running, at))

    def _changed_since(self, point: DataPoint, offer: ReportOffer, running: Running, at: float) -> list[ReportValue]:
        """What changed since the last report; where nothing did, the value of before, which says so (rule 317)."""
        since = math.nextafter(running.covered, -math.inf)
        before = self._samples.at(offer.specifier, point.rid, since)
        found = list(self._samples.between(offer.specifier, point.rid, running.covered, at))
        earlier = [before if running.told else None, *found]
        changed = [new for old, new in zip(earlier, found, strict=False) if old is None or not same(old, new)]
        if changed:
            spaced = at_least_apart(changed, point.min_period)[-MOST_INTERVALS:]
            return [value_of(point.rid, sample) for sample in spaced]
        status = point.report_type == "x-resourceStatus"
        value = value_at(point.rid, before, running.covered, 0, is_status=status, duration=None)
        return [replace(value, quality=PREVIOUS_USED) if running.told and value.quality == QUALITY_GOOD else value]

    def _at(self, point: DataPoint, offer: ReportOffer, instant: float, granularity: int) -> ReportValue:
        sample = self._samples.at(offer.specifier, point.rid, instant)
        duration = granularity if point.interval_data and granularity else None
        status = point.report_type == "x-resourceStatus"
        return value_at(point.rid, sample, instant, granularity, is_status=status, duration=duration)

    def _recorded(
        self, point: DataPoint, offer: ReportOffer, start: float, end: float, granularity: int, *, whole: bool = False
    ) -> list[ReportValue]:
        """What was recorded from `start` on; `whole`: only intervals that are over at `end`."""
        found = self._samples.between(offer.specifier, point.rid, start, end)
        samples = coarser(found, max(start, found[0].at), granularity, additive=point.additive) if found else []
        samples = [one for one in samples if not whole or one.at + (one.duration or 0) <= end][-MOST_INTERVALS:]
        if samples:
            return [value_of(point.rid, sample) for sample in samples]
        status = point.report_type == "x-resourceStatus"
        return [value_at(point.rid, None, max(start, 0.0), 0, is_status=status, duration=None)]


def _with_durations(values: Iterable[ReportValue], offer: ReportOffer, granularity: int) -> list[ReportValue]:
    """Placeholders of interval data have a duration as the others do (rules 315, 342)."""
    lengths = {point.rid: max(granularity, point.min_period) for point in offer.points if point.interval_data}
    return [
        replace(value, duration=lengths[value.rid]) if value.duration is None and value.rid in lengths else value
        for value in values
    ]


def _until(values: Sequence[ReportValue], at: float, before: float) -> float:
    """The end of what these values of a report at `at` speak of; `before` where they are placeholders only."""
    told = [value for value in values if value.duration or value.quality != QUALITY_BAD]
    return max((value.start + value.duration if value.duration else at for value in told), default=before)


def _per_message(rids: int) -> int:
    return max(1, _MESSAGE // (_INTERVAL + _VALUE * rids))


def _instants(running: Running, at: float) -> list[float]:
    """The instants that a periodic report at `at` covers: every granularity since the last one, oldest first."""
    step = running.request.granularity
    if step == running.request.back:
        return [at]
    count = max(1, math.ceil((at - running.covered) / step - 1e-9))
    return [running.covered + n * step for n in range(min(count, MOST_INTERVALS))]
