"""Billing: what accounts, agreements, periods and billed readings must be. Clients read, the utility writes."""

from __future__ import annotations

from collections.abc import Mapping

from gridiface.northbound.sep2.published.preparing import Place, Rule
from gridiface.northbound.sep2.served.services import bad_value
from gridiface.protocols.sep2.enums import ChargeKind
from gridiface.protocols.sep2.resources import BillingPeriod, BillingReading, BillingReadingSet, CustomerAccount


def _check_account(account: CustomerAccount, place: Place) -> None:
    if account.currency > 999:
        raise bad_value("currency is a number of ISO 4217")


def _check_period(period: BillingPeriod, place: Place) -> None:
    start, end = period.interval.start, period.interval.start + period.interval.duration
    if start == end:
        raise bad_value("a billing period lasts at least a second")
    for other in place.members:
        if start < other.interval.start + other.interval.duration and other.interval.start < end:
            raise bad_value("billing periods of one agreement do not overlap")


def _check_set(readings: BillingReadingSet, place: Place) -> None:
    if not readings.timePeriod.duration:
        raise bad_value("a set of billed readings has a period")


def _check_reading(reading: BillingReading, place: Place) -> None:
    for charge in reading.charge:
        if charge.kind is not None and charge.kind not in set(ChargeKind):
            raise bad_value(f"charge kind {charge.kind} is not defined")
    key = (reading.timePeriod, reading.consumptionBlock, reading.touTier)
    if any((m.timePeriod, m.consumptionBlock, m.touTier) == key for m in place.members):
        raise bad_value("that period, block and tier has its reading already")


RULES: Mapping[type, Rule] = {
    CustomerAccount: _check_account,
    BillingPeriod: _check_period,
    BillingReadingSet: _check_set,
    BillingReading: _check_reading,
}
