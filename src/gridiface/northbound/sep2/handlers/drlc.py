"""Demand response and load control: what a control must be, and, where configured, what it asks of the engine.

By default an EndDeviceControl is published for the devices that fetch it, and nothing else. With `engine: true` the
engine is asked too: for the device or group that its program is for, as a load level or a change in watts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.published.preparing import Place, Rule
from gridiface.northbound.sep2.served.event_clock import event_document
from gridiface.northbound.sep2.served.services import Services, bad_value
from gridiface.northbound.sep2.served.state_records import EventRecord, Publication
from gridiface.northbound.sep2.translate.answers import acceptance_to_http
from gridiface.northbound.sep2.translate.load_control import end_device_control_to_control
from gridiface.protocols.sep2.enums import DeviceCategory, UnitType
from gridiface.protocols.sep2.resources import DemandResponseProgram, EndDeviceControl

_ALL_CATEGORIES = sum(DeviceCategory)
_HUNDRED = 100
_HUNDRED_PERCENT = 10_000


def _check_program(program: DemandResponseProgram, place: Place) -> None:
    threshold = program.availabilityUpdatePercentChangeThreshold
    if threshold is not None and threshold > _HUNDRED_PERCENT:
        raise bad_value("availabilityUpdatePercentChangeThreshold is above 100 %")


def _check_control(control: EndDeviceControl, place: Place) -> None:
    asked = (
        control.applianceLoadReduction,
        control.dutyCycle,
        control.offset,
        control.setPoint,
        control.targetReduction,
    )
    if all(part is None for part in asked):
        raise bad_value("an EndDeviceControl asks for something")
    if control.deviceCategory & ~_ALL_CATEGORIES:
        raise bad_value("deviceCategory has bits that are not defined")
    if control.dutyCycle is not None and control.dutyCycle.normalValue > _HUNDRED:
        raise bad_value("a duty cycle is at most 100 %")
    if control.applianceLoadReduction is not None and control.applianceLoadReduction.type not in {0, 1}:
        raise bad_value("applianceLoadReduction is 0 (delay) or 1 (temporarily off)")
    if control.targetReduction is not None and control.targetReduction.type not in set(UnitType):
        raise bad_value(f"unit {control.targetReduction.type} is not defined")
    if control.offset is not None and (control.offset.loadAdjustmentPercentageOffset or 0) > _HUNDRED_PERCENT:
        raise bad_value("loadAdjustmentPercentageOffset is above 100 %")
    _check_setpoint(control)


def _check_setpoint(control: EndDeviceControl) -> None:
    point = control.setPoint
    if point is None or point.coolingSetpoint is None or point.heatingSetpoint is None:
        return
    if point.coolingSetpoint <= point.heatingSetpoint:
        raise bad_value("coolingSetpoint is above heatingSetpoint")


RULES: Mapping[type, Rule] = {DemandResponseProgram: _check_program, EndDeviceControl: _check_control}


class LoadControl:
    """Asks the engine for what a published EndDeviceControl means."""

    def __init__(self, services: Services) -> None:
        self._s = services

    async def on_event(
        self, record: EventRecord, publication: Publication, now: Instant, changes: Sequence[Change]
    ) -> str | None:
        """Submit the control of an event; None where it is only published.

        Raises:
            RemoteProtocolError: the engine refused, and nothing was changed.
            StoreUnavailable: nothing was changed.
        """
        settings = self._s.settings.drlc
        if not settings.engine or publication.target is None:
            return None
        program = self._s.tree.item(publication.path)
        primacy = program.obj.primacy if program is not None else 0
        control = end_device_control_to_control(
            record.item.obj, publication.target, primacy, record.identity, publication.path, settings.levels
        )
        if control is None:
            return None
        record.control_id = control.id
        along = [*changes, event_document(record)]
        acceptance = await self._s.inbox.submit(control, now, along=along)
        if acceptance.will_run:
            return control.id
        answer = acceptance_to_http(acceptance)
        if answer.status != 201:
            raise RemoteProtocolError(
                f"{acceptance.verdict}: {acceptance.reason}", answer=answer.status, detail=answer.reason_code
            )
        await self._s.ledger.commit(along)
        return control.id
