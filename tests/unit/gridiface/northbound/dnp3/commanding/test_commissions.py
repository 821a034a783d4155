"""Commissions are plain values with harmless defaults."""

from gridiface.errors import GridifaceError
from gridiface.northbound.dnp3.commanding.commissions import CommandLost, Commission, Step


def test_a_step_by_itself_changes_nothing():
    step = Step()
    assert (step.control, step.cancel, step.changes, step.soon) == (None, None, (), None)
    assert step.then(None) == ()
    assert Commission(slot="a", master="iso").steps == []


def test_a_lost_command_is_an_error_of_the_house():
    assert issubclass(CommandLost, GridifaceError)
