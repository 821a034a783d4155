"""What a VTN's verbs give back, and what it pushes. Declarations alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gridiface.protocols.openadr.changes import Change
from gridiface.protocols.openadr.payloads.envelope import Payload
from gridiface.protocols.openadr.vtn.notices import Notice


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one verb. `reply` None: an empty HTTP 200. `value`: what an operator's verb returns."""

    reply: Payload | None = None
    changes: tuple[Change, ...] = ()
    notices: tuple[Notice, ...] = ()
    value: Any = None


@dataclass(frozen=True, slots=True)
class Push:
    """A payload to be POSTed to `address` + OpenADR2/Simple/2.0b/ + `service`."""

    venID: str
    address: str
    service: str
    payload: Payload
