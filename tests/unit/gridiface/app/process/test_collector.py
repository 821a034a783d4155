"""When a server collects garbage: often and little, not while a batch is going out, all of it hardly ever."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from weakref import ref

import pytest
from tests.waiting import until

from gridiface.app.process.collector import AGED, GROWN_LEAST, MOST, PATIENCE_S, RARELY_S, YOUNG, Collector, calm


class Ring:
    """An object that only the collector can free."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = gc.get_threshold()
    gc.collect()
    gc.set_threshold(10 * MOST, 1000, 1000)  # nothing but the collector under test looks
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def ring() -> ref[Ring]:
    return ref(Ring())


def many(count: int) -> list[list[int]]:
    return [[] for _ in range(count)]


def test_what_is_there_is_not_walked_again() -> None:
    calm()
    assert gc.get_freeze_count() > 1000
    assert gc.get_threshold()[0] == MOST


def test_rings_go_once_there_are_enough_new_objects() -> None:
    collector, lost = Collector(), ring()
    collector.look()
    assert lost() is not None
    kept = many(YOUNG)
    collector.look()
    assert (lost(), len(kept)) == (None, YOUNG)


def test_nothing_is_collected_while_a_batch_is_going_out() -> None:
    hurry = True
    collector, lost, kept = Collector(lambda: hurry), ring(), many(2 * AGED)
    collector.look()
    assert lost() is not None
    hurry = False
    collector.look()
    assert (lost(), len(kept)) == (None, 2 * AGED)


def test_what_outlives_two_looks_is_left_alone() -> None:
    collector = Collector()
    kept = [many(YOUNG + 1)]
    while len(kept) * YOUNG < AGED:
        collector.look()
        kept.append(many(YOUNG + 1))
    before = gc.get_freeze_count()
    collector.look()
    assert gc.get_freeze_count() - before >= AGED
    assert gc.collect(1) >= 0
    assert gc.get_count()[0] < YOUNG


@pytest.mark.parametrize("fast", [False, True])
def test_all_is_gone_through_when_what_stays_has_grown(fast: bool) -> None:
    now, kept = [0.0], []
    collector = Collector(fast=lambda: fast, monotonic=lambda: now[0])

    def grow(times: int) -> None:
        for _ in range(times):
            kept.append(many(GROWN_LEAST + AGED))
            collector.look()

    held = Ring()
    grow(1)
    now[0] = RARELY_S
    grow(1)  # so much there is from now on
    lost = ref(held)
    del held
    assert lost() is not None
    grow(2)
    if fast:
        assert lost() is not None  # a step that must not be late may come
        now[0] += PATIENCE_S
        collector.look()
    assert lost() is None
    held = Ring()
    grow(1)
    lost = ref(held)
    del held
    grow(2)
    assert lost() is not None  # not twice in a row
    assert len(kept) == 7


async def test_it_looks_by_itself_until_it_is_stopped() -> None:
    collector = Collector()
    collector.start()
    lost, kept = ring(), many(YOUNG)
    await until(lambda: lost() is None)
    await collector.stop()
    await collector.stop()
    assert len(kept) == YOUNG
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "gridiface collector"]
