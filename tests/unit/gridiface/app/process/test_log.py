"""Logging: JSON lines carry their extras, text lines show hostile input harmlessly."""

from __future__ import annotations

import json
import logging

import pytest

from gridiface.app.process import log
from gridiface.logfields import about


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("gridiface.x", logging.WARNING, "f", 1, message, (), None)
    made.__dict__.update(extra)
    return made


def test_json_line_has_time_level_and_extras() -> None:
    found = json.loads(log.JsonFormatter().format(record("refused", lfdi="3E4F")))
    assert (found["level"], found["logger"], found["message"], found["lfdi"]) == (
        "warning",
        "gridiface.x",
        "refused",
        "3E4F",
    )
    assert found["time"].endswith("Z")


def test_control_characters_cannot_forge_a_line() -> None:
    line = log.TextFormatter().format(record("a\n2026-01-01 INFO all is well\x1b[2J"))
    assert "\n" not in line
    assert "\x1b" not in line


def test_configure_replaces_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    monkeypatch.setattr(root, "level", root.level)
    log.configure("debug", "json")
    assert len(root.handlers) == 1
    assert isinstance(root.handlers[0].formatter, log.JsonFormatter)


def test_fields_of_what_is_done_are_keys_in_json_and_words_in_text() -> None:
    made = record("refused with 404", mRID="own")
    with about(LFDI="3E4F", mRID="of around"):
        assert log.Fields().filter(made)
    found = json.loads(log.JsonFormatter().format(made))
    assert (found["LFDI"], found["mRID"]) == ("3E4F", "own")
    assert log.TextFormatter().format(made).endswith("refused with 404 (LFDI=3E4F mRID=own)")
    told = record("LFDI 3E4F is refused", LFDI="3E4F")
    assert log.TextFormatter().format(told).endswith("LFDI 3E4F is refused")
