"""What the pages are made of: files that a browser loads, and nothing else."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from gridiface.domain.controls import Delivery, DeliveryOutcome, Setpoint
from gridiface.operator.pages import STATIC, VENDOR
from gridiface.operator.screens.render import LIBRARIES


@pytest.mark.parametrize("name", sorted(STATIC))
async def test_own_files_are_served(house: Any, name: str) -> None:
    assert (await house.ask("GET", f"/static/{name}"))[0] == 200


async def test_a_file_that_a_browser_has_is_not_sent_again_and_goes_compressed(house: Any) -> None:
    """A page's files are 170 kB: over a slow line they cost seconds with every page."""
    plain = {"Accept-Encoding": "identity"}
    _, text, headers = await house.ask("GET", "/static/app.css", headers=plain)
    assert "Content-Encoding" not in headers
    _, unpacked, packed = await house.ask("GET", "/static/app.css", headers={"Accept-Encoding": "gzip"})
    assert (unpacked, packed["Content-Encoding"]) == (text, "gzip")
    assert int(packed["Content-Length"]) < int(headers["Content-Length"]) / 2
    assert headers["ETag"] != packed["ETag"]
    assert packed["Vary"] == headers["Vary"] == "Accept-Encoding"
    for known, accepts, status in (
        (headers["ETag"], plain, 304),
        (f'"other", {packed["ETag"]}', {"Accept-Encoding": "gzip"}, 304),
        (packed["ETag"], plain, 200),
        ('"other"', plain, 200),
    ):
        found, body, _ = await house.ask("GET", "/static/app.css", headers={**accepts, "If-None-Match": known})
        assert (found, body) == (status, "" if status == 304 else text)


async def test_libraries_are_served_where_a_build_put_them(house: Any) -> None:
    assert set(LIBRARIES) == VENDOR
    _, page, _ = await house.ask("GET", "/")
    for name in VENDOR:
        status, _, _ = await house.ask("GET", f"/static/vendor/{name}")
        assert (status == 200) == (f"/static/vendor/{name}" in page)
    assert ("The plots are missing" in page) == ("/static/vendor/" not in page)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../status.py",
        "/static/%2e%2e%2fstatus.py",
        "/static/status.py",
        "/static/vendor/stamp.txt",
        "/static/vendor/%2e%2e%2fapp.js",
        "/nothing",
        "/devices/z",
        "/groups/z",
        "/controls/z",
    ],
)
async def test_nothing_else_is_served(house: Any, path: str) -> None:
    assert (await house.ask("GET", path))[0] == 404


async def test_what_is_unknown_is_told_as_a_page_and_escaped(house: Any) -> None:
    status, text, _ = await house.ask("GET", "/devices/%3Cscript%3E")
    assert status == 404
    assert "&lt;script&gt;" in text
    assert "<script>" not in text
    status, text, _ = await house.ask("GET", "/groups/z", headers={"HX-Request": "true"})
    assert status == 404
    assert "<html" not in text


async def test_control_page_says_why_a_device_did_not_respond(house: Any) -> None:
    point = Setpoint(device_id="b", issued=90.0, control_ids=("c1",))
    lost = Delivery(device_id="b", outcome=DeliveryOutcome.TIMEOUT, at=91.0, setpoint=point, detail="no <answer>")
    house.desk.status.on_deliveries([lost])
    house.desk.status.on_lost("b", "connection refused")
    house.records.held["c1"] = house.desk.status.controls()[0]
    _, text, _ = await house.ask("GET", "/controls/c1")
    assert re.search(r"/devices/b.*not yet.*it has not told its state.*: connection refused", text)
    _, text, _ = await house.ask("GET", "/devices/b")
    assert "Why it does not follow:</strong> it has not told its state since the server started" in text


async def test_pages_work_without_the_libraries_and_say_so(house: Any) -> None:
    house.shown.frame.libraries = False
    status, text, _ = await house.ask("GET", "/")
    assert status == 200
    assert "The plots are missing" in text
    assert "/static/vendor/" not in text


async def test_the_apis_own_page_tells_what_is_mounted_and_fetches_nothing(house: Any) -> None:
    status, page, headers = await house.ask("GET", "/api")
    assert status == 200
    told = (await house.ask("GET", "/api/v1/openapi.json"))[1]
    for path, methods in told["paths"].items():
        for method, one in methods.items():
            assert f'id="{one["operationId"]}"' in page
            assert f"<code>{method.upper()} {path}</code>" in page
    for name in told["components"]["schemas"]:
        assert f'id="shape-{name}"' in page
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids)), "ids are unique"
    linked = set(re.findall(r'href="#([^"]+)"', page))
    assert linked <= set(ids), "no link leads nowhere"
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page), "nothing is fetched from outside"
    assert "<style" not in page
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]


