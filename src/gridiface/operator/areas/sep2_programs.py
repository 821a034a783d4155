"""IEEE 2030.5 programs over REST: assignments, programs, controls, defaults and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol, Self, cast

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from gridiface.domain.changes import Change
from gridiface.operator.api.routing import Area, Call, Reply, delete, etag_of, get, post, put, unknown
from gridiface.operator.schema import Asked, Name, NoBody, NoQuery, Search, Text
from gridiface.operator.sep2_desk import acted, first_of, next_of
from gridiface.wording import worded

Words = dict[str, Any]


class Sep2Program(TypedDict):
    """One DERProgram: whom its controls concern, and how many it has."""

    number: int
    path: str
    mrid: str
    name: str
    primacy: int
    target: str
    node: bool
    assignment: str
    controls: int
    active: int


class Sep2Programs(TypedDict):
    """A page of programs."""

    programs: list[Sep2Program]
    total: int
    next: str | None


class ProgramsPort(Protocol):
    """Programs of our server; northbound.sep2 has it."""

    def find_programs(self, text: str, live: str, start: int, limit: int) -> tuple[Sequence[Mapping[str, Any]], int]:
        """Those that fit by number, from `start` on, and how many fit; `live`: "only" active ones, or these "first"."""
        ...

    def program(self, number: int) -> Mapping[str, Any] | None:
        """One, or None."""
        ...

    async def ensure_assignment(self, lfdi: str, name: str, *, along: Sequence[Change]) -> tuple[str, bool]:
        """The assignment of that name, and whether it is new."""
        ...

    async def remove_assignment(self, lfdi: str, path: str, *, along: Sequence[Change]) -> None:
        """Take an added one away."""
        ...

    async def ensure_program(
        self, lfdi: str, assignment: str, name: str, primacy: int, *, along: Sequence[Change]
    ) -> tuple[Mapping[str, Any], bool]:
        """The program of that name, and whether it is new."""
        ...

    async def set_primacy(self, number: int, primacy: int, *, along: Sequence[Change]) -> Mapping[str, Any]:
        """Give a program another primacy."""
        ...

    async def remove_program(self, number: int, *, along: Sequence[Change]) -> None:
        """Take an added one away."""
        ...

    async def cancel_controls(self, number: int | None, reason: str, *, along: Sequence[Change]) -> int:
        """Cancel all live controls of a program, or of all."""
        ...

    async def control(self, asked: Mapping[str, Any], *, by: str, along: Sequence[Change]) -> Words:
        """Make a DERControl."""
        ...

    async def default(self, asked: Mapping[str, Any], *, by: str, along: Sequence[Change]) -> Words:
        """Set a DefaultDERControl."""
        ...

    async def curve(self, asked: Mapping[str, Any], *, by: str, along: Sequence[Change]) -> Words:
        """Add a DERCurve."""
        ...


class Sep2Assignment(TypedDict):
    """Where an assignment is."""

    path: str


class NewAssignment(Asked):
    """An assignment of an end device."""

    lfdi: str = Field(min_length=40, max_length=40, description="of the end device")
    name: Text = Field(min_length=1, description="its description; the same name is the same assignment")


class WhichAssignment(Asked):
    """One added assignment."""

    lfdi: str = Field(min_length=40, max_length=40, description="of the end device")
    path: str = Field(max_length=256, description="of the assignment")


class NewProgram(Asked):
    """A program in an assignment."""

    lfdi: str = Field(min_length=40, max_length=40, description="of the end device")
    assignment: str = Field(max_length=256, description="path of the assignment")
    name: Text = Field(min_length=1, description="its description; the same name is the same program")
    primacy: int = Field(ge=0, le=255, description="lower wins")


class Primacy(Asked):
    """A primacy."""

    primacy: int = Field(ge=0, le=255, description="lower wins")


class OfProgram(Asked):
    """Which program: by number, or that of a device, of a group's total, or of a group as a node."""

    program: int | None = Field(default=None, ge=1, description="number of the program")
    device: Name | None = Field(default=None, description="the own program of this device, by id or LFDI")
    group: Name | None = Field(default=None, description="the program of this group's total")
    node: bool = Field(default=False, description="the program of the group as a node of the topology")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(each is not None for each in (self.program, self.device, self.group)) != 1:
            raise ValueError("name one of program, device, group")
        return self


