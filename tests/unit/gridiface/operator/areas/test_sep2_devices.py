"""IEEE 2030.5 clients over REST: what is asked of the port, its audit entry, and what is answered."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.errors import ConfigConflict, ConfigError, RemoteProtocolError
from gridiface.operator.areas.sep2_devices import Sep2DevicesArea
from gridiface.operator.records.audit import newest

ROOT = "/api/v1/sep2"
LFDI = "AB" * 20


def row(lfdi: str, pin: int | None = None) -> dict[str, Any]:
    return {"path": "/edev/1", "lfdi": lfdi, "sfdi": 1, "role": "device", "device": "a", "group": None,
            "granted": True, "connects": True, "in_band": False, "changed": 1, "post_rate": 300,
            "managed_by": [], "pin": pin}  # fmt: skip


class Port:
    """Remembers what was asked; what is in `refuses` is refused."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.known = {LFDI}
        self.refuses: Exception | None = None
        self.records: Any = None

    async def _do(self, *what: Any, along: Any) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.asked.append(what)
        await self.records.commit(along)

    def find_end_devices(self, text: str, role: str, start: int, limit: int) -> tuple[list[dict[str, Any]], int]:
        fits = [row for row in self.end_devices() if text in row["lfdi"] and role in {"", row["role"]}]
        return fits[start : start + limit], len(fits)

    def find_subscriptions(self, text: str, start: int, limit: int) -> tuple[list[dict[str, Any]], int]:
        return self.subscriptions()[start : start + limit], len(self.subscriptions())

    def end_devices(self) -> list[dict[str, Any]]:
        return [row(f"{n:040X}") for n in range(5)]

    def end_device(self, lfdi: str) -> dict[str, Any] | None:
        return row(lfdi, 111_115) if lfdi in self.known else None

    async def ensure_end_device(self, lfdi: str, *, device: Any, pin: Any, role: Any, along: Any) -> Any:
        await self._do("ensure", lfdi, device, pin, str(role), along=along)
        new = lfdi not in self.known
        self.known.add(lfdi)
        return row(lfdi, pin), new

    async def remove_end_device(self, lfdi: str, *, along: Any) -> bool:
        await self._do("remove", lfdi, along=along)
        return True

    async def set_access(self, lfdi: str, *, granted: bool, along: Any) -> None:
        await self._do("access", lfdi, granted, along=along)

    async def manage(self, lfdi: str, device: str, *, along: Any) -> Any:
        await self._do("manage", lfdi, device, along=along)
        return row(LFDI), device != "known"

    async def release(self, lfdi: str, device: str, *, along: Any) -> Any:
        await self._do("release", lfdi, device, along=along)
        return row(LFDI)

    def poll_rates(self) -> dict[str, int]:
        return {"DERProgramList": 60}

    async def set_poll_rate(self, resource: str, seconds: int, *, along: Any) -> None:
        await self._do("poll", resource, seconds, along=along)

    async def set_post_rate(self, lfdi: str, seconds: int, *, along: Any) -> None:
        await self._do("post", lfdi, seconds, along=along)

    async def empty_mirrors(self, lfdi: Any, *, along: Any) -> int:
        await self._do("mirrors", lfdi, along=along)
        return 3

    def subscriptions(self) -> list[dict[str, Any]]:
        return [{"path": "/edev/1/sub/1", "resource": "/edev", "by": LFDI, "uri": "https://a", "limit": 1}]

    def cancel_subscription(self, path: str) -> bool:
        return path == "/edev/1/sub/1"

    async def reset(self, *, by: str, along: Any) -> dict[str, int]:
        await self._do("reset", by, along=along)
        return {"controls": 2}


@pytest.fixture
async def house(make_house: Any) -> Any:
    port = Port()
    made = await make_house(areas=lambda desk: [Sep2DevicesArea(port)])
    port.records = made.records
    made.port = port
    return made


