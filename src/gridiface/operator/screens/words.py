"""Numbers, times and states as people read them. Pure; owns the wording, not the values.

Powers in W, + delivered to the grid. Times are told in UTC; the browser shows them in the reader's zone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from markupsafe import Markup, escape

from gridiface.domain.controls import Control, ControlMode

#: Stands where nothing is known.
NOTHING = "–"
#: Between a number and its unit, so that they stay on one line.
_SPACE = "\u202f"
_MINUS = "\u2212"

#: What each protocol is called.
PROTOCOLS: Mapping[str, str] = {
    "sep2": "IEEE 2030.5",
    "openadr": "OpenADR",
    "dnp3": "DNP3",
    "operator": "operator",
    "engine": "engine",
    "configuration": "configuration",
    "schedule": "schedule",
    "market": "market",
}

#: What each mode is called and its unit; "" where the value is no plain number.
MODES: Mapping[ControlMode, tuple[str, str]] = {
    ControlMode.CONNECT: ("connected", "yes"),
    ControlMode.ENERGIZE: ("energized", "yes"),
    ControlMode.SET_W: ("active power", "W"),
    ControlMode.SET_W_PERCENT: ("active power", "%"),
    ControlMode.DELTA_W: ("change of active power", "W"),
    ControlMode.LOAD_LEVEL: ("load level", ""),
    ControlMode.MAX_W_PERCENT: ("generation ceiling", "%"),
    ControlMode.EXPORT_LIMIT: ("export at most", "W"),
    ControlMode.IMPORT_LIMIT: ("import at most", "W"),
    ControlMode.GENERATION_LIMIT: ("generation at most", "W"),
    ControlMode.LOAD_LIMIT: ("load at most", "W"),
    ControlMode.ENERGY_TARGET: ("energy", "Wh"),
    ControlMode.REGULATION: ("regulation", "W"),
    ControlMode.SET_VAR: ("reactive power", "var"),
    ControlMode.SET_VAR_PERCENT: ("reactive power", "%"),
    ControlMode.POWER_FACTOR_INJECT: ("power factor, delivering", ""),
    ControlMode.POWER_FACTOR_ABSORB: ("power factor, taking", ""),
    ControlMode.CURVE: ("curve", "*"),
    ControlMode.FREQUENCY_DROOP: ("frequency droop", "*"),
    ControlMode.ENTER_V_HIGH: ("returns to service below", "%"),
    ControlMode.ENTER_V_LOW: ("returns to service above", "%"),
    ControlMode.ENTER_HZ_HIGH: ("returns to service below", "Hz"),
    ControlMode.ENTER_HZ_LOW: ("returns to service above", "Hz"),
    ControlMode.ENTER_DELAY: ("delay of return to service", "s"),
    ControlMode.ENTER_RANDOM_DELAY: ("random delay of return", "s"),
    ControlMode.ENTER_RAMP: ("ramp on return to service", "s"),
    ControlMode.PRICE: ("price per kWh", ""),
    ControlMode.BID: ("market bid", ""),
    ControlMode.MESSAGE: ("message", "*"),
}

#: Words for states, verdicts, qualities and outcomes that call for colour.
TONES: Mapping[str, str] = {
    **dict.fromkeys(("present", "granted", "secure", "optIn", "final", "listed", "in force", "answers"), "good"),
    **dict.fromkeys(("local mode", "unregistered", "no_time", "connecting", "near", "shortfall"), "warn"),
    **dict.fromkeys(("kept out", "overflow", "optOut", "unreachable", "wrong_pin", "not_registered"), "bad"),
    **dict.fromkeys(("no answer", "critical", "overdue", "of_no_use"), "bad"),
    **dict.fromkeys(("active", "accepted", "good", "acknowledged", "completed", "running", "ok", "pass"), "good"),
    **dict.fromkeys(("connected", "started", "returned", "opted in", "trusted", "opened", "ruling"), "good"),
    **dict.fromkeys(("partial", "estimated", "stale", "late", "published", "superseded", "note", "half_open"), "warn"),
    **dict.fromkeys(("waiting", "substituted", "unavailable", "in doubt", "raised", "degraded"), "warn"),
    **dict.fromkeys(("bad", "failed", "timeout", "rejected", "breaker_open", "refused", "invalid", "late"), "bad"),
    **dict.fromkeys(("unsupported", "blocked", "not_allowed", "lost", "fail", "down", "open", "quarantined"), "bad"),
}


def scaled(value: float | None, unit: str) -> str:
    """A quantity with the unit's prefix that suits it: 79.8 kW, −1.25 MW, 0 W."""
    if value is None or not math.isfinite(value):
        return NOTHING
    size = abs(value)
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= 0.99995 * factor:
            return f"{number(value / factor)}{_SPACE}{prefix}{unit}"
    return f"{number(value, 0)}{_SPACE}{unit}"


