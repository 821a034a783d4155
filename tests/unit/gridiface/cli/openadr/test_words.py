"""What people write for `gridiface openadr`, and what is asked with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gridiface.cli.openadr.words import moment, named, signal_of, signals_text, span_of, when
from gridiface.errors import ConfigError


def test_a_signal_is_written_in_one_word() -> None:
    assert signal_of("LOAD_DISPATCH/setpoint/kW=900:-6, 900:-3.5") == {
        "name": "LOAD_DISPATCH",
        "type": "setpoint",
        "unit": "kW",
        "intervals": [{"duration_s": 900, "value": -6.0}, {"duration_s": 900, "value": -3.5}],
    }
    assert signal_of("ELECTRICITY_PRICE/price/EUR/kWh=60:0.3")["unit"] == "EUR/kWh"
    assert signal_of("SIMPLE=0:2")["type"] == "level"


@pytest.mark.parametrize("text", ["SIMPLE", "SIMPLE=2", "SIMPLE=60:x", "=60:1", ""])
def test_what_is_no_signal_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ConfigError, match="SECONDS:VALUE"):
        signal_of(text)


def test_spans_and_moments() -> None:
    assert span_of("2026-07-01T10:00:00Z/60") == {"start": "2026-07-01T10:00:00Z", "duration_s": 60}
    assert span_of("2026-07-01T10:00:00+02:00")["duration_s"] == 0
    for text in ("2026-07-01T10:00:00", "tomorrow", "2026-07-01T10:00:00Z/an hour"):
        with pytest.raises(ConfigError):
            span_of(text)
    assert moment("2026-07-01T10:00:00Z")
    before = datetime.now(UTC).replace(microsecond=0)
    later = datetime.fromisoformat(moment("+3600")) - timedelta(hours=1)
    assert before <= later <= datetime.now(UTC)
    for text in ("+", "+soon", "+-5", "+99999999999999"):
        with pytest.raises(ConfigError, match=r"\+SECONDS"):
            moment(text)
    assert (when(0.0), when(None)) == ("1970-01-01 00:00:00Z", None)
    assert when(4e11) == "400000000000 s"  # a utility's event behind the year 9999 stops no list


def test_only_what_was_given_is_asked() -> None:
    assert named(a=0, b="", c=None, d=[], e={}, f="x") == {"a": 0, "f": "x"}


def test_signals_in_one_line() -> None:
    signal = {"name": "SIMPLE", "type": "level", "unit": "", "intervals": [{"value": 1.0}, {"value": 2.0}]}
    assert signals_text([signal]) == "SIMPLE/level 1, 2"
