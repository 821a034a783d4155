"""When statuses flip; that they flip rightly is tested with the programs and in the protocol core."""

from __future__ import annotations

import random
from typing import Any

from gridiface.northbound.sep2.event_clock import FINAL, clusters, event_document, is_live
from gridiface.protocols.sep2.events import EventFacts, statuses


def facts(number: int, start: int, duration: int, **more: Any) -> EventFacts:
    return EventFacts(mrid=f"{number:04X}", start=start, duration=duration, creation_time=0, **more)


def test_events_that_share_no_time_are_apart() -> None:
    found = [[f.mrid for f in c] for c in clusters([facts(1, 100, 10), facts(2, 110, 10), facts(3, 115, 50)])]
    assert found == [["0001"], ["0002", "0003"]]
    assert list(clusters([])) == []


def test_clusters_never_change_a_status() -> None:
    dice = random.Random(3)
    for _ in range(200):
        events = [
            facts(
                n,
                dice.randrange(0, 300, 10),
                dice.randrange(10, 100, 10),
                randomize_start=dice.choice((0, 0, -10, 10)),
                randomize_duration=dice.choice((0, 0, 20)),
                modes=frozenset(dice.sample("ABC", dice.randint(1, 3))),
            )
            for n in range(dice.randrange(12))
        ]
        for now in range(0, 420, 30):
            together = {m: s for c in clusters(events) for m, s in statuses(c, now).items()}
            assert together == statuses(events, now)


async def test_the_next_timer_is_the_next_flip_of_any_program(kit: Any) -> None:
    clock = kit.core.events
    assert clock.next_timer(kit.NOW) is None
    await kit.send("POST", kit.program("fleet") + "/derc", kit.control("01" * 16, start=kit.NOW + 50, duration=100))
    await kit.send("POST", kit.program("bat-1") + "/derc", kit.control("02" * 16, start=kit.NOW + 20, duration=10))
    flips = []
    while (due := clock.next_timer(kit.clock.time)) is not None and due <= kit.NOW + 1000:
        flips.append(due - kit.NOW)
        clock.handle_timer(due)
        kit.clock.time = due
    assert flips == [20, 30, 50, 150]
    assert clock.next_timer(kit.clock.time) == kit.NOW + 30 + kit.settings.event_retention_s


async def test_early_and_late_calls_do_no_harm(kit: Any) -> None:
    path = kit.program("fleet") + "/derc"
    await kit.send("POST", path, kit.control("01" * 16, start=kit.NOW + 50, duration=100))
    for early in (0, 10, 49.99):
        kit.core.events.handle_timer(kit.NOW + early)
    assert (await kit.get(path)).members[0].eventStatus.currentStatus == 0
    kit.core.events.handle_timer(kit.NOW + 75)  # late: the time of the flip is the time of the event
    status = (await kit.get(path)).members[0].eventStatus
    assert (status.currentStatus, status.dateTime) == (1, kit.NOW + 50)


async def test_live_events_and_their_record(kit: Any) -> None:
    await kit.send("POST", kit.program("fleet") + "/derc", kit.control("01" * 16, start=kit.NOW + 50, duration=100))
    record = kit.core.state.events["01" * 16]
    assert is_live(record, int(kit.NOW) + 149)
    assert not is_live(record, int(kit.NOW) + 150)
    change = event_document(record)
    assert (change.space, change.key) == ("sep2/derc", record.item.path)
    assert kit.documents()[change.space, change.key] == change.body
    assert 1 not in FINAL


async def test_a_superseded_status_is_stored(kit: Any) -> None:
    path = kit.program("fleet") + "/derc"
    await kit.send("POST", path, kit.control("01" * 16, start=kit.NOW, duration=5000))
    kit.at(5)
    await kit.send("POST", path, kit.control("02" * 16, start=kit.NOW + 5, duration=10, created=kit.NOW + 5))
    await kit.flush()
    # The winner leaves its list and is forgotten; what it displaced does not come back.
    kit.at(20)
    await kit.send("DELETE", kit.core.state.events["02" * 16].item.path)
    other = await kit.restarted()
    (left,) = (await other.get(f"{path}?l=9")).members
    assert (left.mRID, left.eventStatus.currentStatus) == ("01" * 16, 4)