@pytest.mark.parametrize(
    ("method", "path", "body", "scope", "status", "asked", "what"),
    [
        ("PUT", f"/end-devices/{LFDI.lower()}", {"pin": 123455}, "configure", 200,
         ("ensure", LFDI, None, 123_455, "None"), "sep2.end-device.register"),
        ("PUT", f"/end-devices/{'CD' * 20}", {"device": "b", "role": "aggregator"}, "configure", 201,
         ("ensure", "CD" * 20, "b", None, "aggregator"), "sep2.end-device.register"),
        ("DELETE", f"/end-devices/{LFDI}", None, "configure", 200, ("remove", LFDI), "sep2.end-device.remove"),
        ("POST", f"/end-devices/{LFDI}/grant", {"reason": "ok"}, "control", 200, ("access", LFDI, True),
         "sep2.access.grant"),
        ("POST", f"/end-devices/{LFDI}/revoke", {}, "control", 200, ("access", LFDI, False), "sep2.access.revoke"),
        ("POST", f"/end-devices/{LFDI.lower()}/manage", {"device": "a"}, "configure", 201, ("manage", LFDI, "a"),
         "sep2.end-device.manage"),
        ("POST", f"/end-devices/{LFDI}/manage", {"device": "known"}, "configure", 200, ("manage", LFDI, "known"),
         "sep2.end-device.manage"),
        ("POST", f"/end-devices/{LFDI}/release", {"device": "a"}, "configure", 200, ("release", LFDI, "a"),
         "sep2.end-device.release"),
        ("PUT", f"/end-devices/{LFDI}/post-rate", {"seconds": 60}, "control", 200, ("post", LFDI, 60),
         "sep2.post-rate.set"),
        ("PUT", "/poll-rates/DERProgramList", {"seconds": 60}, "control", 200, ("poll", "DERProgramList", 60),
         "sep2.poll-rate.set"),
        ("POST", "/mirrors/empty", {"lfdi": LFDI.lower()}, "control", 200, ("mirrors", LFDI), "sep2.mirrors.empty"),
        ("POST", "/mirrors/empty", {}, "control", 200, ("mirrors", None), "sep2.mirrors.empty"),
        ("POST", "/reset", {}, "admin", 200, ("reset", "adminer"), "sep2.reset"),
    ],
)  # fmt: skip
async def test_acts_are_asked_of_the_server_with_their_audit_entry(
    house: Any, method: str, path: str, body: Any, scope: str, status: int, asked: tuple[Any, ...], what: str
) -> None:
    found, said, _ = await house.ask(method, ROOT + path, json=body, scope=scope)
    assert found == status, said
    assert house.port.asked == [asked]
    (entry,) = await newest(house.records, 1)
    assert (entry["what"], entry["who"]) == (what, f"{scope}er")
    assert "123455" not in str(entry)


async def test_a_page_of_end_devices_without_pins(house: Any) -> None:
    _, first, _ = await house.ask("GET", f"{ROOT}/end-devices?limit=2", scope="read")
    assert (len(first["end_devices"]), first["total"], first["next"]) == (2, 5, "2")
    _, rest, _ = await house.ask("GET", f"{ROOT}/end-devices?limit=9&after=2", scope="read")
    assert (len(rest["end_devices"]), rest["next"]) == (3, None)
    assert (await house.ask("GET", f"{ROOT}/end-devices/{LFDI}", scope="read"))[0] == 403
    _, one, _ = await house.ask("GET", f"{ROOT}/end-devices/{LFDI}", scope="configure")
    assert one["pin"] == 111_115


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (ConfigError("not known"), 422),
        (ConfigConflict("is registered with PIN 111115"), 409),
        (RemoteProtocolError("not there", answer=404), 404),
        (RemoteProtocolError("the configuration says so", answer=409), 409),
        (RemoteProtocolError("no aggregator", answer=400), 422),
    ],
)
async def test_what_the_server_refuses_leaves_no_entry(house: Any, problem: Exception, status: int) -> None:
    house.port.refuses = problem
    for method, path, body in (
        ("PUT", "", {}), ("POST", "/manage", {"device": "a"}), ("POST", "/release", {"device": "a"})
    ):  # fmt: skip
        found, _, _ = await house.ask(method, f"{ROOT}/end-devices/{LFDI}{path}", json=body, scope="configure")
        assert found == status
    assert not [e for e in await newest(house.records, 9) if e["what"].startswith("sep2")]


async def test_names_that_are_not_there(house: Any) -> None:
    for path in (f"/end-devices/{'EF' * 20}", "/end-devices/xy"):
        assert (await house.ask("GET", ROOT + path, scope="configure"))[0] in {404, 422}
    body = {"path": "/edev/1/sub/9"}
    assert (await house.ask("POST", f"{ROOT}/subscriptions/cancel", json=body, scope="control"))[0] == 404
    body = {"path": "/edev/1/sub/1"}
    assert (await house.ask("POST", f"{ROOT}/subscriptions/cancel", json=body, scope="control"))[0] == 200
    assert (await house.ask("GET", f"{ROOT}/subscriptions", scope="read"))[1]["subscriptions"]
    assert (await house.ask("GET", f"{ROOT}/poll-rates", scope="read"))[1]["poll_rates"]
