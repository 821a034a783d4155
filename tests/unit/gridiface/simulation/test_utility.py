"""The utility's client against a server of fixed answers."""

from __future__ import annotations

import ssl

import pytest

from gridiface.protocols.sep2.resources import DERProgram, DERProgramList, DeviceCapability, ListLink
from gridiface.protocols.xmlwire import encode
from gridiface.simulation.utility import UtilityClient, UtilityFailed


class Canned(UtilityClient):
    """Answers from a table of targets; notes what was asked."""

    def __init__(self, answers: dict[str, tuple[int, bytes]]) -> None:
        super().__init__("https://127.0.0.1:1", ssl.create_default_context())
        self.answers = answers
        self.asked: list[tuple[str, str]] = []

    async def request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
        self.asked.append((method, path))
        status, content = self.answers.get(path, (404, b""))
        return status, {}, content


def program(number: int) -> DERProgram:
    return DERProgram(
        href=f"/derp/{number}",
        mRID=f"{number:032X}",
        primacy=1,
        description=f"group {number}",
        DERControlListLink=ListLink(href=f"/derp/{number}/derc", all=0),
    )


def page(start: int, *numbers: int, total: int) -> bytes:
    return encode(DERProgramList(href="/derp", all=total, results=len(numbers), members=[program(n) for n in numbers]))


@pytest.fixture
def client() -> Canned:
    dcap = DeviceCapability(href="/dcap", DERProgramListLink=ListLink(href="/derp", all=3))
    return Canned(
        {
            "/dcap": (200, encode(dcap)),
            "/derp?s=0&l=255": (200, page(0, 1, 2, total=3)),
            "/derp?s=2&l=255": (200, page(2, 3, total=3)),
        }
    )


async def test_program_is_found_on_a_later_page(client: Canned) -> None:
    found = await client.program("group 3")
    assert found.href == "/derp/3"
    assert [path for _, path in client.asked] == ["/dcap", "/derp?s=0&l=255", "/derp?s=2&l=255"]


async def test_unknown_program_names_the_known_ones(client: Canned) -> None:
    with pytest.raises(UtilityFailed, match="group 1, group 2, group 3"):
        await client.program("fleet")


async def test_refused_post_is_an_error_with_its_status(client: Canned) -> None:
    client.answers["/derp/1/derc"] = (403, b"<Error/>")
    with pytest.raises(UtilityFailed, match="403"):
        await client.post_target(program(1), 1000.0, start=0, duration_s=1, now=0, title="t")


async def test_list_that_shrinks_while_it_is_read_ends(client: Canned) -> None:
    client.answers["/derp?s=2&l=255"] = (200, page(2, total=3))
    with pytest.raises(UtilityFailed, match="no program"):
        await client.program("group 3")
