"""Events and defaults of a utility's server -> Controls of one device or group of ours. Pure.

Times on the wire are the server's, in the domain they are ours: `offset` is what the server's clock is ahead. Who
rules among the events of one server has been decided by the client core, mode by mode; the control carries what is
left of its event.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from gridiface.domain.clock import Instant, Interval
from gridiface.domain.controls import Control, Source, Target
from gridiface.northbound.sep2.translate.controls import ResolveCurve, base_to_values, default_values
from gridiface.protocols.sep2.followed import Followed
from gridiface.protocols.sep2.resources import DefaultDERControl, DERControl, DERControlBase

PROTOCOL = "sep2-upstream"
_GRADIENTS = ("setGradW", "setSoftGradW")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Which session a control comes from, and whom it concerns.

    Attributes:
        upstream: name of the session; identity: of the server.
        lfdi: under which the server knows the target; storage: whether the target stores energy.
        authority: of primacy 0; offset: server's clock - ours, s.
        enters: somebody in the target can be told when to return to service.
    """

    upstream: str
    identity: str
    lfdi: str
    target: Target
    storage: bool
    authority: float
    offset: float
    enters: bool = True


def control_name(upstream: str, mrid: str, lfdi: str, serial: int) -> str:
    """The domain's id of one version of an event for one device; ids of later versions sort later."""
    return f"{PROTOCOL}:{upstream}:{mrid}:{lfdi}~{serial:04d}"


def event_control(followed: Followed, origin: Origin, serial: int, curve: ResolveCurve) -> Control:
    """The control of an event as the client core follows it.

    Raises:
        RemoteProtocolError: a value is out of range, a curve is missing, nothing is left of it.
        TypeError: the event is no DERControl.
    """
    event, facts = followed.event, followed.facts
    if not isinstance(event, DERControl):
        raise TypeError(f"{type(event).__name__} is no DERControl")
    base = _left(event.derControlBase, followed.remaining)
    return Control(
        id=control_name(origin.upstream, facts.mrid, origin.lfdi, serial),
        source=_source(origin, facts.program, facts.primacy),
        target=origin.target,
        values=base_to_values(base, curve, storage=origin.storage),
        interval=Interval(facts.start - origin.offset, float(facts.duration)),
        created=facts.creation_time - origin.offset,
        randomize_start_s=float(facts.randomize_start),
        randomize_duration_s=float(facts.randomize_duration),
        effective=Interval(followed.begins - origin.offset, max(0.0, followed.ends - followed.begins)),
        ramp_s=None if base.rampTms is None else base.rampTms / 100,
        response_required=bool(event.responseRequired),
        description=event.description or "",
        extra={"mRID": facts.mrid, "lfdi": origin.lfdi},
    )


def default_control(
    default: DefaultDERControl, program: str, primacy: int, origin: Origin, curve: ResolveCurve, now: Instant
) -> Control | None:
    """The default control of a program for one device; None where it asks for no mode.

    Raises:
        RemoteProtocolError: a value is out of range, or a curve is missing.
    """
    base = default.derControlBase
    values = default_values(default, curve, storage=origin.storage, enters=origin.enters)
    if not values:
        return None
    gradients = {name: str(value) for name in _GRADIENTS if (value := getattr(default, name)) is not None}
    return Control(
        id=f"{PROTOCOL}:{origin.upstream}:default:{program}:{origin.lfdi}",
        source=_source(origin, program, primacy),
        target=origin.target,
        values=values,
        interval=Interval(now, None),
        created=now,
        ramp_s=None if base.rampTms is None else base.rampTms / 100,
        is_default=True,
        description=default.description or "",
        extra={"mRID": default.mRID, "lfdi": origin.lfdi, **gradients},
    )


def _source(origin: Origin, program: str, primacy: int) -> Source:
    return Source(
        protocol=PROTOCOL,
        program=f"{origin.upstream}/{program}",
        identity=origin.identity,
        authority=origin.authority - primacy,
    )


def _left(base: DERControlBase, modes: frozenset[str]) -> DERControlBase:
    """What is left of a control where stronger ones have taken some of its modes."""
    taken = {f.name: None for f in fields(DERControlBase) if f.name.startswith("opMod") and f.name not in modes}
    return replace(base, **taken)
