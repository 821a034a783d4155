"""`gridiface demo`: a control travels from a utility to real wires and back, on this machine, in a minute."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from gridiface.cli.demo_account import Story, panel, print_report
from gridiface.cli.terminal.quiet import note
from gridiface.errors import GridifaceError
from gridiface.simulation.children import ChildFailed
from gridiface.simulation.scada import OUTSTATION, ControlRoom
from gridiface.simulation.utility import UtilityClient
from gridiface.simulation.world import World, WorldPlan

_LEAD_S = 5.0
_AFTER_S = 5.0
#: The fleet's ramp is over and the mean is taken from here on: slowest unit 2 s, poll of an inverter 1 s, read-back.
_SETTLE_S = 6.0
_ANSWERS_S = 20.0
#: In a world that stays, a device is switched off so long after the event's start.
_FAULT_S = 20.0
_TOLERANCE_PCT = 2.0
#: The control room's set-point as a share of the utility's, and how long it watches, s.
_SCADA_SHARE, _SCADA_S = 0.5, 30.0
#: The same of the OpenADR event; it begins so long after the utility's control ends, s.
_OPENADR_SHARE, _OPENADR_S, _OPENADR_AFTER_S = 0.75, 30.0, 1.0
#: What the control room is answered.
_STATUSES = {
    "while the utility rules": "AUTOMATION_INHIBIT",
    "a limit below zero": "OUT_OF_RANGE",
    "from a master that only watches": "NOT_AUTHORIZED",
    "a pulse while AGC is off": "BLOCKED",
    "set-point": "SUCCESS",
}


@dataclass(frozen=True, slots=True)
class Script:
    """What shall happen: power asked for (W), length (s), unit to be switched off, whether to stay afterwards."""

    watts: float
    seconds: float
    fault: int | None
    stays: bool


def demo(
    *,
    headless: Annotated[bool, typer.Option("--headless", help="No live table; for scripts.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
    seconds: Annotated[
        float | None,
        typer.Option(
            help="Length of the story; the event takes what is left of it. Default: 40, with --stay 600.", min=20
        ),
    ] = None,
    stay: Annotated[
        bool | None,
        typer.Option(
            "--stay/--no-stay",
            help="Go on until Ctrl-C, with one device switched off on the way. Default: under a terminal.",
        ),
    ] = None,
    watts: Annotated[float, typer.Option(help="What the utility asks of the fleet, W, + delivered.")] = 80_000,
    fault: Annotated[
        int | None,
        typer.Option(help="Switch this SunSpec unit (1 to 20) off in the middle of the event.", min=1, max=20),
    ] = None,
    port: Annotated[int, typer.Option(help="Port of the page; another is taken where it is in use.")] = 8080,
    keep: Annotated[
        Path | None, typer.Option(help="Folder for the world's logs and database, or a story's picture and tables.")
    ] = None,
    story: Annotated[
        str | None,
        typer.Option(help="Tell another story: `day`, a day of a large simulated fleet in compressed time; `evening`."),
    ] = None,
    devices: Annotated[int, typer.Option(help="Size of the fleet of a story.", min=20, max=20_000)] = 2000,
    seed: Annotated[int, typer.Option(help="Of a story's fleet, failures and lies.")] = 1,
) -> None:
    """Run a utility, a server, 20 SunSpec devices and three 2030.5 inverters, and let a control travel through them.

    After the event comes one by OpenADR, announced beforehand by the VTN of a demand response program: the server's VEN
    opts in, the fleet follows, and the VEN's report shows the delivered power. Then a control room takes over by DNP3:
    an analog output sets the fleet's power, and megawatts and state of charge are told unasked; what it may not do is
    refused with the status that says why. At last the maker of an inverter subscribes to its controls and is told by
    notifications how a newer one supersedes an older one and is cancelled.

    With `--story day` a fleet of 2,000 devices from 5 kWh to 20 MWh lives through a day: an OpenADR event, an IEEE
    2030.5 limit on one feeder and a DNP3 regulation signal overlap, 5 % of the devices fail and return, 2 % lie about
    their state of charge. It draws the day and settles the event.

    Exit code 0: what was delivered is within 2 % of what was asked, every device answered received, started and
    completed (partly completed, where it was switched off), and the VTN, the control room and the subscriber saw what
    they should; 1: not so; 130: broken off before its end. Where it stays, Ctrl-C is its end.

    Example: gridiface demo --headless --json --seconds 40
    """
    if story is not None:
        _tell(story, devices, seed, keep, quiet=headless or as_json, as_json=as_json)
    plan = WorldPlan(page_port=port, battery_curves=True, settings={"dnp3": OUTSTATION})
    quiet = headless or as_json
    stays = not quiet and sys.stderr.isatty() if stay is None else stay
    script = Script(watts, seconds or (600.0 if stays else 40.0), fault or (7 if stays else None), stays)
    try:
        result = asyncio.run(_run(plan, script, keep, quiet=quiet))
    except (KeyboardInterrupt, asyncio.CancelledError):
        note(_stopped(keep))
        raise typer.Exit(0 if script.stays else 130) from None
    if as_json:
        typer.echo(json.dumps(result))
    elif script.stays and not quiet:
        note(_stopped(keep))  # its report was shown before it stayed
    else:
        print_report(result)
    raise typer.Exit(0 if result["ok"] else 1)


def _stopped(keep: Path | None) -> str:
    """What to say at Ctrl-C."""
    return "stopped; nothing was left behind" if keep is None else f"stopped; logs and database are kept in {keep}"


def _tell(name: str, devices: int, seed: int, output: Path | None, *, quiet: bool, as_json: bool) -> None:
    """Tell a story and leave with its exit code."""
    if name not in ("day", "evening"):
        raise typer.BadParameter(f"there is no story {name!r}; there are: day, evening", param_hint="--story")
    from gridiface.cli.story.show import tell  # noqa: PLC0415 - the other demo needs none of it

    result = tell(devices=devices, seed=seed, evening=name == "evening", output=output, quiet=quiet)
    if as_json:
        typer.echo(json.dumps(result))
    elif quiet:
        typer.echo(f"{'ok' if result['ok'] else 'NOT as it should be'}: {result['checks']}")
    raise typer.Exit(0 if result["ok"] else 1)


async def _run(plan: WorldPlan, script: Script, keep: Path | None, *, quiet: bool) -> dict[str, Any]:
    from gridiface.simulation.program import DemandResponse  # noqa: PLC0415 - no other verb needs a VTN

    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, _cancel_once, task)
    console = Console(stderr=True, quiet=quiet)
    # Elsewhere rich shows no status, and of a Live its last state alone.
    moves = console.is_terminal and not console.is_dumb_terminal
    if not quiet and not moves:
        note("starting devices, server and inverters ...")
    async with DemandResponse() as program, World(_with(plan, program.settings()), keep=keep) as world:
        with console.status("starting devices, server and inverters ..."):
            await world.start()
            await _fleet_is_up(world, plan)
        async with world.utility() as utility:
            der_program = await utility.program("fleet")
            now = time.time()
            story = Story(
                asked_w=script.watts,
                start=float(int(now + _LEAD_S)),
                duration_s=float(int(script.seconds - _LEAD_S - _AFTER_S)),
                devices=plan.batteries + plan.inverters,
                fault=script.fault,
                stays=script.stays,
            )
            story.lfdis = await utility.device_lfdis()
            story.posted = await utility.post_target(
                der_program,
                script.watts,
                start=story.start,
                duration_s=story.duration_s,
                now=now,
                title="evening discharge",
            )
            openadr_w = _OPENADR_SHARE * script.watts
            await program.plan(openadr_w, start=story.end + _OPENADR_AFTER_S, duration_s=_ANSWERS_S + _OPENADR_S)
            async with ControlRoom(world.ports["dnp3"]) as room:
                if not quiet and not moves:
                    note(f"the page: {world.sign_in_link}")
                await _watch(world, utility, story, console, room, live=not quiet)
                if not quiet and not moves:
                    console.line()  # a Live that goes into a file or a pipe ends in the middle of its last line
                result = await _result(world, story)
                with console.status("the fleet follows an OpenADR event ..."):
                    heard = await program.watch(openadr_w, _OPENADR_S, tolerance=_TOLERANCE_PCT / 100)
                with console.status("the control room sets the power over DNP3 ..."):
                    await room.refusals()
                    told = await room.set_power(_SCADA_SHARE * script.watts, _SCADA_S)
                with console.status("a subscriber is told how one control supersedes another ..."):
                    async with world.subscriber("inverter1") as subscriber:
                        heard_of = await subscriber.see_superseded(utility, _ANSWERS_S)
            scada = {**told, "statuses": room.statuses, "ok": _control_room_saw(told, room.statuses)}
            heard["on_page"] = any(control["source"] == "openadr" for control in story.status["controls"])
            heard |= {"ok": _program_heard(heard)}
            result |= {"ok": result["ok"] and heard["ok"] and scada["ok"] and heard_of["ok"]}
            result |= {"openadr": heard, "dnp3": scada, "subscription": heard_of}
            if script.stays:
                await _stay(world, result, quiet=quiet)
            return result


def _with(plan: WorldPlan, openadr: Mapping[str, Any]) -> WorldPlan:
    """The same world, with a VEN."""
    return replace(plan, settings={**plan.settings, "openadr": openadr})


def _program_heard(heard: Mapping[str, Any]) -> bool:
    """Whether the VEN opted in, its report showed the power that was asked, and the cancellation was confirmed."""
    reported, asked = heard["reported_W"], heard["set_point_W"]
    followed = reported is not None and abs(reported - asked) <= _TOLERANCE_PCT / 100 * abs(asked)
    return followed and heard["opt"] == "optIn" and heard["cancelled"] and heard["on_page"]


def _control_room_saw(told: Mapping[str, Any], statuses: Mapping[str, str]) -> bool:
    """Whether the power followed the analog output, the state of charge was told, and each refusal said why."""
    power, wanted = told["told_W"], told["set_point_W"]
    followed = power is not None and abs(power - wanted) <= _TOLERANCE_PCT / 100 * abs(wanted)
    return followed and told["soc_told_pct"] is not None and dict(statuses) == _STATUSES


async def _stay(world: World, result: dict[str, Any], *, quiet: bool) -> None:
    """Keep the world until somebody ends it, which is no interruption: all was told.

    Raises:
        ChildFailed: the server ended.
    """
    if not quiet:
        print_report(result)
        note(f"the world goes on until Ctrl-C: {world.sign_in_link}")
    assert world.server is not None
    try:
        word = await world.server.ended()
    except asyncio.CancelledError:
        return
    raise ChildFailed(word)


def _cancel_once(task: asyncio.Task[Any]) -> None:
    """End the story; an impatient second signal must not break off the tidying up."""
    if not task.cancelling():
        task.cancel()


async def _fleet_is_up(world: World, plan: WorldPlan) -> None:
    """Wait until every device has told its state once.

    Raises:
        GridifaceError: it did not within half a minute.
    """
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = (await world.page("/api/v1/status"))["devices"]
        if found["online"] >= plan.batteries + plan.inverters:
            return
        await asyncio.sleep(0.2)
    raise GridifaceError(f"only {found['online']} of {found['total']} devices came up")


async def _watch(
    world: World, utility: UtilityClient, story: Story, console: Console, room: ControlRoom, *, live: bool
) -> None:
    assert story.posted is not None
    end = story.start + story.duration_s
    switch_off = story.start + (_FAULT_S if story.stays else story.duration_s / 2)
    screen: contextlib.AbstractContextManager[Any] = (
        Live(console=console, refresh_per_second=4) if live else contextlib.nullcontext()
    )
    with screen as shown:
        while True:
            now = time.time()
            if story.fault is not None and now >= switch_off:
                await world.fault(story.fault - 1, "off")
                story.note = f"battery{story.fault} was switched off"
                switch_off = float("inf")
            story.status = await world.page("/api/v1/status")
            if not room.statuses and story.start + 1 <= now <= end:
                await room.against_the_utility(_SCADA_SHARE * story.asked_w)
            if story.start + _SETTLE_S <= now <= end:
                story.samples += story.status["groups"]
            story.answers = await utility.responses(story.posted)
            if live:
                shown.update(panel(story, world.sign_in_link, now))
            if now > end and (story.all_came() or now > end + _ANSWERS_S):
                return
            await asyncio.sleep(0.5)


async def _result(world: World, story: Story) -> dict[str, Any]:
    """The account of the story; `ok` is what the exit code says."""
    control = next((c for c in story.status["controls"] if c["source"] == "sep2"), None)
    if control is None:
        raise GridifaceError("the server does not know the control that it acknowledged")
    report = await world.page(f"/api/v1/controls/{control['id']}/report")
    own: dict[str, Any] = next((t for t in report["targets"] if t["target"] == control["target"]), {"intervals": []})
    settled = [i for i in own["intervals"] if i["start"] >= story.start + _SETTLE_S and i["end"] <= story.end]
    means = {name: _mean(settled, name) for name in ("requested_w", "allocated_w", "delivered_w")}
    error = None
    if means["requested_w"] and means["delivered_w"] is not None:
        error = abs(means["delivered_w"] - means["requested_w"]) / abs(means["requested_w"]) * 100
    counters, responses = story.status["counters"], story.responses()
    ok = error is not None and error <= _TOLERANCE_PCT and story.all_came()
    return {
        "ok": ok,
        "devices": story.status["devices"]["total"],
        "groups": len(story.status["groups"]),
        "requested_W": means["requested_w"],
        "allocated_W": means["allocated_w"],
        "delivered_W": means["delivered_w"],
        "tracking_error_pct": None if error is None else round(error, 3),
        "responses": responses,
        "readings": counters["readings"],
        "set_points_written": counters["setpoints_written"],
        "failures": counters["setpoints_failed"],
        "by_group": story.groups(),
    }


def _mean(intervals: list[dict[str, Any]], name: str) -> float | None:
    known = [(i["end"] - i["start"], i[name]) for i in intervals if i[name] is not None]
    total = sum(length for length, _ in known)
    return sum(length * value for length, value in known) / total if total > 0 else None
