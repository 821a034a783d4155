"""Signing in and what only some may see."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from gridiface.operator.records.audit import Entry


@pytest.mark.parametrize(
    ("wanted", "goes"),
    [
        ("/controls", "/controls"),
        ("//evil.example/x", "/"),
        ("/%5Cevil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
async def test_signing_in_leads_only_to_this_server(house: Any, wanted: str, goes: str) -> None:
    status, text, _ = await house.ask("GET", f"/login?next={wanted}")
    assert status == 200
    assert f'data-next="{goes}"' in text


async def test_who_has_to_sign_in_comes_back_to_the_page_also_where_its_name_has_a_slash(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = "/controls/openadr%2FVTN%2Fe1"
    house.records.held["openadr/VTN/e1"] = replace(house.desk.status.controls()[0], id="openadr/VTN/e1")
    assert f'href="/login?next={quote(wanted)}"' in (await house.ask("GET", wanted))[1]
    rules = replace(house.pages._access._rules, open_reads=False)
    monkeypatch.setattr(house.pages._access, "_rules", rules)
    status, _, headers = await house.ask("GET", wanted, allow_redirects=False)
    assert status == 303
    assert f'data-next="{wanted}"' in (await house.ask("GET", headers["Location"]))[1]


async def test_pages_of_admins_and_auditors_are_theirs(house: Any) -> None:
    for path, scope in (("/users", "admin"), ("/tokens", "admin"), ("/audit", "audit")):
        assert (await house.ask("GET", path, scope="read"))[0] == 403
        status, text, _ = await house.ask("GET", path, scope=scope)
        assert status == 200, text
    _, text, _ = await house.ask("GET", "/", scope="read")
    assert 'href="/users"' not in text
    _, text, _ = await house.ask("GET", "/", scope="admin")
    assert 'href="/users"' in text


async def test_users_tokens_and_their_changes_are_listed_without_secrets(house: Any) -> None:
    _, made, _ = await house.ask("POST", "/api/v1/users", scope="admin", json={"name": "ada", "role": "operator"})
    _, text, _ = await house.ask("GET", "/users", scope="admin")
    assert "ada" in text
    assert made["ticket"] not in text
    _, text, _ = await house.ask("GET", "/audit?q=ADA", scope="audit")
    assert "user.create" in text
    assert made["ticket"] not in text
    _, text, _ = await house.ask("GET", "/tokens", scope="admin")
    assert "controler" in text
    assert house.tokens["control"] not in text


async def test_nobody_and_anybody_have_an_account_page(house: Any) -> None:
    for path in ("/account", "/setup", "/approvals"):
        assert (await house.ask("GET", path))[0] == 200


async def test_the_audit_log_is_searched_and_paged(house: Any, signed_in: Any) -> None:
    auditor = await signed_in(house, "auditor")
    for number in range(150):
        entry = Entry(at=float(number), who="anna", what="control.send", subject=f"op-{number}", reason="peak")
        await house.records.commit([entry.change()])
    _, text, _ = await auditor.ask("GET", "/audit?who=anna&what=control.")
    assert "100 entries" in text
    assert "op-149" in text
    older = re.search(r'href="(/audit\?[^"]+)" rel="next"', text)
    assert older is not None
    _, text, _ = await auditor.ask("GET", html.unescape(older[1]))
    assert "50 entries" in text
    assert "op-0<" in text
    _, text, _ = await auditor.ask("GET", "/audit?subject=op-7&q=PEAK")
    assert "1 entries" in text
    _, text, _ = await auditor.ask("GET", "/audit?q=nothing+like+it")
    assert "Nothing with nothing like it" in text
    assert (await auditor.ask("GET", "/audit?what=" + "x" * 300 + "&after=%00"))[0] == 200
