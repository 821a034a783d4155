"""VTN and VEN over a real Prosody: discovery, SASL EXTERNAL, push both ways, hostile senders, lost servers."""

from __future__ import annotations

from contextlib import suppress

import pytest
from tests.loopback.openadr_server.prosody_server import DOMAIN, INSTALLED, VTN_DOMAIN, Issuer, Prosody, free_port

from gridiface.app.process.clock import SystemClock
from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, OutcomeKind, Source
from gridiface.domain.fleet import DeviceKind
from gridiface.errors import ConfigError, RemoteProtocolError, StoreUnavailable
from gridiface.northbound.openadr.settings import MemberSettings, VenEntry, XmppSettings
from gridiface.northbound.openadr.wire.client import Unreachable
from gridiface.northbound.openadr.wire.xmpp import VtnXmpp
from gridiface.northbound.openadr.wire.xmpp_link import XmppLink
from gridiface.pki.contexts import client_context
from gridiface.protocols.openadr.payloads.envelope import encode_payload
from gridiface.protocols.openadr.payloads.event import OadrPoll
from gridiface.protocols.openadr.payloads.registration import OadrCreatePartyRegistration, OadrQueryRegistration
from gridiface.protocols.openadr.stanzas import payload_of
from gridiface.protocols.openadr.ven import VenConfig
from gridiface.protocols.openadr.vtn import ReportWish, VtnConfig

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.xdist_group("prosody"),
    pytest.mark.skipif(not INSTALLED, reason="Debian's prosody and prosody-modules are not installed"),
]
MEMBER = MemberSettings(
    device_id="site-a",
    kind=DeviceKind.BATTERY,
    resource="site",
    max_w=20_000.0,
    rated_load_w=20_000.0,
    groups=("fleet",),
)


@pytest.fixture
def prosody(tmp_path):
    server = Prosody(tmp_path, Issuer(tmp_path), free_port(), free_port())
    server.configure()
    server.start()
    yield server
    server.stop()


def vtn_of(house, prosody, *entries, settings=None, **core):
    config = VtnConfig(
        vtn_id="VTN-1",
        profiles={"2.0b": ("simpleHttp", "xmpp")},
        reply_timeout=2.0,
        attempts=20,
        wishes=(ReportWish(name="TELEMETRY_USAGE", granularity=1, back=1),),
        **core,
    )
    return house.vtn(vens=entries, core=config, xmpp=settings or prosody.component())


def ven_of(house, prosody, user="ven1", **more):
    settings = prosody.login(user, **more)
    core = VenConfig(name=user, ven_id="VEN-A", transport="xmpp", push_address=settings.jid)
    return house.ven("", core=core, xmpp=settings)


def control(fleet, name, watts, now):
    return Control(
        id=name,
        source=Source(protocol="test"),
        target=fleet,
        values={ControlMode.SET_W: ModeValue(watts)},
        interval=Interval(now, 600.0),
        created=now,
    )


ENTRY = VenEntry(ven_id="VEN-A", jid=f"ven1@{DOMAIN}", members=(MEMBER,))


async def settle_a_control(head, site, fleet, eventually, name="C"):
    now = head.clock.now()
    answer = await head.dispatch.submit(control(fleet, name, 5000.0, now), now)
    assert answer.will_run
    await eventually(lambda: abs(sum(site.batteries.watts.values()) - 5000.0) < 50.0, "the devices behind the VEN")
    kinds = {OutcomeKind.RECEIVED, OutcomeKind.STARTED}
    await eventually(
        lambda: kinds <= {o.kind for o in head.ledger.outcomes if o.control_id == name and o.device_id},
        "the VEN's word on it",
    )


async def test_r507_r515_a_control_reaches_the_devices_behind_a_ven_that_finds_its_vtn_by_discovery(
    prosody, make_house, fleet, eventually
):
    head, site = make_house(batteries=False), make_house()
    vtn, ven = vtn_of(head, prosody, ENTRY), ven_of(site, prosody)
    await head.run(vtn)
    await site.run(ven)
    await eventually(lambda: ven.up and head.engine.device("site-a") is not None, "registration")
    known = vtn.core.vens["VEN-A"]
    assert (known.transport, known.address, known.pull) == ("xmpp", f"ven1@{DOMAIN}/client", False)
    await eventually(lambda: vtn.members.latest("site-a"), "telemetry by oadrUpdateReport")
    await settle_a_control(head, site, fleet, eventually)


