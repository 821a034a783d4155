"""A master's end made of the bare link and transport parts, for tests of the outstation."""

import pytest

from gridiface.protocols.dnp3.authentication.algorithms import AuthenticationSettings, User
from gridiface.protocols.dnp3.authentication.users import UserRegister
from gridiface.protocols.dnp3.controls import CommandStatus
from gridiface.protocols.dnp3.files import FileInfo, FileMode, FileStatus, FileStore, FileType
from gridiface.protocols.dnp3.link import Frame, FrameReader, encode
from gridiface.protocols.dnp3.master.authentication import MasterAuthentication
from gridiface.protocols.dnp3.master.master import Master
from gridiface.protocols.dnp3.master.settings import MasterSettings
from gridiface.protocols.dnp3.outstation.authentication import OutstationAuthentication
from gridiface.protocols.dnp3.outstation.database import Database
from gridiface.protocols.dnp3.outstation.handler import OutstationHandler
from gridiface.protocols.dnp3.outstation.outstation import Outstation
from gridiface.protocols.dnp3.outstation.settings import AssociationSettings, OutstationSettings
from gridiface.protocols.dnp3.points import PointConfig, PointType
from gridiface.protocols.dnp3.transport import FragmentWriter, Reassembler

START = 1_700_000_000.0
OUTSTATION = 10
MASTER = 1


class RecordingHandler(OutstationHandler):
    """Accepts what it is told to accept and remembers every call."""

    def __init__(self):
        self.selected = []
        self.operated = []
        self.status = CommandStatus.SUCCESS
        self.select_status = CommandStatus.SUCCESS
        self.restart_seconds = None
        self.written = []
        self.activation = None
        self.allow = True

    def select(self, request, now):
        self.selected.append(request)
        return self.select_status

    def operate(self, request, now):
        self.operated.append(request)
        return self.status

    def restart(self, kind, master, now):
        return self.restart_seconds

    def write_octets(self, index, octets, master, now):
        self.written.append((index, octets))
        return self.allow

    def terminal_input(self, index, octets, master, now):
        self.written.append((index, octets))
        return self.allow

    def activate_config(self, names, master, now):
        self.written.append(names)
        return self.activation

    def may_write_attribute(self, variation, master, now):
        return self.allow

    def may_change_deadband(self, index, deadband, master, now):
        return self.allow


class Peer:
    """The master's end of one connection; `now` moves only when told to."""

    def __init__(self, outstation, master=MASTER, address=OUTSTATION, now=START, masters=None, greets=True):
        self.outstation = outstation
        self.handler = outstation.station.handler
        self.database = outstation.database
        self.now = now
        self.master = master
        self.address = address
        self.channel = outstation.open(now, [master] if masters is None else masters, greets=greets)
        self.association = outstation.associations[master]
        self.buffer = self.association.state.buffer
        self._writer = FragmentWriter(0xC4, address, master)
        self.reader = FrameReader()
        self.assembler = Reassembler(65_536)
        self.frames = []

    def frames_of(self, fragment, destination=None):
        if destination is None:
            return self._writer.encode(fragment)
        return FragmentWriter(0xC4, destination, self.master).encode(fragment)

    def raw(self, octets):
        """Octets in, octets out."""
        self.channel.receive(octets, self.now)
        return self.channel.to_send(self.now)

    def fragments(self, octets):
        found = []
        for frame in self.reader.feed(octets):
            self.frames.append(frame)
            assert frame.source == self.address
            assert frame.destination == self.master
            if frame.control == 0x44:
                fragment = self.assembler.push(frame.payload)
                if fragment is not None:
                    found.append(fragment)
        return found

    def ask(self, text, destination=None):
        """A request in hex (or octets), the response fragments as octets."""
        octets = bytes.fromhex(text) if isinstance(text, str) else text
        return self.fragments(self.raw(self.frames_of(octets, destination)))

    def one(self, text):
        """The only response to a request."""
        found = self.ask(text)
        assert len(found) == 1, [item.hex(" ") for item in found]
        return found[0]

    def hex(self, text):
        """The only response to a request, as hex."""
        return self.one(text).hex(" ")

    def silent(self, text, destination=None):
        assert self.ask(text, destination) == []

    def link(self, control, payload=b"", destination=None, source=None):
        """A link frame in, the frames out."""
        frame = Frame(
            control,
            self.address if destination is None else destination,
            self.master if source is None else source,
            payload,
        )
        return FrameReader().feed(self.raw(encode(frame)))

    def pending(self):
        """What the outstation sends by itself."""
        return self.fragments(self.channel.to_send(self.now))

    def advance(self, seconds):
        """Moves time, runs timers, returns what was sent."""
        self.now += seconds
        self.channel.handle_timer(self.now)
        return self.pending()

    def update(self, point_type, index, value, **more):
        return self.database.update(self.now, point_type, index, value, **more)

    def clear_restart(self):
        assert self.one("c0 02 50 01 00 07 07 00")[3] == 0

    def notices(self):
        found = []
        while (notice := self.channel.next_event()) is not None:
            found.append(notice)
        return found


def small_points():
    """Ten of each type, with gaps: indices 0-4 and 8-12; classes 1, 2, 3 by type."""
    indices = [0, 1, 2, 3, 4, 8, 9, 10, 11, 12]
    rows = [
        (PointType.BINARY_INPUT, 1),
        (PointType.DOUBLE_BIT_INPUT, 1),
        (PointType.BINARY_OUTPUT, 1),
        (PointType.COUNTER, 3),
        (PointType.FROZEN_COUNTER, 3),
        (PointType.ANALOG_INPUT, 2),
        (PointType.FROZEN_ANALOG_INPUT, 0),
        (PointType.ANALOG_OUTPUT, 2),
        (PointType.OCTET_STRING, 3),
        (PointType.VIRTUAL_TERMINAL, 3),
    ]
    return [
        PointConfig(point_type, index, f"{point_type.value} {index}", event_class=event_class)
        for point_type, event_class in rows
        for index in indices
    ]


