"""Rows over real HTTP: by page and filter, and with all that concerns them; forms and translations by themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gridiface.domain.controls import ControlMode, ModeValue, Target, TargetKind
from gridiface.operator.problems import Refused
from gridiface.operator.rows.control_schema import NewControl
from gridiface.operator.rows.openadr_forms import unit_of, unit_text
from gridiface.operator.rows.present import iso, plain
from gridiface.operator.rows.translate import authority, control_id_of, control_of, fingerprint

BODY = {"target": {"kind": "group", "id": "fleet"}, "values": {"set_w": 1000.0}, "duration_s": 60}


async def test_device_detail_has_what_concerned_it(house: Any) -> None:
    a, b = [(await house.ask("GET", f"/api/v1/devices/{name}"))[1] for name in ("a", "b")]
    assert a["groups"] == ["fleet", "feeder"]
    assert [d["reason"] for d in a["decisions"]] == ["will run"]
    assert [d["reason"] for d in b["decisions"]] == ["will run", "only b"]
    assert a["readings"] == [{"quantity": "W", "phase": "ABC", "value": None, "at": 99.0, "quality": "good"}]
    assert a["deliveries"][0]["outcome"] == "acknowledged"
    assert a["snapshot"]["w"] == 2900.0
    assert b["snapshot"] is None
    assert (await house.ask("GET", "/api/v1/devices/a?readings_s=0"))[1]["readings"] == []


@pytest.mark.parametrize(
    ("query", "found", "following"),
    [
        ("", ["a", "b"], None),
        ("?limit=1", ["a"], "a"),
        ("?limit=1&after=a", ["b"], None),
        ("?group=feeder&driver=sunspec", ["a", "b"], None),
        ("?driver=sep2", [], None),
        ("?quality=good", ["a"], None),
        ("?quality=none", ["b"], None),
    ],
)
async def test_devices_by_page_and_filter(house: Any, query: str, found: list[str], following: str | None) -> None:
    body = (await house.ask("GET", f"/api/v1/devices{query}"))[1]
    assert ([row["id"] for row in body["devices"]], body["next"]) == (found, following)


async def test_controls_by_page_and_filter(house: Any) -> None:
    for priority in range(3):
        await house.ask("POST", "/api/v1/controls", scope="control", json=BODY | {"priority": priority})
    whole = (await house.ask("GET", "/api/v1/controls"))[1]
    names = [row["id"] for row in whole["controls"]]
    assert (whole["total"], names[-1]) == (4, "c1")
    pages, after = [], ""
    while after is not None:
        page = (await house.ask("GET", f"/api/v1/controls?limit=3&after={after}"))[1]
        pages += [row["id"] for row in page["controls"]]
        after = page["next"]
    assert pages == names
    assert (await house.ask("GET", "/api/v1/controls?target=feeder"))[1]["total"] == 0
    assert (await house.ask("GET", "/api/v1/controls?state=active&target=fleet"))[1]["total"] == 4


async def test_control_detail_has_each_devices_part(house: Any) -> None:
    body = (await house.ask("GET", "/api/v1/controls/c1"))[1]
    assert body["devices"] == [{"device": "a", "steps": {"received": 91.0, "started": 91.0}, "reason": "because"}]
    assert body["steps"] == {"started": 91.0}
    assert body["responses"]["started"] == 1
    assert body["report"]["targets"][0]["mean"]["delivered_w"] == 2900.0


# --- what is asked, as a domain control -------------------------------------------------------------------------------


def asked(**more: Any) -> NewControl:
    return NewControl.model_validate(BODY | more)


def test_a_priority_lies_in_the_operators_own_range_of_authority() -> None:
    assert [authority(priority, 20.0, 60.0) for priority in (0, 50, 100)] == [20.0, 40.0, 60.0]


def test_a_control_without_a_start_begins_when_it_came() -> None:
    made = control_of(asked(), "op-1", 1_000.0, by="reader", authority=40.0, extra={"note": "x"})
    assert (made.interval.start, made.interval.duration, made.created) == (1_000.0, 60.0, 1_000.0)
    assert (made.target, made.source.identity) == (Target(TargetKind.GROUP, "fleet"), "reader")
    assert made.values == {ControlMode.SET_W: ModeValue(1_000.0)}
    assert made.extra == {"note": "x"}
    late = control_of(asked(start=1_500), "op-1", 1_000.0, by="reader", authority=40.0, extra={})
    assert (late.interval.start, late.created) == (1_500.0, 1_000.0)


def test_a_base_belongs_to_percentages_alone() -> None:
    both = asked(values={"set_w_percent": 50.0, "export_limit": 900.0}, percent_base="setMaxW")
    made = control_of(both, "op-1", 0.0, by="reader", authority=1.0, extra={})
    assert made.values[ControlMode.SET_W_PERCENT].base == "setMaxW"
    assert made.values[ControlMode.EXPORT_LIMIT].base == ""


def test_the_same_request_has_the_same_print_whether_it_is_a_preview_or_not() -> None:
    assert fingerprint(asked()) == fingerprint(asked(preview=True))
    assert fingerprint(asked()) != fingerprint(asked(duration_s=61))
    assert control_id_of("t1", "k") == control_id_of("t1", "k") != control_id_of("t", "1k")


# --- OpenADR ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["W", "kW", "MW", "var", "kvar", "VA", "Wh", "kWh", "VAh", "kvarh", "EUR", "EUR/kWh", "USD/kW"]
)
def test_a_unit_in_short_is_the_profiles_unit_and_back(text: str) -> None:
    assert unit_text(unit_of(text)) == text


@pytest.mark.parametrize("text", ["kWs", "Euro", "kW/h", "xW", "eur/kWh", "kW\n"])
def test_a_unit_that_the_profile_has_not_is_refused_with_examples(text: str) -> None:
    with pytest.raises(Refused, match="not known") as caught:
        unit_of(text)
    assert caught.value.status == 422


def test_no_unit_is_none_both_ways() -> None:
    assert unit_of("") is None
    assert unit_text(None) == ""


# --- what people read -------------------------------------------------------------------------------------------------


def test_what_json_has_no_form_for_becomes_what_it_has() -> None:
    found = plain({"mode": ControlMode.SET_W, "at": frozenset({"b", "a"}), "value": float("nan"), 3: (1, None)})
    assert json.loads(json.dumps(found, allow_nan=False)) == {
        "mode": "set_w",
        "at": ["a", "b"],
        "value": None,
        "3": [1, None],
    }


def test_an_instant_is_utc() -> None:
    assert iso(0.0).startswith("1970-01-01T00:00:00")
