"""What changed among the controls between two plans."""

from __future__ import annotations

from dataclasses import dataclass, field

from gridiface.domain.controls import Target


@dataclass(slots=True)
class Changes:
    """Since the last plan: the targets for which other controls are active or stand, and the controls that ended."""

    targets: set[Target] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
