"""EiRegisterParty of a VEN, and the link to its VTN: steps after a start, polls, back-off.

Owns our registration and when what is sent first. Does not own payloads of other services.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from gridiface.errors import RefusedControl
from gridiface.protocols.openadr.answers import Code, Refusal, ok, succeeded
from gridiface.protocols.openadr.payloads import event, registration
from gridiface.protocols.openadr.payloads.common import EiResponse
from gridiface.protocols.openadr.payloads.envelope import Payload
from gridiface.protocols.openadr.ven.notices import LinkChanged, Registered, Rejected, Unregistered
from gridiface.protocols.openadr.ven.reporting import ReportDesk
from gridiface.protocols.openadr.ven.state import State

QUERY, CREATE, REGISTER_REPORT, REQUEST_EVENT, POLL, CANCEL = (
    "query",
    "create",
    "register_report",
    "request_event",
    "poll",
    "cancel_registration",
)
#: Steps that a session does without where the VTN fails at them.
OPTIONAL_STEPS = frozenset({QUERY, REGISTER_REPORT, REQUEST_EVENT})


@dataclass(slots=True)
class Link:
    """What is due with the VTN that is no record: a restart begins it anew.

    `steps` are done in order before anything else but answers; `drained` counts polls without a pause. `polled`: the
    last request was a poll; where payloads wait and a poll is due, they take turns. `again_at`: when to register anew
    after the VTN cancelled.
    """

    next_poll: float = 0.0
    polled: bool = False
    drained: int = 0
    retry_at: float = 0.0
    failures: int = 0
    steps: list[str] = field(default_factory=list)
    again_at: float = math.inf
    held: dict[str, tuple[int, float]] = field(default_factory=dict)


class Registrar:
    """The registration of one VEN."""

    def __init__(self, state: State, reports: ReportDesk) -> None:
        self._state = state
        self._reports = reports
        self.link = Link()
        self._lost_at = -math.inf

    @property
    def polls(self) -> bool:
        """Whether this VEN polls: not with push, not with XMPP (rule 500)."""
        return self._state.config.push_address is None and self._state.config.transport == "simpleHttp"

    def start(self) -> None:
        """Begin anew, with the stored IDs where there are any (rule 405)."""
        query = self._state.config.query and not self._state.registered
        self.link = Link(steps=[QUERY, CREATE] if query else [CREATE])

    # -- the link ------------------------------------------------------------------------------------------------

    def worked(self, kind: str = "") -> None:
        """The VTN answered a payload of this kind."""
        self.link.held.pop(kind, None)
        if self.link.failures:
            self.link.failures = 0
            self._state.notices.append(LinkChanged(up=True, failures=0))

    def failed(self, now: float, pause: float = 0.0) -> None:
        """It did not: binary exponential back-off with 10 % jitter, up to the poll interval or its own most.

        `pause`: s that the VTN asks for; it is left alone so long, within the back-off's own most.
        """
        link = self.link
        link.failures += 1
        if link.failures == 1:
            self._state.notices.append(LinkChanged(up=False, failures=1))
        most = min(self._state.config.retry_most, max(self._period(), self._state.config.retry_first))
        link.retry_at = now + self._wait(link.failures, most, pause)

    def stuck(self, kind: str, now: float, pause: float = 0.0, *, busy: bool = False) -> None:
        """It answered, and failed at a payload of this kind: these wait, other kinds and polls go on.

        The wait doubles as in `failed`, up to its own most: nobody is missed meanwhile. `busy`: it has too much to do,
        and is left alone altogether for a first wait, or as long as it asks for.
        """
        config, failures = self._state.config, self.link.held.get(kind, (0, 0.0))[0] + 1
        self.link.held[kind] = (failures, now + self._wait(failures, config.retry_most, pause))
        if busy:
            self.link.retry_at = now + self._wait(1, config.retry_most, pause)

    def _wait(self, failures: int, most: float, pause: float) -> float:
        config = self._state.config
        wait = min(most, config.retry_first * 2.0 ** min(failures - 1, 30))
        return max(wait * (0.9 + 0.2 * self._state.draw()), min(pause, config.retry_most))

    def free_at(self, kind: str) -> float:
        """From when on a payload of this kind may be sent; minus infinity: at any time."""
        return self.link.held.get(kind, (0, -math.inf))[1]

    def polled(self, now: float, *, empty: bool) -> None:
        """A poll was answered: poll on until the queue is empty, then wait for the frequency asked for."""
        link, config = self.link, self._state.config
        link.drained = 0 if empty else link.drained + 1
        if empty or link.drained >= config.most_drain:
            link.drained = 0
            if link.steps and link.steps[0] == POLL:
                link.steps.pop(0)
            # Never faster than asked for: the jitter only adds.
            link.next_poll = now + self._period() * (1.0 + config.jitter * self._state.draw())

    def set_back(self, seconds: float) -> None:
        """The clock was set back by so much: the next poll and the next attempt come as soon as they would have."""
        self.link.next_poll -= seconds
        self.link.retry_at -= seconds
        self.link.again_at -= seconds
        self.link.held = {kind: (count, until - seconds) for kind, (count, until) in self.link.held.items()}
        self._lost_at -= seconds

    def tick(self, now: float) -> None:
        """Register anew where the VTN cancelled and it is time."""
        if now >= self.link.again_at:
            self.start()

    def polls_before(self, now: float) -> bool:
        """Whether a poll that is due goes before reports: in its turn, and not at once while a queue is drained."""
        link = self.link
        return not link.polled and (not link.drained or now - link.next_poll >= self._period())

    def _period(self) -> float:
        """Seconds between polls: as asked for, but a frequency of nothing would be a poll without end."""
        asked = self._state.registration.poll_frequency
        return asked if asked is not None and asked > 0 else self._state.config.poll_frequency

    # -- our requests --------------------------------------------------------------------------------------------

    def query(self) -> Payload:
        """OadrQueryRegistration."""
        return registration.OadrQueryRegistration(requestID=self._state.new_id())

    def create(self) -> Payload:
        """oadrCreatePartyRegistration: new without registrationID, again with both IDs."""
        own, config = self._state.registration, self._state.config
        again = own.registrationID is not None
        return registration.OadrCreatePartyRegistration(
            requestID=self._state.new_id(),
            registrationID=own.registrationID,
            venID=own.venID if again else config.ven_id,
            oadrProfileName="2.0b",
            oadrTransportName=config.transport,
            oadrTransportAddress=config.push_address,
            oadrReportOnly=config.report_only,
            oadrXmlSignature=config.xml_signature,
            oadrVenName=config.name,
            oadrHttpPullModel=config.push_address is None if config.transport == "simpleHttp" else None,
        )

    def need(self) -> None:
        """Raises RefusedControl where there is no registration."""
        if not self._state.registered:
            raise RefusedControl("not registered")

    def once_more(self, step: str, *, registered: bool = True) -> None:
        """Take a step again, behind those that are due. Raises RefusedControl where it needs a registration."""
        if registered:
            self.need()
        if step not in self.link.steps:
            self.link.steps.append(step)

    def cancel(self) -> None:
        """Post oadrCancelPartyRegistration. Raises RefusedControl where there is no registration."""
        own = self._state.registration
        if own.registrationID is None:
            raise RefusedControl("not registered")
        payload = registration.OadrCancelPartyRegistration(
            requestID=self._state.new_id(), registrationID=own.registrationID, venID=own.venID
        )
        self._state.post(CANCEL, payload)

    # -- their answers -------------------------------------------------------------------------------------------

    def queried(self, payload: Payload | None) -> None:
        """What the VTN offers; we go on whatever it says, as the registration itself will tell."""
        if self.link.steps and self.link.steps[0] == QUERY:
            self.link.steps.pop(0)
        if not isinstance(payload, registration.OadrCreatedPartyRegistration):
            self._state.notices.append(Rejected(QUERY, 0, "no oadrCreatedPartyRegistration"))

    def created(self, payload: Payload | None, now: float) -> bool:
        """Registered, or not; True: anew, so that the VTN knows nothing of us."""
        good = isinstance(payload, registration.OadrCreatedPartyRegistration) and succeeded(payload.eiResponse)
        if isinstance(payload, registration.OadrCreatedPartyRegistration) and good and payload.registrationID:
            return self._registered(payload)
        answer: EiResponse | None = getattr(payload, "eiResponse", None)
        words = (answer.responseDescription or "") if answer else ""
        self._state.notices.append(Rejected(CREATE, int(answer.responseCode) if answer else 0, words))
        if self._state.registered:
            # Our stored IDs are worth nothing here: begin without them.
            self.register_anew("refused", words, now)
        else:
            self.link.retry_at = now + self._state.config.registration_retry
        return False

    def register_anew(self, by: str, reason: str, now: float) -> None:
        """The registration is lost: forget it and begin again; with a pause where that does not help."""
        self._wipe()
        self._state.notices.append(Unregistered(by, reason))
        self.start()
        pause = self._state.config.registration_retry
        if now - self._lost_at < pause:
            self.link.retry_at = now + pause
        self._lost_at = now

    def end(self, by: str) -> None:
        """The registration ended; nothing is sent any more until `start`."""
        self._wipe()
        self._state.notices.append(Unregistered(by))
        self.link.steps = []

    def cancelled(self, payload: registration.OadrCancelPartyRegistration, now: float) -> Payload:
        """The VTN cancels: forget everything (rule 407), and register anew later where so configured (rule 406).

        Raises:
            Refusal: 452, another registrationID.
        """
        own = self._state.registration
        if payload.registrationID != own.registrationID:
            raise Refusal(Code.INVALID_ID, "the registrationID is not ours")
        answer = registration.OadrCanceledPartyRegistration(
            eiResponse=ok(payload.requestID), registrationID=own.registrationID, venID=own.venID
        )
        self.end("vtn")
        config = self._state.config
        if config.register_again is not None:
            # by chance later: a VTN that cancels all its VENs is not to be met by all of them at once
            self.link.again_at = now + config.register_again * (1.0 + config.jitter * self._state.draw())
        return answer

    def reregister(self) -> Payload:
        """The VTN wants a re-registration: say so, and do it."""
        self.link.steps = [CREATE, *[step for step in self.link.steps if step != CREATE]]
        return event.OadrResponse(eiResponse=ok(""), venID=self._state.registration.venID)

    def metadata_taken(self) -> None:
        """The VTN has our metadata: after a restart it need not be sent again."""
        own, digest = self._state.registration, self._reports.digest()
        if own.offers != digest:
            own.offers = digest
            self._state.save_registration()

    def _registered(self, payload: registration.OadrCreatedPartyRegistration) -> bool:
        again = self._state.registration.registrationID == payload.registrationID
        if not again:
            self._wipe()
        own = self._state.registration
        own.registrationID = payload.registrationID
        # A VTN that was told a venID need not say it again.
        own.venID = payload.venID or own.venID or self._state.config.ven_id
        own.vtnID = payload.vtnID
        own.poll_frequency = payload.oadrRequestedOadrPollFreq
        self._state.save_registration()
        self._state.notices.append(Registered(own.venID or "", payload.vtnID, again))
        # Metadata both ways, then the events, before any other service (rules 309, 405).
        metadata = own.offers != self._reports.digest()
        steps = [REGISTER_REPORT] if metadata else []
        steps += [POLL] if metadata and self.polls else []
        self.link.steps = steps if self._state.config.report_only else [*steps, REQUEST_EVENT]
        return not again

    def _wipe(self) -> None:
        self._reports.erase()
        for event_id in list(self._state.events):
            self._state.drop("event", event_id)
        for key in list(self._state.outbox):
            self._state.drop("outbox", key)
        self._state.forget_registration()
