"""Which values a report holds; of a long history the pieces, one after the other as the VTN takes them."""

from __future__ import annotations

import itertools

import pytest

from gridiface.protocols.openadr.payloads import report
from gridiface.protocols.openadr.payloads.units import energy_real, power_real
from gridiface.protocols.openadr.reports import ReportRequest, request_to_wire
from gridiface.protocols.openadr.ven import DataPoint, ReportOffer, Sample, SampleMemory
from gridiface.protocols.openadr.ven.report_values import ReportValues, per_message
from gridiface.protocols.openadr.ven.state import Running

POINTS = (
    DataPoint(rid="w", unit=power_real(), interval_data=True, min_period=60),
    DataPoint(rid="e", unit=energy_real(), interval_data=True, additive=True, min_period=60),
)
OFFER = ReportOffer(specifier="history", name="HISTORY_USAGE", points=POINTS, duration=10**7)


@pytest.fixture
def made(talk):
    conversation = talk(offers=(OFFER,))
    conversation.run()
    conversation.ven._reports._values._samples._most = 10**6
    conversation.sent.clear()
    return conversation


def record(memory, begin, count, *, length=60, rids=("w", "e")):
    for number, rid in itertools.product(range(count), rids):
        memory.record("history", rid, Sample(at=begin + number * length, value=float(number), duration=length))


def ask(made, start, **more):
    wanted = ReportRequest(id="", specifier="history", rids=("w", "e"), start=start, **more)
    made.kit.do(made.kit.vtn.request_reports(made.ven.registration.venID, [wanted]))


def told(made, rid):
    """(start, value) of all that the VTN was told of a data point, without placeholders."""
    return [
        (row.dtstart, payload.payloadBase.value)
        for sent in made.payloads(report.OadrUpdateReport)
        for one in sent.oadrReport
        for row in one.intervals.interval
        for payload in row.streamPayloadBase
        if payload.rID == rid and payload.oadrDataQuality != "Quality Bad - Non Specific"
    ]


def waiting(made):
    return [item for item in made.ven._state.outbox.values() if item.kind == "update_report"]


def test_a_long_history_waits_for_the_vtn_one_message_at_a_time(made):
    start = made.now - 400_000.0
    record(made.samples, start, 5000)
    ask(made, start)
    most, moves = 0, True
    while moves:
        made.ven.handle_timer(made.now)
        most = max(most, len(waiting(made)))
        moves = made.step() or bool(made.ven.pending_reports) or not made.payloads(report.OadrUpdateReport)
        made.kit.now += 1
    assert most == 1
    expected = [(start + number * 60, float(number)) for number in range(5000)]
    assert told(made, "w") == expected
    assert told(made, "e") == expected
    assert made.ven.pending_reports == ()


@pytest.mark.parametrize("interval", [None, 0.0])
def test_a_history_that_does_not_say_from_when_on_is_all_there_is(made, interval):
    start = made.now - 100_000.0
    record(made.samples, start, 30)
    wanted = ReportRequest(id="all", specifier="history", rids=("w",), start=interval)
    asked = report.OadrCreateReport(requestID="q", oadrReportRequest=[request_to_wire(wanted)], venID=made.ven.ven_id)
    made.ven.receive_push(asked, made.now)
    made.ven.handle_timer(made.now)
    (sent,) = [item.payload for item in waiting(made)]
    assert [row.dtstart for row in sent.oadrReport[0].intervals.interval] == [start + 60 * n for n in range(30)]


def test_a_long_history_goes_on_after_a_restart_and_after_the_clock_was_set_back(made):
    start = made.now - 400_000.0
    record(made.samples, start, 2000)
    ask(made, start)
    while len(made.payloads(report.OadrUpdateReport)) < 2:
        made.step()
        made.kit.now += 1
    made.restart()
    made.kit.now -= 7200
    made.run(60)
    assert sorted(set(told(made, "w"))) == [(start + number * 60, float(number)) for number in range(2000)]
    assert made.ven.pending_reports == ()


def test_a_history_that_is_cancelled_ends_with_the_message_that_is_on_its_way(made):
    start = made.now - 400_000.0
    record(made.samples, start, 5000)
    ask(made, start)
    while not made.payloads(report.OadrUpdateReport):
        made.step()
        made.kit.now += 1
    (request,) = made.ven.pending_reports
    made.ven._reports.stop([request], follow=True, now=made.now)
    before = len(told(made, "w"))
    made.run(60)
    assert len(told(made, "w")) <= before + per_message(2)
    assert made.ven.pending_reports == ()


def pieces(memory, **request):
    """The starts of all that the pieces of a history tell of "w"."""
    wanted = ReportRequest(id="r", specifier="history", rids=("w", "e"), history=True, **request)
    running = Running(request=wanted, due=0.0, covered=request.get("start", 0.0))
    values, found = ReportValues(memory), []
    for _ in range(1000):
        part = values.part_of(running, OFFER, 10**7)
        found += [(value.start, value.value, value.quality) for value in part.values if value.rid == "w"]
        if part.rest is None:
            return found
        assert part.rest > running.covered
        running.covered = part.rest
    raise AssertionError("no end")


def test_gaps_are_passed_without_placeholders():
    memory = SampleMemory(10**6)
    record(memory, 600, 10)
    record(memory, 3_000_000, 10)
    record(memory, 9_000_000, 1)
    starts = [at for at, _, _ in pieces(memory, start=0.0)]
    assert starts == [*range(600, 1200, 60), *range(3_000_000, 3_000_600, 60), 9_000_000]


def test_intervals_of_another_length_are_neither_lost_nor_told_twice():
    """The configuration may have had another one when they were recorded."""
    memory = SampleMemory(10**6)
    record(memory, 420, 400, length=420)
    record(memory, 168_420, 400)
    record(memory, 192_420, 3, length=90_000)
    starts = [at for at, _, _ in pieces(memory, start=0.0)]
    expected = [420 + 420 * n for n in range(400)] + [168_420 + 60 * n for n in range(400)]
    assert starts == [*expected, *(192_420 + 90_000 * n for n in range(3))]


def test_r318_nothing_recorded_is_a_placeholder():
    assert pieces(SampleMemory(), start=50.0) == [(50.0, 0.0, "Quality Bad - Non Specific")]


def test_a_history_in_a_granularity_has_the_same_intervals_in_pieces_as_in_one():
    memory = SampleMemory(10**6)
    record(memory, 60, 3000)
    found = [(at, value) for at, value, _ in pieces(memory, start=0.0, granularity=300)]
    groups = [range(first, min(first + 5, 3000)) for first in range(0, 3000, 5)]
    assert found == [(60 + 60 * group[0], sum(group) / len(group)) for group in groups]
