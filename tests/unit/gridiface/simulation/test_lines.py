"""Lines of a child: one answer for each, errors too; the queue ends with None."""

from __future__ import annotations

import io
import json
import sys

import pytest

from gridiface.errors import GridifaceError
from gridiface.simulation.lines import answer_jobs, input_lines, say


def test_each_job_gets_one_line_and_a_wrong_one_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"n": 1}\nnonsense\n{"n": 0}\n'))

    def run(job: object) -> dict[str, object]:
        assert isinstance(job, dict)
        if not job["n"]:
            raise GridifaceError("nothing to do")
        return job

    answer_jobs(run)
    ready, first, wrong, failed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (ready, first) == ({"ready": True}, {"n": 1})
    assert wrong["error"].startswith("JSONDecodeError")
    assert failed == {"error": "GridifaceError: nothing to do"}


async def test_lines_come_as_they_are_and_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("a\n\nb"))
    lines = input_lines()
    assert [await lines.get() for _ in range(4)] == ["a\n", "\n", "b", None]
    say({"x": 1})
    assert capsys.readouterr().out == '{"x": 1}\n'