def outstation_of(points=None, masters=(MASTER,), *, now=START, outstation=None, settings=None, **more):
    """An outstation over a handler that records; `more` as Outstation has it."""
    return Outstation(
        OutstationSettings(OUTSTATION, **(outstation or {})),
        [AssociationSettings(master, **(settings or {})) for master in masters],
        Database(small_points() if points is None else points),
        RecordingHandler(),
        now=now,
        **more,
    )


@pytest.fixture
def build():
    """Makes an outstation and the master's end of one connection to it."""

    def make(points=None, *, outstation=None, attributes=None, masters=(MASTER,), now=START, **settings):
        device = outstation_of(
            points, masters, now=now, outstation=outstation, settings=settings, attributes=attributes
        )
        return Peer(device, master=masters[0], now=now)

    return make


@pytest.fixture
def connect():
    """Makes another master's end: connect(outstation, master)."""
    return Peer


@pytest.fixture
def small():
    """The points of `build`'s default database."""
    return small_points


class Wire:
    """A master core and an outstation core joined without sockets; `now` moves only when told to."""

    def __init__(self, master, outstation, now=START):
        self.master = master
        self.outstation = outstation
        self.now = now
        self.channel = None
        self.events = []
        self.to_outstation = []
        self.to_master = []

    def connect(self):
        self.channel = self.outstation.open(self.now)
        self.master.connected(self.now)
        return self.run()

    def disconnect(self):
        self.channel.close()
        self.channel = None
        self.master.disconnected(self.now)
        return self.fetch()

    def run(self):
        """Carries octets both ways until both are quiet; the new events of the master."""
        for _ in range(10_000):
            asked = self.master.to_send(self.now)
            if asked:
                self.to_outstation.append(asked)
                self.channel.receive(asked, self.now)
            answered = self.channel.to_send(self.now)
            if answered:
                self.to_master.append(answered)
                self.master.receive(answered, self.now)
            if not asked and not answered:
                return self.fetch()
        raise AssertionError("the two never fall silent")

    def advance(self, seconds):
        self.now += seconds
        self.channel.handle_timer(self.now)
        self.master.handle_timer(self.now)
        return self.run()

    def fetch(self):
        fresh = []
        while (event := self.master.next_event()) is not None:
            fresh.append(event)
        self.events += fresh
        return fresh

    def do(self, name, task):
        """Runs a task to its end; its TaskDone."""
        number = self.master.submit(name, task)
        for step in (self.run, lambda: self.advance(6.0)):
            for event in step():
                if getattr(event, "name", None) and event.task == number:
                    return event
        raise AssertionError(f"{name} does not end")


@pytest.fixture
def join():
    """Joins a master core to an outstation core."""
    return Wire


UPDATE_KEY = bytes(range(16))
AUTHORITY_KEY = bytes(range(100, 132))


@pytest.fixture
def secure(join):
    """Joins a master and an outstation that authenticate; keyword arguments change both ends' settings."""

    def make(
        *,
        role=32768,
        master=None,
        users=None,
        key=UPDATE_KEY,
        master_key=None,
        points=None,
        unsolicited=None,
        **settings,
    ):
        ours = AuthenticationSettings(**({"authority_key": AUTHORITY_KEY} | settings))
        register = UserRegister(users or [User(1, "common", key, role)])
        outstation = outstation_of(
            points,
            settings={"unsolicited": unsolicited},
            authentication={MASTER: OutstationAuthentication(ours, register)},
        )
        theirs = MasterAuthentication(ours, User(1, "common", master_key or key))
        wishes = {"enable_classes": (), "startup_integrity": False} | (master or {})
        joined = join(Master(MasterSettings(MASTER, OUTSTATION, **wishes), theirs), outstation)
        joined.handler = outstation.station.handler
        joined.guard = outstation.associations[MASTER].authentication
        return joined

    return make


class MemoryStore(FileStore):
    """Files in a dictionary; names that begin with `secret` need the key 99."""

    def __init__(self, files=None):
        self.files = dict(files or {})

    def authenticate(self, user, password, master):
        return 99 if (user, password) == ("bo", "pw") else 0

    def info(self, name):
        if name == "/":
            return FileInfo("/", len(self.files), type=FileType.DIRECTORY)
        return FileInfo(name, len(self.files[name]), 5) if name in self.files else None

    def entries(self, name):
        return [self.info(item) for item in sorted(self.files)]

    def allow(self, name, mode, key, master):
        return FileStatus.PERMISSION_DENIED if name.startswith("secret") and key != 99 else FileStatus.SUCCESS

    def read(self, name):
        return self.files.get(name)

    def write(self, name, octets, mode):
        self.files[name] = (self.files.get(name, b"") if mode is FileMode.APPEND else b"") + octets
        return FileStatus.SUCCESS

    def delete(self, name):
        return FileStatus.SUCCESS if self.files.pop(name, None) is not None else FileStatus.NOT_FOUND


@pytest.fixture
def filed(join):
    """Joins a master and an outstation with files: filed({name: octets}, **association settings)."""

    def make(files=None, **settings):
        store = MemoryStore(files)
        outstation = outstation_of(settings=settings, files=store)
        joined = join(
            Master(MasterSettings(MASTER, OUTSTATION, enable_classes=(), startup_integrity=False)), outstation
        )
        joined.store = store
        joined.connect()
        return joined

    return make
