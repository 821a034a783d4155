from gridiface.protocols.dnp3.master.queue import FIRST, ROUTINE, STARTUP, URGENT, Poll, Queued, Running
from gridiface.protocols.dnp3.master.tasks import clear_restart


def test_tasks_stand_in_order_of_priority_then_of_submission():
    tasks = [
        Queued(priority, number, "x", clear_restart())
        for number, priority in enumerate((ROUTINE, URGENT, FIRST, STARTUP, URGENT))
    ]
    assert [item.number for item in sorted(tasks)] == [2, 1, 4, 3, 0]


def test_nothing_has_come_for_a_fresh_request():
    running = Running(Queued(0, 1, "x", clear_restart()), 0, 0.0, 5.0)
    assert (running.fragments, running.challenges) == ([], 0)
    assert not Poll(1.0, 1.0, (1,)).pending
