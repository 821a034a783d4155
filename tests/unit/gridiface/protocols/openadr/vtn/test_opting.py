"""EiOpt of the VTN."""

from __future__ import annotations

import dataclasses

import pytest

from gridiface.protocols.openadr.payloads import opt, report
from gridiface.protocols.openadr.payloads.common import EiTarget, Properties, QualifiedEventID, Tolerate
from gridiface.protocols.openadr.vtn import Ven

PROGRAM = "http://program.example/a"


@pytest.fixture
def ven(kit):
    made = kit.register()
    kit.quiet(made)
    return made


def calendar(*spans):
    rows = [opt.Available(properties=Properties(dtstart=start, duration=length)) for start, length in spans]
    return opt.Vavailability(components=opt.AvailableList(available=rows))


@pytest.fixture
def create(kit, ven):
    def send(opt_id="o1", opt_type="optOut", *, resources=(), event=None, modification=0, **fields):
        made = opt.OadrCreateOpt(
            **{
                "optID": opt_id,
                "optType": opt_type,
                "optReason": "economic",
                "venID": ven,
                "createdDateTime": kit.now,
                "requestID": "r",
                "qualifiedEventID": QualifiedEventID(eventID=event, modificationNumber=modification) if event else None,
                "eiTarget": EiTarget(resourceID=list(resources)),
                **fields,
            }
        )
        return kit.handle(made)

    return send


def cancel(kit, ven, opt_id, request_id="c"):
    return kit.handle(opt.OadrCancelOpt(requestID=request_id, optID=opt_id, venID=ven))


def test_36_r207_r210_a_schedule_is_taken_and_answered_with_its_opt_id(kit, ven, create):
    answer = create(vavailability=calendar((kit.now, 3600)))
    assert (answer.eiResponse.responseCode, answer.eiResponse.requestID, answer.optID) == ("200", "r", "o1")
    assert kit.vtn.opt_of(ven, "none", None, kit.now) == "optOut"
    assert kit.vtn.opt_of(ven, "none", None, kit.now + 3600) is None


def test_36_r203_a_schedule_of_the_whole_ven_replaces_the_one_before_of_its_type(kit, ven, create):
    create("o1", vavailability=calendar((kit.now, 100)))
    create("in", "optIn", vavailability=calendar((kit.now + 500, 100)))
    create("o2", vavailability=calendar((kit.now + 200, 100)), eiTarget=EiTarget(venID=[ven]))
    opt_of = kit.vtn.opt_of
    assert opt_of(ven, "x", None, kit.now) is None
    assert opt_of(ven, "x", None, kit.now + 250) == "optOut"
    assert opt_of(ven, "x", None, kit.now + 550) == "optIn"


def test_36_a_finer_target_replaces_only_for_its_resources(kit, ven, create):
    create("o1", vavailability=calendar((kit.now, 100)))
    create("o2", resources=["a"], vavailability=calendar((kit.now + 200, 100)))
    opt_of = kit.vtn.opt_of
    assert opt_of(ven, "x", "a", kit.now) is None
    assert opt_of(ven, "x", "a", kit.now + 200) == "optOut"
    assert opt_of(ven, "x", "b", kit.now) == "optOut"
    create("o3", resources=["a", "b"], vavailability=calendar((kit.now + 400, 100)))
    assert opt_of(ven, "x", "a", kit.now + 200) is None
    assert opt_of(ven, "x", "b", kit.now) is None
    assert opt_of(ven, "x", "c", kit.now) == "optOut"


def test_36_r205_a_market_context_narrows_a_schedule(kit, ven, create):
    kit.send([ven])
    kit.send([ven], "F", market_context="http://other.example/")
    create(marketContext="HTTP://Program.example:80/a", vavailability=calendar((kit.now, 0)))
    assert kit.vtn.opt_of(ven, "E", None, kit.now + 10**9) == "optOut"
    assert kit.vtn.opt_of(ven, "F", None, kit.now) is None


