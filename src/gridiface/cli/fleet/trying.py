"""`gridiface device try`: one device by its driver, without a server: what it is, what it reads, what it does.

Owns the order of the questions and how the answers are shown. Not owned: drivers (the registry finds them), the keys
of a device (its driver).
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from gridiface.app.config import load_config
from gridiface.app.process.clock import SystemClock
from gridiface.cli.fleet.define import ConnectionOption, DriverOption, laid
from gridiface.cli.terminal.showing import Json, show_json, show_table, utc
from gridiface.domain.controls import Setpoint
from gridiface.domain.fleet import Nameplate
from gridiface.domain.telemetry import Snapshot
from gridiface.drivers.api import Ack, Driver, DriverConfig, ListeningDriver, ShowingDriver, Shown
from gridiface.drivers.registry import DriverRegistry
from gridiface.errors import ConfigError, DeviceError

#: Of a reading for people: what says nothing of the device.
_BESIDE = ("device_id", "source_time", "received", "duration_s")

#: Time that a device has between a set-point and the look at what it does, s.
_SETTLES_S = 3.0


def try_device(
    *,
    device: Annotated[str | None, typer.Argument(help="With --config: the device's id there.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="The configuration that has the device.")] = None,
    driver: DriverOption = None,
    connection: ConnectionOption = None,
    times: Annotated[int, typer.Option("--times", min=1, max=1000, help="Readings, one each poll period.")] = 1,
    power: Annotated[
        float | None,
        typer.Option(
            "--power", help="Also COMMAND the device: so many W (+ delivered, - taken) for some seconds, then let go."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask one device directly, without a server: what it is, and every value it tells, raw and as it is understood.

    For who installs a device or writes a table. Nothing is written without --power. A device that takes one connection
    only is not to be had while a server has it. Exit code 1: it does not answer, or does not do what it is told.

    Example: gridiface device try --driver modbus -c host=192.0.2.7 -c unit_id=3 -c table=cellar-battery.yaml
    """
    made, keys = _made(device, config, driver, connection)
    told: dict[str, Any] = {"ok": True, "device": made.device_id, "hints": list(keys.hints())}
    asyncio.run(_asked(made, keys, told, times, power))
    if as_json:
        show_json(told)
    else:
        _show(told)
    raise typer.Exit(0 if told["ok"] else 1)


def _made(
    device: str | None, config: Path | None, driver: str | None, connection: list[str] | None
) -> tuple[Driver, DriverConfig]:
    """The driver, not yet open, and its keys."""
    if config is not None:
        loaded = load_config(config)
        entry = next((one for one in loaded.devices if one.id == device), None)
        if entry is None:
            known = ", ".join(one.id for one in loaded.devices[:10]) or "none"
            raise ConfigError(f"{config} has no device {device or '(say which)'}; it has {known}")
        name, given, folder = entry.driver, dict(entry.connection), loaded.folder
    elif driver is not None:
        name, given, folder = driver, {}, Path.cwd()
    else:
        raise ConfigError("say which device: its id and --config, or --driver and -c KEY=VALUE")
    if name == "sep2":
        raise ConfigError("a device that speaks IEEE 2030.5 calls the server by itself: there is nothing to try")
    registry = DriverRegistry(folder=folder)
    keys = registry.config(name, laid(given, connection or []), place="connection")
    return registry.factory(name).create(device or "device", keys, clock=SystemClock()), keys


async def _asked(driver: Driver, keys: DriverConfig, told: dict[str, Any], times: int, power: float | None) -> None:
    """Everything that is asked, into `told`; a failure ends it, and says at which step."""
    step = "opening"
    try:
        plate = await driver.open()
        told["nameplate"] = _plain(plate) | {"kind": driver.kind.value}
        step = "reading"
        told["readings"] = []
        for number in range(times):
            await asyncio.sleep(keys.poll_period_s if number else 0.0)
            told["readings"].append(_plain(await driver.read()))
        if power is not None:
            step = f"telling it {power:g} W"
            await _commanded(driver, told, power)
    except DeviceError as problem:
        told["ok"], told["step"], told["problem"] = False, step, problem.reason
    finally:
        if isinstance(driver, ShowingDriver):
            told["points"] = [dataclasses.asdict(shown) for shown in driver.show()]
        await driver.close()
        if isinstance(driver, ListeningDriver):
            await driver.end()


async def _commanded(driver: Driver, told: dict[str, Any], power: float) -> None:
    """Tell it a power, look what it does, and let go whatever came of it."""
    clock = SystemClock()
    try:
        ack = await driver.write(Setpoint(device_id=driver.device_id, issued=clock.now(), active_power_w=power))
        told["command"] = _of_ack(ack)
        await asyncio.sleep(_SETTLES_S)
        told["readings"].append(_plain(await driver.read()))
    finally:
        with suppress(DeviceError):
            told["released"] = _of_ack(await driver.revert())


def _of_ack(ack: Ack) -> dict[str, Any]:
    return {
        "written": dict(ack.written),
        "read_back": dict(ack.read_back),
        "verified": ack.verified,
        "active_power_W": ack.active_power_w if ack.active_power_w is not None else ack.ceiling_w,
        "falls_back_s": ack.revert_s,
        "notes": [*ack.notes, *ack.skipped],
    }


def _plain(what: Nameplate | Snapshot) -> dict[str, Any]:
    """What is known of it, in words and numbers."""
    fields = {field.name: getattr(what, field.name) for field in dataclasses.fields(what)}
    return {name: _word(value) for name, value in fields.items() if value not in (None, "", {}, frozenset())}


def _word(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(str(one) for one in value)
    return {str(key): one for key, one in value.items()} if isinstance(value, Mapping) else value


def _show(told: dict[str, Any]) -> None:
    if "nameplate" in told:
        show_table("What it is", ("", ""), _rows(told["nameplate"]))
    if told.get("points"):
        columns = [field.name for field in dataclasses.fields(Shown)]
        show_table("What it tells", columns, ([row[name] for name in columns] for row in told["points"]))
    for reading in told.get("readings", ()):
        at = utc(reading["source_time"])
        show_table(f"Read at {at}", ("", ""), _rows({k: v for k, v in reading.items() if k not in _BESIDE}))
    for name, title in (("command", "Told"), ("released", "Let go")):
        if name in told:
            show_table(title, ("", ""), _rows(told[name]))
    for hint in told["hints"]:
        typer.echo(f"hint: {hint}")
    if not told["ok"]:
        typer.echo(f"{told['step']} failed: {told['problem']}", err=True)


def _rows(what: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in what.items():
        if isinstance(value, dict):
            yield name, ", ".join(f"{key} {one}" for key, one in value.items())
        else:
            yield name, ", ".join(map(str, value)) if isinstance(value, list) else str(value)
