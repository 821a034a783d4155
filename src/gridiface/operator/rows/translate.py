"""What an operator asks into a domain control. Pure; units and signs are the domain's (control_schema.MODE_UNITS)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from gridiface.domain.clock import Instant, Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, Source, Target
from gridiface.operator.rows.control_schema import NewControl

#: The protocol name of controls that are made here.
PROTOCOL = "operator"

#: Modes whose number is a percentage with a base of choice.
_PERCENT = frozenset({ControlMode.SET_W_PERCENT, ControlMode.SET_VAR_PERCENT})


def authority(priority: int, low: float, high: float) -> float:
    """Priority 0 to 100 within the operator's own range of authority; larger wins."""
    return low + (high - low) * priority / 100


def control_of(
    asked: NewControl, control_id: str, now: Instant, *, by: str, authority: float, extra: Mapping[str, str]
) -> Control:
    """The control that is asked for.

    Args:
        asked: as checked.
        control_id: its id.
        now: when it came; also its start where none was named.
        by: name of the token.
        authority: larger wins, over all sources.
        extra: what is kept beside it.
    """
    base = "" if asked.percent_base is None else asked.percent_base.value
    modes = {ControlMode(name): number for name, number in asked.values.items()}
    return Control(
        id=control_id,
        # One program per priority: of one program the later control replaces the earlier, between them authority rules.
        source=Source(protocol=PROTOCOL, program=f"priority {asked.priority}", identity=by, authority=authority),
        target=Target(asked.target.kind, asked.target.id),
        values={mode: ModeValue(number, base if mode in _PERCENT else "") for mode, number in modes.items()},
        interval=Interval(now if asked.start is None else asked.start.timestamp(), asked.duration_s),
        created=now,
        service_class=asked.service_class,
        randomize_start_s=asked.randomize_start_s,
        randomize_duration_s=asked.randomize_duration_s,
        ramp_s=asked.ramp_s,
        description=asked.description,
        extra=dict(extra),
    )


def target_of(asked: NewControl) -> Target:
    """Whom a control concerns."""
    return Target(asked.target.kind, asked.target.id)


def fingerprint(asked: NewControl) -> str:
    """The same for the same request: two requests of one idempotency key must agree in it."""
    plain = asked.model_dump(mode="json", exclude={"preview"})
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def control_id_of(token_id: str, key: str) -> str:
    """The id that a token's idempotency key stands for, so that the same request finds its own control."""
    return "op-" + hashlib.sha256(f"{token_id}\0{key}".encode()).hexdigest()[:32]
