"""One session: registration, controls, responses, reports."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


async def test_a_control_of_the_utility_moves_a_device_and_is_answered(
    make_scene: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    scene = make_scene(2)
    await scene.serve()
    house = await scene.connect()
    session = house.session
    await eventually(lambda: session.status()["state"] == "connected", "the session is up")
    await eventually(lambda: all(d["programs"] for d in session.status()["devices"]), "programs are known")
    program = await scene.utility.program("d01")
    now = time.time()
    posted = await scene.utility.post_target(program, 3000.0, start=now + 1, duration_s=4, now=now, title="t")
    await eventually(lambda: house.batteries.watts["d01"] == 3000.0, "the battery delivers")
    assert house.batteries.watts["d02"] == 0.0

    async def answered() -> bool:
        return set(await scene.utility.responses(posted)) >= {1, 2, 3}

    await eventually(answered, "responses 1, 2 and 3")
    assert await scene.utility.responses(posted) == {n: {scene.lfdi("d01")} for n in (1, 2, 3)}
