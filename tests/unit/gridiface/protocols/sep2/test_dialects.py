"""Editions: a draft client's documents become valid ones of 2018, and it is sent nothing that it does not know."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random

import pytest
from lxml import etree

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.sep2.der_codes import DERControlModes
from gridiface.protocols.sep2.dialects import (
    CSIP_AUS_1_3,
    DIALECTS,
    DRAFT_2017,
    EDITION_2013,
    Dialect,
    recognised,
)
from gridiface.protocols.sep2.primitives import NAMESPACE
from gridiface.protocols.sep2.resources import (
    ELEMENTS,
    ActivePower,
    CurveData,
    DefaultDERControl,
    DERCapability,
    DERControlBase,
    DERCurve,
    DERCurveList,
    DERSettings,
    DERStatus,
    EndDevice,
    EndDeviceList,
    PowerFactorWithExcitation,
    TextMessage,
)
from gridiface.protocols.xmlwire import decode, encode
from gridiface.protocols.xmlwire.samples import sample

OLD, FIRST = DIALECTS["2017"], DIALECTS["2013"]
CAPABILITY = f"""<DERCapability xmlns="{DRAFT_2017}"><modesSupported>00026801</modesSupported>
<rtgMinPF><displacement>-950</displacement><multiplier>-3</multiplier></rtgMinPF>
<rtgVA><multiplier>0</multiplier><value>5500</value></rtgVA>
<rtgW><multiplier>0</multiplier><value>5000</value></rtgW><type>4</type></DERCapability>"""


def names(body: bytes) -> set[str]:
    return {etree.QName(el).localname for el in etree.fromstring(body).iter()}


def test_a_draft_capability_is_read_with_its_names_order_and_bits() -> None:
    found = decode(OLD.inward(CAPABILITY.encode()), DERCapability)
    assert (found.rtgMaxW.value, found.rtgMaxVA.value if found.rtgMaxVA else None, found.type) == (5000, 5500, 4)
    assert found.rtgMinPFOverExcited is not None
    assert found.rtgMinPFOverExcited.displacement == 950
    modes = DERControlModes(found.modesSupported)
    assert modes == (
        DERControlModes.VOLT_VAR | DERControlModes.CONNECT | DERControlModes.MAX_LIM_W
        | DERControlModes.FIXED_VAR | DERControlModes.TARGET_W
    )  # fmt: skip


def test_what_was_read_goes_back_in_the_old_words() -> None:
    body = OLD.outward(OLD.inward(CAPABILITY.encode()))
    root = etree.fromstring(body)
    assert etree.QName(root).namespace == DRAFT_2017
    assert {"rtgW", "rtgVA", "rtgMinPF"} <= names(body)
    assert not {"rtgMaxW", "rtgMaxVA"} & names(body)
    assert root.findtext(f"{{{DRAFT_2017}}}modesSupported") == "00026801"


def test_a_draft_client_sees_no_prefix_and_the_order_of_its_own_schema() -> None:
    body = OLD.outward(encode(decode(OLD.inward(CAPABILITY.encode()), DERCapability)))
    assert re.findall(rb"<([A-Za-z]+)", body)[1:] == [
        b"modesSupported", b"rtgMinPF", b"displacement", b"multiplier", b"rtgVA", b"multiplier", b"value",
        b"rtgW", b"multiplier", b"value", b"type",
    ]  # fmt: skip
    for kind in (EndDevice, DERCurveList, DERCapability, DERSettings):
        out = OLD.outward(encode(sample(kind, Random(1))))
        assert out.count(b"xmlns") == 1, out
        assert not re.search(rb"</?\w+:", out), out


def test_what_stands_in_a_text_is_not_a_namespace() -> None:
    message = replace(sample(TextMessage, Random(1)), textMessage=f'see "{NAMESPACE}"')
    assert f'see "{NAMESPACE}"</textMessage>'.encode() in OLD.outward(encode(message))


def test_an_end_device_with_only_an_sfdi_is_read() -> None:
    body = f'<EndDevice xmlns="{DRAFT_2017}"><sFDI>167261211391</sFDI><changedTime>0</changedTime></EndDevice>'
    assert decode(OLD.inward(body.encode()), EndDevice).sFDI == 167261211391


def test_settings_lose_what_the_draft_does_not_know() -> None:
    settings = sample(DERSettings, Random(1))
    body = OLD.outward(encode(settings))
    assert not {"setMaxV", "setMinV", "setVNom", "setESRampTms", "setMinPFOverExcited"} & names(body)
    assert "setMinPF" in names(body)


@pytest.mark.parametrize(("excitation", "displacement"), [(True, "-95"), (False, "95")])
def test_a_power_factor_has_a_sign_instead_of_an_excitation(excitation: bool, displacement: str) -> None:
    base = DERControlBase(
        opModConnect=True,
        opModFixedPFInjectW=PowerFactorWithExcitation(displacement=95, excitation=excitation, multiplier=-2),
        opModExpLimW=ActivePower(multiplier=0, value=5),
    )
    control = ELEMENTS["DERControl"]
    whole = sample(control, Random(3), optionals=0)
    whole.derControlBase = base  # type: ignore[attr-defined]
    root = etree.fromstring(OLD.outward(encode(whole)))
    held = root.find(f".//{{{DRAFT_2017}}}opModFixedPF")
    assert held is not None
    assert held.findtext(f"{{{DRAFT_2017}}}displacement") == displacement
    assert held.find(f"{{{DRAFT_2017}}}excitation") is None
    assert "opModExpLimW" not in names(etree.tostring(root))


def test_curves_have_their_old_numbers_and_those_without_one_are_left_out() -> None:
    def curve(number: int) -> DERCurve:
        return DERCurve(mRID="01", creationTime=1, curveData=[CurveData(xvalue=1, yvalue=2)], curveType=number,
                        xMultiplier=0, yMultiplier=0, yRefType=3, vRef=5)  # fmt: skip

    body = OLD.outward(encode(DERCurveList(all=5, results=3, members=[curve(11), curve(1), curve(0)])))
    root = etree.fromstring(body)
    assert [el.text for el in root.iter(f"{{{DRAFT_2017}}}curveType")] == ["0", "1"]
    assert (root.get("all"), root.get("results")) == ("4", "2")
    assert "vRef" not in names(body)


@pytest.mark.parametrize("name", sorted(ELEMENTS))
def test_everything_that_is_written_keeps_its_form(name: str) -> None:
    body = encode(sample(ELEMENTS[name], Random(name), extensions=True), tag=name)
    root = etree.fromstring(OLD.outward(body))
    namespaces = {etree.QName(el).namespace for el in root.iter()}
    assert namespaces == {DRAFT_2017}


def children(body: bytes, namespace: str) -> dict[str, str]:
    """The text of each element of a document, by name."""
    return {etree.QName(el).localname: el.text or "" for el in etree.fromstring(body).iter(f"{{{namespace}}}*")}


@pytest.mark.parametrize("dialect", [OLD, FIRST])
@pytest.mark.parametrize(("theirs", "ours", "back"), [(4, 4, 4), (81, 81, 81), (82, 83, 82)])
def test_pv_with_storage_has_another_number_than_evse(dialect: Dialect, theirs: int, ours: int, back: int) -> None:
    body = CAPABILITY.replace("<type>4<", f"<type>{theirs}<").replace("-950", "950")
    if dialect is FIRST:
        body = body.replace(DRAFT_2017, EDITION_2013).replace("displacement", "value")
    found = decode(dialect.inward(body.encode()), DERCapability)
    assert found.type == ours
    assert f"<type>{back}</type>".encode() in dialect.outward(encode(found))
    found.type = 82
    assert b"<type>81</type>" in dialect.outward(encode(found))


def test_what_a_draft_client_puts_is_what_it_gets() -> None:
    body = f"""<DERCapability xmlns="{DRAFT_2017}"><modesSupported>00026801</modesSupported>
