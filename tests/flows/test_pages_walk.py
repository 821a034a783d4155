"""What the how-tos print is run as it stands there: by bash, from the folder that they name, against a real server.

Only what a reader has to put in by hand is put in here: ports, LFDIs, the token.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from tests.flows.test_first_run import free_port, serving

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "operator"
PORTS = ("8443", "8080", "8444", "20000")

pytestmark = [
    pytest.mark.processes,
    pytest.mark.xdist_group("pages-walk"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("bash") is None or shutil.which("curl") is None, reason="no bash, or no curl"),
]


def blocks(page: str, holds: str) -> list[str]:
    """The blocks of commands of a page that hold a text, in their order."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", (PAGES / page).read_text(encoding="utf-8"), re.M | re.S)
    wanted = [block for language, block in fenced if language in {"", "sh", "bash"} and holds in block]
    assert wanted, f"{page} has no block with {holds!r}"
    return wanted


@dataclass
class Reader:
    """Somebody at a terminal, with a home of their own."""

    folder: Path
    environment: dict[str, str]

    async def types(self, block: str, put_in: Mapping[str, str], *, inside: str = "") -> str:
        """Run a block of a page; what it printed. Every command has to end well."""
        for printed, meant in put_in.items():
            block = re.sub(rf"(?<![A-Za-z]){re.escape(printed)}(?![A-Za-z])", meant, block)
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", block),
            cwd=self.folder / inside,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(200):
            said, _ = await process.communicate()
        assert process.returncode == 0, f"{block}\n{said.decode()}"
        return said.decode()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    folder = tmp_path_factory.mktemp("reader")
    tools, home = folder / "bin", folder / "home"
    tools.mkdir()
    home.mkdir()
    command = tools / "gridiface"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gridiface.cli "$@"\n')
    command.chmod(0o755)
    return Reader(folder, {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(home), "LANG": "C.UTF-8"})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(reader: Reader) -> AsyncIterator[Mapping[str, str]]:
    """A server of `gridiface init`, on free ports; what its addresses are in place of the pages'."""
    await reader.types("gridiface init my-site --with dnp3 --with openadr", {})
    config = reader.folder / "my-site" / "gridiface.yaml"
    text, put_in = config.read_text(), dict[str, str]()
    for port in PORTS:
        assert f"127.0.0.1:{port}" in text
        mine = str(free_port())
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{mine}")
        put_in |= {f"{host}:{port}": f"{host}:{mine}" for host in ("localhost", "127.0.0.1")}
    config.write_text(text)
    (made,) = blocks("api.md", "gridiface token create ops")
    first = made.splitlines()[0]
    await reader.types(first, {}, inside="my-site")
    reader.environment |= {
        "GRIDIFACE_TOKEN": (reader.folder / "my-site" / "ops.token").read_text().strip(),
        "GRIDIFACE_URL": f"http://{put_in['127.0.0.1:8080']}",
    }
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(serving(config))
        yield put_in


async def test_a_utility_connects(reader: Reader, served: Mapping[str, str]) -> None:
    (text,) = blocks("utility.md", "curl ")
    assert " 201 " in await reader.types(text, served)
    (verbs,) = blocks("utility.md", "gridiface sep2 message")
    said = await reader.types(verbs, served)
    assert "href: /msg/2/txt/1\n" in said
    assert said.rstrip().endswith("count: 1")
    (meter,) = blocks("utility.md", "sep2 create /upt")
    assert "value: 120000" in await reader.types(meter, served)


async def test_an_inverter_is_tested_from_the_other_side(reader: Reader, served: Mapping[str, str]) -> None:
    names = {}
    for kind, name, printed in (("device", "inverter7", "LFDI"), ("aggregator", "agg", "OTHER")):
        made = await reader.types(f"gridiface pki issue {kind} --dir pki --name {name}", {}, inside="my-site")
        found = re.search(r"LFDI ([0-9A-F]{40})", made)
        assert found is not None
        names[printed] = found[1]
    (verbs,) = blocks("inverter.md", "gridiface sep2 register")
    said = await reader.types(verbs, {**served, **names}, inside="my-site")
    for word in ("pin: 111115", f"managed_by: {names['OTHER']}", "DERProgramList: 60", "mirrors: 0"):
        assert word in said


async def test_a_laboratory_tries_the_server_out(reader: Reader, served: Mapping[str, str]) -> None:
    (verbs,) = blocks("conformance.md", "gridiface conform list")
    said = await reader.types(verbs, served, inside="my-site")
    assert len(re.findall(r"^\d+ passed, 0 failed", said, re.M)) == 3, said


async def test_certificates_are_made_looked_at_and_bundled(reader: Reader) -> None:
    (reader.folder / "certificates").mkdir()
    for holds in ("gridiface pki init", "gridiface pki csr", "gridiface pki inspect"):
        (verbs,) = blocks("certificates.md", holds)
        said = await reader.types(verbs, {}, inside="certificates")
    assert said.rstrip().endswith("accepted")
    (revoke,) = blocks("certificates.md", "gridiface pki revoke")
    assert "is now revoked" in await reader.types(revoke, {}, inside="certificates")
