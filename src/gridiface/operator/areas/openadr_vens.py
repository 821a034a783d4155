"""VENs of our VTN: who there is, who is late or lost; added, changed, grouped, asked to register again; their opts."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Protocol

from pydantic import Field
from typing_extensions import TypedDict

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.errors import RefusedControl
from gridiface.naming import by_name, following
from gridiface.operator.api.routing import Area, Call, Reply, delete, etag_of, get, patch, post, put, unknown
from gridiface.operator.problems import Refused
from gridiface.operator.records.audit import Entry
from gridiface.operator.rows.openadr import (
    OfferRow,
    OptRow,
    RequestRow,
    VenRow,
    offer_row,
    opt_row,
    request_row,
    ven_row,
)
from gridiface.operator.schema import Asked, Name, NoBody, NoQuery, Reason, Search
from gridiface.protocols.openadr.vtn import Liveness, Result, Ven, Vtn

_FINGERPRINT = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){9}")
#: What operators edit of a VEN.
_EDITED = ("name", "fingerprint", "must_sign", "groups", "parties", "resources", "market_contexts")

_LISTED = "GET /api/v1/openadr/vtn/vens lists them"
Names = Annotated[list[Name], Field(max_length=1000)]


class Archive(Protocol):
    """The data that VENs reported."""

    async def rows(self, ven_id: str, *, request: str = "", name: str = "", start: float = 0.0) -> list[dict[str, Any]]:
        """Values, oldest report first."""
        ...

    async def forget(self, ven_id: str) -> None:
        """All of a VEN."""
        ...


class VtnPort(Protocol):
    """Our VTN as the areas use it; northbound.openadr has it."""

    core: Vtn
    started: Instant

    def trouble_of(self, ven_id: str) -> str:
        """What a VEN refused or never answered last, in words."""
        ...

    @property
    def archive(self) -> Archive:
        """What was reported."""
        ...

    @property
    def configured(self) -> Collection[str]:
        """VenIDs of the configuration, which comes first at each start."""
        ...

    @property
    def uses_tls(self) -> bool:
        """Whether VENs are known by their certificates."""
        ...

    async def do(self, verb: Callable[[Vtn, Instant], Result], *, along: Sequence[Change] = ()) -> Any:
        """Carry out a verb; its value when it is durable, together with `along`."""
        ...


class VenList(TypedDict):
    """A page of VENs by id; `counts`: how many are present, late, lost, unregistered, of all."""

    vens: list[VenRow]
    counts: dict[str, int]
    total: int
    next: str | None


class VenDetail(VenRow):
    """One VEN with its reports and opts. `event_opts`: eventID -> its word, resources apart."""

    offers: list[OfferRow]
    requests: list[RequestRow]
    opts: list[OptRow]
    event_opts: dict[str, dict[str, Any]]


class VenGroup(TypedDict):
    """One group of VENs."""

    id: str
    vens: list[str]


class VenGroups(TypedDict):
    """All groups of VENs, by groupID."""

    groups: list[VenGroup]


class VenQuery(Search):
    """Which VENs."""

    liveness: Literal["present", "late", "lost", "unregistered", ""] = Field(default="", description="only these")
    group: str = Field(default="", max_length=128, description="only members of this group")


class VenFields(Asked):
    """What can be set of a VEN; what is not named stays as it is."""

    name: Name | None = Field(default=None, description="for people")
    fingerprint: str | None = Field(default=None, max_length=29, description="of its certificate, as AA:BB:...")
    profile: Literal["2.0a", "2.0b"] | None = Field(default=None, description="2.0a: events only, never registers")
    high_security: bool | None = Field(default=None, description="what it sends is signed, or refused")
    groups: Names | None = Field(default=None, description="groupIDs that it belongs to")
    parties: Names | None = Field(default=None, description="partyIDs that it acts for")
    resources: Names | None = Field(default=None, description="resourceIDs that are its own; empty: any")
    market_contexts: Names | None = Field(default=None, description="programs of it; empty: any")


class NewVen(VenFields):
    """A VEN that may register from now on."""

    id: Name = Field(description="venID")


class Members(Asked):
    """The members of a group."""

    vens: Annotated[list[Name], Field(max_length=100_000)] = Field(description="venIDs; others leave the group")


class OpenAdrVensArea(Area):
    """VENs of our VTN."""

    name: ClassVar[str] = "openadr-vens"
    title: ClassVar[str] = "OpenADR VTN: VENs"

    def __init__(self, vtn: VtnPort) -> None:
        self._vtn = vtn

    @get(
        "/openadr/vtn/vens",
        "VENs by id, with who is late (3 polls) or lost (10 polls); filters `q`, `liveness`, `group`",
    )
    async def list_openadr_vens(self, call: Call[VenQuery, NoBody]) -> VenList:
        """One page of VENs."""
        query, text = call.query, call.query.q.strip().lower()
        rows = [
            ven
            for ven in self._vtn.core.vens.values()
            if (not query.liveness or query.liveness == self._liveness(ven, call.now))
            and (not query.group or query.group in ven.groups)
            and (not text or self._has(ven, text))
        ]
        left = following(rows, query.after, lambda ven: ven.venID)[query.skip :]
        shown = left[: query.limit]
        more = shown[-1].venID if shown and len(left) > len(shown) else None
        page = [self._row(ven, call.now) for ven in shown]
        return VenList(vens=page, counts=self.counts(call.now), total=len(rows), next=more)

    def counts(self, now: Instant) -> dict[str, int]:
        """How many VENs there are of each liveness, for the list and the pages."""
        core, since = self._vtn.core, self._vtn.started
        found = Counter(core.liveness(name, now, since=since) for name in core.vens)
        return {state.value: found[state] for state in Liveness}

    @get(
        "/openadr/vtn/vens/{id}",
        "One VEN: what it offers to report, what is asked of it, its opts",
        problems=(404,),
        tagged=True,
    )
    async def get_openadr_ven(self, call: Call[NoQuery, NoBody]) -> Reply[VenDetail]:
        """All of one VEN; its ETag changes with what can be edited of it, not with what it says."""
        core, ven = self._vtn.core, self._ven(call.id)
        reports = core.reports(ven.venID)
        said = {}
        for event_id, record in core.events.items():
            delivery = core.delivery(ven.venID, event_id) if ven.venID in record.recipients else None
            if delivery is not None and (delivery.opt or delivery.event_opt or delivery.resources):
                said[event_id] = {"opt": delivery.event_opt or delivery.opt, "resources": dict(delivery.resources)}
        detail = VenDetail(
            **self._row(ven, call.now),
            offers=[offer_row(offered) for offered in reports.metadata],
            requests=[request_row(running) for running in reports.running.values()],
            opts=[opt_row(schedule) for schedule in core.opts(ven.venID).schedules],
            event_opts=said,
        )
        return Reply(detail, etag=etag_of([getattr(ven, name) for name in _EDITED]))

    @post(
        "/openadr/vtn/vens", "Make a VEN known, so that it may register", scope="configure", done=201, problems=(409,)
    )
    async def add_openadr_ven(self, call: Call[NoQuery, NewVen]) -> VenRow:
        """The new VEN."""
        asked = call.body
        if asked.id in self._vtn.core.vens:
            raise Refused(409, f"there is a VEN {asked.id} already", "change it with PATCH, or take another id")
        return await self._put(Ven(venID=asked.id), asked, call, "openadr.ven.add")

    @patch("/openadr/vtn/vens/{id}", "Change what is known of a VEN", scope="configure", problems=(404, 409),
           match="get_openadr_ven")  # fmt: skip
    async def change_openadr_ven(self, call: Call[NoQuery, VenFields]) -> VenRow:
        """The VEN as it is then."""
        return await self._put(self._ven(call.id), call.body, call, "openadr.ven.change")

    @delete("/openadr/vtn/vens/{id}", "Forget a VEN wholly, with its reports", scope="configure", problems=(404, 409),
            match="get_openadr_ven")  # fmt: skip
    async def remove_openadr_ven(self, call: Call[NoQuery, NoBody]) -> VenRow:
        """What is gone."""
        ven = self._ven(call.id)
        if ven.venID in self._vtn.configured:
            raise Refused(409, f"{ven.venID} stands in the configuration", "take it out there, under openadr.vtn.vens")
        row = self._row(ven, call.now)
        await self._do(call, "openadr.ven.remove", ven.venID, lambda core, _: core.drop_ven(ven.venID), before=row)
        await self._vtn.archive.forget(ven.venID)
        return row

    @post("/openadr/vtn/vens/{id}/reregister", "Ask a VEN to register again", scope="control", problems=(404, 409))
    async def reregister_openadr_ven(self, call: Call[NoQuery, Reason]) -> VenRow:
        """The VEN, with what waits for it."""
        name = self._ven(call.id).venID
        return await self._tell(call, "openadr.ven.reregister", lambda core, _: core.request_reregistration(name))

    @post(
        "/openadr/vtn/vens/{id}/deregister",
        "Cancel a VEN's registration; it ends with the VEN's answer",
        scope="control",
        problems=(404, 409),
    )
    async def deregister_openadr_ven(self, call: Call[NoQuery, Reason]) -> VenRow:
        """The VEN, with what waits for it."""
        name = self._ven(call.id).venID
        return await self._tell(call, "openadr.ven.deregister", lambda core, _: core.cancel_registration(name))

    @post(
        "/openadr/vtn/vens/{id}/distribute",
        "Send a VEN all its events, possibly none",
        scope="control",
        problems=(404,),
    )
    async def distribute_openadr_events(self, call: Call[NoQuery, Reason]) -> VenRow:
        """The VEN, with what waits for it."""
        name = self._ven(call.id).venID
        return await self._tell(call, "openadr.ven.distribute", lambda core, _: core.distribute([name]))

    @get("/openadr/vtn/groups", "Groups of VENs", tagged=True)
    async def list_openadr_groups(self, call: Call[NoQuery, NoBody]) -> VenGroups:
        """All groups."""
        found: dict[str, list[str]] = {}
        for name, ven in by_name(self._vtn.core.vens):
            for group in ven.groups:
                found.setdefault(group, []).append(name)
        return VenGroups(groups=[VenGroup(id=group, vens=vens) for group, vens in by_name(found)])

    @put(
        "/openadr/vtn/groups/{id}",
        "Set the members of a group of VENs; none: the group ends",
        scope="configure",
        match="list_openadr_groups",
        problems=(409,),
    )
    async def set_openadr_group(self, call: Call[NoQuery, Members]) -> VenGroup:
        """The group as it is then."""
        group, wanted, core = call.id, set(call.body.vens), self._vtn.core
        missing = sorted(wanted - core.vens.keys())
        if missing or not group:
            raise Refused(409, f"not known as VENs: {', '.join(missing)[:200]}", _LISTED)
        before = sorted(name for name, ven in core.vens.items() if group in ven.groups)
        changed = [core.vens[name] for name in sorted(wanted.symmetric_difference(before))]

        def verb(vtn: Vtn, _: Instant) -> Result:
            made = [
                dataclasses.replace(
                    ven, groups=sorted({*ven.groups, group} if ven.venID in wanted else {*ven.groups} - {group})
                )
                for ven in changed
            ]
            return vtn.put_vens(made)

        await self._do(call, "openadr.group.set", group, verb, before={"vens": before}, after={"vens": sorted(wanted)})
        return VenGroup(id=group, vens=sorted(wanted))

    # --- helpers ------------------------------------------------------------------------------------------------

    def _ven(self, name: str) -> Ven:
        found = self._vtn.core.vens.get(name)
        if found is None:
            raise unknown("VEN", name, _LISTED)
        return found

    def _has(self, ven: Ven, text: str) -> bool:
        known = (ven.venID, ven.name, ven.fingerprint, *ven.groups, *self._vtn.core.resources_of(ven.venID))
        return any(text in one.lower() for one in known if one)

    def _liveness(self, ven: Ven, now: Instant) -> str:
        return str(self._vtn.core.liveness(ven.venID, now, since=self._vtn.started))

    def _row(self, ven: Ven, now: Instant) -> VenRow:
        core = self._vtn.core
        return ven_row(
            ven,
            liveness=self._liveness(ven, now),
            waiting=core.waiting(ven.venID),
            trouble=self._vtn.trouble_of(ven.venID),
            resources=core.resources_of(ven.venID),
            configured=ven.venID in self._vtn.configured,
        )

    async def _put(self, ven: Ven, asked: VenFields, call: Call[Any, Any], what: str) -> VenRow:
        fields = asked.model_dump(exclude_none=True, exclude={"id"})
        if "high_security" in fields:
            fields["must_sign"] = fields.pop("high_security")
        for name in ("groups", "parties", "resources", "market_contexts"):
            if name in fields:
                fields[name] = sorted(set(fields[name]))
        made = dataclasses.replace(ven, **fields)
        self._check(made)
        before = None if what.endswith(".add") else self._row(ven, call.now)
        after = asked.model_dump(exclude_none=True)
        await self._do(call, what, made.venID, lambda core, _: core.put_ven(made), before=before, after=after)
        return self._row(self._ven(made.venID), call.now)

    def _check(self, ven: Ven) -> None:
        if ven.fingerprint and not _FINGERPRINT.fullmatch(ven.fingerprint):
            raise Refused(422, "a fingerprint is ten octets as AA:BB:...", "`gridiface pki lfdi CERTIFICATE` prints it")
        if self._vtn.uses_tls is not bool(ven.fingerprint):
            said, fix = (
                ("needs the fingerprint of its certificate", "`gridiface pki lfdi CERTIFICATE` prints it")
                if self._vtn.uses_tls
                else ("has no fingerprint: there is no TLS", "leave it out, or configure openadr.vtn.tls")
            )
            raise Refused(409, f"a VEN of this VTN {said}", fix)
        if ven.must_sign and not self._vtn.uses_tls:
            raise Refused(409, "High security needs TLS", "configure openadr.vtn.tls")

    async def _tell(self, call: Call[NoQuery, Reason], what: str, verb: Callable[[Vtn, Instant], Result]) -> VenRow:
        await self._do(call, what, call.id, verb, reason=call.body.reason)
        return self._row(self._ven(call.id), call.now)

    async def _do(
        self,
        call: Call[Any, Any],
        what: str,
        subject: str,
        verb: Callable[[Vtn, Instant], Result],
        **more: Any,
    ) -> Any:
        return await audited(self._vtn, call, what, subject, verb, **more)


async def audited(
    vtn: VtnPort,
    call: Call[Any, Any],
    what: str,
    subject: str,
    verb: Callable[[Vtn, Instant], Result],
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
) -> Any:
    """Carry out a verb of the VTN with its entry in the audit log, in one transaction; its value.

    Raises:
        Refused: 409, a rule forbids it.
        StoreUnavailable: nothing was changed.
    """
    entry = Entry(
        at=call.now, who=call.caller.name, what=what, subject=subject, before=before, after=after, reason=reason
    )
    try:
        value = await vtn.do(verb, along=[entry.change()])
    except RefusedControl as problem:
        raise Refused(409, str(problem), "see docs/operator/openadr.md") from problem
    entry.log()
    return value
