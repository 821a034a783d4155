"""What signals mean to a server: end, read again once more, nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from tests.waiting import until

from gridiface.cli.serving.signals import Signals

ALL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in ALL}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_these_end_it(number: signal.Signals) -> None:
    signals = Signals(terminal=False)
    send(number)
    await until(signals.stop.is_set, "the end is asked for")


async def test_the_end_of_its_terminal_ends_it() -> None:
    signals = Signals(terminal=True)
    send(signal.SIGHUP)
    await until(signals.stop.is_set, "the end is asked for")


@contextlib.asynccontextmanager
async def rereading(signals: Signals, read: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    task = asyncio.create_task(signals.reread(read))
    try:
        yield
    finally:
        task.cancel()


async def test_a_storm_of_hang_ups_is_read_once_more_one_after_the_other() -> None:
    signals, go_on = Signals(terminal=False), asyncio.Event()
    begun: list[int] = []
    at_once = [0]

    async def read() -> None:
        at_once[0] += 1
        assert at_once[0] == 1
        begun.append(len(begun))
        await go_on.wait()
        at_once[0] -= 1

    send(signal.SIGHUP)  # before the server runs: kept until it does
    async with rereading(signals, read):
        await until(lambda: begun, "the first is read")
        for _ in range(50):
            send(signal.SIGHUP)
            await asyncio.sleep(0)
        go_on.set()
        await until(lambda: len(begun) == 2, "all others are read in one")
        for _ in range(20):
            await asyncio.sleep(0)
    assert begun == [0, 1]
    assert not signals.stop.is_set()


async def test_what_fails_is_told_and_the_next_is_read(caplog: pytest.LogCaptureFixture) -> None:
    signals = Signals(terminal=False)
    tries: list[int] = []

    async def read() -> None:
        tries.append(1)
        raise RuntimeError("unforeseen")

    async with rereading(signals, read):
        send(signal.SIGHUP)
        await until(lambda: len(tries) == 1, "it is read")
        send(signal.SIGHUP)
        await until(lambda: len(tries) == 2, "it is read again")
    assert "was not read again" in caplog.text


async def test_others_mean_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "gridiface")
    signals = Signals(terminal=False)
    send(signal.SIGUSR1)
    send(signal.SIGUSR2)
    await until(lambda: all(f"SIGUSR{n} means nothing" in caplog.text for n in (1, 2)), "both are told")
    assert not signals.stop.is_set()
