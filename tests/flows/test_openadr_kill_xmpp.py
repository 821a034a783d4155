"""The conversation of test_openadr_kill.py over XMPP: a real Prosody between two servers in processes of their own.

Stanzas are put off, dropped and doubled where they can be seen, on the link of the VTN to the server; both links are
cut; either side, and the server between them, is killed. GRIDIFACE_OPENADR_ROUNDS=n kills one at each step.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.flows.test_openadr_kill import ROUNDS, Side, Story, conversation, free_port
from tests.loopback.openadr_server.bad_way import MIXED, BadWay
from tests.loopback.openadr_server.prosody_server import DOMAIN, INSTALLED, SECRET, VTN_DOMAIN, Issuer, Prosody

pytestmark = [
    pytest.mark.processes,
    pytest.mark.xdist_group("prosody"),
    pytest.mark.timeout(400 * max(1, ROUNDS)),
    pytest.mark.skipif(not INSTALLED, reason="Debian's prosody and prosody-modules are not installed"),
]


class Way(BadWay):
    """As the conversation wants its links."""

    async def start(self) -> Way:
        await self.__aenter__()
        return self

    async def stop(self) -> None:
        await self.__aexit__()

    @property
    def good(self) -> bool:
        return not self.faults

    @good.setter
    def good(self, good: bool) -> None:
        if good:
            self.faults = ()


class Unsteady(Side):
    """A side whose links are cut where it is killed, and each second time the server goes with it."""

    story: XmppStory

    async def kill(self) -> None:
        if self.kills % 2 == 0:
            await asyncio.to_thread(self.story.server.stop)
        await asyncio.gather(self.story.link.cut(), self.story.back.cut())
        await super().kill()
        await asyncio.to_thread(self.story.server.start)


class XmppStory(Story):
    """Both sides as users of one server: the VTN as its component, the VEN by its certificate."""

    async def sides(self) -> tuple[dict[str, Any], dict[str, Any]]:
        place = self.folder / "xmpp"
        place.mkdir()
        self.server = Prosody(place, Issuer(place), free_port(), free_port())
        self.server.configure()
        await asyncio.to_thread(self.server.start)
        self.link = await Way(self.server.component_port, MIXED).start()
        self.back = await Way(self.server.port).start()
        secret, keys = place / "secret", self.server.issuer.issue("ven1", jid=f"ven1@{DOMAIN}")
        secret.write_text(SECRET)
        secret.chmod(0o600)
        vtn = {
            "vtn_id": "VTN-1",
            "listen": "127.0.0.1:0",
            "wishes": [],
            "vens": [{"ven_id": "VEN-A", "resources": ["site"], "jid": f"ven1@{DOMAIN}"}],
            "xmpp": {
                "component": {
                    "domain": VTN_DOMAIN,
                    "server": f"127.0.0.1:{self.link.port}",
                    "secret_file": str(secret),
                }
            },
        }
        ven = {
            "name": "utility",
            "ven_id": "VEN-A",
            "xmpp": {
                "jid": f"ven1@{DOMAIN}/client",
                "server": f"127.0.0.1:{self.back.port}",
                "tls": {
                    "certificate": str(keys.certificate),
                    "key": str(keys.key),
                    "roots": [str(self.server.issuer.root)],
                },
            },
        }
        return vtn, ven

    def side(self, name: str, config: dict[str, Any]) -> Side:
        made = Unsteady(self.folder, name, config)
        made.story = self
        return made

    def faults(self) -> int:
        return sum((self.link.struck["up"] + self.link.struck["down"]).values())

    async def stop(self) -> None:
        await super().stop()
        self.server.stop()


async def test_r507_a_conversation_over_xmpp_survives_kills_of_all_three_over_bad_links() -> None:
    await conversation(lambda folder: XmppStory(folder, push=False, seed=7))
