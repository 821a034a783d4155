"""The default controls of the server's programs, as default controls of the engine for each of our devices.

They stand while no event rules, also while the link is down: the engine keeps them. They are changed and taken away
only by what the server was seen to say.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from gridiface.domain.clock import Instant
from gridiface.domain.ports import Change, ControlInbox, Document, Ledger
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2 import documents
from gridiface.northbound.sep2.translate.upstream import default_control
from gridiface.northbound.sep2.upstream.origins import CurveUnknown, Origins
from gridiface.northbound.sep2.upstream.settings import UpstreamSettings
from gridiface.protocols.sep2.client import Client
from gridiface.protocols.sep2.resources import DefaultDERControl, DERProgram
from gridiface.protocols.xmlwire import encode

_log = logging.getLogger("gridiface.sep2.upstream")

Key = tuple[str, str]
"""(LFDI, program's mRID)."""


@dataclass(frozen=True, slots=True)
class Held:
    """One default as it was taken: the digest of what the server said, and the engine's control ("": none)."""

    digest: str
    control: str


class Defaults:
    """The defaults of one session.

    Args:
        settings: of the session.
        ledger, inbox: the ports.
        origins: whom they concern.
    """

    def __init__(self, settings: UpstreamSettings, *, ledger: Ledger, inbox: ControlInbox, origins: Origins) -> None:
        self.space = f"{settings.space}/default"
        self._ledger = ledger
        self._inbox = inbox
        self._origins = origins
        self._targets = settings.targets
        self._held: dict[Key, Held] = {}

    def load(self, found: Iterable[Document]) -> None:
        """Take up what was known before a restart."""
        for document in found:
            head = documents.open_record(document).head
            self._held[head["lfdi"], head["program"]] = Held(head["digest"], head["control"])

    async def carry_out(self, client: Client, now: Instant) -> None:
        """Bring the engine's defaults up to what the server says, as far as that is known.

        Raises:
            StoreUnavailable: what is left is done at the next call.
        """
        for lfdi in self._targets:
            wanted = client.followers.defaults_of(client.devices[lfdi])
            if wanted is None:
                continue
            names = {program.mRID for program, _ in wanted}
            for program, default in wanted:
                await self._take(lfdi, program, default, now)
            for key in [key for key in self._held if key[0] == lfdi and key[1] not in names]:
                await self._drop(key, now)

    async def abandon(self, now: Instant) -> None:
        """Take away the defaults of devices that the session does not stand for any more.

        Raises:
            StoreUnavailable: what is left is done at the next call.
        """
        for key in [key for key in self._held if key[0] not in self._targets]:
            await self._drop(key, now)

    async def _take(self, lfdi: str, program: DERProgram, default: DefaultDERControl, now: Instant) -> None:
        key = (lfdi, program.mRID)
        digest = hashlib.sha256(encode(default) + str(program.primacy).encode()).hexdigest()
        before = self._held.get(key)
        if before is not None and before.digest == digest:
            return
        origin = self._origins.origin(lfdi)
        control = None
        try:
            curves = self._origins.curves(program.mRID)
            control = default_control(default, program.mRID, program.primacy, origin, curves, now)
        except CurveUnknown:
            return
        except RemoteProtocolError as problem:
            _log.warning("the default control of program %s is not valid: %s", program.mRID, problem.reason)
        if control is not None:
            after = Held(digest, control.id)
            answer = await self._inbox.submit(control, now, along=[self._put(key, after)])
            if answer.will_run:
                self._held[key] = after
                return
            _log.warning("the default control of program %s is not taken: %s", program.mRID, answer.reason)
        await self._drop(key, now)
        after = Held(digest, "")
        await self._ledger.commit([self._put(key, after)])
        self._held[key] = after

    async def _drop(self, key: Key, now: Instant) -> None:
        held = self._held.get(key)
        if held is None:
            return
        change = documents.delete(self.space, _name(key))
        if not held.control or not await self._inbox.cancel(held.control, now, reason="no default", along=[change]):
            await self._ledger.commit([change])
        del self._held[key]

    def _put(self, key: Key, held: Held) -> Change:
        head = {"lfdi": key[0], "program": key[1], "digest": held.digest, "control": held.control}
        return documents.put(self.space, _name(key), None, head)


def _name(key: Key) -> str:
    return f"{key[1]}/{key[0]}"
