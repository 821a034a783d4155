"""What an input can show (`Measure`) and an output can ask (`Action`), by name; words.py says what each means."""

from __future__ import annotations

from enum import StrEnum


class Measure(StrEnum):
    """What an input shows. SI units and the sign rule of domain.quantities; states are 0 or 1."""

    W = "w"
    VAR = "var"
    VA = "va"
    POWER_FACTOR = "power_factor"  # |W| / VA, -1..1 with the sign of the power
    HZ = "hz"
    VOLTS = "volts"  # mean of the phases to neutral that are known
    VOLTS_A = "volts_a"
    VOLTS_B = "volts_b"
    VOLTS_C = "volts_c"
    ANGLE_A = "angle_a"  # of the voltage of one phase, degrees
    ANGLE_B = "angle_b"
    ANGLE_C = "angle_c"
    VOLTS_LL = "volts_ll"  # mean of line to line; from the phases where only those are known
    W_A = "w_a"  # of one phase, where the group's meter or the device tells it
    W_B = "w_b"
    W_C = "w_c"
    VAR_A = "var_a"
    VAR_B = "var_b"
    VAR_C = "var_c"
    AMPS_A = "amps_a"
    AMPS_B = "amps_b"
    AMPS_C = "amps_c"
    SOC = "soc"  # 0..1
    USABLE_SOC = "usable_soc"  # 0..1, what lies above the lower bound of the window, as a part of the window
    AVAILABLE_WH = "available_wh"
    AVAILABLE_UP_W = "available_up_w"  # how far the power can rise
    AVAILABLE_DOWN_W = "available_down_w"  # how far it can fall, >= 0
    HIGHEST_W = "highest_w"  # power now + available up
    LOWEST_W = "lowest_w"  # power now - available down
    CHARGE_W = "charge_w"  # the most that can be taken now, as power: <= 0
    AVAILABLE_VAR = "available_var"  # reactive power that can be injected now, by ratings and active power
    AVAILABLE_VAR_NEG = "available_var_neg"  # absorbed, >= 0
    RATED_W = "rated_w"
    RATED_CHARGE_W = "rated_charge_w"
    RATED_DISCHARGE_W = "rated_discharge_w"
    RATED_VA = "rated_va"
    RATED_VAR = "rated_var"
    RATED_VAR_NEG = "rated_var_neg"
    RATED_WH = "rated_wh"
    USABLE_WH = "usable_wh"  # between the lowest and the highest state of charge that is used
    RATED_V = "rated_v"
    RATED_MIN_V = "rated_min_v"
    RATED_MAX_V = "rated_max_v"
    RATED_AMPS = "rated_amps"
    RATED_CHARGE_VA = "rated_charge_va"
    OVER_EXCITED_W = "over_excited_w"
    OVER_EXCITED_PF = "over_excited_pf"
    OVER_EXCITED_CHARGE_W = "over_excited_charge_w"
    UNDER_EXCITED_W = "under_excited_w"
    UNDER_EXCITED_PF = "under_excited_pf"
    UNDER_EXCITED_CHARGE_W = "under_excited_charge_w"
    SUSCEPTANCE = "susceptance"
    NORMAL_CATEGORY = "normal_category"
    ABNORMAL_CATEGORY = "abnormal_category"
    SET_MAX_W = "set_max_w"  # settings, never above the rating
    SET_MAX_CHARGE_W = "set_max_charge_w"  # >= 0
    SET_MAX_VA = "set_max_va"
    SET_MAX_VAR = "set_max_var"
    SET_MAX_VAR_NEG = "set_max_var_neg"
    SET_MAX_CHARGE_VA = "set_max_charge_va"
    SET_MIN_V = "set_min_v"
    SET_MAX_V = "set_max_v"
    ENTER_V_HIGH = "enter_v_high"  # when members may return to service
    ENTER_V_LOW = "enter_v_low"
    ENTER_HZ_HIGH = "enter_hz_high"
    ENTER_HZ_LOW = "enter_hz_low"
    ENTER_DELAY = "enter_delay_s"
    ENTER_RAMP = "enter_ramp_s"
    START_UP = "start_up"  # where the target is between off and running, by START_UP_STATES
    RAMP_W_PER_S = "ramp_w_per_s"
    RAMP_PERCENT_PER_S = "ramp_percent_per_s"  # % of rated W per second
    CHARGE_RAMP_PERCENT_PER_S = "charge_ramp_percent_per_s"  # % of rated charge W per second
    SOC_MIN = "soc_min"
    SOC_MAX = "soc_max"
    MEMBERS = "members"
    BATTERIES = "batteries"
    METERS = "meters"
    INVERTERS = "inverters"  # members that are not meters
    SOC_FULL = "soc_full"  # the state of charge is at its highest allowed value, or above
    SOC_EMPTY = "soc_empty"  # at its lowest, or below
    ENERGY_OUT = "energy_out"  # Wh delivered since the counter began; counted from the power, kept over restarts
    ENERGY_IN = "energy_in"  # Wh taken
    REACTIVE_OUT = "reactive_out"  # varh injected
    REACTIVE_IN = "reactive_in"  # varh absorbed
    CONNECTED = "connected"
    GENERATING = "generating"  # power is delivered
    CHARGING = "charging"  # power is taken
    IDLE = "idle"  # connected, and neither
    STARTING = "starting"  # it starts, or the output in `argument` told it to and it does not run yet
    STOPPING = "stopping"  # it shuts down, or the output in `argument` told it to and it is not stopped yet
    STOPPED = "stopped"
    RUNNING = "running"
    OFF_AVAILABLE = "off_available"
    OFF_UNAVAILABLE = "off_unavailable"
    LOCAL_CONTROL = "local_control"
    TELEMETRY_OK = "telemetry_ok"
    COMM_LOST = "comm_lost"
    ALARM = "alarm"
    ALARMED = "alarmed"  # one of the alarms named in `argument`, with blanks between, is raised
    TOLD_ALARM = "told_alarm"  # the alarm in `argument` is raised; never online where no member says that it tells it
    SUPPORTS = "supports"  # one of the capabilities named in `argument`, with blanks between
    HEARTBEAT = "heartbeat"  # a state toggles, an analog or counter counts, at each refresh
    READ_BACK = "read_back"  # the value in force of the output named by `argument`
    IN_FORCE = "in_force"  # whether the output named by `argument` has a control that runs
    CONSTANT = "constant"  # the number in `argument`
    CURVE_IN_USE = "curve_in_use"  # whether a mode, enabled or not, names the curve that the edit window shows
    ABOVE = "above"  # `argument` is "MEASURE OUTPUT": the measure is above the threshold that the output holds
    BELOW = "below"  # the same, below it; 0 is no threshold
    SCHEDULE_STATE = "schedule_state"  # `argument` is "WINDOW/WORD", see station_records.py
    UNKNOWN = "unknown"  # the domain does not know it: never online


