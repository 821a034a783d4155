"""What a responder owns: its host, its service instances and their names, as records.

Names may change: a label that somebody else has on the link gets a number. No messages and no time here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from gridiface.protocols.dnssd.messages import Name, Question, Record, RecordType, Service, fold, text_pairs

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Times to live (RFC 6762, 10): records with a host name, and others.
HOST_TTL_S = 120
OTHER_TTL_S = 4500
_LABEL_OCTETS = 63
_META = (b"_services", b"_dns-sd", b"_udp")


@dataclass(frozen=True, slots=True)
class Instance:
    """One service instance. `subtype` empty: found by the service itself; else by that subtype alone.

    `label`: what people see, before it is renamed; `text`: the TXT record's keys and values, in order.
    """

    label: str
    text: Mapping[str, str | None]
    subtype: str = ""


def no_instance(key: str) -> Instance | None:
    """No instance is made on demand."""
    return None


class Zone:
    """The records of one host in one domain.

    Args:
        domain: local or site.
        host: label of the host.
        addresses: of the host, both families.
        port: the SRV records' port.
        service: such as (b"_smartenergy", b"_tcp").
        instances: what is announced.
        on_demand: the instance of a subtype, or of the label of one, that is not announced: asked for by name only.
    """

    def __init__(
        self,
        *,
        domain: bytes,
        host: str,
        addresses: Sequence[Address],
        port: int,
        service: Name,
        instances: Iterable[Instance],
        on_demand: Callable[[str], Instance | None] = no_instance,
    ) -> None:
        self.domain = domain
        self._host = _Label(host)
        self._addresses = tuple(addresses)
        self._port = port
        self._service = (*service, domain)
        self._instances = [(_Label(instance.label), instance) for instance in instances]
        self._on_demand = on_demand

    @property
    def host(self) -> Name:
        """The host's name now."""
        return (self._host.octets, self.domain)

    @property
    def names(self) -> list[Name]:
        """The names that must be ours alone."""
        return [self.host, *(self._named(label.octets) for label, _ in self._instances)]

    def rename(self, name: Name) -> bool:
        """Somebody else has this name: take another one; False where it is none of ours."""
        for label, owned in (
            (self._host, self.host),
            *((label, self._named(label.octets)) for label, _ in self._instances),
        ):
            if fold(owned) == fold(name):
                label.number += 1
                return True
        return False

    def unique(self, name: Name | None = None) -> list[Record]:
        """The records that are ours alone: of this name, or of all names."""
        found = [r for r in self._own() if name is None or fold(r.name) == fold(name)]
        if found or name is None:
            return found
        instance = self._by_label(name)
        return [] if instance is None else self._described(name, instance)

    def shared(self) -> list[Record]:
        """The pointers that lead to our instances, beside those that others have."""
        return [self._pointer(label.octets, instance) for label, instance in self._instances]

    def answers(self, question: Question) -> list[Record]:
        """What answers a question."""
        name = fold(question.name)
        if name == fold((*_META, self.domain)):
            found = [Record(question.name, RecordType.PTR, self._service, OTHER_TTL_S)]
        elif name == fold(self._service) or name[1:] == (b"_sub", *fold(self._service)):
            found = self._pointers(question.name)
        else:
            found = self.unique(question.name)
        return [r for r in found if question.type in {r.type, RecordType.ANY}]

    def additional(self, answers: Sequence[Record]) -> list[Record]:
        """What whoever gets these answers will ask for next."""
        found: list[Record] = []
        for answer in answers:
            if answer.type == RecordType.PTR and isinstance(answer.data, tuple):
                found += self.unique(answer.data)
        if found or any(answer.type == RecordType.SRV for answer in answers):
            found += self._addressed()
        return [record for record in found if record not in answers]

    # --- records ------------------------------------------------------------------------------------------------------

    def _own(self) -> list[Record]:
        described = (self._described(self._named(label.octets), one) for label, one in self._instances)
        return [*self._addressed(), *(record for records in described for record in records)]

    def _addressed(self) -> list[Record]:
        return [
            Record(self.host, RecordType.A if one.version == 4 else RecordType.AAAA, one, HOST_TTL_S, unique=True)
            for one in self._addresses
        ]

    def _described(self, name: Name, instance: Instance) -> list[Record]:
        where = Service(self.host, self._port)
        return [
            Record(name, RecordType.SRV, where, HOST_TTL_S, unique=True),
            Record(name, RecordType.TXT, text_pairs(instance.text), OTHER_TTL_S, unique=True),
        ]

    def _pointers(self, name: Name) -> list[Record]:
        subtype = name[0].decode("utf-8", "replace").lower() if len(name) > len(self._service) else ""
        found = [
            Record(name, RecordType.PTR, self._named(label.octets), OTHER_TTL_S)
            for label, instance in self._instances
            if instance.subtype == subtype
        ]
        if not found and subtype and (instance := self._on_demand(subtype)) is not None:
            found = [Record(name, RecordType.PTR, self._named(_Label(instance.label).octets), OTHER_TTL_S)]
        return found

    def _pointer(self, label: bytes, instance: Instance) -> Record:
        below = (instance.subtype.encode(), b"_sub") if instance.subtype else ()
        return Record((*below, *self._service), RecordType.PTR, self._named(label), OTHER_TTL_S)

    def _by_label(self, name: Name) -> Instance | None:
        if len(name) != len(self._service) + 1 or fold(name[1:]) != fold(self._service):
            return None
        return self._on_demand(name[0].decode("utf-8", "replace"))

    def _named(self, label: bytes) -> Name:
        return (label, *self._service)


class _Label:
    """A label that may have to take a number; at most 63 octets of UTF-8."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.number = 1

    @property
    def octets(self) -> bytes:
        tail = f"-{self.number}" if self.number > 1 else ""
        kept = self._text.encode()[: _LABEL_OCTETS - len(tail)].decode("utf-8", "ignore")
        return (kept + tail).encode()
