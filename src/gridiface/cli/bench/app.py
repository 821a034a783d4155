"""The benchmarks as verbs; each prints machine, versions, work, and minimum, median and maximum of each figure."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from gridiface.cli.bench import aggregator as aggregator_bench
from gridiface.cli.bench import allocate as allocate_bench
from gridiface.cli.bench import baseline as baseline_bench
from gridiface.cli.bench import codec as codec_bench
from gridiface.cli.bench import control_step as control_step_bench
from gridiface.cli.bench import dispatch as dispatch_bench
from gridiface.cli.bench import dnp3 as dnp3_bench
from gridiface.cli.bench import fleet as fleet_bench
from gridiface.cli.bench import openadr as openadr_bench
from gridiface.cli.bench import pages as pages_bench
from gridiface.cli.bench import sep2
from gridiface.cli.terminal.showing import Json

app = typer.Typer(no_args_is_help=True, help="Measure this machine: every figure comes with what was done.")

Runs = Annotated[int, typer.Option(help="Runs; minimum, median and maximum are over them.", min=1, max=100)]
Seconds = Annotated[float, typer.Option(help="Length of one run, s.", min=0.2, max=600)]


@app.command("sep2-get")
def sep2_get(
    runs: Runs = 3,
    seconds: Seconds = 3.0,
    devices: Annotated[int, typer.Option(help="End devices of the server.", min=1)] = 1000,
    controls: Annotated[int, typer.Option(help="DERControls of the program that is read.", min=1)] = 200,
    connections: Annotated[int, typer.Option(help="Keep-alive connections.", min=1, max=256)] = 8,
    as_json: Json = False,
) -> None:
    """Keep-alive GETs over mutual TLS (CCM8): /dcap, 100 end devices, 100 controls; server on one core.

    Where nginx is installed, it serves the same bytes over the same suite in turn with the server: `times_nginx` is
    its processor time per request over ours.

    Example: gridiface bench sep2-get --json
    """
    _show(asyncio.run(sep2.get(runs, seconds, devices, controls, connections)), as_json=as_json)


@app.command("sep2-connect")
def sep2_connect(
    runs: Runs = 3,
    seconds: Seconds = 3.0,
    idle: Annotated[int, typer.Option(help="Idle connections held for the memory figure.", min=0)] = 500,
    as_json: Json = False,
) -> None:
    """New mutual-TLS connections with one GET each, and the memory that an idle connection takes.

    Compared with nginx where that is installed, as in sep2-get.

    Example: gridiface bench sep2-connect --json
    """
    _show(asyncio.run(sep2.connect(runs, seconds, idle)), as_json=as_json)


@app.command("sep2-write")
def sep2_write(
    runs: Runs = 3,
    writes: Annotated[int, typer.Option(help="POSTs in one run: every fourth a response.", min=10)] = 4000,
    connections: Annotated[
        int, typer.Option(help="Clients with a certificate each, one POST in flight of each.", min=1, max=256)
    ] = 64,
    as_json: Json = False,
) -> None:
    """POSTs of readings and responses, each durable before its 2xx.

    Example: gridiface bench sep2-write --json
    """
    _show(asyncio.run(sep2.write(runs, writes, connections)), as_json=as_json)


@app.command("codec")
def codec(runs: Runs = 9, as_json: Json = False) -> None:
    """Decode and encode a list of 100 DERControls and an OpenADR event.

    Example: gridiface bench codec --json
    """
    _show(codec_bench.measure(runs), as_json=as_json)


@app.command("sep2-fleet")
def sep2_fleet(
    clients: Annotated[int, typer.Option(help="Clients, each with a certificate of its own.", min=1)] = 2000,
    processes: Annotated[int, typer.Option(help="Processes that carry them.", min=1, max=64)] = 2,
    period: Annotated[float, typer.Option(help="Seconds between the rounds of one client.", min=1)] = 60.0,
    seconds: Annotated[float, typer.Option(help="Length of the rounds, s.", min=1, max=86_400)] = 60.0,
    as_json: Json = False,
) -> None:
    """A fleet registers, polls and posts readings; then the server is killed and everybody comes back at once.

    A round is three GETs and a POST of four readings. 10,000 clients with a period of 300 s load the server as 2,000
    with one of 60 s, but for memory and the storm.

    Example: gridiface bench sep2-fleet --clients 10000 --period 300 --seconds 300 --json
    """
    _show(asyncio.run(fleet_bench.measure(clients, processes, period, seconds)), as_json=as_json)


@app.command("sep2-aggregator")
def sep2_aggregator(
    sizes: Annotated[list[int] | None, typer.Option(help="Devices; repeatable. Default 100, 1000.", min=1)] = None,
    as_json: Json = False,
) -> None:
    """What a fleet costs that an aggregator connects to a utility's server, in processor time per device.

    Each device has a program of its own. They are found and told of; five minutes pass with polls and readings; each
    has an event, received, begun and ended with a response each. Client, engine and store are real; the server is in
    memory and does not count.

    Example: gridiface bench sep2-aggregator --sizes 1000 --json
    """
    _show(aggregator_bench.measure(tuple(sizes or (100, 1_000))), as_json=as_json)


@app.command("allocate")
def allocate(
    runs: Annotated[int, typer.Option(help="Allocations per size.", min=3, max=10_000)] = 200,
    sizes: Annotated[
        list[int] | None, typer.Option(help="Devices; repeatable. Default 10000, 100000, 1000000.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Water-filling, merit order and phase balance over fleets with limits, ramps and stored energy.

    Example: gridiface bench allocate --json
    """
    _show(allocate_bench.measure(runs, tuple(sizes or (10_000, 100_000, 1_000_000))), as_json=as_json)