def test_r206_without_event_a_schedule_is_needed_and_with_one_forbidden(kit, ven, create):
    kit.send([ven])
    kit.request(ven)
    assert create().eiResponse.responseCode == "459"
    assert create(event="E", vavailability=calendar((kit.now, 1))).eiResponse.responseCode == "459"
    assert create(event="E", marketContext=PROGRAM).eiResponse.responseCode == "459"


def test_r200_a_schedule_has_no_tolerance_and_ramps(kit, create):
    spans = calendar((kit.now, 60))
    spans.components.available[0].properties.tolerance = Tolerate(startafter=3)
    assert create(vavailability=spans).eiResponse.responseCode == "459"
    assert create(vavailability=calendar((kit.now, -5))).eiResponse.responseCode == "454"


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ({"groupID": ["g"]}, "200"),
        ({"groupName": ["own"]}, "200"),
        ({"meterAsset": ["m1", "m2"]}, "200"),
        ({"groupID": ["elsewhere"]}, "462"),
        ({"partyID": ["elsewhere"]}, "462"),
        ({"meterAsset": ["m3"]}, "462"),
        ({"pnode": ["p"]}, "462"),
        ({"meterAsset": ["m1"]}, "469"),
    ],
)
def test_37_r206_an_opt_to_an_event_names_parts_of_its_target_only(kit, ven, create, target, code):
    kit.vtn.vens[ven].groups = ["own"]
    kit.send([ven], target=EiTarget(groupID=["g"], meterAsset=["m1", "m2"]))
    kit.request(ven)
    answer = create(event="E", eiTarget=EiTarget(**target))
    assert answer.eiResponse.responseCode == code
    assert kit.vtn.opt_of(ven, "E", None, kit.now) == ("optOut" if code == "200" else None)
    kit.store = kit.vtn.export()


@pytest.mark.parametrize("others", [{}, {"venID": True}])
def test_37_r206_only_resources_that_the_event_names_are_opted_also_where_it_names_the_ven(kit, ven, create, others):
    named = {"venID": [ven]} if others else {}
    kit.send([ven], target=EiTarget(resourceID=["r1", "r2"], **named))
    kit.request(ven)
    assert create(event="E", eiTarget=EiTarget(resourceID=["r1", "r3"])).eiResponse.responseCode == "462"
    assert kit.vtn.opt_of(ven, "E", "r1", kit.now) is None
    assert create(event="E", eiTarget=EiTarget(resourceID=["r1"], venID=[ven])).eiResponse.responseCode == "200"
    assert [kit.vtn.opt_of(ven, "E", name, kit.now) for name in ("r1", "r2")] == ["optOut", None]
    assert create(event="E", eiTarget=EiTarget(venID=[ven])).eiResponse.responseCode == "200"
    assert kit.vtn.opt_of(ven, "E", "r2", kit.now) == "optOut"


def test_r209_what_is_no_device_class_opts_nobody(kit, ven, create):
    kit.send([ven])
    kit.request(ven)
    for fields in ({"event": "E"}, {"vavailability": calendar((kit.now, 60))}):
        strange = create(oadrDeviceClass=EiTarget(resourceID=["r1"]), **fields)
        assert strange.eiResponse.responseCode == "459"
    assert kit.vtn.opt_of(ven, "E", None, kit.now) is None
    assert kit.vtn.opts(ven).schedules == []
    assert create(event="E", oadrDeviceClass=EiTarget()).eiResponse.responseCode == "200"


