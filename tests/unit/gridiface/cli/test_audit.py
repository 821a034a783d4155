"""`gridiface audit` on the store of a stopped server."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gridiface.cli.main import app
from gridiface.cli.places.direct import on_store
from gridiface.domain.changes import PutDocument
from gridiface.errors import ConfigError
from gridiface.operator.records.audit_chain import AuditChain

RUN = CliRunner()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("GRIDIFACE_TOKEN", raising=False)
    path = tmp_path / "g.yaml"
    path.write_text("site: small\n")
    assert RUN.invoke(app, ["token", "create", "ops", "--config", str(path)]).exit_code == 0
    return path


async def seal(store: Any, now: float) -> None:
    chain = AuditChain(store)
    await chain.load()
    await chain.seal(now)


async def tamper(store: Any, _: float) -> None:
    (found,) = await store.documents("operator/audit")
    await store.commit([PutDocument(found.space, found.key, found.body.replace(b"ops", b"oops"))])


def test_verified_until_somebody_alters_it(config: Path) -> None:
    words = ["audit", "verify", "--config", str(config)]
    on_store(config, seal)
    result = RUN.invoke(app, words)
    assert result.exit_code == 0, result.output
    noted = result.stdout.strip().rpartition(" ")[2]
    assert RUN.invoke(app, [*words, "--expect", noted]).exit_code == 0
    assert RUN.invoke(app, [*words, "--expect", "0" * 64]).exit_code == 1
    on_store(config, tamper)
    result = RUN.invoke(app, [*words, "--json"])
    assert result.exit_code == 1
    assert "altered" in json.loads(result.stdout)["faults"][0]


def test_listed_and_exported(config: Path, tmp_path: Path) -> None:
    listed = json.loads(RUN.invoke(app, ["audit", "list", "--config", str(config), "--json"]).stdout)["entries"]
    assert [(row["what"], row["after"]["name"]) for row in listed] == [("token.create", "ops")]
    assert "token.create" in RUN.invoke(app, ["audit", "list", "--config", str(config), "--what", "token."]).stdout
    none = RUN.invoke(app, ["audit", "list", "--config", str(config), "--until", "2020-01-01", "--json"])
    assert json.loads(none.stdout) == {"entries": []}
    out = tmp_path / "audit.csv"
    assert RUN.invoke(app, ["audit", "export", str(out), "--format", "csv", "--config", str(config)]).exit_code == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert rows[0]["what"] == "token.create"
    with pytest.raises(ConfigError, match="no time"):
        RUN.invoke(app, ["audit", "list", "--config", str(config), "--since", "soon"], catch_exceptions=False)


@pytest.mark.parametrize("noted", ["9f86d0...", "0" * 63, "see the log", "g" * 64])
def test_what_is_no_hash_is_told_as_such_and_not_as_a_broken_log(config: Path, noted: str) -> None:
    with pytest.raises(ConfigError, match="--expect: must be a hash as verifying prints it, 64 hexadecimal digits"):
        RUN.invoke(app, ["audit", "verify", "--config", str(config), "--expect", noted], catch_exceptions=False)


def test_a_noted_hash_may_be_in_capitals_or_have_blanks_around_it(config: Path) -> None:
    on_store(config, seal)
    words = ["audit", "verify", "--config", str(config)]
    noted = RUN.invoke(app, words).stdout.strip().rpartition(" ")[2]
    assert RUN.invoke(app, [*words, "--expect", f" {noted.upper()} "]).exit_code == 0


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [("--who", "x" * 300, "at most 256"), ("--what", "a\x01", "without line ends"), ("--subject", "x" * 1100, "1024")],
)
def test_a_filter_that_cannot_be_is_told_by_its_option(config: Path, option: str, value: str, told: str) -> None:
    with pytest.raises(ConfigError, match=f"{option}: .*{told}"):
        RUN.invoke(app, ["audit", "list", "--config", str(config), option, value], catch_exceptions=False)
