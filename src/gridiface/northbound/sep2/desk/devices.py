"""What an operator makes the server do with end devices: registrations, access, who acts for whom, rates.

The audit entry of an act is durable with its first change (along.py). The rest of the operator's verbs is desk.py's.
"""

from __future__ import annotations

from collections.abc import Sequence

from gridiface.domain.changes import Change
from gridiface.domain.clock import Clock, Instant
from gridiface.domain.fleet import Role
from gridiface.errors import ConfigConflict, LocalProtocolError, RemoteProtocolError
from gridiface.northbound.sep2.along import along_with
from gridiface.northbound.sep2.core import Sep2Core
from gridiface.northbound.sep2.desk import rows
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord
from gridiface.northbound.sep2.settings import DEFAULT_POLL_RATES


class Sep2DevicesDesk:
    """The end devices of one server.

    Args:
        core: the server.
        clock: the wall clock.
    """

    def __init__(self, core: Sep2Core, clock: Clock) -> None:
        self.core = core
        self._clock = clock

    def now(self) -> Instant:
        """The time that acts are dated with."""
        return self._clock.now()

    # --- end devices --------------------------------------------------------------------------------------------------

    def end_devices(self) -> list[rows.EndDeviceRow]:
        """Every end device, by number."""
        state = self.core.state
        return [rows.end_device_row(state, state.end_devices[n]) for n in sorted(state.end_devices)]

    def find_end_devices(self, text: str, role: str, start: int, limit: int) -> tuple[list[rows.EndDeviceRow], int]:
        """Those that fit, from `start` on, by number; and how many fit. Only what is shown is made into rows."""
        state, wanted = self.core.state, text.lower()
        fits = [
            record
            for record in state.end_devices.values()
            if (not role or record.role.value == role) and (not wanted or rows.end_device_has(state, record, wanted))
        ]
        shown = sorted(fits, key=lambda record: record.number)[start : start + limit]
        return [rows.end_device_row(state, record) for record in shown], len(fits)

    def end_device(self, lfdi: str) -> rows.EndDeviceRow | None:
        """One end device with its PIN; None where there is none."""
        record = self.core.state.by_lfdi.get(lfdi.upper())
        return None if record is None else rows.end_device_row(self.core.state, record, pin=True)

    async def ensure_end_device(
        self, lfdi: str, *, device: str | None, pin: int | None, role: Role | None, along: Sequence[Change] = ()
    ) -> tuple[rows.EndDeviceRow, bool]:
        """The registration of a certificate, made where there is none; and whether it is new.

        Args:
            device, pin, role: None: as it is registered; where it is new a device of its own, 111115, a device.

        Raises:
            ConfigConflict: it is registered with another device, PIN or role than the one that is named.
            ConfigError: the LFDI, PIN or role is not one, or another certificate is that device.
            LocalProtocolError: it is not there though it was registered: an error of ours.
            StoreUnavailable: nothing was changed.
        """
        lfdi, known = lfdi.upper(), self.core.state.by_lfdi.get(lfdi.upper())
        if known is None:
            with along_with(along):
                await self.core.add_end_device(
                    lfdi, self._clock.now(), device_id=device, pin=pin, role=role or Role.DEVICE
                )
        else:
            _as_registered(known, device, pin, role)
        row = self.end_device(lfdi)
        if row is None:
            raise LocalProtocolError(f"{lfdi} was registered and is not there")
        return row, known is None

    async def remove_end_device(self, lfdi: str, *, along: Sequence[Change] = ()) -> bool:
        """Take a registration with everything below it away; False where there is none."""
        with along_with(along):
            return await self.core.remove_end_device(lfdi.upper(), self._clock.now())

    async def manage(self, lfdi: str, device: str, *, along: Sequence[Change] = ()) -> tuple[rows.EndDeviceRow, bool]:
        """Put a device, by its LFDI or the fleet's name, under an aggregator; the device, and whether that is new.

        Raises:
            RemoteProtocolError: 400, 404; see Managing.assign.
            StoreUnavailable: nothing was changed.
        """
        record = self._device(device)
        with along_with(along):
            new = await self.core.managing.assign(self._record(lfdi), record, self._clock.now())
        return rows.end_device_row(self.core.state, record), new

    async def release(self, lfdi: str, device: str, *, along: Sequence[Change] = ()) -> rows.EndDeviceRow:
        """Take a device from an aggregator, whose access and subscriptions end with that.

        Raises:
            RemoteProtocolError: 404, 409; see Managing.release.
            StoreUnavailable: nothing was changed.
        """
        record = self._device(device)
        with along_with(along):
            await self.core.managing.release(lfdi.upper(), record, self._clock.now())
        return rows.end_device_row(self.core.state, record)

    async def set_access(self, lfdi: str, *, granted: bool, along: Sequence[Change] = ()) -> None:
        """Grant or revoke what a certificate may do, from its next request on; also a utility's."""
        with along_with(along):
            await self.core.operating.set_enabled(lfdi.upper(), granted, self._clock.now())

    # --- rates --------------------------------------------------------------------------------------------------------

    def poll_rates(self) -> dict[str, int]:
        """PollRate by resource, seconds."""
        return {name: self.core.state.poll_rate(name) for name in sorted(DEFAULT_POLL_RATES)}

    async def set_poll_rate(self, resource: str, seconds: int, *, along: Sequence[Change] = ()) -> None:
        """Change the pollRate that all resources of a name show.

        Raises:
            ConfigError: the resource has none, or not 1 s to a day.
        """
        with along_with(along):
            await self.core.operating.set_poll_rate(resource, seconds)

    async def set_post_rate(self, lfdi: str, seconds: int, *, along: Sequence[Change] = ()) -> None:
        """Change the postRate of an end device and of its mirrors.

        Raises:
            ConfigError: not 1 s to a day.
            RemoteProtocolError: 404 where it is not registered.
        """
        with along_with(along):
            await self.core.operating.set_post_rate(self._record(lfdi), seconds, self._clock.now())

    def _record(self, lfdi: str) -> EndDeviceRecord:
        record = self.core.state.by_lfdi.get(lfdi.upper())
        if record is None:
            raise RemoteProtocolError(f"{lfdi} is not registered", answer=404)
        return record

    def _device(self, name: str) -> EndDeviceRecord:
        """An end device by its LFDI, or by the fleet's name of its device."""
        return self.core.state.by_device.get(name) or self._record(name)


def _as_registered(known: EndDeviceRecord, device: str | None, pin: int | None, role: Role | None) -> None:
    """A registration that is there is never changed, for the client was told of it.

    Raises:
        ConfigConflict: what is named is otherwise.
    """
    differs = [
        f"{what} {there} (not {asked})"
        for what, asked, there in (
            ("device", device, known.device_id),
            ("PIN", pin, known.pin),
            ("role", role, known.role),
        )
        if asked is not None and asked != there
    ]
    if differs:
        raise ConfigConflict(f"{known.lfdi} is registered with {', '.join(differs)}")
