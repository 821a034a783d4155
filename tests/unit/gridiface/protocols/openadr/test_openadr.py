"""Rules that no single module owns: both cores together, or what only passes through."""

from __future__ import annotations

import pytest

from gridiface.protocols.openadr.events import ACTIVE, Signal, current_value, to_wire
from gridiface.protocols.openadr.payloads import event, opt, registration, report, stream
from gridiface.protocols.openadr.payloads.common import EiResponse, EiTarget, Properties, QualifiedEventID
from gridiface.protocols.openadr.payloads.profile_a import decode_a, encode_a
from gridiface.protocols.openadr.payloads.units import power_real, price_per_kwh
from gridiface.protocols.openadr.reports import ReportRequest
from gridiface.protocols.openadr.signals import kind_of
from gridiface.protocols.openadr.ven import DataPoint, ReportOffer, Sample, SampleMemory
from gridiface.protocols.openadr.vtn import Peer, Ven


def usage(*points, name="TELEMETRY_USAGE", specifier="usage", **more):
    return ReportOffer(specifier=specifier, name=name, points=points, **more)


def point(rid="r/W", **more):
    return DataPoint(rid=rid, **{"unit": power_real(), "resources": ("r",), **more})


def asked(made, kit, **more):
    """A report requested by the VTN, and the reports that came in `seconds`."""
    base = {"id": "", "specifier": "usage", "rids": ("r/W",), "granularity": 10, "back": 10, "start": kit.now}
    made.run()
    kit.do(kit.vtn.request_reports(made.ven.registration.venID, [ReportRequest(**{**base, **more})]))
    made.run(more.get("duration", 45) or 45)
    return [payload.oadrReport[0] for payload in made.payloads(report.OadrUpdateReport)]


# -- EiEvent -------------------------------------------------------------------------------------------------------


def test_r23_only_a_ven_asks_for_events(talk, kit):
    made = talk()
    made.run()
    body = event.EiRequestEvent(requestID="q", venID=made.ven.registration.venID)
    answer = made.ven.receive_push(event.OadrRequestEvent(eiRequestEvent=body), kit.now)
    assert answer.eiResponse.responseCode == "459"
    assert answer.oadrEvent == []


def test_r37_r51_a_ven_pulls_unless_it_is_told_otherwise_and_is_never_called(talk, kit):
    made = talk()
    made.run()
    name = made.ven.registration.venID
    assert made.payloads(registration.OadrCreatePartyRegistration)[0].oadrHttpPullModel is True
    kit.send([name])
    pushes, _ = kit.vtn.next_pushes(kit.now)
    assert pushes == ()
    made.run(30)
    assert made.payloads(event.OadrPoll)
    assert kit.vtn.delivery(name, "E").opt == "optIn"


def test_r38_pull_and_push_are_both_offered(kit):
    pull, push = kit.register("a"), kit.register("b", oadrHttpPullModel=False, oadrTransportAddress="http://b.example")
    offered = kit.handle(registration.OadrQueryRegistration(requestID="q")).oadrProfiles.oadrProfile
    assert [profile.oadrProfileName for profile in offered] == ["2.0a", "2.0b"]
    kit.quiet(pull)
    kit.send([pull, push])
    assert isinstance(kit.poll(pull), event.OadrDistributeEvent)
    pushes, result = kit.vtn.next_pushes(kit.now)
    kit.commit(result)
    assert [(one.venID, one.address) for one in pushes] == [(push, "http://b.example")]


def test_r56_an_event_that_was_never_heard_of_is_taken_whatever_its_modification(talk, kit):
    made = talk()
    made.run()
    late = kit.event(modification=7)
    payload = event.OadrDistributeEvent(requestID="d", vtnID="VTN", oadrEvent=[to_wire(late, kit.now)])
    made.ven.receive_push(payload, kit.now)
    assert made.ven.events["E"].event.modification == 7
    assert made.ven.events["E"].opt == "optIn"


def test_r64_an_a_ven_that_has_not_answered_gets_its_events_with_each_request(kit):
    kit.do(kit.vtn.put_ven(Ven(venID="A", profile="2.0a")))
    kit.send(["A"])
    peer = Peer(profile="2.0a")

    def ask():
        body = event.EiRequestEvent(requestID="q", venID="A")
        reply = kit.commit(kit.vtn.handle(event.OadrRequestEvent(eiRequestEvent=body), peer, kit.now)).reply
        return decode_a(encode_a(reply))[0]

    assert [len(ask().oadrEvent), len(ask().oadrEvent)] == [1, 1]
    one = event.EventResponse(
        responseCode="200",
        requestID="d",
        qualifiedEventID=QualifiedEventID(eventID="E", modificationNumber=0),
        optType="optIn",
    )
    created = event.EiCreatedEvent(
        eiResponse=EiResponse(responseCode="200", requestID=""),
        eventResponses=event.EventResponses(eventResponse=[one]),
        venID="A",
    )
    kit.commit(kit.vtn.handle(event.OadrCreatedEvent(eiCreatedEvent=created), peer, kit.now))
    assert kit.vtn.delivery("A", "E").opt == "optIn"


