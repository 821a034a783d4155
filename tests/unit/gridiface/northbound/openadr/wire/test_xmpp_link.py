"""What a connection does by itself: overload, errors as stanzas, a stanza without end, waiting between attempts."""

from __future__ import annotations

import asyncio
from xml.etree import ElementTree

import pytest

slixmpp = pytest.importorskip("slixmpp", reason="the extra `xmpp` is not installed")

from gridiface.errors import RemoteProtocolError  # noqa: E402
from gridiface.northbound.openadr.settings import XmppSettings  # noqa: E402
from gridiface.northbound.openadr.wire.client import Unreachable  # noqa: E402
from gridiface.northbound.openadr.wire.xmpp_link import XmppLink, _Client  # noqa: E402
from gridiface.protocols.openadr.exchange import DOCUMENT_LIMITS, HttpRefused  # noqa: E402
from gridiface.protocols.openadr.payloads.envelope import encode_payload  # noqa: E402
from gridiface.protocols.openadr.payloads.event import OadrPoll  # noqa: E402

LOGIN = XmppSettings(jid="ven@x.test/client", host="127.0.0.1", port=1)


def stanza(replies, kind="set"):
    iq = slixmpp.Iq(stream=None)
    iq["type"], iq["from"], iq["to"], iq["id"] = kind, "vtn@x.test/a", "ven@x.test/client", "1"
    iq.append(ElementTree.fromstring(encode_payload(OadrPoll(venID="V"))))
    make = iq.reply

    def reply():
        answer = make()
        answer.send = lambda: replies.append(answer)
        return answer

    iq.reply = reply
    return iq


async def test_an_answer_goes_back_in_the_result_and_an_empty_one_as_an_empty_result():
    replies = []
    for answer in (encode_payload(OadrPoll(venID="W")), None):

        async def take(document, sender, local, answer=answer):
            assert (sender, local) == ("vtn@x.test/a", "ven")
            assert b"oadrPoll" in document
            return answer

        await XmppLink(LOGIN, take)._on_stanza(stanza(replies))
    assert [reply["type"] for reply in replies] == ["result", "result"]
    assert [len(list(reply.xml)) for reply in replies] == [1, 0]


@pytest.mark.parametrize(
    ("problem", "condition", "kind"),
    [
        (RemoteProtocolError("no", answer=406), "bad-request", "modify"),
        (RemoteProtocolError("no", answer=403), "forbidden", "auth"),
        (RuntimeError("bug"), "internal-server-error", "cancel"),
    ],
)
async def test_a_refusal_is_an_iq_error(problem, condition, kind):
    async def take(*_):
        raise problem

    replies = []
    await XmppLink(LOGIN, take)._on_stanza(stanza(replies))
    assert [(r["type"], r["error"]["condition"], r["error"]["type"]) for r in replies] == [("error", condition, kind)]


class _Failing:
    """A stream on which every request is answered with an error."""

    boundjid = slixmpp.JID("vtn.x.test")

    def __init__(self, error):
        self._error = error

    def make_iq_set(self, **_):
        iq = slixmpp.Iq(stream=None)

        async def send(**_):
            raise slixmpp.exceptions.IqError(slixmpp.Iq(stream=None, xml=ElementTree.fromstring(self._error)))

        iq.send = send
        return iq


@pytest.mark.parametrize("stream", ["jabber:client", "jabber:component:accept"])
@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ("<service-unavailable xmlns='%s'/>", Unreachable),
        ("<recipient-unavailable xmlns='%s'/><text xmlns='%s'>gone</text>", Unreachable),
        ("<text xmlns='%s'>no</text><bad-request xmlns='%s'/>", 406),
        ("<feature-not-implemented xmlns='%s'/>", 404),
        ("<resource-constraint xmlns='%s'/>", 503),
    ],
)
async def test_what_an_error_says_is_read_on_the_streams_of_clients_and_of_components(stream, error, outcome):
    """That nobody is there is no refusal: the payload is sent again."""
    inner = error.replace("%s", "urn:ietf:params:xml:ns:xmpp-stanzas")
    link = XmppLink(LOGIN, lambda *_: None)
    link._stream, link.up = _Failing(f"<iq xmlns='{stream}' type='error'><error>{inner}</error></iq>"), True
    document = encode_payload(OadrPoll(venID="V"))
    if isinstance(outcome, int):
        with pytest.raises(HttpRefused) as refused:
            await link.request("ven@x.test/client", document, 1.0)
        assert refused.value.answer == outcome
    else:
        with pytest.raises(outcome):
            await link.request("ven@x.test/client", document, 1.0)


async def test_too_many_at_once_are_told_to_wait():
    gate, replies = asyncio.Event(), []

    async def take(*_):
        await gate.wait()

    link = XmppLink(LOGIN, take, most_at_once=1)
    first = asyncio.create_task(link._on_stanza(stanza(replies)))
    await asyncio.sleep(0)
    await link._on_stanza(stanza(replies))
    assert replies[0]["error"]["condition"] == "resource-constraint"
    gate.set()
    await first
    assert replies[1]["type"] == "result"


async def test_results_are_left_to_who_waits_for_them():
    async def take(*_):
        raise AssertionError("nobody asked us")

    replies = []
    await XmppLink(LOGIN, take)._on_stanza(stanza(replies, kind="result"))
    assert replies == []


async def test_without_a_login_nothing_is_sent():
    link = XmppLink(LOGIN, None)
    with pytest.raises(Unreachable, match="not connected yet"):
        await link.request("a@b/c", b"<a/>", 1.0)
    with pytest.raises(Unreachable):
        await link.services(1.0)
    assert link.jid == LOGIN.jid
    await link.stop()


async def test_a_stanza_without_end_closes_the_connection(monkeypatch):
    client = _Client(LOGIN.jid, "")
    ended = []
    monkeypatch.setattr(client, "abort", lambda: ended.append(True))
    client.init_parser()
    client.data_received(b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
    client.data_received(b"<iq type='set'><a>")
    filler = b"x" * 65_536
    for _ in range(2 * DOCUMENT_LIMITS.octets // len(filler) + 2):
        client.data_received(filler)
    assert ended
