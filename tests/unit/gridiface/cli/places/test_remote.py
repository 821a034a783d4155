"""The way to a server: addresses, tokens, what each answer means, and text that a terminal may show."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.cli.places.remote import Remote, ServerUnreachable, read_token
from gridiface.cli.terminal.showing import kw, percent, printable
from gridiface.errors import ConfigError, GridifaceError, StoreUnavailable
from gridiface.segments import segment

PLAIN = {"detail": "no", "fix": "do this"}


class Scripted(BaseHTTPRequestHandler):
    """Answers with the status in the path and with the server's `body`."""

    def do_GET(self) -> None:
        body = self.server.body  # type: ignore[attr-defined] # set by the fixture
        self.server.seen.append((self.path, dict(self.headers)))  # type: ignore[attr-defined] # set by the fixture
        self.send_response(int(self.path.partition("?")[0].rpartition("/")[2]))
        self.send_header("Content-Length", str(len(body) + getattr(self.server, "missing", 0)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Any]:
    made: Any = HTTPServer(("127.0.0.1", 0), Scripted)
    made.body, made.seen = json.dumps(PLAIN).encode(), []
    thread = threading.Thread(target=made.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, GridifaceError), (401, ConfigError), (403, ConfigError), (409, GridifaceError), (503, StoreUnavailable)],
)
def test_problem_becomes_the_error_of_its_exit_code(server: Any, status: int, kind: type[Exception]) -> None:
    told = "no; give a token with --token-file" if status == 401 else "no; do this"
    with pytest.raises(GridifaceError, match=told) as caught:
        Remote(f"http://127.0.0.1:{server.server_port}", "secret").get(f"/{status}", limit=3, empty="", none=None)
    assert type(caught.value) is kind
    path, headers = server.seen[0]
    assert path == f"/api/v1/{status}?limit=3"
    assert headers["Authorization"] == "Bearer secret"


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b"\xff", b"null"])
def test_another_servers_answers_are_no_tracebacks(server: Any, body: bytes) -> None:
    server.body = body
    remote = Remote(f"http://127.0.0.1:{server.server_port}")
    with pytest.raises(GridifaceError, match="gridiface's address"):
        remote.get("/404")
    if body in {b"<html>", b"\xff"}:
        with pytest.raises(ConfigError, match="no gridiface server"):
            remote.get("/200")


def test_a_file_comes_whole_or_not_at_all(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = Remote(f"http://127.0.0.1:{server.server_port}")
    server.body = b"a,b\n"
    assert remote.raw("/200") == b"a,b\n"
    with monkeypatch.context() as narrow:
        narrow.setattr("gridiface.cli.places.remote._MOST_OF_FILE", 3)
        with pytest.raises(ConfigError, match="3 bytes or more"):
            remote.raw("/200")
    server.missing = 7
    with pytest.raises(ServerUnreachable, match="broke off, 7 bytes before its end"):
        remote.raw("/200")


def test_tls_towards_a_server_that_speaks_none_is_told(server: Any) -> None:
    with pytest.raises(ServerUnreachable, match="no TLS is spoken there; is it http://"):
        Remote(f"https://127.0.0.1:{server.server_port}").get("/200")


def test_no_answer_names_the_address() -> None:
    with pytest.raises(ServerUnreachable, match=r"http://127.0.0.1:1 does not answer.*--url"):
        Remote("http://127.0.0.1:1").get("/status")


@pytest.mark.parametrize("url", ["", "127.0.0.1:8080", "ftp://x", "http://", "http://x/?a=1"])
def test_bad_addresses_are_named(url: str) -> None:
    if url:
        with pytest.raises(ConfigError, match="no server's address"):
            Remote.of(url, None, None)
    else:
        assert Remote.of(url, None, None).url == "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("listen", "url"),
    [("0.0.0.0:81", "http://127.0.0.1:81"), ("[::]:82", "http://[::1]:82"), ("10.0.0.1:83", "http://10.0.0.1:83")],
)
def test_configuration_names_the_address(tmp_path: Path, listen: str, url: str) -> None:
    config = tmp_path / "g.yaml"
    config.write_text(f'operator: {{listen: "{listen}", plain: true}}\n')
    assert Remote.of("http://other:1", config, None).url == url
    config.write_text(f'operator: {{listen: "{listen}", tls: {{certificate: c.pem, key: k.pem}}}}\n')
    found = Remote.of(None, config, None)
    assert (found.url, found.trust) == (url.replace("http:", "https:"), tmp_path / "c.pem")
    config.write_text('operator: {listen: "127.0.0.1:0"}\n')
    with pytest.raises(ConfigError, match="any free port"):
        Remote.of(None, config, None)


def test_tokens_come_from_file_or_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRIDIFACE_TOKEN", raising=False)
    assert read_token(None) is None
    monkeypatch.setenv("GRIDIFACE_TOKEN", " one \n")
    assert read_token(None) == "one"
    file = tmp_path / "t"
    file.write_text("two\n")
    assert read_token(file) == "two"
    for text in ("", "a b", "a\nb", "é"):
        file.write_text(text)
        with pytest.raises(ConfigError, match="holds no token"):
            read_token(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_token(tmp_path / "none")


def test_unencrypted_way_beyond_this_machine_is_said(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("GRIDIFACE_TOKEN", "t")
    Remote.of("http://127.0.0.1:1", None, None)
    assert capsys.readouterr().err == ""
    Remote.of("http://192.0.2.1:1", None, None)
    assert "unencrypted" in capsys.readouterr().err


@given(st.text())
def test_nothing_that_is_shown_acts_on_a_terminal(text: str) -> None:
    assert printable(text).isprintable()
    assert "/" not in segment(text.encode("utf-8", "replace").decode())


def test_numbers_for_people() -> None:
    assert [kw(1500.0), kw(None), percent(0.5), percent(None), printable(None)] == ["1.50", "-", "50.0", "-", "-"]
