"""EiReport of the VTN."""

from __future__ import annotations

import pytest

from gridiface.errors import RefusedControl
from gridiface.protocols.openadr.answers import ok, response
from gridiface.protocols.openadr.payloads import event, report, stream
from gridiface.protocols.openadr.payloads.common import Properties
from gridiface.protocols.openadr.payloads.units import power_real
from gridiface.protocols.openadr.reports import ReportRequest
from gridiface.protocols.openadr.vtn import Peer, ReportWish


@pytest.fixture
def ven(kit):
    made = kit.register()
    kit.quiet(made)
    return made


def point(rid, **fields):
    rate = report.OadrSamplingRate(oadrMinPeriod=10, oadrMaxPeriod=600, oadrOnChange=False)
    base = {"reportType": "usage", "itemBase": power_real(), "readingType": "Direct Read", "oadrSamplingRate": rate}
    return report.OadrReportDescription(rID=rid, **{**base, **fields})


def metadata(kit, ven, *specifiers, name="METADATA_TELEMETRY_USAGE", points=("a", "b"), **fields):
    reports = [
        report.OadrReport(
            duration=3600,
            oadrReportDescription=[point(rid) for rid in points],
            reportRequestID="0",
            reportSpecifierID=specifier,
            reportName=name,
            createdDateTime=kit.now,
        )
        for specifier in specifiers
    ]
    return report.OadrRegisterReport(requestID="m", oadrReport=reports, venID=ven, **fields)


@pytest.fixture
def offered(kit, ven):
    kit.handle(metadata(kit, ven, "usage"))
    return ven


def ask(kit, ven, **fields):
    base = {"id": "", "specifier": "usage", "rids": ("a", "b"), "granularity": 60, "back": 120, "start": kit.now}
    return kit.do(kit.vtn.request_reports(ven, [ReportRequest(**{**base, **fields})]))[0]


def accept(kit, ven, *ids):
    sent = kit.poll(ven)
    return kit.handle(
        report.OadrCreatedReport(
            eiResponse=ok(sent.requestID),
            oadrPendingReports=report.OadrPendingReports(reportRequestID=list(ids)),
            venID=ven,
        )
    )


def payload(rid, value=1.0, quality=None):
    return stream.OadrReportPayload(rID=rid, payloadBase=stream.PayloadFloat(value=value), oadrDataQuality=quality)


def data(kit, ven, request_id, *, rids=("a", "b"), message="u", specifier="usage", rows=None):
    if rows is None:
        rows = [stream.Interval(dtstart=kit.now, uid="0", streamPayloadBase=[payload(rid) for rid in rids])]
    made = report.OadrReport(
        dtstart=kit.now,
        intervals=stream.Intervals(interval=rows) if rows else None,
        reportRequestID=request_id,
        reportSpecifierID=specifier,
        reportName="TELEMETRY_USAGE",
        createdDateTime=kit.now,
    )
    return kit.handle(report.OadrUpdateReport(requestID=message, oadrReport=[made], venID=ven))


def test_39_r305_r309_an_empty_register_report_goes_to_the_ven_after_registration(kit):
    ven = kit.register()
    sent = kit.poll(ven)
    assert (sent.oadrReport, sent.venID, sent.reportRequestID) == ([], ven, None)
    answer = kit.handle(report.OadrRegisteredReport(eiResponse=ok(sent.requestID), venID=ven))
    assert answer.eiResponse.responseCode == "200"
    assert kit.vtn.waiting(ven) == []


def test_40_r306_metadata_is_taken_and_replaces_the_older_and_its_requests(kit, offered):
    first = ask(kit, offered)
    accept(kit, offered, first)
    answer = kit.handle(metadata(kit, offered, "status", "other"))
    assert isinstance(answer, report.OadrRegisteredReport)
    assert [r.reportSpecifierID for r in kit.vtn.reports(offered).metadata] == ["status", "other"]
    assert kit.vtn.reports(offered).running == {}
    assert data(kit, offered, first).eiResponse.responseCode == "452"


