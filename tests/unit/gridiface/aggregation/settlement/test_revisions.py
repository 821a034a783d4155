"""Late data: new revisions, what changed, and when it is over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gridiface.aggregation.settlement.revisions import LATE_WINDOW_S, settlement_of
from gridiface.aggregation.settlement.rows import SettlementRow
from gridiface.domain.telemetry import Quality

END = 7200.0


def row(at: int, metered: float | None, resource: str = "m") -> SettlementRow:
    return SettlementRow(
        event_id="e",
        resource_id=resource,
        start=3600.0 * at,
        end=3600.0 * (at + 1),
        baseline_w=-1000.0,
        metered_w=metered,
        delivered_w=None if metered is None else metered + 1000.0,
        committed_w=500.0,
        quality=Quality.BAD if metered is None else Quality.GOOD,
        method="10-of-10",
    )


def test_the_first_settlement_awaits_late_data() -> None:
    first = settlement_of("e", END, [row(1, -400.0), row(0, None)], END + 60)
    assert (first.settlement.revision, first.settlement.final, first.changes) == (1, False, ())
    assert [r.start for r in first.settlement.rows] == [0.0, 3600.0]
    assert first.settlement.total is not None
    assert first.settlement.total.settled == 1


def test_late_data_make_a_revision_that_says_what_changed() -> None:
    first = settlement_of("e", END, [row(0, None), row(1, -400.0), row(2, -100.0)], END + 60).settlement
    late = [row(0, -300.0), row(1, -450.0), row(2, -100.0)]
    second = settlement_of("e", END, late, END + 86_400, previous=first)
    assert second.settlement.revision == 2
    assert [r.revision for r in second.settlement.rows] == [2, 2, 1]
    came, moved = second.changes
    assert came.figures == ("metered_w", "delivered_w", "quality")
    assert came.delivered_change_w is None
    # 1000 - 450 = 550 W instead of 1000 - 400 = 600 W.
    assert moved.delivered_change_w == -50.0
    assert (moved.before, moved.after) == (first.rows[1], late[1])


def test_the_same_data_again_change_nothing() -> None:
    first = settlement_of("e", END, [row(0, -300.0)], END + 60).settlement
    again = settlement_of("e", END, [row(0, -300.0 + 1e-6)], END + 3600, previous=first)
    assert again.settlement == first
    assert again.note == "nothing changed"
    over = settlement_of("e", END, [row(0, -300.0)], END + LATE_WINDOW_S, previous=first)
    assert over.settlement == replace(first, final=True)


def test_a_final_settlement_stays_unless_reopened() -> None:
    final = settlement_of("e", END, [row(0, -300.0)], END + LATE_WINDOW_S).settlement
    assert final.final
    refused = settlement_of("e", END, [row(0, -200.0)], END + LATE_WINDOW_S + 1, previous=final)
    assert refused.settlement is final
    assert "is final; 1 rows would change" in refused.note
    taken = settlement_of("e", END, [row(0, -200.0)], END + LATE_WINDOW_S + 1, previous=final, reopen=True)
    assert taken.settlement.revision == 2
    assert taken.note == ""


def test_rows_that_come_and_go_are_changes() -> None:
    first = settlement_of("e", END, [row(0, -300.0)], END).settlement
    second = settlement_of("e", END, [row(0, -300.0, "other")], END, previous=first)
    assert [(c.resource_id, c.figures, c.before is None) for c in second.changes] == [
        ("m", ("row",), False),
        ("other", ("row",), True),
    ]
    with pytest.raises(ValueError, match="not an earlier settlement"):
        settlement_of("f", END, [], END, previous=first)
    assert settlement_of("f", END, [], END).settlement.total is None
