"""The `vpp_grid` YAML form of a site -> our configuration, with its usual mistakes named. Reads text, no files.

Their side: powers in kW, max_charge negative, ramp in kW per minute, reactive power in kVAR by kind (capacitive =
injected). What the file does not hold or we do not do (IEC 61850's references, the orchestrator's endpoint and its
secrets) is noted and left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gridiface.app.importers.convert import (
    Imported,
    connection,
    finish,
    identifier,
    magnitude_kw,
    ramp_w_per_s,
    sunspec_models,
)
from gridiface.app.importers.findings import Document, Place

MOST_ASSETS = 10_000
_ORCHESTRATOR = "ai_orchestrator"
_SITE_KEYS = ("site_id", "coordinator_version", "dispatch_scheduling", "assets", _ORCHESTRATOR)
_ASSET_KEYS = (
    "asset_id",
    "topology",
    "protocol",
    "iec_goose_app_id",
    "iec_61850_ied_id",
    "dispatch_limits",
    "soc_sensor",
    "modbus_tcp",
    "sunspec_model",
)
_ORCHESTRATOR_KEYS = ("endpoint", "auth", "aggregation_interval_ms", "command_setpoint_deadband")
#: A word in `topology` -> what the device is; the first that fits.
_KINDS = (
    ("hybrid", "pv_battery"),
    ("dc_coupled", "pv_battery"),
    ("bess", "battery"),
    ("batt", "battery"),
    ("stor", "battery"),
    ("ac_coupled", "battery"),
    ("solar", "pv"),
    ("pv", "pv"),
    ("evse", "evse"),
    ("charger", "evse"),
    ("load", "load"),
    ("gen", "generator"),
)
#: Words in `protocol` of devices behind `modbus_tcp`; "tcp" and "ip" alone say nothing else, 61850 may stand beside it.
_CARRIERS = ("modbus", "sunspec", "tcp", "61850", "goose", "mms")
#: The engine's fastest service has a step every so often, ms.
_QUICKEST_MS = 50
#: The engine's own default; slower sensors widen it.
_STALE_S = 15.0


def import_vpp_grid(text: str, path: Path) -> Imported:
    """Convert one file.

    Args:
        text: YAML, with or without the key `vpp_grid` around it.
        path: for messages; is not opened.

    Raises:
        ConfigError: every error, one a line: `file:line: place: what; fix`.
    """
    document = Document(path, text, "yaml")
    base = document.root("vpp_grid", (_ORCHESTRATOR,))
    document.unknown_keys(base, _SITE_KEYS)
    title = document.line((*base, "site_id")) or "site"
    site = identifier(document, (*base, "site_id"), title)
    if document.get((*base, "site_id")) is None:
        document.warn((*base, "site_id"), "missing: the site is called 'site'", "add site_id")
    for key, why in (
        ("coordinator_version", "the version of another program"),
        ("dispatch_scheduling", "schedules come from programs or from the local schedule"),
    ):
        if document.get((*base, key)) is not None:
            document.note((*base, key), "left out", why)
    devices = _devices(document, base)
    engine = _engine(document, base)
    document.raise_errors()
    names = {device["id"] for device in devices}
    group = site if site not in names else f"{site[:57]}-group"
    content: dict[str, Any] = {
        "site": site,
        "devices": devices,
        "groups": [{"id": group, "name": title, "members": sorted(names)}],
    }
    if engine:
        content["engine"] = engine
    return finish(document, "vpp-grid", content)


def _devices(document: Document, base: Place) -> list[dict[str, Any]]:
    place = (*base, "assets")
    assets = document.items(place)
    if not assets and not document.get(place):
        document.error(place, "no assets", "list at least one with asset_id and dispatch_limits")
    if len(assets) > MOST_ASSETS:
        document.error(place, f"more than {MOST_ASSETS} assets", "split the file by site")
        return []
    found: list[dict[str, Any]] = []
    ids: dict[str, int] = {}
    units: dict[tuple[str, int, int], str] = {}
    for number in range(len(assets)):
        device = _asset(document, (*place, number))
        if device is None:
            continue
        if device["id"] in ids:
            first = ids[device["id"]]
            document.error((*place, number, "asset_id"), f"used by assets[{first}] already", "give each its own")
        ids[device["id"]] = number
        _shared_unit(document, (*place, number), device, units)
        found.append(device)
    if assets and not found and not any(f.severity == "error" for f in document.findings):
        document.error(place, "no asset can be reached over SunSpec Modbus", "add modbus_tcp to those that can")
    return found


def _shared_unit(
    document: Document, place: Place, device: dict[str, Any], units: dict[tuple[str, int, int], str]
) -> None:
    settings = device["connection"]
    if not settings:
        return
    key = (settings["host"], settings["port"], settings["unit_id"])
    if key in units:
        text = f"same host, port and unit id {key[2]} as {units[key]}: both would command one device"
        document.error((*place, "modbus_tcp", "unit_id"), text, "give each device its own unit_id")
    units[key] = device["id"]


def _asset(document: Document, place: Place) -> dict[str, Any] | None:
    if not document.mapping(place, required=True):
        return None
    document.unknown_keys(place, _ASSET_KEYS)
    name = document.text((*place, "asset_id"))
    if not name:
        if document.get((*place, "asset_id")) in (None, ""):
            document.error((*place, "asset_id"), "missing", "add an id that is used once")
        return None
    own = identifier(document, (*place, "asset_id"), name)
    for key in ("iec_goose_app_id", "iec_61850_ied_id"):
        if document.get((*place, key)) is not None:
            document.note(
                (*place, key), "left out", "driver iec61850 wants a table of references, which is not in the file"
            )
    protocol = (document.text((*place, "protocol")) or "").lower()
    if document.get((*place, "modbus_tcp")) is None:
        if "61850" in protocol or "goose" in protocol:
            fix = "write it a table (docs/operator/iec61850.md), or add modbus_tcp if the device has SunSpec, too"
            document.warn(
                (*place, "protocol"), f"{own} speaks only IEC 61850, and its references are not here: left out", fix
            )
            return None
        document.error((*place, "modbus_tcp"), "missing: the device cannot be reached", "add host, port and unit_id")
        return None
    if protocol and not any(word in protocol for word in _CARRIERS):
        text = "names another protocol beside modbus_tcp: SunSpec over Modbus/TCP is taken"
        document.warn((*place, "protocol"), text, "write modbus_tcp, or take modbus_tcp out")
    rating, charges = _rating(document, (*place, "dispatch_limits"))
    sunspec_models(document, (*place, "sunspec_model"), dispatched="max_w" in rating)
    device: dict[str, Any] = {
        "id": own,
        "driver": "sunspec",
        "connection": connection(document, (*place, "modbus_tcp")),
        "rating": rating,
    }
    topology = (document.text((*place, "topology")) or "").lower()
    kind = _kind(topology, charges=charges)
    if topology and not _known(topology):
        what = "by its charging a battery" if charges else "what it is is left open"
        words = ", ".join(sorted({word for word, _ in _KINDS}))
        document.warn((*place, "topology"), f"not known: {what}", f"use a word with {words}")
    return device if kind is None else {"id": own, "kind": kind, **device}


def _known(topology: str) -> str | None:
    word = topology.replace("-", "_").replace(" ", "_")
    return next((kind for part, kind in _KINDS if part in word), None)


def _kind(topology: str, *, charges: bool) -> str | None:
    return _known(topology) or ("battery" if charges else None)


def _rating(document: Document, place: Place) -> tuple[dict[str, float], bool]:
    """Ratings in W, var and W/s, and whether the asset charges."""
    document.unknown_keys(place, ("real_power", "reactive_power"))
    real, reactive = (*place, "real_power"), (*place, "reactive_power")
    ramps = [str(key) for key in document.mapping(real) if "ramp" in str(key).lower()]
    document.unknown_keys(real, ("max_charge", "max_discharge", "ramp_rate"), ramps)
    document.unknown_keys(reactive, ("max_cap", "max_ind"))
    charge = magnitude_kw(document, (*real, "max_charge"), negative=True)
    discharge = magnitude_kw(document, (*real, "max_discharge"), negative=False)
    rating: dict[str, float] = {}
    if discharge is None:
        fix = "add max_discharge in kW: without it the device counts only after it has answered"
        document.warn((*real, "max_discharge"), "missing", fix)
    else:
        rating["max_w"] = discharge * 1000
    if charge is not None:
        rating["max_charge_w"] = charge * 1000
    if discharge == 0 and not charge:
        document.warn(
            real, "0 kW either way: nothing can ever be asked of it", "write max_charge and max_discharge in kW"
        )
    rate = document.number((*real, "ramp_rate"), low=-1e7, high=1e7, unit="kW per minute")
    ramp = ramp_w_per_s(document, real, rate, (charge or 0.0) + (discharge or 0.0))
    if ramp is not None:
        rating["ramp_w_per_s"] = ramp
    for key, ours, negative in (("max_cap", "max_var", False), ("max_ind", "max_var_neg", True)):
        value = document.number((*reactive, key), low=-1e7, high=1e7, unit="kVAR")
        if value is not None:
            if value < 0 and not negative:
                document.warn((*reactive, key), f"sign: {value:g} kVAR is below 0", f"{abs(value):g} kVAR is taken")
            rating[ours] = abs(value) * 1000
    return rating, bool(charge)


def _engine(document: Document, base: Place) -> dict[str, float]:
    """What of the orchestrator's block and of the sensors is the engine's in our configuration."""
    place: Place = (*base, _ORCHESTRATOR)
    if base and document.get((_ORCHESTRATOR,)) is not None:
        if document.get(place) is None:
            place = (_ORCHESTRATOR,)  # some files have it beside the site
        else:
            document.warn((_ORCHESTRATOR,), "stands inside vpp_grid, too: that one counts", "keep one")
    document.unknown_keys(place, _ORCHESTRATOR_KEYS)
    for key in ("endpoint", "auth"):
        if document.get((*place, key)) is not None:
            fix = (
                "utilities connect by IEEE 2030.5, OpenADR or DNP3, people by the REST interface: see `gridiface init`"
            )
            document.note((*place, key), "left out", fix)
    engine: dict[str, float] = {}
    interval = document.number((*place, "aggregation_interval_ms"), low=0, high=1e9, unit="ms")
    if interval is not None and 0 < interval <= 60_000:
        engine["period_s"] = interval / 1000
        if interval < _QUICKEST_MS:
            text = f"{interval:g} ms between two control steps, shorter than any device is told"
            document.warn((*place, "aggregation_interval_ms"), text, "was it meant in s?")
    elif interval is not None:
        document.warn((*place, "aggregation_interval_ms"), f"{interval:g} ms is left out", "use 1 to 60000 ms")
    deadband = document.number((*place, "command_setpoint_deadband"), low=0, high=1e6, unit="kW")
    if deadband is not None:
        engine["deadband_w"] = deadband * 1000
    slowest = _slowest_sensor(document, (*base, "assets"))
    if 2 * slowest > _STALE_S:
        engine["stale_after_s"] = 2 * slowest
        engine["lost_after_s"] = 3 * slowest  # what is stale is not lost yet, which the engine insists on
    return engine


def _slowest_sensor(document: Document, place: Place) -> float:
    """The longest period of a state-of-charge sensor, s."""
    slowest = 0.0
    for number in range(len(document.items(place))):
        sensor = (*place, number, "soc_sensor")
        if not isinstance(document.get((*place, number)), dict):
            continue
        document.unknown_keys(sensor, ("measurement_point", "update_rate_ms"))
        if document.get((*sensor, "measurement_point")) is not None:
            fix = "the driver reads the state of charge from SunSpec 713 or 124"
            document.note((*sensor, "measurement_point"), "left out", fix)
        rate = document.number((*sensor, "update_rate_ms"), low=0, high=86_400_000, unit="ms")
        if rate is not None and 0 < rate < _QUICKEST_MS:
            text = f"{rate:g} ms between two readings, shorter than any device is read"
            document.warn((*sensor, "update_rate_ms"), text, "was it meant in s?")
        slowest = max(slowest, (rate or 0.0) / 1000)
    return slowest
