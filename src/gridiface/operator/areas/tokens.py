"""API tokens: listed, made, revoked."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from typing_extensions import TypedDict

from gridiface.errors import ConfigError
from gridiface.operator.api.routing import Area, Call, delete, get, post, unknown
from gridiface.operator.auth.scopes import Scope
from gridiface.operator.auth.tokens import TokenMade, TokenRow
from gridiface.operator.confined import check_groups
from gridiface.operator.desk import Desk
from gridiface.operator.problems import Refused
from gridiface.operator.schema import Asked, Groups, Name, NoBody, NoQuery

_LISTED = "GET /api/v1/tokens lists them"


class NewToken(Asked):
    """A token to be made."""

    name: Name = Field(description="who or what will use it; unique, shown in the audit log")
    scopes: list[Scope] = Field(
        min_length=1,
        max_length=6,
        description="stream: the event stream; read: all that can be seen; control, configure, audit: that and read; "
        "admin: everything",
    )
    groups: Groups | None = Field(
        default=None, description="what may be seen and controlled with it; none: the whole fleet"
    )
    days: float = Field(default=90.0, gt=0, le=3650, allow_inf_nan=False, description="valid for so many days")


class TokenList(TypedDict):
    """All tokens, by name."""

    tokens: list[TokenRow]


class TokensArea(Area):
    """Tokens."""

    name: ClassVar[str] = "tokens"
    title: ClassVar[str] = "Tokens"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tokens = desk.tokens

    @get("/tokens", "Tokens without their secrets", scope="admin")
    async def list_tokens(self, call: Call[NoQuery, NoBody]) -> TokenList:
        """All tokens."""
        await self._tokens.load(call.now)
        return TokenList(tokens=self._tokens.rows(call.now))

    @get("/tokens/{id}", "One token by its id or name", scope="admin", problems=(404,), tagged=True)
    async def get_token(self, call: Call[NoQuery, NoBody]) -> TokenRow:
        """It, without its secret."""
        await self._tokens.load(call.now)
        found = next((row for row in self._tokens.rows(call.now) if call.id in {row["id"], row["name"]}), None)
        if found is None:
            raise unknown("token", call.id, _LISTED)
        return found

    @post(
        "/tokens",
        "Make a token; its secret is in this answer only",
        scope="admin",
        done=201,
        secret=True,
        problems=(409,),
    )
    async def create_token(self, call: Call[NoQuery, NewToken]) -> TokenMade:
        """A new token."""
        asked = call.body
        check_groups(asked.groups, self._desk)
        try:
            return await self._tokens.create(
                asked.name, asked.scopes, asked.days, call.now, by=call.caller.name, groups=asked.groups
            )
        except ConfigError as error:
            reason, _, fix = str(error).partition("; ")
            raise Refused(409, reason, fix) from error

    @delete("/tokens/{id}", "Revoke a token by its id or name", scope="admin", problems=(404,), match="get_token")
    async def revoke_token(self, call: Call[NoQuery, NoBody]) -> TokenRow:
        """What is gone."""
        gone = await self._tokens.revoke(call.id, call.now, by=call.caller.name)
        if gone is None:
            raise unknown("token", call.id, _LISTED)
        return gone