def test_40_wishes_are_requested_again_from_each_metadata(vtn_kit):
    kit = vtn_kit(wishes=(ReportWish(name="TELEMETRY_USAGE", granularity=5, back=60, rids=("a",)),))
    ven = kit.register()
    for _ in range(2):
        answer = kit.handle(metadata(kit, ven, "usage"))
        (request,) = answer.oadrReportRequest
        assert request.reportSpecifier.granularity == 10
        assert request.reportSpecifier.reportBackDuration == 60
        assert request.reportSpecifier.reportInterval.properties.duration == 0
        assert [p.rID for p in request.reportSpecifier.specifierPayload] == ["a"]
    created = report.OadrCreatedReport(
        eiResponse=ok("m"),
        oadrPendingReports=report.OadrPendingReports(reportRequestID=[request.reportRequestID]),
        venID=ven,
    )
    kit.handle(created)
    assert kit.vtn.reports(ven).running[request.reportRequestID].state == "running"
    kit.check()


def test_40_wishes_go_by_the_queue_where_piggy_back_is_off(vtn_kit):
    kit = vtn_kit(wishes=(ReportWish(name="TELEMETRY_USAGE"),), piggyback=False)
    ven = kit.register()
    kit.quiet(ven)
    assert kit.handle(metadata(kit, ven, "usage")).oadrReportRequest == []
    assert isinstance(kit.poll(ven), report.OadrCreateReport)
    kit.check()


@pytest.mark.parametrize(
    "made", [lambda k, v: metadata(k, v, "x", "x"), lambda k, v: metadata(k, v, "x", points=("a", "a"))]
)
def test_r308_doubled_specifiers_and_rids_are_refused(kit, ven, made):
    assert kit.handle(made(kit, ven)).eiResponse.responseCode == "454"
    assert kit.vtn.reports(ven).metadata == []


def test_41_r321_r324_r325_r338_requests_of_all_kinds_have_their_form(kit, offered):
    ask(kit, offered)
    periodic = kit.poll(offered).oadrReportRequest[0].reportSpecifier
    assert periodic.reportInterval.properties.dtstart == kit.now
    ask(kit, offered, back=0, granularity=0, start=None)
    one_shot = kit.poll(offered).oadrReportRequest[0].reportSpecifier
    assert (one_shot.reportBackDuration, one_shot.reportInterval) == (0, None)
    kit.do(kit.vtn.request_metadata(offered))
    meta = kit.poll(offered).oadrReportRequest[0].reportSpecifier
    assert (meta.reportSpecifierID, meta.specifierPayload[0].rID) == ("METADATA", "0")
    for specifier in (periodic, one_shot, meta):
        assert {p.readingType for p in specifier.specifierPayload} == {"x-notApplicable"}
        assert all(p.itemBase is None for p in specifier.specifierPayload)
        assert specifier.reportInterval is None or specifier.reportInterval.properties.tolerance is None


@pytest.mark.parametrize(
    "fields",
    [
        {"specifier": "nothing"},
        {"rids": ("a", "z")},
        {"rids": ()},
        {"granularity": 5},
        {"granularity": 500, "back": 60},
        {"specifier": "METADATA"},
    ],
)
def test_41_r300_more_than_the_metadata_offers_cannot_be_requested(kit, offered, fields):
    with pytest.raises(RefusedControl):
        ask(kit, offered, **fields)
    assert kit.vtn.waiting(offered) == []


def test_41_r322_a_request_id_is_used_once_and_requests_are_capped(vtn_kit):
    kit = vtn_kit(most_requests=1)
    ven = kit.register()
    kit.handle(metadata(kit, ven, "usage"))
    ask(kit, ven, id="one")
    with pytest.raises(RefusedControl, match="in use"):
        ask(kit, ven, id="one")
    with pytest.raises(RefusedControl, match="too many"):
        ask(kit, ven)
    kit.check()


def test_42_r303_r313_data_is_acknowledged_and_handed_on(kit, offered):
    request = ask(kit, offered)
    accept(kit, offered, request)
    rows = [
        stream.Interval(
            dtstart=kit.now + n,
            uid=str(n),
            streamPayloadBase=[payload("a", n, "Quality Bad - Comm Failure"), payload("b", 2 * n)],
        )
        for n in range(2)
    ]
    answer = data(kit, offered, request, rows=rows)
    assert (answer.eiResponse.responseCode, answer.eiResponse.requestID) == ("200", "u")
    note = kit.told("ReportReceived")[0]
    assert [(v.rid, v.start - kit.now, v.value) for v in note.values] == [
        ("a", 0, 0.0),
        ("b", 0, 0.0),
        ("a", 1, 1.0),
        ("b", 1, 2.0),
    ]
    assert note.values[0].quality == "Quality Bad - Comm Failure"
    assert (note.name, note.missing, note.final) == ("TELEMETRY_USAGE", (), False)


