from __future__ import annotations

import pytest

from gridiface.domain.quantities import Phase, Quantity
from gridiface.domain.telemetry import Quality, Reading
from gridiface.northbound.sep2.translate.parts import others_of, whole
from gridiface.northbound.sep2.translate.readings import Meaning


def power(phase: Phase = Phase.ALL, sign: int = 1, *, one_way: bool = True, var: bool = False) -> Meaning:
    quantity = Quantity.REACTIVE_POWER if var else Quantity.ACTIVE_POWER
    return Meaning(quantity, phase, sign, 0, telemetry=True, one_way=one_way)


@pytest.mark.parametrize(
    ("one", "beside", "expected"),
    [
        (power(), [], []),
        (power(), [power(sign=-1)], [0]),
        (power(sign=-1), [power(), power()], [0]),  # the first of equal ones
        (power(), [power()], []),  # the same direction again, such as another mean
        (power(), [power(sign=-1, var=True)], []),
        (power(), [power(sign=-1, one_way=False)], []),
        (power(), [power(Phase.A), power(Phase.B)], []),  # it is whole
        (power(Phase.A), [power(one_way=False), power(Phase.B)], None),  # the whole is told
        (power(Phase.A), [power(var=True), power(Phase.B), power(Phase.C), power(Phase.AN)], [1, 2]),
        (power(Phase.AN), [power(Phase.BN), power(Phase.CN), power(Phase.AN, -1), power(Phase.BN, -1)], [0, 1, 2, 3]),
        (power(Phase.A, one_way=False), [power(Phase.A, -1)], []),
        (power(Phase.AB), [power(Phase.BC), power(Phase.A)], []),
    ],
)
def test_what_makes_a_whole(one: Meaning, beside: list[Meaning], expected: list[int] | None) -> None:
    assert others_of(one, [(each, number) for number, each in enumerate(beside)]) == expected


def test_values_of_one_time_belong_together_and_the_last_counts_where_there_is_none() -> None:
    def reading(at: float, value: float) -> Reading:
        return Reading(
            device_id="d", quantity=Quantity.ACTIVE_POWER, value=value, source_time=at, received=99.0,
            quality=Quality.GOOD, phase=Phase.A, duration_s=10.0,
        )  # fmt: skip

    found = whole([reading(1.0, 10.0), reading(2.0, 20.0)], [({1.0: -4.0, 3.0: -6.0}, -6.0), ({}, 100.0)])
    assert [(r.value, r.phase, r.source_time, r.duration_s) for r in found] == [
        (106.0, Phase.ALL, 1.0, 10.0), (114.0, Phase.ALL, 2.0, 10.0)
    ]  # fmt: skip
