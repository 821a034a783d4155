"""End devices and programs come back from their documents as they went in."""

from __future__ import annotations

from typing import Any

from gridiface.northbound.sep2.served.records import program_from, program_head, record_from, record_head


async def test_a_node_program_and_an_end_device_come_back(make_kit: Any) -> None:
    kit = await make_kit(node_programs=True)
    program = kit.core.state.nodes["fleet"]
    found = program_from(program_head(program))
    assert (found.node, found.fetched, found.target, found.primacy) == (True, True, program.target, program.primacy)
    program.version, program.ranked = 7, True
    again = program_from(program_head(program))
    assert (again.version, again.ranked) == (7, True)
    own = kit.core.state.program_of_device("inv-1")
    assert not program_from(program_head(own)).node
    assert not program_from({k: v for k, v in program_head(own).items() if k != "node"}).node
    record = kit.core.state.by_device["inv-1"]
    assert record_head(record_from(record_head(record))) == record_head(record)
