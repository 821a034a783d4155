"""The keys of the DNP3 driver: where the outstation is, what its points show, and what its outputs do.

Owns names, defaults, and the checks that need nothing else. On the wire stands `sign * SI value / scale + offset`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gridiface.drivers.api import DriverConfig

Shows = Literal[
    "w", "w_a", "w_b", "w_c", "var", "var_a", "var_b", "var_c", "va", "hz",
    "volts", "volts_a", "volts_b", "volts_c", "amps_a", "amps_b", "amps_c", "angle_a", "angle_b", "angle_c",
    "soc", "available_wh", "available_up_w", "available_down_w",
    "connected", "running", "fault", "local_control", "alarm",
    "rated_w", "rated_charge_w", "rated_discharge_w", "rated_va", "rated_var", "rated_wh",
]  # fmt: skip
Does = Literal["set_w", "limit_w", "set_var", "connect", "energize", "hold", "enable", "release"]

#: What is commanded by a relay (control code); the rest by an analog output.
RELAYS = frozenset({"connect", "energize", "enable", "release"})

_LATCH_ON, _LATCH_OFF = 3, 4

Index = Annotated[int, Field(ge=0, le=65_535)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Input(_Part):
    """One point that is read."""

    shows: Shows = Field(description="What it shows, in SI units: W + delivered, var + injected, soc 0..1, degrees.")
    type: Literal["analog input", "binary input"] = Field(default="analog input", description="Type of point.")
    index: Index = Field(description="Its index.")
    scale: float = Field(default=1.0, gt=0, description="SI units in one unit of the point: 1e6 for MW.")
    offset: float = Field(default=0.0, description="Added on the wire, in the point's unit.")
    sign: Literal[1, -1] = Field(default=1, description="-1 turns the sign, or a state, round.")

    def si(self, wire: float) -> float:
        """The SI value, or the state as 0 or 1."""
        if self.type == "binary input":
            return float((wire != 0) == (self.sign > 0))
        return self.sign * (wire - self.offset) * self.scale


class Output(_Part):
    """One point that is commanded."""

    does: Does = Field(description="What it does; hold: the device's own fall-back time, s; enable: must be on before.")
    index: Index = Field(description="Its index.")
    scale: float = Field(default=1.0, gt=0, description="SI units in one unit of the point.")
    offset: float = Field(default=0.0, description="Added on the wire, in the point's unit.")
    sign: Literal[1, -1] = Field(default=1, description="-1 turns the sign round.")
    variation: Literal[1, 2, 3, 4] = Field(
        default=3, description="Of g41: 32 or 16 bit integer, single or double float."
    )
    read_back: Index | None = Field(
        default=None, description="Analog input that shows what is in force; none: its own."
    )
    tolerance: float = Field(
        default=0.0, ge=0, description="A read-back this far off still counts, in the point's unit."
    )
    on: int = Field(default=_LATCH_ON, ge=0, le=255, description="Control code for on, of a relay.")
    off: int = Field(default=_LATCH_OFF, ge=0, le=255, description="Control code for off, of a relay.")
    let_go: float | None = Field(
        default=None, description="Written to let go, in the point's unit; none: left as it is."
    )

    @property
    def relay(self) -> bool:
        """Whether it is commanded by a control code."""
        return self.does in RELAYS

    def wire(self, value: float) -> float:
        """The number on the wire for an SI value, not yet rounded."""
        return self.sign * value / self.scale + self.offset

    def si(self, wire: float) -> float:
        """The SI value of a number on the wire."""
        return self.sign * (wire - self.offset) * self.scale


#: The set that gridiface itself serves to ISOs; other gateways have their own.
ISO_GATEWAY_INPUTS: tuple[Input, ...] = (
    Input(shows="w", index=0, scale=1e6),
    Input(shows="var", index=1, scale=1e6),
    Input(shows="hz", index=3),
    Input(shows="available_up_w", index=4, scale=1e6),
    Input(shows="available_down_w", index=5, scale=1e6),
    Input(shows="rated_discharge_w", index=8, scale=1e6),
    Input(shows="rated_charge_w", index=9, scale=1e6),
    Input(shows="soc", index=10, scale=0.01),
    Input(shows="available_wh", index=11, scale=1e6),
    Input(shows="connected", type="binary input", index=0),
    Input(shows="running", type="binary input", index=2),
    Input(shows="local_control", type="binary input", index=4),
    Input(shows="alarm", type="binary input", index=6),
)
ISO_GATEWAY_OUTPUTS: tuple[Output, ...] = (
    Output(does="set_w", index=0, scale=1e6, read_back=16, tolerance=1e-3),
    Output(does="set_var", index=2, scale=1e6, read_back=18, tolerance=1e-3),
    Output(does="limit_w", index=3, scale=1e6),
    Output(does="hold", index=7),
    Output(does="enable", index=0),
    Output(does="connect", index=1, on=0x41, off=0x81),
    Output(does="release", index=4),
)


class Dnp3Config(DriverConfig):
    """The keys of the DNP3 driver."""

    host: str = Field(default="", description="Name or address of the outstation; not for a serial line.")
    port: int = Field(default=20_000, ge=1, le=65_535, description="TCP or UDP port; over TLS often 19999.")
    udp: bool = Field(default=False, description="Over UDP in place of TCP.")
    address: int = Field(
        default=1, ge=0, le=65_519, description="Our link address, as the outstation knows its master."
    )
    outstation: int = Field(default=10, ge=0, le=65_519, description="The outstation's link address.")
    profile: Literal["iso-gateway", "none"] = Field(
        default="none", description="A ready-made set of inputs and outputs."
    )
    inputs: tuple[Input, ...] = Field(default=(), description="Points that are read, over those of the profile.")
    outputs: tuple[Output, ...] = Field(default=(), description="Points that are commanded, over those of the profile.")
    select: bool = Field(default=True, description="Commands by SELECT and OPERATE; false: DIRECT_OPERATE.")
    unsolicited: bool | None = Field(
        default=None,
        description="Whether the outstation is asked to report changes unasked; none: on a connection of its own.",
    )
    integrity_period_s: float = Field(
        default=900.0, gt=0, le=86_400, description="Everything is read again after, seconds."
    )
    connect_timeout_s: float = Field(default=3.0, gt=0, le=60, description="Time for a connect, seconds.")
    set_time: bool = Field(default=False, description="Whether its clock is set when it asks (IIN1.4).")
    shared_connection: bool = Field(
        default=False,
        description="Several outstations behind one host and port, asked in turn; always so on a serial line.",
    )
    serial_port: str = Field(default="", description="The serial line, instead of `host`: for example /dev/ttyUSB0.")
    baudrate: int = Field(default=9600, ge=300, le=4_000_000, description="Bits per second of the serial line.")
    parity: Literal["N", "E", "O"] = Field(default="N", description="None, even or odd.")
    stop_bits: Literal[1, 2] = Field(default=1, description="Stop bits of the serial line.")
    rs485: bool = Field(default=False, description="The port switches its sender, on a two-wire serial line.")
    tls: bool = Field(default=False, description="Whether the connection is TLS, with `ca_file`.")
    ca_file: Path | None = Field(default=None, description="TLS: certificates that the outstation's own must lead to.")
    cert_file: Path | None = Field(default=None, description="TLS: this side's certificate.")
    key_file: Path | None = Field(default=None, description="TLS: this side's key.")
    server_name: str = Field(default="", description="TLS: the name in its certificate; empty: `host`.")
    user: int = Field(default=1, ge=1, le=65_535, description="Secure authentication: number of the user.")
    update_key: Path | None = Field(default=None, description="Secure authentication: file with 32 or 64 hex digits.")
    mac: Literal["hmac-sha-256-16", "hmac-sha-256-8", "aes-gmac-12", "hmac-sha-1-10", "hmac-sha-1-8"] = Field(
        default="hmac-sha-256-16", description="Secure authentication: the weakest algorithm that is taken."
    )
    max_charge_w: float | None = Field(
        default=None, ge=0, description="Charge rating of a device that does not tell it, W."
    )
    energy_wh: float | None = Field(default=None, gt=0, description="Energy of a device that does not tell it, Wh.")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if bool(self.host) == bool(self.serial_port):
            raise ValueError("name a `host` or a `serial_port`")
        if self.serial_port and (self.tls or self.udp):
            raise ValueError("there is no TLS and no UDP on a serial line")
        if self.udp and self.tls:
            raise ValueError("TLS is for TCP, not for UDP")
        if self.tls and self.ca_file is None:
            raise ValueError("tls needs ca_file: an outstation that cannot be verified is not commanded")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        if not self.all_inputs:
            raise ValueError("name a `profile` or `inputs`")
        if "w" not in {point.shows for point in self.all_inputs}:
            raise ValueError("an input that shows `w` is needed")
        named: list[str] = [*(point.shows for point in self.inputs), *(point.does for point in self.outputs)]
        doubled = sorted({one for one in named if named.count(one) > 1})
        if doubled:
            raise ValueError(f"{doubled[0]} is there twice")
        return self

    @property
    def shared(self) -> bool:
        """Whether the connection is shared: a serial line always is."""
        return self.shared_connection or bool(self.serial_port)

    @property
    def place(self) -> str:
        """Where the outstation is reached."""
        return self.serial_port or f"{self.host}:{self.port}{' (UDP)' if self.udp else ''}"

    @property
    def reports_unasked(self) -> bool:
        """Whether unsolicited reports are asked for."""
        return not self.shared if self.unsolicited is None else self.unsolicited

    @property
    def all_inputs(self) -> tuple[Input, ...]:
        """Inputs of the profile and by hand; the latter replace those that show the same."""
        given = ISO_GATEWAY_INPUTS if self.profile == "iso-gateway" else ()
        own = {point.shows for point in self.inputs}
        return (*(point for point in given if point.shows not in own), *self.inputs)

    @property
    def all_outputs(self) -> tuple[Output, ...]:
        """Outputs of the profile and by hand; the latter replace those that do the same."""
        given = ISO_GATEWAY_OUTPUTS if self.profile == "iso-gateway" else ()
        own = {point.does for point in self.outputs}
        return (*(point for point in given if point.does not in own), *self.outputs)
