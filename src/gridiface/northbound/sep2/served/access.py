"""Who is asking: LFDI -> Caller, narrowed once per request, and the rules of who may write what.

A certificate that was accepted by the TLS listener is all that counts; headers that claim an identity are not read.
Visibility of single resources is the audience of each node (tree.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from gridiface.domain.fleet import Principal, Role
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.served.nodes import Viewer
from gridiface.northbound.sep2.served.state import State
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking, and what the tree shows to it."""

    viewer: Viewer
    principal: Principal
    record: EndDeviceRecord | None = None

    @property
    def lfdi(self) -> str:
        """The LFDI of its certificate."""
        return self.viewer.lfdi

    @property
    def role(self) -> Role:
        """What it is to us."""
        return self.principal.role

    def speaks_for(self, record: EndDeviceRecord) -> bool:
        """Whether it is that end device, or its aggregator."""
        return self.lfdi in record.audience.readers


class Doorman:
    """Knows every LFDI; answers are kept until the registrations change."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._clients = {client.lfdi: client for client in state.settings.clients}
        self._known: dict[str, Caller] = {}

    def forget(self) -> None:
        """Registrations changed."""
        self._known.clear()

    def caller(self, lfdi: str) -> Caller:
        """The caller with this certificate."""
        found = self._known.get(lfdi)
        if found is None:
            if len(self._known) > 100_000:
                self._known.clear()
            found = self._known[lfdi] = self._narrow(lfdi)
        return found

    def _narrow(self, lfdi: str) -> Caller:
        if lfdi in self._state.disabled:
            return Caller(Viewer(lfdi, registered=False), Principal(identity=lfdi, role=Role.UNREGISTERED))
        client = self._clients.get(lfdi)
        if client is not None and client.role is Role.UTILITY:
            return Caller(Viewer(lfdi, sees_all=True), Principal(identity=lfdi, role=Role.UTILITY))
        record = self._state.by_lfdi.get(lfdi)
        if record is None or not record.connects:
            principal = Principal(identity=lfdi, role=Role.UNREGISTERED)
            return Caller(Viewer(lfdi, registered=False), principal)
        manages = frozenset(self._state.manages.get(lfdi, ()))
        principal = Principal(identity=lfdi, role=record.role, device_id=record.device_id, manages=manages)
        return Caller(Viewer(lfdi), principal, record)


def require_owner(caller: Caller, record: EndDeviceRecord | None) -> EndDeviceRecord:
    """The end device below which the caller writes: its own or one that it manages.

    Raises:
        RemoteProtocolError: 403 for anybody else, also for the utility, and for devices that the server speaks for.
    """
    if record is None or not record.speaks or not caller.speaks_for(record):
        raise RemoteProtocolError("only the device or its aggregator may write here", answer=403)
    return record


def require_utility(caller: Caller) -> None:
    """Programs are written by the utility alone.

    Raises:
        RemoteProtocolError: 403.
    """
    if caller.role is not Role.UTILITY:
        raise RemoteProtocolError("only a utility may write here", answer=403)
