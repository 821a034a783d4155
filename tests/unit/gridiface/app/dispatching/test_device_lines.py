"""Devices' lines as documents: all of them come back as they were, and what cannot be read stops nobody."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from gridiface.aggregation.accounting.device_lines import COUNTED, SINCE, SUMS, TIMES, UNTIL, DeviceLines
from gridiface.app.dispatching.device_lines import CHUNK, SPACE, documents_of, gone, intervals_of, kept, lines_of
from gridiface.domain.changes import DeleteDocument, Document, PutDocument


def drawn(count: int, seed: int = 1) -> DeviceLines:
    dice = np.random.default_rng(seed)
    figures = np.empty((9, count))
    figures[SUMS] = dice.normal(0.0, 1e6, (3, count))
    figures[1] = figures[0]
    figures[TIMES], figures[COUNTED] = 60.0, 60.0
    figures[TIMES][2, ::3] = dice.uniform(0.0, 60.0, figures[TIMES][2, ::3].size)
    figures[SINCE], figures[UNTIL] = 1_700_000_000.25, 1_700_000_060.5
    return DeviceLines("sep2:C1/2", np.array([f"d\u00e4{n}/x" for n in range(count)], dtype=np.object_), figures)


def stored(lines: DeviceLines) -> list[Document]:
    made = [one for one in documents_of(lines) if isinstance(one, PutDocument)]
    return [Document(one.space, one.key, one.body) for one in made]


@pytest.mark.parametrize("count", [1, 2, CHUNK, CHUNK + 1])
def test_what_is_kept_comes_back_as_it_was(count: int) -> None:
    lines = drawn(count)
    documents = stored(lines)
    assert {one.space for one in documents} == {SPACE}
    back = [lines_of(one) for one in documents]
    assert [one.control_id for one in back] == ["sep2:C1/2"] * len(back)
    assert np.concatenate([one.ids for one in back]).tolist() == lines.ids.tolist()
    assert np.array_equal(np.concatenate([one.figures for one in back], axis=1), lines.figures)
    assert [one for part in back for one in part.intervals()] == list(lines.intervals())
    assert gone(lines) == tuple(DeleteDocument(SPACE, one.key) for one in documents)


def test_what_is_alike_for_all_devices_takes_no_room() -> None:
    lines = drawn(CHUNK)
    lines.figures[TIMES] = 60.0
    (document,) = stored(lines)
    names = sum(len(name.encode()) + 12 for name in lines.ids.tolist())
    assert len(document.body) < names + 2 * 8 * CHUNK + 1_000


class Ledger:
    """What a store has."""

    def __init__(self, documents: list[Document]) -> None:
        self.found = documents

    async def documents(self, space: str) -> list[Document]:
        return [one for one in self.found if one.space == space]


async def test_the_lines_of_one_control_are_found_among_those_of_others(caplog: pytest.LogCaptureFixture) -> None:
    lines, other = drawn(3), drawn(2, seed=2)
    ledger: Any = Ledger([*stored(lines), *stored(DeviceLines("other", other.ids, other.figures))])
    found = await kept(ledger)
    assert intervals_of(found, "sep2:C1/2") == list(lines.intervals())
    assert len(intervals_of(found, "other")) == 2
    assert not caplog.records


def body_of(data: bytes = b"", **changed: Any) -> bytes:
    header = {"format": 1, "control": "c", "ids": ["a"], "rows": [1.0] * 9} | changed
    text = json.dumps({name: value for name, value in header.items() if value != "none"}).encode()
    return len(text).to_bytes(4, "big") + text + data


def test_the_smallest_document_is_read() -> None:
    (line,) = lines_of(Document(SPACE, "c/0", body_of(rows=[*[1.0] * 8, 2.0]))).intervals()
    assert (line.target_id, line.start, line.end, line.delivered_w) == ("a", 1.0, 2.0, 1.0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"\x00\x00\x00\x02[]",
        b"\xff\xff\xff\xff{}",
        body_of(format=2),
        body_of(format="none"),
        body_of(control="none"),
        body_of(ids="none"),
        body_of(ids=7),
        body_of(rows=[1.0]),
        body_of(rows=["8", *[1.0] * 8]),
        body_of(rows=["x", *[1.0] * 8]),
        body_of(rows=[None, *[1.0] * 8]),
        body_of(b"1234567", rows=[None, *[1.0] * 8]),
        body_of(b"12345678"),
        body_of(rows=[{}, *[1.0] * 8]),
    ],
)
async def test_what_is_damaged_is_told_and_stops_nobody(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    document = Document(SPACE, "c/0", body)
    ledger: Any = Ledger([document, *stored(drawn(1))])
    assert [one.key for one, _ in await kept(ledger)] == ["sep2:C1/2/0"]
    assert "c/0" in caplog.text
