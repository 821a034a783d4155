"""The REST API as a table: method, path, scope, what goes in, what comes out. Handlers and OpenAPI are made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from gridiface.operator import schema as s

ROOT = "/api/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation.

    Args:
        name: of the handler, and the OpenAPI operationId.
        scope: what a token needs; None: open to everybody.
        done: the status when all went well.
        problems: other statuses besides 400, 401, 403, 421, 429 and 503, which any route may answer.
        media: of the answer.
    """

    method: str
    path: str
    name: str
    summary: str
    scope: str | None = "read"
    query: type[BaseModel] = s.NoQuery
    body: type[BaseModel] | None = None
    answer: Any = None
    done: int = 200
    problems: tuple[int, ...] = ()
    media: str = "application/json"


def _get(path: str, name: str, summary: str, answer: Any, **more: Any) -> Route:
    return Route(method="GET", path=path, name=name, summary=summary, answer=answer, **more)


def _post(path: str, name: str, summary: str, answer: Any, **more: Any) -> Route:
    return Route(method="POST", path=path, name=name, summary=summary, answer=answer, **more)


ROUTES: tuple[Route, ...] = (
    _get(f"{ROOT}/status", "get_status", "Everything the overview shows", s.StatusAnswer),
    _get(f"{ROOT}/devices", "list_devices", "Devices by id", s.DeviceList, query=s.DeviceQuery, problems=(404,)),
    _get(
        f"{ROOT}/devices/{{id}}",
        "get_device",
        "One device: identity, ratings, state, decisions, readings",
        s.DeviceDetail,
        query=s.DeviceDetailQuery,
        problems=(404,),
    ),
    _post(
        f"{ROOT}/devices/{{id}}/block",
        "block_device",
        "Release a device and leave it out until it is unblocked",
        s.DeviceRow,
        scope="control",
        body=s.Reason,
        problems=(404, 413, 415, 422),
    ),
    _post(
        f"{ROOT}/devices/{{id}}/unblock",
        "unblock_device",
        "Let a blocked device take part again",
        s.DeviceRow,
        scope="control",
        body=s.Reason,
        problems=(404, 413, 415, 422),
    ),
    _get(f"{ROOT}/groups", "list_groups", "All groups", s.GroupList),
    _get(f"{ROOT}/groups/{{id}}", "get_group", "One group: members, limits, controls", s.GroupDetail, problems=(404,)),
    _get(f"{ROOT}/controls", "list_controls", "Controls, the latest start first", s.ControlList, query=s.ControlQuery),
    _post(
        f"{ROOT}/controls",
        "send_control",
        "Send a control, or ask with `preview` what it would do",
        s.ControlAnswer,
        scope="control",
        body=s.NewControl,
        done=201,
        problems=(409, 413, 415, 422),
    ),
    _get(
        f"{ROOT}/controls/{{id}}",
        "get_control",
        "One control: responses per device, decisions, performance",
        s.ControlDetail,
        problems=(404,),
    ),
    _get(
        f"{ROOT}/controls/{{id}}/report",
        "get_report",
        "One control's performance per interval and target",
        s.ReportAnswer,
        problems=(404,),
    ),
    _post(
        f"{ROOT}/controls/{{id}}/cancel",
        "cancel_control",
        "Cancel a control that was made here",
        s.ControlRow,
        scope="control",
        body=s.Reason,
        problems=(404, 409, 413, 415, 422),
    ),
    _get(f"{ROOT}/decisions", "list_decisions", "The newest decisions", s.DecisionList, query=s.DecisionQuery),
    _get(
        f"{ROOT}/events",
        "stream_events",
        "Outcomes and deliveries as they happen; resumes after Last-Event-ID",
        str,
        media="text/event-stream",
    ),
    _get(f"{ROOT}/tokens", "list_tokens", "All tokens, without their secrets", s.TokenList, scope="admin"),
    _post(
        f"{ROOT}/tokens",
        "create_token",
        "Make a token; its secret is in this answer only",
        s.TokenMade,
        scope="admin",
        body=s.NewToken,
        done=201,
        problems=(409, 413, 415, 422),
    ),
    Route(
        method="DELETE",
        path=f"{ROOT}/tokens/{{id}}",
        name="revoke_token",
        summary="Revoke a token by its id or name",
        answer=s.TokenRow,
        scope="admin",
        problems=(404,),
    ),
    _get(f"{ROOT}/audit", "list_audit", "The newest changes", s.AuditList, scope="admin", query=s.AuditQuery),
    _get(f"{ROOT}/openapi.json", "get_openapi", "This API as OpenAPI 3.1", dict[str, Any], scope=None),
    _get("/metrics", "get_metrics", "Figures for Prometheus", str, media="text/plain"),
    _get("/healthz", "get_health", "The process runs", str, scope=None, media="text/plain"),
    _get("/readyz", "get_readiness", "The server can take work", str, scope=None, media="text/plain"),
)

#: Request headers that an operation reads, by its name: header, what it is for.
HEADERS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "send_control": (
        ("Idempotency-Key", "1 to 128 visible ASCII characters; the same key and body again changes nothing"),
    ),
    "stream_events": (("Last-Event-ID", "id of the last event seen; none: from now on"),),
}
