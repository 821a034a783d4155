"""The keys of every driver whose device is described by a table. Owns nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from gridiface.drivers.api import DriverConfig


class PointsConfig(DriverConfig):
    """What the operator may set for every device with a table."""

    max_charge_w: float | None = Field(None, ge=0, description="Charge rating of a device that does not tell it, W.")
    energy_wh: float | None = Field(None, gt=0, description="Energy of a device that does not tell it, Wh.")

    @property
    def values(self) -> Mapping[str, str | int | float | bool]:
        """What stands for `{name}` in the table: nothing, where a table has no parameters."""
        return {}


def check_parameters(given: Mapping[str, object], known: Mapping[str, object]) -> None:
    """The values that a device's table is filled with.

    Raises:
        ValueError: the table has no such parameter.
    """
    unknown = sorted(given.keys() - known.keys())
    if unknown:
        raise ValueError(f"parameters: the table has no {unknown[0]!r}; it has: {', '.join(known) or 'none'}")
