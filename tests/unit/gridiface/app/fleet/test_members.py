"""The fleet as configured, found and registered."""

from __future__ import annotations

from gridiface.app.config.model import Config
from gridiface.app.fleet.members import SPACE, Members
from gridiface.domain.changes import Document
from gridiface.domain.fleet import Capability, Device, DeviceKind, DriverTraits, Nameplate, Settings

CONFIG = Config.model_validate(
    {
        "devices": [
            {"id": "plain", "driver": "sunspec"},
            {"id": "rated", "driver": "sunspec", "rating": {"max_w": 3000, "soc_min": 0.2}, "tier": 2},
            {"id": "inv", "driver": "sep2", "kind": "pv"},
        ],
        "groups": [
            {"id": "top", "members": ["low", "inv"], "max_export_w": 9000},
            {"id": "low", "members": ["plain", "rated"]},
        ],
    }
)
FOUND = (
    Nameplate(
        max_w=5000,
        max_charge_w=4000,
        energy_wh=9000,
        capabilities=frozenset({Capability.SET_W}),
        alarms=frozenset({"hot"}),
    ),
    Settings(ramp_w_per_s=100.0),
    DriverTraits(revert_timer_s=60.0),
    DeviceKind.BATTERY,
)


def test_devices_nobody_knows_yet_are_seen_and_nothing_is_asked_of_them() -> None:
    first = {device.id: device for device in Members(CONFIG).initial()}
    assert set(first) == {"plain", "rated", "inv"}
    assert (first["plain"].nameplate.max_w, first["plain"].nameplate.capabilities) == (0.0, frozenset())
    assert first["rated"].nameplate.capabilities == frozenset(Capability)
    assert first["inv"].traits.answers_itself
    assert first["inv"].kind is DeviceKind.PV


def test_what_a_driver_found_is_remembered_over_a_restart() -> None:
    members = Members(CONFIG)
    device, memory = members.opened("plain", *FOUND)
    assert memory is not None
    again = Members(CONFIG, [Document(memory.space, memory.key, memory.body)])
    assert memory.space == SPACE
    assert device in again.initial()
    assert again.opened("plain", *FOUND)[1] is None


def test_configuration_only_narrows_what_the_device_tells() -> None:
    device, _ = Members(CONFIG).opened("rated", *FOUND)
    assert device.nameplate.max_w == 3000
    assert device.nameplate.max_charge_w == 4000
    assert device.settings.soc_min == 0.2
    assert device.tier == 2


def test_groups_nest_and_take_members_in() -> None:
    members = Members(CONFIG)
    groups = {group.id: group for group in members.groups()}
    assert groups["low"].parent == "top"
    assert groups["top"].max_export_w == 9000
    assert members.join("new", ["low"])
    assert not members.join("new", ["low"])
    assert {group.id: group for group in members.groups()}["low"].members == ("plain", "rated", "new")
    assert members.leave("new")
    assert not members.leave("new")


def test_registered_device_keeps_its_own_rating_within_the_configuration() -> None:
    device = Device(id="inv", nameplate=Nameplate(max_w=8000), kind=DeviceKind.PV_BATTERY)
    assert Members(CONFIG).registered(device).kind is DeviceKind.PV
    stranger = Device(id="stranger", nameplate=Nameplate(max_w=1))
    assert Members(CONFIG).registered(stranger) == stranger


def test_device_that_has_not_stated_what_it_can_is_not_refused_anything() -> None:
    silent = Members(CONFIG).registered(Device(id="silent", nameplate=Nameplate(max_w=0)))
    assert silent.nameplate.capabilities == frozenset(Capability)
    stated = Nameplate(max_w=5000, capabilities=frozenset({Capability.LIMIT_W}))
    assert Members(CONFIG).registered(Device(id="stated", nameplate=stated)).nameplate == stated
