"""What the command line says where it cannot do what was asked: one line, or one JSON object, and the exit code."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from gridiface.cli import main
from gridiface.cli.places.remote import _refused
from gridiface.cli.terminal import failing
from gridiface.errors import ConfigError, GridifaceError, StoreUnavailable

Told = tuple[int, str]


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """Runs an app with words: the exit code, and what standard error had."""

    def run(app: Callable[..., Any], *words: str) -> Told:
        monkeypatch.setattr("sys.argv", ["gridiface", *words])
        with pytest.raises(SystemExit) as caught:
            failing.run(app)
        return int(caught.value.code or 0), capsys.readouterr().err

    return run


def raising(error: BaseException) -> Callable[..., Any]:
    def app(**_: Any) -> Any:
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "code"),
    [(ConfigError("no; mend it"), 2), (StoreUnavailable("no; mend it"), 3), (GridifaceError("no; mend it"), 1)],
)
def test_what_is_expected_ends_in_one_line_or_one_object(ended: Any, error: Exception, code: int) -> None:
    assert ended(raising(error), "verb") == (code, "gridiface: no; mend it\n")
    found, text = ended(raising(error), "verb", "--json")
    said = json.loads(text)
    assert (found, said["exit_code"], said["detail"], said["type"]) == (code, code, "no; mend it", "about:blank")
    assert said["title"] == failing.TITLES[code]


def test_a_configuration_s_mistakes_are_told_by_their_parts(ended: Any, tmp_path: Path) -> None:
    config = tmp_path / "g.yaml"
    config.write_text("site: a\nsitte: b\n")
    code, text = ended(main.app, "status", "--config", str(config), "--json")
    assert code == 2
    (mistake,) = json.loads(text)["errors"]
    assert (mistake["file"], mistake["line"], mistake["at"]) == (str(config), 2, "sitte")
    assert "did you mean 'site'?" in mistake["detail"]


@pytest.mark.parametrize(("status", "code"), [(409, 1), (422, 1), (404, 1), (401, 2), (403, 2), (429, 2), (503, 3)])
def test_what_a_server_refuses_is_told_as_it_said_it(ended: Any, status: int, code: int) -> None:
    problem = {"detail": "it is so", "fix": "do this", "verdict": "refused", "errors": [{"at": "/a", "detail": "b"}]}
    error = _refused(status, json.dumps(problem).encode())
    found, text = ended(raising(error), "verb", "--json")
    said = json.loads(text)
    assert found == code
    assert (said["status"], said["detail"], said["verdict"], said["errors"]) == (
        *(status, "it is so", "refused", [{"at": "/a", "detail": "b"}]),
    )
    assert said["fix"] == ("do this" if status != 401 else said["fix"])
    assert "it is so; " in ended(raising(error), "verb")[1]


def test_wrong_words_are_told_as_json_too(ended: Any) -> None:
    code, text = ended(main.app, "nonesuch", "--json")
    assert (code, json.loads(text)["detail"]) == (2, "No such command 'nonesuch'.")
    code, text = ended(main.app, "check", "--json")
    assert (code, json.loads(text)["exit_code"]) == (2, 2)
    assert "Missing argument" in json.loads(text)["detail"]


@pytest.mark.parametrize("problem", [errno.EACCES, errno.ENOSPC, errno.EROFS, errno.EISDIR])
def test_a_file_that_cannot_be_used_is_named_without_a_traceback(ended: Any, problem: int) -> None:
    code, text = ended(raising(OSError(problem, os.strerror(problem), "/var/x.csv")), "verb")
    assert (code, text.count("\n")) == (2, 1)
    assert text.startswith(f"gridiface: /var/x.csv: {os.strerror(problem)}; ")


def test_what_is_done_ends_with_0_and_a_look_that_failed_with_its_code(ended: Any, tmp_path: Path) -> None:
    assert ended(main.app, "version", "--json") == (0, "")
    assert ended(main.app, "version") == (0, "")
    config = tmp_path / "g.yaml"
    config.write_text("sitte: b\n")
    assert ended(main.app, "check", str(config), "--json") == (2, "")


def test_what_nobody_expected_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["gridiface", "verb", "--json"])
    with pytest.raises(ZeroDivisionError):
        failing.run(raising(ZeroDivisionError()))


def command(*words: str, stdout: int | IO[str]) -> subprocess.Popen[str]:
    given = [sys.executable, "-m", "gridiface.cli", *words]
    return subprocess.Popen(given, stdout=stdout, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("words", [["--help"], ["version"], ["version", "--json"]], ids=" ".join)
def test_who_has_read_enough_ends_it_well(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with command(*words, stdout=writing) as process:
        os.close(writing)
        assert process.stderr is not None
        assert (process.stderr.read(), process.wait()) == ("", 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("more", [[], ["--json"]], ids=["words", "json"])
def test_a_full_disk_is_told_in_a_line(more: list[str]) -> None:
    with Path("/dev/full").open("w") as full, command("version", *more, stdout=full) as process:
        assert process.stderr is not None
        (line,) = process.stderr.read().splitlines()
        assert process.wait() == 1
    assert "what was asked for cannot be written: No space left on device; make room" in line
    assert not more or json.loads(line)["exit_code"] == 1
