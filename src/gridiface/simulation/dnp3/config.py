"""What a simulated DNP3 master is told at start, and what it can be asked: one JSON object a line."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gridiface.protocols.dnp3.controls import AnalogOutput, Command, ControlRelayOutputBlock
from gridiface.protocols.dnp3.master.settings import MasterSettings, TimeSync


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TlsFiles(_Line):
    """Certificate, key and trusted roots of the master."""

    certificate: Path
    key: Path
    roots: tuple[Path, ...] = Field(min_length=1)


class MasterConfig(_Line):
    """One master and the outstation it talks to; polls are (classes, seconds)."""

    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65_535)
    address: int = 1
    outstation: int = 10
    tls: TlsFiles | None = None
    unsolicited: tuple[int, ...] = (1, 2, 3)
    integrity: bool = True
    time_sync: Literal["none", "lan", "direct"] = "none"
    polls: tuple[tuple[tuple[int, ...], float], ...] = ()
    response_timeout_s: float = Field(default=5.0, gt=0)

    def core(self) -> MasterSettings:
        """For the protocol core."""
        how = {"none": TimeSync.NONE, "lan": TimeSync.LAN, "direct": TimeSync.DIRECT}[self.time_sync]
        return MasterSettings(
            self.address,
            self.outstation,
            response_timeout=self.response_timeout_s,
            startup_integrity=self.integrity,
            enable_classes=self.unsolicited,
            time_sync=how,
        )


class Operate(_Line):
    """A command: to an analog output a number, to a binary output a control code."""

    analog: int | None = Field(default=None, ge=0, le=65_535)
    binary: int | None = Field(default=None, ge=0, le=65_535)
    value: float = 0.0
    variation: int = Field(default=3, ge=1, le=4)
    code: int = Field(default=3, ge=0, le=255)
    count: int = Field(default=1, ge=0, le=255)
    select: bool = False

    @model_validator(mode="after")
    def _one_point(self) -> Self:
        if (self.analog is None) == (self.binary is None):
            raise ValueError("name exactly one of `analog` and `binary`")
        return self

    def command(self) -> tuple[int, Command]:
        """Index and command."""
        if self.analog is not None:
            return self.analog, AnalogOutput(self.value, self.variation)
        assert self.binary is not None
        return self.binary, ControlRelayOutputBlock(self.code, self.count)


class Request(_Line):
    """One line of the parent: exactly one of its keys."""

    operate: Operate | None = None
    poll: tuple[int, ...] | None = None
    points: bool = False
    events: bool = False
    state: bool = False

    @model_validator(mode="after")
    def _one_wish(self) -> Self:
        wishes = [self.operate is not None, self.poll is not None, self.points, self.events, self.state]
        if sum(wishes) != 1:
            raise ValueError("ask for exactly one of operate, poll, points, events, state")
        return self
