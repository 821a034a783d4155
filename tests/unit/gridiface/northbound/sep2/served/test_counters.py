"""Numbers of new resources: in a row, durable before they are used up, never given twice."""

from __future__ import annotations

import json

from gridiface.northbound.sep2.served.counters import Counters


def reserved(changes: list) -> list[int]:
    return [json.loads(change.body.partition(b"\n")[0])["reserved"] for change in changes]


def test_numbers_come_in_a_row_and_a_block_is_reserved_once() -> None:
    counters = Counters()
    first, changes = counters.take("rsps/1")
    assert (first, len(changes)) == (1, 1)
    (until,) = reserved(changes)
    taken = [counters.take("rsps/1") for _ in range(until - 2)]
    assert [number for number, _ in taken] == list(range(2, until))
    assert all(not changes for _, changes in taken)
    number, changes = counters.take("rsps/1")
    assert number == until
    assert reserved(changes)[0] > until


def test_several_at_once_are_a_row_of_their_own() -> None:
    counters = Counters()
    assert counters.take("derp/1/derc", 5)[0] == 1
    assert counters.take("derp/1/derc")[0] == 6
    assert counters.take("other")[0] == 1


def test_after_a_restart_no_number_comes_again() -> None:
    before = Counters()
    given, stored = [], 1
    for _ in range(300):
        number, changes = before.take("rsps/1")
        given.append(number)
        stored = (reserved(changes) or [stored])[-1]
    after = Counters()
    after.load("rsps/1", stored)
    assert after.take("rsps/1")[0] > max(given)


def test_where_every_use_is_stored_anyway_no_number_is_wasted() -> None:
    counters = Counters()
    for expected in (1, 2, 3):
        number, changes = counters.take("edev")
        assert number == expected
        assert reserved(changes) == [expected + 1]


def test_a_number_that_was_seen_is_taken() -> None:
    counters = Counters()
    counters.saw("edev", 7)
    counters.saw("edev", 3)
    assert counters.take("edev")[0] == 8