async def test_a_vtn_that_is_a_user_of_the_server_is_found_where_the_directory_says(
    prosody, make_house, fleet, eventually
):
    head, site = make_house(batteries=False), make_house()
    vtn = vtn_of(head, prosody, ENTRY, settings=prosody.login("vtn"))
    ven = ven_of(site, prosody, directory=f"vtn@{DOMAIN}/client")
    await head.run(vtn)
    await site.run(ven)
    await eventually(lambda: ven.up and head.engine.device("site-a") is not None, "registration")
    await settle_a_control(head, site, fleet, eventually)


async def test_both_come_back_when_the_server_was_away(prosody, make_house, fleet, eventually):
    head, site = make_house(batteries=False), make_house()
    vtn, ven = vtn_of(head, prosody, ENTRY), ven_of(site, prosody)
    await head.run(vtn)
    await site.run(ven)
    await eventually(lambda: ven.up and head.engine.device("site-a") is not None, "registration")
    await eventually(lambda: vtn.members.latest("site-a"), "telemetry")
    prosody.stop()
    await eventually(lambda: not vtn._xmpp.up, "the VTN sees that the server is gone")
    prosody.start()
    await eventually(lambda: vtn._xmpp.up, "the VTN is back")
    await settle_a_control(head, site, fleet, eventually, "after")


async def test_a_vtn_that_dies_after_a_commit_goes_on_when_it_is_back(prosody, make_house, fleet, eventually):
    head, site = make_house(batteries=False), make_house()
    await head.run(vtn_of(head, prosody, ENTRY))
    ven = ven_of(site, prosody)
    await site.run(ven)
    await eventually(lambda: ven.up and head.engine.device("site-a") is not None, "registration")
    # What is stored next is durable, and nothing of it leaves.
    head.ledger.commits, head.ledger.die_at, head.ledger.dies_after = 0, 0, True
    now = head.clock.now()
    with suppress(StoreUnavailable):
        await head.dispatch.submit(control(fleet, "C", 5000.0, now), now)
    await eventually(head.ledger.dead.is_set, "its death")
    await head.stop()
    head.adapters.clear()
    again = make_house(head.ledger.revived(), batteries=False)
    vtn = vtn_of(again, prosody, ENTRY)
    await again.run(vtn)
    await eventually(lambda: vtn._xmpp.up, "the login of the next one")
    await settle_a_control(again, site, fleet, eventually, "after")
    assert len(vtn.core.vens) == 1


async def test_a_user_whom_nobody_listed_is_not_registered(prosody, make_house, eventually):
    head = make_house(batteries=False)
    vtn = vtn_of(head, prosody, ENTRY)
    await head.run(vtn)
    await eventually(lambda: vtn._xmpp.up, "the VTN's login")
    async with link(prosody.login("mallory"), eventually) as mallory:
        where = await mallory.services(10.0)
        assert set(where) == {"EiEvent", "EiReport", "EiRegisterParty", "EiOpt"}
        asked = OadrCreatePartyRegistration(
            requestID="q",
            venID="VEN-A",
            oadrProfileName="2.0b",
            oadrTransportName="xmpp",
            oadrTransportAddress=f"mallory@{DOMAIN}/client",
            oadrReportOnly=False,
            oadrXmlSignature=False,
        )
        answer = payload_of(await mallory.request(where["EiRegisterParty"], encode_payload(asked), 10.0))
        assert answer.eiResponse.responseCode == "463"
    assert list(vtn.core.vens) == ["VEN-A"]
    assert vtn.core.vens["VEN-A"].registrationID is None


