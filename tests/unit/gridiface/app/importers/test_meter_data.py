"""What holds for every meter file: gaps, spans, the way to readings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gridiface.aggregation.settlement.series import BAD, ESTIMATED, GOOD, MeterSeries
from gridiface.aggregation.settlement.told import Told, from_told
from gridiface.app.importers.meter_data import check_span, finished, is_xml, read_meter_file, readings_of
from gridiface.domain.quantities import Quantity
from gridiface.domain.telemetry import Quality
from gridiface.errors import ConfigError


def series(name: str, values: list[float]) -> MeterSeries:
    w = np.array(values)
    codes = np.where(np.isfinite(w), GOOD, BAD).astype(np.uint8)
    return MeterSeries(name, 0.0, 900.0, w, codes)


def test_gaps_at_both_ends_and_inside() -> None:
    nan = float("nan")
    found = finished([series("b", [nan, 1, nan, nan]), series("a", [1.0])], rows=2, duplicates=0, conflicts=0)
    assert [one.meter_id for one in found.series] == ["a", "b"]
    assert [(gap.start, gap.end, gap.intervals) for gap in found.gaps] == [(0.0, 900.0, 1), (1800.0, 3600.0, 2)]
    assert found.missing == 3


def test_a_span_that_is_too_long_is_refused() -> None:
    check_span(Path("f"), {"a": (0.0, 9e6)}, 900.0)
    with pytest.raises(ConfigError, match="is a date wrong"):
        check_span(Path("f"), {"a": (0.0, 1e9), "b": (0.0, 9e9)}, 60.0)


def test_readings_carry_value_quality_and_both_times() -> None:
    one = series("a", [1.0, float("nan"), 3.0])
    one.quality[2] = ESTIMATED
    (portion,) = readings_of(finished([one], rows=3, duplicates=0, conflicts=0), 99.0)
    assert [(r.value, r.source_time, r.received, r.quality) for r in portion] == [
        (1.0, 900.0, 99.0, Quality.GOOD),
        (3.0, 2700.0, 99.0, Quality.ESTIMATED),
    ]
    assert {(r.device_id, r.quantity, r.duration_s) for r in portion} == {("a", Quantity.ACTIVE_POWER, 900.0)}
    rows = [(r.value, r.source_time, r.received, r.duration_s, r.quality.value, r.phase.value) for r in portion]
    again = from_told("a", Told.of(rows), 900.0)
    assert again is not None
    np.testing.assert_array_equal(again.w, one.w)


def test_many_meters_with_few_values_make_few_portions() -> None:
    meters = [series(f"m{number:04}", [float(number), float("nan"), 1.0]) for number in range(3000)]
    portions = list(readings_of(finished(meters, rows=6000, duplicates=0, conflicts=0), 99.0))
    assert [len(portion) for portion in portions] == [5000, 1000]
    told = [(r.device_id, r.value, r.source_time) for portion in portions for r in portion]
    assert told == [(f"m{n:04}", w, at) for n in range(3000) for w, at in ((float(n), 900.0), (1.0, 2700.0))]
    assert list(readings_of(finished([], rows=0, duplicates=0, conflicts=0), 99.0)) == []


def test_files(tmp_path: Path) -> None:
    file = tmp_path / "m.xml"
    file.write_bytes(b"\xef\xbb\xbf \n<feed/>")
    assert is_xml(read_meter_file(file))
    assert not is_xml(b"meter,time,w")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_meter_file(tmp_path / "none")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_told_by_its_mark(tmp_path: Path, encoding: str) -> None:
    mark = "\ufeff".encode(encoding)
    file = tmp_path / "m.xml"
    file.write_bytes(mark + '<?xml version="1.0" encoding="UTF-16"?>\n<feed>\u00e4</feed>'.encode(encoding))
    assert read_meter_file(file).strip() == "<feed>\u00e4</feed>".encode()
    file.write_bytes(mark + "meter,time,kw\n".encode(encoding))
    assert read_meter_file(file) == b"meter,time,kw\n"
    file.write_bytes(mark + b"\x00")
    with pytest.raises(ConfigError, match="begins as UTF-16 and is not"):
        read_meter_file(file)
