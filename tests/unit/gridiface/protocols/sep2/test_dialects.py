"""Editions: a draft client's documents become valid ones of 2018, and it is sent nothing that it does not know."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random

import pytest
from lxml import etree

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.sep2.der_codes import DERControlModes
from gridiface.protocols.sep2.dialects import CSIP_AUS_1_3, DIALECTS, DRAFT_2017, EDITION_2013, recognised
from gridiface.protocols.sep2.primitives import NAMESPACE
from gridiface.protocols.sep2.resources import (
    ELEMENTS,
    ActivePower,
    CurveData,
    DERCapability,
    DERControlBase,
    DERCurve,
    DERCurveList,
    DERSettings,
    EndDevice,
    PowerFactorWithExcitation,
    TextMessage,
)
from gridiface.protocols.xmlwire import decode, encode
from gridiface.protocols.xmlwire.samples import sample

OLD = DIALECTS["2017"]
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
