"""A device's snapshot as the readings that are kept of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from gridiface.domain.quantities import Phase, Quantity
from gridiface.domain.telemetry import Reading, Snapshot

_FIELDS = (
    ("w", Quantity.ACTIVE_POWER),
    ("var", Quantity.REACTIVE_POWER),
    ("va", Quantity.APPARENT_POWER),
    ("hz", Quantity.FREQUENCY),
    ("soc", Quantity.STATE_OF_CHARGE),
    ("available_wh", Quantity.AVAILABLE_ENERGY),
)

#: What a snapshot's duration speaks of.
_MEANS = frozenset({Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER, Quantity.APPARENT_POWER})


def readings_of(snapshot: Snapshot) -> Iterator[Reading]:
    """One reading per known value of the snapshot, each with the snapshot's quality and times."""

    def reading(quantity: Quantity, value: float, phase: Phase) -> Reading:
        return Reading(
            device_id=snapshot.device_id,
            quantity=quantity,
            value=value,
            source_time=snapshot.source_time,
            received=snapshot.received,
            quality=snapshot.quality,
            phase=phase,
            duration_s=snapshot.duration_s if quantity in _MEANS else 0.0,
        )

    for name, quantity in _FIELDS:
        value = getattr(snapshot, name)
        if value is not None:
            yield reading(quantity, value, Phase.ALL)
    for phase, volts in snapshot.volts.items():
        yield reading(Quantity.VOLTAGE, volts, phase)
