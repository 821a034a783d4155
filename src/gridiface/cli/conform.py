"""`gridiface conform`: run procedures against a server, any server, and see what it does right and wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from gridiface.cli.terminal.progress import working
from gridiface.cli.terminal.showing import Json
from gridiface.conformance.procedures import PROTOCOLS, load_procedures, select
from gridiface.conformance.runner import Result, Session, Verdict, as_json, as_junit, counts, run
from gridiface.errors import ConfigError

app = typer.Typer(
    no_args_is_help=True,
    help="Run conformance procedures against a 2030.5 server, an OpenADR VTN or a DNP3 outstation.",
)

Only = Annotated[list[str] | None, typer.Option(help="Only procedures whose id begins so; repeatable.")]
Procedures = Annotated[Path | None, typer.Option(help="Folder of your own procedures (*.yaml).")]
Junit = Annotated[Path | None, typer.Option(help="Also write the results as JUnit XML to this file.")]
Trace = Annotated[bool, typer.Option(help="Also show what went over the wire.")]
Cert = Annotated[Path | None, typer.Option("--cert", help="Our certificate, PEM.")]
Key = Annotated[Path | None, typer.Option("--key", help="Our key, PEM.")]
Ca = Annotated[Path | None, typer.Option("--ca", help="Trusted roots, PEM.")]
Schema = Annotated[Path | None, typer.Option(help="The official schema: every body is validated by it.")]
Timeout = Annotated[float, typer.Option(help="Wait for an answer, s.", min=0.1, max=600)]


@app.command("list")
def list_(
    protocol: Annotated[str, typer.Argument(help=f"One of {', '.join(PROTOCOLS)}; without: all.")] = "",
    as_json_: Json = False,
) -> None:
    """List the procedures.

    Example: gridiface conform list sep2
    """
    found = [(name, item) for name in ([protocol] if protocol else PROTOCOLS) for item in load_procedures(name)]
    if as_json_:
        rows = [
            {"protocol": name, "id": i.id, "title": i.title, "cites": i.cites, "needs": i.needs} for name, i in found
        ]
        typer.echo(json.dumps({"procedures": rows}))
        return
    for name, item in found:
        needs = f"  (needs --{', --'.join(item.needs)})" if item.needs else ""
        typer.echo(f"{name:8} {item.id:22} {item.title}{needs}")


@app.command("sep2")
def sep2(
    url: Annotated[str, typer.Argument(help="https address of the server's DeviceCapability.")],
    *,
    cert: Annotated[Path, typer.Option("--cert", help="A device's certificate, PEM.")],
    key: Annotated[Path, typer.Option("--key", help="Its key, PEM.")],
    ca: Annotated[Path, typer.Option("--ca", help="Trusted roots, PEM.")],
    utility_cert: Annotated[Path | None, typer.Option(help="Certificate of who may post controls, PEM.")] = None,
    utility_key: Annotated[Path | None, typer.Option(help="Its key, PEM.")] = None,
    notify: Annotated[str, typer.Option(help="https URI that the server may send notifications to.")] = "",
    http: Annotated[str, typer.Option(help="HOST:PORT of the plain listener that redirects.")] = "",
    schema: Schema = None,
    only: Only = None,
    procedures: Procedures = None,
    timeout: Timeout = 10.0,
    junit: Junit = None,
    trace: Trace = False,
    as_json_: Json = False,
) -> None:
    """Run them against an IEEE 2030.5 server, as a device that it knows.

    They write: DER information, log events, a mirror. Use a server that is there for trials.

    Example: gridiface conform sep2 https://localhost:8443/dcap --cert dev.pem --key dev.key --ca serca.pem
    """
    from gridiface.conformance.expectations import schema_validator  # noqa: PLC0415 - as called
    from gridiface.conformance.sep2 import Sep2Session, Sep2Target  # noqa: PLC0415 - as called

    if (utility_cert is None) != (utility_key is None):
        raise ConfigError("--utility-cert and --utility-key belong together")
    utility = (utility_cert, utility_key) if utility_cert and utility_key else None
    target = Sep2Target(
        url=url,
        certificate=cert,
        key=key,
        roots=ca,
        utility=utility,
        notify=notify,
        http=http,
        schema=schema,
        timeout_s=timeout,
    )
    validate = schema_validator(schema) if schema else None
    Sep2Session(target, validate).close()
    _report(
        "sep2",
        lambda: Sep2Session(target, validate),
        target.options,
        only=only,
        folder=procedures,
        junit=junit,
        trace=trace,
        as_json_=as_json_,
    )


@app.command("openadr")
def openadr(
    url: Annotated[str, typer.Argument(help="Address of the VTN before OpenADR2/Simple/2.0b.")],
    *,
    ven_id: Annotated[str, typer.Option(help="venID, where the VTN wants one.")] = "",
    ven_name: Annotated[str, typer.Option(help="oadrVenName.")] = "gridiface conformance",
    cert: Cert = None,
    key: Key = None,
    ca: Ca = None,
    schema: Schema = None,
    only: Only = None,
    procedures: Procedures = None,
    timeout: Timeout = 10.0,
    junit: Junit = None,
    trace: Trace = False,
    as_json_: Json = False,
) -> None:
    """Run them against an OpenADR 2.0b VTN, as a pull VEN that it knows or may register. They register and cancel.

    Example: gridiface conform openadr http://127.0.0.1:8444 --ven-id VEN-A
    """
    from gridiface.conformance.expectations import schema_validator  # noqa: PLC0415 - as called
    from gridiface.conformance.openadr import OpenAdrSession, OpenAdrTarget  # noqa: PLC0415 - as called

    target = OpenAdrTarget(
        url=url,
        ven_id=ven_id,
        ven_name=ven_name,
        certificate=cert,
        key=key,
        roots=ca,
        schema=schema,
        timeout_s=timeout,
    )
    validate = schema_validator(schema) if schema else None
    OpenAdrSession(target, validate).close()
    _report(
        "openadr",
        lambda: OpenAdrSession(target, validate),
        target.options,
        only=only,
        folder=procedures,
        junit=junit,
        trace=trace,
        as_json_=as_json_,
    )


@app.command("dnp3")
def dnp3(
    place: Annotated[str, typer.Argument(help="HOST:PORT of the outstation.")],
    *,
    address: Annotated[int, typer.Option(help="Our link address.", min=0, max=65_519)] = 1,
    outstation: Annotated[int, typer.Option(help="The outstation's link address.", min=0, max=65_519)] = 10,
    controls: Annotated[bool, typer.Option(help="Also select and operate analog output 0.")] = False,
    cert: Cert = None,
    key: Key = None,
    ca: Ca = None,
    only: Only = None,
    procedures: Procedures = None,
    timeout: Timeout = 5.0,
    junit: Junit = None,
    trace: Trace = False,
    as_json_: Json = False,
) -> None:
    """Run them against a DNP3 outstation, as a master that it knows. Events that come are confirmed.

    Example: gridiface conform dnp3 127.0.0.1:20000 --address 1 --outstation 10
    """
    from gridiface.conformance.dnp3 import Dnp3Session, Dnp3Target  # noqa: PLC0415 - as called

    host, separator, port = place.rpartition(":")
    if not separator or not port.isdigit():
        raise ConfigError(f"{place!r}: write HOST:PORT")
    target = Dnp3Target(
        host=host.strip("[]"),
        port=int(port),
        address=address,
        outstation=outstation,
        certificate=cert,
        key=key,
        roots=ca,
        timeout_s=timeout,
        controls=controls,
    )
    _report(
        "dnp3",
        lambda: Dnp3Session(target),
        target.options,
        only=only,
        folder=procedures,
        junit=junit,
        trace=trace,
        as_json_=as_json_,
    )


def _report(
    protocol: str,
    make: Callable[[], Session],
    options: set[str],
    *,
    only: list[str] | None,
    folder: Path | None,
    junit: Path | None,
    trace: bool,
    as_json_: bool,
) -> None:
    """Run, print, and end with 1 where a procedure failed or none was decided."""
    chosen = select(load_procedures(protocol, folder), only or ())
    with working("running", quiet=as_json_) as work:

        def told(result: Result) -> None:
            with work.aside():
                if not as_json_:
                    _say(result, trace=trace)

        results = run(work.each(chosen, len(chosen), "procedure"), make, options, told=told)
    found = counts(results)
    ok = not found["fail"] and found["pass"] > 0
    if junit is not None:
        junit.write_bytes(as_junit(results, f"gridiface conform {protocol}"))
    if as_json_:
        shown: dict[str, Any] = {"protocol": protocol, "ok": ok, **found, "results": as_json(results, evidence=trace)}
        typer.echo(json.dumps(shown))
    else:
        typer.echo(f"{found['pass']} passed, {found['fail']} failed, {found['inconclusive']} not decided")
    raise typer.Exit(0 if ok else 1)


def _say(result: Result, *, trace: bool) -> None:
    mark = {Verdict.PASS: "pass", Verdict.FAIL: "FAIL", Verdict.INCONCLUSIVE: "----"}[result.verdict]
    typer.echo(f"{mark}  {result.id:22} {result.title}")
    if result.reason:
        where = f"step {result.step}: " if result.step else ""
        typer.echo(f"      {where}{result.reason}")
        typer.echo(f"      rule: {result.cites}")
    if trace:
        for line in result.evidence:
            typer.echo(f"        {line}")
