"""mRIDs are numbers: leading zeros do not count."""

from __future__ import annotations

import pytest

from gridiface.protocols.sep2.mrids import ByMrid, mrid_key, same_mrid


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("0E01", "000E01", True), ("0E01", "E01", True), ("00", "", True), ("0E01", "0E10", False), ("10", "01", False)],
)
def test_spellings_of_one_mrid(one: str, other: str, same: bool) -> None:
    assert same_mrid(one, other) is same
    assert (mrid_key(one) == mrid_key(other)) is same


def test_every_spelling_finds_what_any_put_in() -> None:
    held = ByMrid([("0A", 1)])
    held["000B"] = 2
    held["0B"] = 3
    assert (held["00A"], held.get("B"), held.get("C"), len(held)) == (1, 3, None, 2)
    assert ("00000B" in held, "0C" in held, 7 in held) == (True, False, False)
    assert (list(held), list(held.values())) == (["A", "B"], [1, 3])
    other = held.copy()
    del held["000A"]
    assert (held.pop("00B"), len(held), len(other)) == (3, 0, 2)
    with pytest.raises(KeyError):
        held["0A"]
