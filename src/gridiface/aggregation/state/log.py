"""The decision log of one engine: entries wait here until the tick hands them out; repeats are left out."""

from __future__ import annotations

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, Decision, Source, Target, TargetKind

#: The source of what the engine decides by itself.
ENGINE = Source(protocol="engine")

#: The source of limits and strategies that are configured.
CONFIGURATION = Source(protocol="configuration")


def device_target(device_id: str) -> Target:
    """The target of one device."""
    return Target(TargetKind.DEVICE, device_id)


def group_target(group_id: str) -> Target:
    """The target of a group's total."""
    return Target(TargetKind.GROUP, group_id)


class DecisionLog:
    """Collects entries; `news` tells a change from a repetition."""

    def __init__(self) -> None:
        self._entries: list[Decision] = []
        self._last: dict[tuple[str, ...], object] = {}

    def add(
        self,
        now: Instant,
        target: Target,
        signal: str,
        verdict: str,
        reason: str,
        *,
        source: Source = ENGINE,
        control_id: str = "",
        value: float | None = None,
    ) -> None:
        """One entry. `signal`: what it is about; `verdict`: what was decided; `value`: in the signal's unit."""
        self._entries.append(
            Decision(
                at=now,
                target=target,
                signal=signal,
                source=source,
                verdict=verdict,
                reason=reason,
                control_id=control_id,
                value=value,
            )
        )

    def about(self, now: Instant, control: Control, verdict: str, reason: str, *, value: float | None = None) -> None:
        """An entry about a control."""
        signal = "+".join(sorted(control.values)) or "none"
        self.add(
            now, control.target, signal, verdict, reason, source=control.source, control_id=control.id, value=value
        )

    def takes_part(self, now: Instant, device_id: str, enabled: bool) -> None:
        """An entry where a device takes part from now on, or no more; one that comes is taken to take part."""
        key = ("enabled", device_id)
        before, self._last[key] = self._last.get(key, True), enabled
        if before != enabled:
            reason = "by its owner or its settings"
            self.add(now, device_target(device_id), "enabled", "enabled" if enabled else "disabled", reason)

    def news(self, *key: str, value: object) -> bool:
        """Whether `value` differs from the last one under `key`; it is kept."""
        if self._last.get(key) == value:
            return False
        self._last[key] = value
        return True

    def forget(self, *key: str) -> bool:
        """Drop what is kept under `key`; whether there was something."""
        return self._last.pop(key, None) is not None

    def drain(self) -> tuple[Decision, ...]:
        """The entries since the last call, in order."""
        entries, self._entries = tuple(self._entries), []
        return entries

    @property
    def pending(self) -> bool:
        """Whether entries wait."""
        return bool(self._entries)
