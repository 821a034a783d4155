"""Progress of long work, and completion in the shell: words from the table of verbs and from loaded verbs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gridiface.cli.terminal.progress import working


def test_nothing_is_shown_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with working("saving the database"):
        print("done")
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("done\n", "")


def test_a_terminal_is_told_on_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with working("saving the database"):
        pass
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "saving the database" in shown.err


def test_a_terminal_is_told_how_far_it_is_and_other_lines_stay_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with working("running") as work:
        done = []
        for thing in work.each("ab", 2, "procedure"):
            with work.aside():
                print(f"{thing} passed")
            done.append(thing)
    shown = capsys.readouterr()
    assert (done, shown.out) == (["a", "b"], "a passed\nb passed\n")
    assert "running: procedure 2 of 2" in shown.err


def test_who_asks_for_json_is_told_nothing_else(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with working("saving the database", quiet=True) as work, work.aside():
        work.say("half of it")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "offered", "not_offered"),
    [
        ("gridiface dev", {"device"}, {"db"}),
        ("gridiface device m", {"move"}, {"remove"}),
        ("gridiface openadr vtn ", {"create", "vens"}, set()),
        ("gridiface control send --pri", {"--priority"}, {"--preview"}),
    ],
)
def test_the_shell_completes_verbs_and_options(words: str, offered: set[str], not_offered: set[str]) -> None:
    environment = {
        **os.environ,
        "_GRIDIFACE_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    code = "import sys; sys.argv = ['gridiface']; from gridiface.cli.main import app; app(prog_name='gridiface')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    found = set(done.stdout.split())
    assert offered <= found, done.stderr
    assert not found & not_offered
