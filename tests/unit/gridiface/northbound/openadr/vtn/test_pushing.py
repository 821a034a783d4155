"""Whom the VTN calls how, and what of a VEN's answer counts as taken."""

from __future__ import annotations

import pytest
from aiohttp import web

from gridiface.northbound.openadr.settings import ListenSettings, VtnSettings
from gridiface.northbound.openadr.vtn.pushing import Pusher
from gridiface.northbound.openadr.wire.client import Unreachable
from gridiface.protocols.openadr.answers import ok
from gridiface.protocols.openadr.exchange import HttpRefused, Security
from gridiface.protocols.openadr.payloads.envelope import decode_payload, encode_payload
from gridiface.protocols.openadr.payloads.event import OadrDistributeEvent, OadrResponse
from gridiface.protocols.openadr.vtn import Push, Ven, VtnConfig

PAYLOAD = OadrDistributeEvent(requestID="d", vtnID="VTN")


class Clock:
    def now(self):
        return 1_800_000_000.0

    def monotonic(self):
        return 0.0


@pytest.fixture
async def ven():
    """A VEN that is pushed to: what it got, and what it answers with."""
    got, answers = [], []

    async def take(request):
        got.append((request.path, decode_payload(await request.read())[0]))
        return answers.pop(0)

    app = web.Application()
    app.router.add_post("/{tail:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}", got, answers
    await runner.cleanup()


@pytest.fixture
async def pusher():
    settings = VtnSettings(core=VtnConfig(vtn_id="VTN"), listen=ListenSettings())
    made = Pusher(settings, Security(), {}, None, Clock())
    yield made
    await made.close()


def push(address):
    return Push("V", address, "EiEvent", PAYLOAD)


@pytest.mark.parametrize("behind", ["", "/", "/OpenADR2/Simple/2.0b", "/OpenADR2/Simple/2.0b/"])
async def test_44_r511_an_address_may_end_before_the_profiles_path_or_behind_it(pusher, ven, behind):
    address, got, answers = ven
    answers.append(web.Response())
    assert await pusher.post(push(f"{address}{behind}"), Ven(venID="V")) is None
    assert got == [("/OpenADR2/Simple/2.0b/EiEvent", PAYLOAD)]


async def test_44_a_prefix_stays_before_it(pusher, ven):
    address, got, answers = ven
    answers.append(web.Response())
    await pusher.post(push(f"{address}/a/OpenADR2/Simple/2.0b"), Ven(venID="V"))
    assert [path for path, _ in got] == ["/a/OpenADR2/Simple/2.0b/EiEvent"]


async def test_the_answer_is_the_payload_that_came(pusher, ven):
    address, _, answers = ven
    said = OadrResponse(eiResponse=ok("r"), venID="V")
    answers.append(web.Response(body=encode_payload(said), content_type="application/xml"))
    assert await pusher.post(push(address), Ven(venID="V")) == said


@pytest.mark.parametrize("body", ["OK", "<html/>", "{}"])
async def test_44_a_push_that_is_taken_with_words_of_ones_own_is_taken(pusher, ven, body):
    address, _, answers = ven
    answers.append(web.Response(text=body))
    assert await pusher.post(push(address), Ven(venID="V")) is None


async def test_a_push_that_is_refused_is_not_taken(pusher, ven):
    address, _, answers = ven
    answers.append(web.Response(status=406, text="OK"))
    with pytest.raises(HttpRefused) as refused:
        await pusher.post(push(address), Ven(venID="V"))
    assert refused.value.answer == 406


async def test_a_ven_of_xmpp_is_not_reached_without_xmpp(pusher):
    with pytest.raises(Unreachable):
        await pusher.post(push("ven@example/x"), Ven(venID="V", transport="xmpp"))
