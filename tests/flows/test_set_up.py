"""`make demo` from a clone: its set-up and its end at Ctrl-C, at each moment; nothing is fetched here."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.processes, pytest.mark.timeout(120)]

#: Stands where pip stands: tells what it is asked for, and takes long for a lock.
PIP = """\
import pathlib, sys, time
if "--version" in sys.argv:
    sys.exit(0)
told = pathlib.Path({told!r})
told.write_text(told.read_text() + " ".join(sys.argv[1:]) + "\\n" if told.exists() else " ".join(sys.argv[1:]) + "\\n")
slow = pathlib.Path({slow!r})
while "-r" in sys.argv and slow.exists():
    time.sleep(0.05)
"""

#: Stands where `gridiface demo` stands.
PROGRAM = """\
#!{python}
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(4))
try:
    print("going on", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


@pytest.fixture
def set_up(clone: Path) -> ModuleType:
    """The script, for the clone."""
    spec = importlib.util.spec_from_file_location("set_up", clone / "requirements" / "set_up.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _as_one_types_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A make that was begun by another one, as `make test`, says so, and takes its flags."""
    for name in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What of a clone the set-up needs, below a folder with blanks and letters of other languages."""
    folder = tmp_path / "a clone, größer"
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    for name in ("Makefile", "pyproject.toml", "package-lock.json"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("src", "southbound", "bin"):
        (folder / name).mkdir()
    (folder / "slow").touch()
    # A Python that makes environments with a pip of its own, and else is the one that runs the test.
    pip = PIP.format(told=str(folder / "told"), slow=str(folder / "slow"))
    made = f"""\
#!{sys.executable}
import os, pathlib, subprocess, sys
words = sys.argv[1:]
if words[:2] == ["-m", "venv"]:
    code = subprocess.call([{sys.executable!r}, "-m", "venv", "--without-pip", words[2]])
    packages = next(pathlib.Path(words[2]).glob("lib/python*/site-packages"))
    (packages / "pip").mkdir()
    (packages / "pip" / "__init__.py").touch()
    (packages / "pip" / "__main__.py").write_text({pip!r})
    sys.exit(code)
if words[0].endswith("set_up.py"):
    text = "import runpy, sys; sys.argv = sys.argv[1:]; sys.executable = {str(folder / "bin" / "python")!r}; "
    words = ["-c", text + "runpy.run_path(sys.argv[0], run_name='__main__')", *words]
os.execv({sys.executable!r}, [{sys.executable!r}, *words])
"""
    (folder / "bin" / "python").write_text(made)
    (folder / "bin" / "python").chmod(0o755)
    return folder


class Terminal:
    """A program that has a terminal of its own, as one who types has it."""

    def __init__(self, clone: Path, *words: str) -> None:
        pty = pytest.importorskip("pty", reason="no pseudo-terminals here")
        self.pid, self._leader = pty.fork()
        if self.pid == 0:
            os.chdir(clone)
            os.execvp(words[0], words)
        os.set_blocking(self._leader, False)
        self.said = ""

    def press_ctrl_c(self) -> None:
        os.write(self._leader, b"\x03")

    def read(self) -> str:
        try:
            while raw := os.read(self._leader, 1 << 16):
                self.said += raw.decode(errors="replace")
        except OSError:
            pass
        return self.said

    async def ended(self) -> int:
        """Its exit code, - for a signal."""
        async with asyncio.timeout(30):
            while True:
                self.read()
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.read()
                    os.close(self._leader)
                    return os.waitstatus_to_exitcode(status)
                await asyncio.sleep(0.05)


def make(clone: Path) -> tuple[str, ...]:
    return ("make", f"PYTHON='{clone / 'bin' / 'python'}'", "demo")


async def test_ctrl_c_during_the_set_up_says_what_is_left_and_the_next_make_begins_anew(
    clone: Path, eventually: Callable[..., Awaitable[float]], processes_below: Callable[[Path], list[int]]
) -> None:
    terminal = Terminal(clone, *make(clone))

    async def installing() -> bool:
        terminal.read()
        return (clone / "told").exists()

    await eventually(installing, 60.0, "pip is at work")
    terminal.press_ctrl_c()
    assert await terminal.ended() == -signal.SIGINT  # make's own end; the shell shows 130
    assert "stopped; .venv is not finished, the next `make` begins it anew" in terminal.said
    assert "Error" not in terminal.said
    assert "Traceback" not in terminal.said
    assert not processes_below(clone)
    assert not (clone / ".venv" / ".run").exists()

    (clone / "slow").unlink()
    half = clone / ".venv" / "half.made"
    half.touch()
    second = Terminal(clone, *make(clone))
    await second.ended()
    assert not half.exists(), second.said
    assert (clone / ".venv" / ".run").exists(), second.said
    assert f"-e {clone}" in (clone / "told").read_text()


async def test_ctrl_c_ends_a_running_demo_without_a_word_of_make(
    clone: Path, eventually: Callable[..., Awaitable[float]]
) -> None:
    program = clone / ".venv" / "bin" / "gridiface"
    program.parent.mkdir(parents=True)
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    (clone / ".venv" / ".run").touch()
    terminal = Terminal(clone, *make(clone))

    async def goes_on() -> bool:
        return "going on" in terminal.read()

    await eventually(goes_on, 30.0, "the demo goes on")
    terminal.press_ctrl_c()
    assert await terminal.ended() == -signal.SIGINT
    assert terminal.said.replace("^C", "").split("\r\n") == ["going on", "stopped", ""]


async def test_who_ends_make_ends_the_demo(clone: Path) -> None:
    program = clone / ".venv" / "bin" / "gridiface"
    program.parent.mkdir(parents=True)
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    (clone / ".venv" / ".run").touch()
    process = await asyncio.create_subprocess_exec(*make(clone), cwd=clone, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(30):
        assert await process.stdout.readline() == b"going on\n"
        process.terminate()
        await process.wait()
        assert await process.stdout.read() == b""  # whoever held its other end is gone


def test_a_demo_that_fails_fails_make(clone: Path) -> None:
    program = clone / ".venv" / "bin" / "gridiface"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    (clone / ".venv" / ".run").touch()
    done = subprocess.run(make(clone), cwd=clone, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr


async def test_two_at_once_make_one_environment(clone: Path, eventually: Callable[..., Awaitable[float]]) -> None:
    words = (str(clone / "bin" / "python"), "requirements/set_up.py", ".venv", "run.lock")
    first = subprocess.Popen(words, cwd=clone, stdout=subprocess.PIPE, text=True)

    async def installing() -> bool:
        return (clone / "told").exists()

    await eventually(installing, 60.0, "pip is at work")
    second = subprocess.Popen(words, cwd=clone, stdout=subprocess.PIPE, text=True)
    assert second.stdout is not None
    assert "already; waiting" in await asyncio.to_thread(second.stdout.readline)
    asked = (clone / "told").read_text()
    (clone / "slow").unlink()
    async with asyncio.timeout(60):
        assert await asyncio.to_thread(first.wait) == 0
        assert await asyncio.to_thread(second.wait) == 0
    for process in (first, second):
        assert process.stdout is not None
        process.stdout.close()
    assert (clone / "told").read_text().count(asked) == 1, "it was installed twice"


def test_a_clone_that_was_moved_makes_its_environment_anew(clone: Path, tmp_path: Path) -> None:
    (clone / "slow").unlink()
    assert (
        subprocess.call([str(clone / "bin" / "python"), "requirements/set_up.py", ".venv", "run.lock"], cwd=clone) == 0
    )
    moved = tmp_path / "moved"
    clone.rename(moved)
    python = moved / "bin" / "python"
    python.write_text(python.read_text().replace(str(clone), str(moved)))
    (moved / ".venv" / "of.the.old.place").touch()
    program = moved / ".venv" / "bin" / "gridiface"
    assert not program.exists()
    subprocess.run(make(moved), cwd=moved, capture_output=True, text=True, check=False)
    assert not (moved / ".venv" / "of.the.old.place").exists()
    assert (moved / ".venv" / ".place").read_text() == str(moved)


def test_an_environment_whose_python_is_gone_is_made_anew(clone: Path, set_up: ModuleType) -> None:
    (clone / ".venv" / "bin").mkdir(parents=True)
    python = clone / ".venv" / "bin" / "python"
    python.symlink_to("/nowhere/python3.11")
    assert set_up.is_whole(str(clone / ".venv"), str(python)) is False
    python.unlink()
    python.symlink_to("/bin/false")
    assert set_up.is_whole(str(clone / ".venv"), str(python)) is False


def test_an_older_python_is_told_what_it_should_be(
    set_up: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(set_up.sys, "version_info", (3, 10, 13))
    assert set_up.main(".venv", "run.lock") == 2
    assert "Python 3.11 or newer; set PYTHON=" in capsys.readouterr().err


def test_an_older_one_can_read_so_far() -> None:
    ast.parse((ROOT / "requirements" / "set_up.py").read_text(), feature_version=(3, 6))
