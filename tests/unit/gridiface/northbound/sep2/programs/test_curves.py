"""Curves by themselves; with controls they are in test_programs.py."""

from __future__ import annotations

from typing import Any

import pytest

NS = 'xmlns="urn:ieee:std:2030.5:ns"'
POINT = "<CurveData><xvalue>{x}</xvalue><yvalue>1</yvalue></CurveData>"


def curve(mrid: str = "C1", points: int = 1) -> str:
    return (
        f"<DERCurve {NS}><mRID>{mrid}</mRID><creationTime>1800000000</creationTime>"
        f"{''.join(POINT.format(x=x) for x in range(points))}<curveType>11</curveType>"
        "<xMultiplier>0</xMultiplier><yMultiplier>0</yMultiplier><yRefType>2</yRefType></DERCurve>"
    )


@pytest.mark.parametrize(("points", "status"), [(0, 400), (1, 201), (10, 201), (11, 400)])
async def test_a_curve_has_one_to_ten_points(kit: Any, points: int, status: int) -> None:
    reply = await kit.send("POST", kit.program("fleet") + "/dc", curve(points=points))
    assert reply.status == status
    if status == 201:
        assert len((await kit.get(reply.headers["Location"])).curveData) == points


@pytest.mark.parametrize(("by", "status"), [("inv-1", 403), ("inv-2", 404), ("aggregator", 404), ("stranger", 403)])
async def test_only_a_utility_adds_and_removes_curves(kit: Any, by: str, status: int) -> None:
    path = kit.program("inv-1") + "/dc"
    where = (await kit.send("POST", path, curve())).headers["Location"]
    before = kit.documents()
    assert (await kit.send("POST", path, curve("C2"), by=by)).status == status
    assert (await kit.send("DELETE", where, by=by)).status == status
    assert kit.documents() == before


async def test_a_curve_that_a_default_control_uses_stays(kit: Any) -> None:
    program = kit.program("inv-1")
    where = (await kit.send("POST", f"{program}/dc", curve())).headers["Location"]
    default = (
        f'<DefaultDERControl {NS}><mRID>D1</mRID><DERControlBase><opModVoltVar href="{where}"/></DERControlBase>'
        "</DefaultDERControl>"
    )
    assert (await kit.send("PUT", f"{program}/dderc", default)).status == 204
    assert (await kit.send("DELETE", where)).status == 409
    assert (await kit.send("DELETE", f"{program}/dderc")).status == 204
    assert (await kit.send("DELETE", where)).status == 204
    assert (await kit.send("DELETE", where)).status == 404


async def test_curves_survive_a_restart(kit: Any) -> None:
    path = kit.program("fleet") + "/dc"
    for mrid in ("C1", "C2"):
        await kit.send("POST", path, curve(mrid))
    other = await kit.restarted()
    assert await other.get(f"{path}?l=9") == await kit.get(f"{path}?l=9")
