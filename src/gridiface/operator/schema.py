"""The shapes that every area of the REST API shares: texts, numbers, names, pages, problems; checked with pydantic.

Powers in W, + delivered to the grid; reactive power in var, + injected; times in seconds since 1970 UTC unless a field
says ISO 8601. What only one area asks or answers stands in that area's module.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from gridiface.wording import worded

#: Text for people: no control characters, so that logs and terminals show it as it is.
PRINTABLE = worded(r"^[^\x00-\x1f\x7f-\x9f]*$", "text without line ends, tabs and other control characters")

#: Longest id of anything: a control of OpenADR is called after its VTN, event, signal and target.
LONGEST_ID = 1024

#: What an id may be made of: peers choose theirs, and XML carries line ends and blanks of every width.
OF_IDS = worded(r"^[^\x00]*$", "text without the character NUL")

Text = Annotated[str, Field(max_length=256, pattern=PRINTABLE)]
Name = Annotated[str, Field(min_length=1, max_length=128, pattern=PRINTABLE)]

#: Names of groups that somebody is confined to.
Groups = Annotated[list[Name], Field(min_length=1, max_length=100)]

#: The id of something that a peer may have named.
Id = Annotated[str, Field(min_length=1, max_length=LONGEST_ID, pattern=OF_IDS)]

Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e12, le=1e12)]


class Asked(BaseModel):
    """Base of all requests: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoBody(Asked):
    """No body."""


class NoQuery(Asked):
    """No query parameters."""


class Page(Asked):
    """One page of a list."""

    limit: int = Field(default=100, ge=1, le=1000, description="most members in this answer")
    after: str = Field(
        default="",
        max_length=LONGEST_ID,
        pattern=OF_IDS,
        description="`next` of the page before; empty: the first page",
    )


class Search(Page):
    """One page of a list that can be searched and entered anywhere."""

    q: Text = Field(default="", description="only those in which this text is, without regard to case")
    skip: int = Field(default=0, ge=0, le=100_000_000, description="leave out so many of those that `after` leaves")


class Reason(Asked):
    """Why something is done; kept in the audit log."""

    reason: Text = Field(default="", description="for people and the audit log")


class Problem(TypedDict, total=False):
    """RFC 9457 problem details; `detail` is the reason, `fix` what to do about it."""

    type: str
    title: str
    status: int
    detail: str
    fix: str
    errors: list[dict[str, str]]
    verdict: str
    control: str
