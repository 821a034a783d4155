"""Simple HTTP: URIs, headers, statuses, encodings, signatures, hostile bytes."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridiface.errors import LocalProtocolError, RemoteProtocolError
from gridiface.protocols.openadr.answers import ok
from gridiface.protocols.openadr.exchange import (
    HttpClient,
    HttpMessage,
    HttpRefused,
    HttpServer,
    Security,
    normal_path,
)
from gridiface.protocols.openadr.payloads.common import EiResponse, QualifiedEventID
from gridiface.protocols.openadr.payloads.envelope import PAYLOADS, encode_payload
from gridiface.protocols.openadr.payloads.event import (
    EiCreatedEvent,
    EiRequestEvent,
    EventResponse,
    EventResponses,
    OadrCreatedEvent,
    OadrPoll,
    OadrRequestEvent,
    OadrResponse,
)
from gridiface.protocols.openadr.payloads.profile_a import OadrRequestEventA
from gridiface.protocols.openadr.replay import NonceMemory
from gridiface.protocols.openadr.signature import Verifier
from gridiface.protocols.xmlwire import Limits, encode

NOW = 1_800_000_000.0
POLL = OadrPoll(venID="v")
HEADERS = {"Content-Type": "application/xml"}
PATH = "/OpenADR2/Simple/2.0b/OadrPoll"


def post(body=None, path=PATH, headers=HEADERS, method="POST"):
    return HttpMessage(0, headers, encode_payload(POLL) if body is None else body, method, path)


@pytest.fixture
def server():
    return HttpServer("vtn")


def status(server, request, **more):
    with pytest.raises(RemoteProtocolError) as refused:
        server.receive(request, NOW, **more)
    answer = server.refuse(refused.value)
    assert answer.headers["Content-Length"] == "0"
    return answer.status


@pytest.mark.parametrize("service", ["EiEvent", "EiReport", "EiRegisterParty", "EiOpt", "OadrPoll"])
@pytest.mark.parametrize("prefix", ["", "a/b", "/vtn/"])
def test_01_r511_all_services_are_there_under_an_optional_prefix(service, prefix):
    server = HttpServer("vtn", prefix=prefix)
    start = f"/{prefix.strip('/')}/" if prefix else "/"
    found = server.receive(post(path=f"{start}OpenADR2/Simple/2.0b/{service}"), NOW)
    assert (found.service, found.payload, found.profile) == (service, POLL, "2.0b")


@pytest.mark.parametrize(
    "path",
    [
        "/OpenADR2/Simple/2.0b/OadrPoll/",
        "//OpenADR2/./Simple/x/../2.0b/OadrPoll",
        "/%4FpenADR2/Simple/2%2E0b/OadrPoll",
        "http://vtn.example:8080/OpenADR2/Simple/2.0b/OadrPoll",
        "/OpenADR2/Simple/2.0b/OadrPoll?x=1#y",
    ],
)
def test_01_normalised_variants_of_a_uri_are_the_same(server, path):
    assert server.receive(post(path=path), NOW).service == "OadrPoll"


def test_a_push_ven_has_no_poll_service():
    assert status(HttpServer("ven"), post()) == 404


def test_03_answers_have_a_length_and_the_media_type_and_are_not_chunked(server):
    inbound = server.receive(post(), NOW)
    answer = server.reply(inbound, OadrResponse(eiResponse=response()), NOW)
    assert answer.headers["Content-Type"] == "application/xml; charset=utf-8"
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert "Transfer-Encoding" not in answer.headers
    empty = server.reply(inbound, None, NOW)
    assert (empty.status, empty.body, empty.headers) == (200, b"", {"Content-Length": "0"})


def response():
    return ok("r")


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        ("gzip, deflate", "gzip"),
        ("deflate;q=0.5, gzip;q=0", "deflate"),
        ("br, GZIP", "gzip"),
        ("br", ""),
        ("", ""),
        ("gzip;q=0.0", ""),
    ],
)
def test_03_gzip_and_deflate_when_asked(server, header, encoding):
    inbound = server.receive(post(headers={**HEADERS, "accept-encoding": header}), NOW)
    answer = server.reply(inbound, POLL, NOW)
    assert answer.headers.get("Content-Encoding", "") == encoding
    unpack = {"gzip": gzip.decompress, "deflate": zlib.decompress, "": bytes}[encoding]
    assert unpack(answer.body) == encode_payload(POLL)
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert HttpClient().response(HttpMessage(200, answer.headers, answer.body), NOW) == POLL


def test_a_ven_does_not_encode_its_answers():
    server = HttpServer("ven")
    inbound = server.receive(
        post(path="/OpenADR2/Simple/2.0b/EiEvent", headers={**HEADERS, "Accept-Encoding": "gzip"}), NOW
    )
    assert "Content-Encoding" not in server.reply(inbound, POLL, NOW).headers


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (post(b""), 406),
        (post(b"<a/>"), 406),
        (post(b"\xff\xfe"), 406),
        (post(headers={}), 406),
        (post(headers={"Content-Type": "text/xml"}), 406),
        (post(headers={"Content-Type": "text/plain"}), 406),
        (post(headers={"Content-Type": "application/json"}), 406),
        (post(headers={"Content-Type": "application/xml; charset=iso-8859-1"}), 406),
        (post(headers={**HEADERS, "Accept": "text/html"}), 406),
        (post(headers={**HEADERS, "Content-Encoding": "gzip"}), 406),
        (post(path="/OpenADR2/Simple/2.0b/EiQuote"), 404),
        (post(path="/"), 404),
        (post(path="/openadr2/simple/2.0b/oadrpoll"), 404),
        (post(path="http://[/OpenADR2"), 404),
        (post(method="GET"), 501),
        (post(method="PUT"), 501),
    ],
)
def test_04_r53_statuses_of_what_is_not_understood(server, request_, code):
    assert status(server, request_) == code


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"optType>optOut<", b"optType>maybe<"),
        (b"responseCode>460<", b"responseCode>fine<"),
        (b"modificationNumber>7<", b"modificationNumber>-1<"),
        (b"<ei:optType>optOut</ei:optType>", b""),
    ],
)
def test_04_r25_an_answer_to_an_event_that_breaks_the_schema_refuses_its_message(server, old, new):
    """Of a document that the schema does not allow nothing counts; what is wrong in sense alone is told by the VTN."""
    rows = [
        EventResponse(
            responseCode=code,
            requestID="d",
            qualifiedEventID=QualifiedEventID(eventID=key, modificationNumber=number),
            optType=opt,
        )
        for key, number, opt, code in (("A", 0, "optIn", "200"), ("B", 7, "optOut", "460"))
    ]
    body = EiCreatedEvent(
        eiResponse=EiResponse(responseCode="200", requestID=""),
        eventResponses=EventResponses(eventResponse=rows),
        venID="v",
    )
    good = encode_payload(OadrCreatedEvent(eiCreatedEvent=body))
    path = "/OpenADR2/Simple/2.0b/EiEvent"
    assert len(server.receive(post(good, path), NOW).payload.eiCreatedEvent.eventResponses.eventResponse) == 2
    assert good.count(old) == 1
    assert status(server, post(good.replace(old, new), path)) == 406


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/xml; charset=utf-8"},
        {"CONTENT-TYPE": 'Application/XML;charset="UTF-8"'},
        {**HEADERS, "Accept": "application/xml"},
        {**HEADERS, "Accept": "text/html, */*;q=0.1"},
        {**HEADERS, "User-Agent": "whatever"},
        # What the profile does not have and peers send all the same; nothing is lost by taking it.
        {"Content-Type": "application/xml;charset=utf8"},
        {**HEADERS, "Accept": "text/xml"},
        {**HEADERS, "Accept": "text/html, image/gif, *; q=.2"},
        {**HEADERS, "Transfer-Encoding": "chunked"},
    ],
)
def test_04_headers_that_are_fine(server, headers):
    assert server.receive(post(headers=headers), NOW).payload == POLL


def test_05_a_doctype_is_refused(server):
    body = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e "x">]>' + encode_payload(POLL).replace(b">v<", b">&e;<")
    assert status(server, post(body)) == 406


def test_05_caps_hold():
    server = HttpServer("vtn", limits=Limits(octets=1000, tags=50))
    assert status(server, post(b" " * 1001)) == 413
    assert status(server, post(b"<a>" * 51)) == 413


def test_overload_is_503_with_a_time_to_come_back(server):
    assert status(server, post(), overloaded=True) == 503
    refused = server.refuse(RemoteProtocolError("x", answer=503))
    assert refused.headers["Retry-After"] == "30"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["POST", "GET"]), st.text(max_size=40), st.text(max_size=20))
def test_05_any_bytes_raise_nothing_but_a_remote_protocol_error(body, method, path, kind):
    server = HttpServer("vtn")
    for target in (path, PATH):
        with pytest.raises(RemoteProtocolError) as refused:
            server.receive(post(body, target, {"Content-Type": kind or "application/xml"}, method), NOW)
        assert 400 <= refused.value.answer <= 501


@pytest.mark.parametrize("cls", PAYLOADS, ids=lambda cls: cls.__name__)
def test_05_damaged_payloads_raise_nothing_but_a_remote_protocol_error(cls, maker, server):
    body = encode_payload(maker(7).make(cls))
    for place in range(0, len(body), 7):
        for damage in (body[:place], body[:place] + b"<" + body[place:], body[:place] + b"\x00" + body[place + 1 :]):
            try:
                found = server.receive(post(damage), NOW).payload
            except RemoteProtocolError:
                continue
            assert isinstance(found, PAYLOADS)


# -- A profile -----------------------------------------------------------------------------------------------------


def test_45_r506_the_a_profile_has_its_url_and_its_documents(server):
    body = encode(OadrRequestEventA(eiRequestEvent=EiRequestEvent(requestID="q", venID="a")))
    inbound = server.receive(post(body, "/OpenADR2/Simple/EiEvent"), NOW)
    assert inbound.profile == "2.0a"
    assert inbound.payload == OadrRequestEvent(eiRequestEvent=EiRequestEvent(requestID="q", venID="a"))
    answer = server.reply(inbound, OadrResponse(eiResponse=response(), venID="a"), NOW)
    assert b"oadr-2.0a" in answer.body
    assert b"oadrPayload" not in answer.body
    assert b"venID" not in answer.body
    assert status(server, post(path="/OpenADR2/Simple/EiEvent")) == 406
    assert status(server, post(body, "/OpenADR2/Simple/EiReport")) == 404
    assert status(HttpServer("ven"), post(body, "/OpenADR2/Simple/EiEvent")) == 404


# -- client --------------------------------------------------------------------------------------------------------


def test_a_client_posts_what_a_server_understands(server):
    request = HttpClient(gzip_=True).request("OadrPoll", POLL, NOW)
    assert int(request.headers["Content-Length"]) == len(request.body)
    inbound = server.receive(HttpMessage(0, request.headers, request.body, request.method, "/" + request.path), NOW)
    assert (inbound.payload, inbound.encoding) == (POLL, "gzip")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (HttpMessage(404), 404),
        (HttpMessage(503), 503),
        (HttpMessage(200, {}, b"junk"), 400),
        (HttpMessage(200, {"Content-Encoding": "br"}, b"x"), 406),
        (HttpMessage(200, {"Content-Encoding": "gzip"}, b"x"), 406),
        (HttpMessage(200, {"Content-Encoding": "gzip"}, gzip.compress(b"<" * 10_000_000)), 413),
    ],
)
def test_a_client_refuses_what_is_no_answer(answer, code):
    with pytest.raises(RemoteProtocolError) as refused:
        HttpClient().response(answer, NOW)
    assert refused.value.answer == code


@pytest.mark.parametrize(("headers", "pause"), [({"Retry-After": "12"}, 12.0), ({}, 0.0), ({"retry-after": "x"}, 0.0)])
def test_a_refusal_says_how_long_its_peer_wants_to_be_left_alone(headers, pause):
    with pytest.raises(HttpRefused) as refusal:
        HttpClient().response(HttpMessage(503, headers, b"busy"), NOW)
    assert (refusal.value.answer, refusal.value.pause_s) == (503, pause)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_an_empty_answer_is_an_acknowledgement(status, body):
    assert HttpClient().response(HttpMessage(status, {}, body), NOW) is None


@pytest.mark.parametrize("kind", [{}, {"Content-Type": "text/xml"}, {"Content-Type": "application/xml; charset=utf-8"}])
def test_the_content_type_of_an_answer_does_not_matter(kind):
    assert HttpClient().response(HttpMessage(200, kind, encode_payload(POLL)), NOW) == POLL


def test_71_what_must_be_signed_and_is_not_is_refused(server):
    secured = HttpServer("vtn", security=Security(verifier=Verifier(NonceMemory())))
    assert status(secured, post(), signed=True, trust=lambda _: True) == 403
    assert secured.receive(post(), NOW).signer == ""
    with pytest.raises(LocalProtocolError):
        server.receive(post(), NOW, signed=True)


@given(st.text(max_size=60))
def test_any_target_has_a_normal_path(target):
    path = normal_path(target)
    assert path == "" or path.startswith("/")
