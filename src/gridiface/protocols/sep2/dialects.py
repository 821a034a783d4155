"""Documents of peers that speak another edition: pre-2018 namespaces, names and numbers, and CSIP-AUS with a version.

Pure: bytes in, bytes out. A document of a peer is turned into what the 2018 schema says before it is read, and what is
written for that peer is turned back and rid of everything that its edition does not know, because such clients end on
an element they have never seen. Numbers of curves and modes follow the public draft schema 2.0.4; the sign of its
power factor (EEI: minus absorbs var while delivering) is from memory. Of DERType only the numbers are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lxml import etree

from gridiface.protocols.sep2.der_codes import DERControlModes
from gridiface.protocols.sep2.primitives import CSIP_AUS, NAMESPACE
from gridiface.protocols.sep2.resources import ELEMENTS
from gridiface.protocols.xmlwire import DEFAULT_LIMITS, Limits, parse, spec_of

DRAFT_2017 = "http://ieee.org/2030.5"
EDITION_2013 = "http://zigbee.org/sep"
CSIP_AUS_1_3 = "https://csipaus.org/ns/v1.3"

#: 2018 name -> draft name, in the types where it was renamed.
_RENAMED: Mapping[str, Mapping[str, str]] = {
    "DERCapability": {
        "rtgMaxA": "rtgA",
        "rtgMaxAh": "rtgAh",
        "rtgMaxVA": "rtgVA",
        "rtgMaxVar": "rtgVar",
        "rtgMaxVarNeg": "rtgVarNeg",
        "rtgMaxW": "rtgW",
        "rtgMaxWh": "rtgWh",
        "rtgMinPFOverExcited": "rtgMinPF",
        "rtgMinPFUnderExcited": "rtgMinPFNeg",
    },
    "DERSettings": {"setMinPFOverExcited": "setMinPF", "setMinPFUnderExcited": "setMinPFNeg"},
    "DERControlBase": {"opModFixedPFInjectW": "opModFixedPF"},
}
_BACK = {kind: {old: new for new, old in names.items()} for kind, names in _RENAMED.items()}
#: What a draft client has never heard of, by the element that holds it.
_UNKNOWN: Mapping[str, frozenset[str]] = {
    "EndDevice": frozenset({"postRate", "deviceCategory"}),
    "SelfDevice": frozenset({"deviceCategory"}),
    "DERControl": frozenset({"deviceCategory"}),
    "DERStatus": frozenset({"alarmStatus"}),
    "DERCurve": frozenset({"autonomousVRefEnable", "autonomousVRefTimeConstant", "vRef"}),
    "CurveData": frozenset({"excitation"}),
    "DeviceInformation": frozenset({"gpsLocation"}),
    "DERCapability": frozenset(
        {
            "rtgAbnormalCategory",
            "rtgMaxV",
            "rtgMinV",
            "rtgNormalCategory",
            "rtgOverExcitedPF",
            "rtgOverExcitedW",
            "rtgReactiveSusceptance",
            "rtgUnderExcitedPF",
            "rtgUnderExcitedW",
            "rtgVNom",
        }
    ),
    "DERSettings": frozenset({"setESRampTms", "setMaxV", "setMinV", "setVNom"}),
    "DefaultDERControl": frozenset({"setESRampTms"}),
    "DERControlBase": frozenset(
        {"opModFixedPFAbsorbW", "opModHFRTMayTrip", "opModHVRTMayTrip", "opModLFRTMayTrip", "opModLVRTMayTrip"}
    ),
}
#: 2018 curveType -> draft curveType; the others have no place in the draft.
_CURVES: Mapping[int, int] = {11: 0, 0: 1, 13: 2, 12: 3, 9: 4, 10: 5, 4: 6, 5: 7, 7: 8, 2: 9, 14: 10}
_CURVES_BACK = {old: new for new, old in _CURVES.items()}
_M = DERControlModes
#: Draft bit of DERControlType -> the 2018 mode.
_MODES: tuple[DERControlModes, ...] = (
    _M.VOLT_VAR,
    _M.FREQ_WATT,
    _M.FREQ_DROOP,
    _M.WATT_PF,
    _M.VOLT_WATT,
    _M.LVRT_MOMENTARY_CESSATION,
    _M.LVRT_MUST_TRIP,
    _M.HVRT_MOMENTARY_CESSATION,
    _M.HVRT_MUST_TRIP,
    _M.LFRT_MUST_TRIP,
    _M.HFRT_MUST_TRIP,
    _M.CONNECT,
    _M.ENERGIZE,
    _M.MAX_LIM_W,
    _M.FIXED_VAR,
    _M.FIXED_PF_INJECT_W,
    _M.FIXED_W,
    _M.TARGET_W,
    _M.TARGET_VAR,
    _M.CHARGE,
    _M.DISCHARGE,
    _M.WATT_VAR,
)
_MODE_FIELDS = frozenset({"modesSupported", "modesEnabled"})
_PF_FIELDS = frozenset({"rtgMinPFOverExcited", "rtgMinPFUnderExcited", "setMinPFOverExcited", "setMinPFUnderExcited"})
_OWN_LIMITS = Limits(octets=64 * 1024 * 1024, tags=4_000_000)


@dataclass(frozen=True, slots=True)
class Dialect:
    """One edition.

    Attributes:
        name: for the configuration and for people.
        inward: a document of the peer as one of 2018; outward: the reverse. RemoteProtocolError where it cannot be
            read.
    """

    name: str
    inward: Callable[[bytes], bytes]
    outward: Callable[[bytes], bytes]


def _local(el: Any) -> str:
    return str(etree.QName(el).localname)


def _draft_in(namespace: str, body: bytes) -> bytes:
    root = parse(body, DEFAULT_LIMITS)
    for el in root.iter():
        name = etree.QName(el)
        if name.namespace == namespace:
            el.tag = f"{{{NAMESPACE}}}{name.localname}"
    for el in root.iter():
        kind = _type_of(el)
        _rename(el, _BACK.get(kind, {}))
        _values_in(el)
        if kind in _BACK:
            _sort(el, kind)
    etree.cleanup_namespaces(root)
    return etree.tostring(root, encoding="utf-8", xml_declaration=False)


def _draft_out(namespace: str, body: bytes) -> bytes:
    root = parse(body, _OWN_LIMITS)
    for el in list(root.iter()):
        kind = _type_of(el)
        unknown = _UNKNOWN.get(kind, frozenset())
        for child in list(el):
            if _local(child) in unknown or etree.QName(child).namespace == CSIP_AUS or _has_no_number(child):
                el.remove(child)
        _values_out(el)
        if kind in _RENAMED:
            _rename(el, _RENAMED[kind])
            # The draft has the elements of these types by their names.
            el[:] = sorted(el, key=lambda child: _local(child).casefold())
    _drop_curves(root)
    text = bytes(etree.tostring(root, encoding="utf-8", xml_declaration=False))
    # The namespace is declared once, by the root, and stays the default one: such clients know no prefixes.
    head, end, rest = text.partition(b">")
    return head.replace(f'"{NAMESPACE}"'.encode(), f'"{namespace}"'.encode()) + end + rest


def _type_of(el: Any) -> str:
    """The type by which children are known: that of xsi:type where it is given, else the element's own name."""
    given = el.get("{http://www.w3.org/2001/XMLSchema-instance}type")
    return str(given).rpartition(":")[2] if given else _local(el)


