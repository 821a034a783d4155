"""What one tick tells of thousands of devices, made when somebody reads it.

Devices come first: what is recorded and told of them is made when their set-points have left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar, overload

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Outcome, OutcomeKind

T = TypeVar("T")

#: Devices whose steps are worked out together.
_PART = 512


class Late(Sequence[T]):
    """A sequence that is made when it is looked into; it counts as not empty until then.

    Who goes through it gets its members one by one as they are made: of a hundred thousand a few hundred can be taken
    at a time. Who asks for its length or for a place has all of them made, which are kept.
    """

    def __init__(self, make: Callable[[], Iterable[T]]) -> None:
        self._make = make
        self._made: tuple[T, ...] | None = None

    def __bool__(self) -> bool:
        return self._made is None or bool(self._made)

    def __len__(self) -> int:
        return len(self._all())

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self._all()[index]

    def __iter__(self) -> Iterator[T]:
        return iter(self._make() if self._made is None else self._made)

    def _all(self) -> tuple[T, ...]:
        if self._made is None:
            self._made = tuple(self._make())
        return self._made


@dataclass(frozen=True, slots=True)
class Told:
    """One step of one control, the same for several devices (None: for the control as a whole)."""

    control_id: str
    kind: OutcomeKind
    at: Instant
    device_ids: Sequence[str | None]
    reason: str = ""

    @property
    def of_the_whole(self) -> bool:
        """Whether the control as a whole took it."""
        return self.device_ids[0] is None

    def outcomes(self) -> Iterator[Outcome]:
        """One for each of them."""
        for device_id in self.device_ids:
            yield Outcome(
                control_id=self.control_id, kind=self.kind, at=self.at, device_id=device_id, reason=self.reason
            )


class ToldInParts:
    """Steps of one control's devices that are worked out as somebody goes through them, some hundreds at a time.

    What was worked out is kept: whoever goes through them again finds the same. Like `Told`, for several kinds.

    Args:
        control_id: the control.
        device_ids: whose steps.
        make: what some of them are told; called once for each.
    """

    of_the_whole = False

    def __init__(
        self, control_id: str, device_ids: Sequence[str], make: Callable[[Sequence[str]], Iterable[Told]]
    ) -> None:
        self.control_id = control_id
        self._ids, self._make = device_ids, make
        self._told: list[Told] = []
        self._next = 0

    def outcomes(self) -> Iterator[Outcome]:
        """One for each device to which it is news."""
        at = 0
        while True:
            while at < len(self._told):
                yield from self._told[at].outcomes()
                at += 1
            if self._next >= len(self._ids):
                return
            part = self._ids[self._next : self._next + _PART]
            self._next += _PART
            self._told.extend(self._make(part))
