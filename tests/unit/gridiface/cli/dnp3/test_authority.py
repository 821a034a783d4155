"""`gridiface dnp3 user` and `update-key`: what an authority does at an outstation, over a socket."""

import json

import pytest
from typer.testing import CliRunner

from gridiface.cli.dnp3.app import app
from gridiface.errors import GridifaceError
from gridiface.protocols.dnp3.authentication.algorithms import AuthenticationSettings, User
from gridiface.protocols.dnp3.authentication.users import UserRegister
from gridiface.protocols.dnp3.outstation.authentication import OutstationAuthentication
from gridiface.protocols.dnp3.outstation.database import Database
from gridiface.protocols.dnp3.outstation.outstation import Outstation
from gridiface.protocols.dnp3.outstation.settings import AssociationSettings, OutstationSettings
from gridiface.protocols.dnp3.points import PointConfig, PointType

AUTHORITY = bytes(range(32))


def run(*arguments):
    result = CliRunner().invoke(app, [str(item) for item in arguments], catch_exceptions=True)
    if isinstance(result.exception, GridifaceError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


class Place:
    def __init__(self, port, users, folder):
        self.place, self.users, self.folder = f"127.0.0.1:{port}", users, folder
        self.key, self.timeout = folder / "authority.key", 5
        self.key.write_text(AUTHORITY.hex())

    def user(self, *arguments):
        return run("user", self.place, *arguments, "--authority", self.key, "--timeout", self.timeout)

    def update(self, name, out, *arguments):
        common = (
            "--station",
            "outstation",
            "--authority",
            self.key,
            "--out",
            self.folder / out,
            "--timeout",
            self.timeout,
        )
        return run("update-key", self.place, name, *common, *arguments)


@pytest.fixture
def place(serve_outstation, tmp_path):
    users = UserRegister([User(1, "scada", bytes(16))])
    own = OutstationAuthentication(AuthenticationSettings(authority_key=AUTHORITY), users)
    points = [PointConfig(PointType.ANALOG_INPUT, 0)]
    outstation = Outstation(OutstationSettings(10), [AssociationSettings(1)], Database(points), authentication={1: own})
    return Place(serve_outstation(outstation), users, tmp_path)


def test_a_user_is_added_changed_given_a_key_and_removed(place):
    assert "taken" in place.user("add", "bo", "--role", "viewer", "--sequence", 5)
    assert (place.users.named("bo").role, place.users.named("bo").update_key) == (0, b"")
    assert json.loads(place.user("change", "bo", "--role", "engineer", "--json"))["sequence"] > 5
    assert place.users.named("bo").role == 2
    assert "user 2" in place.update("bo", "bo.key")
    assert place.users.named("bo").update_key == bytes.fromhex((place.folder / "bo.key").read_text())
    assert (place.folder / "bo.key").stat().st_mode & 0o777 == 0o600
    assert json.loads(place.update("scada", "gmac.key", "--method", "aes256-gmac", "--json"))["number"] == 1
    assert place.users.named("scada").update_key == bytes.fromhex((place.folder / "gmac.key").read_text())
    place.user("delete", "bo", "--sequence", 2**32 - 1)
    assert place.users.named("bo") is None


def test_what_the_outstation_does_not_take_is_told_and_changes_nothing(place):
    before = place.users.state()
    with pytest.raises(GridifaceError, match="did not take it"):
        place.user("delete", "nobody")
    with pytest.raises(GridifaceError, match="keep the old one"):
        place.update("nobody", "nobody.key")
    place.key.write_text(bytes(32).hex())
    place.timeout = 0.2  # it tells of two errors, then it is silent
    with pytest.raises(GridifaceError, match="did not take it"):
        place.user("add", "eve")
    with pytest.raises(GridifaceError, match="keep the old one"):
        place.update("scada", "wrong.key")
    with pytest.raises(GridifaceError, match="keep the old one"):
        place.update("scada", "weak.key", "--method", "aes128-sha1")
    assert place.users.state() == before


def test_mistakes_are_told_before_anything_is_sent(place):
    with pytest.raises(GridifaceError, match="one of viewer"):
        place.user("add", "bo", "--role", "king")
    (place.folder / "there.key").write_text("x")
    with pytest.raises(GridifaceError, match="exists"):
        place.update("scada", "there.key")
    place.key.write_text("short")
    with pytest.raises(GridifaceError, match="an authority key"):
        place.user("add", "bo")
    assert (place.folder / "there.key").read_text() == "x"
