"""The records of a host and its services, and their names."""

from __future__ import annotations

import ipaddress

from gridiface.protocols.dnssd.messages import Question, RecordType, Service, name_of, pairs_of
from gridiface.protocols.dnssd.zone import Instance, Zone

SERVICE = (b"_smartenergy", b"_tcp")
V4, V6 = ipaddress.ip_address("192.0.2.1"), ipaddress.ip_address("2001:db8::1")


def zone(**more: object) -> Zone:
    facts: dict[str, object] = {
        "domain": b"site",
        "host": "h",
        "addresses": [V4, V6],
        "port": 80,
        "service": SERVICE,
        "instances": [
            Instance("Server", {"txtvers": "1"}),
            Instance("Server derp", {"txtvers": "1", "path": "/derp"}, "derp"),
        ],
    }
    return Zone(**(facts | more))  # type: ignore[arg-type]  # the table above has what it wants


def ask(found: Zone, name: str, kind: RecordType) -> list[object]:
    return [record.data for record in found.answers(Question(name_of(name), kind))]


def test_exactly_one_pointer_of_the_service_and_one_of_each_subtype() -> None:
    made = zone()
    base = name_of("_smartenergy._tcp.site")
    assert ask(made, "_smartenergy._tcp.site", RecordType.PTR) == [(b"Server", *base)]
    assert ask(made, "DERP._sub._SmartEnergy._tcp.site", RecordType.PTR) == [(b"Server derp", *base)]
    assert ask(made, "bill._sub._smartenergy._tcp.site", RecordType.PTR) == []
    assert ask(made, "_services._dns-sd._udp.site", RecordType.PTR) == [base]
    assert ask(made, "_smartenergy._tcp.local", RecordType.PTR) == []
    assert ask(made, "_smartenergy._tcp.site", RecordType.SRV) == []


def test_all_srv_records_are_alike_and_each_instance_has_its_text() -> None:
    made = zone()
    for label, path in (("Server", None), ("Server derp", "/derp")):
        name = (label.encode(), *SERVICE, b"site")
        service, text = (record.data for record in made.answers(Question(name, RecordType.ANY)))
        assert service == Service((b"h", b"site"), 80)
        assert isinstance(text, bytes)
        assert pairs_of(text).get("path") == path
    assert ask(made, "h.site", RecordType.ANY) == [V4, V6]
    assert ask(made, "h.site", RecordType.AAAA) == [V6]


def test_what_is_asked_for_next_goes_along() -> None:
    made = zone()
    answers = made.answers(Question(name_of("_smartenergy._tcp.site"), RecordType.PTR))
    assert [record.type for record in made.additional(answers)] == [
        RecordType.SRV, RecordType.TXT, RecordType.A, RecordType.AAAA,
    ]  # fmt: skip
    assert made.additional(made.answers(Question(name_of("h.site"), RecordType.A))) == []


def test_a_name_that_is_taken_gets_a_number_and_stays_short() -> None:
    made = zone(instances=[Instance("ä" * 40, {})])
    (host, name) = made.names
    assert len(name[0]) == 62  # whole characters only
    assert made.rename(name)
    assert made.rename((b"H", b"site"))
    assert made.names == [(b"h-2", b"site"), (("ä" * 30).encode() + b"-2", *SERVICE, b"site")]
    assert not made.rename(name)
    assert made.unique(host) == []
    assert len(made.unique()) == 4


def test_instances_on_demand_are_found_by_subtype_and_by_name_and_never_announced() -> None:
    one = Instance("Server edev-000000000001", {"path": "/edev/1"}, "edev-000000000001")
    made = zone(on_demand=lambda asked: one if asked in {one.subtype, one.label} else None)
    (pointed,) = ask(made, f"{one.subtype}._sub._smartenergy._tcp.site", RecordType.PTR)
    assert [r.type for r in made.answers(Question(pointed, RecordType.ANY))] == [RecordType.SRV, RecordType.TXT]  # type: ignore[arg-type]  # a name
    assert len(made.shared()) == 2
    assert len(made.names) == 3
