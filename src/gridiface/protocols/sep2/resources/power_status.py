"""Power status: what a device runs on and how long that will last."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import (
    PERCENT,
    POWER_SOURCE,
    SEP2,
    TIME,
    UINT8,
    UINT32,
)
from gridiface.protocols.sep2.resources.common import Resource
from gridiface.protocols.sep2.resources.quantities import ActivePower, RealEnergy
from gridiface.protocols.xmlwire import WireObject, attribute, element, wire


@wire(SEP2)
class PEVInfo(WireObject):
    """Charging needs of an electric vehicle."""

    chargingPowerNow: ActivePower = element(ActivePower)
    energyRequestNow: RealEnergy = element(RealEnergy)
    maxForwardPower: ActivePower = element(ActivePower)
    minimumChargingDuration: int = element(UINT32, unit="s")
    targetStateOfCharge: int = element(PERCENT, unit="0.01 %")
    timeChargeIsNeeded: int = element(TIME)
    timeChargingStatusPEV: int = element(TIME)


@wire(SEP2)
class PowerStatus(Resource):
    """Power source (enums.PowerSource), battery status and charge of a device."""

    pollRate: int | None = attribute(UINT32, default=None)
    batteryStatus: int = element(UINT8)
    changedTime: int = element(TIME)
    currentPowerSource: int = element(POWER_SOURCE)
    estimatedChargeRemaining: int | None = element(PERCENT, default=None, unit="0.01 %")
    estimatedTimeRemaining: int | None = element(UINT32, default=None, unit="s")
    pEVInfo: PEVInfo | None = element(PEVInfo, "PEVInfo", default=None)
    sessionTimeOnBattery: int | None = element(UINT32, default=None, unit="s")
    totalTimeOnBattery: int | None = element(UINT32, default=None, unit="s")