class Action(StrEnum):
    """What a command to an output asks. Units as in domain.controls; states: 1 = the word, 0 = its opposite."""

    SET_W = "set_w"
    SET_W_PERCENT = "set_w_percent"
    DELTA_W = "delta_w"
    MAX_W_PERCENT = "max_w_percent"
    EXPORT_LIMIT = "export_limit"
    IMPORT_LIMIT = "import_limit"
    GENERATION_LIMIT = "generation_limit"
    LOAD_LIMIT = "load_limit"
    REGULATION = "regulation"  # W, + = more delivered
    SET_VAR = "set_var"
    SET_VAR_PERCENT = "set_var_percent"
    POWER_FACTOR_INJECT = "power_factor_inject"
    POWER_FACTOR_ABSORB = "power_factor_absorb"
    CONNECT = "connect"
    ENERGIZE = "energize"
    ENTER_V_HIGH = "enter_v_high"  # when members may return to service, as the measures of these names
    ENTER_V_LOW = "enter_v_low"
    ENTER_HZ_HIGH = "enter_hz_high"
    ENTER_HZ_LOW = "enter_hz_low"
    ENTER_DELAY = "enter_delay_s"
    ENTER_RANDOM_DELAY = "enter_random_s"
    ENTER_RAMP = "enter_ramp_s"
    RAISE = "raise"  # each pulse adds `argument` W to the regulation of the output's slot
    LOWER = "lower"  # each pulse takes `argument` W from it
    ENABLE = "enable"  # outputs whose `enabled_by` names it act only while it is on
    RELEASE = "release"  # ends every control that this master has in force here
    CURVE = "curve"  # the number of a curve of the edit window; `argument` is its kind
    DROOP = "droop"  # the frequency's distance from nominal, Hz, above which power falls; the rest by `parameters_from`
    EDIT = "edit"  # a field of an edit window, `argument` is "WINDOW/FIELD"
    STORE = "store"  # kept, read back, used by outputs that name it
    NONE = "none"  # exists, but nothing can be done with it: NOT_SUPPORTED


#: Actions whose number asks for a control of the engine.
CONTROLLING = frozenset(Action) - {Action.ENABLE, Action.RELEASE, Action.STORE, Action.NONE, Action.EDIT}