class NewDerControl(OfProgram):
    """A DERControl."""

    base: Words = Field(description='DERControlBase: element names and values, e.g. {"opModMaxLimW": 5000}')
    start: float | None = Field(default=None, ge=0, le=1e11, description="s since 1970 UTC; none: now, active at once")
    duration: int = Field(default=3600, ge=1, le=0xFFFFFFFF, description="s")
    randomize_start: int = Field(default=0, ge=-3600, le=3600, description="s")
    randomize_duration: int = Field(default=0, ge=-3600, le=3600, description="s")
    category: str | None = Field(
        default=None, pattern=worded(r"^[0-9A-Fa-f]{8}$", "8 hexadecimal digits"), description="deviceCategory in hex"
    )
    responses: str = Field(
        default="03", pattern=worded(r"^[0-9A-Fa-f]{2}$", "2 hexadecimal digits"), description="responseRequired in hex"
    )
    description: Text = Field(default="", description="for people")


class NewDefault(OfProgram):
    """A DefaultDERControl."""

    base: Words = Field(default_factory=dict, description="DERControlBase: element names and values")
    more: Words = Field(default_factory=dict, description="setGradW, setSoftGradW, setES*: values")


class NewCurve(OfProgram):
    """A DERCurve."""

    curve: Words = Field(description="DERCurve: element names and values; mRID and creationTime may be left out")


class Cancelling(Asked):
    """Which controls."""

    program: int | None = Field(default=None, ge=1, description="only those of this program")
    reason: Text = Field(default="", description="for devices and the audit log")


class Cancelled(TypedDict):
    """How many controls were cancelled."""

    count: int


class ProgramSearch(Search):
    """Which programs."""

    live: Literal["", "only", "first"] = Field(
        default="", description="only those with an active control, or these first; empty: all by number"
    )