def test_42_resource_status_is_taken(kit, ven):
    kit.handle(metadata(kit, ven, "status", name="METADATA_TELEMETRY_STATUS", points=("s",)))
    request = ask(kit, ven, specifier="status", rids=("s",), back=0, granularity=0, start=None)
    accept(kit, ven, request)
    state = stream.OadrLoadControlState(oadrCapacity=stream.LoadControlValue(oadrMin=0, oadrMax=1, oadrCurrent=0.5))
    base = stream.OadrPayloadResourceStatus(oadrOnline=True, oadrManualOverride=False, oadrLoadControlState=state)
    row = stream.Interval(dtstart=kit.now, streamPayloadBase=[stream.OadrReportPayload(rID="s", payloadBase=base)])
    assert data(kit, ven, request, specifier="status", rows=[row]).eiResponse.responseCode == "200"
    note = kit.told("ReportReceived")[0]
    assert note.values[0].status.oadrLoadControlState.oadrCapacity.oadrCurrent == 0.5
    assert note.final


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"request_id": "nothing"}, "452"),
        ({"rids": ("a", "z")}, "452"),
        ({"specifier": "other"}, "452"),
        (
            {
                "rows": [
                    stream.Interval(streamPayloadBase=[stream.SignalPayload(payloadBase=stream.PayloadFloat(value=1))])
                ]
            },
            "459",
        ),
    ],
)
def test_42_r304_data_that_was_not_requested_is_refused(kit, offered, fields, code):
    request = ask(kit, offered)
    accept(kit, offered, request)
    answer = data(kit, offered, **{"request_id": request, **fields})
    assert isinstance(answer, report.OadrUpdatedReport)
    assert answer.eiResponse.responseCode == code
    assert not kit.told("ReportReceived")


def test_42_a_missing_rid_is_told(kit, offered):
    request = ask(kit, offered)
    accept(kit, offered, request)
    data(kit, offered, request, rids=("b",))
    assert kit.told("ReportReceived")[0].missing == ("a",)


def test_42_r316_times_without_dtstart_add_up(kit, offered):
    request = ask(kit, offered)
    accept(kit, offered, request)
    rows = [stream.Interval(duration=60, uid=str(n), streamPayloadBase=[payload("a", n)]) for n in range(3)]
    data(kit, offered, request, rows=rows)
    assert [v.start - kit.now for v in kit.told("ReportReceived")[0].values] == [0, 60, 120]


def test_42_r346_a_one_shot_may_be_repeated_only_with_the_same_request_id(kit, offered):
    request = ask(kit, offered, back=0, granularity=0, start=None)
    accept(kit, offered, request)
    assert data(kit, offered, request).eiResponse.responseCode == "200"
    assert data(kit, offered, request).eiResponse.responseCode == "200"
    assert data(kit, offered, request, message="another").eiResponse.responseCode == "452"


@pytest.mark.parametrize(
    "fields",
    [
        {"granularity": 60},
        {"back": 60},
        {"start": None},
        {"duration": 3601},
    ],
)
def test_41_r317_r324_r340_history_is_asked_for_as_it_was_recorded_from_a_time_on(kit, ven, fields):
    kit.handle(metadata(kit, ven, "usage", name="METADATA_HISTORY_USAGE"))
    good = {"granularity": 0, "back": 0, "start": kit.now - 3600, "duration": 3600}
    with pytest.raises(RefusedControl):
        ask(kit, ven, **{**good, **fields})
    ask(kit, ven, **good)
    (sent,) = kit.poll(ven).oadrReportRequest
    specifier = sent.reportSpecifier
    assert (specifier.granularity, specifier.reportBackDuration) == (0, 0)
    assert specifier.reportInterval.properties == Properties(dtstart=kit.now - 3600, duration=3600)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"granularity": 5}, "not sampled so often"),
        ({"granularity": 601, "back": 1200}, "sampled more often"),
        ({"granularity": 0}, "on change"),
        ({"granularity": 130}, "317"),
        ({"granularity": 600, "back": 3601}, "340"),
    ],
)
def test_41_r300_r317_r340_no_more_is_asked_for_than_is_offered(kit, offered, fields, why):
    with pytest.raises(RefusedControl, match=why):
        ask(kit, offered, **fields)


