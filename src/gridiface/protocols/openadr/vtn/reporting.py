"""EiReport of a VTN: metadata from VENs, our requests, their data, cancellations. Our own metadata is metadata.py's.

Owns which requests run and what data may come for them (rules 300 to 346); what may be asked for is wishes.py's. The
data goes to the shell as notices.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gridiface.errors import RefusedControl, RemoteProtocolError
from gridiface.protocols.openadr.answers import Code, Refusal, ok, request_id_of, response, succeeded
from gridiface.protocols.openadr.payloads.envelope import Payload
from gridiface.protocols.openadr.payloads.event import OadrResponse
from gridiface.protocols.openadr.payloads.report import (
    METADATA_PREFIX,
    OadrCanceledReport,
    OadrCancelReport,
    OadrCreatedReport,
    OadrCreateReport,
    OadrRegisteredReport,
    OadrRegisterReport,
    OadrReport,
    OadrUpdatedReport,
    OadrUpdateReport,
)
from gridiface.protocols.openadr.reports import (
    METADATA,
    ReportKind,
    ReportRequest,
    request_to_wire,
    values_of,
)
from gridiface.protocols.openadr.vtn import mailbox as box
from gridiface.protocols.openadr.vtn.entities import Entry, RunningReport, Ven
from gridiface.protocols.openadr.vtn.mailbox import Mailbox
from gridiface.protocols.openadr.vtn.notices import MetadataReceived, ReportReceived, ReportsPending, WishUnmet
from gridiface.protocols.openadr.vtn.state import State
from gridiface.protocols.openadr.vtn.wishes import check_metadata, check_request, request_for

_ASKED, _RUNNING, _CANCELLING, _DONE = "asked", "running", "cancelling", "done"
_MOST_DONE = 50


class ReportDesk:
    """The reports of all VENs of one VTN."""

    def __init__(self, state: State, mailbox: Mailbox) -> None:
        self._state = state
        self._mailbox = mailbox

    # -- what the operator does ----------------------------------------------------------------------------------

    def ask(self, ven: Ven, requests: Sequence[ReportRequest], *, queue: bool = True) -> list[str]:
        """Ask for reports; an empty id is filled in. Returns the reportRequestIDs.

        Raises:
            RefusedControl: an unknown specifier or rID, an ID that runs already, too many, or not offered so fast.
        """
        reports = self._state.reports(ven.venID)
        made = []
        for request in requests:
            name = check_request(request, reports.metadata)
            request_id = request.id or self._state.new_id()
            if request_id in reports.running:
                raise RefusedControl(f"reportRequestID {request_id} is in use (rule 322)")
            made.append((request_id, name, request))
        if len(reports.running) + len(made) > self._state.config.most_requests:
            raise RefusedControl("too many report requests for this VEN")
        for request_id, name, request in made:
            fields = {f: getattr(request, f) for f in request.__dataclass_fields__ if f not in {"id", "history"}}
            history = METADATA not in request.specifier and name.startswith("HISTORY")
            running = RunningReport(request=ReportRequest(id=request_id, history=history, **fields), name=name)
            reports.running[request_id] = running
        ids = [request_id for request_id, _, _ in made]
        self._state.save("reports", ven.venID)
        if queue and ids:
            self._mailbox.post(ven.venID, box.CREATE_REPORT, ids=ids)
        return ids

    def stop(self, ven: Ven, ids: Iterable[str], *, follow: bool = False, piggyback: bool = False) -> None:
        """Cancel requests; `follow`: one last report is wanted; `piggyback`: with the next oadrUpdatedReport.

        Raises:
            RefusedControl: an ID is not running.
        """
        reports = self._state.reports(ven.venID)
        wanted = list(ids)
        unknown = [i for i in wanted if i not in reports.running or reports.running[i].state == _DONE]
        if unknown or not wanted:
            raise RefusedControl(f"not running: {', '.join(unknown) or 'none was named'}")
        if piggyback:
            reports.piggyback = list(dict.fromkeys([*reports.piggyback, *wanted]))
            reports.piggyback_follow = follow
            self._state.save("reports", ven.venID)
        else:
            self._mailbox.post(ven.venID, box.CANCEL_REPORT, ids=wanted, follow=follow)

    # -- payloads of ours ----------------------------------------------------------------------------------------

    def create_report(self, ven: Ven, entry: Entry) -> Payload | None:
        """OadrCreateReport for the requests of a queue entry; None when none of them is wanted any more."""
        running = self._state.reports(ven.venID).running
        requests = [
            request_to_wire(running[i].request) for i in entry.ids if i in running and running[i].state == _ASKED
        ]
        if not requests:
            return None
        return OadrCreateReport(requestID=entry.id, oadrReportRequest=requests, venID=ven.venID)

    def cancel_report(self, ven: Ven, entry: Entry) -> Payload | None:
        """OadrCancelReport for a queue entry."""
        running = self._state.reports(ven.venID).running
        ids = [i for i in entry.ids if i in running and running[i].state != _DONE]
        if not ids:
            return None
        return OadrCancelReport(requestID=entry.id, reportRequestID=ids, reportToFollow=entry.follow, venID=ven.venID)

    # -- what VENs do --------------------------------------------------------------------------------------------

    def register(self, payload: OadrRegisterReport, ven: Ven, now: float) -> Payload:
        """Take metadata: it is complete, replaces the old, and ends all requests but those for metadata (rule 306)."""
        check_metadata(payload.oadrReport)
        reports = self._state.reports(ven.venID)
        reports.metadata = list(payload.oadrReport)
        # Who asked for metadata once has them, also where the VEN does not say whose request it answers.
        reports.running = {
            i: r
            for i, r in reports.running.items()
            if r.request.kind is ReportKind.METADATA and r.request.start is not None
        }
        reports.piggyback = []
        self._mailbox.withdraw(ven.venID, box.CREATE_REPORT, box.CANCEL_REPORT)
        unheard = [i for i, r in reports.running.items() if r.state == _ASKED]
        if unheard:
            self._mailbox.post(ven.venID, box.CREATE_REPORT, ids=unheard)
        self._state.save("reports", ven.venID)
        self._state.notices.append(MetadataReceived(venID=ven.venID, reports=tuple(payload.oadrReport)))
        ids = self._ask_for_wishes(ven, now)
        piggyback = self._state.config.piggyback
        # Not every VEN reads what rides on an answer, though it must (rule 344).
        if ids and piggyback:
            self._mailbox.went_along(ven.venID, box.CREATE_REPORT, ids, payload.requestID, now)
        elif ids:
            self._mailbox.post(ven.venID, box.CREATE_REPORT, ids=ids)
        requests = [request_to_wire(reports.running[i].request) for i in ids] if piggyback else []
        return OadrRegisteredReport(eiResponse=ok(payload.requestID), oadrReportRequest=requests, venID=ven.venID)

    def registered(self, payload: OadrRegisteredReport, ven: Ven) -> Payload:
        """The VEN took our metadata."""
        self._mailbox.answered(ven.venID, box.REGISTER_REPORT, request_id=payload.eiResponse.requestID)
        problem = any(r.reportSpecifier.reportSpecifierID != METADATA for r in payload.oadrReportRequest)
        if problem:
            answer = response(Code.INVALID_ID, "there is no such report here", request_id_of(payload))
            return OadrResponse(eiResponse=answer, venID=ven.venID)
        return OadrResponse(eiResponse=ok(request_id_of(payload)), venID=ven.venID)

    def created(self, payload: OadrCreatedReport, ven: Ven) -> Payload:
        """The VEN answers our request, sent from the queue or piggy-backed."""
        again = self._mailbox.was_answered(ven.venID, payload.eiResponse.requestID)
        entry = self._mailbox.answered(ven.venID, box.CREATE_REPORT, request_id=payload.eiResponse.requestID)
        if entry is None and again:
            return OadrResponse(eiResponse=ok(request_id_of(payload)), venID=ven.venID)
        reports = self._state.reports(ven.venID)
        pending = payload.oadrPendingReports.reportRequestID
        good = succeeded(payload.eiResponse)
        # Without an entry it answers what was sent before: all that nobody has answered yet.
        asked = entry.ids if entry else [i for i, running in reports.running.items() if running.state == _ASKED]
        for request_id in asked:
            running = reports.running.get(request_id)
            if running is None or running.state != _ASKED:
                continue
            if good or request_id in pending:
                running.state = _RUNNING
            else:
                del reports.running[request_id]
        self._state.save("reports", ven.venID)
        refused = "" if good else f"{payload.eiResponse.responseCode} {payload.eiResponse.responseDescription or ''}"
        self._state.notices.append(ReportsPending(venID=ven.venID, ids=tuple(pending), refused=refused.strip()))
        return OadrResponse(eiResponse=ok(request_id_of(payload)), venID=ven.venID)

    def canceled(self, payload: OadrCanceledReport, ven: Ven) -> Payload:
        """The VEN answers our cancellation.

        Raises:
            Refusal: 452, nothing was cancelled that this could answer.
        """
        again = self._mailbox.was_answered(ven.venID, payload.eiResponse.requestID)
        entry = self._mailbox.answered(ven.venID, box.CANCEL_REPORT, request_id=payload.eiResponse.requestID)
        if entry is None and again:
            return OadrResponse(eiResponse=ok(request_id_of(payload)), venID=ven.venID)
        if entry is None:
            raise Refusal(Code.INVALID_ID, "no report was cancelled")
        pending = tuple(payload.oadrPendingReports.reportRequestID)
        if succeeded(payload.eiResponse):
            self._ended(ven, entry.ids, follow=entry.follow)
        else:
            # One that it does not know, perhaps because its first answer was lost, does not run (rules 329, 336).
            self._ended(ven, [request_id for request_id in entry.ids if request_id not in pending], follow=False)
        self._state.notices.append(ReportsPending(venID=ven.venID, ids=pending))
        return OadrResponse(eiResponse=ok(request_id_of(payload)), venID=ven.venID)

    def update(self, payload: OadrUpdateReport, ven: Ven, now: float) -> Payload:
        """Take data: good reports also beside bad ones; the answer may carry cancellations."""
        problem: RemoteProtocolError | None = None
        for report in payload.oadrReport:
            try:
                self._take_data(report, payload.requestID, ven, now)
            except RemoteProtocolError as refusal:
                problem = problem or refusal
        answer = ok(payload.requestID)
        if problem is not None:
            answer = response(problem.answer, problem.reason, payload.requestID)
        told = [report.reportRequestID for report in payload.oadrReport]
        return OadrUpdatedReport(eiResponse=answer, oadrCancelReport=self._piggyback(ven, told), venID=ven.venID)

    # -- inside --------------------------------------------------------------------------------------------------

    def _ask_for_wishes(self, ven: Ven, now: float) -> list[str]:
        requests = []
        for offered in self._state.reports(ven.venID).metadata:
            name = (offered.reportName or "").removeprefix(METADATA_PREFIX)
            for wish in (*self._state.config.wishes, *ven.wishes):
                if wish.name == name and (request := request_for(wish, offered, now)):
                    try:
                        check_request(request, self._state.reports(ven.venID).metadata)
                    except RefusedControl as problem:
                        # What a VEN offers may contradict itself; its metadata are taken all the same.
                        self._state.notices.append(WishUnmet(venID=ven.venID, name=name, reason=str(problem)))
                    else:
                        requests.append(request)
        room = self._state.config.most_requests - len(self._state.reports(ven.venID).running)
        return self.ask(ven, requests[: max(0, room)], queue=False)

    def _take_data(self, report: OadrReport, request_id: str, ven: Ven, now: float) -> None:
        reports = self._state.reports(ven.venID)
        running = reports.running.get(report.reportRequestID)
        if running is None or running.request.kind is ReportKind.METADATA:
            raise Refusal(Code.INVALID_ID, "the reportRequestID is not known")
        repeated = running.last_request_id == request_id
        # A done one-shot may come again when our acknowledgement was lost, and only then; a history may come in parts.
        if running.state == _DONE and not repeated and running.request.kind is not ReportKind.HISTORY:
            raise Refusal(Code.INVALID_ID, "the reportRequestID is not known")
        if report.reportSpecifierID != running.request.specifier:
            raise Refusal(Code.INVALID_ID, "the reportSpecifierID is not that of the request")
        values = values_of(report)
        rids = {value.rid for value in values if value.feed is None}
        if not rids <= set(running.request.rids):
            raise Refusal(Code.INVALID_ID, "an rID was not requested")
        feeds = [value.feed for value in values if value.feed is not None]
        if feeds:
            self._state.put_raw(f"greenbutton/{ven.venID}/{report.reportSpecifierID}", feeds[-1])
        final = running.state == _CANCELLING or running.request.kind in {ReportKind.ONE_SHOT, ReportKind.HISTORY}
        final = final or now >= running.request.end
        running.last_request_id = request_id
        running.last_report = now
        running.reports += 0 if repeated else 1
        running.state = _DONE if final or running.state == _DONE else _RUNNING
        _prune(reports.running)
        self._state.save("reports", ven.venID)
        self._state.notices.append(
            ReportReceived(
                venID=ven.venID,
                reportRequestID=report.reportRequestID,
                reportSpecifierID=report.reportSpecifierID,
                name=running.name,
                created=report.createdDateTime,
                values=tuple(values),
                missing=() if feeds else tuple(rid for rid in running.request.rids if rid not in rids),
                final=final,
            )
        )

    def _piggyback(self, ven: Ven, told: Sequence[str]) -> OadrCancelReport | None:
        """What rides on the answer to data of the requests `told`: a subset of them (rule 328); the rest waits."""
        reports = self._state.reports(ven.venID)
        ids, follow = [i for i in reports.piggyback if i in told], reports.piggyback_follow
        if not ids:
            return None
        reports.piggyback = [i for i in reports.piggyback if i not in ids]
        # The VEN does not confirm what rides on an acknowledgement (rule 328).
        self._ended(ven, ids, follow=follow)
        return OadrCancelReport(
            requestID=self._state.new_id(), reportRequestID=ids, reportToFollow=follow, venID=ven.venID
        )

    def _ended(self, ven: Ven, ids: Iterable[str], *, follow: bool) -> None:
        reports = self._state.reports(ven.venID)
        for request_id in ids:
            running = reports.running.get(request_id)
            if running is not None:
                running.state = _CANCELLING if follow else _DONE
        _prune(reports.running)
        self._state.save("reports", ven.venID)


def _prune(running: dict[str, RunningReport]) -> None:
    done = [request_id for request_id, report in running.items() if report.state == _DONE]
    for request_id in done[:-_MOST_DONE]:
        del running[request_id]
