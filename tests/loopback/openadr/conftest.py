"""Shells with real sockets around the OpenADR cores, and openleadr as the other side in a process of its own."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util
import itertools
import json
import os
import random
import sys
import time
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from tests.waiting import until

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.openadr.exchange import HttpClient, HttpMessage, HttpServer
from gridiface.protocols.openadr.ven import SampleMemory, Ven, Verdict
from gridiface.protocols.openadr.vtn import Peer, Vtn

HERE = Path(__file__).parent
DEADLINE = 20.0


def ids(prefix):
    numbers = itertools.count(1)
    return lambda: f"{prefix}-{next(numbers)}"


async def listen(answer):
    """A server on a free port; returns its runner and URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


class VtnShell:
    """A VTN core behind an aiohttp server on a free port."""

    def __init__(self, config):
        self.vtn = Vtn(config, ids("V"))
        self.http = HttpServer("vtn")
        self.notices = []
        self.received = []
        self.documents = {}
        self.away = False
        self._runner = None
        self._pusher = None

    def do(self, result):
        for change in result.changes:
            if change.body is None:
                self.documents.pop(change.key, None)
            else:
                self.documents[change.key] = change.body
        self.notices += result.notices
        return result

    def told(self, kind):
        return [notice for notice in self.notices if type(notice).__name__ == kind]

    async def push(self):
        """Hand out what waits for push VENs, for ever."""
        client = HttpClient()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5), auto_decompress=False) as session:
            while True:
                pushes, result = self.vtn.next_pushes(time.time())
                self.do(result)
                for push in pushes:
                    message = client.request(push.service, push.payload, time.time())
                    url = f"{push.address.rstrip('/')}/{message.path}"
                    headers = {"Content-Type": message.headers["Content-Type"]}
                    try:
                        async with session.post(url, data=message.body, headers=headers) as answer:
                            reply = HttpMessage(answer.status, dict(answer.headers), await answer.read())
                        payload = client.response(reply, time.time())
                    except (RemoteProtocolError, aiohttp.ClientError, TimeoutError):
                        self.do(self.vtn.push_failed(push.venID, time.time()))
                    else:
                        if payload is not None:
                            self.do(self.vtn.handle(payload, Peer(), time.time()))
                await asyncio.sleep(0.02)

    async def _answer(self, request):
        message = HttpMessage(0, dict(request.headers), await request.read(), request.method, request.raw_path)
        now = time.time()
        if self.away:
            return web.Response(status=503)
        try:
            inbound = self.http.receive(message, now)
            self.received.append(inbound.payload)
            peer = Peer(profile=inbound.profile)
            result = self.do(self.vtn.handle(inbound.payload, peer, now, service=inbound.service))
            answer = self.http.reply(inbound, result.reply, now)
        except RemoteProtocolError as error:
            answer = self.http.refuse(error)
        headers = {name: value for name, value in answer.headers.items() if name != "Content-Length"}
        return web.Response(status=answer.status, headers=headers, body=answer.body)

    async def start(self, *, push=False):
        self._runner, self.url = await listen(self._answer)
        if push:
            self._pusher = asyncio.create_task(self.push())

    async def stop(self):
        if self._pusher:
            self._pusher.cancel()
            await asyncio.gather(self._pusher, return_exceptions=True)
        if self._runner:
            await self._runner.cleanup()


