"""What verbs show: values and times in one line, nothing that a terminal would act on."""

from __future__ import annotations

import pytest

from gridiface.cli.terminal.showing import asks, kw, many, percent, printable, show_table, utc


def test_values_in_one_line() -> None:
    assert asks({"set_w": 20000.0, "ramp": 0.5}) == "set_w=20000, ramp=0.5"
    assert (kw(1234.5), kw(None), percent(0.5), percent(None)) == ("1.23", "-", "50.0", "-")


@pytest.mark.parametrize(("at", "text"), [(0.0, "1970-01-01 00:00:00"), (1e300, f"{1e300:.0f} s")])
def test_instants_are_utc_or_seconds_beyond_the_calendar(at: float, text: str) -> None:
    assert utc(at) == text


def test_what_a_terminal_would_act_on_is_not_shown() -> None:
    assert printable("a\x1b[2Jb\n") == "a?[2Jb?"
    assert printable(None) == "-"


def test_numbers_of_things() -> None:
    assert [many(n, "device") for n in (0, 1, 2)] == ["0 devices", "1 device", "2 devices"]
    assert (many(1, "entry", "entries"), many(3, "entry", "entries")) == ("1 entry", "3 entries")


def test_a_table_without_names_of_columns_has_no_head(capsys: pytest.CaptureFixture[str]) -> None:
    show_table("", ("", ""), [("device", "a")])
    assert len(capsys.readouterr().out.splitlines()) == 3
