"""What a DER shows before its client wrote anything, and what one of the fleet or a group shows all the time."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.fleet import Device, DeviceKind, Group, Nameplate
from gridiface.domain.fleet import Role as FleetRole
from gridiface.northbound.sep2.members.der_shown import client_default, live_der, with_profile
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord
from gridiface.northbound.sep2.settings import CsipAusSettings
from gridiface.protocols.sep2.resources import DERAvailability, DERCapability, DERSettings, DERStatus

CHANGED = 1_800_000_000


class Fleet:
    def __init__(self, *devices: Device, group: Group | None = None) -> None:
        self._devices = {device.id: device for device in devices}
        self._group = group

    def device(self, device_id: str) -> Device | None:
        return self._devices.get(device_id)

    def members(self, group_id: str) -> tuple[str, ...]:
        return self._group.members if self._group is not None and self._group.id == group_id else ()

    def snapshot(self, target: Any) -> None:
        return None


def record(**told: Any) -> EndDeviceRecord:
    given = {"device_id": "b1", "role": FleetRole.DEVICE} | told
    return EndDeviceRecord(number=1, lfdi="AB" * 20, sfdi=1, registered=0, changed=CHANGED, **given)


def battery(name: str, watts: float) -> Device:
    return Device(id=name, kind=DeviceKind.BATTERY, driver="sep2", nameplate=Nameplate(max_w=watts, max_charge_w=watts))


def watts(power: Any) -> float:
    return float(power.value * 10**power.multiplier)


def test_nothing_is_said_in_the_name_of_a_device_that_nobody_has_described() -> None:
    for fleet in (Fleet(), Fleet(battery("b1", 0.0))):
        capability = client_default("dercap", record(), fleet)
        assert isinstance(capability, DERCapability)
        assert (capability.modesSupported, watts(capability.rtgMaxW), capability.type) == (0, 0.0, 0)
        settings = client_default("derg", record(), fleet)
        assert (watts(settings.setMaxW), settings.setGradW, settings.updatedTime) == (0.0, 0, CHANGED)
    assert client_default("ders", record(), Fleet()) == DERStatus(readingTime=0)
    assert client_default("dera", record(), Fleet()) == DERAvailability(readingTime=0)


def test_a_device_that_the_fleet_describes_shows_its_ratings() -> None:
    fleet = Fleet(battery("b1", 5000.0))
    assert watts(client_default("dercap", record(), fleet).rtgMaxW) == 5000.0
    assert watts(client_default("derg", record(), fleet).setMaxW) == 5000.0


def test_what_the_server_speaks_for_is_made_anew_each_time() -> None:
    alone, both = battery("b1", 5000.0), battery("b2", 3000.0)
    fleet = Fleet(alone, both, group=Group(id="fleet", members=("b1", "b2", "gone")))
    device, group = live_der(record(), fleet), live_der(record(device_id=None, group_id="fleet"), fleet)
    assert watts(device["dercap"](0.0).rtgMaxW) == 5000.0
    assert watts(group["dercap"](0.0).rtgMaxW) == 8000.0
    settings = group["derg"](0.0)
    assert isinstance(settings, DERSettings)
    assert (watts(settings.setMaxW), settings.updatedTime) == (8000.0, CHANGED)
    fleet._devices["b2"] = battery("b2", 1000.0)
    assert watts(group["dercap"](0.0).rtgMaxW) == 6000.0
    del fleet._devices["b1"]
    assert watts(device["dercap"](0.0).rtgMaxW) == 0.0


@pytest.mark.parametrize(("where", "all_of_them"), [({"device_id": None, "group_id": "fleet"}, True), ({}, False)])
def test_csip_aus_adds_its_limits(where: dict[str, Any], all_of_them: bool) -> None:
    fleet = Fleet(battery("b1", 5000.0), group=Group(id="fleet", members=("b1",)))
    of = record(**where)
    made = with_profile(live_der(of, fleet)["dercap"], of, fleet, CsipAusSettings())
    assert (made(0.0).doeModesSupported == 0x0F) == all_of_them
