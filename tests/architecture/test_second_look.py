"""Who gets a second look: few, of processes only, after a run that came to its end."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("second_look", ROOT / "tests" / "second_look.py")
assert spec is not None
assert spec.loader is not None
second_look = importlib.util.module_from_spec(spec)
spec.loader.exec_module(second_look)

FLOW, SOCKET, PAGE = "tests/flows/a.py::x", "tests/loopback/b.py::y[1]", "tests/browser/c.py::z"


@pytest.mark.parametrize(
    ("status", "failed", "why_not"),
    [
        (1, [FLOW], ""),
        (1, [FLOW, SOCKET, PAGE], ""),
        (1, [FLOW, SOCKET, PAGE, "tests/flows/d.py::x"], "4 failed"),
        (1, [FLOW, "tests/unit/e.py::x"], "not a test of processes: tests/unit/e.py::x"),
        (1, ["tests/flows/f.py"], "not a test of processes: tests/flows/f.py"),
        (1, [], "the run did not come to its end"),
        (2, [FLOW], "the run did not come to its end"),
        (3, [FLOW], "the run did not come to its end"),
    ],
)
def test_who_gets_a_second_look(status: int, failed: list[str], why_not: str) -> None:
    assert second_look.worth_it(status, failed) == why_not


@pytest.mark.parametrize("status", [0, 1])
def test_what_fails_alone_is_red(
    status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[list[str]] = []

    def run(arguments: list[str]) -> int:
        ran.append(arguments)
        return status

    monkeypatch.chdir(tmp_path)
    second_look.FAILED.parent.mkdir(parents=True)
    second_look.FAILED.write_text(f'{{"{FLOW}": true}}')
    monkeypatch.setattr(second_look.pytest, "main", run)
    assert second_look.main(1, []) == status
    assert ran == [[*second_look.ALONE, FLOW]]
    assert ("PASSED ALONE ONLY" in capsys.readouterr().out) is (status == 0)


def test_the_suite_is_one_that_can_be_looked_at_alone() -> None:
    """Whatever the configuration, tests/conftest.py and the marks of a test of processes ask of pytest is there."""
    one = str(ROOT / "tests" / "flows" / "test_restart.py")
    command = [sys.executable, "-m", "pytest", *second_look.ALONE, "-p", "no:cacheprovider", "--collect-only", one]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
