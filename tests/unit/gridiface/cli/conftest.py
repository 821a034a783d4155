"""Bare DNP3 outstations for verbs that speak DNP3 themselves; a server that keeps what verbs ask of it."""

import asyncio
import threading

import pytest
from typer.testing import CliRunner

from gridiface.cli import main
from gridiface.cli.places import remote


class Peer(asyncio.Protocol):
    def __init__(self, outstation):
        self.outstation = outstation

    def connection_made(self, transport):
        self.transport, self.channel = transport, self.outstation.open(1.7e9)

    def data_received(self, data):
        self.channel.receive(data, 1.7e9)
        self.transport.write(self.channel.to_send(1.7e9))

    def connection_lost(self, exc):
        self.channel.close()


@pytest.fixture
def serve_outstation():
    """A function: the port of an outstation, served by a loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    listeners, threads = [], []

    def serving(outstation):
        listener = loop.run_until_complete(loop.create_server(lambda: Peer(outstation), "127.0.0.1", 0))
        listeners.append(listener)
        threads.append(threading.Thread(target=loop.run_forever))
        threads[0].start()
        return listener.sockets[0].getsockname()[1]

    yield serving
    loop.call_soon_threadsafe(loop.stop)
    for thread in threads:
        thread.join()
    for listener in listeners:
        listener.close()
    loop.run_until_complete(asyncio.sleep(0.05))
    loop.close()


class Asked:
    """In the place of `remote.Remote`: keeps each request; answers by path, else with an object or a list of none."""

    def __init__(self):
        self.requests, self.answers = [], {}

    def of(self, *_):
        return self

    def pages(self, path, key, most, **query):
        self.requests.append(("GET", path, {"limit": most} | query))
        return self.answers[path][key] if path in self.answers else []

    def get(self, path, **query):
        return self._kept("GET", path, query)

    def raw(self, path, **query):
        self.requests.append(("GET", path, query))
        return self.answers[path]

    def delete(self, path, **query):
        return self._kept("DELETE", path, query)

    def post(self, path, body, *, long=False):
        return self._kept("POST", path, body)

    def put(self, path, body):
        return self._kept("PUT", path, body)

    def patch(self, path, body):
        return self._kept("PATCH", path, body)

    def _kept(self, method, path, body):
        self.requests.append((method, path, body))
        return self.answers.get(path, {"answered": path})


@pytest.fixture
def asked(monkeypatch):
    """What the verbs run in a test have asked of a server."""
    kept = Asked()
    monkeypatch.setattr(remote, "Remote", kept)
    return kept


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of a new site; nothing of it runs."""
    folder = tmp_path_factory.mktemp("site") / "s"
    result = CliRunner().invoke(main.app, ["init", str(folder), "--listen", "127.0.0.1:0", "--json"])
    assert result.exit_code == 0, result.output
    return folder
