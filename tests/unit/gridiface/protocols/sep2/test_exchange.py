"""Requests checked step by step, and the replies to what is wrong with them."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.sep2.exchange import (
    SEP_XML,
    MethodNotAllowed,
    Reply,
    Request,
    RetryLater,
    body_types,
    changed,
    check_content_type,
    created,
    failure,
    found,
    moved,
    negotiate,
    read_body,
    refusal,
    route,
    split_target,
)
from gridiface.protocols.sep2.resources import (
    ActivePower,
    DERControlResponse,
    DERSettings,
    EndDevice,
    Error,
    MirrorMeterReading,
    MirrorMeterReadingList,
    MirrorUsagePoint,
    Notification,
    Reading,
    Response,
)
from gridiface.protocols.sep2.uris import BY_TEMPLATE, ResourceRow
from gridiface.protocols.xmlwire import Limits, decode, encode
from gridiface.protocols.xmlwire.samples import sample

HOST = {"host": "server"}


def everything(row: ResourceRow) -> frozenset[str]:
    return row.permitted()


def answer_to(error: RemoteProtocolError) -> tuple[int, int]:
    reply = refusal(error)
    return reply.status, decode(reply.body, Error).reasonCode


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (Request("GET", "/dcap"), 400),
        (Request("GET", "/dcap", {"host": ""}), 400),
        (Request("FOO", "/dcap", HOST), 501),
        (Request("get", "/dcap", HOST), 501),
        (Request("GET", "/nothing", HOST), 404),
        (Request("GET", "ftp://server/dcap", HOST), 400),
        (Request("GET", "*", HOST), 400),
        (Request("GET", "http://[::1/dcap", HOST), 400),
        (Request("DELETE", "/dcap", HOST), 405),
        (Request("PUT", "/edev/1/rg", HOST), 405),
    ],
)
def test_requests_that_lead_nowhere(request_: Request, status: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        route(request_)
    assert refusal(caught.value).status == status


@pytest.mark.parametrize(
    "target", ["/edev/3/fsa?s=0&l=5", "https://server/edev/3/fsa?s=0&l=5", "/edev/3/fsa?s=0&l=5#x"]
)
def test_a_request_finds_its_resource(target: str) -> None:
    routed = route(Request("HEAD", target, HOST))
    assert routed.match.row.resource == "FunctionSetAssignmentsList"
    assert routed.match.ids == ("3",)
    assert (routed.method, routed.path, routed.query) == ("HEAD", "/edev/3/fsa", "s=0&l=5")


def test_the_root_is_a_path_too() -> None:
    assert split_target("https://server") == ("/", "")


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/%64cap", "/dcap"),
        ("/%64%43%61p?s=%31", "/dCap"),
        ("https://server/%65dev/%31", "/edev/1"),
        ("/a%2db%2Dc%5f%7e%7E%2e", "/a-b-c_~~."),
        ("/a%2Fb%3a%40%60%5b%7b%25%20", "/a%2Fb%3a%40%60%5b%7b%25%20"),
        ("/%2541", "/%2541"),
    ],
)
def test_unreserved_characters_stand_for_themselves(target: str, path: str) -> None:
    """RFC 3986 6.2.2.2; reserved ones mean something else when they are not encoded, and stay."""
    assert split_target(target)[0] == path


@pytest.mark.parametrize("target", ["/dcap%", "/%4", "/%zz", "/%%41", "https://server/%g1"])
def test_a_percent_sign_without_two_digits_is_malformed(target: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        split_target(target)
    assert refusal(caught.value).status == 400


def test_allow_names_exactly_what_is_offered() -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        route(Request("DELETE", "/edev/1", HOST))
    assert refusal(caught.value).header("allow") == "GET, HEAD"
    with pytest.raises(MethodNotAllowed) as caught:
        route(Request("POST", "/edev/1", HOST), offered=everything)
    assert refusal(caught.value).header("Allow") == "GET, HEAD, PUT, DELETE"


@pytest.mark.parametrize(
    ("accept", "level"),
    [
        (None, None),
        ("", None),
        ("application/sep+xml", None),
        ("application/sep+xml; level=-S1", "-S1"),
        ("application/sep+xml;level=+S1", "+S1"),
        ("application/sep+xml; level=-S0", "-S0"),
        ('Application/SEP+XML; Level="+s1"', "+S1"),
        ("application/sep-exi;level=-S1, application/sep+xml;level=+S1;q=0.8", "+S1"),
        ("application/sep+xml;level=-S1;q=0.5, application/sep+xml;level=+S1;q=0.9", "+S1"),
        ("*/*", None),
        ("text/html, application/*;q=0.1", None),
        ("text/html;q=x, application/sep+xml;level=-S1;q=0.001", "-S1"),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", None),
        ("*", None),
        ("*/*;q=0, application/*;q=0.1", None),
        ("application/xml, */*;q=0.1", None),
    ],
)
def test_what_is_accepted(accept: str | None, level: str | None) -> None:
    assert negotiate(accept) == level


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "application/sep-exi",
        "application/sep+xml;level=-S2",
        "application/sep+xml;q=0",
        "application/sep+xml;q=0, */*",
        "application/sep+xml;q=2",
        "*/*;q=0.0",
        "*;q=.0",
        "application/*;q=0, */*;q=1",
        "*/*, application/*;q=0.0",
        "application/xml",
        "text/xml, application/xml;q=0.9",
        "*/*;q=.",
        ",",
    ],
)
def test_nothing_acceptable(accept: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        negotiate(accept)
    assert answer_to(caught.value) == (406, 0)


@pytest.mark.parametrize(
    ("content_type", "good"),
    [
        ("application/sep+xml", True),
        ("application/sep+xml; level=-S1", True),
        ("application/sep+xml;level=+S1;charset=UTF-8", True),
        (None, False),
        ("application/xml", False),
        ("application/sep-exi", False),
        ("application/sep+xml;level=-S0", True),
        ("application/sep+xml;level=-S2", False),
        ("application/sep+xml;charset=utf-16", False),
        ("text/plain", False),
    ],
)
def test_content_types(content_type: str | None, good: bool) -> None:
    if good:
        check_content_type(content_type)
        return
    with pytest.raises(RemoteProtocolError) as caught:
        check_content_type(content_type)
    assert caught.value.answer == 415


@pytest.mark.parametrize(
    ("template", "method", "types"),
    [
        ("/edev", "POST", (EndDevice,)),
        ("/edev/{id1}", "PUT", (EndDevice,)),
        ("/edev/{id1}/der/{id2}/derg", "PUT", (DERSettings,)),
        ("/mup", "POST", (MirrorUsagePoint,)),
        ("/mup/{id1}", "PUT", (MirrorUsagePoint,)),
        ("/mup/{id1}", "POST", (MirrorMeterReading, MirrorMeterReadingList)),
        ("/ntfy", "POST", (Notification,)),
        ("/rsps/{id1}/rsp", "POST", (Response,)),
        ("/dcap", "GET", ()),
        ("/dcap", "POST", ()),
    ],
)
def test_body_types(template: str, method: str, types: tuple[type, ...]) -> None:
    assert body_types(BY_TEMPLATE[template], method) == types


def posted(target: str, body: bytes, method: str = "POST", content_type: str = SEP_XML) -> object:
    request = Request(method, target, {**HOST, "content-type": content_type}, body)
    return read_body(request, route(request, offered=everything), Limits(octets=20_000))


def test_a_body_is_read_as_what_the_resource_takes() -> None:
    response = sample(DERControlResponse, Random(0))
    assert posted("/rsps/1/rsp", encode(response)) == response
    limit = ActivePower(multiplier=3, value=5)
    in_force = DERSettings(setGradW=27, setMaxW=limit, updatedTime=1)
    assert posted("/edev/1/der/1/derg", encode(in_force), "PUT") == in_force
    reading = MirrorMeterReading(mRID="01", reading=Reading(value=5))
    assert posted("/mup/1", encode(reading)) == reading


def test_ranges_of_the_text_are_held_as_well() -> None:
    limit = ActivePower(multiplier=10, value=5)
    with pytest.raises(RemoteProtocolError, match=r"setMaxW\.multiplier: 10 is outside -9\.\.9"):
        posted("/edev/1/der/1/derg", encode(DERSettings(setGradW=27, setMaxW=limit, updatedTime=1)), "PUT")


@pytest.mark.parametrize(
    ("target", "body", "content_type", "status"),
    [
        ("/edev", b"", SEP_XML, (400, 0)),
        ("/edev", b"<EndDevice/>", SEP_XML, (400, 0)),
        ("/edev", encode(sample(Response, Random(0))), SEP_XML, (400, 0)),
        ("/edev", b'<EndDevice xmlns="urn:ieee:std:2030.5:ns"><sFDI>x</sFDI></EndDevice>', SEP_XML, (400, 1)),
        (
            "/edev",
            b'<EndDevice xmlns="urn:ieee:std:2030.5:ns" subscribable="4"><sFDI>1</sFDI>'
            b"<changedTime>1</changedTime></EndDevice>",
            SEP_XML,
            (400, 1),
        ),
        ("/edev", b"{}", "application/json", (415, 0)),
        ("/edev", b" " * 20_001, SEP_XML, (413, 0)),
    ],
)
def test_bodies_that_are_refused(target: str, body: bytes, content_type: str, status: tuple[int, int]) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        posted(target, body, content_type=content_type)
    assert answer_to(caught.value) == status


def test_a_resource_without_body_takes_none() -> None:
    request = Request("GET", "/dcap", {**HOST, "content-type": SEP_XML}, b"<a/>")
    with pytest.raises(RemoteProtocolError, match="no body"):
        read_body(request, route(request))


@settings(deadline=None)
@given(
    st.sampled_from(["/edev", "/mup", "/mup/1", "/rsps/1/rsp", "/ntfy"]), st.binary(max_size=200), st.text(max_size=40)
)
def test_any_body_raises_nothing_but_a_remote_error(target: str, body: bytes, content_type: str) -> None:
    for declared in (SEP_XML, content_type):
        with pytest.raises(RemoteProtocolError) as caught:
            posted(target, body, content_type=declared)
        assert caught.value.answer in {400, 413, 415}


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_accept_is_negotiated_or_refused(accept: str) -> None:
    try:
        assert negotiate(accept) in {None, "-S1", "+S1"}
    except RemoteProtocolError as error:
        assert error.answer == 406  # noqa: PT017  # both ends are right


def test_good_replies() -> None:
    ok = found(b"<a/>")
    assert (ok.status, dict(ok.headers)) == (200, {"Content-Type": SEP_XML, "Content-Length": "4"})
    assert ok.for_head() == Reply(200, ok.headers, b"")
    assert (created("/edev/3").status, created("/edev/3").header("location")) == (201, "/edev/3")
    assert (changed().status, changed().header("location")) == (204, None)
    assert changed("/mup/1").header("Location") == "/mup/1"
    assert (moved("https://s/dcap").status, moved("https://s/dcap").header("location")) == (301, "https://s/dcap")


def test_refusals_say_when_to_come_back() -> None:
    reply = refusal(RetryLater("busy", 30))
    assert (reply.status, reply.header("retry-after")) == (503, "30")
    assert decode(reply.body, Error).maxRetryDuration == 30
    assert refusal(RetryLater("slow", 99_999, answer=429)).header("Retry-After") == "99999"
    assert decode(refusal(RetryLater("slow", 99_999, answer=429)).body, Error) == Error(
        reasonCode=4, maxRetryDuration=65535
    )
    assert failure().status == 500
    assert decode(failure().body, Error).reasonCode == 0
    assert answer_to(RemoteProtocolError("x", answer=404)) == (404, 1)
    assert answer_to(RemoteProtocolError("x", answer=400, detail=3)) == (400, 3)
