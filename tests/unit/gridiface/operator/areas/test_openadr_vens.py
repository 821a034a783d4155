"""VENs of our VTN over HTTP: listed, added, changed, grouped, asked to register again, removed; all audited."""

from __future__ import annotations

import json
from typing import Any


async def test_a_list_says_who_is_present_late_and_lost(openadr: Any) -> None:
    status, body = await openadr.ask("GET", "/vtn/vens", scope="read")
    assert status == 200
    assert body["counts"] == {"present": 1, "late": 0, "lost": 0, "unregistered": 1}
    (first, second) = body["vens"]
    assert (first["id"], first["liveness"], first["groups"], first["resources"]) == (
        *("VEN-A", "present", ["north"]),
        ["site"],
    )
    assert (second["id"], second["liveness"]) == ("VEN-B", "unregistered")
    for silent, liveness in ((31.0, "late"), (101.0, "lost")):
        openadr.house.clock.at = openadr.vtn.core.vens["VEN-A"].last_seen + silent
        _, body = await openadr.ask("GET", f"/vtn/vens?liveness={liveness}", scope="read")
        assert [row["id"] for row in body["vens"]] == ["VEN-A"]
    _, page = await openadr.ask("GET", "/vtn/vens?limit=1", scope="read")
    assert (page["next"], page["total"]) == ("VEN-A", 2)
    _, page = await openadr.ask("GET", "/vtn/vens?limit=1&after=VEN-A", scope="read")
    assert (page["vens"][0]["id"], page["next"]) == ("VEN-B", None)
    _, page = await openadr.ask("GET", "/vtn/vens?group=north", scope="read")
    assert [row["id"] for row in page["vens"]] == ["VEN-A"]


async def test_a_ven_is_added_changed_and_removed_with_an_audit_entry_each(openadr: Any) -> None:
    status, body = await openadr.ask(
        "POST", "/vtn/vens", {"id": "VEN-C", "groups": ["south", "south"], "profile": "2.0a"}
    )
    assert status == 201
    assert (body["groups"], body["profile"], body["configured"]) == (["south"], "2.0a", False)
    assert (await openadr.ask("POST", "/vtn/vens", {"id": "VEN-C"}))[0] == 409
    status, body = await openadr.ask("PATCH", "/vtn/vens/VEN-C", {"resources": ["r"], "name": "shop"})
    assert (status, body["resources"], body["groups"], body["name"]) == (200, ["r"], ["south"], "shop")
    assert (await openadr.ask("DELETE", "/vtn/vens/VEN-C"))[0] == 200
    assert "VEN-C" not in openadr.vtn.core.vens
    entries = [json.loads(change.body) for change in openadr.vtn.along]
    assert [entry["what"] for entry in entries] == ["openadr.ven.add", "openadr.ven.change", "openadr.ven.remove"]
    assert entries[1]["before"]["name"] == ""
    assert entries[1]["after"] == {"name": "shop", "resources": ["r"]}


async def test_what_does_not_fit_is_refused_and_changes_nothing(openadr: Any) -> None:
    for method, path, body, expected in (
        ("POST", "/vtn/vens", {"id": "X", "fingerprint": "AA"}, 422),
        ("POST", "/vtn/vens", {"id": "X", "fingerprint": ":".join(["AA"] * 10)}, 409),
        ("POST", "/vtn/vens", {"id": "X", "high_security": True}, 409),
        ("POST", "/vtn/vens", {"id": ""}, 422),
        ("PATCH", "/vtn/vens/NOBODY", {"name": "x"}, 404),
        ("DELETE", "/vtn/vens/NOBODY", None, 404),
        ("DELETE", "/vtn/vens/VEN-A", None, 409),
        ("POST", "/vtn/vens/VEN-B/reregister", {}, 409),
        ("POST", "/vtn/vens/VEN-B/deregister", {}, 409),
        ("PUT", "/vtn/groups/north", {"vens": ["NOBODY"]}, 409),
    ):
        status, answer = await openadr.ask(method, path, body)
        assert status == expected, (method, path, answer)
        assert answer["fix"]
    assert set(openadr.vtn.core.vens) == {"VEN-A", "VEN-B"}


