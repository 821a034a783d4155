"""A process that writes as fast as it can and says each thing that was acknowledged, until it is killed.

Usage: worker.py URL RUN. Prints "ready", then one line per acknowledged commit.
"""

from __future__ import annotations

import asyncio
import sys

from gridiface.domain.changes import AppendOutcome, AppendReadings, Change, PutControl, PutDocument
from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, Outcome, OutcomeKind, Source, Target, TargetKind
from gridiface.domain.quantities import Quantity
from gridiface.domain.telemetry import Reading
from gridiface.errors import StoreUnavailable
from gridiface.store.repository import Store


def changes(name: str, number: int) -> list[Change]:
    """One commit of several kinds; all of it or nothing must be found later."""
    control = Control(
        id=name,
        source=Source(protocol="test"),
        target=Target(TargetKind.DEVICE, name),
        values={ControlMode.SET_W: ModeValue(float(number))},
        interval=Interval(0.0, 1.0),
        created=float(number),
    )
    run, caller, turn = name.removeprefix("run").split("-")
    # One number per name, so that one query finds them all.
    at = float(run) * 1e8 + float(caller) * 1e6 + float(turn)
    reading = Reading(device_id="kill", quantity=Quantity.ACTIVE_POWER, value=1.0, source_time=at, received=1.0)
    return [
        PutDocument("kill", name, str(number).encode()),
        PutControl(control),
        AppendOutcome(Outcome(control_id=name, kind=OutcomeKind.RECEIVED, at=1.0)),
        AppendReadings((reading,)),
    ]


async def caller(store: Store, run: str, number: int) -> None:
    for turn in range(1_000_000):
        name = f"{run}-{number}-{turn}"
        try:
            await store.commit(changes(name, turn))
        except StoreUnavailable:
            print(f"refused {name}", flush=True)
            await asyncio.sleep(0.02)
        else:
            print(f"acknowledged {name}", flush=True)


async def main(url: str, run: str) -> None:
    store = await Store.open(url)
    print("ready", flush=True)
    await asyncio.gather(*(caller(store, run, number) for number in range(16)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