@pytest.mark.parametrize("kind", ["level", "delta", "price"])
def test_r69_the_type_beside_simple_is_informative_for_a(kind):
    assert kind_of("simple", kind).type == "level"


def test_r110_a_signal_but_simple_has_no_current_value_while_nothing_runs(kit):
    signal = Signal(name="LOAD_DISPATCH", type="setpoint", id="d", durations=(600,), values=(5.0,), unit=power_real())
    made = kit.event(signals=(signal,))
    assert current_value(signal, made, kit.now) is None
    assert made.status_at(kit.now + 3600) == ACTIVE
    assert current_value(signal, made, kit.now + 3600) == 5.0


# -- EiOpt ---------------------------------------------------------------------------------------------------------


def schedule(kit, name, opt_id, target, *, devices=()):
    span = opt.Available(properties=Properties(dtstart=kit.now, duration=0))
    return kit.handle(
        opt.OadrCreateOpt(
            optID=opt_id,
            optType="optOut",
            optReason="x-schedule",
            venID=name,
            vavailability=opt.Vavailability(components=opt.AvailableList(available=[span])),
            createdDateTime=kit.now,
            requestID="r",
            eiTarget=target,
            oadrDeviceClass=EiTarget(endDeviceAsset=list(devices)) if devices else None,
        )
    ).eiResponse.responseCode


def test_r202_an_opt_without_target_means_all_and_several_parts_mean_each(kit):
    name = kit.register()
    assert schedule(kit, name, "o", EiTarget()) == "200"
    assert kit.vtn.scheduled(name, "any", kit.now, None) == "optOut"
    assert kit.vtn.scheduled(name, None, kit.now, None) == "optOut"
    other = kit.register("other")
    assert schedule(kit, other, "o", EiTarget(resourceID=["a", "b"])) == "200"
    assert [kit.vtn.scheduled(other, one, kit.now, None) for one in ("a", "b", "c")] == ["optOut", "optOut", None]


def spans(kit, name, opt_type, *spans):
    available = [
        opt.Available(properties=Properties(dtstart=kit.now + start, duration=length)) for start, length in spans
    ]
    return kit.handle(
        opt.OadrCreateOpt(
            optID=f"{opt_type} {spans}",
            optType=opt_type,
            optReason="x-schedule",
            venID=name,
            vavailability=opt.Vavailability(components=opt.AvailableList(available=available)),
            createdDateTime=kit.now,
            requestID="r",
            eiTarget=EiTarget(),
        )
    ).eiResponse.responseCode


def test_absences_are_told_ahead_by_the_last_word_of_each_time(kit):
    name = kit.register()
    assert kit.vtn.absences(name, None, None, kit.now) == []
    spans(kit, name, "optOut", (-100, 200), (1_000, 500), (1_500, 500), (5_000, 0))
    spans(kit, name, "optIn", (1_200, 100))
    found = kit.vtn.absences(name, None, None, kit.now)
    assert [(start - kit.now, end - kit.now) for start, end in found] == [
        (0, 100),
        (1_000, 1_200),
        (1_300, 2_000),
        (5_000, float("inf")),
    ]


def test_r209_a_device_class_narrows_an_opt(kit):
    name = kit.register()
    schedule(kit, name, "o", EiTarget(resourceID=["a"]), devices=["Thermostat"])
    assert kit.vtn.scheduled(name, "a", kit.now, None) is None
    assert kit.vtn.scheduled(name, "a", kit.now, None, "Thermostat") == "optOut"
    assert kit.vtn.scheduled(name, "b", kit.now, None, "Thermostat") is None
    # Another class beside it takes nothing away.
    schedule(kit, name, "p", EiTarget(resourceID=["a"]), devices=["Pool_Pump"])
    assert kit.vtn.scheduled(name, "a", kit.now, None, "Thermostat") == "optOut"


# -- EiReport ------------------------------------------------------------------------------------------------------


def test_r301_who_has_nothing_to_report_exchanges_metadata_all_the_same(talk, kit):
    made = talk()
    made.run()
    (own,) = made.payloads(report.OadrRegisterReport)
    assert own.oadrReport == []
    (answer,) = made.payloads(report.OadrRegisteredReport)
    assert answer.eiResponse.responseCode == "200"
    assert kit.vtn.waiting(made.ven.registration.venID) == []


def test_r302_r343_a_source_may_name_several_resources_and_none_means_all(talk, kit):
    made = talk(offers=(usage(point(resources=("a", "b")), point("x", resources=())),))
    made.run()
    name = made.ven.registration.venID
    two, none = kit.vtn.reports(name).metadata[0].oadrReportDescription
    assert two.reportDataSource.resourceID == ["a", "b"]
    assert none.reportDataSource is None
    assert kit.vtn.resources_of(name) == ["a", "b"]
    assert kit.vtn.recipients(EiTarget(resourceID=["b"]), [], "urn:any") == [name]


