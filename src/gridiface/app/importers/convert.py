"""What both foreign site forms share: names, connections, ramps, and the way into our own configuration. Pure.

Powers: both forms count kW; ours W. A ramp in the forms is kW per minute; ours W per second.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from gridiface.app.config.load import parse_config
from gridiface.app.config.model import Config
from gridiface.app.importers.findings import Document, Finding, Place
from gridiface.errors import ConfigError

#: SunSpec models that only report: none of their points can be written.
REPORTING_MODELS = frozenset({1, 101, 102, 103, 111, 112, 113, 120, 122, 160, *range(201, 205), *range(211, 215)})
#: SunSpec models through which power is commanded.
CONTROL_MODELS = (704, 123, 124)

#: Models that a device can have where power flows: inverters, their meters, storage, and those of the makers.
_KNOWN_MODELS = REPORTING_MODELS | {*range(121, 150), *range(701, 716), *range(801, 810), *range(64_000, 65_536)}

CONNECTION_KEYS = ("host", "port", "unit_id")
_UNIT_WORDS = ("slave_id", "slave", "unit", "device_id", "modbus_id", "address")
_FIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_WRITE_WORD = re.compile(r"write|command|setpoint|set_point|control", re.IGNORECASE)
_SECONDS = re.compile(r"(_m?s|sec\w*|time)\b", re.IGNORECASE)
_RAMP_WORD = re.compile(r"ramp", re.IGNORECASE)
_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A configuration made of a foreign file.

    Attributes:
        text: our YAML.
        config: the same, as it loads.
        findings: notes and warnings, in order.
    """

    text: str
    config: Config
    findings: tuple[Finding, ...]


def finish(document: Document, form: str, content: Mapping[str, Any]) -> Imported:
    """Write the configuration and load it again, as the server would.

    Raises:
        ConfigError: errors were found, or the result does not load.
    """
    document.raise_errors()
    name = "".join(c if c.isprintable() else "?" for c in document.path.name)
    head = f"# Made by `gridiface import {form}` from {name}. Look through its warnings, then run `gridiface check`.\n"
    text = head + yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)
    try:
        config = parse_config(text, Path("imported.yaml"))
    except ConfigError as problem:
        raise ConfigError(f"{document.path}: what was made of it does not load:\n{problem}") from problem
    return Imported(text=text, config=config, findings=tuple(document.findings))


def identifier(document: Document, place: Place, text: str) -> str:
    """`text` as an id of ours, with a warning where it had to change."""
    if _FIT.fullmatch(text):
        return text
    fit = re.sub(r"[^A-Za-z0-9._-]+", "-", text).lstrip("._-")[:64].rstrip("-") or "unnamed"
    document.warn(place, f"ids have letters, digits, '.', '_' and '-': became {fit!r}", "use that id from now on")
    return fit


def _split_host(document: Document, place: Place, host: str, port: float | None) -> tuple[str, float | None]:
    """Host and port where the port stands in the host; an IPv6 address has more than one colon."""
    name, colon, inside = host.partition(":")
    if not colon or not inside.isascii() or not inside.isdigit() or not 1 <= int(inside[:6]) <= 65_535:
        return host, port
    if port is not None and port != int(inside):
        text = f"names port {inside} beside port {port:g}"
        document.error((*place, "host"), text, "write the port once, under port")
    document.warn(
        (*place, "host"), f"the port stands in the host: {name} and {inside} are taken", "write it under port"
    )
    return name, float(inside)


def connection(document: Document, place: Place) -> dict[str, Any]:
    """The SunSpec driver's connection of a block with host, port and unit_id."""
    document.unknown_keys(place, CONNECTION_KEYS, _UNIT_WORDS)
    if isinstance(document.get((*place, "host")), int | float):
        document.error((*place, "host"), "is a number", "write a name or an address, in quotes")
        return {}
    host = document.text((*place, "host"))
    if not host:
        document.error((*place, "host"), "missing: the device cannot be reached", "add its name or address")
        return {}
    if "://" in host or "/" in host or " " in host:
        document.error((*place, "host"), "must be a name or an address, not a URL", "leave out scheme and path")
    port = document.number((*place, "port"), low=1, high=65_535)
    host, port = _split_host(document, place, host, port)
    if port is not None and port != int(port):
        document.error((*place, "port"), "must be a whole number", "502 is usual for Modbus")
    unit = _unit(document, place)
    return {"host": host, "port": int(port or 502), "unit_id": unit}


def _unit(document: Document, place: Place) -> int:
    found = document.number((*place, "unit_id"), low=0, high=255)
    if found is None and document.get((*place, "unit_id")) is None:
        for word in (word for word in _UNIT_WORDS if word in document.mapping(place)):
            other = document.number((*place, word), low=0, high=255)
            if other is not None:
                document.warn((*place, word), f"taken as unit_id {int(other)}", "the key is called unit_id")
                return int(other)
        fix = "add unit_id: behind a gateway every device has its own"
        document.warn((*place, "unit_id"), "missing unit id: 1 is taken", fix)
        return 1
    if found is not None and found != int(found):
        document.error((*place, "unit_id"), "must be a whole number from 0 to 255", "write it without a fraction")
    return int(found or 0)


