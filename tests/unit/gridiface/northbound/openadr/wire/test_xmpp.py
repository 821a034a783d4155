"""Who speaks over XMPP and where a payload goes, without a server; the real one is tests/loopback/openadr_server."""

from __future__ import annotations

import pytest

from gridiface.app.process.clock import SystemClock
from gridiface.errors import RemoteProtocolError, StoreUnavailable
from gridiface.northbound.openadr.settings import XmppSettings
from gridiface.northbound.openadr.wire.client import Unreachable
from gridiface.northbound.openadr.wire.xmpp import VenXmpp, VtnXmpp, bare_jid, peer_name
from gridiface.protocols.openadr.payloads.envelope import encode_payload
from gridiface.protocols.openadr.payloads.event import OadrPoll
from gridiface.protocols.openadr.stanzas import payload_of

pytest.importorskip("slixmpp", reason="the extra `xmpp` is not installed")
LOGIN = XmppSettings(jid="ven@x.test/client", host="127.0.0.1", port=1)
COMPONENT = XmppSettings(jid="vtn.x.test", host="127.0.0.1", port=1, secret="s", component=True)
ASKED = OadrPoll(venID="V")


class FakeLink:
    """Answers what it is given and remembers what it was asked."""

    def __init__(self):
        self.found, self.sent, self.answer, self.looked = {"EiEvent": "eievent@vtn.x.test"}, [], None, 0

    async def services(self, _timeout):
        self.looked += 1
        if not self.found:
            raise Unreachable("nobody")
        return dict(self.found)

    async def request(self, to, document, _timeout, *, sender=""):
        self.sent.append((to, payload_of(document), sender))
        if self.answer is Unreachable:
            raise Unreachable("gone")
        return self.answer


def ven(take=None):
    async def refuse(_):
        raise AssertionError

    made = VenXmpp(LOGIN, take or refuse, lambda: None, SystemClock(), 1.0)
    made._link = FakeLink()
    return made


def test_peers_are_known_by_their_certificate_where_that_is_on_file_and_by_jid_otherwise():
    assert bare_jid("Ven1@X.test/client") == "ven1@x.test"
    assert peer_name("Ven1@x.test/a", {"ven1@x.test": "AA:BB"}) == "AA:BB"
    assert peer_name("mallory@x.test/a", {"ven1@x.test": "AA:BB"}) == "xmpp:mallory@x.test"
    # A configured VEN without a fingerprint on file is not mistaken for one that has none at all.
    assert peer_name("ven1@x.test", {"ven1@x.test": ""}) == "xmpp:ven1@x.test"


async def test_services_are_looked_for_once_and_again_when_nobody_answers_there():
    made = ven()
    made._link.answer = encode_payload(ASKED)
    for _ in range(2):
        assert await made.post("", "EiEvent", ASKED, 0.0) == ASKED
    assert made._link.looked == 1
    made._link.answer = Unreachable
    with pytest.raises(Unreachable):
        await made.post("", "EiEvent", ASKED, 0.0)
    made._link.answer = None
    assert await made.post("", "EiEvent", ASKED, 0.0) is None
    assert made._link.looked == 2


async def test_a_service_that_is_not_offered_is_a_404():
    with pytest.raises(RemoteProtocolError) as refused:
        await ven().post("", "EiOpt", ASKED, 0.0)
    assert refused.value.answer == 404


@pytest.mark.parametrize(("sender", "status"), [("mallory@x.test/a", 403), ("eievent@vtn.x.test", None)])
async def test_a_ven_takes_pushes_of_its_vtn_only(sender, status):
    async def take(payload):
        return payload

    made = ven(take)
    if status is None:
        assert payload_of(await made._inbound(encode_payload(ASKED), sender, "")) == ASKED
        return
    with pytest.raises(RemoteProtocolError) as refused:
        await made._inbound(encode_payload(ASKED), sender, "")
    assert refused.value.answer == status


async def test_nothing_is_acknowledged_that_the_store_did_not_take_nor_before_the_vtn_is_known():
    async def take(_):
        raise StoreUnavailable("full")

    made = ven(take)
    for found in ({"EiEvent": "eievent@vtn.x.test"}, {}):
        made._link.found, made._services = found, {}
        with pytest.raises(RemoteProtocolError) as refused:
            await made._inbound(encode_payload(ASKED), "eievent@vtn.x.test", "")
        assert refused.value.answer == 503


async def test_a_component_sends_from_the_jid_of_the_service_and_is_told_which_one_was_asked():
    seen = []

    async def take(payload, name, service):
        seen.append((payload, name, service))

    made = VtnXmpp(COMPONENT, {"ven@x.test": "AA:BB"}, take, SystemClock(), 1.0)
    assert await made._inbound(encode_payload(ASKED), "ven@x.test/client", "eiopt") is None
    assert seen == [(ASKED, "AA:BB", "EiOpt")]
    made._link = FakeLink()
    await made.post("ven@x.test/client", "EiEvent", ASKED, 0.0)
    assert made._link.sent == [("ven@x.test/client", ASKED, "eievent@vtn.x.test")]


async def test_the_trace_is_told_what_goes_and_what_comes():
    told, document = [], encode_payload(ASKED)

    async def take(payload, name, service):
        return payload

    vtn = VtnXmpp(COMPONENT, {"ven1@x.test": "AA:BB"}, take, SystemClock(), 1.0)
    vtn._link, vtn.tap = FakeLink(), told.append
    await vtn._inbound(document, "ven1@x.test/client", "oadrpoll@vtn.x.test")
    await vtn.post("ven1@x.test/client", "EiEvent", ASKED, 0.0)
    mine = ven()
    mine.tap, mine._link.answer = told.append, Unreachable
    with pytest.raises(Unreachable):
        await mine.post("", "EiEvent", ASKED, 0.0)
    with pytest.raises(RemoteProtocolError):
        await mine._inbound(document, "mallory@x.test/a", "")
    assert [(one.peer, one.received, one.what) for one in told] == [
        ("AA:BB", True, "XMPP oadrPoll \u2192 oadrPoll"),
        ("AA:BB", False, "XMPP oadrPoll \u2192 result"),
        ("eievent@vtn.x.test", False, "XMPP oadrPoll \u2192 gone"),
        ("mallory@x.test", True, "XMPP oadrPoll \u2192 mallory@x.test/a is not our VTN"),
    ]
    assert told[0].text().count("oadrPoll") >= 2
