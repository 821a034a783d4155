"""Why a device does not do what it is asked, in words for people, from what is known of it. Pure."""

from __future__ import annotations

from gridiface.domain.telemetry import Snapshot
from gridiface.operator.rows.rows import DeviceRow

#: Outcomes of a set-point that say: it did not arrive.
FAILED = frozenset({"timeout", "rejected", "late", "breaker_open"})

_OUTCOMES = {
    "timeout": "it did not answer its last set-point in time",
    "rejected": "it rejected its last set-point",
    "late": "its last set-point could not be sent before its deadline",
    "breaker_open": "it failed several times in a row and is left alone for a while",
}

#: Why the engine does not believe a device: the words of `Status.distrust`.
_NOT_BELIEVED = {
    "quarantined": "its telemetry is not believed: it is left out until it is released; the decisions say why",
    "charge in doubt": "its reported state of charge is in doubt: less is asked of it until it is released",
}

#: States in which a device delivers nothing.
_IDLE = frozenset({"fault", "off", "standby", "shutting_down"})

#: A device that is off by more than this share of its set-point, and by more than so many W, does not follow.
_OFF_SHARE, _OFF_W = 0.1, 50.0


def why_silent(row: DeviceRow, loss: str = "", shown: Snapshot | None = None) -> str:
    """Why nothing can be expected of it now; empty: nothing speaks against it.

    Args:
        row: what is known of it.
        loss: why it could last not be read, in its driver's words; empty: not known.
        shown: its newest state.
    """
    delivery = row["delivery"]
    if row["blocked"]:
        return "an operator has blocked it"
    if row["quality"] is None:
        return "it has not told its state since the server started" + (f": {loss}" if loss else "")
    # What a breaker says of a set-point is what its outcome says.
    says_more = delivery is not None and delivery["detail"] and delivery["outcome"] != "breaker_open"
    detail = f": {delivery['detail']}" if delivery is not None and says_more else ""
    failed = "" if delivery is None or delivery["outcome"] not in FAILED else _OUTCOMES[delivery["outcome"]] + detail
    if row["quality"] in {"bad", "stale"}:
        silent = "it does not answer" if row["quality"] == "bad" else "its data are old: it has fallen silent"
        if shown is not None and "power_unknown" in shown.alarms:
            silent, loss = "it answers, and tells no power", ""
        return "; ".join(part for part in (f"{silent}: {loss}" if loss else silent, failed) if part)
    return failed


def why_left_out(distrust: str, off: str) -> str:
    """Why it is not asked, or for less, because it is not believed; empty: it is believed, or does as it is told.

    Args:
        distrust: see `Status.distrust`.
        off: why it does not deliver what it was told, as `why_off` has it.
    """
    return _NOT_BELIEVED.get(distrust, "") if off or distrust == "quarantined" else ""


def why_off(row: DeviceRow, snapshot: Snapshot | None) -> str:
    """Why it answers and still does not deliver what it was told; empty: it does, or nothing is known."""
    told, done = row["setpoint_W"], row["delivered_W"]
    if told is None or done is None or abs(done - told) <= max(_OFF_SHARE * abs(told), _OFF_W):
        return ""
    if snapshot is not None and snapshot.connected is False:
        return "it is not connected to the grid"
    if snapshot is not None and snapshot.local_control:
        return "it is in local control and takes no set-points"
    if row["state"] in _IDLE:
        return f"it says that it is in state {str(row['state']).replace('_', ' ')}"
    if snapshot is not None and snapshot.alarms:
        return "it has alarms: " + ", ".join(sorted(snapshot.alarms))
    soc = row["soc"]
    if soc is not None and told > 0 and soc < 0.08:
        return f"its battery is at {100 * soc:.0f} %: there is nothing left to deliver"
    if soc is not None and told < 0 and soc > 0.92:
        return f"its battery is at {100 * soc:.0f} %: it can take no more"
    return "it acknowledged its set-point and is on its way, or is held back by its own limits"
