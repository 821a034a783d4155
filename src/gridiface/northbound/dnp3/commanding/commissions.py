"""What a command leads to, between the judgement and its durable end. Plain values; handlers.py makes and runs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gridiface.domain.changes import Change
from gridiface.domain.controls import Acceptance, Control
from gridiface.errors import GridifaceError
from gridiface.northbound.dnp3.pointmap.points import PointEntry


class CommandLost(GridifaceError):
    """A command that was judged SUCCESS could not be taken after all; its answer must not go out."""


@dataclass(slots=True, kw_only=True)
class Step:
    """One durable step: a control to submit or one to cancel, with documents, and what to remember then."""

    control: Control | None = None
    cancel: str | None = None
    changes: Sequence[Change] = ()
    soon: tuple[str, float, bool] | None = None  # output, value, armed: what later commands may count on already
    then: Callable[[Acceptance | None], Sequence[PointEntry]] = lambda _: ()


@dataclass(slots=True, kw_only=True)
class Commission:
    """What a command leads to, in order. Commissions of one `slot` are carried out one after the other.

    `undo` is called when it could not be carried out to its end.
    """

    slot: str
    master: str
    steps: list[Step] = field(default_factory=list)
    undo: Callable[[], None] = lambda: None
