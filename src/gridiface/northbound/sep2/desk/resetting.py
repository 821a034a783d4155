"""Back to the start: everything that clients, utilities and operators made is taken away, durably, step by step.

What the configuration and the fleet say stays: their end devices, programs and assignments; so do certificates that
the operator registered. Each step is one
transaction; a store that fails in between leaves a server that is reset in part and says so.
"""

from __future__ import annotations

from collections.abc import Iterable

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.northbound.sep2.core import Sep2Core
from gridiface.northbound.sep2.members.metering import stored_paths
from gridiface.northbound.sep2.members.placing import DER_RESOURCES, unwritten
from gridiface.northbound.sep2.published.publications import ROOTS
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.served.event_clock import is_live
from gridiface.northbound.sep2.served.nodes import Listing
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord, EventRecord, Program, Publication

#: What devices wrote about themselves, by the last part of the path.
_STATED = ("cfg", "fs", "dstat", "di", "ps", "cp")


class Resetting:
    """Takes away what was made while the server ran."""

    def __init__(self, core: Sep2Core) -> None:
        self._core = core
        self._state = core.state
        self._s = core.services

    async def everything(self, now: Instant) -> dict[str, int]:
        """All of it; returns how many of what.

        Raises:
            StoreUnavailable: what was done so far is done.
        """
        state = self._state
        done = {"subscriptions": await self._subscriptions()}
        done["managed"] = await self._managed(now)
        done["end devices"] = await self._in_band(now)
        done["controls"] = sum([await self._program(program, now) for program in list(state.programs.values())])
        added = [program for program in state.programs.values() if program.assignment]
        for program in added:
            await self._core.assignments.remove_program(program, now)
        done["programs"] = len(added)
        done["assignments"] = await self._assignments(now)
        done["publications"] = await self._publications(now)
        done["mirrors"] = await self.mirrors(None)
        done["responses"] = await self._responses()
        done["access"] = await self._access(now)
        done["poll rates"] = await self._rates()
        done["post rates"] = await self._post_rates(now)
        done["primacies"] = await self._primacies(now)
        done["device resources"] = sum([await self._device(record, now) for record in list(state.end_devices.values())])
        await self._left()
        return done

    async def _drop(self, keys: Iterable[tuple[str, str]]) -> None:
        changes: list[Change] = [documents.delete(space, key) for space, key in keys]
        if changes:
            await self._s.ledger.commit(changes)

    async def mirrors(self, lfdi: str | None) -> int:
        """Forget all mirrors, or those of one end device.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        metering = self._core.metering
        gone = [m for m in metering.mirrors.values() if lfdi in {None, m.device_lfdi}]
        paths = [path for mirror in gone for path in stored_paths(mirror)]
        await self._drop((space, path) for path in paths if (space := documents.space_of(path)) is not None)
        for mirror in gone:
            metering.remove(mirror)
        return len(gone)

    async def _subscriptions(self) -> int:
        subscribers = list(self._core.subscriptions.all())
        await self._drop(
            (space, s.item.path) for s in subscribers for space in (documents.SUBSCRIPTIONS, documents.TOLD)
        )
        for subscriber in subscribers:
            self._core.subscriptions.forget(subscriber.item.path)
            self._state.tree.remove(subscriber.item.path)
        return len(subscribers)

    async def _managed(self, now: Instant) -> int:
        """What the operator put under aggregators."""
        put = {lfdi for record in self._state.end_devices.values() for lfdi in record.aggregators}
        return sum([await self._core.managing.release_all(lfdi, now) for lfdi in sorted(put)])

    async def _in_band(self, now: Instant) -> int:
        gone = [record for record in self._state.end_devices.values() if record.in_band]
        for record in gone:
            await self._core.membership.remove(record, now)
        if gone:
            await self._core.topology.reconcile(now)
        return len(gone)

    async def _program(self, program: Program, now: Instant) -> int:
        """The events, the default and the curves of one program.

        What the server made of set-points goes as soon as it is over, which is up to the engine.
        """
        count = await self._core.programs.cancel_all(program, now, reason="the server is reset")
        posted = [record for record in program.events.values() if not record.server_made]
        await self._drop_events(posted)
        for record in program.events.values():
            record.forgotten = True
        self._core.events.refresh(program, now)
        default = self._state.tree.item(f"{program.path}/dderc")
        if default is not None and default.obj is not None:
            await self._core.programs.defaults.remove(program, now)
        curves = self._state.tree.listing(f"{program.path}/dc")
        used = any(is_live(record, int(now)) for record in program.events.values())
        if curves is not None and not used:
            await self._clear(curves)
        return max(count, len(posted))

    async def _drop_events(self, events: Iterable[EventRecord]) -> None:
        gone = list(events)
        await self._drop((documents.CONTROLS, record.item.path) for record in gone)
        for record in gone:
            self._state.drop_event(record)
            self._state.tree.remove(record.item.path)

    async def _clear(self, listing: Listing) -> int:
        """Every member of a list with what is below it."""
        paths = list(listing.items)
        below = [p for path in paths for p in self._state.tree.below(path)]
        await self._drop((space, path) for path in below if (space := documents.space_of(path)) is not None)
        for path in paths:
            self._state.tree.remove(path)
        return len(paths)

    async def _assignments(self, now: Instant) -> int:
        added = [
            (record, path)
            for record in self._state.end_devices.values()
            if (listing := self._state.tree.listing(f"{record.path}/fsa")) is not None
            for path in list(listing.items)
            if path.rpartition("/")[2].startswith("a")
        ]
        for record, path in added:
            await self._core.assignments.remove(record, path, now)
        return len(added)

    async def _publications(self, now: Instant) -> int:
        count = 0
        for root in ROOTS:
            listing = self._state.tree.listing(f"/{root}")
            published = [i for i in listing.items.values() if isinstance(i.data, Publication)] if listing else []
            for item in published:
                await self._core.publishing.remove(item, now, cancel=True)
            count += len(published)
        return count

    async def _responses(self) -> int:
        count = 0
        sets = self._state.tree.listing("/rsps")
        for path in list(sets.items) if sets is not None else ():
            listing = self._state.tree.listing(f"{path}/rsp")
            if listing is not None:
                count += await self._clear(listing)
                self._core.responses.forget(listing.data)
        return count

    async def _device(self, record: EndDeviceRecord, now: Instant) -> int:
        """What one end device wrote: log events, lists of its own, reservations, its information resources."""
        count, tree = 0, self._state.tree
        for name in ("lel", "di/loc", "ns", "cfg/prcfg", "lsl", "frq"):
            listing = tree.listing(f"{record.path}/{name}")
            count += await self._clear(listing) if listing is not None else 0
        grants = self._state.event_sets.get(f"{record.path}/frp")
        if grants is not None:
            for event in list(grants.events.values()):
                await self._core.publishing.withdraw(event, now)
            del self._state.event_sets[grants.path]
            tree.remove(grants.responses.rpartition("/")[0])
        stated = [*_STATED, *(f"der/1/{name}" for name in DER_RESOURCES)]
        items = [item for name in stated if (item := tree.item(f"{record.path}/{name}")) is not None and item.stated]
        await self._drop((documents.DEVICE_INFO, item.path) for item in items)
        for item in items:
            item.stated = False
            tree.set(item, unwritten(item.path.rpartition("/")[2], record, self._s.fleet))
        return count + len(items)

    async def _access(self, now: Instant) -> int:
        shut = list(self._state.disabled)
        for lfdi in shut:
            await self._core.operating.set_enabled(lfdi, True, now)
        return len(shut)

    async def _rates(self) -> int:
        changed = list(self._state.poll_rates)
        await self._drop((documents.RATES, name) for name in changed)
        self._state.poll_rates.clear()
        self._state.tree.forget_all()
        return len(changed)

    async def _post_rates(self, now: Instant) -> int:
        changed = [record for record in self._state.end_devices.values() if record.post_rate is not None]
        for record in changed:
            await self._core.operating.set_post_rate(record, None, now)
        return len(changed)

    async def _primacies(self, now: Instant) -> int:
        """Those that somebody chose: own programs have the configured one again, nodes that of their level."""
        chosen = [program for program in self._state.programs.values() if program.ranked]
        for program in chosen:
            primacy = program.primacy if program.node else self._s.settings.channel.primacy
            await self._core.assignments.rank(program, primacy, now, chosen=False)
        if chosen:
            await self._core.topology.reconcile(now)
        return len(chosen)

    async def _left(self) -> None:
        """Who left what: there is nothing to be answered any more."""
        left = self._state.leavers.all()
        await self._drop((documents.LEFT, path) for path in left)
        for path in left:
            self._state.leavers.forget(path)
