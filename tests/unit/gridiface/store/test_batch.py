"""Changes become rows, and many calls few statements, without a key losing its order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gridiface.domain.changes import AppendReadings, Change, DeleteDocument, KeepDocument, PutDocument
from gridiface.domain.quantities import Quantity
from gridiface.domain.telemetry import Reading
from gridiface.store.batch import Batch, encode, plan, reading_row
from gridiface.store.statements import COLUMNS, Op

document_changes = st.one_of(
    st.builds(PutDocument, st.sampled_from("st"), st.sampled_from("abc"), st.binary(max_size=2)),
    st.builds(KeepDocument, st.sampled_from("st"), st.sampled_from("abc"), st.binary(max_size=2)),
    st.builds(DeleteDocument, st.sampled_from("st"), st.sampled_from("abc")),
)


def applied(changes: list[Change]) -> dict[tuple[str, str], tuple[bytes, int]]:
    """What the changes mean, one after the other."""
    state: dict[tuple[str, str], tuple[bytes, int]] = {}
    for change in changes:
        assert isinstance(change, PutDocument | KeepDocument | DeleteDocument)
        place = (change.space, change.key)
        if isinstance(change, PutDocument):
            state[place] = (change.body, state.get(place, (b"", 0))[1] + 1)
        elif isinstance(change, KeepDocument):
            state.setdefault(place, (change.body, 1))
        else:
            state.pop(place, None)
    return state


def executed(statements: list[tuple[Op, list[tuple[Any, ...]]]]) -> dict[tuple[str, str], tuple[bytes, int]]:
    """What the planned statements do."""
    kinds: dict[Op, Callable[..., Change]] = {
        Op.PUT_DOCUMENT: PutDocument,
        Op.KEEP_DOCUMENT: KeepDocument,
        Op.DELETE_DOCUMENT: DeleteDocument,
    }
    flat: list[Change] = [kinds[op](*row) for op, rows in statements for row in rows]
    return applied(flat)


@given(st.lists(st.lists(document_changes, max_size=6), max_size=6))
def test_the_plan_does_what_the_calls_said(calls: list[list[Change]]) -> None:
    planned = plan([encode(changes) for changes in calls])
    assert executed(planned) == applied([change for changes in calls for change in changes])


def test_different_keys_share_two_statements() -> None:
    calls: list[list[Change]] = [[PutDocument("s", f"p{i}", b""), DeleteDocument("s", f"d{i}")] for i in range(50)]
    assert [(op, len(rows)) for op, rows in plan([encode(changes) for changes in calls])] == [
        (Op.PUT_DOCUMENT, 50),
        (Op.DELETE_DOCUMENT, 50),
    ]


def test_readings_of_all_calls_are_one_statement() -> None:
    reading = Reading(device_id="d", quantity=Quantity.ENERGY, value=1, source_time=2, received=3)
    batch = encode([AppendReadings((reading, reading)), AppendReadings((reading,))])
    assert batch.size == 3
    assert plan([batch, Batch(), batch]) == [(Op.APPEND_READING, [reading_row(reading)] * 6)]
    assert dict(zip(COLUMNS[Op.APPEND_READING], reading_row(reading), strict=True))["quantity"] == "Wh"


def test_nothing_is_no_statement() -> None:
    assert plan([encode([]), encode([AppendReadings(())])]) == []
