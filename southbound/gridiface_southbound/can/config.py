"""The keys of the CAN driver. Owns nothing else."""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationInfo, field_validator

from gridiface.drivers.api import placed
from gridiface.wording import worded
from gridiface_southbound.can.loading import load_table
from gridiface_southbound.can.table import SignalTable
from gridiface_southbound.points.config import PointsConfig


class CanConfig(PointsConfig):
    """The keys of the CAN driver."""

    table: SignalTable = Field(description="A template's name, the path of a .yaml file, or the table itself.")
    interface: str = Field(
        pattern=worded(r"^[A-Za-z0-9._-]{1,15}$", "the name of a network interface: 1 to 15 letters, digits and . _ -"),
        description="Network interface of the bus, such as can0.",
    )
    first_reading_s: float = Field(5.0, gt=0, le=600, description="Time for all frames to come once, seconds.")

    @field_validator("table", mode="before")
    @classmethod
    def _find_table(cls, value: Any, info: ValidationInfo) -> SignalTable:
        return load_table(value, lambda path: placed(path, info))
