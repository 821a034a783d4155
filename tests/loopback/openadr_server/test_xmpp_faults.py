"""VTN and VEN over Prosody on a bad way: stanzas put off, dropped and doubled, connections cut. And what a stanza is
when it arrives, which is why nothing is signed over XMPP.

The VTN is a component, whose connection is not encrypted: all that either side sends passes there, so that both roles
meet each fault, in what they ask and in what they answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from lxml import etree
from tests.loopback.openadr_server.bad_way import DOUBLED, FAULTS, MIXED, BadWay
from tests.loopback.openadr_server.prosody_server import INSTALLED, Prosody
from tests.loopback.openadr_server.test_xmpp import ENTRY, nobody, prosody, settle_a_control
from tests.waiting import until

from gridiface.errors import RemoteProtocolError
from gridiface.northbound.openadr.wire.xmpp_link import XmppLink
from gridiface.protocols.openadr.answers import ok
from gridiface.protocols.openadr.payloads.envelope import decode_payload
from gridiface.protocols.openadr.payloads.event import OadrResponse
from gridiface.protocols.openadr.payloads.namespaces import OADR
from gridiface.protocols.openadr.replay import NonceMemory
from gridiface.protocols.openadr.signature import Signer, Verifier
from gridiface.protocols.openadr.ven import VenConfig
from gridiface.protocols.openadr.vtn import ReportWish, VtnConfig

__all__ = ["prosody"]  # The fixture.

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.xdist_group("prosody"),
    pytest.mark.skipif(not INSTALLED, reason="Debian's prosody and prosody-modules are not installed"),
]

LONG_S = 120.0


class Told:
    """What a side says of the messages that passed, through its trace."""

    def __init__(self):
        self.sent, self.taken, self.refused = set(), set(), []

    def __call__(self, passed):
        """Keep the requestIDs of reports: sent and acknowledged with 200, or received."""
        text = passed.text()
        if "oadrUpdateReport" not in passed.what.partition("→")[0]:
            return
        request = re.search(r"requestID[^>]*>([^<]+)<", text)[1]
        if passed.received:
            self.taken.add(request)
        elif re.search(r"UpdatedReport.*responseCode[^>]*>200<", text, re.DOTALL):
            self.sent.add(request)
        elif "responseCode" in text:
            self.refused.append(text)  # What timed out has no answer, and is no refusal.


@contextlib.asynccontextmanager
async def conversation(prosody: Prosody, make_house, faults):
    """A VTN and a VEN on bad ways, registered; gives them with their houses and ways."""
    async with BadWay(prosody.component_port, faults) as vtn_way, BadWay(prosody.port) as ven_way:
        head, site = make_house(batteries=False), make_house()
        vtn = head.vtn(
            vens=(ENTRY,),
            core=VtnConfig(
                vtn_id="VTN-1",
                profiles={"2.0b": ("simpleHttp", "xmpp")},
                reply_timeout=2.0,
                attempts=1000,
                wishes=(ReportWish(name="TELEMETRY_USAGE", granularity=1, back=1),),
            ),
            xmpp=replace(prosody.component(), port=vtn_way.port),
            push_timeout_s=2.0,
        )
        login = replace(prosody.login("ven1"), port=ven_way.port)
        core = VenConfig(name="ven1", ven_id="VEN-A", transport="xmpp", push_address=login.jid)
        ven = site.ven("", core=core, xmpp=login, timeout_s=2.0)
        told = {"vtn": Told(), "ven": Told()}
        vtn.listen_in(told["vtn"])
        ven.listen_in(told["ven"])
        await head.run(vtn)
        await site.run(ven)
        try:
            yield head, site, vtn, ven, (vtn_way, ven_way), told
        finally:
            for house in (site, head):
                await house.stop()
                house.adapters.clear()


async def agree(vtn, ven, told):
    """Both ends come to rest and say the same of everything that either has confirmed to the other."""
    running = list(vtn.core.reports("VEN-A").running)
    await vtn.do(lambda core, _: core.cancel_reports("VEN-A", running))
    await until(lambda: not ven.core.pending_reports, "the end of the reports")
    await until(lambda: ven.core.waiting == 0, "nothing waits at the VEN")
    await until(lambda: vtn.core._mailbox.count("VEN-A") == 0, "nothing waits at the VTN")
    assert told["ven"].sent
    assert told["ven"].sent <= told["vtn"].taken
    assert list(vtn.core.vens) == ["VEN-A"]
    assert vtn.core.vens["VEN-A"].registrationID == ven.core.registration.registrationID is not None
    for event_id, known in ven.core.events.items():
        record = vtn.core.events[event_id]
        assert vtn.core.delivery("VEN-A", event_id).opt == known.opt == "optIn"
        assert record.event.modification == known.event.modification
        assert len(ven.controls_of(event_id)) == 1


async def test_nothing_acknowledged_is_lost_over_a_bad_way_to_the_server(prosody, make_house, fleet):
    async with conversation(prosody, make_house, MIXED) as (head, site, vtn, ven, ways, told):
        await until(lambda: ven.up and head.engine.device("site-a") is not None, "registration")
        await settle_a_control(head, site, fleet, until, "C1")
        await until(
            lambda: all(ways[0].struck[way][fault] >= 2 for way in ("up", "down") for fault in FAULTS), "every fault"
        )
        reports = len(told["ven"].sent)
        for way in ways:
            await way.cut()
        await until(lambda: vtn._xmpp.up and ven._xmpp._link.up, "both are back")
        await settle_a_control(head, site, fleet, until, "C2")
        await until(lambda: len(told["ven"].sent) > reports + 3, "reports after the cut")
        ways[0].faults = ()
        for way in ways:
            await way.cut()  # The new connections are good ones.
        await until(lambda: vtn._xmpp.up and ven._xmpp._link.up, "both are back on a good way")
        await agree(vtn, ven, told)


async def test_doubled_stanzas_change_nothing(prosody, make_house, fleet):
    """Every request and every answer comes twice, in both directions, from the first to the last."""
    async with conversation(prosody, make_house, DOUBLED) as (head, site, vtn, ven, ways, told):
        await until(lambda: ven.up and head.engine.device("site-a") is not None, "registration")
        await until(lambda: vtn.members.latest("site-a"), "telemetry")
        await settle_a_control(head, site, fleet, until, "C1")
        await until(lambda: len(told["ven"].sent) >= 3, "reports")
        await until(lambda: all(ways[0].struck[way]["double"] > 10 for way in ("up", "down")), "doubles")
        await agree(vtn, ven, told)
        # Each report was counted once, however often it came, and the first answer was always the good one.
        counted = sum(one.reports for one in vtn.core.reports("VEN-A").running.values())
        assert counted == len(told["vtn"].taken)
        assert told["ven"].refused == []


async def test_a_signature_does_not_outlive_a_stanza_in_either_canonical_form(prosody):
    """The server and the libraries at both ends keep namespaces and not prefixes; canonical XML keeps prefixes."""
    arrived = asyncio.Queue()

    async def take(document, *_):
        await arrived.put(document)

    pair = prosody.issuer.issue("signer", jid="signer@xmpp.test")
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    signer = Signer(key, certificate.public_bytes(serialization.Encoding.DER))
    now = time.time()
    signed = signer.sign(OadrResponse(eiResponse=ok("r"), venID="v"), now, "a nonce")
    assert Verifier(NonceMemory()).verify(decode_payload(signed)[1], lambda _: True, now)
    ven, vtn = XmppLink(prosody.login("ven1"), nobody), XmppLink(prosody.component(), take)
    await vtn.start()
    await ven.start()
    try:
        await until(lambda: ven.up and vtn.up, "both logins")
        assert await ven.request("vtn.xmpp.test", signed, LONG_S) is None
    finally:
        await ven.stop()
        await vtn.stop()
    payload, root = decode_payload(arrived.get_nowait())
    # schemaVersion has a prefix, so it is lost as well.
    assert payload.schemaVersion is None
    assert replace(payload, schemaVersion="2.0b") == decode_payload(signed)[0]
    with pytest.raises(RemoteProtocolError):
        Verifier(NonceMemory()).verify(root, lambda _: True, now)

    def canonical(tree, exclusive):
        return etree.tostring(tree.find(f"{{{OADR}}}oadrSignedObject"), method="c14n", exclusive=exclusive)

    for exclusive in (False, True):
        assert canonical(root, exclusive) != canonical(etree.fromstring(signed), exclusive)
