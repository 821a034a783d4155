"""`gridiface import`: words, JSON, files and exit codes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gridiface.app.config import load_config
from gridiface.cli.reports.importing import app
from gridiface.errors import ConfigError, GridifaceError
from gridiface.store.repository import Store

SITE = """\
site_id: depot
assets:
- asset_id: a
  dispatch_limits: {real_power: {max_charge: 5, max_discharge: 5}}
  modbus_tcp: {host: h, unit_id: 1}
"""
METER = "meter,time,kwh\na,2026-07-01T00:00Z,0.25\na,2026-07-01T00:15Z,0.5\na,2026-07-01T00:45Z,1\n"


def run(*arguments: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and isinstance(result.exception, GridifaceError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def file(tmp_path: Path, text: str, name: str = "in.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_site_becomes_a_file_that_loads(tmp_path: Path) -> None:
    out = tmp_path / "gridiface.yaml"
    result = run("vpp-grid", file(tmp_path, SITE), "--output", out)
    assert "warning: " in result.stderr
    assert "sign: 5 stands where the form counts negative" in result.stderr
    assert f"{out}: 1 device\n" in result.stdout
    assert load_config(out).devices[0].rating.max_charge_w == 5000.0
    with pytest.raises(ConfigError, match="is there already; --force"):
        run("vpp-grid", tmp_path / "in.yaml", "--output", out)
    run("vpp-grid", tmp_path / "in.yaml", "--output", out, "--force")


def test_a_site_in_json_and_strict(tmp_path: Path) -> None:
    found = json.loads(run("vpp-grid", file(tmp_path, SITE), "--json").stdout)
    assert (found["ok"], found["devices"], found["findings"][0]["line"]) == (True, 1, 4)
    assert "driver: sunspec" in found["configuration"]
    run("vpp-grid", tmp_path / "in.yaml", "--strict", code=1)


def test_errors(tmp_path: Path) -> None:
    wrong = file(tmp_path, "assets: []")
    with pytest.raises(ConfigError, match=r"in\.yaml:1: assets: no assets"):
        run("vpp-grid", wrong)
    found = json.loads(run("vpp-grid", wrong, "--json", code=2).stdout)
    assert found["ok"] is False
    assert "no assets" in found["mistakes"][0]


def test_a_battery(tmp_path: Path) -> None:
    model = {"max_continuous_discharge_kw": 5, "communications": {"host": "h", "unit_id": 1}}
    result = run("battery-model", file(tmp_path, json.dumps(model), "b.json"), "--device", "b7")
    assert "id: b7" in result.stdout
    assert result.stdout.endswith("\n")


def test_a_meter_file_is_described_and_rewritten(tmp_path: Path) -> None:
    path = file(tmp_path, METER, "m.csv")
    result = run("meter", path, "--output", tmp_path / "out.csv")
    assert "a: 2026-07-01T00:00:00Z to 2026-07-01T01:00:00Z, 4 intervals of 900 s" in result.stdout
    assert "3 values, 0 twice, 0 in conflict, 1 missing" in result.stdout
    assert "gap: a 2026-07-01T00:30:00Z to 2026-07-01T00:45:00Z (1 intervals)" in result.stdout
    # 0.25 kWh in a quarter hour: 1000 W taken.
    assert (tmp_path / "out.csv").read_text().splitlines()[1] == "a,2026-07-01T00:00:00Z,-1000.0,good"
    found = json.loads(run("meter", tmp_path / "out.csv", "--positive", "delivery", "--json").stdout)
    assert (found["values"], found["missing"], found["meters"][0]["interval_s"]) == (3, 1, 900.0)


def test_meter_values_go_into_the_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'g.sqlite'}"
    run("meter", file(tmp_path, METER, "m.csv"), "--database", url)

    async def stored() -> list[tuple[float, float]]:
        async with await Store.open(url, create=False) as store:
            return [(r.source_time, r.value) for r in await store.readings("a", start=0.0, end=2e9)]

    assert [value for _, value in asyncio.run(stored())] == [-1000.0, -2000.0, -4000.0]


def test_zones_and_mistakes(tmp_path: Path) -> None:
    path = file(tmp_path, "time,w\n2026-07-01T00:00,1\n2026-07-01T00:15,1\n", "m.csv")
    with pytest.raises(ConfigError, match="a time without offset or zone"):
        run("meter", path, "--meter", "a")
    result = run("meter", path, "--meter", "a", "--zone", "Europe/Berlin")
    assert "a: 2026-06-30T22:00:00Z" in result.stdout
    with pytest.raises(ConfigError, match="no time zone"):
        run("meter", path, "--zone", "Mars")


def test_green_button_is_known_by_its_first_octet(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no intervals of electric energy"):
        run("meter", file(tmp_path, "<feed/>", "m.csv"))
