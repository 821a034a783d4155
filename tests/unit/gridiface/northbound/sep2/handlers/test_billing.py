"""Billing: read by the customer's devices, written by the utility; what is active follows the clock."""

from __future__ import annotations

from typing import Any

import pytest

NS = 'xmlns="urn:ieee:std:2030.5:ns"'


def period(start: float, duration: int) -> str:
    return f"<BillingPeriod {NS}><interval><duration>{duration}</duration><start>{int(start)}</start></interval></BillingPeriod>"  # noqa: E501 - one element


async def test_an_account_leads_to_everything_below_it(sets: Any) -> None:
    by = "inv-1"
    account = (await sets.get("/bill", by=by)).members[0]
    assert (await sets.get(account.ServiceSupplierLink.href, by=by)).phone == "1"
    agreement = (await sets.get(account.CustomerAgreementListLink.href, by=by)).members[0]
    for link in ("BillingPeriodListLink", "HistoricalReadingListLink", "ProjectionReadingListLink",
                 "TargetReadingListLink", "ActiveBillingPeriodListLink"):  # fmt: skip
        assert (await sets.get(getattr(agreement, link).href, by=by)).all == 1, link
    assert (await sets.get("/brs/1/br", by=by)).members[0].charge[0].value == 9


async def test_the_active_period_follows_the_clock(sets: Any) -> None:
    path = "/bill/1/ca/1"
    await sets.post(f"{path}/bp", period(sets.NOW + 86400 - 3600, 86400))
    assert [p.href for p in (await sets.get(f"{path}/actbp?l=9")).members] == [f"{path}/bp/1"]
    due = sets.core.next_timer(sets.clock.time)
    assert due is not None
    sets.at(86400 - 3600)
    assert [p.href for p in (await sets.get(f"{path}/actbp?l=9")).members] == [f"{path}/bp/2"]
    other = await sets.restarted()
    assert [p.href for p in (await other.get(f"{path}/actbp?l=9")).members] == [f"{path}/bp/2"]


async def test_periods_do_not_overlap_and_readings_are_not_doubled(sets: Any) -> None:
    path = "/bill/1/ca/1/bp"
    assert (await sets.send("POST", path, period(sets.NOW, 60))).status == 400
    assert (await sets.send("POST", path, period(sets.NOW + 999999, 0))).status == 400
    assert (await sets.send("PUT", f"{path}/1", period(sets.NOW, 60))).status == 204
    assert (await sets.send("POST", "/brs/1/br", sets.bodies.BILLING[-1][1])).status == 400


async def test_links_of_an_agreement_lead_somewhere_and_vanish_with_what_they_lead_to(sets: Any) -> None:
    body = (
        f"<CustomerAgreement {NS}><mRID>B200</mRID><serviceLocation>There</serviceLocation>"
        '<TariffProfileLink href="{}"/></CustomerAgreement>'
    )
    assert (await sets.send("POST", "/bill/1/ca", body.format("/tp/77"))).status == 400
    await sets.post("/bill/1/ca", body.format("/tp/1"))
    assert (await sets.get("/bill/1/ca/2", by="inv-1")).TariffProfileLink.href == "/tp/1"
    sets.at(5000)
    await sets.send("DELETE", "/tp/1")
    assert (await sets.get("/bill/1/ca/2", by="inv-1")).TariffProfileLink is None


@pytest.mark.parametrize("by", ["inv-1", "aggregator"])
async def test_a_customer_writes_nothing(sets: Any, by: str) -> None:
    before = sets.documents()
    for target, body in sets.bodies.BILLING:
        assert (await sets.send("POST", target, body, by=by)).status == 403
    assert (await sets.send("DELETE", "/bill/1", by=by)).status == 403
    assert sets.documents() == before
