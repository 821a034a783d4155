"""Figures for Prometheus, in its text format (version 0.0.4). Bounded: no label takes a value from a peer.

Labels are enumerations of the code, routes, and names from the configuration, of which at most `NAMES` are told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from gridiface import __version__
from gridiface.domain.clock import Instant
from gridiface.domain.controls import ControlState, Delivery, DeliveryOutcome, Outcome, OutcomeKind
from gridiface.domain.telemetry import Quality
from gridiface.domain.timeline import state_at
from gridiface.operator.alarms.kinds import SEVERITIES
from gridiface.operator.rows.status import Status

MEDIA = "text/plain; version=0.0.4; charset=utf-8"

#: Most groups that have lines of their own.
NAMES = 100

Sample = tuple[Mapping[str, str], float]

#: Name, kind, help of each metric, in the order in which they are written.
METRICS: Mapping[str, tuple[str, str]] = {
    "gridiface_info": ("gauge", "Version of the server; always 1."),
    "gridiface_ready": ("gauge", "1 while the server can take work."),
    "gridiface_devices": ("gauge", "Devices by quality of their newest data."),
    "gridiface_devices_blocked": ("gauge", "Devices that an operator has blocked."),
    "gridiface_controls": ("gauge", "Controls in memory by state; default controls are left out."),
    "gridiface_group_requested_watts": ("gauge", "What running controls ask of a group, W, + delivered."),
    "gridiface_group_allocated_watts": ("gauge", "Sum of the set-points of a group's members, W, + delivered."),
    "gridiface_group_delivered_watts": ("gauge", "What a group delivers as measured, W, + delivered."),
    "gridiface_alarms": ("gauge", "Alarms that stand, by severity and whether somebody has acknowledged them."),
    "gridiface_outcomes_total": ("counter", "Steps in the life of controls, by step."),
    "gridiface_deliveries_total": ("counter", "What became of set-points, by outcome."),
    "gridiface_events_total": ("counter", "Events since the start: controls, set-points, readings, store failures."),
    "gridiface_http_requests_total": ("counter", "Requests to the operator's listener by route and status class."),
}


class Figures:
    """Counters of this surface since the start."""

    def __init__(self) -> None:
        self._outcomes: Counter[OutcomeKind] = Counter()
        self._deliveries: Counter[DeliveryOutcome] = Counter()
        self._requests: Counter[tuple[str, str, str]] = Counter()
        #: Severity, and whether it is acknowledged, of each alarm that stands.
        self.alarms: Callable[[], Iterable[tuple[str, bool]]] = tuple

    def on_outcome(self, outcome: Outcome) -> None:
        """Count one step of a control."""
        self._outcomes[outcome.kind] += 1

    def on_deliveries(self, deliveries: Iterable[Delivery]) -> None:
        """Count what became of set-points."""
        self._deliveries.update(delivery.outcome for delivery in deliveries)

    def on_request(self, method: str, route: str, status: int) -> None:
        """Count a request; `route` is the declared path or empty."""
        known = method if method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} else "other"
        self._requests[known, route or "other", f"{status // 100}xx"] += 1

    def render(self, status: Status, now: Instant, *, ready: bool) -> str:
        """Everything as Prometheus text."""
        samples = self.samples(status, now, ready=ready)
        lines = []
        for name, (kind, text) in METRICS.items():
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
            lines += [f"{name}{_labels(labels)} {value:.17g}" for labels, value in samples[name]]
        return "\n".join(lines) + "\n"

    def samples(self, status: Status, now: Instant, *, ready: bool) -> dict[str, list[Sample]]:
        """Labels and values by metric."""
        return {**self._now(status, now, ready=ready), **self._counted(status)}

    @staticmethod
    def _now(status: Status, now: Instant, *, ready: bool) -> dict[str, list[Sample]]:
        counts = status.counts(now)
        blocked = sum(status.fleet.device(name) is not None for name in status.blocked())
        states = Counter(state_at(control, now) for control in status.controls() if not control.is_default)
        groups = status.group_rows(now)[:NAMES]

        def watts(name: str, values: Iterable[float | None]) -> tuple[str, list[Sample]]:
            pairs = zip(groups, values, strict=True)
            return f"gridiface_group_{name}_watts", [({"group": g["id"]}, w) for g, w in pairs if w is not None]

        return {
            "gridiface_info": [({"version": __version__}, 1)],
            "gridiface_ready": [({}, int(ready))],
            "gridiface_devices": [({"quality": one or "none"}, counts.get(one, 0)) for one in (*Quality, None)],
            "gridiface_devices_blocked": [({}, blocked)],
            "gridiface_controls": [({"state": state}, states[state]) for state in ControlState],
            **dict(
                [
                    watts("requested", [group["requested_W"] for group in groups]),
                    watts("allocated", [group["allocated_W"] for group in groups]),
                    watts("delivered", [group["delivered_W"] for group in groups]),
                ]
            ),
        }

    def _counted(self, status: Status) -> dict[str, list[Sample]]:
        asked = sorted(self._requests.items())
        standing = Counter(self.alarms())
        return {
            "gridiface_alarms": [
                ({"severity": severity, "acknowledged": str(seen).lower()}, standing[severity, seen])
                for severity in SEVERITIES
                for seen in (False, True)
            ],
            "gridiface_outcomes_total": [({"step": k.name.lower()}, self._outcomes[k]) for k in OutcomeKind],
            "gridiface_deliveries_total": [({"outcome": o}, self._deliveries[o]) for o in DeliveryOutcome],
            "gridiface_events_total": [({"event": name}, value) for name, value in status.counters().items()],
            "gridiface_http_requests_total": [
                ({"method": method, "route": route, "status": answered}, count)
                for (method, route, answered), count in asked
            ],
        }


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return str(value).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
