"""EiReport of a VEN: what it offers, which requests run, and the reports that become due.

Owns metadata, the schedule of requests and the making of messages (rules 300 to 346, section "Reports").
Does not own which values a report holds: that is report_values.py's.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence

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
from gridiface.protocols.openadr.payloads.stream import Intervals
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
from gridiface.protocols.openadr.ven.offers import check_amount, metadata_of
from gridiface.protocols.openadr.ven.report_values import ReportValues, per_message
from gridiface.protocols.openadr.ven.samples import SampleSource
from gridiface.protocols.openadr.ven.state import ReportOffer, Running, State

_MOST_CATCH_UP = 1000
_MOST_MISSED = 100


class ReportDesk:
    """The reports of one VEN."""

    def __init__(self, state: State, samples: SampleSource) -> None:
        self._state = state
        self._values = ReportValues(samples)
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
            # History is told once, and what has not been sent of it is not wanted any more.
            if follow and running.request.kind not in {ReportKind.METADATA, ReportKind.HISTORY}:
                while (covered := self._send(running, now)) < now and self._in_pieces(running):
                    running.covered = covered
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
        """Put the reports that are due into the outbox, the oldest first; of a very long one a piece, call again."""
        for _ in range(_MOST_CATCH_UP):
            due = [running for running in self._unheld() if running.due <= now]
            if not due or not self._serve(min(due, key=lambda running: running.due), now):
                return

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
        return min((running.due for running in self._unheld()), default=math.inf)

    # -- inside --------------------------------------------------------------------------------------------------

    def _unheld(self) -> list[Running]:
        """The requests but those whose last part still waits for the VTN: the next one is made when it is there."""
        requests = list(self._state.requests.values())
        if not any(_in_parts(running) and running.told for running in requests):
            return requests
        waiting = {
            one.reportRequestID
            for item in self._state.outbox.values()
            if isinstance(item.payload, OadrUpdateReport)
            for one in item.payload.oadrReport
        }
        return [one for one in requests if not (_in_parts(one) and one.told and one.request.id in waiting)]

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
        if request.kind is ReportKind.HISTORY:
            # All there is, where it does not say from when on.
            begin = request.start or 0.0
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

    def _serve(self, running: Running, now: float) -> bool:
        """Make a report that is due; False after a piece of a long one, so that others get their turn."""
        request = running.request
        at = covered = min(running.due, now)
        if request.specifier == METADATA:
            self.registering()
            self._state.post("register_report", self.register_report(now, request.id))
        elif _in_parts(running):
            self._serve_part(running, now)
            return True
        else:
            covered = self._send(running, at)
            if covered < at and self._in_pieces(running):
                running.covered, running.told = covered, True
                self._state.put("request", request.id, running)
                return False
        if request.back == 0 or running.due >= request.end:
            self._state.drop("request", request.id)
            self._changed()
            return True
        running.covered, running.told = covered, True
        running.due = min(running.due + request.back, request.end)
        self._state.put("request", request.id, running)
        return True

    def _in_pieces(self, running: Running) -> bool:
        """Whether what a report leaves out is its next piece, and not what is not over yet."""
        return not self._offers[running.request.specifier].is_recorded

    def _serve_part(self, running: Running, now: float) -> None:
        """Report the next part of a history: a long one is made bit by bit, as the VTN takes it."""
        request, offer = running.request, self._offers[running.request.specifier]
        part = self._values.part_of(running, offer, now)
        self._post(request, offer, part.values, now)
        if part.rest is None:
            self._state.drop("request", request.id)
            self._changed()
            return
        running.covered, running.told, running.due = part.rest, True, -math.inf
        self._state.put("request", request.id, running)

    def _send(self, running: Running, at: float) -> float:
        """Report at `at`; returns where the next report goes on."""
        offer = self._offers[running.request.specifier]
        values, covered = self._values.of(running, offer, at)
        self._post(running.request, offer, values, at)
        return covered

    def _post(self, request: ReportRequest, offer: ReportOffer, values: Sequence[ReportValue], at: float) -> None:
        """The messages of a report: several where one would be too large for its receiver."""
        intervals = intervals_of(values, one_point_each=self._state.config.one_point_each)
        step = 1 if any(value.feed is not None for value in values) else per_message(len(request.rids))
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


def _in_parts(running: Running) -> bool:
    return running.request.kind is ReportKind.HISTORY
