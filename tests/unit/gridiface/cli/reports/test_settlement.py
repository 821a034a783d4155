"""`gridiface settlement`: which requests its verbs make, and how they show the answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gridiface.cli.reports.settlement import app
from gridiface.errors import ConfigError

RUN = CliRunner()
TOTAL = {"resource_id": "total", "rows": 4, "delivered_wh": 1500.0}
FOUND: dict[str, Any] = {
    "event": "july", "revision": 2, "final": False, "rows": 4, "resources": [{**TOTAL, "resource_id": "b1"}],
    "total": [TOTAL], "changed": 1, "note": "late data", "revised": ["june"],
}  # fmt: skip


def test_an_event_is_settled_as_the_options_say(asked: Any) -> None:
    asked.answers["/settlements"] = FOUND
    words = ["--group", "north", "--committed", "b1=2000", "--zone", "Europe/Berlin", "--storage", "b1"]
    words += ["--opt-out", "b1=2026-07-22T16:40/2026-07-22T17:00", "--opt-out", "b2=2026-07-22T16:40"]
    told = RUN.invoke(app, ["make", "july", *words], env={"COLUMNS": "160"})
    assert told.exit_code == 0, told.output
    [(method, path, body)] = asked.requests
    assert (method, path, body["group"], body["committed_w"]) == ("POST", "/settlements", "north", {"b1": 2000.0})
    # 16:40 in Berlin's summer is 14:40 in UTC.
    assert body["opt_outs"] == [
        {"device": "b1", "start": 1784731200.0, "end": 1784732400.0},
        {"device": "b2", "start": 1784731200.0, "end": None},
    ]
    assert (body["storage"], body["devices"], body["control"]) == (["b1"], [], None)
    for said in ("july: revision 2, awaiting late data, 4 rows", "b1", "1 rows changed; late data", "june"):
        assert said in told.output, said


def test_without_opt_outs_those_on_record_count(asked: Any) -> None:
    asked.answers["/settlements"] = FOUND
    assert RUN.invoke(app, ["make", "july", "--control", "c1", "--json"]).exit_code == 0
    assert asked.requests[0][2]["opt_outs"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--committed", "b1:2000"], "'b1:2000' is no DEVICE=WATTS"),
        (["--opt-out", "b1"], "'b1' is no DEVICE=FROM"),
        (["--opt-out", "b1=yesterday"], "yesterday"),
    ],
)
def test_what_cannot_be_read_asks_nothing_of_the_server(asked: Any, words: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        RUN.invoke(app, ["make", "july", *words], catch_exceptions=False)
    assert asked.requests == []


def test_settlements_and_their_rows_are_listed_shown_written_and_removed(asked: Any, tmp_path: Path) -> None:
    asked.answers["/settlements"] = {"settlements": [{**FOUND, "final": True}]}
    listed = RUN.invoke(app, ["list", "--limit", "5"], env={"COLUMNS": "160"})
    assert asked.requests[-1] == ("GET", "/settlements", {"limit": 5})
    assert "final" in listed.output
    row = {"resource_id": "b1", "start": 1.0, "performance": None, "quality": "good", "revision": 1, "reason": "gap"}
    row |= dict.fromkeys(("baseline_w", "metered_w", "delivered_w", "credited_w"), 7.0)
    asked.answers["/settlements/a%2Fb/rows"] = {"rows": [row]}
    assert "gap" in RUN.invoke(app, ["rows", "a/b"], env={"COLUMNS": "160"}).output
    assert json.loads(RUN.invoke(app, ["rows", "a/b", "--json"]).output) == {"rows": [row]}
    asked.answers["/settlements/july/export.csv"] = b"resource_id\r\nb1\r\n"
    assert "17 bytes" in RUN.invoke(app, ["export", "july", "-o", str(tmp_path / "j.csv")]).output
    assert (tmp_path / "j.csv").read_bytes() == b"resource_id\r\nb1\r\n"
    with pytest.raises(ConfigError, match="cannot be written"):
        RUN.invoke(app, ["export", "july", "-o", str(tmp_path)], catch_exceptions=False)
    asked.answers["/settlements/july"] = {"event": "july"}
    assert RUN.invoke(app, ["remove", "july"]).output == "july is removed\n"
    assert asked.requests[-1][:2] == ("DELETE", "/settlements/july")


SUMS = {"delivered_wh": 1000.0, "credited_wh": 333.33333, "performance": 0.5, "quality": "good"}
WIDE = {"COLUMNS": "200"}


def test_late_data_are_handed_in_and_what_they_changed_is_told(asked: Any, tmp_path: Path) -> None:
    file = tmp_path / "late.csv"
    file.write_bytes("meter,time,kw\nhouse-1,2026-07-22T16:00Z,1\n".encode("utf-16"))
    meter = {"meter": "house-1", "start": "a", "end": "b", "interval_s": 900.0, "intervals": 1}
    told = {"revision": 2, "final": False, "changed": 1, "note": ""}
    asked.answers["/meter-data"] = {
        **{"meters": [meter], "values": 1, "duplicates": 0, "conflicts": 0, "missing": 3, "gaps": [], "notes": []},
        "unknown": ["house-1"],
        "settlements": [
            {**told, "event": "ev"},
            {**told, "event": "old", "final": True, "note": "it is final"},
        ],
    }
    found = RUN.invoke(app, ["import", str(file), "--meter", "house-1", "--stamp", "end"], env=WIDE)
    assert found.exit_code == 0, found.output
    body = asked.requests[0][2]
    assert (body["data"], body["name"]) == ("meter,time,kw\nhouse-1,2026-07-22T16:00Z,1\n", "late.csv")
    assert (body["meter"], body["stamp"], body["positive"], body["zone"]) == ("house-1", "end", "consumption", None)
    for said in ("3 missing", "no device is called house-1", "ev: revision 2, awaiting late data: 1 row changed",
                 "old: revision 2, final: it is final"):  # fmt: skip
        assert said in found.output, said


def test_a_file_that_no_server_takes_is_not_sent(asked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "late.csv"
    file.write_text("meter,time,kw\n")
    monkeypatch.setattr("gridiface.cli.reports.settlement.MOST_DATA", 13)
    found = RUN.invoke(app, ["import", str(file)], env=WIDE)
    assert isinstance(found.exception, ConfigError)
    assert "14 characters, and the server takes 13 at once; split it" in str(found.exception)
    assert not asked.requests


def test_revisions_in_figures(asked: Any) -> None:
    one = {"revision": 1, "computed": 0.0, "final": False, "rows": 2, "changed": 2, "total": [SUMS]}
    asked.answers["/settlements/ev/revisions"] = {"revisions": [one, {**one, "total": []}]}
    found = RUN.invoke(app, ["revisions", "ev"], env=WIDE)
    assert found.exit_code == 0, found.output
    for said in ("1970-01-01T00:00:00Z", "333.333", "awaiting late data"):
        assert said in found.output, said


def test_files_are_what_their_names_say(asked: Any, tmp_path: Path) -> None:
    for name, more, path in (
        ("x.csv", [], "export.csv"),
        ("x.parquet", [], "export.parquet"),
        ("x.dat", ["--format", "parquet"], "export.parquet"),
        ("x.parquet", ["--format", "csv"], "export.csv"),
    ):
        asked.requests.clear()
        asked.answers[f"/settlements/ev/{path}"] = b"octets"
        found = RUN.invoke(app, ["export", "ev", "-o", str(tmp_path / name), "--revision", "3", *more])
        assert found.exit_code == 0, found.output
        assert asked.requests == [("GET", f"/settlements/ev/{path}", {"revision": 3})]
        assert (tmp_path / name).read_bytes() == b"octets"
