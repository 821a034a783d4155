"""Names that log records and spans carry of a control."""

from __future__ import annotations

import pytest

from gridiface.app.dispatching.control_names import named
from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, Source, Target, TargetKind


@pytest.mark.parametrize(
    ("source", "control_id", "extra", "fields"),
    [
        (Source(protocol="sep2", identity="3E4F"), "sep2:0A1B", {}, {"mRID": "0A1B", "LFDI": "3E4F"}),
        (Source(protocol="openadr", identity="vtn"), "openadr/vtn/ev/1", {"eventID": "ev"}, {"eventID": "ev"}),
        (
            Source(protocol="dnp3", program="plant/iso/0", identity="iso"),
            "dnp3:plant/iso/0:1",
            {},
            {"association": "plant/iso"},
        ),
        (Source(protocol="operator", identity="ann"), "c1", {}, {}),
    ],
)
def test_log_records_on_a_control_carry_its_protocols_names(
    source: Source, control_id: str, extra: dict[str, str], fields: dict[str, str]
) -> None:
    control = Control(
        id=control_id,
        source=source,
        target=Target(TargetKind.DEVICE, "d"),
        values={},
        interval=Interval(0.0, 1.0),
        created=0.0,
        extra=extra,
    )
    assert named(control) == {"control": control_id, "device": "d", **fields}
