"""The default controls of the server's programs, as default controls of the engine for each of our devices.

They stand while no event rules, also while the link is down: the engine keeps them. They are changed and taken away
only by what the server was seen to say.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from gridiface.domain.changes import Change, Document
from gridiface.domain.clock import Instant
from gridiface.domain.ports import ControlInbox, Ledger
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.served import documents
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
        #: By LFDI and program.
        self._held: dict[str, dict[str, Held]] = {}
        #: LFDIs of devices whose programs or defaults may have changed.
        self._due: dict[str, None] = {}

    def load(self, found: Iterable[Document]) -> None:
        """Take up what was known before a restart."""
        for document in found:
            head = documents.open_record(document).head
            self._hold((head["lfdi"], head["program"]), Held(head["digest"], head["control"]))

    async def carry_out(self, client: Client, now: Instant) -> None:
        """Bring the engine's defaults up to what the server says, as far as that is known.

        Raises:
            StoreUnavailable: what is left is done at the next call.
        """
        self._due |= {lfdi: None for lfdi in client.followers.take_fed() if lfdi in self._targets}
        for lfdi in list(self._due):
            wanted = client.followers.defaults_of(client.devices[lfdi])
            if wanted is None:
                # What is still to be read brings the device here again.
                del self._due[lfdi]
                continue
            names = {program.mRID for program, _ in wanted}
            taken = [await self._take(lfdi, program, default, now) for program, default in wanted]
            for program in [program for program in self._held.get(lfdi, {}) if program not in names]:
                await self._drop((lfdi, program), now)
            if all(taken):
                del self._due[lfdi]

    async def abandon(self, now: Instant) -> None:
        """Take away the defaults of devices that the session does not stand for any more.

        Raises:
            StoreUnavailable: what is left is done at the next call.
        """
        for lfdi in [lfdi for lfdi in self._held if lfdi not in self._targets]:
            for program in list(self._held[lfdi]):
                await self._drop((lfdi, program), now)

    async def _take(self, lfdi: str, program: DERProgram, default: DefaultDERControl, now: Instant) -> bool:
        """Take a default of one device; False while something of it is still to be read."""
        key = (lfdi, program.mRID)
        curves = self._origins.curves(lfdi, program.mRID)
        mark = self._origins.default_mark(default, lfdi, program.mRID)
        digest = hashlib.sha256(encode(default) + f"{program.primacy}{mark}".encode()).hexdigest()
        before = self._known(key)
        if before is not None and before.digest == digest:
            return True
        origin = self._origins.origin(lfdi)
        control = None
        try:
            control = default_control(default, program.mRID, program.primacy, origin, curves, now)
        except CurveUnknown:
            return False
        except RemoteProtocolError as problem:
            _log.warning("the default control of program %s is not valid: %s", program.mRID, problem.reason)
        if control is not None:
            after = Held(digest, control.id)
            answer = await self._inbox.submit(control, now, along=[self._put(key, after)])
            if answer.will_run:
                self._hold(key, after)
                return True
            _log.warning("the default control of program %s is not taken: %s", program.mRID, answer.reason)
        await self._drop(key, now)
        after = Held(digest, "")
        await self._ledger.commit([self._put(key, after)])
        self._hold(key, after)
        return True

    async def _drop(self, key: Key, now: Instant) -> None:
        held = self._known(key)
        if held is None:
            return
        change = documents.delete(self.space, _name(key))
        if not held.control or not await self._inbox.cancel(held.control, now, reason="no default", along=[change]):
            await self._ledger.commit([change])
        lfdi, program = key
        del self._held[lfdi][program]
        if not self._held[lfdi]:
            del self._held[lfdi]

    def _known(self, key: Key) -> Held | None:
        lfdi, program = key
        return self._held.get(lfdi, {}).get(program)

    def _hold(self, key: Key, held: Held) -> None:
        lfdi, program = key
        self._held.setdefault(lfdi, {})[program] = held

    def _put(self, key: Key, held: Held) -> Change:
        head = {"lfdi": key[0], "program": key[1], "digest": held.digest, "control": held.control}
        return documents.put(self.space, _name(key), None, head)


def _name(key: Key) -> str:
    return f"{key[1]}/{key[0]}"
