"""Definitions of devices and groups: what is refused, and with which words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gridiface.domain.definitions import ConstraintsEntry, DeviceEntry, GroupEntry, as_title, days_of, seconds_of
from gridiface.domain.local_time import EVERY_DAY


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"id": "a b", "driver": "x"}, "1 to 64 letters"),
        ({"id": "a", "driver": "x", "name": "a\x00"}, "is one line, without control characters"),
        ({"id": "a", "driver": "x", "name": "a\nb"}, "is one line"),
        ({"id": "a", "driver": "x", "name": "a\u202eb"}, "turn its direction round"),
        ({"id": "a", "driver": "x", "name": "\u200b "}, "something to be seen"),
        ({"id": "a", "driver": "x", "name": "a" * 257}, "at most 256"),
        ({"id": "a", "driver": "x", "tier": 10}, "less than or equal to 9"),
        ({"id": "a", "driver": "x", "rating": {"max_w": float("inf")}}, "finite"),
        ({"id": "a", "driver": "x", "shares": {"p": 0.7, "q": 0.7}}, "so is their sum"),
        ({"id": "a", "driver": "x", "strange": 1}, "not permitted"),
        ({"id": "a", "driver": "x", "constraints": {"charge_w_by_soc": [[0.5, 1], [0.2, 1]]}}, "must rise"),
        ({"id": "a", "driver": "x", "constraints": {"departure": {"at": "25:00", "soc": 1}}}, "HH:MM"),
    ],
)
def test_what_is_refused(body: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        DeviceEntry.model_validate(body)


def test_a_definition_comes_back_as_it_went() -> None:
    entry = DeviceEntry.model_validate({"id": "a", "driver": "x", "tier": 2, "constraints": {"modes_w": [0, 500]}})
    assert DeviceEntry.model_validate(entry.model_dump(mode="json")) == entry
    group = GroupEntry.model_validate({"id": "g", "members": ["a"], "max_export_w": 5})
    assert GroupEntry.model_validate(group.model_dump(mode="json")) == group


def test_names_in_any_script_are_taken() -> None:
    for name in ("شبكة الطاقة", "🔋⚡️ Speicher Nr. 7", "<b>=1+1", "W" * 256, ""):
        assert DeviceEntry.model_validate({"id": "a", "driver": "x", "name": name}).name == name
        assert as_title(name) == name


def test_times_and_days() -> None:
    assert seconds_of("24:00") == 86_400
    assert days_of(()) == EVERY_DAY
    assert days_of(("mon", "sun")) == frozenset({0, 6})
    rule = ConstraintsEntry.model_validate({"departure": {"at": "7:30", "soc": 0.8, "days": ["tue"]}}).rule()
    assert rule.departure is not None
    assert (rule.departure.time.at_s, rule.departure.time.days) == (27_000, frozenset({1}))
