"""What IEEE 2030.5 events say in one line, and what a default control would say instead of what it says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gridiface.operator.screens.sep2_elements import BASE, CURVES, LOAD, SETTINGS, read
from gridiface.operator.screens.sep2_sheet import Sheet
from gridiface.operator.screens.sep2_sheets import CURRENCIES, MESSAGE, PRICE


def words_of(sheet: Sheet, event: Mapping[str, Any]) -> str:
    """One event in one line: a message's text, a price with its currency, what a load control asks for."""
    filled = sheet.filled(event)
    if sheet is MESSAGE:
        return filled["text"]
    if sheet is PRICE:
        number = filled["currency"]
        name = CURRENCIES.get(int(number), f"of currency {number}") if number.isdecimal() else ""
        return f"{filled['price'] or 'no price'} {name} per kWh"
    said = [
        f"{one.label.lower()} {dict(one.shape.options).get(filled[one.path], filled[one.path])} {one.unit}".strip()
        for one in LOAD
        if one.path in filled
    ]
    return ", ".join(said) or "nothing"


def changes(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """What differs of a default control: (label, unit, now, then), values as a form has them.

    Args:
        now: the DefaultDERControl as it is.
        then: the body that would set it: base, more.
    """
    base = (*BASE, *CURVES)
    before = read(now.get("DERControlBase") or {}, base) | read(now, SETTINGS)
    after = read(then["base"], base) | read(then["more"], SETTINGS)
    return [
        (one.label, one.unit, before.get(one.path, ""), after.get(one.path, ""))
        for one in (*base, *SETTINGS)
        if before.get(one.path, "") != after.get(one.path, "")
    ]