@pytest.mark.parametrize(
    ("rates", "duration", "asked"),
    [
        (((60, 90), (10, 30)), 3600, None),  # No rate is offered by both.
        (((0, 0), (0, 0)), 3600, (1, 2)),
        (((10, 10), (10, 10)), 5, (10, 10)),  # Less is kept than lies between two values.
        (((10, 10), (10, 10)), 0, (10, 10)),
        (((10, 10), (10, 10)), None, (10, 10)),
    ],
)
def test_40_metadata_are_taken_whatever_becomes_of_our_wishes(vtn_kit, rates, duration, asked):
    kit = vtn_kit(wishes=(ReportWish(name="TELEMETRY_USAGE", granularity=1, back=2),))
    ven = kit.register()
    points = [
        point(rid, oadrSamplingRate=report.OadrSamplingRate(oadrMinPeriod=low, oadrMaxPeriod=high, oadrOnChange=False))
        for rid, (low, high) in zip("ab", rates, strict=True)
    ]
    offer = metadata(kit, ven, "usage")
    offer.oadrReport[0].oadrReportDescription, offer.oadrReport[0].duration = points, duration
    answer = kit.handle(offer)
    assert answer.eiResponse.responseCode == "200"
    assert len(kit.vtn.reports(ven).metadata) == 1
    found = [
        (one.reportSpecifier.granularity, one.reportSpecifier.reportBackDuration) for one in answer.oadrReportRequest
    ]
    assert found == ([asked] if asked else [])
    assert len(kit.told("WishUnmet")) == (0 if asked else 1)


def test_41_r324_r340_wishes_are_fitted_to_what_is_offered(vtn_kit):
    kit = vtn_kit(
        wishes=(
            ReportWish(name="TELEMETRY_USAGE", granularity=1, back=100_000),
            ReportWish(name="HISTORY_USAGE", granularity=60, back=60),
        )
    )
    ven = kit.register()
    (asked,) = kit.handle(metadata(kit, ven, "usage")).oadrReportRequest
    assert (asked.reportSpecifier.granularity, asked.reportSpecifier.reportBackDuration) == (10, 3600)
    (asked,) = kit.handle(metadata(kit, ven, "history", name="METADATA_HISTORY_USAGE")).oadrReportRequest
    assert (asked.reportSpecifier.granularity, asked.reportSpecifier.reportBackDuration) == (0, 0)
    assert asked.reportSpecifier.reportInterval.properties == Properties(dtstart=kit.now - 3600, duration=0)


def test_a_green_button_document_is_taken_and_stored(kit, ven):
    kit.handle(metadata(kit, ven, "gb", name="METADATA_HISTORY_GREENBUTTON", points=("g",)))
    request = ask(kit, ven, specifier="gb", rids=("g",), back=0, granularity=0, start=kit.now - 10)
    accept(kit, ven, request)
    feed = (
        b'<atom:feed xmlns:atom="http://www.w3.org/2005/Atom"><atom:author><atom:name>a</atom:name></atom:author>'
        b"<atom:id>urn:uuid:0</atom:id><atom:title>t</atom:title><atom:updated>2026-01-01T00:00:00Z</atom:updated></atom:feed>"
    )
    row = stream.Interval(dtstart=kit.now, streamPayloadBase=[stream.OadrGBPayload(feed=feed)])
    made = report.OadrReport(
        intervals=stream.Intervals(interval=[row]),
        reportRequestID=request,
        reportSpecifierID="gb",
        createdDateTime=kit.now,
    )
    result = kit.commit(
        kit.vtn.handle(
            report.OadrUpdateReport(requestID="u", oadrReport=[made], venID=ven),
            Peer(),
            kit.now,
        )
    )
    assert result.reply.eiResponse.responseCode == "200"
    assert kit.store[f"greenbutton/{ven}/gb"] == feed
    assert kit.told("ReportReceived")[0].values[0].feed == feed