def test_37_r209_device_classes_narrow_an_opt_to_an_event(kit, ven, create):
    points = [
        report.OadrReportDescription(
            rID=name,
            reportSubject=EiTarget(endDeviceAsset=[kind]),
            reportDataSource=EiTarget(resourceID=[name]),
            reportType="usage",
            readingType="Direct Read",
        )
        for name, kind in (("a", "Thermostat"), ("b", "Water_Heater"), ("c", "Thermostat"))
    ]
    offer = report.OadrReport(
        duration=60,
        oadrReportDescription=points,
        reportRequestID="0",
        reportSpecifierID="s",
        reportName="METADATA_HISTORY_USAGE",
        createdDateTime=kit.now,
    )
    kit.handle(report.OadrRegisterReport(requestID="m", oadrReport=[offer], venID=ven))
    kit.send([ven])
    kit.request(ven)
    kit.answer(ven, "E", 0, "optIn")
    words = lambda: [kit.vtn.opt_of(ven, "E", name, kit.now) for name in "abc"]  # noqa: E731 - said four times
    thermostats = EiTarget(endDeviceAsset=["Thermostat"])
    answer = create(event="E", resources=["b"], oadrDeviceClass=thermostats)
    assert (answer.eiResponse.responseCode, words()) == ("469", ["optIn", "optIn", "optIn"])
    answer = create(event="E", resources=["a", "b"], oadrDeviceClass=thermostats)
    assert (answer.eiResponse.responseCode, words()) == ("200", ["optOut", "optIn", "optIn"])
    answer = create(event="E", oadrDeviceClass=thermostats)
    assert (answer.eiResponse.responseCode, words()) == ("200", ["optOut", "optIn", "optOut"])
    assert [notice.resources for notice in kit.told("OptChanged")] == [("a",), ("a", "c")]
    answer = create(event="E", oadrDeviceClass=EiTarget(endDeviceAsset=["Sauna"]))
    assert (answer.eiResponse.responseCode, words()) == ("469", ["optOut", "optIn", "optOut"])


def test_37_r206_an_opt_of_resources_to_an_event_wins_over_created_event(kit, ven, create):
    kit.send([ven])
    kit.request(ven)
    kit.answer(ven, "E", 0, "optIn")
    create(vavailability=calendar((kit.now, 0)), optType="optIn")
    assert create("o2", event="E", resources=["a"]).eiResponse.responseCode == "200"
    assert kit.vtn.opt_of(ven, "E", "a", kit.now) == "optOut"
    assert kit.vtn.opt_of(ven, "E", "b", kit.now) == "optIn"
    create("o3", "optOut", event="E")
    assert kit.vtn.opt_of(ven, "E", "b", kit.now) == "optOut"
    note = kit.told("OptChanged")[1]
    assert (note.eventID, note.resources, note.opt) == ("E", ("a",), "optOut")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"event": "nothing"}, "452"),
        ({"event": "E", "modification": 3}, "450"),
        ({"event": "E", "resources": ["foreign"]}, "462"),
        ({"event": "E", "eiTarget": EiTarget(venID=["another"])}, "462"),
        ({"event": "E", "venID": "another"}, "452"),
    ],
)
def test_37_a_foreign_target_event_or_version_is_refused(kit, ven, create, fields, code):
    kit.send([ven], target=EiTarget(resourceID=["a", "b"]))
    kit.request(ven)
    answer = create(**fields)
    assert answer.eiResponse.responseCode == code
    assert answer.optID == "o1"
    assert kit.vtn.opt_of(ven, "E", "a", kit.now) is None


def test_37_a_resource_of_somebody_else_is_refused(kit, ven, create):
    known = kit.vtn.vens[ven]
    kit.do(kit.vtn.put_ven(Ven(venID=ven, name="ven", registrationID=known.registrationID, resources=["a"])))
    assert create(resources=["b"], vavailability=calendar((kit.now, 1))).eiResponse.responseCode == "462"
    assert create(resources=["a"], vavailability=calendar((kit.now, 1))).eiResponse.responseCode == "200"


def test_an_event_that_wants_no_answer_gets_no_opt(kit, ven, create):
    kit.send([ven], response_required=False)
    kit.request(ven)
    assert create(event="E").eiResponse.responseCode == "451"


def test_38_r204_opts_are_cancelled_by_id_all_of_one_id_together(kit, ven, create):
    create("o1", resources=["a"], vavailability=calendar((kit.now, 0)))
    create("o1", resources=["b"], vavailability=calendar((kit.now, 0)))
    assert kit.vtn.opt_of(ven, "x", "a", kit.now) == "optOut"
    answer = cancel(kit, ven, "o1")
    assert (answer.eiResponse.responseCode, answer.optID) == ("200", "o1")
    assert kit.vtn.opt_of(ven, "x", "a", kit.now) is None
    assert kit.vtn.opt_of(ven, "x", "b", kit.now) is None
    assert cancel(kit, ven, "o1", "c2").eiResponse.responseCode == "452"


