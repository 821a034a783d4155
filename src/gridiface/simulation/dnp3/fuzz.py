"""A fuzzer for the DNP3 core: requests that are right or nearly so, of every function and object, and plain noise.

Runs in process, against outstations without and with files and secure authentication, and against a master. What it
counts: inputs, exceptions, the slowest input, growth of memory, and that the link still answers after each input. Over
TCP, against a server that runs, every frame is followed by a request for the link status that must be answered.
"""

from __future__ import annotations

import gc
import random
import socket
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gridiface.protocols.dnp3.application import FunctionCode, Qualifier
from gridiface.protocols.dnp3.authentication.algorithms import AuthenticationSettings, User
from gridiface.protocols.dnp3.authentication.users import UserRegister
from gridiface.protocols.dnp3.controls import CommandRequest, CommandStatus
from gridiface.protocols.dnp3.files import FileInfo, FileMode, FileStatus, FileStore
from gridiface.protocols.dnp3.link import Frame, encode
from gridiface.protocols.dnp3.master.master import Master
from gridiface.protocols.dnp3.master.settings import MasterSettings
from gridiface.protocols.dnp3.objects import TABLE
from gridiface.protocols.dnp3.outstation.authentication import OutstationAuthentication
from gridiface.protocols.dnp3.outstation.channel import Channel
from gridiface.protocols.dnp3.outstation.database import Database
from gridiface.protocols.dnp3.outstation.handler import OutstationHandler, RestartKind
from gridiface.protocols.dnp3.outstation.outstation import Outstation
from gridiface.protocols.dnp3.outstation.settings import AssociationSettings, OutstationSettings, UnsolicitedSettings
from gridiface.protocols.dnp3.points import PointConfig, PointType
from gridiface.protocols.dnp3.transport import FragmentWriter

_MASTER, _OUTSTATION = 1, 10
_START = 1_700_000_000.0
_STATUS_REQUEST = encode(Frame(0xC9, _OUTSTATION, _MASTER))
_LINK_STATUS = encode(Frame(0x0B, _MASTER, _OUTSTATION))
_FUNCTIONS = (*FunctionCode, 99)
_QUALIFIERS = tuple(Qualifier)
_WIDTHS = {0x00: 2, 0x01: 4, 0x06: 0, 0x07: 1, 0x08: 2, 0x17: 1, 0x28: 2, 0x5B: 1}
_KINDS = ("plain", "files", "authenticated", "master")
#: Buffers and caches fill in the first half; what grows after it is a leak.
_WARM_SHARE = 0.5
_KEPT_FAILURES = 5
#: Memory that a run may take after it has warmed up, MiB.
MOST_GROWTH_MIB = 5.0
_FRAME = 292


def spoilt(source: random.Random, octets: bytes) -> bytes:
    """The octets with none to five faults: one put in, changed, turned over, or some left out."""
    kept = bytearray(octets)
    for _ in range(source.choice((0, 1, 1, 2, 5))):
        at = source.randrange(len(kept) + 1)
        what = source.randrange(4)
        if what == 0:
            kept[at:at] = bytes((source.randrange(256),))
        elif what == 1 and at < len(kept):
            kept[at] = source.randrange(256)
        elif what == 2 and at < len(kept):
            kept[at] ^= 1 << source.randrange(8)
        else:
            del kept[at : at + source.randrange(4)]
    return bytes(kept)


def fragment(source: random.Random, head: bytes) -> bytes:
    """An application fragment that is right or nearly so, after a head of control, function and, in answers, IIN."""
    parts = [head]
    keys = list(TABLE)
    for _ in range(source.randrange(4)):
        group, variation = source.choice(keys)
        row = TABLE.get((group, variation))
        if source.random() < 0.3:
            variation = 0
        qualifier = int(source.choice(_QUALIFIERS))
        extent = bytes(source.choice((0, 0, 1, 2, 12, 255)) for _ in range(_WIDTHS[qualifier]))
        size = row.size if row is not None else 0
        body = source.randbytes(source.choice((0, size, 1 + size, 20)))
        parts.append(bytes((group, variation, qualifier)) + extent + body)
    return spoilt(source, b"".join(parts))


