"""Signing in and out over HTTP: cookies, rotation, expiry, CSRF, brute force, what outlives a restart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from tests.waiting import until

from gridiface.domain.changes import Change, DeleteDocument, Document, PutDocument
from gridiface.errors import StoreUnavailable
from gridiface.operator.auth.sessions import MARKS, NOTED_S, SPACE, SessionBook
from gridiface.operator.auth.users import User, UserBook
from gridiface.operator.desk import Desk
from gridiface.operator.records.audit import Entry

#: Of every user of the tests, see conftest.
PASSWORD = "rain over the northern feeder"

CONTROL = {"target": {"kind": "group", "id": "fleet"}, "values": {"set_w": 1000.0}, "duration_s": 60}


async def test_sign_in_sets_a_guarded_cookie_and_tells_no_secret(house: Any, signed_in: Any, browser_of: Any) -> None:
    await signed_in(house, "operator")
    browser = browser_of(house)
    status, body, headers = await browser.ask(
        "POST", "/api/v1/session", json={"name": "OPERATOR", "password": PASSWORD}
    )
    assert status == 201
    name, _, rest = headers["Set-Cookie"].partition("=")
    assert name == f"gridiface-{house.desk.sessions.mark}"
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(rest.split("; "))
    secret = rest.split(";")[0]
    assert secret not in json.dumps(body)
    kept = b"".join(house.records.kept.values())
    assert secret.encode() not in kept
    assert PASSWORD.encode() not in kept
    assert (body["name"], body["role"], body["scopes"]) == ("operator", "operator", ["control", "read", "stream"])
    assert (await browser.ask("GET", "/api/v1/session"))[1]["csrf"] == browser.csrf


async def test_cookie_of_a_listener_behind_tls_is_for_https_of_this_host_only(
    make_house: Any, signed_in: Any, browser_of: Any
) -> None:
    house = await make_house(rules={"secure": True})
    await signed_in(house, "viewer")
    browser = browser_of(house)
    headers = (await browser.ask("POST", "/api/v1/session", json={"name": "viewer", "password": PASSWORD}))[2]
    assert headers["Set-Cookie"].startswith(f"__Host-gridiface-{house.desk.sessions.mark}=")
    assert "Secure" in headers["Set-Cookie"].split("; ")
    assert "Domain" not in headers["Set-Cookie"]


async def test_session_is_never_one_that_somebody_else_chose(house: Any, signed_in: Any, browser_of: Any) -> None:
    """Session fixation: a cookie that was there before is not taken over, and is over after the sign-in."""
    first = await signed_in(house, "operator")
    planted = first.cookie
    victim = browser_of(house)
    victim.cookie = planted
    assert await victim.sign_in("operator") == 201
    assert victim.cookie != planted
    assert (await first.ask("POST", "/api/v1/controls", json=CONTROL))[0] == 401
    invented = browser_of(house)
    invented.cookie = f"{house.pages.rules.cookie}=" + "A" * 43
    assert await invented.sign_in("operator") == 201
    assert "A" * 43 not in invented.cookie


@pytest.mark.parametrize("name", ["operator", "nobody", "disabled", "invited"])
async def test_wrong_name_and_wrong_password_are_answered_alike(
    house: Any, signed_in: Any, browser_of: Any, name: str
) -> None:
    await signed_in(house, "operator")
    await signed_in(house, "viewer", "disabled")
    user = house.desk.users.find("disabled")
    await house.desk.users.change(user, house.clock.now(), by="test", disabled=True)
    await house.desk.users.create("invited", "viewer", house.clock.now(), by="test")
    password = PASSWORD if name in {"disabled", "invited"} else "wrong but long enough"
    body = {"name": name, "password": password}
    status, told, _ = await browser_of(house).ask("POST", "/api/v1/session", json=body)
    assert (status, told["detail"]) == (401, "the name or the password is wrong")


async def test_brute_force_is_slowed_down_per_user_and_per_address(house: Any, signed_in: Any, browser_of: Any) -> None:
    owner = await signed_in(house, "operator")
    guesser = browser_of(house)
    told = [await guesser.sign_in("operator", f"guess number {n} of many") for n in range(11)]
    assert told == [401] * 10 + [429]
    status, body, headers = await guesser.ask(
        "POST", "/api/v1/session", json={"name": "operator", "password": PASSWORD}
    )
    assert status == 429, "the right password waits, too"
    assert int(headers["Retry-After"]) > 1
    assert body["fix"]
    assert (await owner.ask("GET", "/api/v1/devices"))[0] == 200, "who has signed in goes on"
    assert (await owner.ask("POST", "/api/v1/controls", json=CONTROL))[0] == 201
    house.clock.at += int(headers["Retry-After"])
    assert await guesser.sign_in("operator") == 201


async def test_names_are_guarded_although_addresses_change(house: Any, signed_in: Any, browser_of: Any) -> None:
    await signed_in(house, "operator")
    guesser = browser_of(house)
    for n in range(12):
        house.pages.signin._by_address._until.clear()
        told = await guesser.sign_in("operator", f"guess number {n} of many")
    assert told == 429
    assert await guesser.sign_in("viewer") == 401, "another name is not held up"


async def test_changes_need_the_csrf_token_of_the_session(house: Any, signed_in: Any) -> None:
    browser, other = await signed_in(house, "operator"), await signed_in(house, "operator", "other")
    for wrong in ("", "0" * 64, other.csrf, browser.csrf.upper(), "\u00e9"):
        status, body, _ = await browser.ask(
            "POST",
            "/api/v1/controls",
            json=CONTROL,
            headers={"X-CSRF-Token": wrong.encode("latin-1").decode("latin-1")},
        )
        assert (status, "CSRF" in body["detail"]) == (403, True), wrong
    assert not house.inbox.controls
    assert (await browser.ask("POST", "/api/v1/controls", json=CONTROL))[0] == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example.org"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_pages_of_other_sites_change_nothing_even_with_cookie_and_token(
    house: Any, signed_in: Any, headers: dict[str, str]
) -> None:
    browser = await signed_in(house, "operator")
    assert (await browser.ask("POST", "/api/v1/controls", json=CONTROL, headers=headers))[0] == 403
    assert (await browser.ask("DELETE", "/api/v1/session", headers=headers))[0] == 403
    assert not house.inbox.controls


async def test_forms_of_other_sites_cannot_sign_in(house: Any, browser_of: Any) -> None:
    """Login CSRF: a plain form has no JSON, and says where it comes from."""
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://evil.example.org"}
    assert (await browser_of(house).ask("POST", "/api/v1/session", data=b"name=a", headers=form))[0] == 403
    form.pop("Origin")
    assert (await browser_of(house).ask("POST", "/api/v1/session", data=b"name=a", headers=form))[0] == 415


async def test_sign_out_ends_the_session_everywhere(house: Any, signed_in: Any, browser_of: Any) -> None:
    browser = await signed_in(house, "operator")
    copy = browser_of(house)
    copy.cookie, copy.csrf = browser.cookie, browser.csrf
    status, body, headers = await browser.ask("DELETE", "/api/v1/session")
    assert (status, body["name"]) == (200, "")
    assert "Max-Age=0" in headers["Set-Cookie"]
    assert (await copy.ask("POST", "/api/v1/controls", json=CONTROL))[0] == 401
    assert (await copy.ask("DELETE", "/api/v1/session"))[0] == 401


async def test_session_ends_when_idle_and_in_any_case(make_house: Any, signed_in: Any) -> None:
    house = await make_house(rules={"open_reads": False}, desk_options={"idle_s": 100.0, "longest_s": 300.0})
    browser = await signed_in(house, "viewer")
    for _ in range(3):
        house.clock.at += 90
        assert (await browser.ask("GET", "/api/v1/devices"))[0] == 200
    house.clock.at += 90
    assert (await browser.ask("GET", "/api/v1/devices"))[0] == 401, "300 s are over"
    assert await browser.sign_in("viewer") == 201
    house.clock.at += 101
    assert (await browser.ask("GET", "/api/v1/devices"))[0] == 401, "idle"


async def test_sessions_users_and_tokens_outlive_a_restart(make_house: Any, signed_in: Any) -> None:
    house = await make_house(rules={"open_reads": False})
    browser = await signed_in(house, "operator")
    old = house.desk
    again = Desk(
        status=old.status,
        clock=old.clock,
        inbox=old.inbox,
        records=old.records,
        block=old.block,
        ready=old.ready,
    )
    await again.open()
    found = await again.sessions.verify(browser.cookie.partition("=")[2], house.clock.now())
    assert found is not None
    assert found[1].name == "operator"
    assert await again.tokens.verify(house.tokens["read"], house.clock.now())


async def test_disabled_removed_and_changed_users_are_signed_out(make_house: Any, signed_in: Any) -> None:
    house = await make_house(rules={"open_reads": False})
    book = house.desk.users
    for name, end in (
        ("a", lambda user: book.change(user, house.clock.now() + 1, by="test", disabled=True)),
        ("b", lambda user: book.remove(user, house.clock.now() + 1, by="test")),
        ("c", lambda user: book.change(user, house.clock.now() + 1, by="test", since=house.clock.now() + 1)),
    ):
        browser = await signed_in(house, "viewer", name)
        assert (await browser.ask("GET", "/api/v1/devices"))[0] == 200
        await end(book.find(name))
        assert (await browser.ask("GET", "/api/v1/devices"))[0] == 401, name


async def test_role_takes_effect_with_the_next_request(house: Any, signed_in: Any) -> None:
    browser = await signed_in(house, "operator")
    await house.desk.users.change(house.desk.users.find("operator"), house.clock.now(), by="test", role="viewer")
    assert (await browser.ask("POST", "/api/v1/controls", json=CONTROL))[0] == 403


async def test_another_password_ends_the_other_sessions_and_begins_a_new_one(
    house: Any, signed_in: Any, browser_of: Any
) -> None:
    browser = await signed_in(house, "operator")
    other = browser_of(house)
    assert await other.sign_in("operator") == 201
    house.clock.at += 5
    wrong = {"old": "not the password", "new": "snow over the feeder"}
    assert (await browser.ask("POST", "/api/v1/session/password", json=wrong))[0] == 401
    short = {"old": PASSWORD, "new": "short"}
    assert (await browser.ask("POST", "/api/v1/session/password", json=short))[0] == 422
    right = {"old": PASSWORD, "new": "snow over the feeder"}
    assert (await browser.ask("POST", "/api/v1/session/password", json=right))[0] == 201
    assert (await browser.ask("POST", "/api/v1/controls", json=CONTROL))[0] == 201
    assert (await other.ask("POST", "/api/v1/controls", json=CONTROL))[0] == 401
    assert await other.sign_in("operator") == 401
    assert await other.sign_in("operator", "snow over the feeder") == 201


async def test_own_sessions_are_listed_and_ended_and_nobody_elses(house: Any, signed_in: Any, browser_of: Any) -> None:
    mine, other = await signed_in(house, "viewer"), await signed_in(house, "operator")
    second = browser_of(house)
    await second.sign_in("viewer")
    rows = (await mine.ask("GET", "/api/v1/session/all"))[1]["sessions"]
    assert sorted(row["current"] for row in rows) == [False, True]
    (theirs,) = (await other.ask("GET", "/api/v1/session/all"))[1]["sessions"]
    assert (await mine.ask("DELETE", f"/api/v1/session/all/{theirs['id']}"))[0] == 404
    gone = next(row["id"] for row in rows if not row["current"])
    assert (await mine.ask("DELETE", f"/api/v1/session/all/{gone}"))[0] == 200
    assert (await second.ask("GET", "/api/v1/session"))[1]["name"] == ""
    assert (await other.ask("GET", "/api/v1/session"))[1]["name"] == "operator"
    assert (await house.ask("GET", "/api/v1/session/all"))[0] == 401


async def test_two_servers_on_one_host_do_not_sign_each_others_people_out(
    make_house: Any, signed_in: Any, browser_of: Any
) -> None:
    """A browser keeps the cookies of a host by their names, whatever the port."""
    houses = [await make_house(), await make_house()]
    jar: dict[str, str] = {}
    browsers = []
    for house in houses:
        browser = await signed_in(house, "operator")
        name, _, secret = browser.cookie.partition("=")
        jar[name] = secret
        browsers.append(browser)
    for browser in browsers:
        browser.cookie = "; ".join(f"{name}={secret}" for name, secret in jar.items())
        assert (await browser.ask("POST", "/api/v1/controls", json=CONTROL))[0] == 201
        text = (await browser.ask("GET", "/controls"))[1]
        assert browser.csrf in text


async def test_the_mark_in_the_cookies_name_stays_over_a_restart(house: Any) -> None:
    again = SessionBook(house.records, house.desk.users)
    await again.load(house.clock.now())
    assert again.mark == house.desk.sessions.mark
    other = SessionBook(type(house.records)(), house.desk.users)
    await other.load(house.clock.now())
    assert len(other.mark) == 8
    assert other.mark != again.mark


async def test_two_servers_that_first_start_on_one_database_at_once_have_one_mark(house: Any) -> None:
    """The second has looked before the first wrote, and writes after the first has read what stands."""
    records = type(house.records)()
    first, second = (SessionBook(records, house.desk.users) for _ in range(2))
    write, may_write = records.commit, asyncio.Event()

    async def late(changes: Sequence[Change]) -> None:
        await may_write.wait()
        await write(changes)

    records.commit = late
    begun = asyncio.create_task(second.load(house.clock.now()))
    await asyncio.sleep(0)
    records.commit = write
    await first.load(house.clock.now())
    may_write.set()
    await begun
    assert first.mark == second.mark == records.kept[MARKS, "mark"].decode()


async def test_a_store_that_cannot_write_at_the_first_start_keeps_nobody_from_looking(house: Any) -> None:
    records = type(house.records)()

    async def full(_: Any) -> None:
        raise StoreUnavailable("the disk is full")

    records.commit = full
    book = SessionBook(records, house.desk.users)
    await book.load(house.clock.now())
    assert (len(book.mark), records.kept) == (8, {})


async def test_two_cookies_of_one_name_are_none(house: Any, signed_in: Any) -> None:
    browser = await signed_in(house, "operator")
    cookies = f"{browser.cookie}; {house.pages.rules.cookie}=" + "A" * 43
    assert (await browser.ask("POST", "/api/v1/controls", json=CONTROL, headers={"Cookie": cookies}))[0] == 401


async def test_reading_goes_on_while_the_store_cannot_write(make_house: Any, signed_in: Any) -> None:
    house = await make_house(rules={"open_reads": False})
    browser = await signed_in(house, "viewer")
    house.clock.at += 61

    async def full(_: Any) -> None:
        raise StoreUnavailable("the disk is full")

    house.records.commit = full
    assert (await browser.ask("GET", "/api/v1/groups"))[0] == 200


async def test_many_sessions_of_one_user_push_out_the_oldest(house: Any, signed_in: Any, browser_of: Any) -> None:
    first = await signed_in(house, "viewer")
    for _ in range(20):
        house.clock.at += 1
        assert await browser_of(house).sign_in("viewer") == 201
    assert (await first.ask("GET", "/api/v1/session"))[1]["name"] == ""
    assert len(house.desk.sessions.of(house.desk.users.find("viewer"), house.clock.now())) == 20


class SlowLedger:
    """Writes in the order in which it was asked, when it is told to."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.waiting: list[tuple[Sequence[Change], asyncio.Future[None]]] = []
        self.holds = False

    async def commit(self, changes: Sequence[Change]) -> None:
        done = asyncio.get_running_loop().create_future()
        self.waiting.append((changes, done))
        if not self.holds:
            self.write()
        await done

    def write(self) -> None:
        for changes, done in self.waiting:
            for change in changes:
                if isinstance(change, PutDocument) and change.space == SPACE:
                    self.kept[change.key] = change.body
                elif isinstance(change, DeleteDocument):
                    self.kept.pop(change.key, None)
            done.set_result(None)
        self.waiting.clear()

    async def documents(self, space: str) -> list[Document]:
        return [Document(space, key, body) for key, body in self.kept.items()] if space == SPACE else []


