"""What an operator sees of end devices, programs and subscriptions: plain dicts, made from the state. Pure."""

from __future__ import annotations

from typing_extensions import TypedDict

from gridiface.northbound.sep2.served.state import State
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord, Program
from gridiface.northbound.sep2.subscriptions.subscriber import Subscriber


class EndDeviceRow(TypedDict):
    """One end device. `pin` is shown where one end device is asked for; `granted`: its certificate is let in.

    `managed_by`: LFDIs of the aggregators that act for it.
    """

    path: str
    lfdi: str
    sfdi: int
    role: str
    device: str | None
    group: str | None
    granted: bool
    connects: bool
    in_band: bool
    changed: int
    post_rate: int
    managed_by: list[str]
    pin: int | None


class ProgramRow(TypedDict):
    """One DERProgram: whom its controls concern, and how many it has."""

    number: int
    path: str
    mrid: str
    name: str
    primacy: int
    target: str
    node: bool
    assignment: str
    controls: int
    active: int


class SubscriptionRow(TypedDict):
    """One subscription: of what, by whom, to where."""

    path: str
    resource: str
    by: str
    uri: str
    limit: int


def end_device_row(state: State, record: EndDeviceRecord, *, pin: bool = False) -> EndDeviceRow:
    """An end device as it is."""
    return {
        "path": record.path,
        "lfdi": record.lfdi,
        "sfdi": record.sfdi,
        "role": record.role.value,
        "device": record.device_id,
        "group": record.group_id,
        "granted": record.lfdi not in state.disabled,
        "connects": record.connects,
        "in_band": record.in_band,
        "changed": record.changed,
        "post_rate": state.post_rate_of(record),
        "managed_by": sorted(state.managers_of(record)),
        "pin": record.pin if pin else None,
    }


def end_device_has(state: State, record: EndDeviceRecord, text: str) -> bool:
    """Whether a text, in lower case, is in what an end device is known by, its aggregators among that."""
    managers = state.managers_of(record) if record.managed else ()
    known = (record.lfdi, str(record.sfdi), record.device_id, record.group_id, record.path, *managers)
    return any(text in one.lower() for one in known if one)


def program_has(program: Program, text: str) -> bool:
    """Whether a text, in lower case, is in what a program is known by."""
    known = (program.description, program.mrid, program.target.id, program.path)
    return any(text in one.lower() for one in known if one)


def subscription_has(subscriber: Subscriber, text: str) -> bool:
    """Whether a text, in lower case, is in what a subscription is known by."""
    known = (subscriber.resource, subscriber.by, subscriber.wish.notificationURI, subscriber.item.path)
    return any(text in one.lower() for one in known if one)


def active_of(state: State, program: Program) -> int:
    """How many controls of a program are active."""
    active = state.tree.listing(program.active) if program.events else None
    return 0 if active is None else len(active.items)


def program_row(state: State, program: Program) -> ProgramRow:
    """A program as it is."""
    return {
        "number": program.number,
        "path": program.path,
        "mrid": program.mrid,
        "name": program.description,
        "primacy": program.primacy,
        "target": f"{program.target.kind}:{program.target.id}",
        "node": program.node,
        "assignment": program.assignment,
        "controls": len(program.events),
        "active": active_of(state, program),
    }


def subscription_row(subscriber: Subscriber) -> SubscriptionRow:
    """A subscription as it is."""
    return {
        "path": subscriber.item.path,
        "resource": subscriber.resource,
        "by": subscriber.by,
        "uri": subscriber.wish.notificationURI,
        "limit": subscriber.wish.limit,
    }
