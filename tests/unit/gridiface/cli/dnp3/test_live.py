"""`gridiface dnp3` for a running server: which request each verb makes, and what it shows of the answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gridiface.cli.dnp3 import live
from gridiface.cli.dnp3.app import app
from gridiface.errors import GridifaceError

ROW = {"name": "gw", "address": 10, "target": "fleet", "points": 3, "masters": 2, "connected": 1,
       "local": True, "blocked": {"breaker": "tag 4711", "": ""}, "trouble": False}  # fmt: skip
ANSWERS: dict[str, Any] = {
    "/dnp3/outstations": {"outstations": [ROW]},
    "/dnp3/outstations/gw/points": {
        "points": [
            {"type": "analog input", "index": 0, "name": "net power", "unit": "MW", "value": None,
             "flags": ["COMM_LOST"], "at": 1.7e9, "meaning": "w", "blocked": None}
        ],
        "next": None,
    },
    "/dnp3/outstations/gw/masters": {
        "masters": [
            {"name": "iso", "address": 1, "authority": 10.0, "may_control": True, "peer": "192.0.2.1:4711",
             "heard": 1.7e9, "enabled": [1, 2], "dropped": 4,
             "buffers": [{"waiting": 1, "unconfirmed": 2}, {"waiting": 0, "unconfirmed": 0}]}
        ]
    },
    "/dnp3/outstations/gw/commands": {
        "commands": [
            {"at": 1.7e9, "master": "iso", "how": "operate", "group": 12, "index": 1, "point": "breaker",
             "value": None, "code": 0x81, "status": "BLOCKED"}
        ]
    },
    "/dnp3/frames": {"frames": ["1.0 <- 192.0.2.1:1 1>10 READ"]},
    "/dnp3/frames.pcap": b"\xd4\xc3\xb2\xa1",
    **{f"/dnp3/outstations/gw/{what}": ROW for what in ("local", "block", "unblock", "masters/iso/disconnect")},
}  # fmt: skip


@pytest.fixture
def asked(asked: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The server behind the verbs, with the answers above."""
    asked.answers = ANSWERS
    monkeypatch.setattr(live, "Remote", asked)
    return asked


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "400"})
    if isinstance(result.exception, GridifaceError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("stations",), ["gw", "fleet", "local", "breaker (tag 4711), all outputs"]),
        (("live", "gw"), ["net power", "not a number", "COMM_LOST", "2023-11-14"]),
        (("masters", "gw"), ["iso", "192.0.2.1:4711", "1, 2", "3/0"]),
        (("commands", "gw"), ["operate", "g12 1", "code 0x81", "BLOCKED"]),
        (("frames",), ["1>10 READ"]),
    ],
)
def test_what_is_shown(asked: Any, arguments: tuple[str, ...], words: list[str]) -> None:
    shown = run(*arguments)
    for word in words:
        assert word in shown
    assert json.loads(run(*arguments, "--json"))


@pytest.mark.parametrize(
    ("arguments", "path", "body"),
    [
        (("local", "gw", "--reason", "works"), "local", {"local": True, "reason": "works"}),
        (("remote", "gw"), "local", {"local": False, "reason": ""}),
        (("block", "gw", "--point", "breaker", "--reason", "x"), "block", {"point": "breaker", "reason": "x"}),
        (("unblock", "gw"), "unblock", {"point": "", "reason": ""}),
        (("disconnect", "gw", "iso"), "masters/iso/disconnect", {"reason": ""}),
    ],
)
def test_what_is_asked(asked: Any, arguments: tuple[str, ...], path: str, body: dict[str, Any]) -> None:
    assert "gw" in run(*arguments)
    assert asked.requests == [("POST", f"/dnp3/outstations/gw/{path}", body)]
    assert json.loads(run(*arguments, "--json"))["name"] == "gw"


def test_a_capture_is_written_once(asked: Any, tmp_path: Path) -> None:
    path = tmp_path / "dnp3.pcap"
    assert str(path) in run("capture", "--out", str(path))
    assert path.read_bytes() == b"\xd4\xc3\xb2\xa1"
    with pytest.raises(GridifaceError, match="exists"):
        run("capture", "--out", str(path))
    with pytest.raises(GridifaceError, match="cannot be written"):
        run("capture", "--out", str(tmp_path / "none" / "dnp3.pcap"))