async def begun(ledger: SlowLedger, now: float) -> tuple[SessionBook, User, str]:
    users = UserBook(ledger)
    user = users._book.records["u"] = User("u", "ann", "operator", 0.0, "test")
    users._book._read = now + NOTED_S
    sessions = SessionBook(ledger, users)
    return sessions, user, await sessions.begin(user, now, address="", agent="", along=entry(now))


def entry(now: float) -> Entry:
    return Entry(at=now, who="ann", what="session", subject="ann")


async def test_an_ended_session_is_not_written_again_by_a_request_that_came_meanwhile() -> None:
    ledger, now = SlowLedger(), 1_000.0
    sessions, user, secret = await begun(ledger, now)
    (session,) = sessions.of(user, now)
    ledger.holds, later = True, now + NOTED_S + 1
    ending = asyncio.create_task(sessions.end(session.id, entry(later)))
    await until(lambda: ledger.waiting, "the end on its way")
    seen = await asyncio.wait_for(sessions.verify(secret, later), 1.0)
    assert seen is not None
    assert len(ledger.waiting) == 1
    ledger.write()
    await ending
    assert not ledger.kept
    assert await sessions.verify(secret, later) is None


async def test_a_session_whose_end_cannot_be_written_goes_on_and_is_noted_again() -> None:
    ledger, now = SlowLedger(), 1_000.0
    sessions, user, secret = await begun(ledger, now)
    (session,) = sessions.of(user, now)
    ledger.holds, later = True, now + NOTED_S + 1
    ending = asyncio.create_task(sessions.end(session.id, entry(later)))
    await until(lambda: ledger.waiting, "the end on its way")
    ledger.waiting.pop()[1].set_exception(StoreUnavailable("not now"))
    with pytest.raises(StoreUnavailable):
        await ending
    ledger.holds = False
    assert await sessions.verify(secret, later) is not None
    assert json.loads(ledger.kept[session.id])["seen"] == later
