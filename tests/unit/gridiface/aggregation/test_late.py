from collections.abc import Iterator

import pytest

from gridiface.aggregation.late import Late, Told
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
