"""`gridiface demo` as a user runs it: its JSON, its live table, and that it leaves nothing behind however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("demo"), pytest.mark.timeout(150)]


@contextlib.asynccontextmanager
async def demo(folder: Path, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A running demo whose temporary files go below `folder`."""
    environment = {**os.environ, "TMPDIR": str(folder), "COLUMNS": "140", "LINES": "50"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gridiface.cli", "demo", *options),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def events(folder: Path) -> list[str]:
    """What the server's log says of controls."""
    return [line for log in folder.glob("gridiface-*/server.log") for line in log.read_text().splitlines()]


async def is_up(folder: Path) -> bool:
    """Whether the world has its database, which the server makes last of all parts."""
    return any("IEEE 2030.5 on" in line for line in events(folder))


def nothing_is_left(folder: Path, processes_below: Callable[[Path], list[int]]) -> None:
    assert not list(folder.iterdir())
    assert not processes_below(folder)


async def test_headless_json_says_what_came_of_it_and_exits_0(
    tmp_path: Path, processes_below: Callable[[Path], list[int]]
) -> None:
    async with demo(tmp_path, "--headless", "--json", "--seconds", "25", "--port", "0") as process:
        said, errors = await process.communicate()
    assert process.returncode == 0, (said, errors)
    result = json.loads(said)
    assert (result["devices"], result["groups"]) == (23, 3)
    assert result["requested_W"] == 80_000
    assert abs(result["allocated_W"] - 80_000) < 800
    assert abs(result["delivered_W"] - 80_000) < 1_600
    assert result["tracking_error_pct"] <= 2
    assert result["responses"] == {"received": 23, "started": 23, "completed": 23}
    assert result["readings"] > 20 * 20
    assert result["set_points_written"] >= 20
    assert result["failures"] == 0
    program = result["openadr"]
    assert program["ok"] is True
    assert program["opt"] == "optIn"
    assert abs(program["reported_W"] - 60_000) <= 1_200
    assert program["cancelled"] is True
    assert program["on_page"] is True
    scada = result["dnp3"]
    assert scada["ok"] is True
    assert abs(scada["told_W"] - 40_000) <= 800
    assert scada["soc_told_pct"] < scada["soc_before_pct"]
    assert set(scada["statuses"].values()) == {
        "SUCCESS", "AUTOMATION_INHIBIT", "OUT_OF_RANGE", "NOT_AUTHORIZED", "BLOCKED",
    }  # fmt: skip
    told = result["subscription"]
    assert told["ok"] is True
    assert told["notifications"] >= 3
    assert told["older"][-1] == "SUPERSEDED"
    assert told["newer"][-2:] == ["ACTIVE", "CANCELLED"]
    nothing_is_left(tmp_path, processes_below)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
async def test_a_signal_in_the_middle_ends_everything(
    tmp_path: Path,
    processes_below: Callable[[Path], list[int]],
    eventually: Callable[..., Awaitable[float]],
    number: signal.Signals,
) -> None:
    async with demo(tmp_path, "--headless", "--json", "--port", "0") as process:
        await eventually(lambda: is_up(tmp_path), 40.0, "the world is up")
        await asyncio.sleep(1.0)
        assert len(processes_below(tmp_path)) >= 3
        process.send_signal(number)
        process.send_signal(number)  # an impatient user
        async with asyncio.timeout(20):
            said, errors = await process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in errors, errors
    assert said == b""
    nothing_is_left(tmp_path, processes_below)


async def test_a_signal_while_it_starts_ends_everything(
    tmp_path: Path, processes_below: Callable[[Path], list[int]], eventually: Callable[..., Awaitable[float]]
) -> None:
    async with demo(tmp_path, "--headless", "--json", "--port", "0") as process:

        async def begun() -> bool:
            return bool(list(tmp_path.glob("gridiface-*/devices.log")))

        await eventually(begun, 40.0, "the first child starts")
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            _, errors = await process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in errors, errors
    nothing_is_left(tmp_path, processes_below)


@pytest.mark.usefixtures("thorough")
async def test_the_end_of_the_terminal_ends_everything(
    tmp_path: Path, processes_below: Callable[[Path], list[int]], eventually: Callable[..., Awaitable[float]]
) -> None:
    await test_a_signal_in_the_middle_ends_everything(tmp_path, processes_below, eventually, signal.SIGHUP)


async def test_killed_outright_its_children_end_by_themselves(
    tmp_path: Path, processes_below: Callable[[Path], list[int]], eventually: Callable[..., Awaitable[float]]
) -> None:
    async with demo(tmp_path, "--headless", "--json", "--port", "0") as process:
        await eventually(lambda: is_up(tmp_path), 40.0, "the world is up")
        process.kill()
        await process.communicate()

    async def all_gone() -> bool:
        return not processes_below(tmp_path)

    await eventually(all_gone, 15.0, "no child is left")


async def test_a_child_that_dies_ends_the_demo_with_a_word(
    tmp_path: Path, processes_below: Callable[[Path], list[int]], eventually: Callable[..., Awaitable[float]]
) -> None:
    async with demo(tmp_path, "--headless", "--json", "--port", "0") as process:
        await eventually(lambda: is_up(tmp_path), 40.0, "the world is up")
        await asyncio.sleep(1.0)
        server = next(pid for pid in processes_below(tmp_path) if b"serve" in command_line(pid))
        os.kill(server, signal.SIGKILL)
        async with asyncio.timeout(40):
            said, errors = await process.communicate()
    assert process.returncode not in {0, 130}
    assert said == b""
    assert b"Traceback" not in errors, errors
    assert len(errors.strip()) > 10
    nothing_is_left(tmp_path, processes_below)


def command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


@contextlib.contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        yield busy.getsockname()[1]


async def test_under_a_terminal_it_shows_the_live_table_on_another_port_than_the_taken_one(
    tmp_path: Path, processes_below: Callable[[Path], list[int]]
) -> None:
    pty = pytest.importorskip("pty", reason="no pseudo-terminals here")
    leader, follower = pty.openpty()
    environment = {**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "140", "LINES": "50", "TERM": "xterm-256color"}
    with taken_port() as busy:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gridiface.cli", "demo", "--port", str(busy)),
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env=environment,
            start_new_session=True,
        )
        os.close(follower)
        screen = Screen(leader)
        try:
            await screen.shows(r"running, \d+ s left", 60.0)
            text = await screen.shows(r"received 23/23", 30.0)
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(20):
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            screen.close()
    assert process.returncode == 0
    for word in ("opModTargetW 80.00 kW", "requested kW", "delivered kW", "feeder north", "feeder south"):
        assert word in text
    ports = {int(port) for port in re.findall(r"http://127\.0\.0\.1:(\d+)/", text)}
    assert len(ports) == 1
    assert busy not in ports
    nothing_is_left(tmp_path, processes_below)


