"""Where a response is kept, what counts as the same one, and who leaves a full set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from gridiface.errors import StoreUnavailable
from gridiface.northbound.sep2.served.response_log import ResponseLog, set_name
from gridiface.protocols.sep2.resources import DERControlResponse


@dataclass
class Log:
    """A log of two responses a set over a server's tree; what it hands to the background writer is in `later`."""

    log: ResponseLog
    later: list[Any]
    program: Any
    tree: Any
    lfdi: str

    def response(self, status: int, subject: str = "A1") -> DERControlResponse:
        return DERControlResponse(endDeviceLFDI=self.lfdi, status=status, subject=subject)


@pytest.fixture
async def kept(kit: Any) -> Log:
    later: list[Any] = []
    log = ResponseLog(kit.core.state, 2, lambda changes, then: later.append((changes, then)))
    program = kit.core.state.program_of_device("inv-1")
    return Log(log, later, program, kit.core.state.tree, kit.lfdi["inv-1"])


def test_the_name_of_a_set_is_its_place() -> None:
    assert set_name("/rsps/7/rsp") == "7"


async def test_what_is_prepared_counts_as_given_and_is_shown_when_it_is_durable(kept: Log) -> None:
    given = kept.response(1)
    assert kept.log.path_of(kept.program, given) is None
    path, changes = kept.log.prepare(kept.program, given)
    assert given.href == path
    assert path.startswith(f"{kept.program.responses}/")
    assert [change.key for change in changes if change.key == path] == [path]
    with pytest.raises(StoreUnavailable, match="being stored"):
        kept.log.path_of(kept.program, kept.response(1))
    kept.log.place(kept.program, given)
    assert kept.log.path_of(kept.program, kept.response(1)) == path
    assert kept.log.path_of(kept.program, kept.response(2)) is None
    assert kept.log.path_of(kept.program, kept.response(1, "A2")) is None
    assert kept.log.count == 1


async def test_what_could_not_be_stored_was_not_given(kept: Log) -> None:
    kept.log.prepare(kept.program, given := kept.response(1))
    kept.log.abandon(kept.program, given)
    assert kept.log.path_of(kept.program, kept.response(1)) is None


async def test_the_oldest_leaves_a_full_set_here_and_in_the_store(kept: Log) -> None:
    paths = []
    for status in (1, 2, 3):
        given = kept.response(status)
        paths.append(kept.log.prepare(kept.program, given)[0])
        kept.log.place(kept.program, given)
    assert [kept.tree.get(path) is not None for path in paths] == [False, True, True]
    [(changes, then)] = kept.later
    assert ([change.key for change in changes], then) == ([paths[0]], None)
    assert kept.log.path_of(kept.program, kept.response(1)) is None
    assert kept.log.places_of(kept.lfdi) == paths[1:]
    assert kept.log.places_of("0" * 40) == []


async def test_a_response_of_the_servers_own_is_given_once_and_shown_after_it_is_stored(kept: Log) -> None:
    kept.log.add_later(kept.program, kept.response(1))
    kept.log.add_later(kept.program, kept.response(1))
    [(changes, then)] = kept.later
    path = kept.log.places_of(kept.lfdi)[0]
    assert path in {change.key for change in changes}
    assert kept.tree.get(path) is None
    then()
    assert kept.tree.get(path) is not None


async def test_nothing_is_shown_of_a_program_that_went_meanwhile(kept: Log) -> None:
    kept.log.add_later(kept.program, kept.response(1))
    [(_, then)] = kept.later
    kept.tree.remove(kept.program.responses)
    then()
    assert kept.log.count == 0
    kept.log.forget(kept.program)
    assert kept.log.places_of(kept.lfdi) == []


async def test_a_customer_may_change_its_mind_as_often_as_it_likes(kit: Any) -> None:
    log = ResponseLog(kit.core.state, 100, lambda changes, then: None)
    program = kit.core.state.program_of_device("inv-1")
    kept = Log(log, [], program, kit.core.state.tree, kit.lfdi["inv-1"])
    paths = []
    for status in (4, 5, 4, 5):
        assert log.path_of(program, kept.response(status)) is None
        paths.append(log.prepare(program, given := kept.response(status))[0])
        log.place(program, given)
        assert log.path_of(program, kept.response(status)) == paths[-1], "the last word again is a repeat"
    log.prepare(program, given := kept.response(4))
    log.abandon(program, given)
    assert log.path_of(program, kept.response(5)) == paths[-1]
    assert sorted(log.places_of(kept.lfdi)) == sorted(set(paths))
    again = ResponseLog(kit.core.state, 100, lambda changes, then: None)
    for path in paths:
        shown = kit.core.state.tree.get(path).obj
        kit.core.state.tree.remove(path)
        again.place(program, shown)
    assert again.path_of(program, kept.response(5)) == paths[-1]
    assert again.path_of(program, kept.response(4)) is None
    again.forget(program)
    assert again.path_of(program, kept.response(5)) is None


async def test_words_that_become_durable_together_stay_in_their_order(kit: Any) -> None:
    later: list[Any] = []
    log = ResponseLog(kit.core.state, 100, lambda changes, then: later.append(then))
    program = kit.core.state.program_of_device("inv-1")
    kept = Log(log, later, program, kit.core.state.tree, kit.lfdi["inv-1"])
    for status in (4, 5):
        log.add_later(program, kept.response(status))
    paths = log.places_of(kept.lfdi)
    for then in later:
        then()
    assert log.places_of(kept.lfdi) == paths
    assert log.path_of(program, kept.response(5)) == paths[1], "the last word"
    assert log.path_of(program, kept.response(4)) is None


async def test_a_customer_without_a_last_word_any_more_begins_anew(kept: Log) -> None:
    for status in (4, 5, 4):
        kept.log.prepare(kept.program, given := kept.response(status))
        kept.log.place(kept.program, given)
    assert kept.log.path_of(kept.program, kept.response(4)) == given.href
    for status in (1, 2):
        kept.log.prepare(kept.program, other := kept.response(status))
        kept.log.place(kept.program, other)
    assert kept.log.path_of(kept.program, kept.response(4)) is None
    kept.log.prepare(kept.program, again := kept.response(4))
    kept.log.abandon(kept.program, again)
    assert kept.log.path_of(kept.program, kept.response(4)) is None
