from collections.abc import Iterator, Sequence

import pytest

from gridiface.aggregation.deciding.late import Late, Told, ToldInParts
from gridiface.domain.controls import OutcomeKind


def test_a_late_sequence_is_not_made_before_somebody_looks_and_kept_for_who_asks_for_a_place() -> None:
    made = []
    late = Late(lambda: made.append(1) or range(4))
    assert late
    assert made == []
    assert (len(late), late[1], late[1:3], list(late)) == (4, 1, (1, 2), [0, 1, 2, 3])
    assert made == [1]


def test_who_goes_through_a_late_sequence_gets_its_members_as_they_are_made() -> None:
    made: list[int] = []

    def make() -> Iterator[int]:
        for number in range(4):
            made.append(number)
            yield number

    through = iter(Late(make))
    assert [next(through), next(through)] == [0, 1]
    assert made == [0, 1]


def test_one_that_turns_out_to_be_empty_is_empty() -> None:
    late = Late(tuple[int, ...])
    assert list(late) == []
    assert not late
    with pytest.raises(IndexError):
        late[0]


def test_a_step_is_told_for_each_device() -> None:
    told = Told("c", OutcomeKind.STARTED, 7.0, [None, "a"], "because")
    found = [(one.control_id, one.kind, one.at, one.device_id, one.reason) for one in told.outcomes()]
    assert found == [("c", OutcomeKind.STARTED, 7.0, None, "because"), ("c", OutcomeKind.STARTED, 7.0, "a", "because")]


def test_steps_are_worked_out_in_parts_once_and_told_to_whoever_asks_again() -> None:
    made: list[int] = []

    def make(device_ids: Sequence[str]) -> Iterator[Told]:
        made.append(len(device_ids))
        yield Told("c", OutcomeKind.COMPLETED, 7.0, device_ids[1:])
        yield Told("c", OutcomeKind.FAILED, 7.0, device_ids[:1], "silent")

    told = ToldInParts("c", [f"d{number}" for number in range(1_200)], make)
    first = told.outcomes()
    assert next(first).device_id == "d1"
    assert made == [512]
    again = list(told.outcomes())
    assert made == [512, 512, 176]
    assert len({one.device_id for one in again}) == len(again) == 1_200
    assert [one.device_id for one in again if one.kind is OutcomeKind.FAILED] == ["d0", "d512", "d1024"]
    assert len(list(first)) == 1_199
    assert made == [512, 512, 176]
    assert not told.of_the_whole
    assert Told("c", OutcomeKind.STARTED, 7.0, [None]).of_the_whole