<rtgAbnormalCategory>3</rtgAbnormalCategory><rtgMinPF><displacement>950</displacement><multiplier>-3</multiplier></rtgMinPF>
<rtgMinPFNeg><displacement>-900</displacement><multiplier>-3</multiplier></rtgMinPFNeg><rtgNormalCategory>2</rtgNormalCategory>
<rtgOverExcitedPF><displacement>950</displacement><multiplier>-3</multiplier></rtgOverExcitedPF>
<rtgW><multiplier>0</multiplier><value>5000</value></rtgW><type>82</type></DERCapability>""".replace("\n", "")
    assert OLD.outward(encode(decode(OLD.inward(body.encode()), DERCapability))) == body.encode()


@pytest.mark.parametrize("dialect", [OLD, FIRST])
def test_the_category_of_a_device_has_its_old_name_and_place(dialect: Dialect) -> None:
    device = EndDevice(sFDI=167261211391, changedTime=5, deviceCategory=0x200000, lFDI="AB" * 20, href="/edev/1")
    out = dialect.outward(encode(device))
    assert re.findall(rb"<(\w+)", out)[1:] == [b"lFDI", b"loadShedDeviceCategory", b"sFDI", b"changedTime"]
    assert decode(dialect.inward(out), EndDevice) == device


def test_an_end_device_needs_no_changed_time_to_register() -> None:
    body = f'<EndDevice xmlns="{EDITION_2013}"><sFDI>167261211391</sFDI></EndDevice>'
    assert decode(FIRST.inward(body.encode()), EndDevice).sFDI == 167261211391


@pytest.mark.parametrize("dialect", [OLD, FIRST])
def test_a_posted_power_factor_says_by_its_sign_what_it_does(dialect: Dialect) -> None:
    base = DERControlBase(
        opModFixedPFInjectW=PowerFactorWithExcitation(displacement=95, excitation=True, multiplier=-2)
    )
    out = dialect.outward(encode(base, tag="DERControlBase"))
    assert b"<opModFixedPF><displacement>-95</displacement><multiplier>-2</multiplier></opModFixedPF>" in out
    assert decode(dialect.inward(out), DERControlBase) == base


def test_the_points_of_watt_pf_are_negative_where_var_are_absorbed() -> None:
    points = [CurveData(xvalue=20, yvalue=90, excitation=True), CurveData(xvalue=90, yvalue=95, excitation=False)]
    curve = DERCurve(
        mRID="01", creationTime=1, curveData=points, curveType=13, xMultiplier=0, yMultiplier=-2, yRefType=0
    )
    out = OLD.outward(encode(curve))
    assert re.findall(rb"<yvalue>(-?[0-9]+)", out) == [b"-90", b"95"]
    assert b"excitation" not in out
    assert decode(OLD.inward(out), DERCurve) == curve


def test_what_is_wider_in_2018_is_cut_to_what_the_draft_can_say() -> None:
    devices = [EndDevice(sFDI=number * 10, changedTime=1) for number in range(300)]
    out = etree.fromstring(OLD.outward(encode(EndDeviceList(all=70_000, results=300, members=devices))))
    assert (out.get("all"), out.get("results"), len(out)) == ("65535", "255", 255)
    default = sample(DefaultDERControl, Random(1), optionals=0)
    default.setESDelay, default.setESRandomDelay = 30_000, 90_000
    found = children(OLD.outward(encode(default)), DRAFT_2017)
    assert (found["setESDelay"], found["setESRandomDelay"]) == ("30000", "65535")


def test_a_curve_of_available_power_is_left_out_because_the_draft_cannot_say_it() -> None:
    curve = DERCurve(mRID="01", creationTime=1, curveData=[CurveData(xvalue=1, yvalue=2)], curveType=12,
                     xMultiplier=0, yMultiplier=0, yRefType=7)  # fmt: skip
    out = etree.fromstring(OLD.outward(encode(DERCurveList(all=1, results=1, members=[curve]))))
    assert (out.get("all"), out.get("results"), len(out)) == ("0", "0", 0)


def test_a_client_of_2013_has_names_and_numbers_of_its_own() -> None:
    body = f"""<DERCapability xmlns="{EDITION_2013}"><modesSupported>0001F009</modesSupported>
