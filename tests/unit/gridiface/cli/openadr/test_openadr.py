"""`gridiface openadr`: which request each verb makes of the server, with its body word for word."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from gridiface.cli.openadr.app import app

OWN = "/openadr/vens/utility"
VENS = "/openadr/vtn/vens"
VEN = f"{VENS}/VEN-A"
WHY = {"reason": "why"}
REASON = ["--reason", "why"]
OURS = [
    (["list"], ("GET", "/openadr/vens", {})),
    (["events", "utility"], ("GET", f"{OWN}/events", {})),
    (
        ["opt", "utility", "E/1", "out", "--resource", "r1", *REASON],
        ("POST", f"{OWN}/events/E%2F1/opt", {"opt": "optOut", "resources": ["r1"], **WHY}),
    ),
    (["schedules", "utility"], ("GET", f"{OWN}/schedules", {})),
    (["unschedule", "utility", "31d0"], ("DELETE", f"{OWN}/schedules/31d0", {})),
    (["reports", "utility"], ("GET", f"{OWN}/reports", {})),
    *(
        ([verb, "utility", *REASON], ("POST", f"{OWN}/{verb}", WHY))
        for verb in ("register", "deregister", "refresh", "query", "offer", "metadata")
    ),
    (["answers", "utility", "out", *REASON], ("PUT", f"{OWN}/answers", {"answers": "optOut", **WHY})),
    (["answers", "utility", "engine"], ("PUT", f"{OWN}/answers", {"answers": "engine", "reason": ""})),
]
THEIRS = [
    (["ven", "VEN-A"], ("GET", VEN, {})),
    (
        ["add", "VEN-A", "--fingerprint", "2b:7d", "--profile", "2.0a", "--high-security", "--group", "north"],
        ("POST", VENS, {"id": "VEN-A", "fingerprint": "2B:7D", "profile": "2.0a", "high_security": True,
                        "groups": ["north"]}),
    ),
    (["add", "VEN-A"], ("POST", VENS, {"id": "VEN-A"})),
    (["change", "VEN-A", "--standard-security"], ("PATCH", VEN, {"high_security": False})),
    (["change", "VEN-A", "--name", "Mill"], ("PATCH", VEN, {"name": "Mill"})),
    (["remove", "VEN-A"], ("DELETE", VEN, {})),
    *(
        ([verb, "VEN-A", *REASON], ("POST", f"{VEN}/{verb}", WHY))
        for verb in ("reregister", "deregister", "distribute")
    ),
    (["groups"], ("GET", "/openadr/vtn/groups", {})),
    (["group", "north", "VEN-A", "VEN-B"], ("PUT", "/openadr/vtn/groups/north", {"vens": ["VEN-A", "VEN-B"]})),
    (["group", "north"], ("PUT", "/openadr/vtn/groups/north", {"vens": []})),
    (["reports", "VEN-A"], ("GET", f"{VEN}/reports", {})),
    (
        ["request", "VEN-A", "usage", "--every", "10", "--back", "60", "--rid", "w"],
        ("POST", f"{VEN}/reports",
         {"specifier": "usage", "granularity_s": 10, "back_s": 60, "duration_s": 0, "rids": ["w"]}),
    ),
    (["metadata", "VEN-A", *REASON], ("POST", f"{VEN}/reports/metadata", WHY)),
    (
        ["stop", "VEN-A", "77ab", "--follow", *REASON],
        ("POST", f"{VEN}/reports/cancel", {"ids": ["77ab"], "follow": True, "piggyback": False, **WHY}),
    ),
    (
        ["data", "VEN-A", "--request", "77ab", "--limit", "5"],
        ("GET", f"{VEN}/reports/data", {"request": "77ab", "report": "", "limit": 5}),
    ),
]  # fmt: skip
EACH = [*((["ven", *words], request) for words, request in OURS), *((["vtn", *w], request) for w, request in THEIRS)]


@pytest.mark.parametrize(("words", "request_"), EACH)
def test_each_verb_asks_for_what_it_says(asked: Any, words: list[str], request_: Any) -> None:
    answer = CliRunner().invoke(app, [*words, "--json"])
    assert answer.exit_code == 0, (answer.output, answer.exception)
    assert asked.requests == [request_]


def test_a_list_of_vens_is_asked_for_by_what_is_wanted(asked: Any) -> None:
    answer = CliRunner().invoke(
        app, ["vtn", "vens", "--liveness", "lost", "--group", "north", "--limit", "7", "--json"]
    )
    assert json.loads(answer.output) == {"vens": []}
    assert asked.requests == [("GET", VENS, {"limit": 7, "liveness": "lost", "group": "north"})]


def test_no_name_that_a_ven_chose_becomes_a_formula(asked: Any, tmp_path: Any) -> None:
    """And what a newer server adds is left out instead of ending the verb."""
    row = {"name": "=HYPERLINK(1)", "specifier": "@x", "request": "77ab", "created": 1.0, "rid": "+1|cmd",
           "start": 2.0, "duration_s": 60.0, "value": -5.0, "quality": "good", "of later": 1}  # fmt: skip
    asked.answers[f"{VEN}/reports/data"] = {"rows": [row]}
    path = tmp_path / "usage.csv"
    answer = CliRunner().invoke(app, ["vtn", "data", "VEN-A", "--csv", str(path)])
    assert answer.exit_code == 0, (answer.output, answer.exception)
    assert path.read_text().splitlines()[1] == "'=HYPERLINK(1),'@x,77ab,1.0,'+1|cmd,2.0,60.0,-5.0,good,,,,,,"