class VenShell:
    """A VEN core that talks to a VTN by aiohttp."""

    def __init__(self, config, url, judge=None):
        self.samples = SampleMemory()
        chance = random.Random(1)
        self.ven = Ven(
            config, judge or (lambda event, previous: Verdict("optIn")), self.samples, ids("C"), chance.random
        )
        self.http = HttpClient()
        self.url = url
        self.notices = []
        self.sent = []
        self.runner = None
        self._task = None

    def told(self, kind):
        return [notice for notice in self.notices if type(notice).__name__ == kind]

    def start(self):
        self._task = asyncio.create_task(self._run())

    async def stop(self):
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self.runner:
            await self.runner.cleanup()

    async def answer(self, request):
        """Take a push of the VTN."""
        server = HttpServer("ven")
        message = HttpMessage(0, dict(request.headers), await request.read(), request.method, request.raw_path)
        now = time.time()
        try:
            inbound = server.receive(message, now)
            reply = server.reply(inbound, self.ven.receive_push(inbound.payload, now), now)
        except RemoteProtocolError as error:
            reply = server.refuse(error)
        headers = {name: value for name, value in reply.headers.items() if name != "Content-Length"}
        return web.Response(status=reply.status, headers=headers, body=reply.body)

    async def _run(self):
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5), auto_decompress=False) as session:
            while True:
                now = time.time()
                self.ven.handle_timer(now)
                self.ven.take_changes()
                for request in self.ven.next_requests(now):
                    await self._send(session, request)
                while (notice := self.ven.next_event()) is not None:
                    self.notices.append(notice)
                await asyncio.sleep(min(0.05, max(0.0, self.ven.next_timer(time.time()) - time.time())))

    async def _send(self, session, request):
        message = self.http.request(request.service, request.payload, time.time())
        self.sent.append(request)
        headers = {name: value for name, value in message.headers.items() if name != "Content-Length"}
        try:
            async with session.post(f"{self.url}/{message.path}", data=message.body, headers=headers) as answer:
                reply = HttpMessage(answer.status, dict(answer.headers), await answer.read())
            payload = self.http.response(reply, time.time())
        except RemoteProtocolError as error:
            self.ven.failed(request.id, time.time(), status=error.answer)
        except (aiohttp.ClientError, TimeoutError):
            self.ven.failed(request.id, time.time())
        else:
            self.ven.receive(request.id, payload, time.time())


class Process:
    """A script of this folder in openleadr's Python; JSON lines in and out."""

    def __init__(self, python, script):
        self._command = [python, str(HERE / script)]
        self.lines = []
        self._tasks = []
        self._errors = []

    async def start(self, *arguments):
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self._tasks = [
            asyncio.create_task(self._read(self._process.stdout, self._take)),
            asyncio.create_task(self._read(self._process.stderr, self._errors.append)),
        ]

    async def _read(self, stream, take):
        while line := await stream.readline():
            take(line)

    def _take(self, line):
        if line.startswith(b"{"):
            self.lines.append(json.loads(line))

    def say(self, **command):
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    def heard(self, kind):
        return [line for line in self.lines if line["kind"] == kind]

    async def stop(self):
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._process._transport.close()

    @property
    def errors(self):
        return b"".join(self._errors).decode()


@pytest.fixture(scope="session")
def openleadr_python():
    """A Python that can import openleadr: this one, or the one that GRIDIFACE_OPENLEADR_PYTHON names."""
    named = os.environ.get("GRIDIFACE_OPENLEADR_PYTHON")
    if named:
        return named
    if importlib.util.find_spec("openleadr") is None:
        pytest.skip("openleadr is not importable and GRIDIFACE_OPENLEADR_PYTHON is not set")
    return sys.executable


@pytest.fixture
async def start_vtn():
    shells = []

    async def start(config, *, push=False):
        shell = VtnShell(config)
        shells.append(shell)
        await shell.start(push=push)
        return shell

    yield start
    for shell in shells:
        await shell.stop()


@pytest.fixture
async def start_ven():
    shells = []

    async def start(config, url, judge=None, *, push=False):
        holder = []
        runner = None
        if push:

            async def answer(request):
                return await holder[0].answer(request)

            runner, address = await listen(answer)
            config = dataclasses.replace(config, push_address=address)
        shell = VenShell(config, url, judge)
        shell.runner = runner
        holder.append(shell)
        shells.append(shell)
        shell.start()
        return shell

    yield start
    for shell in shells:
        await shell.stop()


@pytest.fixture
async def start_process(openleadr_python):
    processes = []

    async def start(script, *arguments):
        process = Process(openleadr_python, script)
        processes.append(process)
        await process.start(*arguments)
        return process

    yield start
    for process in processes:
        await process.stop()


@pytest.fixture
def eventually():
    return until
