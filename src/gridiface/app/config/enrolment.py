"""What programs ask of each asset of a portfolio before it may be enrolled. Shapes only; the check is the engine's."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gridiface.domain.definitions import Block

_Words = Annotated[str, Field(min_length=1, max_length=200)]


class EnrolmentProgram(Block):
    """What one program asks of an asset; what is left out asks nothing."""

    program: _Words = Field(description="its name; of an OpenADR program that is taken part in, its market context")
    asset_types: tuple[Literal["battery", "ev", "pv", "pv_battery", "generator", "load", "other"], ...] = Field(
        default=(), description="what it takes; none: anything"
    )
    zips: tuple[_Words, ...] = Field(default=(), description="postal codes, or their beginnings, in which it runs")
    min_kw: float = Field(default=0.0, ge=0, le=1e7, allow_inf_nan=False, description="least size of one asset, kW")
    max_kw: float | None = Field(default=None, ge=0, le=1e7, allow_inf_nan=False, description="its largest, kW")
    min_hours: float = Field(
        default=0.0, ge=0, le=168, allow_inf_nan=False, description="for how long it must hold min_kw, h"
    )
    metering_interval_s: float | None = Field(
        default=None, gt=0, le=86_400, description="longest interval of its revenue meter, s"
    )
    exclusive_with: tuple[_Words, ...] = Field(
        default=(), description="programs in which it must not be, nor one of this program in those"
    )

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        if self.max_kw is not None and self.max_kw < self.min_kw:
            raise ValueError(f"max_kw {self.max_kw:g} is below min_kw {self.min_kw:g}: no asset has such a size")
        if self.program in self.exclusive_with:
            raise ValueError("a program cannot exclude itself: take it out of exclusive_with")
        return self
