"""Server-Sent Events: lines into events. Sans I/O."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event: `kind` is outcome, deliveries, alarm or gap (something is lost: read again)."""

    id: str
    kind: str
    data: Any


@dataclass(slots=True)
class EventLines:
    """Feeds on lines without their ends; gives an event where one is complete."""

    _fields: dict[str, str] = field(default_factory=dict)

    def feed(self, line: str) -> StreamEvent | None:
        """Take a line in; comments and data that are not JSON give nothing."""
        if line:
            name, _, value = line.partition(":")
            if name:
                self._fields[name] = value.removeprefix(" ")
            return None
        fields, self._fields = self._fields, {}
        if "data" not in fields:
            return None
        try:
            data = json.loads(fields["data"])
        except ValueError:
            return None
        return StreamEvent(fields.get("id", ""), fields.get("event", "message"), data)
