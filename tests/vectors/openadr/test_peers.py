"""Documents in the hand of VENs and VTNs that were tried, written anew: what is read of them, what is refused.

peers/cpp-*: numbered prefixes, empty elements where the schema fixes the value, empty eventResponses (EPRI's VEN in
C++). peers/net-*: default namespaces declared inside, unused prefixes, seven digits of a second (EPRI's VEN in C#).
peers/jaxb-*: all namespaces at the root, empty IDs for none (EPRI's VTN). peers/astray/*: elements that are not in the
schema's order or have fallen into the document's namespace (a VEN for Node-RED). Refused is what the schema refuses
otherwise.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.openadr.events import Event, Signal
from gridiface.protocols.openadr.exchange import HttpClient, HttpMessage, HttpServer
from gridiface.protocols.openadr.payloads import event, opt, registration, report, units
from gridiface.protocols.openadr.vtn import Peer, ReportWish, Vtn, VtnConfig

HERE = Path(__file__).parent / "peers"
NOW = 1_795_920_000.0
#: What VENs of the field send beside the schema and can mean one thing only: (service, document, what they write,
#: instead of).
HARMLESS = {
    "an opt without a target": (
        "EiOpt",
        "net-opt",
        b"",
        b"<d3p1:eiTarget><d3p1:resourceID>R1</d3p1:resourceID></d3p1:eiTarget>",
    ),
    "an unqualified attribute": ("EiReport", "cpp-metadata", b"schemaVersion", b"p3:schemaVersion"),
    "a type's name for the element's": ("EiReport", "cpp-metadata", b"p1:EnergyRealType", b"p5:energyReal"),
    "an answer without a requestID": ("EiEvent", "cpp-no-events", b"", b"<p2:requestID>77</p2:requestID>"),
}
#: And what the schema refuses, and we do.
BAD = {
    "another type's name for the element's": ("EiReport", "cpp-metadata", b"p1:PowerRealType", b"p5:energyReal"),
    "an answer without a code": ("EiEvent", "cpp-no-events", b"", b"<p3:responseCode>200</p3:responseCode>"),
    "an opt without a type": ("EiOpt", "net-opt", b"", b"<d3p1:optType>optOut</d3p1:optType>"),
}


class Field:
    """A VTN behind simple HTTP with one VEN; `say` posts a document and gives the answer, or the refusal's status."""

    def __init__(self):
        numbers = itertools.count()
        config = VtnConfig(vtn_id="VTN", open_registration=True, wishes=(ReportWish(name="TELEMETRY_USAGE"),))
        self.vtn = Vtn(config, lambda: f"id{next(numbers)}")
        self._server, self._client = HttpServer("vtn"), HttpClient()
        self.ven = "VEN"
        self.ven = self.say("EiRegisterParty", "net-register").venID

    def say(self, service, name, new=b"", old=None):
        body = (HERE / f"{name}.xml").read_bytes().replace(b">VEN<", f">{self.ven}<".encode())
        if old is not None:
            assert old in body
            body = body.replace(old, new)
        headers = {"content-type": "application/xml", "EXPECT": "100-continue", "Authorization": "Basic "}
        request = HttpMessage(0, headers, body, "POST", f"/OpenADR2/Simple/2.0b/{service}")
        try:
            inbound = self._server.receive(request, NOW)
        except RemoteProtocolError as refused:
            return refused.answer
        result = self.vtn.handle(inbound.payload, Peer(), NOW, service=inbound.service)
        return self._client.response(self._server.reply(inbound, result.reply, NOW), NOW)


@pytest.fixture
def field():
    return Field()


def test_vens_of_other_makers_go_through_registration_reports_events_and_opts(field):
    (request,) = field.say("EiReport", "cpp-metadata").oadrReportRequest
    (offered,) = field.vtn.reports(field.ven).metadata
    assert isinstance(offered.oadrReportDescription[0].itemBase, units.EnergyReal)
    assert [point.rID for point in request.reportSpecifier.specifierPayload] == ["energy"]
    answer = field.say("EiReport", "net-data", f">{request.reportRequestID}<".encode(), b">r<")
    assert (type(answer), answer.eiResponse.responseCode) == (report.OadrUpdatedReport, "200")
    assert field.say("EiEvent", "cpp-no-events").eiResponse.responseCode == "200"
    answer = field.say("EiOpt", "net-opt")
    assert (type(answer), answer.eiResponse.responseCode, answer.optID) == (opt.OadrCreatedOpt, "200", "o1")


def test_what_stands_in_another_place_or_namespace_is_read_as_what_it_is(field):
    simple = Signal(name="SIMPLE", type="level", id="S", durations=(600,), values=(1.0,))
    new = Event(
        id="E1",
        market_context="http://program.example/dr",
        dtstart=NOW + 3600,
        duration=600,
        notification=0,
        signals=(simple,),
    )
    field.vtn.create_event(new, [field.ven], NOW)
    asks = event.OadrRequestEvent(eiRequestEvent=event.EiRequestEvent(requestID="n0", venID=field.ven))
    field.vtn.handle(asks, Peer(), NOW, service="EiEvent")
    assert field.say("EiEvent", "astray/node-created").eiResponse.responseCode == "200"
    assert field.vtn.delivery(field.ven, "E1").opt == "optIn"
    assert field.say("EiReport", "astray/node-registered").eiResponse.responseCode == "200"
    answer = field.say("EiOpt", "astray/node-opt")
    assert (type(answer), answer.eiResponse.responseCode, answer.optID) == (opt.OadrCreatedOpt, "200", "o2")


@pytest.mark.parametrize("name", HARMLESS)
def test_what_can_mean_one_thing_only_is_taken(field, name):
    assert field.say(*HARMLESS[name]).eiResponse.responseCode == "200"


@pytest.mark.parametrize("name", BAD)
def test_what_the_schema_refuses_gets_406(field, name):
    assert field.say(*BAD[name]) == 406


def test_vtns_of_other_makers_are_read():
    def read(name):
        return HttpClient().response(HttpMessage(200, {}, (HERE / f"{name}.xml").read_bytes()), NOW)

    told = read("jaxb-distribute")
    assert isinstance(told, event.OadrDistributeEvent)
    found = told.oadrEvent[0].eiEvent
    assert (found.eventDescriptor.modificationReason, found.eiActivePeriod.properties.duration) == (None, 5400)
    answer = read("jaxb-unregistered")
    assert isinstance(answer, registration.OadrCreatedPartyRegistration)
    assert (answer.registrationID, answer.venID, answer.oadrRequestedOadrPollFreq) == (None, None, 10)