@pytest.mark.parametrize("follow", [True, False])
def test_43_r335_r345_reports_are_cancelled_alone(kit, offered, follow):
    request = ask(kit, offered)
    accept(kit, offered, request)
    kit.do(kit.vtn.cancel_reports(offered, [request], follow=follow))
    sent = kit.poll(offered)
    assert (sent.reportRequestID, sent.reportToFollow) == ([request], follow)
    answer = report.OadrCanceledReport(
        eiResponse=ok(sent.requestID), oadrPendingReports=report.OadrPendingReports(), venID=offered
    )
    assert kit.handle(answer).eiResponse.responseCode == "200"
    last = data(kit, offered, request)
    assert last.eiResponse.responseCode == ("200" if follow else "452")
    assert data(kit, offered, request, message="u2").eiResponse.responseCode == "452"


@pytest.mark.parametrize("follow", [True, False])
def test_43_r328_reports_are_cancelled_piggy_back_without_confirmation(kit, offered, follow):
    request = ask(kit, offered)
    accept(kit, offered, request)
    kit.do(kit.vtn.cancel_reports(offered, [request], follow=follow, piggyback=True))
    answer = data(kit, offered, request)
    assert (answer.oadrCancelReport.reportRequestID, answer.oadrCancelReport.reportToFollow) == ([request], follow)
    assert kit.vtn.waiting(offered) == []
    assert data(kit, offered, request, message="u2").eiResponse.responseCode == ("200" if follow else "452")


def test_43_r328_what_rides_on_an_answer_is_a_subset_of_the_reports_that_it_answers(kit, offered):
    first, second, third = (ask(kit, offered, rids=(rid,)) for rid in ("a", "b", "a"))
    for request in (first, second, third):
        accept(kit, offered, request)
    kit.do(kit.vtn.cancel_reports(offered, [first, second], piggyback=True))
    assert data(kit, offered, third, rids=("a",)).oadrCancelReport is None
    assert data(kit, offered, second, rids=("b",), message="u2").oadrCancelReport.reportRequestID == [second]
    assert data(kit, offered, third, rids=("a",), message="u3").oadrCancelReport is None
    assert data(kit, offered, first, rids=("a",), message="u4").oadrCancelReport.reportRequestID == [first]


def test_43_only_what_runs_can_be_cancelled(kit, offered):
    with pytest.raises(RefusedControl):
        kit.vtn.cancel_reports(offered, ["nothing"])
    with pytest.raises(RefusedControl):
        kit.vtn.cancel_reports(offered, [])
    stray = report.OadrCanceledReport(eiResponse=ok("x"), oadrPendingReports=report.OadrPendingReports(), venID=offered)
    assert kit.handle(stray).eiResponse.responseCode == "452"


def test_a_refused_request_does_not_run(kit, offered):
    request = ask(kit, offered)
    sent = kit.poll(offered)
    answer = report.OadrCreatedReport(
        eiResponse=response(454, "too much", sent.requestID),
        oadrPendingReports=report.OadrPendingReports(),
        venID=offered,
    )
    kit.handle(answer)
    assert request not in kit.vtn.reports(offered).running
    assert kit.told("ReportsPending")[-1].refused == "454 too much"


def test_r344_requests_that_ride_on_an_answer_are_sent_by_themselves_where_nobody_answers_them(vtn_kit):
    """EPRI's VEN in C++ does not read them."""
    kit = vtn_kit(wishes=(ReportWish(name="TELEMETRY_USAGE"),))
    ven = kit.register()
    kit.quiet(ven)
    (request,) = kit.handle(metadata(kit, ven, "usage")).oadrReportRequest
    kit.restart()
    kit.now += kit.config.reply_timeout - 1
    assert isinstance(kit.poll(ven), event.OadrResponse)
    kit.now += 1
    sent = kit.poll(ven)
    assert sent.oadrReportRequest == [request]
    done = report.OadrPendingReports(reportRequestID=[request.reportRequestID])
    kit.handle(report.OadrCreatedReport(eiResponse=ok(sent.requestID), oadrPendingReports=done, venID=ven))
    assert kit.vtn.waiting(ven) == []


def test_r344_requests_that_ride_on_an_answer_are_not_sent_again_once_their_data_came(vtn_kit):
    kit = vtn_kit(wishes=(ReportWish(name="TELEMETRY_USAGE"),))
    ven = kit.register()
    (request,) = kit.handle(metadata(kit, ven, "usage")).oadrReportRequest
    kit.quiet(ven)
    assert data(kit, ven, request.reportRequestID).eiResponse.responseCode == "200"
    kit.now += kit.config.reply_timeout
    assert isinstance(kit.poll(ven), event.OadrResponse)
    assert kit.vtn.waiting(ven) == []


