"""What each measure and action is, in words, and the reference page made of them and of the ready-made point maps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from gridiface.northbound.dnp3.pointmap.meanings import Action, Measure
from gridiface.northbound.dnp3.profiles.der import ProfileRow, rows
from gridiface.northbound.dnp3.profiles.iso import iso_gateway
from gridiface.northbound.dnp3.shown.device_profile import points_table

MEASURES: Mapping[Measure, tuple[str, str]] = {
    Measure.W: ("W", "active power, + delivered to the grid"),
    Measure.VAR: ("var", "reactive power, + injected"),
    Measure.VA: ("VA", "apparent power; from W and var where it is not told"),
    Measure.POWER_FACTOR: ("", "W / VA, with the sign of the power"),
    Measure.HZ: ("Hz", "frequency, of the group's meter or of a member"),
    Measure.VOLTS: ("V", "mean of the phases to neutral, of the group's meter or of a member"),
    Measure.VOLTS_A: ("V", "phase A to neutral"),
    Measure.VOLTS_B: ("V", "phase B to neutral"),
    Measure.VOLTS_C: ("V", "phase C to neutral"),
    Measure.ANGLE_A: ("°", "angle of the voltage of phase A, 0 to 360, of the group's meter or of a member"),
    Measure.ANGLE_B: ("°", "of phase B"),
    Measure.ANGLE_C: ("°", "of phase C"),
    Measure.VOLTS_LL: ("V", "mean of line to line; from the phases where only those are known"),
    Measure.W_A: ("W", "active power of phase A, of the group's meter or of the device"),
    Measure.W_B: ("W", "of phase B"),
    Measure.W_C: ("W", "of phase C"),
    Measure.VAR_A: ("var", "reactive power of phase A, of the group's meter or of the device"),
    Measure.VAR_B: ("var", "of phase B"),
    Measure.VAR_C: ("var", "of phase C"),
    Measure.AMPS_A: ("A", "current of phase A, of the group's meter or of the device"),
    Measure.AMPS_B: ("A", "of phase B"),
    Measure.AMPS_C: ("A", "of phase C"),
    Measure.SOC: ("0..1", "state of charge, weighted by energy; scale 0.01 for percent"),
    Measure.USABLE_SOC: ("0..1", "the part of the usable window of charge that is there"),
    Measure.AVAILABLE_WH: ("Wh", "energy that can still be delivered"),
    Measure.AVAILABLE_UP_W: ("W", "how far the power can rise, >= 0"),
    Measure.AVAILABLE_DOWN_W: ("W", "how far it can fall, >= 0"),
    Measure.HIGHEST_W: ("W", "power now + available up"),
    Measure.LOWEST_W: ("W", "power now - available down"),
    Measure.CHARGE_W: ("W", "the most that can be taken now, as power: <= 0"),
    Measure.AVAILABLE_VAR: ("var", "what can be injected now: the set maximum, and what VA leaves beside the power"),
    Measure.AVAILABLE_VAR_NEG: ("var", "what can be absorbed now, >= 0"),
    Measure.RATED_W: ("W", "sum of ratings"),
    Measure.RATED_CHARGE_W: ("W", "sum of ratings, >= 0"),
    Measure.RATED_DISCHARGE_W: ("W", "sum of ratings"),
    Measure.RATED_VA: ("VA", "sum of ratings"),
    Measure.RATED_VAR: ("var", "sum of ratings, injected"),
    Measure.RATED_VAR_NEG: ("var", "sum of ratings, absorbed, >= 0"),
    Measure.RATED_WH: ("Wh", "sum of usable energies"),
    Measure.USABLE_WH: ("Wh", "sum of energies between the lowest and highest state of charge that is used"),
    Measure.RATED_V: ("V", "nominal voltage of the first member that states one"),
    Measure.RATED_MIN_V: ("V", "the highest of the members' lowest voltages; members of one nominal voltage only"),
    Measure.RATED_MAX_V: ("V", "the lowest of their highest ones; the same"),
    Measure.RATED_AMPS: ("A", "sum of ratings, of members of one nominal voltage only"),
    Measure.RATED_CHARGE_VA: ("VA", "sum of ratings, >= 0"),
    Measure.OVER_EXCITED_W: ("W", "sum of what is there at the over-excited power factor each is rated at"),
    Measure.OVER_EXCITED_PF: ("0..1", "the power factor of all of them then"),
    Measure.OVER_EXCITED_CHARGE_W: ("W", "sum of what can be taken then, as a magnitude; as configured"),
    Measure.UNDER_EXCITED_W: ("W", "the same, under-excited"),
    Measure.UNDER_EXCITED_PF: ("0..1", "the power factor of all of them then"),
    Measure.UNDER_EXCITED_CHARGE_W: ("W", "sum of what can be taken then, as a magnitude; as configured"),
    Measure.SUSCEPTANCE: ("S", "sum of ratings"),
    Measure.NORMAL_CATEGORY: ("", "of IEEE 1547, 1 A, 2 B: the lowest, once every member states one"),
    Measure.ABNORMAL_CATEGORY: ("", "1 to 3 for I to III: the same"),
    Measure.SET_MAX_W: ("W", "sum of what members are set to, never above ratings"),
    Measure.SET_MAX_CHARGE_W: ("W", "the same, taken, >= 0"),
    Measure.SET_MAX_VA: ("VA", "the same"),
    Measure.SET_MAX_VAR: ("var", "the same, injected"),
    Measure.SET_MAX_VAR_NEG: ("var", "the same, absorbed, >= 0"),
    Measure.SET_MAX_CHARGE_VA: ("VA", "the same, while taken, >= 0"),
    Measure.SET_MIN_V: ("V", "the highest of the lowest voltages that members are set to"),
    Measure.SET_MAX_V: ("V", "the lowest of the highest ones"),
    Measure.ENTER_V_HIGH: ("%", "return to service: the lowest upper voltage limit of the members, of nominal"),
    Measure.ENTER_V_LOW: ("%", "the highest lower one"),
    Measure.ENTER_HZ_HIGH: ("Hz", "the lowest upper frequency limit"),
    Measure.ENTER_HZ_LOW: ("Hz", "the highest lower one"),
    Measure.ENTER_DELAY: ("s", "the longest delay"),
    Measure.ENTER_RAMP: ("s", "the longest ramp up"),
    Measure.START_UP: ("", "-1 not known, 0 off, 1 standing by, 2 starting, 3 running, 4 shutting down, 5 at fault"),
    Measure.RAMP_W_PER_S: ("W/s", "sum of the members' ramps"),
    Measure.RAMP_PERCENT_PER_S: ("%/s", "the same, in percent of the rating"),
    Measure.CHARGE_RAMP_PERCENT_PER_S: ("%/s", "the members' ramps, in percent of the charge rating"),
    Measure.SOC_MIN: ("0..1", "lowest state of charge that is used"),
    Measure.SOC_MAX: ("0..1", "highest state of charge that is used"),
    Measure.MEMBERS: ("", "members that are enabled"),
    Measure.BATTERIES: ("", "members that store"),
    Measure.METERS: ("", "members that only measure"),
    Measure.INVERTERS: ("", "members that are no meters"),
    Measure.SOC_FULL: ("state", "the state of charge is at its highest allowed value"),
    Measure.SOC_EMPTY: ("state", "the state of charge is at its lowest allowed value"),
    Measure.ENERGY_OUT: ("Wh", "energy delivered, counted from the power"),
    Measure.ENERGY_IN: ("Wh", "energy taken"),
    Measure.REACTIVE_OUT: ("varh", "reactive energy injected"),
    Measure.REACTIVE_IN: ("varh", "reactive energy absorbed"),
    Measure.GENERATING: ("state", "power is delivered"),
    Measure.CHARGING: ("state", "power is taken"),
    Measure.IDLE: ("state", "connected, and no power flows"),
    Measure.STARTING: ("state", "starting, or told to by the output in `argument` and not running yet"),
    Measure.STOPPING: ("state", "shutting down, or told to by the output in `argument` and not stopped yet"),
    Measure.STOPPED: ("state", "off, standing by or at fault: nothing of it runs, starts or stops"),
    Measure.CONNECTED: ("state", "connected to the grid"),
    Measure.RUNNING: ("state", "running or throttled"),
    Measure.OFF_AVAILABLE: ("state", "off or standing by, without an alarm"),
    Measure.OFF_UNAVAILABLE: ("state", "at fault, or off with an alarm"),
    Measure.LOCAL_CONTROL: ("state", "under local control"),
    Measure.TELEMETRY_OK: ("state", "telemetry is complete and fresh"),
    Measure.COMM_LOST: ("state", "nothing is known"),
    Measure.ALARM: ("state", "some alarm is raised"),
    Measure.ALARMED: ("state", "one of the alarms in `argument` is raised"),
    Measure.TOLD_ALARM: ("state", "the alarm in `argument` is raised; online where a member is known to tell it"),
    Measure.SUPPORTS: ("state", "some member has one of the capabilities in `argument`"),
    Measure.HEARTBEAT: ("", "a state toggles, a number counts, at each refresh"),
    Measure.READ_BACK: ("as the output", "what is in force of the output in `argument`"),
    Measure.IN_FORCE: ("state", "the output in `argument` has a control that runs"),
    Measure.CONSTANT: ("", "the number in `argument`"),
    Measure.UNKNOWN: ("", "not known here: never online"),
    Measure.CURVE_IN_USE: ("state", "a mode, enabled or not, names the curve that the edit window shows"),
    Measure.ABOVE: ("state", "a measure is above the threshold an output holds; `argument` is MEASURE OUTPUT"),
    Measure.BELOW: ("state", "the same, below it; a threshold of 0 is none"),
    Measure.SCHEDULE_STATE: ("", "validation state, status or number of a schedule; `argument` is WINDOW/WORD"),
}

ACTIONS: Mapping[Action, tuple[str, str]] = {
    Action.SET_W: ("W", "active power of the target's total, + delivered"),
    Action.SET_W_PERCENT: ("%", "the same: + of discharge or generation, - of charge rating"),
    Action.DELTA_W: ("W", "change against the baseline, + = more delivered"),
    Action.MAX_W_PERCENT: ("%", "ceiling of generation, of the set maximum"),
    Action.EXPORT_LIMIT: ("W", "most delivered at the connection point, >= 0"),
    Action.IMPORT_LIMIT: ("W", "most taken at the connection point, >= 0"),
    Action.GENERATION_LIMIT: ("W", "most generated, >= 0"),
    Action.LOAD_LIMIT: ("W", "most consumed, >= 0"),
    Action.REGULATION: ("W", "signed change around the set-point that rules (AGC)"),
    Action.SET_VAR: ("var", "reactive power, + injected"),
    Action.SET_VAR_PERCENT: ("%", "the same, of the rating"),
    Action.POWER_FACTOR_INJECT: ("-1..1", "power factor while delivering, + over-excited"),
    Action.POWER_FACTOR_ABSORB: ("-1..1", "power factor while taking, + over-excited"),
    Action.CONNECT: ("state", "connect or disconnect"),
    Action.ENERGIZE: ("state", "permit to give or take power, or cease"),
    Action.ENTER_V_HIGH: ("%", "return to service: at most so much of nominal voltage"),
    Action.ENTER_V_LOW: ("%", "at least so much of it"),
    Action.ENTER_HZ_HIGH: ("Hz", "at most this frequency"),
    Action.ENTER_HZ_LOW: ("Hz", "at least this frequency"),
    Action.ENTER_DELAY: ("s", "so long inside both windows before it"),
    Action.ENTER_RANDOM_DELAY: ("s", "most that chance adds to that"),
    Action.ENTER_RAMP: ("s", "ramp to full power after it"),
    Action.RAISE: ("pulses", "each adds `argument` W to the regulation of the slot"),
    Action.LOWER: ("pulses", "each takes `argument` W from it"),
    Action.ENABLE: ("state", "outputs whose `enabled_by` names it act while it is on"),
    Action.RELEASE: ("state", "ends every control that this master has in force"),
    Action.STORE: ("", "kept and read back; used by outputs that name it"),
    Action.CURVE: ("", "number of a curve of the edit window, 0 none; `argument` is its kind"),
    Action.DROOP: ("Hz", "droop from so far above nominal on; the rest stands in `parameters_from`"),
    Action.EDIT: ("", "a field of an edit window; `argument` is WINDOW/FIELD"),
    Action.NONE: ("", "exists, every command is NOT_SUPPORTED"),
}

#: The third point and later ones of curves and schedules.
_LATER_POINT = re.compile(r"point ([3-9]|[1-9][0-9]+)\b")

_HEAD = """# DNP3 points
Made from the code (`gridiface dnp3 profile --points` prints the tables of a configuration). How to use it:
[the operator's page](../operator/dnp3.md).

On the wire stands `sign * SI value / scale + offset`; "SI per unit" below is `sign * scale`.
"""


def reference_page() -> str:
    """docs/reference/dnp3-points.md."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    yield from _words("Measures of inputs", "measure", MEASURES)
    yield from _words("Actions of outputs", "action", ACTIONS)
    entries = iso_gateway()
    yield "## Profile iso-gateway"
    yield "What ISOs and RTOs poll at a resource's gateway. Analogs are floats.\n"
    for kind in dict.fromkeys(entry.type for entry in entries):
        yield f"### {kind.value}s"
        yield from points_table([entry for entry in entries if entry.type is kind])
        yield ""
    yield "## Profile der"
    yield (
        "The points of the DER profile (IEEE 1815.2, DNP3 AN2018-001). S: mandatory by the profile, I: by IEEE 1547. "
        "**Not served** are those of functions that a fleet does not have, and what is never known here. Of the 100 "
        "points of a curve and of a schedule the first two are listed; the others follow in the same steps.\n"
    )
    kept = [row for row in rows() if not _LATER_POINT.search(row.title)]
    for kind in dict.fromkeys(row.entry.type for row in kept):
        yield f"### {kind.value}s of the DER profile"
        yield "| index | profile's name | meaning | unit | scale | class | pair | mandatory |"
        yield "|---|---|---|---|---|---|---|---|"
        yield from (_der_row(row) for row in kept if row.entry.type is kind)
        yield ""


def _words(
    title: str, column: str, words: Mapping[Measure, tuple[str, str]] | Mapping[Action, tuple[str, str]]
) -> Iterator[str]:
    yield f"## {title}"
    yield f"| {column} | SI unit | meaning |"
    yield "|---|---|---|"
    for name, (unit, text) in words.items():
        yield f"| `{name.value}` | {unit} | {text} |"
    yield ""


def _der_row(row: ProfileRow) -> str:
    entry = row.entry
    word = entry.action.value if entry.is_output else entry.measure.value
    means = f"{word} {entry.argument}".strip() if row.served else "**not served**"
    event = str(entry.event_class) if entry.event_class else ""
    cells = (entry.index, row.title, means, entry.unit, f"{entry.scale:g}", event, row.pair, row.mandatory)
    return "| " + " | ".join(str(cell) for cell in cells) + " |"