<rtgA><multiplier>0</multiplier><value>30</value></rtgA>
<rtgMaxChargeRate><multiplier>3</multiplier><value>4</value></rtgMaxChargeRate>
<rtgMaxDischargeRate><multiplier>3</multiplier><value>5</value></rtgMaxDischargeRate>
<rtgMinPF><multiplier>-2</multiplier><value>90</value></rtgMinPF>
<rtgMinPFNeg><multiplier>-2</multiplier><value>-80</value></rtgMinPFNeg>
<rtgVAr><multiplier>3</multiplier><value>2</value></rtgVAr><rtgW><multiplier>3</multiplier><value>5</value></rtgW>
<type>80</type></DERCapability>""".replace("\n", "")
    found = decode(FIRST.inward(body.encode()), DERCapability)
    modes = DERControlModes
    assert modes(found.modesSupported) == (
        modes.VOLT_VAR | modes.VOLT_WATT | modes.MAX_LIM_W | modes.FIXED_VAR | modes.FIXED_PF_INJECT_W
        | modes.FIXED_PF_ABSORB_W | modes.CHARGE | modes.DISCHARGE | modes.FIXED_W
    )  # fmt: skip
    assert (found.rtgMaxChargeRateW, found.rtgMaxDischargeRateW) == (
        ActivePower(multiplier=3, value=4),
        ActivePower(multiplier=3, value=5),
    )
    assert found.rtgMinPFUnderExcited is not None
    assert found.rtgMinPFUnderExcited.displacement == 80
    assert FIRST.outward(encode(found)) == body.encode()


def test_a_client_of_2013_gets_a_ceiling_as_fixed_w_and_a_set_point_as_fixed_flow() -> None:
    base = DERControlBase(
        opModConnect=True, opModFixedW=-500, opModMaxLimW=9000, opModTargetW=ActivePower(multiplier=0, value=5)
    )
    out = FIRST.outward(encode(base, tag="DERControlBase"))
    assert re.findall(rb"<(\w+)>(-?[0-9]+)<", out) == [(b"opModFixedFlow", b"-500"), (b"opModFixedW", b"9000")]
    assert decode(FIRST.inward(out), DERControlBase) == DERControlBase(opModFixedW=-500, opModMaxLimW=9000)


@pytest.mark.parametrize(("theirs", "bits"), [(0, 0), (1, 0), (2, 2), (3, 1), (4, 3), (5, 7), (6, 8)])
def test_how_a_client_of_2013_is_connected_is_a_number_and_here_bits(theirs: int, bits: int) -> None:
    body = f"""<DERStatus xmlns="{EDITION_2013}"><genConnectStatus><dateTime>5</dateTime><value>{theirs}</value>
