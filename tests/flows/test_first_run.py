"""The first minutes of a user: init, doctor, check, serve, and the curl line of README.md."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.processes,
    pytest.mark.xdist_group("first-run"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(120),
]


async def gridiface(*words: str, folder: Path) -> tuple[int, str, str]:
    """Exit code, output and errors of one command."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gridiface.cli", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
    )
    async with asyncio.timeout(40):
        said, errors = await process.communicate()
    assert process.returncode is not None
    assert b"Traceback" not in errors, errors.decode()
    return process.returncode, said.decode(), errors.decode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def serving(config: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gridiface.cli", "serve", str(config)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(100):
            while b"Ctrl-C stops it" not in (line := await process.stderr.readline()):
                assert line, f"ended with {await process.wait()}"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `gridiface init` makes."""
    folder = tmp_path_factory.mktemp("first-run")
    code, said, errors = await gridiface("init", "my-site", folder=folder)
    assert code == 0, errors
    assert "next: gridiface serve my-site/gridiface.yaml" in said
    return folder / "my-site"


@pytest.fixture
def site(made: Path, tmp_path: Path) -> Path:
    """The configuration in a copy of it, on free ports."""
    return copy_of(made, tmp_path / "my-site")


def copy_of(made: Path, folder: Path) -> Path:
    shutil.copytree(made, folder)
    config = folder / "gridiface.yaml"
    text = config.read_text()
    for port in ("8443", "8080"):
        assert f"127.0.0.1:{port}" in text
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}")
    config.write_text(text)
    return config


async def test_from_init_to_the_first_answer(site: Path, tmp_path: Path) -> None:
    assert (site.parent / "pki" / "server.key").stat().st_mode & 0o077 == 0
    code, said, _ = await gridiface("check", str(site), folder=tmp_path)
    assert (code, "right. 1 device in 1 group" in said) == (0, True)
    code, said, _ = await gridiface("doctor", str(site), "--json", folder=tmp_path)
    assert code == 0, said
    findings = json.loads(said)["findings"]
    assert {"clock", "tls", "drivers", "configuration", "certificates", "ports", "database"} <= {
        finding["check"] for finding in findings
    }
    assert not [finding for finding in findings if finding["level"] == "error"]
    async with serving(site) as process:
        await the_line_of_the_readme(site)
        code, said, _ = await gridiface("doctor", str(site), folder=tmp_path)
        assert (code, "stop what uses it" in said) == (0 if "error " not in said else 1, True)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await process.wait() == 0
    code, said, _ = await gridiface("doctor", str(site), folder=tmp_path)
    assert code == 0, said
    assert "its schema is current" in said


async def the_line_of_the_readme(site: Path) -> None:
    """Run the curl command that README.md shows, from the folder that it names, against our port."""
    if shutil.which("curl") is None:
        pytest.skip("no curl: apt-get install curl")
    line = next(line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("curl "))
    port = re.search(r"listen: 127\.0\.0\.1:(\d+)", site.read_text())
    assert port is not None
    command = shlex.split(line.replace("localhost:8443", f"localhost:{port.group(1)}"))
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=site.parent / "pki",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, errors = await process.communicate()
    assert process.returncode == 0, errors
    assert b"<DeviceCapability" in said


async def test_init_replaces_nothing_without_being_told(site: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in site.parent.rglob("*") if path.is_file()}
    code, _, errors = await gridiface("init", "my-site", folder=tmp_path)
    assert (code, "--force" in errors) == (2, True)
    assert {path: path.read_bytes() for path in before} == before


MISTAKES = {
    "an unknown key": ("site:", "sight: x\nsite:", "sight"),
    "a port that is none": ("listen: 127.0.0.1:", "listen: nowhere ", "HOST:PORT"),
    "a group without its member": ("members: [inverter1]", "members: [inverter7]", "did you mean 'inverter1'"),
    "a driver without its client": ("device: inverter1", "device: other", "inverter1"),
    "a driver that there is not": ("driver: sep2", "driver: simulated", "no driver is called 'simulated'; installed:"),
    "broken YAML": ("sep2:", "sep2: [", "not valid YAML"),
}


async def wrong(made: Path, folder: Path, name: str, verb: str) -> None:
    """Make the mistake in a copy, and see what the verb says of it."""
    old, new, word = MISTAKES[name]
    config = copy_of(made, folder)
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new, 1))
    code, _, errors = await gridiface(verb, str(config), folder=made)
    assert code == 2, (name, errors)
    assert re.search(r"gridiface\.yaml:\d+:", errors), (name, errors)
    assert word in errors, (name, errors)
    assert not (config.parent / "gridiface.sqlite").exists()


async def test_check_and_serve_name_file_line_and_fix(made: Path, tmp_path: Path) -> None:
    # Every process costs two seconds: what is wrong is unit-tested, here it counts how it is told.
    await asyncio.gather(
        wrong(made, tmp_path / "one", "an unknown key", "check"),
        wrong(made, tmp_path / "two", "a driver that there is not", "serve"),
    )


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("name", sorted(MISTAKES))
async def test_check_names_every_mistake(made: Path, tmp_path: Path, name: str) -> None:
    await wrong(made, tmp_path / "site", name, "check")


async def test_a_missing_file_is_found_by_doctor_and_named_by_serve(site: Path, tmp_path: Path) -> None:
    (site.parent / "pki" / "server.pem").rename(site.parent / "pki" / "moved.pem")
    code, said, _ = await gridiface("doctor", str(site), folder=tmp_path)
    assert code == 1
    assert "server.pem does not exist" in said
    code, _, errors = await gridiface("serve", str(site), folder=tmp_path)
    assert code == 2
    assert "server.pem" in errors


async def test_serve_says_which_port_is_taken(site: Path, tmp_path: Path) -> None:
    port = re.search(r"listen: 127\.0\.0\.1:(\d+)", site.read_text())
    assert port is not None
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", int(port.group(1))))
        busy.listen()
        code, _, errors = await gridiface("serve", str(site), folder=tmp_path)
    assert code in {2, 3}
    assert port.group(1) in errors


async def test_serve_ends_with_ctrl_c_and_with_its_terminal(
    site: Path, eventually: Callable[..., Awaitable[float]]
) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        async with serving(site) as process:
            os.kill(process.pid, number)
            async with asyncio.timeout(60):
                assert await process.wait() == 0
    left = {path.name for path in site.parent.iterdir()}
    assert left == {"gridiface.yaml", "gridiface.schema.json", "pki", "gridiface.sqlite", "gridiface.sqlite.lock"}
