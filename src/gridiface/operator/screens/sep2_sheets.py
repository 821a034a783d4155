"""The forms of IEEE 2030.5's events: messages, prices, demand response; and all forms by name. Declared. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from gridiface.domain.quantities import from_power_of_ten
from gridiface.operator.areas.sep2_resources import NewDrEvent, NewMessage, NewPrice
from gridiface.operator.screens import sep2_elements as elements
from gridiface.operator.screens.forms import Form, checked, wrong
from gridiface.operator.screens.sep2_elements import Field
from gridiface.operator.screens.sep2_program_sheets import CURVE, DEFAULT
from gridiface.operator.screens.sep2_sheet import MINUTES, RANDOM, START, WHOM, Sheet, interval_fields, timed, whole
from gridiface.protocols.sep2.enums import DeviceCategory, MessagePriority

# --- messages, prices, demand response --------------------------------------------------------------------------------


def _message_body(form: Form, was: Mapping[str, Any]) -> BaseModel:
    body = {
        "text": " ".join(form.lines("text")[:5_000].split()),
        "language": form.text("language", "en"),
        "priority": whole(form, "priority", MessagePriority.NORMAL),
        "originator": form.text("originator") or None,
    }
    return checked(NewMessage, timed(form) | body)


def _message_filled(message: Mapping[str, Any]) -> dict[str, str]:
    return interval_fields(message) | {
        "text": str(message.get("textMessage", "")),
        "priority": str(message.get("priority", 1)),
        "originator": str(message.get("originator") or ""),
        "language": str((message.get("source") or {}).get("locale") or "en"),
    }


MESSAGE = Sheet(
    name="messages",
    noun="message",
    title="Message",
    lead="A text to people at devices; they are asked to acknowledge it.",
    root="/msg",
    listed=("TextMessageListLink",),
    event=True,
    fields=(
        WHOM,
        Field(name="text", label="Text", kind="area", required=True, wide=True, says=("textMessage", "the text"),
              hint="up to 1000 characters"),
        Field(name="priority", label="Priority", kind="select",
              options=[(str(one.value), one.name.lower()) for one in MessagePriority]),
        Field(name="language", label="Language", most=16, required=True, says=("locale",), hint="such as en or de-AT"),
        START,
        MINUTES,
        Field(name="originator", label="Sender", most=20, hint="as devices show it; up to 20 characters"),
    ),
    body=_message_body,
    filled=_message_filled,
)  # fmt: skip

#: Currencies that the form names; any number of ISO 4217 may be written.
CURRENCIES = {36: "AUD", 124: "CAD", 392: "JPY", 554: "NZD", 756: "CHF", 826: "GBP", 840: "USD", 978: "EUR"}


def _price_body(form: Form, was: Mapping[str, Any]) -> BaseModel:
    price = form.number("price")
    if price is None:
        raise wrong("price", "no price is given", "write what a kWh costs")
    body = {"price": price, "currency": whole(form, "currency", 840), "tier": whole(form, "tier")}
    return checked(NewPrice, timed(form) | body)


def _price_filled(tariff: Mapping[str, Any]) -> dict[str, str]:
    source = tariff.get("source") or {}
    blocks = tariff.get("below") or [{}]
    price = blocks[0].get("price")
    power = source.get("pricePowerOfTenMultiplier") or 0
    return interval_fields(tariff) | {
        "price": "" if price is None else f"{from_power_of_ten(price, power):.10g}",
        "currency": str(source.get("currency") or 840),
        "tier": str(tariff.get("touTier", 0)),
    }


PRICE = Sheet(
    name="prices",
    noun="price",
    title="Price",
    lead="What a kWh costs for a time; devices decide themselves what they make of it.",
    root="/tp",
    listed=("RateComponentListLink", "TimeTariffIntervalListLink", "ConsumptionTariffIntervalListLink"),
    event=True,
    fields=(
        WHOM,
        Field(name="price", label="Price", kind="number", unit="per kWh", required=True),
        Field(name="currency", label="Currency", kind="number", required=True,
              hint="number of ISO 4217: " + ", ".join(f"{number} {name}" for number, name in CURRENCIES.items())),
        Field(name="tier", label="Tier", kind="number", says=("touTier",), hint="touTier, 0 to 15"),
        START,
        MINUTES,
    ),
    body=_price_body,
    filled=_price_filled,
)  # fmt: skip


def _load_body(form: Form, was: Mapping[str, Any]) -> BaseModel:
    asked = elements.written(form, elements.LOAD)
    if not asked:
        raise wrong("DutyCycle.normalValue", "it asks for nothing", "fill in at least one of what it may ask for")
    body = {
        "asked": asked,
        "category": form.text("category") or "00000000",
        "mandatory": form.ticked("mandatory"),
        "primacy": whole(form, "primacy"),
        "randomize_start": whole(form, "randomize_start"),
        "randomize_duration": whole(form, "randomize_duration"),
    }
    return checked(NewDrEvent, timed(form) | body)


def _load_filled(event: Mapping[str, Any]) -> dict[str, str]:
    return (
        interval_fields(event)
        | elements.read(event, elements.LOAD)
        | {
            "category": str(event.get("deviceCategory") or "00000000").zfill(8),
            "mandatory": "1" if event.get("drProgramMandatory") else "",
            "primacy": str((event.get("source") or {}).get("primacy", 0)),
        }
    )


LOAD = Sheet(
    name="demand-response",
    noun="demand response event",
    title="Demand response event",
    lead="It asks loads to use less, or at another time (EndDeviceControl).",
    root="/dr",
    listed=("EndDeviceControlListLink",),
    event=True,
    fields=(
        WHOM,
        *(one.field for one in elements.LOAD),
        Field(name="category", label="Kind of device", kind="select", says=("deviceCategory",),
              options=[("00000000", "every kind"), *((f"{one.value:08X}", str(one.name).replace("_", " ").lower())
                       for one in DeviceCategory)]),
        START,
        MINUTES,
        Field(name="mandatory", label="devices must take part", kind="tick", says=("drProgramMandatory",)),
    ),
    more=(*RANDOM, Field(name="primacy", label="Primacy", kind="number", hint="of its program; the lower rules")),
    body=_load_body,
    filled=_load_filled,
)  # fmt: skip

SHEETS = {one.name: one for one in (CURVE, DEFAULT, MESSAGE, PRICE, LOAD)}
