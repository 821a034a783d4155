"""Days and times on the command line."""

from __future__ import annotations

from datetime import UTC, date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gridiface.cli.terminal.days import days_in, instant
from gridiface.errors import ConfigError


def test_a_time_without_offset_is_that_of_the_place() -> None:
    assert instant("2026-07-22T16:00", UTC) == 1_784_736_000.0
    assert instant("2026-07-22T09:00", ZoneInfo("America/Los_Angeles")) == 1_784_736_000.0
    assert instant("2026-07-22T16:00Z", ZoneInfo("America/Los_Angeles")) == 1_784_736_000.0
    assert instant("2026-07-22", UTC) == 1_784_678_400.0


@pytest.mark.parametrize("text", ["", "yesterday", "22.07.2026", "2026-13-01"])
def test_what_is_no_time_is_told_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match="write ISO 8601"):
        instant(text, UTC)


def test_days_are_those_in_the_file(tmp_path: Path) -> None:
    assert days_in(None) == frozenset()
    (tmp_path / "days").write_text("2026-07-04\n")
    assert days_in(str(tmp_path / "days")) == {date(2026, 7, 4)}


def test_days_can_be_named_instead_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert days_in("2026-02-16") == {date(2026, 2, 16)}
    assert days_in("2026-07-04, 2026-09-07") == {date(2026, 7, 4), date(2026, 9, 7)}
    for text in ("2026-02-30", "2026-07-04,", "holidays.txt", ""):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ConfigError, match=r"names no days and no file|cannot be read"):
            days_in(text)