def _rename(el: Any, names: Mapping[str, str]) -> None:
    for child in el:
        name = etree.QName(child)
        if name.localname in names:
            child.tag = f"{{{name.namespace}}}{names[name.localname]}"


def _sort(el: Any, kind: str) -> None:
    """In the draft renamed elements stand elsewhere; unknown ones are left out."""
    places = {f.wire: place for place, f in enumerate(spec_of(ELEMENTS[kind]).elements)}
    known = [child for child in el if _local(child) in places]
    for child in list(el):
        el.remove(child)
    el.extend(sorted(known, key=lambda child: places[_local(child)]))


def _values_in(el: Any) -> None:
    for child in el:
        name = _local(child)
        if name == "curveType":
            child.text = str(_CURVES_BACK.get(_number(child), 255))
        elif name in _MODE_FIELDS:
            bits = _number(child, 16)
            modes = sum(int(mode) for bit, mode in enumerate(_MODES) if bits >> bit & 1)
            if modes & _M.FIXED_PF_INJECT_W:
                modes |= int(_M.FIXED_PF_ABSORB_W)
            child.text = f"{modes:08X}"
        elif name in _PF_FIELDS:
            for part in child:
                if _local(part) == "displacement":
                    part.text = str(abs(_number(part)))


def _values_out(el: Any) -> None:
    for child in el:
        name = _local(child)
        if name == "curveType":
            child.text = str(_CURVES.get(_number(child), 255))
        elif name in _MODE_FIELDS:
            modes = _number(child, 16)
            child.text = f"{sum(1 << bit for bit, mode in enumerate(_MODES) if modes & mode):08X}"
        elif name == "opModFixedPFInjectW":
            _signed_power_factor(child)