async def test_what_is_no_payload_gets_bad_request_and_a_poll_is_refused(prosody, make_house, eventually):
    head = make_house(batteries=False)
    vtn = vtn_of(head, prosody, ENTRY)
    await head.run(vtn)
    await eventually(lambda: vtn._xmpp.up, "the VTN's login")
    async with link(prosody.login("ven1"), eventually) as ven:
        where = await ven.services(10.0)
        broken = b'<oadrPayload xmlns="http://openadr.org/oadr-2.0b/2012/07"><nothing/></oadrPayload>'
        with pytest.raises(RemoteProtocolError) as refused:
            await ven.request(where["EiEvent"], broken, 10.0)
        assert refused.value.answer == 406
        # Rule 500: polls belong to simple HTTP.
        answer = payload_of(await ven.request(where["EiEvent"], encode_payload(OadrPoll(venID="VEN-A")), 10.0))
        assert answer.eiResponse.responseCode != "200"
        with pytest.raises(Unreachable):
            await ven.request(f"nobody@{DOMAIN}/here", broken, 10.0)


async def test_a_ven_listens_to_its_vtn_only(prosody, make_house, eventually):
    head, site = make_house(batteries=False), make_house()
    vtn, ven = vtn_of(head, prosody, ENTRY), ven_of(site, prosody)
    await head.run(vtn)
    await site.run(ven)
    await eventually(lambda: ven.up, "registration")
    async with link(prosody.login("mallory"), eventually) as mallory:
        with pytest.raises(RemoteProtocolError) as refused:
            await mallory.request(f"ven1@{DOMAIN}/client", encode_payload(OadrQueryRegistration(requestID="q")), 10.0)
        assert refused.value.answer == 403


async def test_a_push_goes_to_the_jid_of_the_ven_and_to_no_other(prosody, make_house, fleet, eventually):
    head = make_house(batteries=False)
    vtn = vtn_of(head, prosody, ENTRY)
    await head.run(vtn)
    await eventually(lambda: vtn._xmpp.up, "the VTN's login")
    ven = vtn.core.vens["VEN-A"]
    ven.transport = "xmpp"
    with pytest.raises(Unreachable, match="is not its JID"):
        vtn._pusher._sender(ven, f"mallory@{DOMAIN}/client", signed=False)
    assert vtn._pusher._sender(ven, f"ven1@{DOMAIN}/client", signed=False) is vtn._xmpp


async def test_a_server_of_another_root_is_not_logged_in_to(prosody, tmp_path, eventually):
    other = tmp_path / "other"
    other.mkdir()
    stranger = Issuer(other)
    pair = prosody.issuer.issue("ven9", jid=f"ven9@{DOMAIN}")
    settings = XmppSettings(
        jid=f"ven9@{DOMAIN}/client",
        host="127.0.0.1",
        port=prosody.port,
        context=lambda: client_context("openadr", key_pairs=(pair,), roots=(stranger.root,)),
    )
    ven = XmppLink(settings, nobody)
    await ven.start()
    try:
        await eventually(lambda: ven.trouble != "not connected yet", "the refusal")
        assert not ven.up
        with pytest.raises(Unreachable):
            await ven.request(VTN_DOMAIN, b"<a/>", 1.0)
    finally:
        await ven.stop()


async def test_a_component_with_a_wrong_secret_stays_outside(prosody, eventually):
    vtn = VtnXmpp(prosody.component("wrong"), {}, nobody, SystemClock(), 5.0)
    await vtn.start()
    try:
        await eventually(lambda: "connection lost" in vtn._link.trouble, "the refusal")
        assert not vtn.up
    finally:
        await vtn.close()


async def test_a_login_without_tls_is_not_made():
    with pytest.raises(ConfigError, match="without TLS"):
        await XmppLink(XmppSettings(jid="a@b/c", host="127.0.0.1", port=1), nobody).start()


async def nobody(*_):
    raise AssertionError("nothing is sent here")


class link:  # noqa: N801 - reads as a verb
    """A login of somebody who only asks."""

    def __init__(self, settings, eventually):
        self._link, self._eventually = XmppLink(settings, nobody), eventually

    async def __aenter__(self):
        await self._link.start()
        await self._eventually(lambda: self._link.up, f"login: {self._link.trouble}")
        return self._link

    async def __aexit__(self, *_):
        await self._link.stop()
