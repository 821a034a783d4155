"""`gridiface sep2`: clients of the IEEE 2030.5 server - registrations, access, rates, mirrors, subscriptions, reset."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from gridiface.cli.places.remote import Remote, asking
from gridiface.cli.sep2.words import ReasonOption, show_resource, show_rows
from gridiface.cli.terminal.showing import show_json
from gridiface.segments import segment

app = typer.Typer()

LfdiArgument = Annotated[str, typer.Argument(help="LFDI of the client's certificate, 40 hexadecimal digits.")]
AggregatorArgument = Annotated[str, typer.Argument(help="LFDI of the aggregator's certificate.")]
ManagedArgument = Annotated[str, typer.Argument(help="LFDI of the device, or the fleet's device that it is.")]
_DEVICES = "/sep2/end-devices"
_COLUMNS = ("path", "lfdi", "role", "device", "group", "granted", "in_band", "post_rate", "managed_by")


class ClientRole(StrEnum):
    """What a client is."""

    DEVICE = "device"
    AGGREGATOR = "aggregator"


@app.command("clients")
@asking
def list_clients(
    remote: Remote,
    *,
    as_json: bool,
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1)] = 1000,
) -> None:
    """List end devices: who is registered, and what each is.

    Example: gridiface sep2 clients
    """
    rows = remote.pages(_DEVICES, "end_devices", limit)
    if as_json:
        show_json({"end_devices": rows})
    else:
        show_rows("", _COLUMNS, rows)


@app.command("client")
@asking
def show_client(
    remote: Remote,
    *,
    as_json: bool,
    lfdi: LfdiArgument,
) -> None:
    """Show one end device with its PIN.

    Example: gridiface sep2 client 3E4F45AB31EDFE5B67E343E5E4562E31984E23E5
    """
    show_resource(remote.get(f"{_DEVICES}/{segment(lfdi)}"), as_json)


@app.command("register")
@asking
def register(
    remote: Remote,
    *,
    as_json: bool,
    lfdi: LfdiArgument,
    device: Annotated[str | None, typer.Option("--device", help="The fleet's device that it is.")] = None,
    role: Annotated[ClientRole | None, typer.Option("--role", help="Of the client; without it a device.")] = None,
    pin: Annotated[int | None, typer.Option("--pin", help="With its check digit; without it 111115.")] = None,
) -> None:
    """Register a certificate; one that is registered stays as it is, and is refused where the options say otherwise.

    Example: gridiface sep2 register 3E4F45AB31EDFE5B67E343E5E4562E31984E23E5 --device inv-1
    """
    body: dict[str, Any] = {"device": device, "role": role and role.value, "pin": pin}
    show_resource(remote.put(f"{_DEVICES}/{segment(lfdi)}", body), as_json)


@app.command("unregister")
@asking
def unregister(
    remote: Remote,
    *,
    as_json: bool,
    lfdi: LfdiArgument,
) -> None:
    """Take a registration away with everything below it.

    Example: gridiface sep2 unregister 3E4F45AB31EDFE5B67E343E5E4562E31984E23E5
    """
    show_resource(remote.delete(f"{_DEVICES}/{segment(lfdi)}"), as_json)


@app.command("manage")
@asking
def manage(
    remote: Remote,
    *,
    as_json: bool,
    lfdi: AggregatorArgument,
    device: ManagedArgument,
    reason: ReasonOption = "",
) -> None:
    """Put a device under an aggregator, which acts for it from its next request on.

    Example: gridiface sep2 manage 3E4F45AB31EDFE5B67E343E5E4562E31984E23E5 inv-1
    """
    answer = remote.post(f"{_DEVICES}/{segment(lfdi)}/manage", {"device": device, "reason": reason})
    show_resource(answer, as_json)


@app.command("release")
@asking
def release(
    remote: Remote,
    *,
    as_json: bool,
    lfdi: AggregatorArgument,
    device: ManagedArgument,
    reason: ReasonOption = "",
) -> None:
    """Take a device from an aggregator; its access and subscriptions end with that.

    Example: gridiface sep2 release 3E4F45AB31EDFE5B67E343E5E4562E31984E23E5 inv-1
    """
    answer = remote.post(f"{_DEVICES}/{segment(lfdi)}/release", {"device": device, "reason": reason})
    show_resource(answer, as_json)


@app.command("grant")
@asking
def grant(
    remote: Remote,
    *,
    as_json: bool,
    lfdi: LfdiArgument,
    reason: ReasonOption = "",
) -> None:
    """Let a certificate in again.

    Example: gridiface sep2 grant 3E4F45AB31EDFE5B67E343E5E4562E31984E23E5
    """
    answer = remote.post(f"{_DEVICES}/{segment(lfdi)}/grant", {"reason": reason})
    show_resource(answer, as_json)


@app.command("revoke")
@asking
def revoke(
    remote: Remote,
    *,
    as_json: bool,
    lfdi: LfdiArgument,
    reason: ReasonOption = "",
) -> None:
    """Keep a certificate out from its next request on, also a utility's.

    Example: gridiface sep2 revoke 3E4F45AB31EDFE5B67E343E5E4562E31984E23E5
    """
    answer = remote.post(f"{_DEVICES}/{segment(lfdi)}/revoke", {"reason": reason})
    show_resource(answer, as_json)


@app.command("post-rate")
@asking
def post_rate(
    remote: Remote,
    *,
    as_json: bool,
    lfdi: LfdiArgument,
    seconds: Annotated[int, typer.Argument(help="s.", min=1, max=86_400)],
) -> None:
    """Set the postRate of an end device and its mirrors.

    Example: gridiface sep2 post-rate 3E4F45AB31EDFE5B67E343E5E4562E31984E23E5 60
    """
    path = f"{_DEVICES}/{segment(lfdi)}/post-rate"
    show_resource(remote.put(path, {"seconds": seconds}), as_json)


@app.command("poll-rate")
@asking
def poll_rate(
    remote: Remote,
    *,
    as_json: bool,
    resource: Annotated[str, typer.Argument(help="Such as DERProgramList; without SECONDS all are shown.")] = "",
    seconds: Annotated[int | None, typer.Argument(help="s.", min=1, max=86_400)] = None,
) -> None:
    """Show the pollRate of every kind of resource, or set one.

    Example: gridiface sep2 poll-rate DERProgramList 60
    """
    if seconds is None:
        answer = remote.get("/sep2/poll-rates")
    else:
        answer = remote.put(f"/sep2/poll-rates/{segment(resource)}", {"seconds": seconds})
    rates = answer["poll_rates"]
    if resource and resource in rates:
        rates = {resource: rates[resource]}
    show_resource({"poll_rates": rates} if as_json else rates, as_json)


@app.command("empty-mirrors")
@asking
def empty_mirrors(
    remote: Remote,
    *,
    as_json: bool,
    lfdi: Annotated[str | None, typer.Option("--of", help="Only those of this end device.")] = None,
    reason: ReasonOption = "",
) -> None:
    """Forget all mirrors, or those of one end device.

    Example: gridiface sep2 empty-mirrors
    """
    body = {"lfdi": lfdi, "reason": reason}
    show_resource(remote.post("/sep2/mirrors/empty", body), as_json)


@app.command("subscriptions")
@asking
def subscriptions(
    remote: Remote,
    *,
    as_json: bool,
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1)] = 1000,
) -> None:
    """List the subscriptions of clients.

    Example: gridiface sep2 subscriptions
    """
    rows = remote.pages("/sep2/subscriptions", "subscriptions", limit)
    if as_json:
        show_json({"subscriptions": rows})
    else:
        show_rows("", ("path", "resource", "by", "uri", "limit"), rows)


@app.command("unsubscribe")
@asking
def unsubscribe(
    remote: Remote,
    *,
    as_json: bool,
    path: Annotated[str, typer.Argument(help="Of the subscription, such as /edev/1/sub/1.")],
) -> None:
    """End a subscription; its last notification says so.

    Example: gridiface sep2 unsubscribe /edev/1/sub/1
    """
    show_resource(remote.post("/sep2/subscriptions/cancel", {"path": path}), as_json)


@app.command("reset")
@asking
def reset(
    remote: Remote,
    *,
    as_json: bool,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    reason: ReasonOption = "",
) -> None:
    """Remove all that clients, utilities and operators made; for test servers.

    Example: gridiface sep2 reset --yes
    """
    if not yes:
        typer.confirm(
            "This removes registrations, controls, messages, mirrors and subscriptions. Go on?", abort=True, err=True
        )
    answer = remote.post("/sep2/reset", {"reason": reason})
    show_resource(answer if as_json else answer["removed"], as_json)