@app.command("control-step")
def control_step(
    runs: Annotated[int, typer.Option(help="Steps per size.", min=20, max=10_000)] = 300,
    sizes: Annotated[
        list[int] | None, typer.Option(help="Devices; repeatable. Default 1000, 10000, 100000: 1x, 10x, 100x.")
    ] = None,
    groups: Annotated[int, typer.Option(help="Feeders below the fleet's group; every fourth has a limit.", min=1)] = 1,
    controls: Annotated[
        int, typer.Option(help="Devices that get a control of their own, all at the same instant; 0: none.", min=0)
    ] = 0,
    as_json: Json = False,
) -> None:
    """Envelope, split, 5-s look-ahead, dead-band and records: the numbers alone, and the product's whole step.

    With `--controls` also what a control for each of so many devices costs: to take it, at its start and end, in each
    second between, and for the regulation signals and fast responses that come meanwhile.

    Example: gridiface bench control-step --json
    """
    found = control_step_bench.measure(runs, tuple(sizes or (1_000, 10_000, 100_000)), groups=groups, controls=controls)
    _show(found, as_json=as_json)


@app.command("pages")
def pages(
    runs: Annotated[int, typer.Option(help="Requests per page.", min=3, max=10_000)] = 30,
    devices: Annotated[int, typer.Option(help="Size of the fleet.", min=1, max=200_000)] = 10_000,
    groups: Annotated[int, typer.Option(help="Feeders below the fleet's group.", min=1, max=1_000)] = 20,
    rows: Annotated[
        int, typer.Option(help="Controls, alarms, settlements, portfolios; a hundred times as many decisions.", min=1)
    ] = 10_000,
    as_json: Json = False,
) -> None:
    """The operator's pages over a large fleet: from the request to the last octet, every one looked at afresh.

    Controls, performance, alarms, decisions, settlements and portfolios are as many as `--rows` says. Processor time
    is that of server and reader together.

    Example: gridiface bench pages --devices 10000 --json
    """
    _show(asyncio.run(pages_bench.measure(runs, devices, groups, rows)), as_json=as_json)


@app.command("baseline")
def baseline(
    runs: Runs = 9,
    sizes: Annotated[list[int] | None, typer.Option(help="Meters; repeatable. Default 1000, 10000.")] = None,
    as_json: Json = False,
) -> None:
    """10-of-10 and 5-of-10 baselines of meters with 45 days of 96 intervals, with and without gaps.

    Example: gridiface bench baseline --json
    """
    _show(baseline_bench.measure(runs, tuple(sizes or (1_000, 10_000))), as_json=as_json)


