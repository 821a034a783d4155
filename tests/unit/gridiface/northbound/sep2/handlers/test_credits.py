"""Credits of prepaid supplies: vouched for by the utility, or by a device where a verifier finds its token good."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gridiface.northbound.sep2.credit_tokens import TokenOffer, TokenVerdict
from gridiface.northbound.sep2.settings import PrepaymentSettings

CREDITS = "/ppy/1/cr"


class Verifier:
    """Finds what begins with "good" good, and remembers what it was asked."""

    def __init__(self) -> None:
        self.offers: list[TokenOffer] = []
        self.fails: Exception | None = None
        self.waits: asyncio.Event | None = None
        self.inside = 0

    async def verify(self, offer: TokenOffer) -> TokenVerdict:
        self.offers.append(offer)
        self.inside += 1
        assert self.inside == 1, "one at a time"
        if self.waits is not None:
            await self.waits.wait()
        await asyncio.sleep(0)
        self.inside -= 1
        if self.fails is not None:
            raise self.fails
        return TokenVerdict(accepted=offer.token.startswith("good"), reason="unknown voucher")


async def supplied(make_kit: Any, verifier: Verifier | None, within_s: float = 30.0) -> Any:
    kit = await make_kit(prepayment=PrepaymentSettings(verifier=verifier, within_s=within_s))
    await kit.post(*kit.bodies.PREPAYMENT[0])
    return kit


def credit(kit: Any, mrid: str, token: str) -> str:
    body: str = kit.bodies.PREPAYMENT[2][1]
    return body.replace("A101", mrid).replace("<token>1234<", f"<token>{token}<")


async def test_without_a_verifier_a_device_adds_nothing_and_nobody_verifies_the_utility(make_kit: Any) -> None:
    kit = await supplied(make_kit, None)
    assert (await kit.send("POST", CREDITS, credit(kit, "A1", "good"), by="inv-1")).status == 403
    assert (await kit.get(CREDITS)).all == 0
    await kit.post(CREDITS, credit(kit, "A1", "anything"))


async def test_a_credit_is_there_once_its_token_is_found_good(make_kit: Any) -> None:
    verifier = Verifier()
    kit = await supplied(make_kit, verifier)
    path = await kit.post(CREDITS, credit(kit, "A1", "good-1"), by="inv-1")
    (offer,) = verifier.offers
    assert (offer.token, offer.amount, offer.monetary_unit, offer.energy_wh) == ("good-1", 15.0, 840, None)
    assert (offer.lfdi, offer.prepayment, offer.effective) == (kit.lfdi["inv-1"], "A100", int(kit.NOW))
    for each in (kit, await kit.restarted()):
        assert (await each.get(path, by="inv-2")).token == "good-1"
        assert (await each.get("/ppy/1", by="inv-1")).CreditRegisterListLink.all == 1
    # The same again is no second credit, and nobody is asked again.
    assert (await kit.send("POST", CREDITS, credit(kit, "A1", "good-1"), by="inv-1")).status == 204
    assert (await kit.send("POST", CREDITS, credit(kit, "A2", "good-1"), by="inv-2")).status == 400
    assert len(verifier.offers) == 1
    await kit.post(CREDITS, credit(kit, "A3", "unknown"))  # the utility vouches for it
    assert len(verifier.offers) == 1


async def test_a_token_that_is_not_good_leaves_nothing(make_kit: Any) -> None:
    kit = await supplied(make_kit, Verifier())
    before = kit.documents()
    reply = await kit.send("POST", CREDITS, credit(kit, "A1", "bad"), by="inv-1")
    assert (reply.status, kit.typed(reply).reasonCode) == (400, 1)
    assert kit.documents() == before
    assert (await kit.get(CREDITS)).all == 0


@pytest.mark.parametrize("trouble", ["raises", "silent"])
async def test_a_verifier_that_says_nothing_is_never_a_yes(make_kit: Any, trouble: str) -> None:
    verifier = Verifier()
    kit = await supplied(make_kit, verifier, within_s=0.01)
    before = kit.documents()
    if trouble == "raises":
        verifier.fails = RuntimeError("its database is gone")
    else:
        verifier.waits = asyncio.Event()
    assert (await kit.send("POST", CREDITS, credit(kit, "A1", "good"), by="inv-1")).status == 503
    assert kit.documents() == before


async def test_strangers_are_not_asked_about(make_kit: Any) -> None:
    verifier = Verifier()
    kit = await supplied(make_kit, verifier)
    assert (await kit.send("POST", CREDITS, credit(kit, "A1", "good"), by="stranger")).status == 403
    assert (await kit.send("POST", "/ppy/2/cr", credit(kit, "A1", "good"), by="inv-1")).status == 404
    assert (await kit.send("POST", CREDITS, "<CreditRegister/>", by="inv-1")).status == 400
    assert verifier.offers == []


async def test_of_two_at_once_with_the_same_token_one_counts(make_kit: Any) -> None:
    verifier = Verifier()
    kit = await supplied(make_kit, verifier)
    bodies = [credit(kit, mrid, "good") for mrid in ("A1", "A2")]
    replies = await asyncio.gather(*(kit.send("POST", CREDITS, body, by="inv-1") for body in bodies))
    assert sorted(reply.status for reply in replies) == [201, 400]
    assert (await kit.get(CREDITS)).all == 1
