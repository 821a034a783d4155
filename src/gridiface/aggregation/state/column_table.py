"""The columns of the fleet by name: type, value of a new row, unit and meaning. And what kinds of devices count as.

One declaration: `columns.Columns` has an attribute for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gridiface.aggregation.allocate.problem import FloatArray
from gridiface.domain.fleet import DeviceKind
from gridiface.domain.quantities import Phase

NAN = float("nan")

#: Stands for "no limit" where infinity would make 0 x inf.
UNLIMITED = 1e15

#: Seconds between snapshots that are expected until a device has shown its own period.
FIRST_PERIOD_S = 60.0
FIRST_PERIOD_ANSWERING_S = 900.0

#: Share of a device's power on phases A, B, C; a phase that is not listed here is all three alike.
PHASE_SHARES: Mapping[Phase, tuple[float, float, float]] = {
    Phase.A: (1.0, 0.0, 0.0),
    Phase.AN: (1.0, 0.0, 0.0),
    Phase.B: (0.0, 1.0, 0.0),
    Phase.BN: (0.0, 1.0, 0.0),
    Phase.C: (0.0, 0.0, 1.0),
    Phase.CN: (0.0, 0.0, 1.0),
    Phase.AB: (0.5, 0.5, 0.0),
    Phase.BC: (0.0, 0.5, 0.5),
    Phase.CA: (0.5, 0.0, 0.5),
}

#: Kinds that only take power unless a discharge rating says otherwise.
CONSUMERS = frozenset({DeviceKind.LOAD, DeviceKind.EV, DeviceKind.EVSE})

#: Kinds that drive away.
VEHICLES = frozenset({DeviceKind.EV, DeviceKind.EVSE})

#: Kinds that follow the sun or a person: what they do without a request is measured, not 0.
NATURAL = frozenset({DeviceKind.PV, DeviceKind.LOAD, DeviceKind.EV, DeviceKind.EVSE, DeviceKind.OTHER})

#: A charge curve: states of charge, rising, and the most power at each, W.
Curve = tuple[FloatArray, FloatArray]

#: Column -> (type, value of a new row). The comment gives unit and meaning.
COLUMNS: Mapping[str, tuple[npt.DTypeLike, Any]] = {
    # ratings and settings
    "export_w": (np.float64, 0.0),  # W >= 0, most it may deliver
    "import_w": (np.float64, 0.0),  # W >= 0, most it may take
    "set_max_w": (np.float64, 0.0),  # W, 100 % of "setMaxW"
    "charge_w": (np.float64, 0.0),  # W, 100 % of "setMaxChargeRateW"
    "discharge_w": (np.float64, 0.0),  # W, 100 % of "setMaxDischargeRateW"
    "max_va": (np.float64, UNLIMITED),
    "var_inject": (np.float64, 0.0),
    "var_absorb": (np.float64, 0.0),
    "energy_wh": (np.float64, NAN),
    "ramp_w_per_s": (np.float64, UNLIMITED),
    "soc_min": (np.float64, 0.0),
    "soc_max": (np.float64, 1.0),
    "step_w": (np.float64, 0.0),
    "latency_s": (np.float64, 0.0),
    "tier": (np.int64, 1),
    "phase_a": (np.float64, 1 / 3),
    "phase_b": (np.float64, 1 / 3),
    "phase_c": (np.float64, 1 / 3),
    "natural": (np.bool_, 0),  # its base is what it does by itself
    "counts": (np.bool_, 1),  # its power is part of a sum (a meter's is not)
    "can_set_w": (np.bool_, 0),
    "can_limit_w": (np.bool_, 0),
    "can_set_var": (np.bool_, 0),
    "answers": (np.bool_, 0),  # tells its own outcomes
    "slow": (np.int8, 0),  # how many of the fast services it is too slow for
    "leaves": (np.bool_, 0),  # a place where vehicles come and go: another one may return
    "slots": (np.int64, 0),  # set-points with a start that it can hold
    "enabled": (np.bool_, 1),
    # what its owner allows
    "curve": (np.int64, -1),  # which of `curves` bounds its charging
    "day_cap_wh": (np.float64, np.inf),  # Wh through it per local day
    "min_w": (np.float64, 0.0),  # W while it runs
    "min_run_s": (np.float64, 0.0),
    "min_stop_s": (np.float64, 0.0),
    "modes": (np.int64, -1),  # which of `levels` are its only powers
    "dwell_s": (np.float64, 0.0),  # a mode device keeps a mode so long
    "leave_soc": (np.float64, NAN),  # state of charge it needs at
    "leave_at": (np.float64, np.inf),  # its next departure
    # telemetry
    "w": (np.float64, NAN),
    "var": (np.float64, NAN),
    "up_w": (np.float64, NAN),
    "down_w": (np.float64, NAN),
    "available_wh": (np.float64, NAN),
    "natural_w": (np.float64, NAN),  # W when nobody told it anything
    "received": (np.float64, -np.inf),
    "period_s": (np.float64, FIRST_PERIOD_S),
    "asked_s": (np.float64, 0.0),  # it is asked so often; 0: not known
    "quality": (np.int8, -1),  # of the newest snapshot: which of `Quality`; -1: there is none
    "seen": (np.int64, 0),
    "local": (np.bool_, 0),  # in local control, by its own word
    "parted": (np.bool_, 0),  # not connected to the grid, by its own word
    "usable": (np.bool_, 1),  # connected, not faulted, not in local control, not reported as bad
    "lost": (np.bool_, 0),
    "blind": (np.bool_, 0),  # it answers, and tells no power
    "odd": (np.bool_, 0),  # its power is not believed
    "odd_since": (np.float64, NAN),  # when that began; NaN: it is believed
    "quarantined": (np.bool_, 0),  # nothing it says is believed, it is left out
    "stray_since": (np.float64, NAN),  # since when it has not followed what it acknowledged; ahead: from then on
    "stray_w": (np.float64, NAN),  # its power when that was noticed
    "still_w": (np.float64, NAN),  # the power that it stands at; see standing
    "still_since": (np.float64, NAN),
    "still_low": (np.float64, np.inf),  # what it should have come to since then by what it acknowledged: the least
    "still_high": (np.float64, -np.inf),  # and the most
    "metered_w": (np.float64, NAN),  # its power when its group's meter was compared last
    "day_wh": (np.float64, 0.0),  # Wh through it today
    "counted_at": (np.float64, NAN),  # up to when that is counted
    # state of charge, 0..1
    "soc": (np.float64, NAN),
    "soc_variance": (np.float64, 0.0),
    "soc_at": (np.float64, NAN),
    "soc_reported": (np.float64, NAN),
    "soc_doubt": (np.bool_, 0),
    "soc_strikes": (np.int64, 0),
    "soc_half": (np.float64, 0.0),  # in doubt: half of what lies between what was believed and what is said
    "soc_offset": (np.float64, 0.0),  # in doubt: what is said less the estimate
    "soc_claimed": (np.float64, NAN),  # in doubt: what was reported when it began
    "soc_moved": (np.float64, 0.0),  # charge given since, of the energy
    "lasts_s": (np.float64, np.inf),  # s, the power that rules it ends so soon; infinite: not within the hold time
    # operator
    "blocked": (np.bool_, 0),
    # health
    "reconnects": (np.bool_, 0),  # it was known when this process began, and tells by itself
    "down": (np.bool_, 0),
    "opted_out": (np.bool_, 0),  # out by its own word: until `back_at` (inf: while its control runs), or in again
    "opted_at": (np.float64, -np.inf),  # when it opted out last
    "trial": (np.bool_, 0),  # it is back, and has not taken anything since it failed, nor moved where it is `unmoved`
    "unmoved": (np.bool_, 0),  # it acknowledged and did not follow, and has not been seen to move since
    "down_at": (np.float64, -np.inf),
    "back_at": (np.float64, -np.inf),
    "relapses": (np.int64, 0),
    # what it was told last
    "told_w": (np.float64, NAN),
    "margin_w": (np.float64, 0.0),  # what was told above that, to find out what the sun gives
    "whole": (np.bool_, 0),  # its share of a total was all that was known of its sun when that was split
    "told_ceiling_w": (np.float64, NAN),
    "told_var": (np.float64, NAN),
    "last_w": (np.float64, NAN),  # like told_w, with its margin, and kept when it is not known whether it took effect
    "last_ceiling_w": (np.float64, NAN),  # like told_ceiling_w, kept so, too
    "last_until": (np.float64, np.inf),  # when what it was told last ends by itself
    "told_order": (np.int64, -1),
    "told_at": (np.float64, -np.inf),
    "renew_at": (np.float64, np.inf),
    "told": (np.bool_, 0),  # it is under our command
    "holds": (np.int64, 0),  # what it may still hold of what it was told; bits of `setpoints.PARTS`
    "cut": (np.bool_, 0),  # we told it to disconnect or to give and take nothing, and it has not been let go of that
    "on": (np.bool_, 0),  # it was told a power other than 0
    "since": (np.float64, -np.inf),  # when `on` changed
    "acknowledged": (np.bool_, 0),
    "waits_since": (np.float64, NAN),  # when that was published which it has not answered; NaN: nothing waits for it
    # what it may be doing when it is not heard; see doubt
    "sure_up": (np.float64, np.inf),  # W, not above this by what it acknowledged last before it was told anew
    "sure_down": (np.float64, -np.inf),  # W, nor below this
    "sure_until": (np.float64, -np.inf),  # so long
    "may_up": (np.float64, -np.inf),  # W, nor above the greater of that and this by what it has not acknowledged
    "may_down": (np.float64, np.inf),
    "hail_at": (np.float64, -np.inf),  # from when on it may be told though it is not heard, or failed; see hailing
    "hails": (np.int64, 0),  # how often it was told so since it answered
    "lack_w": (np.float64, 0.0),  # expected minus measured when that was judged last
    # the ramp it is on: from `from_w` at `from_at` towards `told_w`
    "from_w": (np.float64, NAN),
    "from_at": (np.float64, 0.0),
    # what the envelope keeps of the columns above until they are touched; see limits
    "hard_lo": (np.float64, 0.0),
    "hard_hi": (np.float64, 0.0),
    "base": (np.float64, 0.0),
    "weight": (np.float64, 1.0),
    "held": (np.float64, 0.0),
    "free": (np.bool_, 0),
    "touched": (np.bool_, 1),
    # objects
    "ids": (np.object_, None),
    "batch": (np.int64, -1),  # number of the batch that told it last; see `Columns.batches`
    "batch_at": (np.int64, 0),  # where in it
}