async def test_a_terminal_that_cannot_move_its_cursor_is_told_the_page(
    tmp_path: Path, processes_below: Callable[[Path], list[int]]
) -> None:
    pty = pytest.importorskip("pty", reason="no pseudo-terminals here")
    leader, follower = pty.openpty()
    environment = {**os.environ, "TMPDIR": str(tmp_path), "TERM": "dumb"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gridiface.cli", "demo", "--port", "0"),
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=environment,
        start_new_session=True,
    )
    os.close(follower)
    screen = Screen(leader)
    try:
        await screen.shows(r"starting devices", 40.0)
        await screen.shows(r"the page: http://127\.0\.0\.1:\d+/login#", 60.0)
        process.send_signal(signal.SIGINT)
        await screen.shows(r"stopped; nothing was left behind", 20.0)
        async with asyncio.timeout(20):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        screen.close()
    nothing_is_left(tmp_path, processes_below)


class Screen:
    """What a program writes to its terminal."""

    def __init__(self, leader: int) -> None:
        self._leader, self._said = leader, ""
        os.set_blocking(leader, False)

    async def shows(self, pattern: str, timeout_s: float) -> str:
        """Wait until the plain text so far matches; that text."""
        until = time.monotonic() + timeout_s
        while not re.search(pattern, self._said):
            assert time.monotonic() < until, f"no {pattern!r} in {self._said[-2_000:]}"
            await asyncio.sleep(0.1)
            with contextlib.suppress(BlockingIOError, OSError):
                raw = os.read(self._leader, 1 << 20).decode(errors="replace")
                self._said += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", raw)
        return self._said

    def close(self) -> None:
        os.close(self._leader)


@pytest.mark.usefixtures("thorough")
async def test_an_impossible_request_is_told_and_fails(tmp_path: Path) -> None:
    async with demo(tmp_path, "--headless", "--json", "--watts", "500000", "--seconds", "25", "--port", "0") as process:
        said, errors = await process.communicate()
    assert process.returncode == 1, (said, errors)
    result: dict[str, Any] = json.loads(said)
    assert result["ok"] is False
    assert result["delivered_W"] < 125_000
    assert result["responses"]["received"] == 23
