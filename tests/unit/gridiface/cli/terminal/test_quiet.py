"""--quiet: notes and progress are left out, what was asked for stays."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from gridiface.cli.main import app
from gridiface.cli.terminal.progress import working
from gridiface.cli.terminal.quiet import be_quiet, note


@pytest.fixture(autouse=True)
def loud_again() -> Iterator[None]:
    yield
    be_quiet(quiet=False)


def test_notes_and_progress_are_left_out(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    be_quiet(quiet=True)
    note("good to know")
    with working("saving the database"):
        print("done")
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("done\n", "")
    be_quiet(quiet=False)
    note("good to know")
    assert capsys.readouterr().err == "good to know\n"


@pytest.mark.parametrize("word", ["--quiet", "-q"])
def test_what_was_asked_for_and_errors_are_told(word: str, tmp_path: object) -> None:
    run = CliRunner().invoke
    assert "gridiface" in run(app, [word, "version"]).stdout
    loud, quiet = (run(app, [*way, "init", f"{tmp_path}/{name}"]) for way, name in (([], "a"), ([word], "b")))
    assert "LFDI" in loud.stderr
    assert quiet.stderr == ""
    assert quiet.exit_code == 0
    assert str(run(app, [word, "check", f"{tmp_path}/none.yaml"]).exception).endswith("`gridiface init` writes one")
