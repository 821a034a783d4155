"""What changed among the controls between two plans, as the book of controls tells it."""

from tests.unit.gridiface.aggregation.conftest import T0, ask

from gridiface.aggregation.deciding.changes import Changes
from gridiface.aggregation.deciding.lifecycle import ControlBook
from gridiface.domain.controls import Target, TargetKind

ALL = Target(TargetKind.GROUP, "all")


def ending(entry):
    return lambda ids: {}


def test_nothing_changed_is_empty():
    assert ControlBook().changes() == Changes()
    assert (Changes().targets, Changes().gone) == (set(), set())


def test_a_start_and_an_end_are_told_once_each():
    book = ControlBook()
    book.admit(ask("c1", duration=10.0, set_w=1.0), (), T0)
    assert book.changes().targets == set()  # it does not run yet
    book.advance(T0, ending)
    assert book.changes() == Changes({ALL}, set())
    assert book.changes() == Changes()
    book.advance(T0 + 10.0, ending)
    assert book.changes() == Changes({ALL}, {"c1"})


def test_defaults_ranks_and_what_is_superseded_are_told():
    book = ControlBook()
    book.admit(ask("d", is_default=True, set_w=1.0), (), T0)
    assert book.changes().targets == {ALL}
    book.remove_default("d")
    assert book.changes() == Changes({ALL}, {"d"})
    for name in ("c1", "c2"):
        book.admit(ask(name, program="p", duration=10.0, set_w=1.0, created=T0 + (name == "c2")), (), T0)
    book.advance(T0, ending)
    assert book.changes() == Changes({ALL}, {"c1"})
    book.rank("c2", 7.0, T0)
    assert book.changes() == Changes({ALL}, set())
    book.cancel("c2", T0)
    assert book.changes().gone == {"c2"}
