"""What every driver's configuration says by itself."""

from gridiface.drivers.api import DriverConfig


def test_a_driver_calls_its_device_unless_it_says_where_it_listens() -> None:
    assert DriverConfig().listens_on is None