class Sep2ProgramsArea(Area):
    """IEEE 2030.5 programs."""

    name: ClassVar[str] = "sep2-programs"
    title: ClassVar[str] = "IEEE 2030.5: programs and controls"
    screens: ClassVar[str] = "gridiface.operator.screens.sep2:Sep2Screens"

    def __init__(self, port: ProgramsPort) -> None:
        self._port = port

    @get("/sep2/programs", "DERPrograms by number, or those with an active control first; filters `q`, `live`")
    async def list_sep2_programs(self, call: Call[ProgramSearch, NoBody]) -> Sep2Programs:
        """One page."""
        query, first = call.query, first_of(call.query)
        found, total = self._port.find_programs(query.q.strip(), query.live, first, query.limit)
        return Sep2Programs(programs=[_row(row) for row in found], total=total, next=next_of(first, len(found), total))

    @get("/sep2/programs/{id}", "One DERProgram by its number", problems=(404,), tagged=True)
    async def get_sep2_program(self, call: Call[NoQuery, NoBody]) -> Reply[Sep2Program]:
        """It; its ETag changes with what can be edited of it, not with its controls."""
        return _told(self.program(_number(call.id)))

    def program(self, number: int) -> Sep2Program:
        """One program.

        Raises:
            Refused: 404, there is none of that number.
        """
        found = self._port.program(number)
        if found is None:
            raise unknown("program", str(number), "GET /api/v1/sep2/programs lists them")
        return _row(found)

    @post(
        "/sep2/assignments",
        "Ensure an assignment of an end device, beside its own",
        scope="configure",
        done=201,
        problems=(404,),
        others=((200, "it was there"),),
    )
    async def ensure_sep2_assignment(self, call: Call[NoQuery, NewAssignment]) -> Reply[Sep2Assignment]:
        """Its path."""
        asked = call.body
        path, new = await acted(
            call,
            "sep2.assignment.ensure",
            asked.lfdi,
            lambda along: self._port.ensure_assignment(asked.lfdi, asked.name, along=along),
            after={"name": asked.name},
        )
        return Reply(Sep2Assignment(path=path), 201 if new else 200)

    @post("/sep2/assignments/remove", "Take an added assignment away with its programs", scope="configure",
          problems=(404, 409))  # fmt: skip
    async def remove_sep2_assignment(self, call: Call[NoQuery, WhichAssignment]) -> Sep2Assignment:
        """What is gone."""
        asked = call.body
        await acted(
            call,
            "sep2.assignment.remove",
            asked.path,
            lambda along: self._port.remove_assignment(asked.lfdi, asked.path, along=along),
        )
        return Sep2Assignment(path=asked.path)

    @post(
        "/sep2/programs",
        "Ensure a program in an assignment of an end device, with its primacy",
        scope="configure",
        done=201,
        problems=(404,),
        others=((200, "it was there"),),
    )
    async def ensure_sep2_program(self, call: Call[NoQuery, NewProgram]) -> Reply[Sep2Program]:
        """The program."""
        asked = call.body
        row, new = await acted(
            call,
            "sep2.program.ensure",
            asked.lfdi,
            lambda along: self._port.ensure_program(
                asked.lfdi, asked.assignment, asked.name, asked.primacy, along=along
            ),
            after=asked.model_dump(),
        )
        return Reply(_row(row), 201 if new else 200)

    @put("/sep2/programs/{id}/primacy", "Give a program another primacy", scope="control", problems=(404,),
         match="get_sep2_program")  # fmt: skip
    async def set_sep2_primacy(self, call: Call[NoQuery, Primacy]) -> Reply[Sep2Program]:
        """The program as it is then."""
        number, primacy = _number(call.id), call.body.primacy
        row = await acted(
            call,
            "sep2.program.rank",
            str(number),
            lambda along: self._port.set_primacy(number, primacy, along=along),
            after={"primacy": primacy},
        )
        return _told(row)

    @delete("/sep2/programs/{id}", "Take an added program away; its live controls are cancelled", scope="configure",
            problems=(404, 409), match="get_sep2_program")  # fmt: skip
    async def remove_sep2_program(self, call: Call[NoQuery, NoBody]) -> Cancelled:
        """1."""
        number = _number(call.id)
        await acted(
            call, "sep2.program.remove", str(number), lambda along: self._port.remove_program(number, along=along)
        )
        return Cancelled(count=1)

    @post("/sep2/controls", "Make a DERControl: active at once, or scheduled", scope="control", done=201,
          problems=(404, 409))  # fmt: skip
    async def send_sep2_control(self, call: Call[NoQuery, NewDerControl]) -> Words:
        """The DERControl as devices see it."""
        asked = call.body.model_dump()
        return await acted(
            call,
            "sep2.control.send",
            _of(asked),
            lambda along: self._port.control(asked, by=call.caller.name, along=along),
            after=asked,
        )

    @post("/sep2/controls/cancel", "Cancel all live controls, of one program or of all", scope="control",
          problems=(404,))  # fmt: skip
    async def cancel_sep2_controls(self, call: Call[NoQuery, Cancelling]) -> Cancelled:
        """How many."""
        asked = call.body
        count = await acted(
            call,
            "sep2.controls.cancel",
            "all" if asked.program is None else str(asked.program),
            lambda along: self._port.cancel_controls(asked.program, asked.reason, along=along),
            reason=asked.reason,
        )
        return Cancelled(count=count)

    @put("/sep2/default-control", "Set what holds in a program while no control is active", scope="control",
         problems=(404, 409))  # fmt: skip
    async def set_sep2_default(self, call: Call[NoQuery, NewDefault]) -> Words:
        """The DefaultDERControl as devices see it."""
        asked = call.body.model_dump()
        return await acted(
            call,
            "sep2.default.set",
            _of(asked),
            lambda along: self._port.default(asked, by=call.caller.name, along=along),
            after=asked,
        )

    @post("/sep2/curves", "Add a curve that controls of a program can link to", scope="control", done=201,
          problems=(404, 409))  # fmt: skip
    async def add_sep2_curve(self, call: Call[NoQuery, NewCurve]) -> Words:
        """The DERCurve as devices see it."""
        asked = call.body.model_dump()
        return await acted(
            call,
            "sep2.curve.add",
            _of(asked),
            lambda along: self._port.curve(asked, by=call.caller.name, along=along),
            after=asked,
        )


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else 0  # no program has the number 0: 404


def _of(asked: Mapping[str, Any]) -> str:
    return str(asked["program"] or asked["device"] or asked["group"])


def _told(row: Mapping[str, Any]) -> Reply[Sep2Program]:
    return Reply(_row(row), etag=etag_of([row[name] for name in ("number", "mrid", "name", "primacy")]))


def _row(row: Mapping[str, Any]) -> Sep2Program:
    return cast("Sep2Program", dict(row))
