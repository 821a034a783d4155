"""What the simulated inverter tells of itself."""

from __future__ import annotations

from gridiface.protocols.sep2.resources import (
    DefaultDERControl,
    DERCapability,
    DERControlBase,
    MirrorMeterReadingList,
    MirrorUsagePoint,
)
from gridiface.protocols.xmlwire import decode, encode
from gridiface.simulation.inverter import resources
from gridiface.simulation.inverter.config import InverterConfig
from gridiface.simulation.sunspec.physics import Measured

CONFIG = InverterConfig.model_validate(
    {"server": "127.0.0.1:1", "certificate": "c", "key": "k", "roots": "r", "max_w": 100_000, "energy_wh": 250_000}
)
MEASURED = Measured(w=-1234.4, var=10.0, va=1234.5, hz=49.987, volts=230.14, soc=0.5)


def test_large_ratings_keep_their_value_by_the_exponent() -> None:
    found = decode(encode(resources.capability(CONFIG)), DERCapability)
    assert found.rtgMaxW.value * 10**found.rtgMaxW.multiplier == 100_000
    assert found.rtgMaxWh is not None
    assert found.rtgMaxWh.value * 10**found.rtgMaxWh.multiplier == 250_000


def test_mirror_and_readings_belong_together() -> None:
    mirror = decode(encode(resources.mirror("inv", "3E4F45AB31EDFE5B67E343E5E4562E31984E23E5")), MirrorUsagePoint)
    posted = decode(encode(resources.readings("inv", MEASURED)), MirrorMeterReadingList)
    assert [m.mRID for m in mirror.mirrorMeterReading] == [m.mRID for m in posted.members]
    values = [m.reading.value for m in posted.members if m.reading is not None]
    assert values == [-1234, 10, 2301, 4999]


def test_mrids_differ_between_inverters_and_stay_the_same() -> None:
    assert resources.mrid("a", "W") == resources.mrid("a", "W")
    assert len({resources.mrid(name, part) for name in "ab" for part in "WV"}) == 4


def test_of_several_default_controls_the_strongest_that_states_a_setting_counts() -> None:
    strong = DefaultDERControl(mRID="1", derControlBase=DERControlBase(), setESDelay=6_000)
    weak = DefaultDERControl(mRID="2", derControlBase=DERControlBase(), setESDelay=100, setESRampTms=200)
    assert resources.entering([strong, weak]) == {"setESDelay": 6_000, "setESRampTms": 200}
