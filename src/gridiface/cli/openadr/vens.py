"""`gridiface openadr vtn`: VENs and their groups. Owns words and tables only."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from gridiface.cli.openadr.words import VenArgument, named, show_requests, show_schedules, show_vens
from gridiface.cli.places.remote import ReasonOption, Remote, asking
from gridiface.cli.terminal.showing import show_json, show_table
from gridiface.segments import segment

app = typer.Typer()

_VENS = "/openadr/vtn/vens"


class Liveness(StrEnum):
    """How long a VEN has been silent."""

    PRESENT = "present"
    LATE = "late"
    LOST = "lost"
    UNREGISTERED = "unregistered"


class Profile(StrEnum):
    """Of OpenADR."""

    A = "2.0a"
    B = "2.0b"


@app.command("vens")
@asking
def list_vens(
    remote: Remote,
    *,
    as_json: bool,
    liveness: Annotated[Liveness | None, typer.Option("--liveness", help="Only these.")] = None,
    group: Annotated[str, typer.Option("--group", help="Only members of this group.")] = "",
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1)] = 1000,
) -> None:
    """List VENs: who is registered, who is late (3 polls missed) or lost (10).

    Example: gridiface openadr vtn vens --liveness lost
    """
    wanted = None if liveness is None else liveness.value
    rows = remote.pages(_VENS, "vens", limit, liveness=wanted, group=group)
    if as_json:
        show_json({"vens": rows})
    else:
        show_vens(rows)


@app.command("ven")
@asking
def show_ven(
    remote: Remote,
    *,
    as_json: bool,
    ven: VenArgument,
) -> None:
    """Show one VEN: what it offers to report, what is requested, its opts.

    Example: gridiface openadr vtn ven VEN-A
    """
    found = remote.get(f"{_VENS}/{segment(ven)}")
    if as_json:
        show_json(found)
        return
    show_vens([found])
    points = [(offer, point) for offer in found["offers"] for point in offer["points"]]
    columns = ("report", "specifier", "rID", "unit", "resources", "from, s", "to, s")
    show_table(
        "offers",
        columns,
        (
            (
                *(offer["name"], offer["specifier"], point["rid"], point["unit"], ", ".join(point["resources"])),
                *(point["min_period_s"], point["max_period_s"]),
            )
            for offer, point in points
        ),
    )
    show_requests(found["requests"])
    show_schedules(found["opts"])
    words = found["event_opts"].items()
    rows = ((name, said["opt"], ", ".join(f"{r}: {o}" for r, o in said["resources"].items())) for name, said in words)
    show_table("words on events", ("event", "word", "resources"), rows)


@app.command("add")
@asking
def add_ven(
    remote: Remote,
    *,
    as_json: bool,
    ven: Annotated[str, typer.Argument(help="venID.")],
    name: Annotated[str, typer.Option("--name", help="For people.")] = "",
    fingerprint: Annotated[str, typer.Option("--fingerprint", help="Of its certificate, as AA:BB:...")] = "",
    profile: Annotated[Profile | None, typer.Option("--profile", help="2.0a never registers.")] = None,
    high_security: Annotated[bool, typer.Option("--high-security", help="Require XML signatures of it.")] = False,
    groups: Annotated[list[str] | None, typer.Option("--group", help="groupID; repeat it for more.")] = None,
    parties: Annotated[list[str] | None, typer.Option("--party", help="partyID; repeat it for more.")] = None,
    resources: Annotated[list[str] | None, typer.Option("--resource", help="resourceID; repeat it for more.")] = None,
    contexts: Annotated[list[str] | None, typer.Option("--market-context", help="URI of a program of it.")] = None,
) -> None:
    """Make a VEN known, so that it may register.

    Example: gridiface openadr vtn add VEN-B --fingerprint 2B:7D:37:22:D0:F5:45:2F:F3:3C --group north
    """
    lists = named(groups=groups, parties=parties, resources=resources, market_contexts=contexts)
    body = named(
        id=ven,
        name=name,
        fingerprint=fingerprint.upper(),
        profile=None if profile is None else profile.value,
        high_security=high_security or None,
        **lists,
    )
    _shown(remote.post(_VENS, body), as_json)


@app.command("change")
@asking
def change_ven(
    remote: Remote,
    *,
    as_json: bool,
    ven: VenArgument,
    name: Annotated[str, typer.Option("--name", help="For people.")] = "",
    fingerprint: Annotated[str, typer.Option("--fingerprint", help="Of its new certificate.")] = "",
    high_security: Annotated[
        bool | None, typer.Option("--high-security/--standard-security", help="Whether it must sign.")
    ] = None,
    groups: Annotated[list[str] | None, typer.Option("--group", help="All its groupIDs.")] = None,
    resources: Annotated[list[str] | None, typer.Option("--resource", help="All its resourceIDs.")] = None,
    contexts: Annotated[list[str] | None, typer.Option("--market-context", help="All its programs.")] = None,
) -> None:
    """Change what is known of a VEN; what is not named stays.

    Example: gridiface openadr vtn change VEN-B --group north --group evening
    """
    body = named(
        name=name, fingerprint=fingerprint.upper(), groups=groups, resources=resources, market_contexts=contexts
    )
    if high_security is not None:
        body["high_security"] = high_security
    _shown(remote.patch(f"{_VENS}/{segment(ven)}", body), as_json)


@app.command("remove")
@asking
def remove_ven(
    remote: Remote,
    *,
    as_json: bool,
    ven: VenArgument,
) -> None:
    """Forget a VEN wholly, with its reports.

    Example: gridiface openadr vtn remove VEN-B
    """
    _shown(remote.delete(f"{_VENS}/{segment(ven)}"), as_json)


@app.command("reregister")
@asking
def reregister(
    remote: Remote,
    *,
    as_json: bool,
    ven: VenArgument,
    reason: ReasonOption = "",
) -> None:
    """Ask a VEN to register again.

    Example: gridiface openadr vtn reregister VEN-A
    """
    answer = remote.post(f"{_VENS}/{segment(ven)}/reregister", {"reason": reason})
    _shown(answer, as_json)


@app.command("deregister")
@asking
def deregister(
    remote: Remote,
    *,
    as_json: bool,
    ven: VenArgument,
    reason: ReasonOption = "",
) -> None:
    """Cancel a VEN's registration.

    Example: gridiface openadr vtn deregister VEN-A --reason "contract ended"
    """
    answer = remote.post(f"{_VENS}/{segment(ven)}/deregister", {"reason": reason})
    _shown(answer, as_json)


@app.command("distribute")
@asking
def distribute(
    remote: Remote,
    *,
    as_json: bool,
    ven: VenArgument,
    reason: ReasonOption = "",
) -> None:
    """Send a VEN all its events, possibly none.

    Example: gridiface openadr vtn distribute VEN-A
    """
    answer = remote.post(f"{_VENS}/{segment(ven)}/distribute", {"reason": reason})
    _shown(answer, as_json)


@app.command("groups")
@asking
def list_groups(
    remote: Remote,
    *,
    as_json: bool,
) -> None:
    """List groups of VENs.

    Example: gridiface openadr vtn groups
    """
    found = remote.get("/openadr/vtn/groups")
    if as_json:
        show_json(found)
        return
    show_table("", ("group", "VENs"), ((row["id"], ", ".join(row["vens"])) for row in found["groups"]))


@app.command("group")
@asking
def set_group(
    remote: Remote,
    *,
    as_json: bool,
    group: Annotated[str, typer.Argument(help="groupID.")],
    vens: Annotated[list[str] | None, typer.Argument(help="All its members; none: the group ends.")] = None,
) -> None:
    """Set the members of a group of VENs.

    Example: gridiface openadr vtn group north VEN-A VEN-B
    """
    body = {"vens": list(vens or ())}
    found = remote.put(f"/openadr/vtn/groups/{segment(group)}", body)
    if as_json:
        show_json(found)
        return
    show_table("", ("group", "VENs"), [(found["id"], ", ".join(found["vens"]))])


def _shown(row: Any, as_json: bool) -> None:
    if as_json:
        show_json(row)
    else:
        show_vens([row])