def test_38_cancelling_a_superseded_schedule_is_no_error(kit, ven, create):
    create("o1", vavailability=calendar((kit.now, 0)))
    create("o2", vavailability=calendar((kit.now, 0)))
    assert cancel(kit, ven, "o1").eiResponse.responseCode == "200"
    assert kit.vtn.opt_of(ven, "x", None, kit.now) == "optOut"


def test_r211_an_opt_to_an_event_cannot_be_cancelled(kit, ven, create):
    kit.send([ven])
    kit.request(ven)
    create("o9", event="E")
    assert cancel(kit, ven, "o9").eiResponse.responseCode == "451"


def test_r208_the_ven_id_is_checked(kit, ven, create):
    assert cancel(kit, "nobody", "o1").eiResponse.responseCode == "452"


def test_r204_an_opt_has_an_opt_id(kit, ven, create):
    assert create("").eiResponse.responseCode == "459"
    assert not kit.vtn.opts(ven).schedules


def test_the_number_of_schedules_is_capped(vtn_kit):
    kit = vtn_kit(most_opts=1)
    ven = kit.register()

    def send(name):
        return kit.handle(
            opt.OadrCreateOpt(
                optID=name,
                optType="optIn",
                optReason="x-schedule",
                venID=ven,
                vavailability=calendar((kit.now, 1)),
                createdDateTime=kit.now,
                requestID="r",
                eiTarget=EiTarget(resourceID=[name]),
            )
        )

    assert send("a").eiResponse.responseCode == "200"
    assert send("b").eiResponse.responseCode == "469"
    kit.check()


def test_a_schedule_that_is_refused_replaces_none(vtn_kit):
    kit = vtn_kit(most_opts=2)
    ven = kit.register()

    def send(name, *resources, market=None):
        return kit.handle(
            opt.OadrCreateOpt(
                optID=name,
                optType="optIn",
                optReason="x-schedule",
                marketContext=market,
                venID=ven,
                vavailability=calendar((kit.now, 1)),
                createdDateTime=kit.now,
                requestID="r",
                eiTarget=EiTarget(resourceID=list(resources)),
            )
        )

    send("a", "r1", "r2")
    send("b", market="http://other/")
    assert send("c", "r1").eiResponse.responseCode == "469"
    assert [one.resources for one in kit.vtn.opts(ven).schedules] == [["r1", "r2"], []]
    kit.check()


@pytest.mark.parametrize(
    ("target", "code"),
    [
        (EiTarget(groupID=["north"]), "200"),
        (EiTarget(groupID=["south"]), "469"),
        (EiTarget(groupID=["south"], resourceID=["r1"]), "200"),
        (EiTarget(endDeviceAsset=["Thermostat"]), "469"),
        (EiTarget(), "200"),
    ],
)
def test_r202_a_schedule_of_what_is_not_known_here_is_not_one_of_the_whole_ven(kit, ven, create, target, code):
    kit.do(kit.vtn.put_ven(dataclasses.replace(kit.vtn.vens[ven], groups=["north"])))
    assert create(vavailability=calendar((kit.now, 100)), eiTarget=target).eiResponse.responseCode == code
    assert len(kit.vtn.opts(ven).schedules) == (code == "200")


def test_a_schedule_that_is_made_again_goes_before_those_made_in_between_and_is_one(kit, ven, create):
    span = calendar((kit.now, 100))
    for opt_id, opt_type, request in (("in", "optIn", "r1"), ("out", "optOut", "r2"), ("in", "optIn", "r3")):
        create(opt_id, opt_type, vavailability=span, requestID=request)
    assert [one.optID for one in kit.vtn.opts(ven).schedules] == ["out", "in"]
    assert kit.vtn.opt_of(ven, "x", None, kit.now) == "optIn"
