"""Work in slices, run to its end at once."""

from __future__ import annotations

from gridiface.aggregation.slices import Slices, at_once


def test_what_is_made_in_slices_is_what_is_made_at_once() -> None:
    seen: list[int] = []

    def inner(count: int) -> Slices[int]:
        for number in range(count):
            seen.append(number)
            yield ()
        return sum(range(count))

    def outer() -> Slices[str]:
        first = yield from inner(3)
        second = yield from inner(2)
        return f"{first} {second}"

    assert at_once(outer()) == "3 1"
    assert seen == [0, 1, 2, 0, 1]
    work, slices = outer(), 0
    while next(work, None) is not None:
        slices += 1
    assert slices == 5
