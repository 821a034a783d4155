"""What log records and spans on a control carry: the names that each protocol has for it. Owns no form of the log."""

from __future__ import annotations

from gridiface.domain.controls import Control, TargetKind


def named(control: Control) -> dict[str, str]:
    """Fields of logfields.py: the control's id, its sender's identity, and its name in its protocol's words."""
    own: dict[str, str] = {}
    if control.source.protocol == "sep2":
        own = {"mRID": control.id.partition(":")[2], "LFDI": control.source.identity}
    if "eventID" in control.extra:
        own["eventID"] = control.extra["eventID"]
    if control.source.protocol == "dnp3":
        own["association"] = control.source.program.rpartition("/")[0]
    if control.target.kind is TargetKind.DEVICE:
        own["device"] = control.target.id
    return {"control": control.id, **own}