def _signed_power_factor(el: Any) -> None:
    """The draft has no excitation: its displacement is negative where var are absorbed."""
    parts = {_local(part): part for part in el}
    excitation, displacement = parts.get("excitation"), parts.get("displacement")
    if excitation is None or displacement is None:
        return
    if (excitation.text or "").strip() in {"true", "1"}:
        displacement.text = str(-_number(displacement))
    el.remove(excitation)


def _has_no_number(el: Any) -> bool:
    """Whether it is a curve that the draft has no number for."""
    if _local(el) != "DERCurve":
        return False
    return any(_local(child) == "curveType" and _number(child) not in _CURVES for child in el)


def _drop_curves(root: Any) -> None:
    """Curves that were left out are not counted either."""
    if _local(root) == "DERCurveList":
        here = sum(1 for child in root if _local(child) == "DERCurve")
        left_out = int(root.get("results", here)) - here
        root.set("results", str(here))
        root.set("all", str(max(here, int(root.get("all", here)) - left_out)))


def _number(el: Any, base: int = 10) -> int:
    try:
        return int((el.text or "0").strip() or "0", base)
    except ValueError:
        return 0


def _replacing(old: str, new: str) -> Callable[[bytes], bytes]:
    before, after = f'"{old}"'.encode(), f'"{new}"'.encode()
    return lambda body: body.replace(before, after)


def _drafted(namespace: str) -> Dialect:
    return Dialect(
        name={DRAFT_2017: "2017", EDITION_2013: "2013"}[namespace],
        inward=lambda body: _draft_in(namespace, body),
        outward=lambda body: _draft_out(namespace, body),
    )


DIALECTS: Mapping[str, Dialect] = {
    "2017": _drafted(DRAFT_2017),
    "2013": _drafted(EDITION_2013),
    "csipaus-1.3": Dialect(
        "csipaus-1.3", inward=_replacing(CSIP_AUS_1_3, CSIP_AUS), outward=_replacing(CSIP_AUS, CSIP_AUS_1_3)
    ),
}
"""By name."""

_SIGNS = (
    (f'"{DRAFT_2017}"'.encode(), "2017"),
    (f'"{EDITION_2013}"'.encode(), "2013"),
    (f'"{CSIP_AUS_1_3}"'.encode(), "csipaus-1.3"),
)
_STANDARD = f'"{NAMESPACE}"'.encode()


def recognised(body: bytes) -> str | None:
    """The dialect of a document by the namespaces it names: a name of DIALECTS, "" for plain 2018, None for neither."""
    head = body[:4096].replace(b"'", b'"')
    found = next((name for sign, name in _SIGNS if sign in head), None)
    return found if found is not None else ("" if _STANDARD in head else None)
