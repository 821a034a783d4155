"""Numbers, times and states as people read them."""

from __future__ import annotations

import pytest

from gridiface.operator.screens import words


@pytest.mark.parametrize(
    ("watts", "said"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (0.0, "0 W"),
        (-0.2, "0 W"),
        (950.4, "950 W"),
        (79_840.0, "79.8 kW"),
        (-1_250_000.0, "−1.25 MW"),
        (999_960.0, "1.00 MW"),
        (12.3e9, "12.3 GW"),
    ],
)
def test_power(watts: float | None, said: str) -> None:
    assert words.power(watts).replace("\u202f", " ") == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "no end"),
        (float("inf"), "no end"),
        (0, "0 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (90_061, "1 d 1 h"),
    ],
)
def test_duration(seconds: float | None, said: str) -> None:
    assert words.duration(seconds).replace("\u202f", " ") == said


def test_times_are_utc_and_marked_for_the_reader() -> None:
    assert words.when(0.0) == '<time datetime="1970-01-01T00:00:00.000Z" data-style="time">00:00:00Z</time>'
    assert "1970-01-01 00:00:00Z" in words.when(0.0, "full")
    assert words.when(None) == words.when(float("inf")) == words.when(1e18) == "–"


def test_what_a_control_asks_for() -> None:
    said = words.asked({"set_w": 80_000.0, "export_limit": 5_000.0, "connect": 0.0, "max_w_percent": 50.0})
    assert (
        said.replace("\u202f", " ")
        == "active power 80.0 kW, export at most 5.00 kW, not connected, generation ceiling 50.0 %"
    )
    assert words.asked({}) == "nothing"
    assert words.mode_value("curve", 0.0) == "curve"


def test_labels_are_escaped_and_toned() -> None:
    assert words.badge("breaker_open") == '<span class="badge bad">breaker open</span>'
    assert words.badge("<b>") == '<span class="badge plain">&lt;b&gt;</span>'
    assert words.tone(None) == "plain"
    assert words.short("A" * 40) == "AAAAAAAA…AAAA"
    assert words.protocol("sep2") == "IEEE 2030.5"


def test_figures_of_any_size_and_what_a_device_is_called() -> None:
    assert [words.figure(value) for value in (0.00958, 0.0, -41.25, 12_500.0, 59.98, None)] == [
        *("0.00958", "0", "\u221241.25", "12\u202f500", "59.98", "–")
    ]
    assert [words.health(quality) for quality in (None, "good", "bad", "odd")] == [
        *("no data yet", "answers", "no answer", "odd")
    ]


def test_what_is_known_for_a_part_of_the_time_says_so() -> None:
    assert [words.known_for(part) for part in (None, 0.0, 1.0)] == ["", "", ""]
    said = [words.known_for(part).replace("\u202f", " ") for part in (0.6, 0.9999, 0.0001)]
    assert said == [f"known for {n} % of the time" for n in (60, 99, 1)]


def test_advice_is_a_sentence_with_its_commands_as_code_and_nothing_of_it_is_markup() -> None:
    assert words.advice("`gridiface doctor` looks at <disk>") == (
        "<code>gridiface doctor</code> looks at &lt;disk&gt;."
    )
    assert words.advice("look at `a&b`, then `c`") == "Look at <code>a&amp;b</code>, then <code>c</code>."
