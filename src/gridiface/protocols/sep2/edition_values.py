"""Values that older editions of IEEE 2030.5 write otherwise: numbers of curves, mode bits, signs of power factors.

Functions on one element of a parsed document, by the element's name; both ways end in the other edition's text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from operator import or_
from typing import Any

from lxml import etree

from gridiface.protocols.sep2.der_codes import DERControlModes
from gridiface.protocols.sep2.editions import TYPES, TYPES_BACK, WIDE, Edition
from gridiface.protocols.sep2.primitives import NAMESPACE

#: What is done to one element.
Change = Callable[[Edition, Any], None]
_LIMITS = ("rtgMinPFOverExcited", "rtgMinPFUnderExcited", "rtgOverExcitedPF", "rtgUnderExcitedPF",
           "setMinPFOverExcited", "setMinPFUnderExcited")  # fmt: skip
#: curveType of Watt-PF in 2018; and one that nobody has.
_WATT_PF, _NO_CURVE = 13, 255


def local(el: Any) -> str:
    """An element's name without its namespace."""
    return str(etree.QName(el).localname)


def parts(el: Any, name: str) -> list[Any]:
    """The children of this name."""
    return [child for child in el if local(child) == name]


def number(el: Any, base: int = 10) -> int:
    """The number that an element holds; 0 where it holds none."""
    try:
        return int((el.text or "0").strip() or "0", base)
    except ValueError:
        return 0


# --- from an older edition --------------------------------------------------------------------------------------------


def _curve_type_in(edition: Edition, el: Any) -> None:
    back = {old: new for new, old in edition.curves.items()}
    el.text = str(back.get(number(el), _NO_CURVE))


def _curve_in(edition: Edition, el: Any) -> None:
    """The points of a Watt-PF curve: what was negative absorbs."""
    back = {old: new for new, old in edition.curves.items()}
    if any(back.get(number(part)) == _WATT_PF for part in parts(el, "curveType")):
        for point in parts(el, "CurveData"):
            absorbs = [_without_sign(y) for y in parts(point, "yvalue")]
            point.insert(0, _excitation(absorbs=any(absorbs)))


def _modes_in(edition: Edition, el: Any) -> None:
    bits = number(el, 16)
    chosen = (mode | implied for bit, (mode, implied) in edition.modes.items() if bits >> bit & 1)
    el.text = f"{reduce(or_, chosen, DERControlModes(0)):08X}"


def _type_in(edition: Edition, el: Any) -> None:
    el.text = str(TYPES_BACK.get(number(el), number(el)))


def _limit_in(edition: Edition, el: Any) -> None:
    """A power factor without its sign; the edition of 2013 writes `multiplier` and `value`."""
    for part in parts(el, "value"):
        part.tag = f"{{{NAMESPACE}}}displacement"
        el.insert(0, part)
    for part in parts(el, "displacement"):
        _without_sign(part)


def _fixed_in(edition: Edition, el: Any) -> None:
    held = parts(el, "displacement")
    if held:
        absorbs = [_without_sign(part) for part in held]
        held[0].addnext(_excitation(absorbs=any(absorbs)))


def _connection_in(edition: Edition, el: Any) -> None:
    for part in parts(el, "value") if edition.connections else ():
        part.text = f"{edition.connections.get(number(part), 0):02X}"


def _without_sign(el: Any) -> bool:
    """Make a number positive; whether it was negative."""
    value = number(el)
    el.text = str(abs(value))
    return value < 0


def _excitation(*, absorbs: bool) -> Any:
    made = etree.Element(f"{{{NAMESPACE}}}excitation")
    made.text = "true" if absorbs else "false"
    return made


# --- to an older edition ----------------------------------------------------------------------------------------------


def _curve_type_out(edition: Edition, el: Any) -> None:
    el.text = str(edition.curves.get(number(el), _NO_CURVE))


def _point_out(edition: Edition, el: Any) -> None:
    if _absorbs(el):
        for y in parts(el, "yvalue"):
            y.text = str(-number(y))


def _modes_out(edition: Edition, el: Any) -> None:
    modes = number(el, 16)
    el.text = f"{sum(1 << bit for bit, (mode, _) in edition.modes.items() if modes & mode):08X}"


def _type_out(edition: Edition, el: Any) -> None:
    el.text = str(TYPES.get(number(el), number(el)))


def _limit_out(edition: Edition, el: Any) -> None:
    for part in parts(el, "displacement"):
        if local(el).endswith("UnderExcited"):
            part.text = str(-number(part))
        if edition.fixed_points:
            part.tag = f"{{{NAMESPACE}}}value"
            el.append(part)


def _fixed_out(edition: Edition, el: Any) -> None:
    """Older editions have no excitation: what is negative absorbs var."""
    for part in parts(el, "displacement") if _absorbs(el) else ():
        part.text = str(-number(part))
    for part in parts(el, "excitation"):
        el.remove(part)


def _wide_out(edition: Edition, el: Any) -> None:
    el.text = str(min(number(el), WIDE))


def _connection_out(edition: Edition, el: Any) -> None:
    for part in parts(el, "value") if edition.connections else ():
        bits = number(part, 16)
        part.text = str(next((n for n, held in reversed(tuple(edition.connections.items())) if bits & held == held), 0))


def _absorbs(el: Any) -> bool:
    return any((part.text or "").strip() in {"true", "1"} for part in parts(el, "excitation"))


#: By the element's 2018 name or type, or by the type that it stands in and its name.
INWARD: Mapping[str, Change] = {
    "DERCurve": _curve_in,
    "curveType": _curve_type_in,
    "modesSupported": _modes_in,
    "modesEnabled": _modes_in,
    "DERCapability/type": _type_in,
    "opModFixedPFInjectW": _fixed_in,
    "genConnectStatus": _connection_in,
    "storConnectStatus": _connection_in,
    **dict.fromkeys(_LIMITS, _limit_in),
}
OUTWARD: Mapping[str, Change] = {
    "CurveData": _point_out,
    "curveType": _curve_type_out,
    "modesSupported": _modes_out,
    "modesEnabled": _modes_out,
    "DERCapability/type": _type_out,
    "opModFixedPFInjectW": _fixed_out,
    "setESDelay": _wide_out,
    "setESRandomDelay": _wide_out,
    "Subscription/limit": _wide_out,
    "genConnectStatus": _connection_out,
    "storConnectStatus": _connection_out,
    **dict.fromkeys(_LIMITS, _limit_out),
}
