"""The lines of a running control's devices as documents, so that a server that dies loses none of them.

They become durable together with the intervals of the control's own target and reach as far, so that their sums agree.
A column that is the same for all devices, or the same as another, takes no room: most are. What is left of a server
that died is recorded as performance by the next one, whose own lines begin with its start.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from gridiface.aggregation.accounting.device_lines import FIGURES, DeviceLines
from gridiface.domain.changes import Change, DeleteDocument, Document, PutDocument
from gridiface.domain.performance import PerformanceInterval
from gridiface.domain.ports import Ledger

_log = logging.getLogger("gridiface.dispatch")

SPACE = "app/device-lines"

#: Devices in one document.
CHUNK = 16_384

#: A document begins with so many bytes that say how long its header is.
_LENGTH = 4
_FORMAT = 1


def documents_of(lines: DeviceLines) -> tuple[Change, ...]:
    """What keeps these lines, in the place of what was kept of the control's before."""
    return tuple(
        PutDocument(SPACE, _key(lines.control_id, first), _packed(lines, slice(first, first + CHUNK)))
        for first in range(0, lines.ids.size, CHUNK)
    )


def gone(lines: DeviceLines) -> tuple[Change, ...]:
    """What forgets them, when they are recorded."""
    return tuple(DeleteDocument(SPACE, _key(lines.control_id, first)) for first in range(0, lines.ids.size, CHUNK))


def _key(control_id: str, first: int) -> str:
    return f"{control_id}/{first // CHUNK}"


def _packed(lines: DeviceLines, places: slice) -> bytes:
    ids = lines.ids[places].tolist()
    figures = lines.figures[:, places]
    rows: list[float | str | None] = []
    data = []
    for at, row in enumerate(figures):
        like = next((earlier for earlier in range(at) if np.array_equal(figures[earlier], row)), None)
        if bool((row == row[0]).all()):
            rows.append(float(row[0]))
        elif like is not None:
            rows.append(str(like))
        else:
            rows.append(None)
            data.append(row.astype("<f8").tobytes())
    header = json.dumps({"format": _FORMAT, "control": lines.control_id, "ids": ids, "rows": rows}).encode()
    return b"".join([len(header).to_bytes(_LENGTH, "big"), header, *data])


def lines_of(document: Document) -> DeviceLines:
    """What a document keeps.

    Raises:
        ValueError: it is damaged, or of another version.
    """
    body = bytes(document.body)
    begin = _LENGTH + int.from_bytes(body[:_LENGTH], "big")
    header = json.loads(body[_LENGTH:begin])
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise ValueError("not of a format that this version knows")
    try:
        return _unpacked(header, body[begin:])
    except (KeyError, TypeError, IndexError) as problem:
        raise ValueError(f"damaged: {type(problem).__name__}") from problem


def _unpacked(header: dict[str, Any], data: bytes) -> DeviceLines:
    ids = np.array([str(name) for name in header["ids"]], dtype=np.object_)
    rows, step, begin = header["rows"], 8 * ids.size, 0
    if len(rows) != FIGURES or len(data) != step * rows.count(None):
        raise ValueError("damaged: some of it is missing")
    figures = np.empty((FIGURES, ids.size))
    for at, row in enumerate(rows):
        if row is None:
            figures[at] = np.frombuffer(data[begin : begin + step], dtype="<f8")
            begin += step
        else:
            figures[at] = figures[:at][int(row)] if isinstance(row, str) else float(row)
    return DeviceLines(str(header["control"]), ids, figures)


async def kept(ledger: Ledger) -> list[tuple[Document, DeviceLines]]:
    """What running controls have of their devices' lines. What cannot be read is left where it is, and logged.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    found = []
    for document in await ledger.documents(SPACE):
        try:
            found.append((document, lines_of(document)))
        except ValueError as problem:
            _log.error("the lines %s of a running control's devices are lost: %s", document.key, problem)
    return found


def intervals_of(found: Sequence[tuple[Document, DeviceLines]], control_id: str) -> list[PerformanceInterval]:
    """The lines of one control."""
    return [one for _, lines in found if lines.control_id == control_id for one in lines.intervals()]
