"""Point tables and values, with pysunspec2 as the oracle for every point of every used model."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sunspec2 import device as oracle

from gridiface.domain.quantities import Rounding
from gridiface.errors import LocalProtocolError
from gridiface_southbound.sunspec.curve_tables import CURVE_MODEL_IDS
from gridiface_southbound.sunspec.models import (
    USED_MODELS,
    Block,
    Model,
    model,
    preload,
    present,
    runs,
    scaler,
    whole_model,
)

#: Repeated groups in these tests: by the point that tells how often, or by their own name.
COUNTS = {"NPt": 4, "NCrv": 3, "NCrvSet": 2, "NCtl": 2}
SETS = {705: "NCrv", 706: "NCrv", 712: "NCrv", 711: "NCtl", **dict.fromkeys((707, 708, 709, 710), "NCrvSet")}


def whole(model_id: int) -> Model:
    """The table of a model with its repeated groups."""
    if model_id in SETS:
        names = (SETS[model_id], *(("NPt",) if model_id != 711 else ()))
        table = whole_model(model_id, tuple((name, COUNTS[name]) for name in names))
    else:
        table = whole_model(model_id, (("curve", 2),)) if model_id in CURVE_MODEL_IDS else model(model_id)
    assert table is not None
    return table


def empty(table: Model) -> bytearray:
    """Registers of a model that say how often its groups are there."""
    raw = bytearray(2 * table.length)
    fix(table, raw)
    return raw


def fix(table: Model, raw: bytearray) -> None:
    struct.pack_into(">HH", raw, 0, table.id, table.length - 2)
    for name in COUNTS if table.id in SETS else ():
        if name in table.points:
            struct.pack_into(">H", raw, 2 * table.points[name].offset, COUNTS[name])


def oracle_points(group: Any, prefix: str = "") -> dict[str, Any]:
    """The oracle's points, named as ours."""
    found = {prefix + name: point for name, point in group.points.items()}
    for name, inner in group.groups.items():
        if isinstance(inner, list):
            for number, one in enumerate(inner, 1):
                found |= oracle_points(one, f"{prefix}{name}{number}.")
        else:
            found |= oracle_points(inner, f"{prefix}{name}.")
    return found


@pytest.mark.parametrize("model_id", USED_MODELS)
def test_the_oracle_lays_every_point_out_alike(model_id: int) -> None:
    table = whole(model_id)
    theirs = oracle_points(oracle.Model(model_id, model_len=table.length - 2, data=bytes(empty(table))))
    known = {n: (p.offset, p.len) for n, p in theirs.items() if n in table.points or model_id in CURVE_MODEL_IDS}
    assert known == {n: (p.offset, p.size) for n, p in table.points.items()}


@pytest.mark.parametrize("model_id", [m for m in USED_MODELS if m != 1])
@given(st.data())
def test_the_oracle_reads_the_same_values(model_id: int, data: Any) -> None:
    table = whole(model_id)
    raw = bytearray(data.draw(st.binary(min_size=2 * table.length, max_size=2 * table.length)))
    fix(table, raw)
    for point in table.points.values():
        if point.type == "sunssf":
            struct.pack_into(">h", raw, 2 * point.offset, data.draw(st.integers(-3, 3)))
    ours = Block(table, 0, bytes(raw))
    theirs = oracle_points(oracle.Model(model_id, model_len=table.length - 2, data=bytes(raw)))
    for name, point in table.points.items():
        if point.kind is None or point.type.startswith(("acc", "pad", "eui", "bitfield")):
            continue
        expected = theirs[name].cvalue
        value = ours.value(name)
        if expected is None or (isinstance(expected, float) and not math.isfinite(expected)):
            assert value is None, name
        else:
            assert value == pytest.approx(expected), name


def test_unimplemented_values_are_not_known(block: Any) -> None:
    for model_id in USED_MODELS:
        nothing = block(model_id, {})
        assert all(nothing.value(name) is None for name in nothing.model.points if name not in ("ID", "L"))


