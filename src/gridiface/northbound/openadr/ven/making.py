"""The controls that an event means: translated by the program of its market context, each version of it once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from gridiface.domain.clock import Instant
from gridiface.domain.controls import INFORMING_MODES, Control, Target
from gridiface.domain.ports import FleetView
from gridiface.northbound.openadr.translate.events import Program, controls_of
from gridiface.protocols.openadr.answers import Code, Refusal
from gridiface.protocols.openadr.events import Event
from gridiface.protocols.openadr.market import same_context
from gridiface.protocols.openadr.ven import KnownEvent, Ven

_log = logging.getLogger("gridiface.openadr")


class Making:
    """Events of one VEN as controls; a control's id names the version of its event, its serial.

    Args:
        programs: market context -> how it is translated; "" any other.
        fleet: what the targets of programs hold now.
        ven: the core, once it is made.
    """

    def __init__(self, programs: Mapping[str, Program], fleet: FleetView, ven: Callable[[], Ven]) -> None:
        self._programs = programs
        self._fleet = fleet
        self._ven = ven
        #: By event: the serial of its version, whom it asks to do something, and the ends of its controls.
        self._known: dict[str, tuple[int, frozenset[Target], dict[str, Instant]]] = {}
        #: Controls that are being handed in, by event and id, so that a long event is translated once.
        self._ready: dict[str, dict[str, Control]] = {}

    def program_of(self, event: Event) -> Program:
        """How an event is translated.

        Raises:
            Refusal: its market context is not ours.
        """
        found = next(
            (p for context, p in self._programs.items() if context and same_context(context, event.market_context)),
            self._programs.get(""),
        )
        if found is None:
            raise Refusal(Code.TARGET_MISMATCH, "the market context is not ours")
        state = self._fleet.snapshot(found.target)
        if state is None:
            return found
        stored = found.stored_wh if found.stored_wh is not None else state.available_wh
        return replace(found, stored_wh=stored, reactive_var=state.var)

    def meant(self, event: Event, serial: int, offset: float = 0.0) -> list[Control]:
        """The controls of a version of an event.

        Raises:
            Refusal: it cannot be understood.
        """
        vtn = self._ven().registration.vtnID or ""
        made = controls_of(event, self.program_of(event), vtn=vtn, offset=offset)
        return [replace(control, id=f"{control.id}~{serial}") for control in made.controls]

    def made(self, event: Event, serial: int, offset: float) -> list[Control]:
        """The same of an event that was understood; none where the configuration is another one since then."""
        try:
            return self.meant(event, serial, offset)
        except Refusal as refusal:
            _log.warning("event %s cannot be translated any more: %s", event.id, refusal.reason)
            return []

    def one(self, event_id: str, serial: int, name: str) -> Control | None:
        """One control of an event that the core knows."""
        ready = self._ready.get(event_id, {})
        if name not in ready:
            known = self._ven().events.get(event_id)
            if known is None:
                return None
            ready = {control.id: control for control in self.made(known.event, serial, known.offset)}
            self._ready[event_id] = ready
        return ready.get(name)

    def handed_in(self, event_id: str) -> None:
        """None of its controls is to be handed in any more."""
        self._ready.pop(event_id, None)

    def forget(self, event_id: str) -> None:
        """The event is gone."""
        self._known.pop(event_id, None)

    def aims(self, known: KnownEvent, serial: int) -> frozenset[Target]:
        """Whom an event asks to do something."""
        return self._acting(known, serial)[0]

    def over(self, known: KnownEvent, serial: int, now: Instant) -> set[str]:
        """Which of its controls have ended."""
        return {name for name, end in self._acting(known, serial)[1].items() if end <= now}

    def _acting(self, known: KnownEvent, serial: int) -> tuple[frozenset[Target], dict[str, Instant]]:
        event_id = known.event.id
        kept = self._known.get(event_id)
        if kept is None or kept[0] != serial:
            made = self.made(known.event, serial, known.offset)
            aims = frozenset(one.target for one in made if not INFORMING_MODES.issuperset(one.values))
            kept = self._known[event_id] = (serial, aims, {one.id: one.latest for one in made})
        return kept[1], kept[2]