async def test_with_tls_a_ven_needs_its_fingerprint(openadr: Any) -> None:
    openadr.vtn.uses_tls = True
    assert (await openadr.ask("POST", "/vtn/vens", {"id": "X"}))[0] == 409
    name = ":".join(["AB"] * 10)
    assert (await openadr.ask("POST", "/vtn/vens", {"id": "X", "fingerprint": name, "high_security": True}))[0] == 201
    status, body = await openadr.ask("POST", "/vtn/vens", {"id": "Y", "fingerprint": name})
    assert (status, "that of X" in body["detail"]) == (409, True)


async def test_groups_are_listed_and_set_as_a_whole(openadr: Any) -> None:
    _, body = await openadr.ask("GET", "/vtn/groups", scope="read")
    assert body == {"groups": [{"id": "north", "vens": ["VEN-A"]}]}
    status, body = await openadr.ask("PUT", "/vtn/groups/north", {"vens": ["VEN-B"]})
    assert (status, body) == (200, {"id": "north", "vens": ["VEN-B"]})
    assert openadr.vtn.core.vens["VEN-A"].groups == []
    assert (await openadr.ask("PUT", "/vtn/groups/north", {"vens": []}))[0] == 200
    assert (await openadr.ask("GET", "/vtn/groups", scope="read"))[1] == {"groups": []}


async def test_what_is_asked_of_a_ven_waits_for_it_and_is_done(openadr: Any) -> None:
    status, body = await openadr.ask("POST", "/vtn/vens/VEN-A/reregister", {"reason": "moved"})
    assert (status, body["waiting"]) == (200, ["reregister"])
    status, body = await openadr.ask("POST", "/vtn/vens/VEN-A/distribute", {})
    assert body["waiting"] == ["reregister", "events"]
    openadr.talk()
    assert openadr.vtn.core.waiting("VEN-A") == []
    await openadr.ask("POST", "/vtn/vens/VEN-A/deregister", {})
    openadr.talk()
    openadr.talk()
    _, body = await openadr.ask("GET", "/vtn/vens/VEN-A", scope="read")
    assert body["liveness"] == "unregistered"


async def test_one_ven_shows_offers_requests_and_opts(openadr: Any) -> None:
    assert (await openadr.ask("GET", "/vtn/vens/NOBODY", scope="read"))[0] == 404
    openadr.own.core.add_opt_schedule("optOut", [(500.0, 60)], 0.0, resources=["site"])
    openadr.talk()
    _, body = await openadr.ask("GET", "/vtn/vens/VEN-A", scope="read")
    (offer,) = body["offers"]
    assert (offer["name"], offer["points"][0]["rid"], offer["points"][0]["unit"]) == ("TELEMETRY_USAGE", "site/W", "W")
    (opt,) = body["opts"]
    assert (opt["opt"], opt["spans"], opt["resources"]) == ("optOut", [[500.0, 60.0]], ["site"])


async def test_a_ven_is_changed_and_removed_as_it_was_read(openadr: Any) -> None:
    ask, path = openadr.house.ask, "/api/v1/openadr/vtn/vens/VEN-C"
    await openadr.ask("POST", "/vtn/vens", {"id": "VEN-C", "groups": ["south"]})
    _, _, headers = await ask("GET", path, scope="read")
    openadr.talk()
    assert (await ask("GET", path, scope="read"))[2]["ETag"] == headers["ETag"], "what it says is no edit"
    match = {"If-Match": headers["ETag"]}
    assert (await ask("PATCH", path, scope="admin", json={"groups": ["north"]}, headers=match))[0] == 200
    assert (await ask("PATCH", path, scope="admin", json={"groups": ["east"]}, headers=match))[0] == 412
    assert (await ask("DELETE", path, scope="admin", headers=match))[0] == 412
    fresh = {"If-Match": (await ask("GET", path, scope="read"))[2]["ETag"]}
    assert (await ask("DELETE", path, scope="admin", headers=fresh))[0] == 200