def test_r319_r330_r339_accuracy_is_in_the_points_unit_rids_are_any_text_and_report_ids_are_ignored(kit):
    name, rid = kit.register(), "site 1/ü&<W>"
    kit.quiet(name)
    described = report.OadrReportDescription(
        rID=rid,
        reportType="usage",
        itemBase=power_real("k"),
        readingType="Direct Read",
        oadrSamplingRate=report.OadrSamplingRate(oadrMinPeriod=1, oadrMaxPeriod=60, oadrOnChange=False),
    )
    offered = report.OadrReport(
        duration=3600,
        oadrReportDescription=[described],
        reportRequestID="0",
        reportSpecifierID="usage",
        reportName="METADATA_TELEMETRY_USAGE",
        createdDateTime=kit.now,
    )
    kit.handle(report.OadrRegisterReport(requestID="m", oadrReport=[offered], venID=name))
    (request,) = kit.do(kit.vtn.request_reports(name, [ReportRequest(id="", specifier="usage", rids=(rid,))]))
    assert kit.poll(name).oadrReportRequest[0].reportSpecifier.specifierPayload[0].rID == rid
    value = stream.OadrReportPayload(rID=rid, accuracy=0.25, payloadBase=stream.PayloadFloat(value=6.0))
    kit.handle(
        report.OadrUpdateReport(
            requestID="u",
            venID=name,
            oadrReport=[
                report.OadrReport(
                    dtstart=kit.now,
                    intervals=stream.Intervals(interval=[stream.Interval(dtstart=kit.now, streamPayloadBase=[value])]),
                    eiReportID="whatever",
                    reportRequestID=request,
                    reportSpecifierID="usage",
                    reportName="TELEMETRY_USAGE",
                    createdDateTime=kit.now,
                )
            ],
        )
    )
    (notice,) = kit.told("ReportReceived")
    assert (notice.values[0].accuracy, notice.values[0].value) == (0.25, 6.0)


def test_r341_the_first_value_is_at_the_start_asked_for_within_a_granularity(talk, kit):
    made = talk(offers=(usage(point()),))
    first, *_ = asked(made, kit, granularity=10, back=30, start=kit.now + 7)
    assert 0 <= first.dtstart - (kit.now - 45 + 7) < 10


def test_r510_the_least_features_are_there(talk, kit):
    status = point("r/status", unit=None, report_type="x-resourceStatus", reading_type="x-notApplicable")
    offers = (usage(point()), usage(status, name="TELEMETRY_STATUS", specifier="status"))
    made = talk(offers=offers, resources=frozenset({"r"}))
    made.run()
    name = made.ven.registration.venID
    price = Signal(
        name="ELECTRICITY_PRICE", type="price", id="p", durations=(600,), values=(0.3,), unit=price_per_kwh("USD")
    )
    power = Signal(name="LOAD_DISPATCH", type="setpoint", id="l", durations=(600,), values=(5.0,), unit=power_real())
    kit.send([name], "simple")
    kit.send([name], "price", signals=(price,))
    kit.send([name], "power", signals=(power,), target=EiTarget(resourceID=["r"]))
    made.run(30)
    assert {e: kit.vtn.delivery(name, e).opt for e in ("simple", "price", "power")} == dict.fromkeys(
        ("simple", "price", "power"), "optIn"
    )
    # An event is qualified by EiOpt, and a status is reported with both of its parts.
    made.ven.opt_resources("power", ["r"], "optOut", kit.now, reason="economic")
    made.run(30)
    assert kit.vtn.opt_of(name, "power", "r", kit.now) == "optOut"
    online = stream.OadrPayloadResourceStatus(oadrOnline=True, oadrManualOverride=False)
    made.samples.record("status", "r/status", Sample(at=kit.now, status=online))
    kit.do(kit.vtn.request_reports(name, [ReportRequest(id="", specifier="status", rids=("r/status",))]))
    made.run(30)
    assert kit.told("ReportReceived")[-1].values[0].status.oadrOnline is True
    memory = SampleMemory(most=1)
    for at in range(150):
        memory.record("s", "r", Sample(at=float(at), value=1.0))
    assert len(memory.between("s", "r", 0.0, 1e9)) >= 100


def test_62_signals_of_intervals_are_applied_by_duration_and_value(talk, kit):
    made = talk()
    made.run()
    kit.send([made.ven.registration.venID], start=100, values=(1.0, 2.0))
    made.run(30)
    for after, value in ((100, 1.0), (699, 1.0), (700, 2.0), (1299, 2.0)):
        (running,) = made.ven.active(kit.now - 30 + after)
        assert running.values == {"s": value}
