"""What waits and what runs at a master: queued tasks, the running request, periodic polls.

Owns the order of tasks; running them is master.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gridiface.protocols.dnp3.application import Fragment
from gridiface.protocols.dnp3.master.tasks import Task

FIRST, URGENT, STARTUP, ROUTINE = -1, 0, 1, 2


@dataclass(order=True, slots=True)
class Queued:
    """A task in the queue, in order of priority, then of submission."""

    priority: int
    number: int
    name: str = field(compare=False)
    task: Task = field(compare=False)


@dataclass(slots=True)
class Running:
    """The task that waits for a response, with the fragments that came so far, and its last challenge and our reply."""

    queued: Queued
    sequence: int
    asked_at: float
    deadline: float
    request: bytes = b""
    challenges: int = 0
    challenge: bytes = b""
    reply: bytes = b""
    fragments: list[Fragment] = field(default_factory=list)


@dataclass(slots=True)
class Poll:
    """A poll that comes again every `period` seconds."""

    period: float
    due: float
    classes: tuple[int, ...]
    pending: bool = False
