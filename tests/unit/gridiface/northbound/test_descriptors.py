from __future__ import annotations

import asyncio
import errno
import os
import resource
from typing import Any

import pytest

from gridiface.northbound import descriptors
from gridiface.northbound.descriptors import Reserve, spares


async def test_spares_are_held_given_and_taken_back(caplog: pytest.LogCaptureFixture) -> None:
    reserve = Reserve(6)
    assert not reserve.give()
    reserve.take_back()
    assert reserve.held == 6
    before = reserve.given
    assert reserve.give()
    assert reserve.held == 2
    assert reserve.given == before + 1
    assert "kept for them" in caplog.text
    reserve.take_back()
    assert reserve.held == 6
    reserve.close()
    assert reserve.held == 0


@pytest.mark.parametrize(
    ("soft", "count"), [(64, 4), (320, 20), (1024, 48), (1_000_000, 48), (resource.RLIM_INFINITY, 48)]
)
async def test_a_process_that_may_open_few_files_holds_few(
    monkeypatch: pytest.MonkeyPatch, soft: int, count: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))
    assert spares() == count
    loop, reserve = asyncio.get_running_loop(), Reserve()
    reserve.install(loop)
    assert reserve.held == count
    reserve.close()
    loop.set_exception_handler(None)


async def test_where_none_is_left_it_holds_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    reserve, opened, left = Reserve(6), os.open, [2]

    def scarce(*given: Any) -> int:
        if not left[0]:
            raise OSError(errno.EMFILE, "too many open files")
        left[0] -= 1
        return opened(*given)

    monkeypatch.setattr(os, "open", scarce)
    reserve.take_back()
    assert reserve.held == 2
    reserve.close()


async def test_it_helps_out_asyncio_and_leaves_other_trouble_alone(caplog: pytest.LogCaptureFixture) -> None:
    loop, reserve = asyncio.get_running_loop(), Reserve(6)
    reserve.install(loop)
    try:
        loop.call_exception_handler({"message": "socket.accept() out of system resource"})
        assert reserve.held == 2
        loop.call_exception_handler({"message": "something else"})
        assert reserve.held == 2
        assert "something else" in caplog.text
        async with asyncio.timeout(20):
            while reserve.held < 6:
                await asyncio.sleep(0.05)
    finally:
        reserve.close()
        loop.set_exception_handler(None)


async def test_a_limit_lowered_meanwhile_shrinks_the_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, reserve = asyncio.get_running_loop(), Reserve()
    monkeypatch.setattr(descriptors, "_TAKE_BACK_S", 0.01)
    monkeypatch.setattr(descriptors, "spares", lambda: 6)
    reserve.install(loop)
    try:
        assert reserve.held == 6
        assert not reserve.lent()
        monkeypatch.setattr(descriptors, "spares", lambda: 2)
        async with asyncio.timeout(60):
            while reserve.held != 2:
                await asyncio.sleep(0.01)
        reserve.give()
        assert reserve.lent()
        reserve.take_back()
        assert not reserve.lent()
    finally:
        reserve.close()
        loop.set_exception_handler(None)