async def test_what_fails_at_a_page_is_told_people_as_a_page(make_house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    house = await make_house(rules={"requests_per_s": 1.0, "burst": 3})
    browser = {"Accept": "text/html,*/*;q=0.8"}

    async def broken(*_: object) -> None:
        raise KeyError("a fault of ours")

    check = house.pages._access.check
    monkeypatch.setattr(house.pages._access, "check", broken)
    status, page, headers = await house.ask("GET", "/devices", headers=browser)
    assert (status, headers["Content-Type"]) == (500, "text/html; charset=utf-8")
    assert "Something failed inside the server" in page
    assert "a fault of ours" not in page
    assert (await house.ask("GET", "/devices"))[2]["Content-Type"].startswith("application/problem+json")
    monkeypatch.setattr(house.pages._access, "check", check)
    answers = [await house.ask("GET", "/devices", headers=browser) for _ in range(200)]
    status, page, headers = next(one for one in answers if one[0] != 200)
    assert (status, headers["Content-Type"]) == (429, "text/html; charset=utf-8")
    assert int(headers["Retry-After"]) >= 1
    assert "Too many requests" in page


async def test_a_page_says_that_sessions_cannot_be_read(make_house: Any, signed_in: Any) -> None:
    house = await make_house(rules={"open_reads": False})
    browser = await signed_in(house, "viewer")
    house.clock.at += 61
    house.records.down = True
    status, page, headers = await browser.ask("GET", "/devices", headers={"Accept": "text/html"})
    assert (status, headers["Retry-After"]) == (503, "5"), page
    assert headers["Content-Type"].startswith("text/html")
    assert "he store does not answer" in page


async def test_a_browser_at_no_page_of_ours_is_shown_one_and_a_program_the_problem(house: Any) -> None:
    browser = {"Accept": "text/html,*/*;q=0.8"}
    status, page, headers = await house.ask("GET", "/nothing", headers=browser)
    assert (status, headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "here is nothing at this address" in page
    assert 'href="/devices"' in page
    for method, path, sent in (("GET", "/nothing", {}), ("GET", "/api/v1/nothing", browser), ("POST", "/no", browser)):
        status, said, headers = await house.ask(method, path, headers=sent)
        assert (status, headers["Content-Type"]) == (404, "application/problem+json; charset=utf-8"), said


async def test_a_form_at_a_page_that_takes_none_is_told_people_as_a_page(house: Any, signed_in: Any) -> None:
    form = {"Accept": "text/html,*/*;q=0.8", "Content-Type": "application/x-www-form-urlencoded"}
    status, page, headers = await house.ask("POST", "/devices", headers=form, data="a=b")
    assert (status, headers["Content-Type"]) == (405, "text/html; charset=utf-8")
    assert headers["Allow"] == "GET,HEAD"
    assert "A form was sent to a page that takes none: nothing was done." in page
    browser = await signed_in(house, "operator")
    browser.csrf = ""
    for path in ("/devices", "/controls/new"):  # no form there, and a form without the session's token
        status, page, headers = await browser.ask("POST", path, headers=form, data="a=b")
        assert headers["Content-Type"] == "text/html; charset=utf-8"
        assert "Sign in" not in page, "who is signed in is not told otherwise"
    assert status == 403
    assert "Load the page anew and send again" in page
    for method, path, sent in (
        ("POST", "/devices", {"Content-Type": form["Content-Type"]}),
        ("POST", "/devices", form | {"HX-Request": "true"}),
        ("PUT", "/devices", form),
        ("POST", "/api/v1/alarms", form),
    ):
        status, said, headers = await house.ask(method, path, headers=sent, data="a=b")
        assert (status, headers["Content-Type"]) == (405, "application/problem+json; charset=utf-8"), said


async def test_a_form_that_is_refused_is_told_people_as_a_page_and_scripts_the_problem(
    make_house: Any, signed_in: Any
) -> None:
    """A session that ended while somebody wrote, a store that is away: no JSON before people's eyes."""
    house = await make_house()
    form = {"Accept": "text/html,*/*;q=0.8", "Content-Type": "application/x-www-form-urlencoded"}
    status, page, headers = await house.ask("POST", "/controls/new", headers=form, data="a=b")
    assert (status, headers["Content-Type"]) == (401, "text/html; charset=utf-8")
    assert "You are not signed in any more: nothing was done." in page
    assert "Bearer" not in page
    script = form | {"HX-Request": "true"}
    for sent in (script, {"Content-Type": form["Content-Type"]}):
        status, _, headers = await house.ask("POST", "/controls/new", headers=sent, data="a=b")
        assert (status, headers["Content-Type"]) == (401, "application/problem+json; charset=utf-8")
    browser = await signed_in(house, "operator")
    house.clock.at += 61
    house.records.down = True
    status, page, headers = await browser.ask("POST", "/controls/new", headers=form, data="a=b")
    assert (status, headers["Content-Type"]) == (503, "text/html; charset=utf-8"), page


def forms() -> list[str]:
    """The start tag of every form of every page."""
    folder = Path(str(resources.files("gridiface.operator"))) / "templates"
    return [tag for page in folder.rglob("*.html") for tag in re.findall(r"<form[^>]*>", page.read_text())]


def test_no_form_puts_what_is_typed_into_the_address() -> None:
    """Before the script is there, or without one, a form without a method is a GET: passwords stood in the history."""
    assert len(forms()) > 50
    searches = [tag for tag in forms() if 'method="post"' not in tag]
    assert [tag for tag in searches if 'method="get"' not in tag or 'role="search"' not in tag] == []


async def test_a_form_that_came_without_its_script_is_refused_without_its_words(house: Any) -> None:
    form = {"name": "ann", "password": "rain over the feeder"}
    for page in ("/login", "/setup"):
        status, text, headers = await house.ask("POST", page, data=form, headers={"Accept": "text/html"})
        assert status == 405
        assert "rain" not in text
        assert "Location" not in headers
