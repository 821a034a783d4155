"""What became of each event of a VTN: the ids of its controls, as documents.

Owns their form and which of them changed. What is done about them is ven_events.py's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from gridiface.domain.changes import Change, DeleteDocument, PutDocument
from gridiface.domain.clock import Instant

_PREFIX = "binding/"


@dataclass(slots=True)
class Binding:
    """What became of one event.

    Attributes:
        serial: makes the ids of its controls unlike those of its earlier versions.
        controls: ids of the controls that were taken.
        submit: ids still to be handed in, in order.
        cancel: ids still to be cancelled.
        cancel_at: when; None at once.
        lost: of `controls`, those that ended without our asking.
        why: of `cancel`, where it is not the VTN's word.
        barred: nobody of those it concerns may be controlled now, and the VTN was told so.
    """

    serial: int
    controls: list[str] = field(default_factory=list)
    submit: list[str] = field(default_factory=list)
    cancel: list[str] = field(default_factory=list)
    cancel_at: Instant | None = None
    lost: list[str] = field(default_factory=list)
    why: str = ""
    barred: bool = False


class Bindings:
    """The bindings of one VEN by eventID.

    Args:
        space: of their documents.
    """

    def __init__(self, space: str) -> None:
        self._space = space
        self._bindings: dict[str, Binding] = {}
        self._dirty: set[str] = set()
        self._by_control: dict[str, str] = {}

    def load(self, documents: Mapping[str, bytes]) -> None:
        """Go on after a restart; documents of others are left alone."""
        for key, body in documents.items():
            if key.startswith(_PREFIX):
                event_id = key.removeprefix(_PREFIX)
                self._bindings[event_id] = Binding(**json.loads(body))
                self._index(event_id)

    def get(self, event_id: str) -> Binding | None:
        """That of an event."""
        return self._bindings.get(event_id)

    def items(self) -> list[tuple[str, Binding]]:
        """All of them, as they are now."""
        return list(self._bindings.items())

    def event_of(self, control_id: str) -> str | None:
        """The event that a control belongs to."""
        return self._by_control.get(control_id)

    def put(self, event_id: str, binding: Binding) -> None:
        """A new one, in the place of that of before."""
        self._bindings[event_id] = binding
        self.touch(event_id)

    def touch(self, event_id: str) -> None:
        """It was changed."""
        self._dirty.add(event_id)
        self._index(event_id)

    def drop(self, event_id: str) -> None:
        """It is gone."""
        del self._bindings[event_id]
        self._by_control = {name: own for name, own in self._by_control.items() if own != event_id}
        self._dirty.add(event_id)

    @property
    def changed(self) -> bool:
        """Whether there is something to be stored."""
        return bool(self._dirty)

    def take(self) -> tuple[list[Change], set[str]]:
        """What changed, and whose it is: for `give_back` where it could not be written."""
        held, self._dirty = self._dirty, set()
        changes: list[Change] = [
            PutDocument(self._space, _PREFIX + event_id, _document(self._bindings[event_id]))
            if event_id in self._bindings
            else DeleteDocument(self._space, _PREFIX + event_id)
            for event_id in sorted(held)
        ]
        return changes, held

    def give_back(self, held: set[str]) -> None:
        """What `take` gave is still to be stored."""
        self._dirty |= held

    def _index(self, event_id: str) -> None:
        for name in self._bindings[event_id].controls:
            self._by_control[name] = event_id


def _document(binding: Binding) -> bytes:
    """As it is stored: written with each control of an event, which may have hundreds, so nothing is copied first."""
    return json.dumps({part.name: getattr(binding, part.name) for part in fields(Binding)}).encode()
