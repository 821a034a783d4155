"""Users at a server and in a store: the same is asked of both and comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gridiface.cli.places.user_place import Change, RemoteUsers, StoredUsers
from gridiface.errors import GridifaceError


class Server:
    """Writes down what is asked of it."""

    url = "http://127.0.0.1:1"

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def __getattr__(self, verb: str) -> Any:
        def ask(*said: Any) -> dict[str, Any]:
            self.asked.append((verb, *said))
            return {"users": []}

        return ask


def test_what_a_server_is_asked() -> None:
    server = Server()
    place = RemoteUsers(server)  # type: ignore[arg-type]  # what of Remote it uses
    place.create("a", "viewer", None)
    place.change("a/b", Change(role="admin", whole_fleet=True), "why")
    place.change("a", Change(groups=["g"], whole_fleet=True, disabled=False), "")
    place.invite("a", "r")
    place.sign_out("a", "r")
    place.remove("..")
    assert (place.rows(), place.address) == ([], server.url)
    assert server.asked[:-1] == [
        ("post", "/users", {"name": "a", "role": "viewer", "groups": None}),
        ("patch", "/users/a%2Fb", {"role": "admin", "whole_fleet": True, "reason": "why"}),
        ("patch", "/users/a", {"groups": ["g"], "disabled": False, "reason": ""}),
        ("post", "/users/a/invite", {"reason": "r"}),
        ("post", "/users/a/sign-out", {"reason": "r"}),
        ("delete", "/users/~.."),
    ]


def test_the_store_of_a_stopped_server(tmp_path: Path) -> None:
    config = tmp_path / "g.yaml"
    config.write_text("site: small\n")
    place = StoredUsers(config)
    made = place.create("ann", "operator", ["feeder"])
    assert set(made) == {"user", "ticket", "expires"}
    changed = place.change("ann", Change(role="viewer", whole_fleet=True, disabled=True), "why")
    assert (changed["role"], changed["groups"], changed["state"]) == ("viewer", None, "disabled")
    assert place.change("ann", Change(), "")["role"] == "viewer"
    assert place.address == "http://127.0.0.1:8080"
    with pytest.raises(GridifaceError, match="no user 'bob'"):
        place.remove("bob")


def test_a_server_without_pages_has_no_address_yet(tmp_path: Path) -> None:
    config = tmp_path / "g.yaml"
    config.write_text("operator: {listen: 127.0.0.1:0}\n")
    assert StoredUsers(config).address == ""