def test_a_scale_factor_that_is_missing_or_absurd_makes_the_value_unknown(block: Any) -> None:
    assert block(701, {"W": 5}).value("W") is None
    assert block(701, {"W": 5, "W_SF": 11}).value("W") is None
    assert block(701, {"W": 5, "W_SF": 2}).value("W") == 500
    assert block(704, {"PFWInj.PF": 950, "PF_SF": -3}).value("PFWInj.PF") == 0.95


def test_a_block_that_ends_early_lacks_its_last_points(block: Any) -> None:
    long = block(121, {"WMax": 100, "WMax_SF": 1, "ConnPh": 2})
    short = Block(long.model, long.address, long.data[:46])
    assert short.value("WMax") == 1000
    assert short.value("ECPNomHz") is None
    assert Block(long.model, 0, long.data[:40]).value("WMax") is None


def test_texts_symbols_and_bits(block: Any) -> None:
    common = block(1, {"Mn": "ACME", "Md": "Inv\0rubbish"})
    assert (common.text("Mn"), common.text("Md"), common.text("Vr"), common.text("ID")) == ("ACME", "Inv", "", "")
    measured = block(701, {"InvSt": 4, "Alrm": 0b1000_0001 | 1 << 30})
    assert measured.symbol("InvSt") == "THROTTLED"
    assert measured.symbol("St") is None
    assert measured.bits("Alrm") == {"GROUND_FAULT", "OVER_TEMP", "bit 30"}
    assert measured.bits("ThrotSrc") == frozenset()


def test_neighbours_go_into_one_run(block: Any) -> None:
    table = block(704, {}).model
    names = ("WMaxLimPctEna", "WMaxLimPct", "WSetEna", "WSetMod", "WSet", "WSetRvrtTms")
    found = runs(table, names)
    assert [(run.offset, run.codec.format, run.first, run.last) for run in found] == [
        (14, ">HH", 0, 2),
        (22, ">HHi", 2, 5),
        (31, ">I", 5, 6),
    ]
    assert runs(table, ()) == ()


@pytest.mark.parametrize("names", [("Nothing",), ("WSet", "WSetEna"), ("WSetEna", "WSetEna")])
def test_runs_of_points_that_do_not_follow_each_other(block: Any, names: tuple[str, ...]) -> None:
    with pytest.raises(LocalProtocolError):
        runs(block(704, {}).model, names)


def test_only_points_that_work_are_present(block: Any) -> None:
    controls = block(704, {"WSetEna": 0, "WSet": 0, "WMaxLimPct": 0, "WMaxLimPct_SF": -1})
    assert present(controls, ("WSetEna", "WMaxLimPct", "WSet", "WSetPct")) == ("WSetEna", "WMaxLimPct")


@given(st.floats(-1e7, 1e7), st.integers(-4, 4), st.sampled_from(list(Rounding)))
def test_scaling_rounds_as_asked_and_stays_in_range(value: float, exponent: int, rounding: Rounding) -> None:
    table = model(704)
    assert table is not None
    raw = scaler(table, "WSetPct", exponent, rounding)(value)
    assert -0x7FFF <= raw <= 0x7FFF
    exact = value / 10.0**exponent
    if abs(exact) < 0x7FFF:
        assert abs(raw - exact) <= 1.0
        if rounding is Rounding.FLOOR:
            assert raw <= exact + 1e-6


def test_what_cannot_be_scaled_is_our_error(block: Any) -> None:
    with pytest.raises(LocalProtocolError):
        scaler(block(704, {}).model, "WSet", None)
    with pytest.raises(LocalProtocolError):
        scaler(block(113, {}).model, "W", 0)


def test_scale_factors_are_compared_as_registers(block: Any) -> None:
    first = block(124, {"InOutWRte_SF": -2, "WChaMax_SF": 0})
    assert first.scales() == block(124, {"InOutWRte_SF": -2, "WChaMax_SF": 0, "OutWRte": 7}).scales()
    assert first.scales() != block(124, {"InOutWRte_SF": -1, "WChaMax_SF": 0}).scales()
    assert not first.model.scales_static
    assert block(704, {}).model.scales_static


def test_unknown_models_have_no_table() -> None:
    preload()
    assert model(64_999) is None
