"""What both site forms share: ids, connections, ramps, signs."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridiface.app.importers import convert
from gridiface.app.importers.findings import Document, Severity
from gridiface.errors import ConfigError


def document(text: str) -> Document:
    return Document(Path("f.yaml"), text, "yaml")


def test_ids_are_made_to_fit_and_said() -> None:
    found = document("a: 1")
    assert convert.identifier(found, ("a",), "bess-1") == "bess-1"
    assert found.findings == []
    assert convert.identifier(found, ("a",), "Depot 7 / Ost!") == "Depot-7-Ost"
    assert convert.identifier(found, ("a",), "///") == "unnamed"
    assert [finding.severity for finding in found.findings] == [Severity.WARNING] * 2


def test_connections() -> None:
    good = document("c: {host: h, port: 1502, unit_id: 7}")
    assert convert.connection(good, ("c",)) == {"host": "h", "port": 1502, "unit_id": 7}
    assert good.findings == []
    renamed = document("c: {host: h, slave_id: 9}")
    assert convert.connection(renamed, ("c",)) == {"host": "h", "port": 502, "unit_id": 9}
    assert "the key is called unit_id" in str(renamed.findings[0])
    missing = document("c: {host: h}")
    assert convert.connection(missing, ("c",))["unit_id"] == 1
    assert "missing unit id: 1 is taken" in str(missing.findings[0])
    joined = document("c: {host: '10.0.0.13:1502', unit_id: 1}")
    assert convert.connection(joined, ("c",)) == {"host": "10.0.0.13", "port": 1502, "unit_id": 1}
    assert "the port stands in the host: 10.0.0.13 and 1502 are taken" in str(joined.findings[0])
    sixth = document("c: {host: 'fd00::13', unit_id: 1}")
    assert convert.connection(sixth, ("c",))["host"] == "fd00::13"
    assert sixth.findings == []


@pytest.mark.parametrize(
    ("block", "wrong"),
    [
        ("{port: 1}", "c.host: missing"),
        ("{host: 'tcp://h', unit_id: 1}", "not a URL"),
        ("{host: h, unit_id: 256}", "c.unit_id: 256 is out of range"),
        ("{host: h, unit_id: 1.5}", "c.unit_id: must be a whole number"),
        ("{host: h, unit_id: 1, port: 99999}", "c.port"),
        ("{host: 'h:503', unit_id: 1, port: 502}", "c.host: names port 503 beside port 502"),
        ("{host: h, unit_id: 1, port: 1.5}", "c.port: must be a whole number"),
    ],
)
def test_impossible_connections_are_errors(block: str, wrong: str) -> None:
    found = document(f"c: {block}")
    convert.connection(found, ("c",))
    with pytest.raises(ConfigError) as caught:
        found.raise_errors()
    assert wrong in str(caught.value)


def test_golden_ramp() -> None:
    # 600 kW per minute = 600000 W / 60 s = 10000 W/s.
    found = document("r: {ramp_rate: 600}")
    assert convert.ramp_w_per_s(found, ("r",), 600.0, 500.0) == 10_000.0
    assert found.findings == []


def test_a_ramp_in_seconds_beside_the_rate_is_named() -> None:
    found = document("r: {ramp_rate: 600, ramp_time_s: 5}")
    assert convert.ramp_w_per_s(found, ("r",), 600.0, 500.0) == 10_000.0
    text = str(found.findings[0])
    assert "f.yaml:1: r.ramp_time_s" in text
    # 500 kW in 5 s would be 100000 W/s.
    assert "ramp_rate counts, 10000 W/s" in text
    assert "100000 W/s" in text


def test_a_ramp_in_seconds_alone_and_one_that_takes_hours() -> None:
    alone = document("r: {ramp_seconds: 60}")
    assert convert.ramp_w_per_s(alone, ("r",), None, 500.0) is None
    # 500 kW in 60 s are 500 kW per minute.
    assert "write ramp_rate: 500" in str(alone.findings[0])
    slow = document("r: {ramp_rate: 5}")
    convert.ramp_w_per_s(slow, ("r",), 5.0, 500.0)
    assert "needs 100 minutes for the full range" in str(slow.findings[0])
    wrong = document("r: {ramp_rate: 0}")
    assert convert.ramp_w_per_s(wrong, ("r",), 0.0, 500.0) is None
    assert wrong.findings[0].severity is Severity.ERROR


def test_signs() -> None:
    found = document("a: -250\nb: 250\nc: 300000")
    assert convert.magnitude_kw(found, ("a",), negative=True) == 250.0
    assert found.findings == []
    assert convert.magnitude_kw(found, ("b",), negative=True) == 250.0
    assert "sign: 250 stands where the form counts negative" in str(found.findings[0])
    convert.magnitude_kw(found, ("c",), negative=False)
    assert "300 MW for one asset; was it meant in W?" in str(found.findings[1])


@pytest.mark.parametrize(
    "text", ["{inverter_model: 101}", "{inverter_model: 704, write_model: 101}", "{setpoint_point: '103.W'}"]
)
def test_a_write_to_a_reporting_model_is_named(text: str) -> None:
    found = document(f"m: {text}")
    convert.sunspec_models(found, ("m",), dispatched=True)
    assert "it has no writable point" in str(found.findings[0])
    assert "704, 123, 124" in str(found.findings[0])


def test_a_model_that_can_be_written_is_fine() -> None:
    found = document("m: {inverter_model: 701, meter_model: 203, command_model: 704}")
    convert.sunspec_models(found, ("m",), dispatched=True)
    assert [finding.severity for finding in found.findings] == [Severity.NOTE]


def test_what_does_not_load_is_an_error() -> None:
    with pytest.raises(ConfigError, match="does not load"):
        convert.finish(document("a: 1"), "vpp-grid", {"sight": "x"})