def test_r306_metadata_that_was_asked_for_ends_its_request(kit, offered):
    (request,) = kit.do(kit.vtn.request_metadata(offered))
    accept(kit, offered, request)
    kit.handle(metadata(kit, offered, "new", reportRequestID=request))
    assert request not in kit.vtn.reports(offered).running


def test_r306_metadata_that_names_no_request_end_the_single_ones_and_keep_the_periodic_ones(kit, offered):
    """EPRI's VEN in C# leaves the reportRequestID out."""
    (once,) = kit.do(kit.vtn.request_metadata(offered))
    periodic = ask(kit, offered, specifier="METADATA", rids=("0",), granularity=0)
    accept(kit, offered, once)
    kit.handle(metadata(kit, offered, "new"))
    assert list(kit.vtn.reports(offered).running) == [periodic]
    sent = kit.poll(offered)
    assert [request.reportRequestID for request in sent.oadrReportRequest] == [periodic]
    assert isinstance(kit.poll(offered), event.OadrResponse)


def test_r327_our_own_metadata_can_be_asked_for(kit, ven):
    wanted = report.OadrReportRequest(
        reportRequestID="mine",
        reportSpecifier=report.ReportSpecifier(
            reportSpecifierID="METADATA",
            granularity=0,
            reportBackDuration=0,
            specifierPayload=[report.SpecifierPayload(rID="0", readingType="x-notApplicable")],
        ),
    )
    answer = kit.handle(report.OadrCreateReport(requestID="c", oadrReportRequest=[wanted], venID=ven))
    assert answer.eiResponse.responseCode == "200"
    assert kit.poll(ven).reportRequestID == "mine"
    wanted.reportSpecifier.reportSpecifierID = "power"
    answer = kit.handle(report.OadrCreateReport(requestID="c", oadrReportRequest=[wanted], venID=ven))
    assert answer.eiResponse.responseCode == "452"


def test_a_request_for_a_report_of_ours_beside_registered_report_is_refused(kit):
    ven = kit.register()
    sent = kit.poll(ven)
    wanted = report.OadrReportRequest(
        reportRequestID="mine",
        reportSpecifier=report.ReportSpecifier(
            reportSpecifierID="power",
            granularity=0,
            reportBackDuration=0,
            specifierPayload=[report.SpecifierPayload(rID="0", readingType="x-notApplicable")],
        ),
    )
    answer = kit.handle(
        report.OadrRegisteredReport(eiResponse=ok(sent.requestID), oadrReportRequest=[wanted], venID=ven)
    )
    assert isinstance(answer, event.OadrResponse)
    assert answer.eiResponse.responseCode == "452"


@pytest.mark.parametrize(
    ("name", "fields", "code"),
    [
        ("METADATA_TELEMETRY_USAGE", {"oadrSamplingRate": None}, "459"),
        ("METADATA_TELEMETRY_STATUS", {"oadrSamplingRate": None}, "459"),
        ("METADATA_HISTORY_USAGE", {"oadrSamplingRate": None}, "200"),
        ("x-own", {"oadrSamplingRate": None}, "200"),
        ("METADATA_TELEMETRY_USAGE", {"oadrSamplingRate": (60, 10)}, "454"),
        ("METADATA_TELEMETRY_USAGE", {"oadrSamplingRate": (-60, -10)}, "454"),
        ("METADATA_HISTORY_USAGE", {"oadrSamplingRate": (60, -10)}, "454"),
        ("METADATA_TELEMETRY_USAGE", {"oadrSamplingRate": (0, 0)}, "200"),
    ],
)
def test_40_r312_r333_telemetry_has_a_sampling_rate_that_can_be(kit, ven, name, fields, code):
    payload = metadata(kit, ven, "usage", name=name)
    (rate,) = fields.values()
    if rate is not None:
        rate = report.OadrSamplingRate(oadrMinPeriod=rate[0], oadrMaxPeriod=rate[1], oadrOnChange=False)
    payload.oadrReport[0].oadrReportDescription = [point("a", oadrSamplingRate=rate)]
    assert kit.handle(payload).eiResponse.responseCode == code
    assert bool(kit.vtn.reports(ven).metadata) is (code == "200")
