"""A look at a utility's server with our certificate: connects, reads, judges; writes nothing and starts nothing."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field, replace
from typing import Any

from gridiface.northbound.sep2.upstream.link import Link, LinkFailed
from gridiface.northbound.sep2.upstream.settings import Met, UpstreamSettings, client_config
from gridiface.protocols.sep2.client import Client, Outgoing
from gridiface.protocols.sep2.client_events import BadReply, RegistrationChecked
from gridiface.protocols.sep2.resources import DeviceCapability

_IDLE_S = 0.05


@dataclass(slots=True)
class Probe:
    """What was found.

    Attributes:
        server: LFDI that the server showed; "" where it was not reached.
        troubles: requests without an answer, and answers that the standard does not allow.
        steps: (what, whether it is well, what was found) in the order in which they stand on each other.
        resources: (href, resource, members of a list) of everything that was read.
    """

    server: str = ""
    troubles: list[str] = field(default_factory=list)
    steps: list[tuple[str, bool, str]] = field(default_factory=list)
    resources: list[tuple[str, str, int | None]] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Whether a session would work."""
        return all(fine for _, fine, _ in self.steps)


async def probe(settings: UpstreamSettings, *, longest_s: float = 30.0) -> Probe:
    """Read everything that a session would read, once.

    Args:
        settings: of the session.
        longest_s: what was not read by then is left out.

    Raises:
        ConfigError: a TLS file cannot be used.
    """
    found = Probe()
    settings.context(lambda _met: None)  # a file that cannot be used is the operator's mistake, not the server's
    client = Client(replace(client_config(settings), register=False), random.SystemRandom())

    def seen(met: Met) -> None:
        found.server = met.lfdi

    link = Link(
        lambda: settings.context(seen),
        timeout_s=settings.timeout_s,
        answer_bytes=settings.answer_bytes,
        connections=settings.parallel,
        stands_for=(settings.authority, settings.dcap),
        locate=settings.locate,
    )
    try:
        await _read(client, link, found, time.monotonic() + longest_s)
    finally:
        await link.close()
    _judge(settings, client, found)
    return found


async def _read(client: Client, link: Link, found: Probe, until: float) -> None:
    sending: set[asyncio.Task[None]] = set()
    while time.monotonic() < until and len(found.troubles) < 3:
        for outgoing in client.next_requests(time.time()):
            sending.add(asyncio.create_task(_exchange(client, link, outgoing, found)))
        if not sending:
            break
        _, sending = await asyncio.wait(sending, timeout=_IDLE_S, return_when=asyncio.FIRST_COMPLETED)
        while (event := client.next_event()) is not None:
            if isinstance(event, BadReply) and not event.read:
                found.troubles.append(f"{event.href}: {event.reason}")
            elif isinstance(event, RegistrationChecked) and not event.fits:
                found.troubles.append("the PIN of our registration is another one")
    for task in sending:
        task.cancel()


async def _exchange(client: Client, link: Link, outgoing: Outgoing, found: Probe) -> None:
    try:
        reply = await link.exchange(client.authority, outgoing.request)
    except LinkFailed as problem:
        found.troubles.append(str(problem))
        client.on_failure(outgoing.number, time.time())
        return
    if reply.status >= 400:
        found.troubles.append(f"{outgoing.request.target} was answered with {reply.status}")
    client.on_reply(outgoing.number, reply, time.time())


def _judge(settings: UpstreamSettings, client: Client, found: Probe) -> None:
    steps = found.steps
    trouble = "; ".join(dict.fromkeys(found.troubles))
    steps.append(("connection", bool(found.server), found.server or trouble))
    if not found.server:
        # What stands on it was not looked at: nothing is known of it, so nothing is blamed.
        return
    dcap = client.tree.value_at(client.tree.root)
    steps.append(("device capability", isinstance(dcap, DeviceCapability), client.tree.root if dcap else trouble))
    offset, clock = client.clock_offset, client.clock
    time_found = (
        f"offset {offset:+.1f} s, quality {clock.quality}" if offset is not None else (clock.refused or trouble)
    )
    steps.append(("time", offset is not None, time_found))
    own = client.devices[settings.lfdi].end_device
    steps.append(("own end device", own is not None, (own.href or "") if own else f"{settings.lfdi} is not listed"))
    enrolment = client.enrolment
    told = (
        "no PIN is configured"
        if settings.pin is None
        else ("PIN fits" if enrolment.checked else "it does not show the PIN that is configured")
    )
    steps.append(("registration", enrolment.trusted, told))
    for member in settings.members:
        device = client.devices[member.lfdi]
        programs = client.followers.assigned(device) or []
        listed = device.end_device is not None
        absent = "is not listed; the session registers it" if settings.register else "is not listed"
        told = f"{member.lfdi}: {len(programs)} programs" if listed else f"{member.lfdi} {absent}"
        steps.append((f"device {member.target.id}", listed or settings.register, told))
    for node in sorted(client.tree.nodes.values(), key=lambda one: one.href):
        if node.value is not None:
            members: list[Any] | None = getattr(node.value, "members", None)
            found.resources.append((node.href, node.kind.__name__, None if members is None else len(members)))