</genConnectStatus><readingTime>5</readingTime></DERStatus>"""
    found = decode(FIRST.inward(body.encode()), DERStatus)
    assert found.genConnectStatus is not None
    assert found.genConnectStatus.value == bits
    shown = children(FIRST.outward(encode(found)), EDITION_2013)["value"]
    assert shown == str(max(theirs, 1))  # what says nothing is not connected


def test_settings_of_2013_lose_what_it_does_not_know() -> None:
    found = names(FIRST.outward(encode(sample(DERSettings, Random(1)))))
    assert {"setGradW", "setMaxW", "setMaxChargeRate", "setMaxVAr", "setMinPF", "updatedTime"} <= found
    assert not {"modesEnabled", "setSoftGradW", "setESDelay", "setMaxWh", "setMaxVar"} & found


def test_hostile_documents_are_refused_as_ever() -> None:
    for body in (b"<!DOCTYPE x><x/>", b"<x", b"", b"<a>" * 100 + b"</a>" * 100):
        with pytest.raises(RemoteProtocolError):
            OLD.inward(body)


def test_a_dialect_is_known_by_its_namespace() -> None:
    assert recognised(CAPABILITY.encode()) == "2017"
    assert recognised(CAPABILITY.replace('"', "'").encode()) == "2017"
    assert recognised(f'<x xmlns="{EDITION_2013}"/>'.encode()) == "2013"
    assert recognised(f'<x xmlns="urn:ieee:std:2030.5:ns" xmlns:c="{CSIP_AUS_1_3}"/>'.encode()) == "csipaus-1.3"
    assert recognised(b'<x xmlns="urn:ieee:std:2030.5:ns"/>') == ""
    assert recognised(b"<x/>") is None


def test_the_versioned_namespace_of_csip_aus_is_read_and_written() -> None:
    dialect = DIALECTS["csipaus-1.3"]
    ours = encode(DERControlBase(opModExpLimW=ActivePower(multiplier=0, value=5)), tag="DERControlBase")
    theirs = dialect.outward(ours)
    assert CSIP_AUS_1_3.encode() in theirs
    assert dialect.inward(theirs) == ours
