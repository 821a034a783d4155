"""EiReport of the VEN, mostly in conversation with our VTN core."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from gridiface.errors import RefusedControl
from gridiface.protocols.openadr.payloads import report, stream
from gridiface.protocols.openadr.payloads.common import Properties
from gridiface.protocols.openadr.payloads.envelope import encode_payload
from gridiface.protocols.openadr.payloads.units import energy_real, power_real
from gridiface.protocols.openadr.reports import ReportRequest, request_to_wire
from gridiface.protocols.openadr.ven import DataPoint, ReportOffer, Sample
from gridiface.protocols.openadr.vtn import ReportWish

USAGE = ReportOffer(
    specifier="usage",
    name="TELEMETRY_USAGE",
    points=(
        DataPoint(rid="p", unit=power_real(), resources=("r1",), min_period=1, max_period=600, on_change=True),
        DataPoint(rid="q", unit=power_real(), resources=("r2",), min_period=1, max_period=600, on_change=True),
    ),
)
ENERGY = ReportOffer(
    specifier="energy",
    name="TELEMETRY_USAGE",
    points=(DataPoint(rid="e", unit=energy_real(), interval_data=True, additive=True, min_period=10, max_period=9000),),
)
STATUS = ReportOffer(
    specifier="status",
    name="TELEMETRY_STATUS",
    points=(DataPoint(rid="s", report_type="x-resourceStatus", reading_type="x-notApplicable", resources=("r1",)),),
)
HISTORY = ReportOffer(specifier="history", name="HISTORY_USAGE", points=(DataPoint(rid="p", unit=power_real()),))
OFFERS = (USAGE, ENERGY, STATUS, HISTORY)


@pytest.fixture
def made(talk):
    conversation = talk(offers=OFFERS)
    conversation.run()
    conversation.sent.clear()
    return conversation


def record(made, specifier, rid, *values, step=1.0, start=0.0):
    for count, value in enumerate(values):
        made.samples.record(specifier, rid, Sample(at=made.now + start + count * step, value=value))


def ask(made, **fields):
    base = {"id": "", "specifier": "usage", "rids": ("p",), "granularity": 10, "back": 20, "start": made.now}
    ven = made.ven.registration.venID
    (request,) = made.kit.do(made.kit.vtn.request_reports(ven, [ReportRequest(**{**base, **fields})]))
    return request


def reports(made, request=None):
    return [
        r
        for payload in made.payloads(report.OadrUpdateReport)
        for r in payload.oadrReport
        if request is None or r.reportRequestID == request
    ]


def rows(one):
    return [
        (row.dtstart, [(p.rID, p.payloadBase.value, p.oadrDataQuality) for p in row.streamPayloadBase])
        for row in one.intervals.interval
    ]


def within(duration, begin=0.0):
    """A reportInterval."""
    return report.ReportInterval(properties=Properties(dtstart=begin, duration=duration))


def wire(request_id, **fields):
    base = {"reportSpecifierID": "usage", "granularity": 10, "reportBackDuration": 20, "rids": ["p"]}
    merged = {**base, **fields}
    rids = merged.pop("rids")
    return report.OadrReportRequest(
        reportRequestID=request_id,
        reportSpecifier=report.ReportSpecifier(
            **merged,
            specifierPayload=[report.SpecifierPayload(rID=rid, readingType="x-notApplicable") for rid in rids],
        ),
    )


def demand(made, **fields):
    """A request of a VTN that asks for more than ours would."""
    base = {"id": "theirs", "specifier": "history", "rids": ("p",), "start": made.now}
    asked = ReportRequest(**{**base, **fields})
    assert push(made, request_to_wire(asked)).eiResponse.responseCode == "200"
    return asked.id


def push(made, *requests):
    payload = report.OadrCreateReport(requestID="c", oadrReportRequest=list(requests))
    return made.ven.receive_push(payload, made.now)


def test_periodic_reports_go_on_in_their_beat_when_the_clock_was_set_back(made, kit):
    request = ask(made)
    made.run(50)
    before = len(reports(made, request))
    began, kit.now = made.now, made.now - 3600
    later = ask(made, start=made.now + 100)
    made.run(60)
    assert len(reports(made, request)) - before == 3
    assert not reports(made, later)
    made.run(60)
    assert reports(made, later)
    dues = {running.due % 20 for name, running in made.ven._state.requests.items() if name == request}
    assert dues == {(began - 50) % 20}


def test_68_periodic_metadata_begin_when_they_are_asked_for_and_at_once_where_that_is_over(made):
    for name, start in (("soon", made.now + 30), ("over", made.now - 5)):
        asked = ReportRequest(id=name, specifier="METADATA", rids=("0",), back=1000, start=start)
        assert push(made, request_to_wire(asked)).eiResponse.responseCode == "200"
    made.run(29)
    assert [one.reportRequestID for one in made.payloads(report.OadrRegisterReport)] == ["over"]
    made.run(2)
    assert [one.reportRequestID for one in made.payloads(report.OadrRegisterReport)] == ["over", "soon"]


def test_68_periodic_metadata_go_on_when_the_clock_was_set_back(made, kit):
    asked = ReportRequest(id="again", specifier="METADATA", rids=("0",), back=20, start=made.now)
    assert push(made, request_to_wire(asked)).eiResponse.responseCode == "200"
    made.run(50)
    before = len(made.payloads(report.OadrRegisterReport))
    kit.now -= 3600
    made.run(60)
    assert len(made.payloads(report.OadrRegisterReport)) - before == 3


def test_65_r305_r307_r311_r312_r333_the_metadata_says_all_that_is_offered(talk):
    made = talk(offers=OFFERS)
    made.run()
    (sent,) = made.payloads(report.OadrRegisterReport)
    assert sent.reportRequestID is None
    assert [r.reportName for r in sent.oadrReport] == [
        "METADATA_TELEMETRY_USAGE",
        "METADATA_TELEMETRY_USAGE",
        "METADATA_TELEMETRY_STATUS",
        "METADATA_HISTORY_USAGE",
    ]
    usage, _, status, history = sent.oadrReport
    assert {r.reportRequestID for r in sent.oadrReport} == {"0"}
    assert usage.duration == 7200
    assert usage.intervals is None
    assert usage.dtstart is None
    point = usage.oadrReportDescription[0]
    assert point.reportDataSource.resourceID == ["r1"]
    assert (point.reportType, point.readingType, type(point.itemBase).__name__) == ("usage", "Direct Read", "PowerReal")
    rate = point.oadrSamplingRate
    assert rate.oadrMinPeriod <= rate.oadrMaxPeriod <= usage.duration
    state = status.oadrReportDescription[0]
    assert (state.reportType, state.readingType, state.itemBase) == ("x-resourceStatus", "x-notApplicable", None)
    assert history.oadrReportDescription[0].oadrSamplingRate is None


def test_66_r329_separate_requests_are_accepted_and_all_pending_ones_told(made):
    first = ask(made)
    second = ask(made, rids=("q",))
    made.run(11)
    answers = made.payloads(report.OadrCreatedReport)
    assert [a.oadrPendingReports.reportRequestID for a in answers] == [[first], [first, second]]
    assert made.ven.pending_reports == (first, second)


def test_66_r344_piggy_backed_requests_are_accepted(talk, vtn_kit):
    made = talk(offers=OFFERS)
    made.kit = vtn_kit(wishes=(ReportWish(name="TELEMETRY_STATUS", granularity=5, back=5),))
    made.run()
    assert len(made.ven.pending_reports) == 1
    (running,) = made.kit.vtn.reports(made.ven.registration.venID).running.values()
    assert running.state == "running"
    assert made.ven.sample_periods() == {("status", "s"): 5}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"reportSpecifierID": "nothing"}, "452"),
        ({"rids": ["z"]}, "452"),
        ({"request_id": "b" * 513}, "452"),
        ({"granularity": 30}, "454"),
        ({"granularity": 601, "reportBackDuration": 7200}, "454"),
        ({"granularity": 600, "reportBackDuration": 7201}, "454"),
        ({"reportSpecifierID": "history", "reportBackDuration": 0, "reportInterval": within(7201)}, "454"),
        ({"reportSpecifierID": "energy", "rids": ["e"], "granularity": 5}, "454"),
        ({"reportSpecifierID": "energy", "rids": ["e"], "granularity": 0}, "454"),
        ({"granularity": -1}, "454"),
        ({"granularity": 1, "reportBackDuration": 10**6}, "454"),
    ],
)
def test_66_r340_bad_requests_are_refused_and_good_ones_still_run(made, fields, code):
    answer = push(made, wire(**{"request_id": "bad", **fields}), wire("good"))
    assert answer.eiResponse.responseCode == code
    assert answer.oadrPendingReports.reportRequestID == ["good"]
    assert made.ven.pending_reports == ("good",)


@pytest.mark.parametrize(
    "fields",
    [
        {"granularity": 600, "reportBackDuration": 7200},
        {"reportSpecifierID": "history", "reportBackDuration": 0, "reportInterval": within(7200)},
        {"reportSpecifierID": "history", "reportBackDuration": 0, "reportInterval": within(0)},
        # How long reports go on is no amount of data.
        {"reportInterval": within(4 * 10**9)},
    ],
)
def test_66_r340_what_is_just_offered_is_taken(made, fields):
    assert push(made, wire("good", **fields)).eiResponse.responseCode == "200"


@pytest.mark.parametrize("rids", [[], ["0"], ["1"], ["p", "q"]])
def test_68_r308_whatever_data_point_a_request_for_metadata_names_is_ignored(made, rids):
    request = wire("m", reportSpecifierID="METADATA", granularity=0, reportBackDuration=0, rids=rids)
    assert push(made, request).eiResponse.responseCode == "200"
    made.run(5)
    assert made.payloads(report.OadrRegisterReport)[-1].reportRequestID == "m"


def test_67_r324_the_interval_of_a_one_shot_is_ignored(made):
    for number, begin in enumerate((made.now + 3600, made.now - 3600)):
        later = wire(f"r{number}", reportBackDuration=0, reportInterval=within(60, begin))
        assert push(made, later).eiResponse.responseCode == "200"
    made.run(5)
    assert [one.reportRequestID for one in reports(made)] == ["r0", "r1"]
    assert all(abs(one.dtstart - made.now) <= 5 for one in reports(made))


def test_66_a_repeated_request_changes_nothing(made):
    push(made, wire("r"))
    before = made.ven.export()
    assert push(made, wire("r")).eiResponse.responseCode == "200"
    assert made.ven.export() == before


def test_67_r337_a_one_shot_comes_at_once_with_every_rid(made):
    record(made, "usage", "p", 5.0)
    request = ask(made, rids=("p", "q"), back=0, granularity=0, start=None)
    made.run(11)
    (one,) = reports(made, request)
    assert one.dtstart == one.intervals.interval[0].dtstart
    assert rows(one) == [
        (
            one.dtstart,
            [("p", 5.0, "Quality Good - Non Specific"), ("q", 0.0, "Quality Bad - Non Specific")],
        )
    ]
    assert made.ven.pending_reports == ()
    assert made.kit.told("ReportReceived")[0].final


def test_67_r314_r317_r324_periodic_reports_hold_back_over_granularity_intervals_oldest_first(made):
    record(made, "usage", "p", *range(100))
    start = made.now
    request = ask(made)
    made.run(61)
    found = reports(made, request)
    assert [r.createdDateTime - start for r in found] == [20, 40, 60]
    assert [[row[0] - start for row in rows(r)] for r in found] == [[0, 10], [20, 30], [40, 50]]
    assert [value for r in found for _, points in rows(r) for _, value, _ in points] == [0, 10, 20, 30, 40, 50]


def test_67_with_equal_granularity_and_period_the_first_report_is_immediate(made):
    record(made, "usage", "p", *range(100))
    start = made.now
    request = ask(made, granularity=10, back=10)
    made.run(31)
    assert [[row[0] - start for row in rows(r)] for r in reports(made, request)] == [[0], [10], [20], [30]]


def test_67_r325_reports_stop_at_the_end_of_the_interval(made):
    request = ask(made, granularity=10, back=10, duration=25)
    start = made.now
    made.run(100)
    assert [r.createdDateTime - start for r in reports(made, request)] == [0, 10, 20, 25]
    assert made.ven.pending_reports == ()
    assert made.told("ReportsChanged")[-1].ids == ()


def test_67_reports_on_change_hold_the_samples_as_recorded(made):
    record(made, "usage", "p", 1.0, 2.0, 3.0, step=7, start=3)
    request = ask(made, granularity=0, back=30)
    start = made.now
    made.run(31)
    (one,) = reports(made, request)
    assert [(at - start, points[0][1]) for at, points in rows(one)] == [(3, 1.0), (10, 2.0), (17, 3.0)]


def test_67_r317_values_on_change_lie_no_closer_than_the_sampling_rate(talk):
    slow = DataPoint(rid="p", unit=power_real(), min_period=4, on_change=True)
    made = talk(offers=(ReportOffer(specifier="usage", name="TELEMETRY_USAGE", points=(slow,)),))
    made.run()
    record(made, "usage", "p", *range(100))
    request = ask(made, granularity=0, back=10)
    start = made.now
    made.run(21)
    found = [[(at - start, points[0][1]) for at, points in rows(one)] for one in reports(made, request)]
    assert found == [[(0, 0), (4, 4), (8, 8)], [(10, 10), (14, 14), (18, 18)]]


def test_67_r317_reports_on_change_hold_what_changed_or_say_that_nothing_did(made):
    record(made, "usage", "p", *[5.0] * 15, 6.0, 6.0, *[5.0] * 60)
    request = ask(made, granularity=0, back=10)
    start = made.now
    made.run(41)
    found = [[(at - start, *points[0][1:]) for at, points in rows(one)] for one in reports(made, request)]
    assert found == [
        [(0, 5.0, "Quality Good - Non Specific")],
        [(15, 6.0, "Quality Good - Non Specific"), (17, 5.0, "Quality Good - Non Specific")],
        [(20, 5.0, "No New Value - Previous Value Used")],
        [(30, 5.0, "No New Value - Previous Value Used")],
    ]


def test_67_r318_old_and_missing_values_say_so(made):
    record(made, "usage", "p", 1.0)
    request = ask(made, rids=("p", "q"), granularity=10, back=20)
    made.run(41)
    last = rows(reports(made, request)[1])
    assert last[0][1][0] == ("p", 1.0, "No New Value - Previous Value Used")
    assert last[0][1][1] == ("q", 0.0, "Quality Bad - Non Specific")


def test_67_r315_r342_energy_is_interval_data_with_durations(made):
    made.samples.record("energy", "e", Sample(at=made.now, value=3.0))
    request = ask(made, specifier="energy", rids=("e",), granularity=10, back=10)
    made.run(2)
    made.run(10)
    assert [row.duration for row in reports(made, request)[0].intervals.interval] == [10]


def test_65_r331_r334_status_reports_hold_the_load_control_state(made):
    state = stream.OadrLoadControlState(oadrCapacity=stream.LoadControlValue(oadrMin=0, oadrMax=9, oadrCurrent=4))
    status = stream.OadrPayloadResourceStatus(oadrOnline=True, oadrManualOverride=True, oadrLoadControlState=state)
    made.samples.record("status", "s", Sample(at=made.now, status=status))
    ask(made, specifier="status", rids=("s",), back=0, granularity=0, start=None)
    made.run(11)
    found = made.kit.told("ReportReceived")[0].values[0]
    assert found.status == status


def test_history_is_reported_as_recorded(made):
    record(made, "history", "p", 1.0, 2.0, 3.0, step=60, start=-200)
    start = made.now
    request = ask(made, specifier="history", granularity=0, back=0, start=start - 150, duration=100)
    made.run(11)
    (one,) = reports(made, request)
    assert [(at - start, points[0][1]) for at, points in rows(one)] == [(-140, 2.0), (-80, 3.0)]
    everything = ask(made, specifier="history", granularity=0, back=0, start=start - 1000)
    made.run(11)
    assert len(rows(reports(made, everything)[0])) == 3
    nothing = ask(made, specifier="history", granularity=0, back=0, start=start - 1000, duration=10)
    made.run(11)
    assert rows(reports(made, nothing)[0])[0][1][0][2] == "Quality Bad - Non Specific"
    assert made.ven.pending_reports == ()


def hours(made, count, start):
    for number in range(count):
        sample = Sample(at=start + number * 60.0, value=float(number), duration=60)
        made.samples.record("history", "p", sample)


def test_history_comes_in_the_granularity_asked_for(made):
    start = made.now - 600
    hours(made, 10, start)
    request = demand(made, granularity=300, start=start)
    made.run(11)
    (one,) = reports(made, request)
    assert [(row.dtstart - start, row.duration) for row in one.intervals.interval] == [(0, 300), (300, 300)]
    assert [points[0][1] for _, points in rows(one)] == [2.0, 7.0]


@pytest.mark.parametrize("granularity", [0, 600])
def test_67_r315_r342_what_is_missing_of_interval_data_has_a_duration_too(talk, granularity):
    points = tuple(DataPoint(rid=rid, unit=energy_real(), interval_data=True, min_period=60) for rid in ("p", "q"))
    made = talk(offers=(ReportOffer(specifier="history", name="HISTORY_USAGE", points=points),))
    made.run()
    start = made.now - 600
    hours(made, 5, start)
    both = demand(made, rids=("p", "q"), start=start, granularity=granularity)
    made.run(5)
    (one,) = reports(made, both)
    found = [
        (row.duration, point.rID, point.oadrDataQuality[8:12])
        for row in one.intervals.interval
        for point in row.streamPayloadBase
    ]
    assert (granularity or 60, "q", "Bad ") in found
    assert {length for length, _, _ in found} == {granularity or 60}


@pytest.mark.parametrize("left", [(), ("p",)])
def test_r306_a_restart_with_less_on_offer_ends_what_cannot_be_reported_any_more(talk, left):
    kept = tuple(point for point in USAGE.points if point.rid in left)
    fewer = (dataclasses.replace(USAGE, points=kept), STATUS) if kept else (STATUS,)
    before, after = talk(offers=(USAGE, STATUS)), talk(offers=fewer)
    before.run()
    gone = ask(before, rids=("p", "q"), granularity=10, back=10)
    stays = ask(before, specifier="status", rids=("s",), granularity=10, back=10)
    metadata = ReportRequest(id="again", specifier="METADATA", rids=("0",), back=1000, start=before.now + 9000)
    push(before, request_to_wire(metadata))
    before.run(11)
    assert {gone, stays, "again"} == set(before.ven.pending_reports)
    after.ven.load(before.ven.export())
    assert set(after.ven.pending_reports) == {stays, "again"}
    after.ven.handle_timer(before.now + 60)
    after.ven.take_changes()
    assert after.ven.next_requests(before.now + 60)


def test_a_periodic_history_of_nothing_yet_loses_nothing(talk):
    point = DataPoint(rid="p", unit=energy_real(), interval_data=True, min_period=300)
    made = talk(offers=(ReportOffer(specifier="history", name="HISTORY_USAGE", points=(point,)),))
    made.run()
    start = made.now
    request = demand(made, back=60)
    made.run(130)
    made.samples.record("history", "p", Sample(at=start, value=7.0, duration=100))
    made.run(70)
    values = [points[0][1:] for one in reports(made, request) for _, points in rows(one)]
    assert (7.0, "Quality Good - Non Specific") in values


def test_a_periodic_history_goes_on_where_the_last_report_ended(made):
    start = made.now
    request = demand(made, back=120)
    for number in range(6):
        made.run(60)
        made.samples.record("history", "p", Sample(at=start + number * 60.0, value=float(number), duration=60))
    made.run(11)
    found = [points[0][1] for one in reports(made, request) for _, points in rows(one) if points[0][2][8] == "G"]
    assert found == sorted(set(found))
    assert len(found) >= 3


@pytest.mark.parametrize("granularity", [0, 120])
def test_r346_what_straddles_two_reports_of_a_periodic_history_is_neither_lost_nor_told_twice(made, granularity):
    start = made.now
    request = demand(made, granularity=granularity, back=150)
    for number in range(20):
        made.run(60)
        # Recorded when it is over, in intervals that do not begin with the request.
        made.samples.record("history", "p", Sample(at=start + 7 + (number - 1) * 60.0, value=1.0, duration=60))
    found = [row for one in reports(made, request) for row in one.intervals.interval if row.duration]
    assert len(found) >= 5
    ends = [row.dtstart + row.duration for row in found]
    assert [row.dtstart for row in found[1:]] == ends[:-1]
    assert {row.duration for row in found} == {granularity or 60}


def test_r331_energy_as_telemetry_is_of_intervals_that_are_over(made):
    start = made.now
    periodic = ask(made, specifier="energy", rids=("e",), granularity=20, back=40)
    for number in range(13):
        made.samples.record("energy", "e", Sample(at=start + number * 10.0, value=float(number), duration=10))
        made.run(10)
    once = ask(made, specifier="energy", rids=("e",), granularity=0, back=0, start=None)
    made.run(11)
    (first, second, *_) = reports(made, periodic)
    found = [(row.dtstart - start, row.duration) for one in (first, second) for row in one.intervals.interval]
    assert found == [(0.0, 20), (20.0, 20), (40.0, 20), (60.0, 20)]
    # Energies of shorter intervals are added up.
    assert [points[0][1] for one in (first, second) for _, points in rows(one)] == [1.0, 5.0, 9.0, 13.0]
    (last,) = reports(made, once)
    assert [(row.dtstart - start, row.duration) for row in last.intervals.interval] == [(120.0, 10)]


def test_a_long_history_comes_in_several_messages(made):
    start = made.now - 60_000.0
    hours(made, 900, start)
    request = ask(made, specifier="history", granularity=0, back=0, start=start)
    made.run(11)
    parts = reports(made, request)
    assert len(parts) > 1
    assert [row.uid for row in parts[1].intervals.interval[:2]] == ["0", "1"]
    assert all(len(encode_payload(payload)) < 256 * 1024 for payload in made.payloads(report.OadrUpdateReport))
    told = [value.value for notice in made.kit.told("ReportReceived") for value in notice.values]
    assert told == [float(number) for number in range(900)]


def long_report(made):
    """A report of 4,000 instants that is due now, none of which was made yet."""
    record(made, "usage", "p", *range(4001))
    request = ask(made, granularity=1, back=4000)
    made.run(11)
    made.kit.now += 4000
    return request


def test_a_report_of_thousands_of_instants_is_made_in_pieces_and_told_whole_and_once(made):
    request = long_report(made)
    made.ven.handle_timer(made.now)
    assert made.ven.waiting == 8  # and not all of it at once
    assert made.ven.next_timer(made.now) <= made.now
    made.commit()
    made.restart()  # in its middle
    made.run(5)
    told = [value.value for n in made.kit.told("ReportReceived") if n.reportRequestID == request for value in n.values]
    assert told == [float(number) for number in range(4000)]
    assert made.ven.sample_depths() == {("usage", "p"): 4000}


def test_a_long_report_keeps_no_other_from_its_turn(made):
    request = long_report(made)
    other = ask(made, id="", rids=("q",), granularity=10, back=10)
    made.run(15)
    assert reports(made, other)
    assert sum(len(one.intervals.interval) for one in reports(made, request)) == 4000


def test_69_r345_a_long_report_that_is_cancelled_in_its_middle_ends_with_the_rest_of_it(made):
    request = long_report(made)
    made.ven.handle_timer(made.now)
    payload = report.OadrCancelReport(requestID="x", reportRequestID=[request], reportToFollow=True)
    made.ven.receive_push(payload, made.now)
    made.run(5)
    starts = [row.dtstart for one in reports(made, request) for row in one.intervals.interval]
    assert starts == sorted(set(starts))
    assert len(starts) >= 4000


def test_history_of_the_future_is_refused(made):
    made.kit.do(
        made.kit.vtn.request_reports(
            made.ven.registration.venID,
            [ReportRequest(id="h", specifier="history", rids=("p",), start=made.now + 1000)],
        )
    )
    made.run(11)
    assert made.kit.told("ReportsPending")[-1].refused.startswith("454")


def test_68_r327_metadata_is_sent_on_request_with_its_id(made):
    ven = made.ven.registration.venID
    (request,) = made.kit.do(made.kit.vtn.request_metadata(ven))
    made.run(11)
    (sent,) = made.payloads(report.OadrRegisterReport)
    assert sent.reportRequestID == request
    assert {r.reportRequestID for r in sent.oadrReport} == {"0"}
    assert made.ven.pending_reports == ()


@pytest.mark.parametrize("piggyback", [False, True])
@pytest.mark.parametrize("follow", [False, True])
def test_69_r345_a_cancelled_report_ends_with_one_last_report_when_it_is_wanted(made, follow, piggyback):
    kept = ask(made, rids=("q",), granularity=10, back=500)
    request = ask(made, granularity=5, back=10)
    made.run(25)
    made.kit.do(made.kit.vtn.cancel_reports(made.ven.registration.venID, [request], follow=follow, piggyback=piggyback))
    made.sent.clear()
    made.run(65)
    kinds = [type(payload).__name__ for payload in made.sent]
    # It comes with the answer to a poll, or rides on the acknowledgement of one more report.
    if piggyback:
        begun = next(n for n, one in enumerate(made.sent) if getattr(one, "oadrReport", None)) + 1
    else:
        begun = max(n for n in range(kinds.index("OadrCanceledReport")) if kinds[n] == "OadrPoll")
    after = [r for one in made.sent[begun:] for r in getattr(one, "oadrReport", []) if r.reportRequestID == request]
    assert len(after) == follow
    assert all(one.intervals.interval for one in after)
    assert made.ven.pending_reports == (kept,)
    answers = made.payloads(report.OadrCanceledReport)
    assert [a.oadrPendingReports.reportRequestID for a in answers] == ([] if piggyback else [[kept]])
    assert not [n for n in made.told("Rejected") if n.kind == "update_report"]


def test_69_r336_an_unknown_report_cannot_be_cancelled(made):
    push(made, wire("known"))
    payload = report.OadrCancelReport(requestID="x", reportRequestID=["unknown", "known"], reportToFollow=False)
    answer = made.ven.receive_push(payload, made.now)
    assert answer.eiResponse.responseCode == "452"
    assert made.ven.pending_reports == ()


def test_70_r306_new_metadata_drops_the_requests(made):
    ask(made)
    made.run(11)
    made.kit.do(made.kit.vtn.request_metadata(made.ven.registration.venID))
    made.run(11)
    assert made.ven.pending_reports == ()


def test_reports_wait_for_a_vtn_that_is_away_and_arrive_in_order_once(made):
    record(made, "usage", "p", *range(300))
    request = ask(made, granularity=10, back=10)
    made.run(11)
    made.down = True
    made.run(100)
    assert made.ven.waiting >= 9
    made.restart()
    made.down = False
    made.run(320)
    received = [n for n in made.kit.told("ReportReceived") if n.reportRequestID == request]
    starts = [v.start for n in received for v in n.values]
    assert starts == sorted(set(starts))
    assert len(starts) >= 40
    assert {b - a for a, b in itertools.pairwise(starts)} == {10}


def test_what_waits_is_bounded_and_losses_are_told(talk):
    made = talk(offers=OFFERS, most_waiting=3)
    made.run()
    ask(made, granularity=10, back=10)
    made.run(11)
    made.down = True
    made.run(100)
    assert made.ven.waiting == 3
    assert made.told("ReportLost")


def test_one_value_per_interval_where_the_vtn_reads_no_more(talk):
    made = talk(offers=OFFERS, one_point_each=True)
    made.run()
    request = ask(made, rids=("p", "q"), back=0, granularity=0, start=None)
    made.run(11)
    assert [[p[0] for p in points] for _, points in rows(reports(made, request)[0])] == [["p"], ["q"]]


def test_missed_reports_after_a_long_pause_do_not_start_in_the_far_past(made):
    answer = push(
        made,
        wire(
            "r",
            granularity=10,
            reportBackDuration=10,
            reportInterval=report.ReportInterval(properties=Properties(dtstart=made.now - 10**7, duration=0)),
        ),
    )
    assert answer.eiResponse.responseCode == "200"
    made.ven.handle_timer(made.now)
    assert 100 <= made.ven.waiting <= 101


def test_a_vtn_that_sends_data_gets_452(made):
    answer = made.ven.receive_push(report.OadrUpdateReport(requestID="u"), made.now)
    assert isinstance(answer, report.OadrUpdatedReport)
    assert answer.eiResponse.responseCode == "452"


def test_requests_by_hand_need_a_registration(kit):
    with pytest.raises(RefusedControl):
        kit.vtn.request_reports("nobody", [])


def test_the_number_of_requests_is_capped(talk):
    made = talk(offers=OFFERS, most_requests=1)
    made.run()
    answer = push(made, wire("a"), wire("b"))
    assert answer.eiResponse.responseCode == "469"
    assert answer.oadrPendingReports.reportRequestID == ["a"]


def test_67_a_data_point_that_is_asked_for_twice_is_reported_once(made):
    answer = push(made, wire("r", rids=["p", "q", "p"], granularity=0, reportBackDuration=0))
    assert answer.eiResponse.responseCode == "200"
    made.ven.handle_timer(made.now)
    made.step()
    (sent,) = reports(made)
    assert [[value[0] for value in values] for _, values in rows(sent)] == [["p", "q"]]
