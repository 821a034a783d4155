"""Whatever module names a group is run by one worker (tests/conftest.py)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
MARK = "mark." + "xdist_group"


class Worker:
    """One worker as the scheduler knows it."""

    shutting_down = False

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.given: list[int] = []

    def send_runtest_some(self, places: list[int]) -> None:
        self.given += places

    def shutdown(self) -> None:
        self.shutting_down = True


@pytest.fixture
def conftest(pytestconfig: Any) -> Any:
    plugins = pytestconfig.pluginmanager.get_plugins()
    [found] = [one for one in plugins if getattr(one, "__file__", None) == str(ROOT / "tests/conftest.py")]
    return found


@pytest.fixture
def scheduled(conftest: Any) -> Any:
    """A scheduler with two workers and six tests, two of which are one group."""
    told = {"tx": ["2*popen"], "maxprocesses": None}
    config = SimpleNamespace(getvalue=told.get, option=SimpleNamespace(loadscopereorder=True, **told))
    grouped = conftest.Grouped(config, SimpleNamespace(loadscopesched=lambda *_: None))
    screens = "tests/browser/test_screens.py"
    tests = [f"tests/architecture/test_groups.py::{name}" for name in "abcd"] + [f"{screens}::e", f"{screens}::f"]
    for name in ("gw0", "gw1"):
        worker = Worker(name)
        grouped.add_node(worker)
        grouped.add_node_collection(worker, tests)
    grouped.schedule()
    return grouped


def test_a_group_goes_to_one_worker_and_what_is_done_is_forgotten(scheduled: Any) -> None:
    one, other = scheduled.nodes
    assert (one.given, other.given) == ([4, 5, 1], [0, 2])
    done = []
    while one.given or other.given:
        for worker in (one, other):
            while worker.given:
                done.append(worker.given.pop(0))
                scheduled.mark_test_complete(worker, done[-1])
    assert sorted(done) == [0, 1, 2, 3, 4, 5]
    assert scheduled.assigned_work == {one: {}, other: {}}
    assert scheduled.tests_finished
    assert not scheduled.has_pending


def test_what_a_worker_that_crashed_had_left_is_done_by_another(scheduled: Any) -> None:
    one, other = scheduled.nodes
    scheduled.mark_test_complete(one, 4)
    assert scheduled.remove_node(one) == "tests/browser/test_screens.py::f"
    for place in (0, 2):
        scheduled.mark_test_complete(other, place)
    while other.given:
        place = other.given.pop(0)
        if place not in {0, 2}:
            scheduled.mark_test_complete(other, place)
    assert not scheduled.workqueue
    assert not scheduled.has_pending


def test_every_module_that_names_a_group_is_scheduled_by_it(conftest: Any) -> None:
    naming = [path for path in (ROOT / "tests").rglob("test_*.py") if MARK in path.read_text()]
    assert len(naming) > 10
    assert all(conftest.group_of(str(path)) for path in naming)
    screens = "tests/browser/test_screens.py"
    place = object.__new__(conftest.Grouped)._split_scope
    assert place(f"{screens}::a[0]") == place(f"{screens}::b") == "screens"
    assert place("tests/architecture/test_groups.py::a") == "tests/architecture/test_groups.py::a"
