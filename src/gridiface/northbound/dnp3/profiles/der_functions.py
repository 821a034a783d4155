"""Which inputs of the DER profile belong to which function: while it is disabled they are not in effect.

IEEE 1815.2-2025, 6.1.1: the inputs of a function that is not enabled tell their values without ONLINE, but for the two
that say whether the function is supported and whether it is enabled. What belongs together is what the public lists
give one purpose.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

Span = tuple[int, int]

#: By enabling output: analog inputs, binary inputs, first and last.
_FUNCTIONS: Mapping[int, tuple[tuple[Span, ...], tuple[Span, ...]]] = {
    12: (((71, 76),), ()),  # voltage ride-through
    13: (((77, 82),), ()),  # frequency ride-through
    14: (((83, 101),), ()),  # dynamic reactive current support
    15: (((102, 114),), ()),  # dynamic volt-watt
    16: (((115, 141), (590, 593)), ((86, 87), (112, 112))),  # freq-watt
    17: (((142, 149), (619, 620)), ((113, 113),)),  # active power limit
    18: (((150, 162), (618, 618)), ((90, 90), (114, 114))),  # charge/discharge
    19: (((163, 175),), ()),  # coordinated charging
    20: (((176, 186), (584, 585)), ()),  # peak power limiting
    21: (((187, 197), (586, 587)), ()),  # load following
    22: (((198, 208), (588, 589)), ()),  # generation following
    23: (((209, 226),), ((91, 91),)),  # AGC
    24: (((227, 241),), ()),  # active power smoothing
    25: (((242, 256), (610, 617)), ((92, 92),)),  # volt-watt
    26: (((257, 276),), ((88, 89),)),  # freq-watt curve
    27: (((277, 283), (621, 621)), ((115, 115),)),  # constant vars
    28: (((284, 289),), ()),  # constant power factor
    29: (((290, 301), (594, 601)), ((93, 93),)),  # volt-var
    30: (((302, 311), (602, 609)), ()),  # watt-var
    31: (((312, 320),), ()),  # power factor correction
    32: (((321, 327),), ()),  # pricing
}


@cache
def functions() -> Mapping[str, str]:
    """The name of the enabling output by the name of each input of its function."""
    return {
        f"{kind}{index}": f"BO{output}"
        for output, spans in _FUNCTIONS.items()
        for kind, of_kind in zip(("AI", "BI"), spans, strict=True)
        for first, last in of_kind
        for index in range(first, last + 1)
    }
