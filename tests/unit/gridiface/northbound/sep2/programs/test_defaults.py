"""Default controls by the utility."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gridiface.domain.controls import ControlMode
from gridiface.domain.fleet import Capability

DEFAULT = (
    '<DefaultDERControl xmlns="urn:ieee:std:2030.5:ns"><mRID>{mrid}</mRID><DERControlBase>{base}</DERControlBase>'
    "<setGradW>27</setGradW><setSoftGradW>20</setSoftGradW></DefaultDERControl>"
)
CAPABILITY = (
    '<DERCapability xmlns="urn:ieee:std:2030.5:ns"><modesSupported>00500000</modesSupported><rtgMaxW><multiplier>0'
    "</multiplier><value>9000</value></rtgMaxW><type>4</type></DERCapability>"
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


ENTERING = (
    '<DefaultDERControl xmlns="urn:ieee:std:2030.5:ns"><mRID>E1</mRID><DERControlBase>{base}</DERControlBase>'
    "<setESDelay>12000</setESDelay><setESHighVolt>10500</setESHighVolt></DefaultDERControl>"
)


async def test_set_es_elements_of_a_default_control_are_settings_for_entering_service(kit: Any) -> None:
    path = kit.program("inv-1") + "/dderc"
    assert (await kit.send("PUT", kit.edev("inv-1") + "/der/1/dercap", CAPABILITY, by="inv-1")).status == 204
    assert (await kit.send("PUT", path, ENTERING.format(base=""))).status == 204
    (control,) = kit.inbox.controls.values()
    told = {mode.value: value.value for mode, value in control.values.items()}
    assert (told, control.is_default) == ({"enter_delay_s": 120.0, "enter_v_high": 105.0}, True)


async def test_where_nobody_can_enter_service_so_the_rest_of_the_default_control_holds(kit: Any) -> None:
    path, battery = kit.program("bat-1") + "/dderc", kit.fleet.known["bat-1"]
    able = battery.nameplate.capabilities - {Capability.ENTER_SERVICE}
    kit.fleet.known["bat-1"] = replace(battery, nameplate=replace(battery.nameplate, capabilities=able))
    assert (await kit.send("PUT", path, ENTERING.format(base=FULL))).status == 204
    (control,) = kit.inbox.controls.values()
    assert set(control.values) == {ControlMode.MAX_W_PERCENT}
    assert (await kit.get(path)).setESDelay == 12_000
