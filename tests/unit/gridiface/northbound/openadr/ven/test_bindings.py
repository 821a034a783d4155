"""What became of events, as documents."""

from __future__ import annotations

from gridiface.domain.changes import DeleteDocument, PutDocument
from gridiface.northbound.openadr.ven.bindings import Binding, Bindings


def test_what_changed_is_taken_once_and_again_where_it_could_not_be_written() -> None:
    made = Bindings("s")
    made.put("E", Binding(serial=1, controls=["c"]))
    made.put("F", Binding(serial=2))
    changes, held = made.take()
    assert [(type(change), change.key) for change in changes if isinstance(change, PutDocument)] == [
        (PutDocument, "binding/E"),
        (PutDocument, "binding/F"),
    ]
    assert not made.changed
    assert made.take() == ([], set())
    made.give_back(held)
    assert made.changed
    assert made.take()[0] == changes


def test_a_restart_knows_them_and_whose_control_is_which() -> None:
    made = Bindings("s")
    made.put("E", Binding(serial=1, controls=["c", "d"], cancel=["b"], cancel_at=5.0, lost=["d"]))
    changes, _ = made.take()
    again = Bindings("s")
    again.load({**{c.key: c.body for c in changes if isinstance(c, PutDocument)}, "standing": b"optIn"})
    assert again.items() == made.items()
    assert (again.event_of("d"), again.event_of("b")) == ("E", None)
    assert not again.changed


def test_one_that_is_gone_is_deleted_with_what_pointed_at_it() -> None:
    made = Bindings("s")
    made.put("E", Binding(serial=1, controls=["c"]))
    made.take()
    made.drop("E")
    assert (made.get("E"), made.event_of("c")) == (None, None)
    assert made.take()[0] == [DeleteDocument("s", "binding/E")]
