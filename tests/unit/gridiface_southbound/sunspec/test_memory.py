"""What settings held before they were written, over restarts."""

from __future__ import annotations

import pytest

from gridiface.domain.controls import ControlMode
from gridiface.drivers.api import DeviceBusy
from gridiface.errors import StoreUnavailable
from gridiface_southbound.sunspec.memory import Memory

DELAY, HIGH = ControlMode.ENTER_DELAY, ControlMode.ENTER_V_HIGH


class Shelf:
    """Keeps the last octets; refuses while told so."""

    def __init__(self, kept: bytes = b"") -> None:
        self.kept = [kept]
        self.refuses = False

    async def keep(self, body: bytes) -> None:
        if self.refuses:
            raise StoreUnavailable("the disk is full")
        self.kept.append(body)

    def memory(self, serial: str = "A1") -> Memory:
        """What a new process knows."""
        found = Memory()
        found.recall(self.kept[-1], self.keep)
        found.belongs_to(serial)
        return found


async def test_what_was_held_first_is_known_to_the_next_process() -> None:
    shelf = Shelf()
    await shelf.memory().add({DELAY: 300.0})
    again = shelf.memory()
    assert again.values == {DELAY: 300.0}
    await again.add({DELAY: 60.0, HIGH: 105.0})
    assert shelf.memory().values == {DELAY: 300.0, HIGH: 105.0}


async def test_nothing_new_is_kept_once_only_and_nothing_at_all_is_forgotten() -> None:
    shelf = Shelf()
    memory = shelf.memory()
    await memory.add({DELAY: 300.0})
    await memory.add({DELAY: 60.0})
    await memory.drop([DELAY, HIGH])
    assert [bool(body) for body in shelf.kept] == [False, True, False]
    assert shelf.memory().values == {}


async def test_what_cannot_be_kept_must_not_be_written() -> None:
    shelf = Shelf()
    memory = shelf.memory()
    shelf.refuses = True
    with pytest.raises(DeviceBusy, match="the disk is full"):
        await memory.add({DELAY: 300.0})
    assert memory.values == {}
    shelf.refuses = False
    await memory.add({DELAY: 300.0})
    assert shelf.memory().values == {DELAY: 300.0}


async def test_what_was_put_right_while_the_store_was_away_is_kept_with_the_next_change() -> None:
    shelf = Shelf()
    memory = shelf.memory()
    await memory.add({DELAY: 300.0, HIGH: 105.0})
    shelf.refuses = True
    await memory.drop([DELAY])
    assert shelf.memory().values == {DELAY: 300.0, HIGH: 105.0}
    shelf.refuses = False
    await memory.drop([])
    assert shelf.memory().values == {HIGH: 105.0}


async def test_another_device_in_its_place_gets_nothing_of_it() -> None:
    shelf = Shelf()
    await shelf.memory("A1").add({DELAY: 300.0})
    other = shelf.memory("B2")
    assert other.values == {}
    await other.add({DELAY: 10.0})
    assert shelf.memory("B2").values == {DELAY: 10.0}


@pytest.mark.parametrize("kept", [b"{", b"[]", b'{"serial": "A1"}', b'{"serial": "A1", "held": {"no_mode": 1}}'])
def test_what_cannot_be_read_is_nothing(kept: bytes) -> None:
    assert Shelf(kept).memory().values == {}
