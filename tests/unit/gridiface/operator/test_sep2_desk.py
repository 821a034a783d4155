"""What the IEEE 2030.5 areas share: the wire's refusals in the API's words."""

from __future__ import annotations

import pytest

from gridiface.errors import RemoteProtocolError
from gridiface.operator.problems import Refused
from gridiface.operator.sep2_desk import refused, shown


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
