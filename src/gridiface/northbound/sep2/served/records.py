"""End devices and programs as plain data, and back: the heads of their documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.fleet import Role
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord, Program

_RECORD_FIELDS = (
    "number",
    "lfdi",
    "sfdi",
    "device_id",
    "group_id",
    "registered",
    "changed",
    "pin",
    "in_band",
    "by_operator",
    "managed",
    "manager",
    "category",
    "program",
    "post_rate",
)


def record_head(record: EndDeviceRecord) -> dict[str, Any]:
    """What is stored of an end device."""
    kept = {name: getattr(record, name) for name in _RECORD_FIELDS}
    lists = {"aggregators": list(record.aggregators), "nodes": list(record.nodes)}
    return {**kept, "role": record.role.value, **lists}


def record_from(head: Mapping[str, Any]) -> EndDeviceRecord:
    """The inverse of `record_head`, without audience."""
    kept = {name: head[name] for name in _RECORD_FIELDS if name in head}
    aggregators, nodes = (tuple(head.get(name, ())) for name in ("aggregators", "nodes"))
    return EndDeviceRecord(**kept, role=Role(head["role"]), aggregators=aggregators, nodes=nodes)


def program_head(program: Program) -> dict[str, Any]:
    """What is stored of a program."""
    return {
        "number": program.number,
        "mrid": program.mrid,
        "primacy": program.primacy,
        "description": program.description,
        "target": [program.target.kind.value, program.target.id],
        "owner": program.owner,
        "node": program.node,
        "assignment": program.assignment,
        "ranked": program.ranked,
        "version": program.version,
    }


def program_from(head: Mapping[str, Any]) -> Program:
    """The inverse of `program_head`, without audience."""
    kind, name = head["target"]
    fields = {name: head[name] for name in ("number", "mrid", "primacy", "description", "owner")}
    node = bool(head.get("node"))
    return Program(
        **fields,
        target=Target(TargetKind(kind), name),
        fetched=node,
        node=node,
        assignment=str(head.get("assignment", "")),
        ranked=bool(head.get("ranked")),
        version=int(head.get("version", 0)),
    )
