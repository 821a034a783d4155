"""`gridiface sep2`: programs, controls, defaults and curves of the IEEE 2030.5 server."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gridiface.cli.places.remote import Remote, asking
from gridiface.cli.sep2.words import (
    DeviceOption,
    DurationOption,
    GroupOption,
    NodeOption,
    ProgramOption,
    RandomDurationOption,
    RandomStartOption,
    ReasonOption,
    SetOption,
    StartOption,
    elements_of,
    points_of,
    show_resource,
    show_rows,
    start_of,
)
from gridiface.cli.terminal.showing import show_json

app = typer.Typer()

_COLUMNS = ("number", "path", "name", "primacy", "target", "node", "controls", "active")
LfdiArgument = Annotated[str, typer.Argument(help="LFDI of the end device.")]
NameArgument = Annotated[str, typer.Argument(help="Its description; the same name is the same one.")]
NumberArgument = Annotated[int, typer.Argument(help="Of the program, as `gridiface sep2 programs` shows it.")]
PrimacyOption = Annotated[int, typer.Option("--primacy", help="Lower wins.", min=0, max=255)]


@app.command("programs")
@asking
def list_programs(
    remote: Remote,
    *,
    as_json: bool,
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1)] = 1000,
    number: Annotated[int | None, typer.Option("--number", help="Only this one.", min=1)] = None,
) -> None:
    """List programs: whom their controls concern, and how many they have.

    Example: gridiface sep2 programs --number 3
    """
    if number is None:
        rows = remote.pages("/sep2/programs", "programs", limit)
    else:
        rows = [remote.get(f"/sep2/programs/{number}")]
    if as_json:
        show_json({"programs": rows})
    else:
        show_rows("", _COLUMNS, rows)


@app.command("assign")
@asking
def assign(
    remote: Remote,
    *,
    as_json: bool,
    lfdi: LfdiArgument,
    name: NameArgument,
) -> None:
    """Ensure an assignment of an end device, beside its own.

    Example: gridiface sep2 assign 3E4F45AB31EDFE5B67E343E5E4562E31984E23E5 summer
    """
    body = {"lfdi": lfdi, "name": name}
    show_resource(remote.post("/sep2/assignments", body), as_json)


@app.command("unassign")
@asking
def unassign(
    remote: Remote,
    *,
    as_json: bool,
    lfdi: LfdiArgument,
    path: Annotated[str, typer.Argument(help="Of the assignment, such as /edev/1/fsa/a1.")],
) -> None:
    """Take an added assignment away with its programs.

    Example: gridiface sep2 unassign 3E4F45AB31EDFE5B67E343E5E4562E31984E23E5 /edev/1/fsa/a1
    """
    body = {"lfdi": lfdi, "path": path}
    show_resource(remote.post("/sep2/assignments/remove", body), as_json)


@app.command("program")
@asking
def ensure_program(
    remote: Remote,
    *,
    as_json: bool,
    lfdi: LfdiArgument,
    assignment: Annotated[str, typer.Argument(help="Path of the assignment.")],
    name: NameArgument,
    primacy: PrimacyOption = 1,
) -> None:
    """Ensure a program in an assignment of an end device.

    Example: gridiface sep2 program 3E4F45AB31EDFE5B67E343E5E4562E31984E23E5 /edev/1/fsa/a1 summer --primacy 3
    """
    body = {"lfdi": lfdi, "assignment": assignment, "name": name, "primacy": primacy}
    show_resource(remote.post("/sep2/programs", body), as_json)


@app.command("primacy")
@asking
def set_primacy(
    remote: Remote,
    *,
    as_json: bool,
    number: NumberArgument,
    primacy: Annotated[int, typer.Argument(help="Lower wins.", min=0, max=255)],
) -> None:
    """Give a program another primacy.

    Example: gridiface sep2 primacy 4 2
    """
    answer = remote.put(f"/sep2/programs/{number}/primacy", {"primacy": primacy})
    show_resource(answer, as_json)


@app.command("drop-program")
@asking
def drop_program(
    remote: Remote,
    *,
    as_json: bool,
    number: NumberArgument,
) -> None:
    """Take an added program away; its live controls are cancelled.

    Example: gridiface sep2 drop-program 12
    """
    show_resource(remote.delete(f"/sep2/programs/{number}"), as_json)


@app.command("control")
@asking
def send_control(
    remote: Remote,
    *,
    as_json: bool,
    base: SetOption = None,
    program: ProgramOption = None,
    device: DeviceOption = None,
    group: GroupOption = None,
    node: NodeOption = False,
    start: StartOption = "",
    duration: DurationOption = 3600,
    randomize_start: RandomStartOption = 0,
    randomize_duration: RandomDurationOption = 0,
    category: Annotated[str | None, typer.Option("--category", help="deviceCategory in hex.")] = None,
    responses: Annotated[str, typer.Option("--responses", help="responseRequired in hex.")] = "03",
) -> None:
    """Make a DERControl: active at once, or scheduled.

    Example: gridiface sep2 control --device inv-1 --set opModMaxLimW=5000 --duration 600
    """
    body: dict[str, Any] = {
        "base": elements_of(base),
        "program": program,
        "device": device,
        "group": group,
        "node": node,
        "start": start_of(start),
        "duration": duration,
        "randomize_start": randomize_start,
        "randomize_duration": randomize_duration,
        "category": category,
        "responses": responses,
    }
    show_resource(remote.post("/sep2/controls", body), as_json)


@app.command("cancel-controls")
@asking
def cancel_controls(
    remote: Remote,
    *,
    as_json: bool,
    program: ProgramOption = None,
    reason: ReasonOption = "",
) -> None:
    """Cancel all live controls, of one program or of all.

    Example: gridiface sep2 cancel-controls --program 4
    """
    body = {"program": program, "reason": reason}
    show_resource(remote.post("/sep2/controls/cancel", body), as_json)


@app.command("default")
@asking
def set_default(
    remote: Remote,
    *,
    as_json: bool,
    base: SetOption = None,
    program: ProgramOption = None,
    device: DeviceOption = None,
    group: GroupOption = None,
    node: NodeOption = False,
    more: Annotated[list[str] | None, typer.Option("--more", help="setGradW=27 and its like; may be repeated.")] = None,
) -> None:
    """Set what holds in a program while no control is active.

    Example: gridiface sep2 default --device inv-1 --set opModMaxLimW=8000 --more setGradW=27
    """
    body = {"base": elements_of(base), "more": elements_of(more), "program": program, "device": device, "group": group,
            "node": node}  # fmt: skip
    show_resource(remote.put("/sep2/default-control", body), as_json)


@app.command("curve")
@asking
def add_curve(
    remote: Remote,
    *,
    as_json: bool,
    points: Annotated[str, typer.Option("--points", help="X:Y,X:Y, up to ten.")],
    kind: Annotated[int, typer.Option("--type", help="curveType of 2018: 11 is volt-var.", min=0, max=14)],
    y_ref: Annotated[int, typer.Option("--y-ref", help="yRefType.", min=0, max=7)] = 0,
    x_multiplier: Annotated[int, typer.Option("--x-multiplier", help="Power of ten of X.", min=-9, max=9)] = 0,
    y_multiplier: Annotated[int, typer.Option("--y-multiplier", help="Power of ten of Y.", min=-9, max=9)] = 0,
    more: SetOption = None,
    program: ProgramOption = None,
    device: DeviceOption = None,
    group: GroupOption = None,
    node: NodeOption = False,
) -> None:
    """Add a curve that controls of a program can link to.

    Example: gridiface sep2 curve --device inv-1 --type 11 --y-ref 2 --points 92:44,98:0,102:0,108:-44
    """
    curve = {"CurveData": points_of(points), "curveType": kind, "yRefType": y_ref, "xMultiplier": x_multiplier,
             "yMultiplier": y_multiplier, **elements_of(more)}  # fmt: skip
    body = {"curve": curve, "program": program, "device": device, "group": group, "node": node}
    show_resource(remote.post("/sep2/curves", body), as_json)
