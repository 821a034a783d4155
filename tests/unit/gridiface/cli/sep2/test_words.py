"""What people write for `gridiface sep2`."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from gridiface.cli.sep2.words import elements_of, points_of, resource_of, show_resource, show_rows, start_of
from gridiface.errors import ConfigError


def test_moments() -> None:
    assert start_of("") is None
    assert start_of("1800000000") == 1_800_000_000.0
    assert start_of("2027-01-15T08:00:00Z") == 1_800_000_000.0
    assert start_of("2027-01-15T09:00:00+01:00") == 1_800_000_000.0
    assert start_of("2027-01-15T08:00:00") == 1_800_000_000.0
    soon = start_of("+60")
    assert soon is not None
    assert 0 < soon - time.time() <= 60
    for wrong in ("soon", "+x", "2027-13-01"):
        with pytest.raises(ConfigError, match="SECONDS"):
            start_of(wrong)


def test_elements() -> None:
    assert elements_of(["a=1", "b=true", "c=x y", "d.e=-2", "d.f.g=00", "h=1.5"]) == {
        "a": 1, "b": True, "c": "x y", "d": {"e": -2, "f": {"g": "00"}}, "h": "1.5",
    }  # fmt: skip
    assert elements_of(None) == {}
    for wrong in ("a", "=1"):
        with pytest.raises(ConfigError, match="NAME=VALUE"):
            elements_of([wrong])


def test_points() -> None:
    assert points_of("92:44,108:-44") == [{"xvalue": 92, "yvalue": 44}, {"xvalue": 108, "yvalue": -44}]
    for wrong in ("", "1", "1:2:3", "a:b"):
        with pytest.raises(ConfigError, match="X:Y"):
            points_of(wrong)


def test_a_file_and_elements_make_one_resource(tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    file.write_text(json.dumps({"a": 1, "b": 2}))
    assert resource_of(file, ["b=3"]) == {"a": 1, "b": 3}
    file.write_text("[]")
    with pytest.raises(ConfigError, match="object"):
        resource_of(file, None)
    with pytest.raises(ConfigError, match="JSON"):
        resource_of(tmp_path / "none", None)


def test_answers_are_shown_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    show_resource(
        {"granted": True, "device": None, "managed_by": [], "at": ["a", "b"], "interval": {"start": 1}}, False
    )
    assert capsys.readouterr().out.splitlines() == [
        "granted: yes", "device: -", "managed_by: -", "at: a, b", 'interval: {"start": 1}',
    ]  # fmt: skip
    show_rows("", ("in_band",), [{"in_band": False}])
    assert "no" in capsys.readouterr().out
