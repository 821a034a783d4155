"""Several parts in one transaction, of which the store may refuse one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gridiface.durably import in_order
from gridiface.errors import LocalProtocolError, StoreUnavailable


class Store:
    """Takes letters in small; `most` commits, then it cannot write."""

    def __init__(self, most: int = 100) -> None:
        self.kept = ""
        self.left = most

    async def commit(self, parts: Sequence[str]) -> None:
        if not self.left:
            raise StoreUnavailable("the disk is full")
        if any(part.isupper() for part in parts):
            raise LocalProtocolError("no capitals")
        self.left -= 1
        self.kept += "".join(parts)


async def test_what_is_right_goes_in_one_transaction() -> None:
    store = Store(most=1)
    assert await in_order(store.commit, "abcdefg") == (7, None)
    assert store.kept == "abcdefg"


@pytest.mark.parametrize(("parts", "kept"), [("Abcdefg", ""), ("abcdEfg", "abcd"), ("abcdefG", "abcdef"), ("X", "")])
async def test_all_before_the_one_that_is_refused_are_durable_and_none_behind_it(parts: str, kept: str) -> None:
    store = Store()
    done, problem = await in_order(store.commit, parts)
    assert (done, store.kept) == (len(kept), kept)
    assert isinstance(problem, LocalProtocolError)


async def test_a_store_that_cannot_write_any_more_stops_it_where_it_is() -> None:
    store = Store(most=1)
    done, problem = await in_order(store.commit, "abcdeFgh")
    assert (done, store.kept) == (4, "abcd")
    assert isinstance(problem, StoreUnavailable)
