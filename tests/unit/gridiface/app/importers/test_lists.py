"""Days and commitments as small text files."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from gridiface.app.importers.lists import read_commitments, read_days
from gridiface.errors import ConfigError


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "f.txt"
    path.write_text(text)
    return path


def test_days(tmp_path: Path) -> None:
    found = read_days(file(tmp_path, "# holidays\n2026-07-04  # Saturday\n\n2026-12-25\n"))
    assert found == {date(2026, 7, 4), date(2026, 12, 25)}
    with pytest.raises(ConfigError, match=r"f\.txt:1: '4 July' is no date"):
        read_days(file(tmp_path, "4 July"))


def test_commitments(tmp_path: Path) -> None:
    found = read_commitments(file(tmp_path, "committed_kw,resource\n2.5,a\n\n-1,b\n"))
    assert found == {"a": 2500.0, "b": -1000.0}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("resource,kw\na,1", ":1: not a list of commitments"),
        ("resource,committed_kw\na,1\na,2", ":3: the resource is missing or stands twice"),
        ("resource,committed_kw\na", ":2: committed_kw is no number"),
        ("resource,committed_kw\na,nan", ":2: committed_kw is no number"),
        ('resource,committed_kw\n"a', "not valid CSV"),
    ],
)
def test_wrong_commitments(tmp_path: Path, text: str, wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        read_commitments(file(tmp_path, text))