def ramp_w_per_s(document: Document, place: Place, rate: float | None, range_kw: float) -> float | None:
    """A ramp of `rate` kW per minute as W/s, with warnings where it stands in seconds, too, or cannot be meant.

    Args:
        document: for findings.
        place: of the block that holds the ramp.
        rate: its `ramp_rate`, kW per minute.
        range_kw: from full charge to full discharge, kW.
    """
    found = None if rate is None else rate * 1000.0 / 60.0
    for key in document.mapping(place):
        name = str(key)
        if name == "ramp_rate" or not _RAMP_WORD.search(name):
            continue
        misspelt = get_close_matches(name.lower(), ["ramp_rate"], cutoff=0.85) and not _SECONDS.search(name)
        if misspelt or not isinstance(document.get((*place, name)), int | float):
            document.warn((*place, name), "unknown key, left out", "ramp_rate counts, in kW per minute")
            continue
        seconds = document.number((*place, name), low=0, high=1e7)
        if found is None and seconds:
            text = "a ramp in seconds, where the form has ramp_rate in kW per minute: left out"
            document.warn(
                (*place, name), text, f"write ramp_rate: {range_kw * 60 / seconds:g} if this is the full range"
            )
        elif seconds:
            text = f"a ramp in seconds beside ramp_rate in kW per minute: ramp_rate counts, {found:g} W/s"
            other = range_kw * 1000 / seconds
            document.warn((*place, name), text, f"the seconds over the full range would be {other:g} W/s: keep one")
    if found is not None and found > 0 and range_kw > 0:
        duration = range_kw * 1000 / found
        if duration > _HOUR_S:
            text = f"{rate:g} kW per minute needs {duration / 60:.0f} minutes for the full range"
            document.warn((*place, "ramp_rate"), text, "was it meant in kW per second, or as seconds?")
    if rate is not None and rate <= 0:
        document.error((*place, "ramp_rate"), "must be above 0", "write kW per minute as a positive number")
        return None
    return found


def sunspec_models(document: Document, place: Place, *, dispatched: bool) -> None:
    """Findings on a `sunspec_model` block: which model reports, which one cannot be written."""
    document.unknown_keys(place, ("inverter_model", "meter_model"), _write_keys(document, place))
    inverter = document.number((*place, "inverter_model"), low=1, high=65_535)
    if inverter is not None and inverter in REPORTING_MODELS and dispatched:
        text = f"a write to SunSpec model {int(inverter)}: it has no writable point, it only reports"
        document.warn((*place, "inverter_model"), text, _control_fix())
    for key in ("inverter_model", "meter_model"):
        model = document.number((*place, key), low=1, high=65_535)
        if model is not None and model not in _KNOWN_MODELS:
            fix = "write 101 to 113 or 701 for an inverter, 201 to 214 for a meter; the driver finds what there is"
            document.warn((*place, key), f"{model:g} is no SunSpec model of inverters or meters", fix)
    for key in _write_keys(document, place):
        digits = re.match(r"\d{1,5}", str(document.get((*place, key))))
        if digits and int(digits.group()) in REPORTING_MODELS:
            text = f"a write to SunSpec model {digits.group()}: it has no writable point, it only reports"
            document.warn((*place, key), text, _control_fix())
        else:
            document.note((*place, key), "left out", "the driver finds the model to write to by itself")


def _control_fix() -> str:
    models = ", ".join(str(model) for model in CONTROL_MODELS)
    return f"the driver writes to the first of {models} that it finds: make sure that the device has one"


def _write_keys(document: Document, place: Place) -> list[str]:
    value = document.get(place)
    names = [str(key) for key in value] if isinstance(value, Mapping) else []
    return [name for name in names if name not in ("inverter_model", "meter_model") and _WRITE_WORD.search(name)]


def magnitude_kw(document: Document, place: Place, *, negative: bool) -> float | None:
    """A power of the form as a magnitude, kW, with a warning where its sign is not the form's.

    Args:
        document: for findings.
        place: of the power.
        negative: whether the form counts it negative (max_charge does).
    """
    value = document.number(place, low=-1e7, high=1e7, unit="kW")
    if value is None:
        return None
    wrong = value > 0 if negative else value < 0
    if wrong:
        sign = "negative" if negative else "positive"
        document.warn(place, f"sign: {value:g} stands where the form counts {sign}", f"{abs(value):g} kW is taken")
    if abs(value) > 100_000:
        document.warn(place, f"{abs(value):g} kW is {abs(value) / 1000:g} MW for one asset", "was it meant in W?")
    return abs(value)
