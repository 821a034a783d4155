"""`gridiface openadr vtn watch`: what changed, and when it is over."""

from __future__ import annotations

from typing import Any

from gridiface.cli.openadr.events import changes_of, is_over


def event(status: str = "active", **row: Any) -> dict[str, Any]:
    delivery = {"ven": "A", "liveness": "present", "state": "sent", "opt": None, "code": None, "description": ""}
    return {
        "id": "E",
        "status": status,
        "modification": 0,
        "deliveries": [{**delivery, "cancel_confirmed": False, "cancel_refused": None, **row}],
    }


def test_only_what_changed_is_told() -> None:
    assert len(changes_of({}, event())) == 2
    assert changes_of(event(), event()) == []
    (line,) = changes_of(event(), event(state="acknowledged", opt="optIn"))
    assert (line["ven"], line["opt"]) == ("A", "optIn")


def test_it_is_over_when_completed_or_each_end_is_confirmed() -> None:
    assert is_over(event("completed"))
    assert not is_over(event("cancelled"))
    assert is_over(event("cancelled", cancel_confirmed=True))
    assert is_over(event("cancelled", cancel_refused="the oven is full"))
