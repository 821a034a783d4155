"""The child's side of `children`: lines come in on standard input, one JSON line goes out for each. Owns no meaning."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from gridiface.errors import GridifaceError


def say(line: Mapping[str, Any]) -> None:
    """Print one JSON line at once."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def input_lines() -> asyncio.Queue[str | None]:
    """The lines of standard input as they come, then None. A thread reads them: any kind of standard input will do."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def answer_jobs(run: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
    """Say that we are ready, then answer one job after the other until standard input closes.

    What a job cannot do is answered with {"error": ...}.
    """
    say({"ready": True})
    for line in sys.stdin:
        try:
            answer = run(json.loads(line))
        except (GridifaceError, OSError, ValueError) as problem:
            answer = {"error": f"{type(problem).__name__}: {problem}"}
        say(answer)
