"""A process beside this one: ready, asked, ended, and this process back on its cores."""

from __future__ import annotations

import os
from multiprocessing.connection import Connection

import pytest

from gridiface.cli.bench.beside import Beside
from gridiface.errors import GridifaceError


def echo(pipe: Connection, port: int) -> None:
    pipe.send({"port": port})
    while "stop" not in (asked := pipe.recv()):
        if "answer" in asked:
            pipe.send(asked)


def mute(pipe: Connection) -> None:
    pipe.recv()


def test_it_answers_and_ends_and_the_cores_are_as_before() -> None:
    before = os.sched_getaffinity(0)
    with Beside(echo, 7, ready_s=60.0) as beside:
        assert beside.port == 7
        beside.ask({"answer": 1})
        assert beside.answer(30.0) == {"answer": 1}
        beside.ask({})
        with pytest.raises(GridifaceError, match="does not answer"):
            beside.answer(0.05)
    assert not beside._process.is_alive()
    assert os.sched_getaffinity(0) == before


def test_what_is_never_ready_is_told() -> None:
    beside = Beside(mute, ready_s=0.2)
    try:
        with pytest.raises(GridifaceError), beside:
            pass
    finally:
        beside._process.kill()
        beside._process.join()
