"""POST of CreditRegisters: by the utility as every publication, by a device where a verifier knows its token good."""

from __future__ import annotations

import asyncio
import logging

from gridiface.domain.fleet import Role
from gridiface.domain.quantities import from_power_of_ten
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.credit_tokens import TokenOffer, TokenVerdict, TokenVerifier
from gridiface.northbound.sep2.handlers.published import Published
from gridiface.northbound.sep2.published.publishing import Publishing
from gridiface.northbound.sep2.served.nodes import Listing
from gridiface.northbound.sep2.served.services import Call, Services, bad_value
from gridiface.protocols.sep2.exchange import Reply, changed, created
from gridiface.protocols.sep2.resources import CreditRegister

_log = logging.getLogger("gridiface.sep2")

_DEVICES = frozenset({Role.DEVICE, Role.AGGREGATOR})


class Credits:
    """Credits of prepaid supplies."""

    def __init__(self, services: Services, publishing: Publishing, published: Published) -> None:
        self._s = services
        self._publishing = publishing
        self._published = published

    async def post(self, call: Call) -> Reply:
        """Add a credit; a device's only where its token is verified, before anything is stored.

        Raises:
            RemoteProtocolError: 400 also for a token that is not good, 403 where no verifier is configured, 404, 409,
                413, 415, 503 where the verifier does not answer.
            StoreUnavailable: nothing was changed.
        """
        verifier = self._s.settings.prepayment.verifier
        if call.caller.role not in _DEVICES or verifier is None:
            return await self._published.post(call)
        if not isinstance(call.node, Listing):
            raise RemoteProtocolError("no such list", answer=404)
        credit = call.read(CreditRegister, self._s)
        async with self._s.locks.hold(f"{call.node.path}/tokens"):
            known = self._publishing.look(call.node, credit, call.now)
            if known is not None:
                return changed(known)
            verdict = await self._verdict(verifier, self._offer(call.node, credit, call.caller.lfdi))
            if not verdict.accepted:
                raise bad_value(f"the token is not good: {verdict.reason or 'no reason given'}")
            path, new = await self._publishing.create(call.node, credit, call.now, by=call.caller.lfdi)
        return created(path) if new else changed(path)

    def _offer(self, listing: Listing, credit: CreditRegister, lfdi: str) -> TokenOffer:
        supply = self._s.tree.item(listing.path.rpartition("/")[0])
        amount = credit.creditAmount
        energy = amount.energyUnit
        return TokenOffer(
            token=credit.token,
            amount=from_power_of_ten(amount.value, amount.multiplier),
            monetary_unit=amount.monetaryUnit,
            energy_wh=None if energy is None else from_power_of_ten(energy.value, energy.multiplier),
            credit_type=credit.creditType,
            effective=credit.effectiveTime,
            lfdi=lfdi,
            prepayment=supply.obj.mRID if supply is not None else "",
        )

    async def _verdict(self, verifier: TokenVerifier, offer: TokenOffer) -> TokenVerdict:
        try:
            async with asyncio.timeout(self._s.settings.prepayment.within_s):
                return await verifier.verify(offer)
        except TimeoutError as problem:
            raise RemoteProtocolError("the token's verifier does not answer", answer=503) from problem
        except Exception as problem:  # a plug-in's fault is not the device's, and never a yes
            _log.exception("the verifier of credit tokens failed")
            raise RemoteProtocolError("the token's verifier failed", answer=503) from problem
