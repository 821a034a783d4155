from dataclasses import replace

from gridiface.domain.fleet import Device, DeviceKind, Nameplate, Principal, Role, Settings


def test_the_least_of_rating_and_settings_counts():
    plate = Nameplate(max_w=5_000.0, max_charge_w=4_000.0, max_discharge_w=4_500.0)
    device = Device(id="d", nameplate=plate, settings=Settings(max_w=4_800.0, max_charge_w=3_000.0))
    assert device.max_export_w == 4_500.0
    assert device.max_import_w == 3_000.0


def test_what_is_not_stated_does_not_bound():
    device = Device(id="d", nameplate=Nameplate(max_w=5_000.0))
    assert (device.max_export_w, device.max_import_w) == (5_000.0, 0.0)


def test_beside_generation_a_rate_of_discharge_is_that_of_the_storage_alone():
    plate = Nameplate(max_w=10_000.0, max_discharge_w=5_000.0)
    held = Settings(max_w=9_000.0, max_discharge_w=0.0)
    for kind, rated, set_ in (("pv_battery", 10_000.0, 9_000.0), ("pv", 10_000.0, 9_000.0), ("battery", 5_000.0, 0.0)):
        device = Device(id="d", nameplate=plate, kind=DeviceKind(kind))
        assert (device.max_export_w, replace(device, settings=held).max_export_w) == (rated, set_)


def test_a_principal_speaks_for_itself_and_what_it_manages():
    principal = Principal(identity="x", role=Role.AGGREGATOR, device_id="a", manages=frozenset({"b"}))
    assert principal.speaks_for("a")
    assert principal.speaks_for("b")
    assert not principal.speaks_for("c")