@dataclass(slots=True)
class FuzzReport:
    """What a run found."""

    inputs: int = 0
    seed: int = 0
    exceptions: int = 0
    unanswered: int = 0
    slowest_ms: float = 0.0
    over_50_ms: int = 0
    growth_mib: float = 0.0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """No exception, no dead link, no growth beyond 5 MiB."""
        return not self.exceptions and not self.unanswered and self.growth_mib < MOST_GROWTH_MIB

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {**asdict(self), "passed": self.passed}


def run(inputs: int, seed: int = 20_130) -> FuzzReport:
    """So many inputs, a quarter against each kind of end point."""
    report = FuzzReport(seed=seed)
    began = time.perf_counter()
    ends = [_End(kind, random.Random(seed + number)) for number, kind in enumerate(_KINDS)]  # noqa: S311 - a fuzzer
    warm = int(inputs * _WARM_SHARE)
    # a walk of the collector through all that was loaded is no fault of the input that it falls on
    gc.collect()
    gc.freeze()
    before = 0.0
    for number in range(inputs):
        if number == warm:
            before = _resident_mib()
        ends[number % len(ends)].step(report)
    gc.unfreeze()
    report.inputs = inputs
    report.growth_mib = round(max(0.0, _resident_mib() - before), 2)
    report.seconds = round(time.perf_counter() - began, 3)
    report.slowest_ms = round(report.slowest_ms, 3)
    return report


class _End:
    """One end point that is fuzzed, in virtual time."""

    def __init__(self, kind: str, source: random.Random) -> None:
        self._source = source
        self._now = _START
        self._number = 0
        self._master: Master | None = None
        self._channel: Channel | None = None
        self._outstation: Outstation | None = None
        if kind == "master":
            self._master = Master(MasterSettings(_MASTER, _OUTSTATION, keep_alive=None))
            self._master.connected(self._now)
            self._writer = FragmentWriter(0x44, _MASTER, _OUTSTATION)
        else:
            self._outstation = _outstation(kind)
            self._writer = FragmentWriter(0xC4, _OUTSTATION, _MASTER)
            self._channel = self._outstation.open(self._now)

    def step(self, report: FuzzReport) -> None:
        """One input, the time it took, and the proof of life after it."""
        octets = self._octets()
        self._now += self._source.choice((0.0, 0.01, 1.0, 20.0))
        began = time.thread_time()  # a loaded machine is not the core's fault
        try:
            alive = self._take_as_master(octets) if self._master is not None else self._take(octets)
        except Exception as problem:  # the very thing that is looked for
            report.exceptions += 1
            if len(report.failures) < _KEPT_FAILURES:
                report.failures.append(f"{type(problem).__name__}: {problem} after {octets.hex()}")
            return
        taken = 1000 * (time.thread_time() - began)
        report.slowest_ms = max(report.slowest_ms, taken)
        report.over_50_ms += taken > 50
        report.unanswered += not alive
        if not alive and len(report.failures) < _KEPT_FAILURES:
            report.failures.append(f"no link status after {octets.hex()}")

    def _octets(self) -> bytes:
        source, self._number = self._source, self._number + 1
        if self._number % 50 == 0:
            return source.randbytes(source.randrange(700))
        control = 0xC0 | source.randrange(64)
        function = int(source.choice(_FUNCTIONS))
        head = bytes((control, function))
        if self._master is not None:
            head = bytes((control, source.choice((129, 129, 130, 131)))) + source.randbytes(2)
        framed = self._writer.encode(fragment(source, head) or b"\0")
        return spoilt(source, framed) if self._number % 3 == 0 else framed

    def _take(self, octets: bytes) -> bool:
        channel, outstation = self._channel, self._outstation
        assert channel is not None
        assert outstation is not None
        channel.receive(octets, self._now)
        outstation.database.update(self._now, PointType.BINARY_INPUT, self._number % 3, float(self._number & 1))
        channel.to_send(self._now)
        channel.handle_timer(self._now)
        while channel.next_event() is not None:
            pass
        # what a spoilt length swallows is filled up, so that the next start is looked for
        channel.receive(bytes(300) + _STATUS_REQUEST, self._now)
        return _LINK_STATUS in channel.to_send(self._now)

    def _take_as_master(self, octets: bytes) -> bool:
        master = self._master
        assert master is not None
        master.receive(octets, self._now)
        master.to_send(self._now)
        master.handle_timer(self._now)
        while master.next_event() is not None:
            pass
        master.receive(bytes(300) + encode(Frame(0x49, _MASTER, _OUTSTATION)), self._now)
        return encode(Frame(0x8B, _OUTSTATION, _MASTER)) in master.to_send(self._now)


