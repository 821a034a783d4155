"""POST of Responses by devices and aggregators: validated, stored per device, and told to the fleet."""

from __future__ import annotations

from gridiface.domain.controls import Outcome
from gridiface.domain.fleet import Role
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.fleet_channel.channel import FleetChannel
from gridiface.northbound.sep2.served.response_log import Respondable, ResponseLog
from gridiface.northbound.sep2.served.services import Call, Services, bad_value, still_there
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord, EventRecord, EventSet, Program, Publication
from gridiface.northbound.sep2.translate.answers import response_fault, status_to_outcome
from gridiface.protocols.sep2.enums import EventStatusCode, ResponseStatus
from gridiface.protocols.sep2.exchange import Reply, created
from gridiface.protocols.sep2.resources import Response


class Responses:
    """Answers of devices to the events of their programs."""

    def __init__(self, services: Services, log: ResponseLog, channel: FleetChannel) -> None:
        self._s = services
        self._log = log
        self._channel = channel

    async def post(self, call: Call) -> Reply:
        """Take a response in; the same answer again gets the place of the first.

        Raises:
            RemoteProtocolError: 400 for an unknown device or event or an illegal status, 403 for a device that the
                caller does not speak for, 404, 413, 415.
            StoreUnavailable: nothing was changed, or the same answer, given on the device's behalf, is not durable yet.
        """
        owner: Respondable = call.node.data
        if call.caller.role is Role.UTILITY:
            raise RemoteProtocolError("a utility reads responses", answer=403)
        response = call.read(Response, self._s)
        record = self._responder(call, response)
        event = self._s.state.event_once(response.subject)
        if event is None or not self._belongs(event, owner):
            raise bad_value("subject is no event of this program")
        response.subject = event.item.obj.mRID
        fault = response_fault(event.item.obj, response)
        if fault:
            raise bad_value(fault)
        self._check_concerned(owner, record, event)
        # The same answer again waits for the first: it is not given before it is durable.
        async with self._s.locks.hold(f"{owner.responses}/{record.lfdi}/{response.subject}"):
            still_there(self._s, call.node)
            known = self._log.path_of(owner, response)
            if known is None:
                known = await self._given(owner, response, event, record, call)
        return created(known)

    async def _given(
        self, owner: Respondable, response: Response, event: EventRecord, record: EndDeviceRecord, call: Call
    ) -> str:
        """Where a new answer is, which is durable and told."""
        if response.createdDateTime is None:
            response.createdDateTime = call.second
        outcomes = self._outcomes(event, record, int(response.status or 0), call.now)
        path, changes = self._log.prepare(owner, response)
        try:
            await self._s.registry.report([], outcomes, call.now, along=changes)
        except BaseException:  # whatever kept it from being stored: it was not given, and can be given again
            self._log.abandon(owner, response)
            raise
        self._log.place_if_served(owner, response)
        self._s.counts.responses += 1
        return path

    def _belongs(self, event: EventRecord, owner: Respondable) -> bool:
        """Whether an event, listed or not long ago, is one that this set is for."""
        if not event.owner:
            return isinstance(owner, Program) and event.program == owner.number
        if isinstance(owner, Publication):
            return event.owner.startswith(owner.path) and event.item.data is owner
        return isinstance(owner, EventSet) and event.owner == owner.path

    def _check_concerned(self, owner: Respondable, record: EndDeviceRecord, event: EventRecord) -> None:
        if self._s.state.leavers.had(owner.responses, record.number, event):
            return
        if isinstance(owner, Program) and owner.node and record.device_id not in owner.members:
            raise bad_value("the device is not below this node")
        if isinstance(owner, Publication) and record.number not in owner.assigned:
            raise bad_value("the event is not for this device")
        if isinstance(owner, EventSet) and not owner.path.startswith(f"{record.path}/"):
            raise bad_value("the grant is another device's")

    def _responder(self, call: Call, response: Response) -> EndDeviceRecord:
        record = self._s.state.by_lfdi.get(response.endDeviceLFDI)
        if record is None:
            raise bad_value("endDeviceLFDI is not registered")
        if not call.caller.speaks_for(record):
            raise RemoteProtocolError("only the device or its aggregator answers for it", answer=403)
        return record

    def _outcomes(self, event: EventRecord, record: EndDeviceRecord, status: int, now: float) -> list[Outcome]:
        """What the answer means for the domain's controls."""
        if record.device_id is None:
            return []
        if self._out(event, record):
            if status == ResponseStatus.STARTED:
                return []  # the event has begun, for others
            if status == ResponseStatus.OPTED_IN:  # it does what the event asks for again, from now or its start on
                runs = event.item.obj.eventStatus.currentStatus == EventStatusCode.ACTIVE
                status = ResponseStatus.STARTED if runs else ResponseStatus.RECEIVED
        if event.owner:
            return self._outcomes_beside(event, record, status, now)
        control_id = event.control_of(record.device_id)
        if event.control_id is None or control_id is None:
            return self._channel.parents.outcomes(event, record.device_id, status, now)
        step = status_to_outcome(status)
        if step is None:
            return []
        return [Outcome(control_id=control_id, kind=step[0], at=now, device_id=record.device_id, reason=step[1])]

    def _out(self, event: EventRecord, record: EndDeviceRecord) -> bool:
        """Whether the event runs, or will run, without the device, which opted out of it."""
        return self._log.opted_out(event, record.lfdi)

    @staticmethod
    def _outcomes_beside(event: EventRecord, record: EndDeviceRecord, status: int, now: float) -> list[Outcome]:
        """What the answer means where an event of another function set is a domain control too."""
        step = status_to_outcome(status)
        if event.control_id is None or step is None:
            return []
        return [Outcome(control_id=event.control_id, kind=step[0], at=now, device_id=record.device_id, reason=step[1])]
