"""Messages that come again, doubled on their way or because their answer was lost: answered the same, nothing changes.

Owns what each VEN said last and was answered, in the memory of one process: after a restart a repetition is carried out
once more. Most verbs are such that this does no harm; those here are not: registering twice gives two registrationIDs,
metadata twice two sets of report requests, an opt twice would go before those that came in between.
"""

from __future__ import annotations

from collections.abc import Callable

from gridiface.protocols.openadr.answers import request_id_of
from gridiface.protocols.openadr.payloads.envelope import Payload
from gridiface.protocols.openadr.payloads.opt import OadrCancelOpt, OadrCreateOpt
from gridiface.protocols.openadr.payloads.registration import OadrCreatePartyRegistration
from gridiface.protocols.openadr.payloads.report import OadrRegisterReport, OadrUpdatedReport

_KEPT = frozenset({OadrCreatePartyRegistration, OadrRegisterReport, OadrCreateOpt})
#: What makes another message new when that is said once more. Cancelled opts are remembered with the others.
_UNDOES: dict[type, type] = {OadrCancelOpt: OadrCreateOpt}
_MOST = 20_000


class Repeats:
    """The last messages of each VEN and their answers."""

    def __init__(self) -> None:
        self._said: dict[str, dict[type, tuple[Payload, Payload]]] = {}

    def once(self, who: str, payload: Payload, carry_out: Callable[[], Payload | None]) -> Payload | None:
        """The answer to `payload`: that of before where it came before, else what `carry_out` gives.

        Args:
            who: certificate or venID, "" where neither tells.
            payload: as it came; the same means equal in every part, with a requestID.
            carry_out: does what is asked.
        """
        before = self._said.get(who, {}).get(type(payload))
        if before is None or before[0] != payload:
            reply = carry_out()
            self._note(who, payload, reply)
            return reply
        return before[1]

    def clear(self) -> None:
        """Forget all: something that was answered may not have been stored."""
        self._said.clear()

    def _note(self, who: str, payload: Payload, reply: Payload | None) -> None:
        known = self._said.get(who)
        if known and not isinstance(payload, OadrCreatePartyRegistration):
            # Who has said something else since starts over when it registers without its IDs (rule 406).
            known.pop(OadrCreatePartyRegistration, None)
            known.pop(_UNDOES.get(type(payload), OadrCreatePartyRegistration), None)
        if reply is None or not who or not _is_kept(payload, reply):
            return
        if known is None:
            if len(self._said) >= _MOST:
                self._said.clear()
            known = self._said[who] = {}
        known[type(payload)] = (payload, reply)


def _is_kept(payload: Payload, reply: Payload) -> bool:
    # Data may be large, and is recognised by its requestID; what rides on its answer is told once only.
    kept = type(payload) in _KEPT or (isinstance(reply, OadrUpdatedReport) and reply.oadrCancelReport is not None)
    return kept and bool(request_id_of(payload))