@app.command("dispatch")
def dispatch(
    runs: Runs = 5,
    sizes: Annotated[list[int] | None, typer.Option(help="Devices; repeatable. Default 1000, 4000, 10000.")] = None,
    as_json: Json = False,
) -> None:
    """From the receipt of a control to the last acknowledged Modbus write, devices in a second process.

    Example: gridiface bench dispatch --json
    """
    _show(asyncio.run(dispatch_bench.measure(runs, tuple(sizes or (1000, 4000, 10_000)))), as_json=as_json)


@app.command("dnp3-poll")
def dnp3_poll(
    runs: Runs = 3,
    points: Annotated[int, typer.Option(help="Analog inputs of the outstation.", min=1, max=10_000)] = 1000,
    polls: Annotated[int, typer.Option(help="Requests of each kind in one run.", min=10)] = 500,
    as_json: Json = False,
) -> None:
    """Class 0, integrity and event polls, direct operate and select-operate over TCP, the whole shell.

    Where GRIDIFACE_OPENDNP3_PYTHON names a Python with dnp3-python, opendnp3's outstation answers in turn with ours.

    Example: gridiface bench dnp3-poll --json
    """
    _show(asyncio.run(dnp3_bench.poll(runs, points=points, polls=polls)), as_json=as_json)


@app.command("dnp3-events")
def dnp3_events(
    runs: Runs = 3,
    rate: Annotated[int, typer.Option(help="Events offered per second.", min=100)] = 20_000,
    seconds: Seconds = 2.0,
    as_json: Json = False,
) -> None:
    """Events delivered with time and confirm while a producer offers so many per second.

    Example: gridiface bench dnp3-events --rate 20000 --json
    """
    _show(asyncio.run(dnp3_bench.events(runs, rate=rate, seconds=seconds)), as_json=as_json)


@app.command("openadr-poll")
def openadr_poll(
    runs: Runs = 3,
    seconds: Seconds = 3.0,
    connections: Annotated[int, typer.Option(help="VENs, each with a connection.", min=1, max=256)] = 16,
    signed: Annotated[bool, typer.Option("--signed", help="TLS and XML signatures, RSA-2048.")] = False,
    as_json: Json = False,
) -> None:
    """Empty polls of an OpenADR VTN on one core; where openleadr is installed, its VTN in turn with ours.

    Example: gridiface bench openadr-poll --signed --json
    """
    _show(asyncio.run(openadr_bench.poll(runs, seconds, connections, signed=signed)), as_json=as_json)


@app.command("openadr-event")
def openadr_event(
    runs: Runs = 3,
    vens: Annotated[int, typer.Option(help="VENs that poll and opt in.", min=1, max=100_000)] = 1000,
    connections: Annotated[int, typer.Option(help="Connections that they share.", min=1, max=256)] = 16,
    as_json: Json = False,
) -> None:
    """One event to many polling VENs, until the last acknowledgement is durable; in turn with openleadr's VTN.

    Example: gridiface bench openadr-event --vens 1000 --json
    """
    _show(asyncio.run(openadr_bench.event(runs, vens, connections)), as_json=as_json)


def _show(answer: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(answer))
        return
    machine, work = answer["machine"], answer["work"]
    typer.echo(f"{answer['bench']} on {machine['cpu']} ({machine['cores']} cores)")
    typer.echo("work: " + ", ".join(f"{name} {value}" for name, value in work.items()))
    for name, value in _flat(answer["figures"]):
        shown = f"{value['min']:.3f} / {value['median']:.3f} / {value['max']:.3f}" if _is_spread(value) else value
        typer.echo(f"  {name:52} {shown}")


def _is_spread(value: object) -> bool:
    return isinstance(value, dict) and set(value) == {"min", "median", "max"}


def _flat(figures: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in figures.items():
        if isinstance(value, Mapping) and not _is_spread(value):
            rows += _flat(value, f"{prefix}{name} ")
        else:
            rows.append((prefix + name, value))
    return rows
