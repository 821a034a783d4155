"""How each event of the server stands with each of our devices: what was said about it, and the control it became.

A binding is written whenever it changes, in the transaction of what it changes with, and brings the client core's
follower back after a restart. Owns the form of the documents; what is done is book.py's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gridiface.domain.changes import Change, Document
from gridiface.domain.controls import Control
from gridiface.errors import LocalProtocolError
from gridiface.northbound.sep2.served import documents
from gridiface.protocols.sep2.followed import Followed
from gridiface.protocols.sep2.followed_state import followed_from, followed_head
from gridiface.protocols.sep2.resources import DERControl

Key = tuple[str, str]
"""(LFDI, mRID)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One event for one device.

    Attributes:
        lfdi, mrid: which.
        serial: of the newest version of its control; control: that control's id at the engine, "" without one.
        begins, ends: when that control runs, s since 1970 by our clock.
        curves: mark of the curves that it has, see Origins.curves_mark.
        told: statuses of Responses that were written.
        started: the device has begun it.
        over: its last word was said, or it ended in silence.
    """

    lfdi: str
    mrid: str
    serial: int = 0
    control: str = ""
    begins: float = 0.0
    ends: float = 0.0
    curves: str = ""
    told: frozenset[int] = frozenset()
    started: bool = False
    over: bool = False

    @property
    def key(self) -> Key:
        """Its key."""
        return self.lfdi, self.mrid


class Bindings:
    """All bindings of one session.

    Args:
        space: of the session's documents.
    """

    def __init__(self, space: str) -> None:
        self.space = f"{space}/event"
        self.known: dict[Key, Binding] = {}
        self.by_control: dict[str, Key] = {}

    def load(self, found: Iterable[Document]) -> list[tuple[str, Followed]]:
        """Take up what was; the events of each LFDI as they were followed.

        Raises:
            LocalProtocolError: a document is damaged.
        """
        followed: list[tuple[str, Followed]] = []
        for document in found:
            record = documents.open_record(document)
            head = dict(record.head)
            try:
                state = followed_from(head.pop("followed"), record.resource(DERControl))
                binding = Binding(**{**head, "told": frozenset(head["told"])})
            except (KeyError, TypeError, ValueError) as problem:
                raise LocalProtocolError(f"document {document.space}/{document.key} is damaged: {problem}") from problem
            self.set(binding)
            followed.append((binding.lfdi, state))
        return followed

    def set(self, binding: Binding) -> None:
        """What is durable now."""
        before = self.known.get(binding.key)
        if before is not None and before.control != binding.control:
            self.by_control.pop(before.control, None)
        self.known[binding.key] = binding
        if binding.control:
            self.by_control[binding.control] = binding.key

    def change(self, binding: Binding, followed: Followed | None) -> list[Change]:
        """What must be stored of a binding; nothing where the event is not followed any more."""
        if followed is None or not isinstance(followed.event, DERControl):
            return []
        head = {
            "lfdi": binding.lfdi,
            "mrid": binding.mrid,
            "serial": binding.serial,
            "control": binding.control,
            "begins": binding.begins,
            "ends": binding.ends,
            "curves": binding.curves,
            "told": sorted(binding.told),
            "started": binding.started,
            "over": binding.over,
            "followed": followed_head(followed),
        }
        return [documents.put(self.space, _name(binding.key), followed.event, head)]

    def forget(self, key: Key) -> Change:
        """Drop a binding; the change that removes its document."""
        binding = self.known.pop(key, None)
        if binding is not None:
            self.by_control.pop(binding.control, None)
        return documents.delete(self.space, _name(key))

    def live(self, lfdi: str) -> list[Binding]:
        """The bindings of a device that are not over and have a control."""
        return [one for one in self.known.values() if one.lfdi == lfdi and one.control and not one.over]


def with_control(binding: Binding, control: Control, curves: str) -> Binding:
    """The binding to a new version of its control, which has curves of this mark."""
    serial, span = int(control.id.rpartition("~")[2]), control.span
    return replace(binding, serial=serial, control=control.id, begins=span.start, ends=span.end, curves=curves)


def with_told(binding: Binding, statuses: Iterable[int]) -> Binding:
    """The binding after these were said."""
    return replace(binding, told=binding.told | {int(status) for status in statuses})


def fields_of(key: Key) -> dict[str, str]:
    """What a log record on an event of a device carries."""
    return {"LFDI": key[0], "mRID": key[1]}


def _name(key: Key) -> str:
    lfdi, mrid = key
    return f"{mrid}/{lfdi}"
