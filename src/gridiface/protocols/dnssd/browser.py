"""Finding services by one question after the other, without I/O: instances, then their hosts, then addresses.

Asks as a plain resolver (RFC 6762, 6.7): from a port of its own, once, answered by unicast. What answers say is capped:
anybody on the network may answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnssd.messages import (
    Message,
    Name,
    Question,
    Record,
    RecordType,
    Service,
    decode,
    encode,
    fold,
    pairs_of,
    text_of,
)
from gridiface.protocols.dnssd.zone import Address

_MOST_INSTANCES = 32
_MOST_RECORDS = 1024


@dataclass(frozen=True, slots=True)
class Found:
    """A service instance that answered. `text`: keys in lower case; a key alone has None."""

    instance: str
    host: str
    port: int
    addresses: tuple[Address, ...]
    text: Mapping[str, str | None]


class Browser:
    """Looks for the instances of one service, or of one of its subtypes.

    Args:
        domain: local or site.
        service: such as (b"_smartenergy", b"_tcp").
        subtype: label before `_sub`; "" for the service itself.
        id: of the queries; answers to others are not heard.
    """

    def __init__(self, domain: bytes, service: Name, subtype: str = "", *, id: int = 0) -> None:
        below = (subtype.encode(), b"_sub") if subtype else ()
        self._wanted: Name = (*below, *service, domain)
        self._id = id
        self._records: dict[tuple[Name, int, object], Record] = {}

    def query(self) -> bytes:
        """The question to send next, to the group: for instances first, then for what is missing about them."""
        missing = self._missing()
        questions = missing or [Question(self._wanted, RecordType.PTR, unicast=True)]
        return encode(Message(id=self._id, questions=tuple(questions)))

    @property
    def complete(self) -> bool:
        """Whether somebody answered, and all about who did is known."""
        return bool(self._instances()) and not self._missing()

    def receive(self, octets: bytes) -> None:
        """Take a datagram in. What is no answer is dropped."""
        try:
            message = decode(octets)
        except RemoteProtocolError:
            return
        if not message.is_response or message.id not in {0, self._id}:
            return
        for record in message.records:
            if len(self._records) < _MOST_RECORDS:
                self._records[fold(record.name), record.type, record.data] = record

    def found(self) -> list[Found]:
        """Everybody whose host and port are known, by name of the instance."""
        out: list[Found] = []
        for instance in self._instances():
            where = next((r.data for r in self._about(instance, RecordType.SRV) if isinstance(r.data, Service)), None)
            if where is None:
                continue
            text = next((r.data for r in self._about(instance, RecordType.TXT) if isinstance(r.data, bytes)), b"")
            addresses = tuple(sorted(self._addresses(where.host), key=lambda one: (one.version, one)))
            out.append(Found(text_of(instance), text_of(where.host), where.port, addresses, pairs_of(text)))
        return sorted(out, key=lambda one: one.instance)

    def _instances(self) -> list[Name]:
        pointed = [r.data for r in self._about(self._wanted, RecordType.PTR) if isinstance(r.data, tuple) and r.ttl]
        return list(dict.fromkeys(pointed))[:_MOST_INSTANCES]

    def _addresses(self, host: Name) -> list[Address]:
        found = [*self._about(host, RecordType.A), *self._about(host, RecordType.AAAA)]
        return [r.data for r in found if not isinstance(r.data, bytes | tuple | Service)]

    def _missing(self) -> list[Question]:
        questions: list[Question] = []
        for instance in self._instances():
            services = [r.data for r in self._about(instance, RecordType.SRV) if isinstance(r.data, Service)]
            if not services:
                questions.append(Question(instance, RecordType.SRV, unicast=True))
            if not self._about(instance, RecordType.TXT):
                questions.append(Question(instance, RecordType.TXT, unicast=True))
            for service in services:
                if not self._addresses(service.host):
                    questions.append(Question(service.host, RecordType.A, unicast=True))
                    questions.append(Question(service.host, RecordType.AAAA, unicast=True))
        return list(dict.fromkeys(questions))

    def _about(self, name: Name, kind: RecordType) -> list[Record]:
        wanted = fold(name)
        return [r for (known, known_kind, _), r in self._records.items() if known == wanted and known_kind == kind]