def number(value: float | None, digits: int | None = None) -> str:
    """A number with as many digits as make three to four figures; a true minus sign."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if digits is None:
        size = abs(value)
        digits = 2 if size < 10 else 1 if size < 1000 else 0
    text = f"{value:,.{digits}f}".replace(",", _SPACE)
    if text.strip("-0.") == "":
        text = text.lstrip("-")
    return text.replace("-", _MINUS)


def figure(value: float | None) -> str:
    """A number of any size with up to five figures that say something, and no exponent: 0.00958, 59.98, 12 500."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    digits = min(9, max(0, 4 - math.floor(math.log10(abs(value)))))
    text = f"{value:,.{digits}f}".replace(",", _SPACE)
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace("-", _MINUS)


def power(value: float | None) -> str:
    """W."""
    return scaled(value, "W")


def percent(part: float | None) -> str:
    """A fraction as per cent."""
    return NOTHING if part is None or not math.isfinite(part) else f"{number(100 * part, 0)}{_SPACE}%"


def known_for(part: float | None) -> str:
    """For how much of its time something was measured; empty where it always was, or nothing is to be told of."""
    if part is None or not 0 < part < 1:
        return ""
    return f"known for {max(1, min(99, round(100 * part)))}{_SPACE}% of the time"


def duration(seconds: float | None) -> str:
    """A length of time in the two units that say most."""
    if seconds is None or not math.isfinite(seconds):
        return "no end"
    left = max(0, round(seconds))
    parts: list[str] = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count or parts or unit == "s":
            parts.append(f"{count}{_SPACE}{unit}")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts[:2] if not part.startswith("0")) or f"0{_SPACE}s"


def when(at: float | None, style: str = "time") -> Markup:
    """An instant as a <time> element in UTC, which the page's script turns into the reader's zone.

    Args:
        at: seconds since 1970 UTC; None: nothing.
        style: "time" of day, "full" with the date, "short": to the minute.
    """
    if at is None or not math.isfinite(at):
        return Markup("–")
    try:
        moment = datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        return Markup("–")
    forms = {"time": "%H:%M:%S", "short": "%d %b %H:%M"}
    shown = moment.strftime(forms.get(style, "%Y-%m-%d %H:%M:%S")) + "Z"
    stamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Markup('<time datetime="{}" data-style="{}">{}</time>').format(stamp, style, shown)


def asked(values: Mapping[str, float]) -> str:
    """What a control asks for: "active power 80 kW, export at most 5 kW"."""
    return ", ".join(mode_value(mode, value) for mode, value in values.items()) or "nothing"


def control_words(control: Control) -> str:
    """What a control asks for, as `asked`."""
    return asked({mode.value: value.value for mode, value in control.values.items()})


def mode_value(mode: str, value: float) -> str:
    """One mode with its value."""
    name, unit = MODES[ControlMode(mode)] if mode in set(ControlMode) else (mode, "")
    if unit == "*":
        return name
    if unit == "yes":
        return name if value else f"not {name}"
    if unit in {"W", "var", "Wh"}:
        return f"{name} {scaled(value, unit)}"
    return f"{name} {number(value)}{_SPACE}{unit}".rstrip()


def about(signal: str) -> str:
    """What a decision is about, or a device can be asked for: a mode by its name, else the engine's own word."""
    return MODES[ControlMode(signal)][0] if signal in set(ControlMode) else signal.replace("_", " ")


def protocol(name: str) -> str:
    """A protocol's name for people."""
    return PROTOCOLS.get(name, name)


def short(identity: str) -> str:
    """An identity that has no name: its two ends where it is long."""
    return identity if len(identity) <= 20 else f"{identity[:8]}…{identity[-4:]}"


def tone(word: str | None) -> str:
    """The colour that a state calls for: good, warn, bad or plain."""
    return TONES.get(word or "", "plain")


#: What a device's data are called, by their quality.
HEALTH: Mapping[str | None, str] = {
    None: "no data yet",
    "good": "answers",
    "estimated": "estimated",
    "stale": "stale",
    "substituted": "substituted",
    "bad": "no answer",
}


def health(quality: str | None) -> str:
    """A device's data quality in a word that says what it means."""
    return HEALTH.get(quality, quality or "")


def badge(word: str | None) -> Markup:
    """A state as a coloured label; the word itself says it, too."""
    return Markup('<span class="badge {}">{}</span>').format(tone(word), escape((word or "unknown").replace("_", " ")))


def advice(text: str) -> Markup:
    """What to do about something, as a sentence; what stands between back-quotes as code."""
    parts = f"{text[:1].upper()}{text[1:]}.".split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if n % 2 else escape(part) for n, part in enumerate(parts)
    )
