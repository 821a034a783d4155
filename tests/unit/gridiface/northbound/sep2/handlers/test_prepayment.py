"""Prepayment: the parts that must be there are, a token counts once, overrides follow the clock."""

from __future__ import annotations

from typing import Any

NS = 'xmlns="urn:ieee:std:2030.5:ns"'


async def test_balance_and_operation_are_there_from_the_start(kit: Any) -> None:
    await kit.post(*kit.bodies.PREPAYMENT[0])
    supply = (await kit.get("/ppy", by="inv-1")).members[0]
    assert (await kit.get(supply.AccountBalanceLink.href, by="inv-1")).availableCredit.value == 0
    assert (await kit.get(supply.PrepayOperationStatusLink.href, by="inv-1")).serviceStatus == 0
    assert (supply.CreditRegisterListLink.all, supply.SupplyInterruptionOverrideListLink.all) == (0, 0)
    assert supply.ActiveCreditRegisterListLink is None  # the standard has no resource for it


async def test_credit_is_the_utilitys_and_a_token_counts_once(sets: Any) -> None:
    target, body = sets.bodies.PREPAYMENT[2]
    assert (await sets.send("POST", target, body.replace("A101", "A102"))).status == 400
    assert (await sets.send("POST", target, body.replace("A101", "A103"), by="inv-1")).status == 403
    assert (await sets.get("/ppy/1/ab", by="inv-1")).availableCredit.value == 1500


async def test_an_override_is_active_in_its_time(sets: Any) -> None:
    assert (await sets.get("/ppy/1/actsi", by="inv-1")).all == 1
    sets.at(7200 - 60)
    assert (await sets.get("/ppy/1/actsi", by="inv-1")).all == 0
    assert (await sets.get("/ppy/1/si", by="inv-1")).all == 1


async def test_unknown_words_are_refused(sets: Any) -> None:
    for path, body, wrong in (
        ("ab", sets.bodies.BALANCE, ("</availableCredit>", "</availableCredit><creditStatus>9</creditStatus>")),
        ("os", sets.bodies.OPERATION, ("<serviceStatus>0", "<serviceStatus>99")),
    ):
        assert (await sets.send("PUT", f"/ppy/1/{path}", body.replace(*wrong))).status == 400
    prepay = sets.bodies.PREPAYMENT[0][1].replace("A100", "A200")
    assert (await sets.send("POST", "/ppy", prepay.replace("<prepayMode>0", "<prepayMode>9"))).status == 400