class _Willing(OutstationHandler):
    """Takes every command."""

    def select(self, request: CommandRequest, now: float) -> CommandStatus:
        return CommandStatus.SUCCESS

    def operate(self, request: CommandRequest, now: float) -> CommandStatus:
        return CommandStatus.SUCCESS

    def restart(self, kind: RestartKind, master: int, now: float) -> float | None:
        return 0.0


class _Files(FileStore):
    """One file that can be read and written."""

    def __init__(self) -> None:
        self._octets = b"12"

    def info(self, name: str) -> FileInfo | None:
        return FileInfo(name, len(self._octets)) if name == "a" else None

    def allow(self, name: str, mode: FileMode, key: int, master: int) -> FileStatus:
        return FileStatus.SUCCESS

    def read(self, name: str) -> bytes | None:
        return self._octets if name == "a" else None

    def write(self, name: str, octets: bytes, mode: FileMode) -> FileStatus:
        self._octets = octets[:4096]
        return FileStatus.SUCCESS


def _outstation(kind: str) -> Outstation:
    types = [one for one in PointType if one not in {PointType.OCTET_STRING, PointType.VIRTUAL_TERMINAL}]
    points = [PointConfig(one, index, event_class=1 + index % 3) for one in types for index in range(3)]
    authentication = None
    if kind == "authenticated":
        ours = AuthenticationSettings(max_errors=10**9)
        users = UserRegister([User(1, "common", bytes(16), 32_768)])
        authentication = {_MASTER: OutstationAuthentication(ours, users)}
    return Outstation(
        OutstationSettings(_OUTSTATION, self_address=True, keep_alive=None),
        [AssociationSettings(_MASTER, unsolicited=UnsolicitedSettings(), event_capacity=50)],
        Database(points),
        _Willing(),
        {242: "1"},
        now=_START,
        authentication=authentication,
        files=_Files() if kind == "files" else None,
    )


def _resident_mib() -> float:
    """Memory of this process; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * 4096 / 2**20


class TcpFuzz:
    """Spoilt frames over one connection after another, a link status request behind each.

    Args:
        host, port: of the outstation.
        master, outstation: link addresses.
        timeout_s: for the answer to a link status request.
    """

    def __init__(
        self, host: str, port: int, master: int = _MASTER, outstation: int = _OUTSTATION, timeout_s: float = 10.0
    ) -> None:
        self._place = (host, port)
        self._link = (outstation, master)
        self._timeout_s = timeout_s
        self._writer = FragmentWriter(0xC4, outstation, master)

    def run(self, inputs: int, seed: int = 20_130) -> FuzzReport:
        """So many frames; a connection that is closed on us counts as unanswered, and the next one is made."""
        source = random.Random(seed)  # noqa: S311 - a fuzzer
        report = FuzzReport(seed=seed)
        began = time.perf_counter()
        connection = self._connect()
        for number in range(inputs):
            head = bytes((0xC0 | source.randrange(64), int(source.choice(_FUNCTIONS))))
            octets = self._writer.encode(fragment(source, head) or b"\0")
            if number % 2:
                octets = spoilt(source, octets)
            if not self._healthy(connection, octets):
                report.unanswered += 1
                report.failures = [*report.failures, octets.hex()][:_KEPT_FAILURES]
                connection.close()
                connection = self._connect()
        connection.close()
        report.inputs = inputs
        report.seconds = round(time.perf_counter() - began, 3)
        return report

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(self._place, self._timeout_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _healthy(self, connection: socket.socket, octets: bytes) -> bool:
        outstation, master = self._link
        answer = encode(Frame(0x0B, master, outstation))
        held = b""
        try:
            # what a spoilt length swallows is filled up, so that the next start is looked for
            connection.sendall(octets + bytes(300) + encode(Frame(0xC9, outstation, master)))
            while answer not in held:
                more = connection.recv(65_536)
                if not more:
                    return False
                held = held[-_FRAME:] + more
        except OSError:
            return False
        return True
