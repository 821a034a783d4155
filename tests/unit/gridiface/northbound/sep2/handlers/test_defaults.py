"""Default controls by the utility."""

from __future__ import annotations

from typing import Any

DEFAULT = (
    '<DefaultDERControl xmlns="urn:ieee:std:2030.5:ns"><mRID>{mrid}</mRID><DERControlBase>{base}</DERControlBase>'
    "<setGradW>27</setGradW><setSoftGradW>20</setSoftGradW></DefaultDERControl>"
)
FULL = "<opModMaxLimW>10000</opModMaxLimW>"


async def test_serve_set_grad_w_and_set_soft_grad_w_in_default_der_control(kit: Any) -> None:
    program = kit.program("fleet")
    assert (await kit.get(program)).DefaultDERControlLink is None
    assert (await kit.send("GET", f"{program}/dderc")).status == 404
    assert (await kit.send("PUT", f"{program}/dderc", DEFAULT.format(mrid="D1", base=FULL))).status == 204
    found = await kit.get(f"{program}/dderc")
    assert (found.setGradW, found.setSoftGradW, found.derControlBase.opModMaxLimW) == (27, 20, 10_000)
    assert (await kit.get(program)).DefaultDERControlLink.href == f"{program}/dderc"
    (control,) = kit.inbox.controls.values()
    assert control.is_default
    assert control.interval.duration is None


async def test_a_default_control_is_replaced_and_taken_away(kit: Any) -> None:
    path = kit.program("fleet") + "/dderc"
    for mrid in ("D1", "D1", "D2"):
        assert (await kit.send("PUT", path, DEFAULT.format(mrid=mrid, base=FULL))).status == 204
    assert set(kit.inbox.controls) == {"sep2:D2"}
    assert (await kit.send("PUT", path, DEFAULT.format(mrid="D3", base=""))).status == 204
    assert kit.inbox.controls == {}
    assert (await kit.send("DELETE", path)).status == 204
    assert (await kit.send("GET", path)).status == 404
    assert (await kit.send("DELETE", path)).status == 404
    assert (await kit.get(kit.program("fleet"))).DefaultDERControlLink is None


async def test_bump_version_and_keep_mrid_on_any_change(kit: Any) -> None:
    path = kit.program("fleet") + "/dderc"
    for version in (None, 1, 2):
        assert (await kit.send("PUT", path, DEFAULT.format(mrid="D1", base=FULL))).status == 204
        found = await kit.get(path)
        assert (found.mRID, found.version) == ("D1", version)
