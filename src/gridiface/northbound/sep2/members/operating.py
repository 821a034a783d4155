"""What is changed while the server runs: who is let in, and how often clients poll and post. Durable, then shown.

Owns the run-time values and their documents; what the configuration says counts until one of them is set. Who may
change them is the callers' matter: the operator (server.py) and a device for its own postRate (handlers).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.domain.fleet import Device
from gridiface.errors import ConfigError
from gridiface.northbound.sep2.members.membership import OWN_DRIVERS
from gridiface.northbound.sep2.members.metering import Metering, Mirror, mirror_head
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.served.documents import Record
from gridiface.northbound.sep2.served.records import record_head
from gridiface.northbound.sep2.served.services import Services
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord
from gridiface.northbound.sep2.settings import DEFAULT_POLL_RATES
from gridiface.protocols.sep2.resources import MirrorUsagePoint

_SLOWEST_S = 86_400


class Operating:
    """Run-time changes.

    Args:
        services: state, ports, settings.
        metering: the mirrors, which show their device's postRate.
    """

    def __init__(self, services: Services, metering: Metering) -> None:
        self._s = services
        self._metering = metering

    # --- who is let in ----------------------------------------------------------------------------------------------

    async def set_enabled(self, lfdi: str, enabled: bool, now: Instant) -> None:
        """Let a certificate in, or treat it as not registered from its next request on; its record is kept.

        While it is kept out, the engine does not count a member that is reached through it alone.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        state = self._s.state
        if (lfdi not in state.disabled) == enabled:
            return
        key = documents.DISABLED, lfdi
        changes: list[Change] = [documents.delete(*key) if enabled else documents.put(*key, None)]
        record = state.by_lfdi.get(lfdi)
        if record is not None:
            changes.append(_stored(replace(record, changed=int(now))))
        device = self._member(record)
        if device is not None:
            await self._s.registry.register(replace(device, enabled=enabled), now, along=changes)
        else:
            await self._s.ledger.commit(changes)
        self._disable(lfdi, not enabled)
        if record is not None:
            record.changed = int(now)
            self._show(record)

    def _member(self, record: EndDeviceRecord | None) -> Device | None:
        """The fleet's device that is reached through this end device alone: without it, it takes no part."""
        device = self._s.fleet.device(record.device_id) if record is not None and record.device_id else None
        return device if device is not None and device.driver in OWN_DRIVERS else None

    def _disable(self, lfdi: str, disabled: bool) -> None:
        (self._s.state.disabled.add if disabled else self._s.state.disabled.discard)(lfdi)
        self._s.doorman.forget()

    def _show(self, record: EndDeviceRecord) -> None:
        item = self._s.tree.item(record.path)
        if item is not None:
            shown = replace(
                item.obj,
                changedTime=record.changed,
                enabled=record.lfdi not in self._s.state.disabled,
                postRate=self._s.state.post_rate_of(record),
            )
            self._s.tree.set(item, shown)

    # --- rates ------------------------------------------------------------------------------------------------------

    async def set_post_rate(self, record: EndDeviceRecord, seconds: int | None, now: Instant) -> None:
        """Change postRate of an end device and of its mirrors; None: as configured.

        Raises:
            ConfigError: not 1 s to a day.
            StoreUnavailable: nothing was changed.
        """
        after = replace(record, changed=int(now), post_rate=seconds)
        rate = self._s.state.post_rate_of(after)
        _check(rate)
        mirrors = [m for m in self._metering.mirrors.values() if m.device_lfdi == record.lfdi]
        shown = {mirror.number: self._with_rate(mirror, rate) for mirror in mirrors}
        changes: list[Change] = [_stored(after)]
        changes += [
            documents.put(documents.MIRRORS, mirror.path, shown[mirror.number], mirror_head(mirror))
            for mirror in mirrors
            if shown[mirror.number] is not None
        ]
        await self._s.ledger.commit(changes)
        record.changed, record.post_rate = after.changed, seconds
        self._show(record)
        for mirror in mirrors:
            obj = shown[mirror.number]
            if obj is not None:
                self._metering.update(mirror, obj)

    def _with_rate(self, mirror: Mirror, seconds: int) -> MirrorUsagePoint | None:
        item = self._s.tree.item(mirror.path)
        return None if item is None else replace(item.obj, postRate=seconds)

    async def set_poll_rate(self, resource: str, seconds: int) -> None:
        """Change the pollRate that all resources of a name show.

        Raises:
            ConfigError: the resource has none, or not 1 s to a day.
            StoreUnavailable: nothing was changed.
        """
        _check(seconds)
        if resource not in DEFAULT_POLL_RATES:
            raise ConfigError(f"{resource} has no pollRate; known: {', '.join(DEFAULT_POLL_RATES)}")
        await self._s.ledger.commit([documents.put(documents.RATES, resource, None, {"seconds": seconds})])
        self._s.state.poll_rates[resource] = seconds
        tree = self._s.tree
        tree.forget_all()
        for path in list(tree.watched):
            if (node := tree.get(path)) is not None and node.kind.name == resource:
                tree.on_change(path, None)

    # --- start ------------------------------------------------------------------------------------------------------

    def load(self, space: str, record: Record) -> None:
        """Take a stored value up, before end devices are placed."""
        if space == documents.DISABLED:
            self._s.state.disabled.add(record.key)
        else:
            head: Mapping[str, int] = record.head
            self._s.state.poll_rates[record.key] = int(head["seconds"])


def _stored(record: EndDeviceRecord) -> Change:
    return documents.put(documents.END_DEVICES, str(record.number), None, record_head(record))


def _check(seconds: int) -> None:
    if not 1 <= seconds <= _SLOWEST_S:
        raise ConfigError(f"a rate is 1 to {_SLOWEST_S} s, not {seconds}")
