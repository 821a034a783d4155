"""Alarms: listed, acknowledged; the kinds there are; a test of the notices."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field
from typing_extensions import TypedDict

from gridiface.operator.alarms.alarms import Alarm, AlarmRow
from gridiface.operator.alarms.kinds import KINDS, Severity
from gridiface.operator.api.routing import Area, Call, get, post, unknown
from gridiface.operator.auth.access import Caller
from gridiface.operator.confined import sees_device
from gridiface.operator.desk import Desk
from gridiface.operator.problems import Refused
from gridiface.operator.records.audit import Entry
from gridiface.operator.schema import NoBody, NoQuery, Page, Reason


class AlarmQuery(Page):
    """Which alarms."""

    state: Literal["raised", "acknowledged", "cleared", "standing", "all"] = Field(
        default="standing", description="only these; standing: raised or acknowledged"
    )
    kind: str = Field(default="", max_length=64, description="only this kind, see GET /api/v1/alarms/kinds")
    severity: Severity | Literal[""] = Field(default="", description="only this severity")
    subject: str = Field(default="", max_length=256, description="only this device, peer or file")


class AlarmList(TypedDict):
    """Alarms, those that stand first, the latest change first. `next` goes into `after`, null at the end."""

    alarms: list[AlarmRow]
    total: int
    next: str | None


class KindRow(TypedDict):
    """One kind of alarm."""

    kind: str
    severity: str
    meaning: str
    fix: str
    device: bool
    latched: bool
    after_s: float


class KindList(TypedDict):
    """All kinds."""

    kinds: list[KindRow]


class NoticeTest(TypedDict):
    """How many are told, how many notices wait, and what went wrong last, by target."""

    targets: int
    waiting: int
    failing: dict[str, str]


class AlarmsArea(Area):
    """Alarms."""

    name: ClassVar[str] = "alarms"
    title: ClassVar[str] = "Alarms"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @get(
        "/alarms",
        "Alarms; filters `state` (those that stand, unless asked otherwise), `kind`, `severity`",
        confined=True,
    )
    async def list_alarms(self, call: Call[AlarmQuery, NoBody]) -> AlarmList:
        """One page of them."""
        query = call.query
        fitting = [a for a in self._desk.alarms.alarms() if _fits(a, query) and self._sees(call.caller, a)]
        names = [alarm.id for alarm in fitting]
        if query.after and query.after not in names:
            raise Refused(400, "`after` names no alarm of this list", "begin again without it")
        begin = names.index(query.after) + 1 if query.after else 0
        shown = fitting[begin : begin + query.limit]
        following = shown[-1].id if begin + len(shown) < len(fitting) else None
        return {"alarms": [alarm.row() for alarm in shown], "total": len(fitting), "next": following}

    @get("/alarms/kinds", "The kinds of alarms there are", confined=True)
    async def list_alarm_kinds(self, call: Call[NoQuery, NoBody]) -> KindList:
        """As on the reference page."""
        return {
            "kinds": [
                {
                    "kind": name,
                    "severity": kind.severity,
                    "meaning": kind.meaning,
                    "fix": kind.fix,
                    "device": kind.device,
                    "latched": kind.latched,
                    "after_s": kind.after_s,
                }
                for name, kind in KINDS.items()
            ]
        }

    @get("/alarms/{id}", "One alarm", confined=True, problems=(404,))
    async def get_alarm(self, call: Call[NoQuery, NoBody]) -> AlarmRow:
        """One of them."""
        return self._alarm(call).row()

    @post(
        "/alarms/{id}/acknowledge",
        "Note that somebody has seen an alarm; a latched one is cleared by it",
        scope="control",
        confined=True,
        problems=(404,),
    )
    async def acknowledge_alarm(self, call: Call[NoQuery, Reason]) -> AlarmRow:
        """Acknowledging again renews who and why."""
        alarm = self._alarm(call)
        done = await self._desk.alarms.acknowledge(alarm.id, call.now, by=call.caller.name, note=call.body.reason)
        return (done or alarm).row()

    @post("/alarms/test", "Send a test notice to every webhook and mail list", scope="configure")
    async def test_notices(self, call: Call[NoQuery, Reason]) -> NoticeTest:
        """They go within a second; what goes wrong shows at the next call and in the log."""
        notices = self._desk.notices
        entry = Entry(at=call.now, who=call.caller.name, what="alarm.test", subject="notices", reason=call.body.reason)
        await self._desk.records.commit([entry.change()])
        entry.log()
        targets = notices.test(call.now)
        return {"targets": targets, "waiting": notices.waiting, "failing": dict(notices.failing)}

    def _alarm(self, call: Call[NoQuery, Any]) -> Alarm:
        alarm = self._desk.alarms.get(call.id)
        if alarm is None or not self._sees(call.caller, alarm):
            raise unknown("alarm", call.id, "GET /api/v1/alarms lists them")
        return alarm

    def _sees(self, caller: Caller, alarm: Alarm) -> bool:
        """Who is confined to groups sees what concerns its devices."""
        if caller.groups is None:
            return True
        return KINDS[alarm.kind].device and sees_device(caller, alarm.subject, self._desk.status.fleet)


def _fits(alarm: Alarm, query: AlarmQuery) -> bool:
    stands = alarm.cleared is None
    state = query.state in {"all", alarm.state} or (query.state == "standing" and stands)
    kind = query.kind in {"", alarm.kind} and query.severity in {"", KINDS[alarm.kind].severity}
    return state and kind and query.subject in {"", alarm.subject}
