"""What the IEEE 2030.5 areas share: the wire's refusals in the API's words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gridiface.errors import LocalProtocolError, RemoteProtocolError
from gridiface.operator.problems import Refused
from gridiface.operator.schema import Search
from gridiface.operator.sep2_desk import acted, first_of, next_of, refused, shown


@pytest.mark.parametrize(("answer", "status"), [(400, 422), (403, 422), (404, 404), (405, 422), (409, 409), (413, 413)])
def test_what_the_server_refuses_the_api_refuses(answer: int, status: int) -> None:
    problem = refused(RemoteProtocolError("no room", answer=answer))
    assert (problem.status, problem.detail) == (status, "no room")
    assert problem.fix


def test_a_look_up_that_finds_nothing_is_404() -> None:
    def nothing() -> None:
        raise RemoteProtocolError("nothing is there", answer=404)

    with pytest.raises(Refused) as problem:
        shown(nothing)
    assert problem.value.status == 404
    assert shown(lambda: 7) == 7


async def test_what_cannot_be_written_is_a_refusal_and_no_failure() -> None:
    async def act(along: Any) -> None:
        raise LocalProtocolError("reason: a character that XML cannot carry")

    call: Any = SimpleNamespace(now=1.0, caller=SimpleNamespace(name="ann"))
    with pytest.raises(Refused, match="cannot carry") as problem:
        await acted(call, "sep2.event.cancel", "/msg/1/txt/1", act)
    assert problem.value.status == 422


def test_pages_of_a_list_that_is_entered_anywhere() -> None:
    assert first_of(Search(after="40", skip=10)) == 50
    assert first_of(Search(after="no number")) == 0
    assert (next_of(0, 50, 79), next_of(50, 29, 79), next_of(90, 0, 79)) == ("50", None, None)
