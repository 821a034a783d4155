"""A program's resources in the tree: its lists, its default control, its response set, its place in an assignment."""

from __future__ import annotations

from gridiface.northbound.sep2.served import identities
from gridiface.northbound.sep2.served.kinds import kind, list_kind
from gridiface.northbound.sep2.served.nodes import Item, Listing
from gridiface.northbound.sep2.served.state import State
from gridiface.northbound.sep2.served.state_records import Program
from gridiface.protocols.sep2.resources import (
    DefaultDERControl,
    DERControlBase,
    DERProgram,
    ResponseSet,
)


def empty_default(state: State, program: Program) -> DefaultDERControl | None:
    """The default control of a program that was given none: nothing, in CSIP-AUS one that asks for nothing.

    Its clients subscribe to the default control of a program before there is anything in it.
    """
    if state.settings.csip_aus is None or not state.fetches_itself(program.target):
        return None
    mrid = identities.mrid(state.settings.site, "default", program.mrid, state.settings.pen)
    return DefaultDERControl(mRID=mrid, version=0, derControlBase=DERControlBase())


def settle_default(state: State, program: Program) -> None:
    """Bring the default control of a program that was given none up to whether its device speaks IEEE 2030.5."""
    item = state.tree.item(f"{program.path}/dderc")
    if item is None:
        return
    mrid = identities.mrid(state.settings.site, "default", program.mrid, state.settings.pen)
    wanted = empty_default(state, program)
    if (item.obj is None or item.obj.mRID == mrid) and (item.obj is None) != (wanted is None):
        state.tree.set(item, wanted)


def place_program(state: State, program: Program) -> None:
    """All resources of a program, its response set, and its place in its device's assignment."""
    tree, audience, path = state.tree, program.audience, program.path
    shown = state.settings.link_empty_control_lists
    state.programs[program.number] = program
    for name, visible in (("derc", shown), ("actderc", shown), ("dc", False)):
        listing = Listing(
            f"{path}/{name}", list_kind(f"/derp/{{id1}}/{name}"), audience, shown_empty=visible, data=program
        )
        tree.add(listing)
    tree.add(Item(f"{path}/dderc", kind("/derp/{id1}/dderc"), audience, empty_default(state, program), data=program))
    wire = DERProgram(
        mRID=program.mrid,
        description=program.description[:32] or None,
        version=program.version,
        primacy=program.primacy,
    )
    item = Item(path, kind("/derp/{id1}"), audience, wire, data=program)
    tree.add(item, "/derp")
    owner = state.end_devices.get(program.owner)
    if owner is not None and program.assignment:
        owner.added.append(program.number)
        tree.join(item, f"{program.assignment}/derp")
        tree.join(item, f"{owner.der}/derp")
    elif owner is not None and not program.node:
        owner.program = program.number
        tree.join(item, f"{owner.path}/fsa/1/derp")
        tree.join(item, f"{owner.der}/derp")
    rsps = f"/rsps/{program.number}"
    tree.add(Listing(program.responses, list_kind("/rsps/{id1}/rsp"), audience, scoped=True, data=program))
    settings = state.settings
    responses = ResponseSet(
        mRID=identities.mrid(settings.site, "rsps", program.mrid, settings.pen),
        description=program.description[:32] or None,
        version=0,
    )
    tree.add(Item(rsps, kind("/rsps/{id1}"), audience, responses, data=program), "/rsps")
