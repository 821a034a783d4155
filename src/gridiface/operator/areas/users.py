"""Users: listed, made with a ticket for the first password, changed, invited anew, signed out, removed."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field
from typing_extensions import TypedDict

from gridiface.errors import ConfigError
from gridiface.operator.api.routing import Area, Call, Reply, delete, etag_of, get, patch, post, unknown
from gridiface.operator.auth.scopes import Role
from gridiface.operator.auth.users import TICKET_S, Invited, User, UserRow
from gridiface.operator.confined import check_groups
from gridiface.operator.desk import Desk
from gridiface.operator.problems import Refused
from gridiface.operator.schema import Asked, Groups, NoBody, NoQuery, Reason, Text
from gridiface.wording import worded


class NewUser(Asked):
    """A user to be made."""

    name: str = Field(
        pattern=worded(
            r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$", "1 to 64 letters, digits and . _ @ -, a letter or digit first"
        ),
        description="unique without regard to case; letters, digits, ._@-",
    )
    role: Role = Field(
        description="viewer sees; operator sends controls; engineer sets up; auditor reads the audit log; admin: all"
    )
    groups: Groups | None = Field(
        default=None, description="what the user may see and control; none: the whole fleet; not for admin, auditor"
    )


class UserChange(Asked):
    """What changes; fields that are left out stay."""

    role: Role | None = Field(default=None, description="the new role")
    groups: Groups | None = Field(default=None, description="the new groups")
    whole_fleet: bool = Field(default=False, description="true: confined to no groups any more")
    disabled: bool | None = Field(default=None, description="true: cannot sign in, sessions are over")
    reason: Text = Field(default="", description="for the audit log")


class UserList(TypedDict):
    """All users, by name."""

    users: list[UserRow]


class UsersArea(Area):
    """Users."""

    name: ClassVar[str] = "users"
    title: ClassVar[str] = "Users"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._users = desk.users

    @get("/users", "Users with their roles", scope="admin")
    async def list_users(self, call: Call[NoQuery, NoBody]) -> UserList:
        """All users."""
        await self._users.load(call.now)
        return {"users": self._users.rows()}

    @post(
        "/users",
        "Make a user; the answer has the ticket for the first password",
        scope="admin",
        done=201,
        secret=True,
        problems=(409,),
    )
    async def create_user(self, call: Call[NoQuery, NewUser]) -> Reply[Invited]:
        """The ticket is shown this once."""
        asked = call.body
        check_groups(asked.groups, self._desk)
        try:
            user, ticket = await self._users.create(
                asked.name, asked.role, call.now, by=call.caller.name, groups=asked.groups
            )
        except ConfigError as error:
            raise _refused(error) from error
        row = user.row()
        headers = {"Location": f"/api/v1/users/{user.id}"}
        return Reply({"user": row, "ticket": ticket, "expires": call.now + TICKET_S}, None, headers, etag_of(row))

    @get("/users/{id}", "One user, by id or name", scope="admin", problems=(404,), tagged=True)
    async def get_user(self, call: Call[NoQuery, NoBody]) -> UserRow:
        """With its ETag."""
        return self._user(call).row()

    @patch(
        "/users/{id}", "Change a user's role, groups, or state", scope="admin", problems=(404, 409), match="get_user"
    )
    async def change_user(self, call: Call[NoQuery, UserChange]) -> UserRow:
        """Takes effect with the user's next request."""
        user, asked = self._user(call), call.body
        fields: dict[str, Any] = {}
        if asked.role is not None:
            fields["role"] = asked.role
        if asked.groups is not None:
            check_groups(asked.groups, self._desk)
            fields["groups"] = tuple(sorted(set(asked.groups)))
        if asked.whole_fleet:
            fields["groups"] = None
        if asked.disabled is not None:
            fields["disabled"] = asked.disabled
        try:
            changed = await self._users.change(user, call.now, by=call.caller.name, reason=asked.reason, **fields)
        except ConfigError as error:
            raise _refused(error) from error
        return changed.row()

    @post(
        "/users/{id}/invite",
        "A new ticket; the old password stands until it is used",
        scope="admin",
        secret=True,
        problems=(404, 409),
    )
    async def invite_user(self, call: Call[NoQuery, Reason]) -> Invited:
        """Earlier tickets are void."""
        user = self._user(call)
        try:
            ticket = await self._users.invite(user, call.now, by=call.caller.name, reason=call.body.reason)
        except ConfigError as error:
            raise _refused(error) from error
        return {"user": user.row(), "ticket": ticket, "expires": call.now + TICKET_S}

    @post("/users/{id}/sign-out", "End all sessions of a user", scope="admin", problems=(404,))
    async def sign_out_user(self, call: Call[NoQuery, Reason]) -> UserRow:
        """The user may sign in again."""
        user = self._user(call)
        changed = await self._users.change(
            user, call.now, by=call.caller.name, reason=call.body.reason or "signed out", since=call.now
        )
        return changed.row()

    @delete("/users/{id}", "Remove a user; its sessions are over", scope="admin", problems=(404, 409), match="get_user")
    async def remove_user(self, call: Call[NoQuery, NoBody]) -> UserRow:
        """What is gone."""
        user = self._user(call)
        try:
            await self._users.remove(user, call.now, by=call.caller.name)
        except ConfigError as error:
            raise _refused(error) from error
        return user.row()

    def _user(self, call: Call[NoQuery, Any]) -> User:
        user = self._users.find(call.id)
        if user is None:
            raise unknown("user", call.id, "GET /api/v1/users lists them")
        return user


def _refused(error: ConfigError) -> Refused:
    reason, _, fix = str(error).partition("; ")
    return Refused(409, reason, fix)
