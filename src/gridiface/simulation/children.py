"""Processes of the simulated world: started with one JSON line, ready with one JSON line, gone with their parent.

The child reads its configuration as the first line of its standard input and exits when that input closes, so that
no process outlives the one that started it, however that one ends. Owns no meaning of the lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gridiface.errors import GridifaceError

_LINE_LIMIT = 4 * 1024 * 1024


class ChildFailed(GridifaceError):
    """A process of the simulated world ended or did not get ready."""


class Child:
    """One process. Use as an async context manager, or call `start` and `stop`.

    Args:
        name: for messages.
        command: arguments after the Python interpreter, e.g. ["-m", "gridiface.simulation.sunspec"].
        config: sent as the first line.
        log: file that takes its standard error; None: dropped.
        env: its whole environment; None: as this process.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        config: Mapping[str, Any] | None = None,
        *,
        log: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._command = list(command)
        self._config = config
        self._log = log
        self._env = None if env is None else dict(env)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *, timeout_s: float = 30.0) -> dict[str, Any]:
        """Start it and wait for its ready line.

        Raises:
            ChildFailed: it ended or said nothing in time; its last words are in the text.
        """
        with contextlib.ExitStack() as stack:
            error = stack.enter_context(self._log.open("ab")) if self._log else asyncio.subprocess.DEVNULL
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=error,
                limit=_LINE_LIMIT,
                env=self._env,
                start_new_session=True,
            )
        try:
            if self._config is not None:
                await self.send(self._config)
            async with asyncio.timeout(timeout_s):
                return await self.receive()
        except TimeoutError:
            await self.kill()
            raise ChildFailed(f"{self.name} was not ready after {timeout_s} s{self._last_words()}") from None
        except ChildFailed:
            # Whoever could not start it does not think of ending it.
            await self.kill()
            raise

    @property
    def pid(self) -> int:
        """Its process id.

        Raises:
            ChildFailed: it was not started.
        """
        return self._running().pid

    @property
    def alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def send(self, line: Mapping[str, Any]) -> None:
        """Send one JSON line.

        Raises:
            ChildFailed: it has ended.
        """
        stdin = self._running().stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(line).encode() + b"\n")
            await stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as problem:
            raise ChildFailed(f"{self.name} has ended{self._last_words()}") from problem

    async def receive(self) -> dict[str, Any]:
        """The next JSON line it prints.

        Raises:
            ChildFailed: it has ended, or printed something else.
        """
        stdout = self._running().stdout
        assert stdout is not None
        line = await stdout.readline()
        if not line:
            raise ChildFailed(await self.ended())
        try:
            answer = json.loads(line)
        except ValueError as problem:
            raise ChildFailed(f"{self.name} printed {line[:120]!r} instead of JSON") from problem
        if not isinstance(answer, dict):
            raise ChildFailed(f"{self.name} printed {line[:120]!r} instead of a JSON object")
        return answer

    async def ended(self) -> str:
        """Wait until it ends; how it ended and its last words.

        Raises:
            ChildFailed: it was not started.
        """
        code = await self._running().wait()
        return f"{self.name} ended with {code}{self._last_words()}"

    async def stop(self, *, timeout_s: float = 10.0) -> int | None:
        """Close its input, wait, and kill it where it does not end; its exit code."""
        process = self._process
        if process is None:
            return None
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                process.stdin.close()
        try:
            async with asyncio.timeout(timeout_s):
                if process.stdout is not None:
                    await process.stdout.read()
                await process.wait()
        except TimeoutError:
            await self.kill()
        return process.returncode

    async def kill(self) -> None:
        """End it at once (SIGKILL) and collect it."""
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise ChildFailed(f"{self.name} was not started")
        return self._process

    def _last_words(self) -> str:
        if self._log is None or not self._log.exists():
            return ""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return f": {lines[-1]}" if lines else ""

    async def __aenter__(self) -> Self:
        """Nothing is started: `start` gives the ready line."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        await self.stop()
