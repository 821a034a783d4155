from __future__ import annotations

import resource
from pathlib import Path

import pytest

from gridiface.app.config.load import parse_config
from gridiface.app.process.descriptors import kept_from, raise_descriptor_limit

BOTH = """\
site: small
operator: {listen: "127.0.0.1:0"}
openadr: {vtn: {listen: "127.0.0.1:0"}}
dnp3:
  outstations: [{name: rtu, address: 10, group: fleet, masters: [{name: scada, address: 1}]}]
  endpoints: [{listen: "127.0.0.1:0", connections: 40}]
devices:
  - {id: inv, driver: sunspec, connection: {host: 127.0.0.1, port: 1}, rating: {max_w: 1000}}
groups:
  - {id: fleet, members: [inv]}
"""


@pytest.mark.parametrize("soft", [64, 256, 1024, 65_536])
def test_every_listener_leaves_room_for_the_others(soft: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))
    config = parse_config(BOTH, tmp_path / "g.yaml")
    taken = {part: soft - kept_from(config, part) for part in ("sep2", "openadr")}
    assert all(count >= soft // 4 for count in taken.values())
    alone = soft - kept_from(config.model_copy(update={"openadr": None}), "sep2")
    assert alone >= taken["sep2"]
    if soft >= 1024:
        # 40 of DNP3, 48 spares, 64 files of our own and 64 of the operator stay
        room = soft - 40 - 48 - 64 - 64
        assert 2 * taken["sep2"] <= room
        assert max(alone, taken["openadr"]) <= room


def test_the_limit_is_raised_to_what_the_system_allows() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    raise_descriptor_limit()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert (soft, hard) == (before[1], before[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
