"""A TLS listener for any protocol: accepts, judges, limits, ends connections in time.

    listener = TlsListener(make_protocol, TlsKeeper(files, profile="strict", rules=sep2_rules()))
    await listener.start("0.0.0.0", 443)
    ...
    listener.stop_accepting(); await listener.close()

A protocol finds its peer by `transport.get_extra_info(PEER)`. One connection's life is in `tls_connection`; what is
spoken is the protocol's business. Refusals are logged by "gridiface.tls" with the peer's names and the reason.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gridiface.errors import cannot_listen
from gridiface.northbound.tls_connection import TlsConnection
from gridiface.northbound.tls_limits import Caps, Deadlines, Throttle, address_key
from gridiface.northbound.tls_transport import Phase
from gridiface.pki.alerts import Alert
from gridiface.pki.credentials import TlsKeeper
from gridiface.pki.rules import Verdict
from gridiface.streams.acceptor import EXHAUSTED, Acceptor, nothing_spare

log = logging.getLogger("gridiface.tls")

_PAUSE_S = 0.25
_PAUSE_AFTER_EVICTION = 0.01
_EVICT_WITHOUT_DESCRIPTORS = 64
_RELOAD_SECONDS = 2.0
_LOG_LINES_PER_SECOND = 20
_HUMBLE_S = 5.0
#: Peers whose certificate is remembered for people; the longest unseen go first.
_PEERS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class SeenPeer:
    """The newest accepted connection of one identity.

    Attributes:
        certificate: the peer's own, DER.
        at: of the handshake, seconds since 1970 UTC.
        address: it came from.
    """

    certificate: bytes
    at: float
    address: str


class TlsListener:
    """Listens on one address.

    Args:
        server: makes a protocol per connection, which tells its connection when a request begins, is here whole and
            ends (`transport.get_extra_info(CONNECTION)`).
        keeper: certificates, trust and policy; looked at for changes every `reload_seconds`.
        deadlines: how long a peer may take.
        caps: how many connections there may be.
        wall_clock: seconds since 1970 UTC, for the validity of certificates.
        reload_seconds: how often files are looked at.
        spare: called when no descriptor is left; True: some was given up and accepting is tried again at once.
        lent: whether descriptors that are given up for other listeners are not taken back yet. While they are not,
            this one takes no more connections than it had when none was left to it: they are not for it.

    Attributes:
        counters: what happened so far: `accepted`, `established`, `refused_chain`, `refused_handshake`,
            `refused_total`, `refused_address`, `refused_identity`, `evicted`, `exhausted`, `revoked`, and
            `deadline_<phase>`.
    """

    def __init__(
        self,
        server: Callable[[], asyncio.Protocol],
        keeper: TlsKeeper,
        *,
        deadlines: Deadlines | None = None,
        caps: Caps | None = None,
        wall_clock: Callable[[], float] = time.time,
        reload_seconds: float = _RELOAD_SECONDS,
        spare: Callable[[], bool] = nothing_spare,
        lent: Callable[[], bool] = nothing_spare,
    ) -> None:
        self.deadlines = deadlines or Deadlines()
        self.caps = caps or Caps()
        self.counters: Counter[str] = Counter()
        self._server = server
        self._keeper = keeper
        self._wall_clock = wall_clock
        self._reload_seconds = reload_seconds
        self._total = self.caps.usable_total()
        self._ceiling = self._total
        self._humble_until = 0.0
        self._lent = lent
        self._step = min(self.deadlines.step, max(reload_seconds, 0.01))
        self._acceptor = Acceptor(self._arrives, self._accept_failed, spare)
        self._connections: dict[TlsConnection, None] = {}
        self._handshaking: dict[TlsConnection, None] = {}
        self._addresses: Counter[str] = Counter()
        self._identities: dict[str, dict[TlsConnection, None]] = {}
        self._seen: OrderedDict[str, SeenPeer] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweep_handle: asyncio.TimerHandle | None = None
        self._next_reload = 0.0
        #: When the first certificate by which a peer was let in ends, s since 1970.
        self._ends_next = math.inf
        self._throttle = Throttle(_LOG_LINES_PER_SECOND)
        self._empty = asyncio.Event()
        self._empty.set()

    # Opening and closing -----------------------------------------------------------------------------------------

    async def start(self, host: str, port: int, *, backlog: int = 1024, reuse_port: bool = False) -> None:
        """Listen on every address that `host` stands for; port 0 takes a free one, the same for all.

        Raises:
            ConfigError: the name is unknown or the address cannot be taken.
        """
        try:
            await self._acceptor.start(host, port, backlog=backlog, reuse_port=reuse_port)
        except OSError as error:
            raise cannot_listen(f"{host} port {port}", error) from error
        self._sweep()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where the listener can be reached: host and port of each socket."""
        return self._acceptor.addresses

    @property
    def connections(self) -> int:
        """Open connections, those in handshake included."""
        return len(self._connections)

    def stop_accepting(self) -> None:
        """Close the listening sockets and drop unfinished handshakes; established connections go on."""
        self._acceptor.close()
        for connection in list(self._handshaking):
            connection.abort()

    async def close(self, *, grace: float = 3.0) -> None:
        """Stop accepting, ask every connection to close, and drop after `grace` seconds those that do not."""
        self.stop_accepting()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in list(self._connections):
            connection.close()
        try:
            await asyncio.wait_for(self._empty.wait(), grace)
        except TimeoutError:
            for connection in list(self._connections):
                connection.abort()
            await self._empty.wait()
        if self._sweep_handle is not None:
            self._sweep_handle.cancel()

    # Accepting ---------------------------------------------------------------------------------------------------

    def _arrives(self, sock: socket.socket, address: tuple[Any, ...]) -> None:
        self.counters["accepted"] += 1
        if self._has_room(address_key(str(address[0]))):
            self._take(sock, address)
        else:
            sock.close()

    def _accept_failed(self, error: OSError) -> float:
        if error.errno not in EXHAUSTED:
            self._say(logging.WARNING, "accepting a connection failed: %s", error)
            return _PAUSE_S
        self.counters["exhausted"] += 1
        self._say(logging.ERROR, "no room for a new connection (%s); %d are open", error, self.connections)
        # A dropped connection gives its descriptor back in the next step of the loop.
        giving_way = list(self._handshaking)[:_EVICT_WITHOUT_DESCRIPTORS]
        for connection in giving_way:
            self._evict(connection)
        self._ceiling = max(1, min(self._ceiling, self.connections - len(giving_way)))
        self._humble_until = self.clock() + _HUMBLE_S
        return _PAUSE_AFTER_EVICTION if giving_way else _PAUSE_S

    def _has_room(self, key: str) -> bool:
        if self._addresses[key] >= self.caps.per_address:
            self.counters["refused_address"] += 1
            self._say(logging.WARNING, "connection from %s refused: %d are open from there", key, self._addresses[key])
            return False
        if len(self._connections) >= (self._ceiling if self._lent() else self._total):
            # Whoever has not proved an identity yet gives way, the oldest first.
            if not self._handshaking:
                self.counters["refused_total"] += 1
                self._say(logging.WARNING, "connection from %s refused: %d are open", key, len(self._connections))
                return False
            self._evict(next(iter(self._handshaking)))
        return True

    def _evict(self, connection: TlsConnection) -> None:
        self.counters["evicted"] += 1
        self._handshaking.pop(connection, None)
        connection.abort()

    def _take(self, sock: socket.socket, address: tuple[Any, ...]) -> None:
        connection = TlsConnection(self, self._keeper.state.context, address)
        self._connections[connection] = self._handshaking[connection] = None
        self._addresses[address_key(str(address[0]))] += 1
        self._empty.clear()
        self._spawn(self._adopt(sock, connection))

    async def _adopt(self, sock: socket.socket, connection: TlsConnection) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, sock)
        except OSError:
            sock.close()
        finally:
            if connection.tcp is None:
                self.closed(connection)

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # What a connection asks (tls_connection.Owner) -----------------------------------------------------------------

    def clock(self) -> float:
        """Seconds on the loop's clock."""
        return asyncio.get_running_loop().time()

    def judge(self, chain: list[bytes]) -> Verdict | None:
        """The verdict of the policy in force on a peer's chain."""
        if not chain and not self._keeper.require_client:
            return None
        verdict = self._keeper.state.policy.check(chain, now=self._wall_clock())
        if verdict.accepted:
            self._ends_next = min(self._ends_next, verdict.valid_until)
        return verdict

    def admit(self, connection: TlsConnection) -> Alert | None:
        """Count a peer in; one that has too many connections loses its longest idle one, or is refused."""
        self._handshaking.pop(connection, None)
        self.counters["established"] += 1
        if connection.peer is None:
            return None
        lfdi = connection.peer.lfdi
        own = self._identities.setdefault(lfdi, {})
        if len(own) >= self.caps.of_identity(lfdi):
            # All idle ones wait equally long, so the nearest deadline is the longest wait.
            idle = min((item for item in own if item.phase is Phase.IDLE), key=lambda c: c.deadline, default=None)
            if idle is None:
                self.counters["refused_identity"] += 1
                self._say(logging.WARNING, "connection of lfdi=%s refused: it has %d open", lfdi, len(own))
                return Alert.ACCESS_DENIED
            self.counters["evicted"] += 1
            own.pop(idle)
            idle.close()
        own[connection] = None
        self._seen[lfdi] = SeenPeer(connection.peer.chain[0], self._wall_clock(), str(connection.address[0]))
        self._seen.move_to_end(lfdi)
        if len(self._seen) > _PEERS_KEPT:
            self._seen.popitem(last=False)
        return None

    def seen(self, lfdi: str) -> SeenPeer | None:
        """The newest accepted connection of an identity since the start; None: it was not seen, or long ago."""
        return self._seen.get(lfdi)

    def application(self) -> asyncio.Protocol:
        """A protocol of the server."""
        return self._server()

    def refused(self, connection: TlsConnection, reason: str, verdict: Verdict | None) -> None:
        """Count and log a handshake that failed."""
        where = f"{connection.address[0]}:{connection.address[1]}"
        if verdict is not None:
            self.counters["refused_chain"] += 1
            self._say(logging.WARNING, "%s %s", where, verdict.describe())
        else:
            self.counters["refused_handshake"] += 1
            self._say(logging.INFO, "%s handshake failed: %s", where, reason)

    def expired(self, connection: TlsConnection, phase: str) -> None:
        """Count and log a deadline that a peer missed."""
        self.counters[f"deadline_{phase}"] += 1
        if phase != Phase.IDLE.value:
            who = connection.peer.lfdi if connection.peer is not None else "?"
            self._say(logging.INFO, "%s lfdi=%s closed: too slow (%s)", connection.address[0], who, phase)

    def closed(self, connection: TlsConnection) -> None:
        """Forget a connection that is gone."""
        if connection not in self._connections:
            return
        del self._connections[connection]
        self._handshaking.pop(connection, None)
        key = address_key(str(connection.address[0]))
        self._addresses[key] -= 1
        if self._addresses[key] <= 0:
            del self._addresses[key]
        if connection.peer is not None:
            own = self._identities.get(connection.peer.lfdi, {})
            own.pop(connection, None)
            if not own:
                self._identities.pop(connection.peer.lfdi, None)
        if not self._connections:
            self._empty.set()

    def _say(self, level: int, text: str, *values: object) -> None:
        if self._throttle.passes(self.clock()):
            dropped = self._throttle.take_dropped()
            if dropped:
                log.warning("%d lines like the next were not written", dropped)
            log.log(level, text, *values)

    # Time ----------------------------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        now = self.clock()
        try:
            for connection in [item for item in self._connections if item.deadline <= now]:
                connection.expire(now)
            if self._humble_until and now >= self._humble_until:
                self._humble_until, self._ceiling = 0.0, self._total
            if now >= self._next_reload:
                self._next_reload = now + self._reload_seconds
                if self._keeper.reload_if_changed():
                    self._spawn(self._judge_again())
            if self._wall_clock() >= self._ends_next:
                self._ends_next = math.inf
                self._spawn(self._judge_again())
        finally:
            self._sweep_handle = asyncio.get_running_loop().call_later(self._step, self._sweep)

    async def _judge_again(self) -> None:
        """Close the connections of peers that are not accepted any more, a few at a time."""
        for connection in list(self._connections):
            peer = connection.peer
            if peer is None or connection.phase in (Phase.CLOSING, Phase.CLOSED):
                continue
            verdict = self.judge(list(peer.chain))
            if verdict is not None and not verdict.accepted:
                self.counters["revoked"] += 1
                log.warning("%s %s; its connection is closed", connection.address[0], verdict.describe())
                connection.close()
            await asyncio.sleep(0)
