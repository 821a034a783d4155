"""What can be made durable: the changes that a Ledger takes, one record each. Values only; a store keeps them."""

from __future__ import annotations

from dataclasses import dataclass

from gridiface.domain.controls import Control, Decision, Delivery, Outcome
from gridiface.domain.performance import PerformanceInterval
from gridiface.domain.telemetry import Reading


@dataclass(frozen=True, slots=True)
class Document:
    """A protocol adapter's own durable record: `space` names the adapter and kind, `key` is unique inside it.

    The store does not read `body`. `version` counts the changes of this key, starting at 1.
    """

    space: str
    key: str
    body: bytes
    version: int = 1


@dataclass(frozen=True, slots=True)
class PutDocument:
    """Create or replace one document."""

    space: str
    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class KeepDocument:
    """Create one document; where there is one of its key already, whoever wrote it, that one stays as it is."""

    space: str
    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class DeleteDocument:
    """Remove one document; removing what is not there changes nothing."""

    space: str
    key: str


@dataclass(frozen=True, slots=True)
class PutControl:
    """Create or replace one control with its present state."""

    control: Control


@dataclass(frozen=True, slots=True)
class AppendOutcome:
    """One step in a control's life; the same (control, device, kind) twice is kept once."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class AppendReadings:
    """Readings, in any order."""

    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class AppendDecisions:
    """Entries of the decision log."""

    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class AppendPerformance:
    """Performance intervals; the same (control, target, start) replaces."""

    intervals: tuple[PerformanceInterval, ...]


@dataclass(frozen=True, slots=True)
class AppendDeliveries:
    """What became of set-points."""

    deliveries: tuple[Delivery, ...]


Change = (
    PutDocument
    | KeepDocument
    | DeleteDocument
    | PutControl
    | AppendOutcome
    | AppendReadings
    | AppendDecisions
    | AppendPerformance
    | AppendDeliveries
)
