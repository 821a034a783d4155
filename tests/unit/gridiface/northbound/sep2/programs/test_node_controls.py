"""One domain control per device below a node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from gridiface.domain.clock import Interval
from gridiface.domain.controls import Acceptance, Control, ControlMode, ModeValue, Source, Verdict
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.programs.node_controls import NodeControls


@dataclass
class Inbox:
    verdicts: dict[str, Verdict]
    alongs: list[tuple[Any, ...]] = field(default_factory=list)

    def preview(self, control: Control, now: float, *, noted=False) -> Acceptance:
        return Acceptance(control_id=control.id, verdict=self.verdicts.get(control.target.id, Verdict.ACCEPTED))

    async def submit(self, control: Control, now: float, *, along: Any = ()) -> Acceptance:
        self.alongs.append(tuple(along))
        return self.preview(control, now)


def make(scope: Any) -> Control:
    return Control(
        id="sep2:A", source=Source(protocol="sep2", authority=float(scope.primacy)), target=scope.target,
        values={ControlMode.CONNECT: ModeValue(float(scope.storage))}, interval=Interval(0.0, 9.0), created=0.0,
    )  # fmt: skip


def controls_for(kit: Any, **verdicts: Verdict) -> tuple[NodeControls, Any]:
    services = kit.core.services
    services.inbox = Inbox({name.replace("_", "-"): verdict for name, verdict in verdicts.items()})
    return NodeControls(services), kit.core.state.program_of_group("fleet")


async def test_each_device_has_its_own_control_and_bases(kit: Any) -> None:
    node, program = controls_for(kit)
    found = node.takers(program, make, node.members(program), 1.0)
    assert [(c.id, c.values[ControlMode.CONNECT].value) for c in found] == [
        ("sep2:A:bat-1", 1.0), ("sep2:A:inv-1", 0.0), ("sep2:A:inv-2", 0.0),
    ]  # fmt: skip
    await node.submit(found, 1.0, ["durable"])  # type: ignore[list-item]  # only handed on
    assert kit.core.services.inbox.alongs == [("durable",), (), ()]


async def test_who_refuses_is_left_out_and_all_refusing_is_a_refusal(kit: Any) -> None:
    node, program = controls_for(kit, inv_1=Verdict.UNSUPPORTED)
    assert [c.target.id for c in node.takers(program, make, ["bat-1", "inv-1"], 1.0)] == ["bat-1"]
    with pytest.raises(RemoteProtocolError) as refused:
        node.takers(program, make, ["inv-1"], 1.0)
    assert refused.value.answer == 400


async def test_without_anybody_below_it_is_stored_all_the_same(kit: Any) -> None:
    node, program = controls_for(kit)
    assert node.takers(program, make, [], 1.0) == []
    commits = kit.ledger.commits
    await node.submit([], 1.0, [])
    assert kit.ledger.commits == commits + 1
