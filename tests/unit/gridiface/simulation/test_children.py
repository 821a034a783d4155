"""Child processes: ready line, last words, end with their parent."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridiface.simulation.children import Child, ChildFailed

ECHO = "import sys,json\nprint(json.dumps({'ready': json.loads(sys.stdin.readline())}), flush=True)\nsys.stdin.read()"


async def test_child_gets_its_line_and_ends_when_its_input_closes() -> None:
    child = Child("echo", ["-c", ECHO], {"a": 1})
    assert await child.start() == {"ready": {"a": 1}}
    assert child.alive
    assert await child.stop() == 0
    assert not child.alive


async def test_last_words_are_in_the_error(tmp_path: Path) -> None:
    child = Child("dying", ["-c", "import sys; sys.exit('no such port')"], {}, log=tmp_path / "log")
    with pytest.raises(ChildFailed, match="no such port"):
        await child.start()


async def test_silent_child_is_killed() -> None:
    child = Child("silent", ["-c", "import sys; sys.stdin.readline(); sys.stdin.read()"], {})
    with pytest.raises(ChildFailed, match="not ready"):
        await child.start(timeout_s=0.3)
    assert not child.alive


async def test_noise_is_not_taken_for_an_answer() -> None:
    child = Child("noisy", ["-c", "print('hello')"])
    with pytest.raises(ChildFailed, match="instead of JSON"):
        await child.start()
    await child.stop()
