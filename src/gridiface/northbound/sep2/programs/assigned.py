"""Which node programs are assigned to which end device, and who is to be assigned to what. Changes nothing of the tree.

Owns how many assignments an end device has room for; what an assignment is shown as is topology.py's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set

from gridiface.northbound.sep2.served.state import State
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord, Program

#: Assignments of one end device, its own program's included (CSIP asks clients for 15).
MOST_ASSIGNMENTS = 15

Leaving = Sequence[tuple[Program, EndDeviceRecord]]
"""Who is shown as assigned to a program and is not below its node any more."""
Coming = Mapping[int, Sequence[EndDeviceRecord]]
"""Who is to be assigned, by number of the program."""


class Assigned:
    """The assignments as they are shown.

    Args:
        state: the tree and the end devices.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        #: Numbers of the programs by number of the end device.
        self._shown: dict[int, set[int]] = {}

    def joined(self, program: Program, record: EndDeviceRecord) -> None:
        """An assignment is shown."""
        self._shown.setdefault(record.number, set()).add(program.number)

    def left(self, program: Program, record: EndDeviceRecord) -> None:
        """An assignment is not shown any more."""
        self._shown.get(record.number, set()).discard(program.number)

    def forget(self, record: EndDeviceRecord) -> None:
        """An end device is gone."""
        self._shown.pop(record.number, None)

    def speaking(self, device_ids: Iterable[str]) -> list[EndDeviceRecord]:
        """The end devices of those that speak IEEE 2030.5, in order of the devices' ids."""
        found = (self._state.by_device.get(device_id) for device_id in sorted(device_ids))
        return [record for record in found if record is not None and record.speaks]

    def has(self, record: EndDeviceRecord, program: Program) -> bool:
        """Whether a program is shown as an assignment of an end device."""
        return self._state.tree.get(assignment_path(record, program)) is not None

    def may_join(self, program: Program, record: EndDeviceRecord) -> bool:
        """Whether a device is still to be assigned to a program, and has room for it."""
        return not self.has(record, program) and self._room(record) > 0

    def coming(self, below: Mapping[int, Set[str]], leaving: Leaving = ()) -> dict[int, list[EndDeviceRecord]]:
        """Who is to be assigned, as far as there is room once those who leave have left.

        Args:
            below: by number of a program: the devices below its node.
            leaving: who leaves.
        """
        freed = Counter(record.number for _, record in leaving)
        room: dict[int, int] = {}
        coming: dict[int, list[EndDeviceRecord]] = {}
        for number, devices in below.items():
            program = self._state.programs[number]
            for record in self.speaking(devices):
                if self.has(record, program):
                    continue
                left = room.setdefault(record.number, self._room(record) + freed[record.number])
                if left > 0:
                    room[record.number] = left - 1
                    coming.setdefault(number, []).append(record)
        return coming

    def after(
        self, whose: Iterable[EndDeviceRecord], *, leaving: Leaving = (), coming: Coming | None = None
    ) -> dict[int, set[int]]:
        """Numbers of the programs that end devices are assigned to afterwards, by their numbers.

        Args:
            whose: the end devices, with all that leave or come.
            leaving: who leaves what.
            coming: who comes to what.
        """
        nodes = {record.number: set(self._shown.get(record.number, ())) for record in whose}
        for program, record in leaving:
            nodes[record.number].discard(program.number)
        for number, came in (coming or {}).items():
            for record in came:
                nodes[record.number].add(number)
        return nodes

    def _room(self, record: EndDeviceRecord) -> int:
        """How many more assignments an end device may have."""
        listing = self._state.tree.listing(f"{record.path}/fsa")
        return 0 if listing is None else MOST_ASSIGNMENTS - len(listing.items)


def assignment_path(record: EndDeviceRecord, program: Program) -> str:
    """Where the assignment of a node's program to a device is; 1 is that of the device's own program."""
    return f"{record.path}/fsa/{program.number + 1}"
