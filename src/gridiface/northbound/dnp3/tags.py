"""What an operator has set at an outstation: local mode, and tags that block outputs. Durable; no I/O.

Owns the form in which this is kept. What it does to commands is commanding/handlers.py's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from gridiface.domain.changes import Document, PutDocument

SPACE = "dnp3.station"


@dataclass(frozen=True, slots=True)
class Tags:
    """What is set.

    Attributes:
        local: every command is answered LOCAL.
        blocked: reasons by name of the output; "" blocks all.
    """

    local: bool = False
    blocked: Mapping[str, str] = field(default_factory=dict)

    def with_block(self, point: str, reason: str) -> Tags:
        """One more tag, or another reason for one."""
        return replace(self, blocked={**self.blocked, point: reason})

    def without_block(self, point: str) -> Tags:
        """One tag less."""
        return replace(self, blocked={name: why for name, why in self.blocked.items() if name != point})

    def document(self, station: str) -> PutDocument:
        """The durable form."""
        body = json.dumps({"local": self.local, "blocked": dict(self.blocked)}, sort_keys=True).encode()
        return PutDocument(SPACE, station, body)


def load(documents: Iterable[Document], station: str) -> Tags | None:
    """What was set when the last run ended; None: nothing was ever set, or it cannot be read."""
    for document in documents:
        if document.space == SPACE and document.key == station:
            try:
                body = json.loads(document.body)
                blocked = {str(name): str(why) for name, why in body["blocked"].items()}
                return Tags(local=bool(body["local"]), blocked=blocked)
            except (ValueError, KeyError, TypeError, AttributeError):
                return None
    return None
