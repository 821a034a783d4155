"""`gridiface dnp3 file`: what a master does with the files of an outstation, over a socket."""

import json

import pytest
from typer.testing import CliRunner

from gridiface.cli.dnp3.app import app
from gridiface.errors import ConfigError, GridifaceError
from gridiface.protocols.dnp3.authentication.algorithms import AuthenticationSettings, User
from gridiface.protocols.dnp3.files import FileInfo, FileMode, FileStatus, FileStore, FileType
from gridiface.protocols.dnp3.outstation.authentication import OutstationAuthentication
from gridiface.protocols.dnp3.outstation.database import Database
from gridiface.protocols.dnp3.outstation.handler import OutstationHandler
from gridiface.protocols.dnp3.outstation.outstation import Outstation
from gridiface.protocols.dnp3.outstation.settings import AssociationSettings, OutstationSettings
from gridiface.protocols.dnp3.points import PointConfig, PointType

KEY = bytes(range(16))


def run(*arguments):
    result = CliRunner().invoke(app, ["file", *(str(item) for item in arguments)], env={"COLUMNS": "200"})
    if isinstance(result.exception, GridifaceError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout_bytes


class Store(FileStore):
    """Anyone reads; who knows bo's password writes and removes."""

    def __init__(self):
        self.files = {"points.json": b"{}" * 2000, "night.log": b"\x00\xff\n"}

    def authenticate(self, user, password, master):
        return 4711 if (user, password) == ("bo", "secret") else 0

    def info(self, name):
        if not name:
            return FileInfo("", len(self.files), type=FileType.DIRECTORY)
        return FileInfo(name, len(self.files[name]), 1_700_000_000_000) if name in self.files else None

    def entries(self, name):
        return [self.info(item) for item in sorted(self.files)]

    def allow(self, name, mode, key, master):
        return FileStatus.SUCCESS if mode is FileMode.READ or key == 4711 else FileStatus.PERMISSION_DENIED

    def read(self, name):
        return self.files.get(name)

    def write(self, name, octets, mode):
        self.files[name] = (self.files.get(name, b"") if mode is FileMode.APPEND else b"") + octets
        return FileStatus.SUCCESS

    def delete(self, name):
        return FileStatus.NOT_FOUND if self.files.pop(name, None) is None else FileStatus.SUCCESS


class Handler(OutstationHandler):
    def activate_config(self, names, master, now):
        return 0, [0 if name == "points.json" else 2 for name in names]


@pytest.fixture
def place(serve_outstation, tmp_path):
    """A function: HOST:PORT of an outstation with files; with `keys` it challenges its master."""

    def make(store, *, keys=False):
        own = OutstationAuthentication(AuthenticationSettings(), [User(7, "bo", KEY)])
        outstation = Outstation(
            OutstationSettings(10),
            [AssociationSettings(1)],
            Database([PointConfig(PointType.ANALOG_INPUT, 0)]),
            Handler(),
            files=store,
            authentication={1: own} if keys else None,
        )
        (tmp_path / "password").write_text("secret\n")
        (tmp_path / "key").write_text(KEY.hex())
        return f"127.0.0.1:{serve_outstation(outstation)}"

    return make


def test_files_are_listed_described_fetched_sent_and_removed(place, tmp_path):
    store = Store()
    at, login = place(store), ("--login", "bo", "--password-file", tmp_path / "password")
    listed = json.loads(run("list", at, "--json"))["files"]
    assert [(row["name"], row["octets"], row["kind"]) for row in listed] == [
        ("night.log", 3, "file"),
        ("points.json", 4000, "file"),
    ]
    assert b"2023-11-14" in run("list", at)
    assert json.loads(run("info", at, "night.log", "--json"))["changed_ms"] == 1_700_000_000_000
    assert run("get", at, "night.log") == b"\x00\xff\n"
    run("get", at, "points.json", "--out", tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == store.files["points.json"]

    (tmp_path / "new").write_bytes(b"x" * 3000)
    with pytest.raises(GridifaceError, match="PERMISSION_DENIED"):
        run("put", at, tmp_path / "new")
    assert b"3000 octets taken" in run("put", at, tmp_path / "new", *login)
    assert b"appended" in run("put", at, tmp_path / "new", "new", "--append", *login)
    assert store.files["new"] == b"x" * 6000
    assert b"removed" in run("delete", at, "new", *login)
    with pytest.raises(GridifaceError, match="NOT_FOUND"):
        run("delete", at, "new", *login)
    with pytest.raises(GridifaceError, match="NOT_FOUND"):
        run("get", at, "new")


def test_a_wrong_password_ends_it(place, tmp_path):
    at = place(Store())
    (tmp_path / "wrong").write_text("guess")
    with pytest.raises(GridifaceError, match="authenticate bo"):
        run("delete", at, "night.log", "--login", "bo", "--password-file", tmp_path / "wrong")


def test_under_secure_authentication_the_key_opens_files(place, tmp_path):
    at = place(Store(), keys=True)
    with pytest.raises(GridifaceError):
        run("get", at, "night.log", "--timeout", "0.5")
    keyed = ("--user-number", 7, "--user-key", tmp_path / "key")
    assert run("get", at, "night.log", *keyed) == b"\x00\xff\n"
    assert b"in force" in run("activate", at, "points.json", *keyed)


def test_a_configuration_that_is_not_taken_is_told(place):
    at = place(Store())
    assert json.loads(run("activate", at, "points.json", "--json")) == {"activated": ["points.json"]}
    with pytest.raises(GridifaceError, match=r"activate points\.json, other: the outstation answered"):
        run("activate", at, "points.json", "other")


@pytest.mark.parametrize(
    "arguments",
    [
        ("get", "127.0.0.1:9", "a", "--json"),
        ("get", "127.0.0.1:9", "a", "--out", "{tmp}/there"),
        ("put", "127.0.0.1:9", "{tmp}/missing"),
        ("list", "127.0.0.1:9", "--login", "bo"),
        ("list", "127.0.0.1:9", "--user-key", "{tmp}/there"),
        ("list", "nowhere"),
    ],
)
def test_what_cannot_be_done_is_said_before_anybody_is_called(tmp_path, arguments):
    (tmp_path / "there").write_text("kept")
    with pytest.raises(ConfigError):
        run(*(item.format(tmp=tmp_path) for item in arguments))
    assert (tmp_path / "there").read_text() == "kept"
