"""Portfolios: sets of assets as somebody enrols them, and what each can surely give, to whom."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Protocol, cast

from pydantic import Field
from typing_extensions import TypedDict

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.domain.definitions import TITLE
from gridiface.domain.envelope import FleetChanged
from gridiface.errors import RemoteProtocolError
from gridiface.naming import following
from gridiface.operator.api.routing import Area, Call, Reply, delete, get, post, put, unknown
from gridiface.operator.desk import Desk
from gridiface.operator.problems import Refused
from gridiface.operator.records.audit import Entry
from gridiface.operator.schema import PRINTABLE, Asked, NoBody, NoQuery, Search
from gridiface.wording import worded

#: Longest body: about 20,000 assets.
_MOST_BYTES = 4 * 1024 * 1024

#: What it may be called: pages and lists show it beside other text.
_NAMES = worded(TITLE, "text without line ends, tabs, direction marks and other control characters")

Kw = Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False)]


class PortfolioPort(Protocol):
    """The portfolios as this area uses them; app/desks/portfolio_desk.py has them."""

    def names(self) -> Mapping[str, str]:
        """What each is called, by id."""
        ...

    def one(self, name: str) -> Mapping[str, Any] | None:
        """One, or None."""
        ...

    async def put(self, name: str, body: Mapping[str, Any], *, along: Sequence[Change]) -> None:
        """Make or replace one, durably; raises RemoteProtocolError where it is not right."""
        ...

    async def remove(self, name: str, *, along: Sequence[Change]) -> None:
        """Take one away, durably."""
        ...

    async def status(self, name: str, now: Instant) -> Mapping[str, Any]:
        """What it can surely give now; raises FleetChanged where the fleet does not rest."""
        ...

    def qualification(self, name: str, now: Instant) -> Mapping[str, Any]:
        """Which of its assets may be enrolled in which program."""
        ...


class NewAsset(Asked):
    """One asset. Magnitudes: what it can deliver to the grid, or take less from it."""

    id: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        pattern=PRINTABLE,
        description="the device's id where it is a member of the fleet; none: its number in the list",
    )
    asset_type: Literal["battery", "ev", "pv", "pv_battery", "generator", "load", "other"] = Field(
        description="what it is"
    )
    zip: str = Field(
        pattern=worded(
            r"^[A-Za-z0-9][A-Za-z0-9 -]{1,11}$", "2 to 12 letters, digits, blanks and -, a letter or digit first"
        ),
        description="postal code of where it is",
    )
    capacity_kwh: Kw = Field(description="usable energy, kWh; 0 for what stores nothing")
    max_discharge_kw: Kw = Field(description="the most it delivers, or takes less, kW")
    metering_interval_s: float | None = Field(
        default=None, ge=0, le=86_400, description="of its revenue meter, s; none: unknown"
    )
    soc_min: float = Field(default=0.0, ge=0, le=1, description="no discharge below this state of charge, 0..1")


class NewPortfolio(Asked):
    """A portfolio."""

    name: str = Field(min_length=1, max_length=200, pattern=_NAMES, description="for people")
    assets: list[NewAsset] = Field(min_length=1, max_length=20_000, description="its assets")


class AssetRow(TypedDict):
    """One asset, as it was enrolled."""

    id: str
    asset_type: str
    zip: str
    capacity_kwh: float
    max_discharge_kw: float
    metering_interval_s: float | None
    soc_min: float


class PortfolioRow(TypedDict):
    """One portfolio, as it was enrolled."""

    id: str
    name: str
    assets: list[AssetRow]


class PortfolioSummary(TypedDict):
    """One portfolio in the list. `assets`: how many."""

    id: str
    name: str
    assets: int


class PortfolioList(TypedDict):
    """A page of portfolios, by id."""

    portfolios: list[PortfolioSummary]
    total: int
    next: str | None


class WithheldPower(TypedDict):
    """What so many assets would give by their charge, and cannot be counted on for."""

    cause: str
    kw: float
    assets: int


class PortfolioStatus(TypedDict):
    """What a portfolio can surely give, in kW.

    `dispatchable_capacity_kw`: lower bound for the next `hold_h` hours, from conservative states of charge, within the
    caps of its groups, and of each asset the least that the fleet's envelope counts on in that time; `withheld`: what
    is left out for that, kW of so many assets by cause (a word of the envelope, or `rating`), before caps;
    `observed_assets`: of how many something recent is known; `dr_programs`: the programs that have assets here, with
    what is reserved to each (`committed_kw`; null: nothing) and what of that is not sure; `interconnect_constraints`:
    caps by group; `wholesale_market_eligibility`: markets by id, each with its checks, source, date, the gap and the
    incremental enrolment that closes it; `also_in`: assets that are in other portfolios, too, with the ids of these: no
    market counts them.
    """

    id: str
    name: str
    computed: float
    dispatchable_capacity_kw: float
    hold_h: float
    withheld: list[WithheldPower]
    nameplate_capacity_kw: float
    assets: int
    observed_assets: int
    dr_programs: list[dict[str, Any]]
    interconnect_constraints: dict[str, dict[str, Any]]
    wholesale_market_eligibility: dict[str, dict[str, Any]]
    also_in: dict[str, list[str]]


class RefusedAsset(TypedDict):
    """An asset that a program does not take. `failures`: every rule that it fails, with what is there."""

    asset_id: str
    program: str
    failures: list[str]


class ProgramEnrolment(TypedDict):
    """One configured program against the assets.

    `qualified`: ids of those that may be enrolled, `qualified_kw` their ratings' sum, `enrolled`: those that are in it
    already, `refused`: the others.
    """

    program: str
    qualified: list[str]
    qualified_kw: float
    enrolled: list[str]
    refused: list[RefusedAsset]


class PortfolioQualification(TypedDict):
    """Which assets of a portfolio may be enrolled in the programs of the configuration (`enrolment`)."""

    id: str
    name: str
    computed: float
    programs: list[ProgramEnrolment]


class PortfoliosArea(Area):
    """Portfolios."""

    name: ClassVar[str] = "portfolios"
    title: ClassVar[str] = "Portfolios"
    screens: ClassVar[str] = "gridiface.operator.screens.settlement:PortfolioScreen"

    def __init__(self, desk: Desk, port: PortfolioPort) -> None:
        self._desk, self._port = desk, port

    @get("/portfolios", "Portfolios by id; filter `q`")
    async def list_portfolios(self, call: Call[Search, NoBody]) -> PortfolioList:
        """One page; `total` counts all that match."""
        query, wanted = call.query, call.query.q.strip().lower()
        fitting = [
            name for name, said in self._port.names().items() if wanted in name.lower() or wanted in said.lower()
        ]
        left = following(fitting, query.after, str)
        shown = [row for name in left[query.skip : query.skip + query.limit] if (row := self._port.one(name))]
        return {
            "portfolios": [{"id": row["id"], "name": row["name"], "assets": len(row["assets"])} for row in shown],
            "total": len(fitting),
            "next": shown[-1]["id"] if shown and query.skip + len(shown) < len(left) else None,
        }

    @post("/portfolios", "Enrol a portfolio", scope="configure", done=201, most_bytes=_MOST_BYTES)
    async def create_portfolio(self, call: Call[NoQuery, NewPortfolio]) -> Reply[PortfolioRow]:
        """With an id of its own."""
        name = str(uuid.uuid4())
        row = await self._put(call, name, "portfolio.create", None)
        return Reply(row, headers={"Location": f"/api/v1/portfolios/{name}"})

    @get("/portfolios/{id}", "One portfolio, as it was enrolled", problems=(404,), tagged=True)
    async def get_portfolio(self, call: Call[NoQuery, NoBody]) -> PortfolioRow:
        """With its ETag."""
        return self._one(call.id)

    @put(
        "/portfolios/{id}",
        "Replace a portfolio",
        scope="configure",
        problems=(404,),
        match="get_portfolio",
        must_match=True,
        most_bytes=_MOST_BYTES,
    )
    async def replace_portfolio(self, call: Call[NoQuery, NewPortfolio]) -> PortfolioRow:
        """As it is then."""
        return await self._put(call, call.id, "portfolio.replace", self._one(call.id))

    @delete("/portfolios/{id}", "Take a portfolio away", scope="configure", problems=(404,), match="get_portfolio")
    async def remove_portfolio(self, call: Call[NoQuery, NoBody]) -> PortfolioRow:
        """What is gone."""
        gone = self._one(call.id)
        entry = self._entry(call, "portfolio.remove", call.id, gone, None)
        await self._port.remove(call.id, along=[entry.change()])
        entry.log()
        return gone

    @get("/portfolios/{id}/status", "What a portfolio can surely give now, and to which market", problems=(404,))
    async def get_portfolio_status(self, call: Call[NoQuery, NoBody]) -> PortfolioStatus:
        """From the fleet as it is now."""
        self._one(call.id)
        try:
            found = await self._port.status(call.id, call.now)
        except FleetChanged as problem:
            raise Refused(503, "devices come and go while it is worked out", "ask again") from problem
        return cast("PortfolioStatus", dict(found))

    @get(
        "/portfolios/{id}/qualification",
        "Which assets of a portfolio may be enrolled in which program, and what the others fail",
        problems=(404,),
    )
    async def get_portfolio_qualification(self, call: Call[NoQuery, NoBody]) -> PortfolioQualification:
        """Against the rules of the configuration's `enrolment`."""
        self._one(call.id)
        return cast("PortfolioQualification", dict(self._port.qualification(call.id, call.now)))

    async def _put(
        self, call: Call[NoQuery, NewPortfolio], name: str, what: str, before: PortfolioRow | None
    ) -> PortfolioRow:
        assets = [
            {**asset.model_dump(exclude_none=True), "id": asset.id or str(number)}
            for number, asset in enumerate(call.body.assets, start=1)
        ]
        body = {"name": call.body.name, "assets": assets}
        entry = self._entry(call, what, name, before, body)
        try:
            await self._port.put(name, body, along=[entry.change()])
        except RemoteProtocolError as problem:
            raise Refused(422, problem.reason, "see the field's description") from problem
        entry.log()
        return self._one(name)

    @staticmethod
    def _entry(call: Call[Any, Any], what: str, subject: str, before: Any, after: Any) -> Entry:
        """Of large portfolios the log keeps how many assets they had."""

        def told(body: Any) -> Any:
            return body if body is None else {"name": body["name"], "assets": len(body["assets"])}

        return Entry(
            at=call.now, who=call.caller.name, what=what, subject=subject, before=told(before), after=told(after)
        )

    def _one(self, name: str) -> PortfolioRow:
        found = self._port.one(name)
        if found is None:
            raise unknown("portfolio", name, "GET /api/v1/portfolios lists them")
        assets = [{"metering_interval_s": None, "soc_min": 0.0, **asset} for asset in found["assets"]]
        return cast("PortfolioRow", {"id": name, "name": found["name"], "assets": assets})
