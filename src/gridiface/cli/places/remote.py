"""The verbs' way to a running server: its REST API over HTTP, and what its answers mean.

Owns no verb, no table, and not how a stream of events is read (event_stream).

The address is that of --url, GRIDIFACE_URL, or the configuration's operator.listen; the token that of --token-file or
GRIDIFACE_TOKEN. Exit codes through the errors raised: 3 no answer, 2 no right or a wrong address, 1 refused.
"""

from __future__ import annotations

import http.client
import inspect
import ipaddress
import json
import os
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints
from urllib.parse import urlencode, urlsplit

import typer

from gridiface.app.config import load_config
from gridiface.app.config.base import host_port
from gridiface.cli.places.event_stream import Event, events_of, lines_of
from gridiface.cli.places.hints import as_verbs
from gridiface.cli.places.signatures import shown_as
from gridiface.cli.terminal.showing import printable
from gridiface.errors import ConfigError, GridifaceError, StoreUnavailable

DEFAULT_URL = "http://127.0.0.1:8080"

#: Time for one answer, and for one that takes much work; for a stream the longest silence (the server says something
#: every 15 s). Seconds.
_ANSWER_S, _LONG_S, _SILENCE_S = 15.0, 900.0, 40.0

#: Largest answer, and largest file, that is read, bytes.
_MOST, _MOST_OF_FILE = 64 * 1024 * 1024, 1024 * 1024 * 1024

#: What a server's problem says for programs, beside the reason and the fix.
_TOLD_BESIDE = ("errors", "verdict", "control")

ReasonOption = Annotated[str, typer.Option("--reason", help="Kept in the audit log.")]
UrlOption = Annotated[
    str | None,
    typer.Option("--url", envvar="GRIDIFACE_URL", help=f"The server's address; without any: {DEFAULT_URL}."),
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Take the address from operator.listen of this configuration.")
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option("--token-file", help="File with the token; without it the token is that of GRIDIFACE_TOKEN."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the server's answer as JSON.")]


class ServerUnreachable(StoreUnavailable):
    """The server does not answer."""


@dataclass(frozen=True, slots=True)
class Remote:
    """One server. `url` without a slash at its end; `token` None: none is sent.

    `trust`: the server's own certificate, which alone is believed; None: what the system and GRIDIFACE_CA trust.
    """

    url: str
    token: str | None = None
    trust: Path | None = None

    @classmethod
    def of(cls, url: str | None, config: Path | None, token_file: Path | None) -> Remote:
        """The server that the options name; a configuration that is named wins over the environment's address.

        Raises:
            ConfigError: an address or token that cannot be used, with the fix.
        """
        chosen, trust = _configured(config) if config is not None else (url or DEFAULT_URL, None)
        parts = urlsplit(chosen)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ConfigError(f"{chosen!r} is no server's address; write http://HOST:PORT")
        token = read_token(token_file)
        if token is not None and parts.scheme == "http" and not _is_here(parts.hostname):
            typer.echo(f"the token goes to {parts.hostname} unencrypted; use https:// through a TLS proxy", err=True)
        return cls(chosen.rstrip("/"), token, trust)

    def get(self, path: str, **query: object) -> Any:
        """GET under /api/v1; parameters that are None or empty are left out.

        Raises:
            ServerUnreachable, ConfigError, GridifaceError: as the module's page says.
        """
        return self._ask("GET", path + _asked(query))

    def raw(self, path: str, **query: object) -> bytes:
        """GET of a file under /api/v1, which is whole; parameters as those of `get`.

        Raises:
            ServerUnreachable, ConfigError, GridifaceError: as the module's page says.
        """
        connection, response = self._open("GET", path + _asked(query), None, {"Accept": "*/*"}, _LONG_S)
        try:
            data = response.read(_MOST_OF_FILE)
        except (OSError, http.client.HTTPException) as problem:
            raise ServerUnreachable(f"{self.url}: the answer broke off: {problem}") from problem
        finally:
            connection.close()
        if response.status != 200:
            raise _refused(response.status, data)
        if len(data) == _MOST_OF_FILE:
            raise ConfigError(f"the file has {_MOST_OF_FILE} bytes or more; fetch it in parts")
        if response.length:
            raise ServerUnreachable(f"{self.url}: the answer broke off, {response.length} bytes before its end")
        return data

    def pages(self, path: str, key: str, most: int, **query: object) -> list[Any]:
        """Up to `most` members of a list, page by page.

        Raises:
            ServerUnreachable, ConfigError, GridifaceError: as the module's page says.
        """
        found: list[Any] = []
        after = ""
        while len(found) < most:
            answer = self.get(path, limit=min(1000, most - len(found)), after=after, **query)
            found += answer[key]
            after = answer["next"]
            if after is None:
                break
        return found

    def post(
        self, path: str, body: Mapping[str, Any], *, headers: Mapping[str, str] | None = None, long: bool = False
    ) -> Any:
        """POST under /api/v1; `long`: the work may take minutes.

        Raises:
            ServerUnreachable, ConfigError, GridifaceError: as the module's page says.
        """
        return self._ask("POST", path, body, headers, within_s=_LONG_S if long else _ANSWER_S)

    def patch(self, path: str, body: Mapping[str, Any], *, headers: Mapping[str, str] | None = None) -> Any:
        """PATCH under /api/v1.

        Raises:
            ServerUnreachable, ConfigError, GridifaceError: as the module's page says.
        """
        return self._ask("PATCH", path, body, headers)

    def put(self, path: str, body: Mapping[str, Any], *, headers: Mapping[str, str] | None = None) -> Any:
        """PUT under /api/v1.

        Raises:
            ServerUnreachable, ConfigError, GridifaceError: as the module's page says.
        """
        return self._ask("PUT", path, body, headers)

    def tagged(self, path: str) -> tuple[Any, str]:
        """GET of something that can be edited, and its ETag.

        Raises:
            ServerUnreachable, ConfigError, GridifaceError: as the module's page says.
        """
        tags: list[str] = []
        return self._ask("GET", path, tags=tags), tags[0]

    def delete(self, path: str, **query: object) -> Any:
        """DELETE under /api/v1.

        Raises:
            ServerUnreachable, ConfigError, GridifaceError: as the module's page says.
        """
        return self._ask("DELETE", path + _asked(query))

    def events(self, last_id: str = "") -> Iterator[Event]:
        """The event stream, until the server ends it.

        Raises:
            ServerUnreachable, ConfigError, GridifaceError: as the module's page says.
        """
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        connection, response = self._open("GET", "/events", None, headers, _SILENCE_S)
        try:
            if response.status != 200:
                raise _refused(response.status, response.read(_MOST))
            yield from events_of(lines_of(response))
        except (OSError, http.client.HTTPException) as problem:
            raise ServerUnreachable(
                f"{self.url}: the stream broke off: {problem or type(problem).__name__}"
            ) from problem
        finally:
            connection.close()

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        tags: list[str] | None = None,
        within_s: float = _ANSWER_S,
    ) -> Any:
        connection, response = self._open(method, path, body, headers or {}, within_s)
        try:
            raw = response.read(_MOST)
        except (OSError, http.client.HTTPException) as problem:
            raise ServerUnreachable(f"{self.url}: the answer broke off: {problem}") from problem
        finally:
            connection.close()
        if response.status not in {200, 201, 202}:
            raise _refused(response.status, raw)
        if tags is not None:
            tags.append(response.getheader("ETag", "*"))
        try:
            return json.loads(raw)
        except ValueError as problem:
            raise ConfigError(
                f"{self.url} answers, but is no gridiface server; give its address with --url"
            ) from problem

    def _open(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str], timeout_s: float
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        parts = urlsplit(self.url)
        sent = {"Accept": "application/json", **headers}
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        raw = None if body is None else json.dumps(body).encode()
        if raw is not None:
            sent["Content-Type"] = "application/json"
        try:
            connection = _connection(parts.scheme, parts.hostname or "", parts.port, timeout_s, self.trust)
            connection.request(method, f"{parts.path}/api/v1{path}", body=raw, headers=sent)
            return connection, connection.getresponse()
        except ValueError as problem:
            raise ConfigError(f"{self.url!r} is no server's address: {problem}") from problem
        except ssl.SSLCertVerificationError as problem:
            text = f"{self.url}: its certificate is not trusted: {problem.verify_message}"
            fix = "name its CA's file in GRIDIFACE_CA, or the server's configuration with --config"
            raise ServerUnreachable(f"{text}; {fix}") from problem
        except ssl.SSLError as problem:
            raise ServerUnreachable(f"{self.url}: no TLS is spoken there; is it http://?") from problem
        except (OSError, http.client.HTTPException) as problem:
            told = (problem.strerror if isinstance(problem, OSError) else None) or problem or type(problem).__name__
            text = f"{self.url} does not answer: {told}; is the server running?"
            raise ServerUnreachable(f"{text} --url names another address") from problem


def asking(verb: Callable[..., None]) -> Callable[..., None]:
    """A verb that asks a server: it is given the `remote` and `as_json`; the command line has the options for both.

    Args:
        verb: takes the remote first, `as_json` by name, and its own options by name.
    """

    def remote(url: str | None, config: Path | None, token_file: Path | None) -> Remote:  # found at each call
        return Remote.of(url, config, token_file)

    return reaching(verb, remote, ConfigOption)


def reaching(
    verb: Callable[..., None], place_of: Callable[[str | None, Path | None, Path | None], object], config_option: object
) -> Callable[..., None]:
    """A verb that is given a place and `as_json`; the command line has the options that lead to the place.

    Args:
        verb: takes the place first, `as_json` by name, and its own options by name. Where it annotates `as_json` with
            an option of its own, that one is shown.
        place_of: the place of an address, a configuration and a file with a token.
        config_option: `--config`, in the words that fit the place.
    """
    hints = get_type_hints(verb, include_extras=True)
    _, *named = inspect.signature(verb).parameters.values()
    own = [one.replace(annotation=hints[one.name]) for one in named if one.name != "as_json"]

    def reached(
        *,
        url: UrlOption = None,
        config: ConfigOption = None,
        token_file: TokenFileOption = None,
        as_json: JsonOption = False,
        **given: Any,
    ) -> None:
        verb(place_of(url, config, token_file), as_json=as_json, **given)

    shared = get_type_hints(reached, include_extras=True) | {"config": config_option}
    if hints["as_json"] is not bool:
        shared["as_json"] = hints["as_json"]
    ours = [
        one.replace(annotation=shared[one.name])
        for one in inspect.signature(reached).parameters.values()
        if one.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    shown_as(verb, reached, [*own, *ours])
    return reached


def read_token(path: Path | None) -> str | None:
    """The token of a file, or of GRIDIFACE_TOKEN, or None.

    Raises:
        ConfigError: the file cannot be read or holds no token.
    """
    text = os.environ.get("GRIDIFACE_TOKEN", "")
    place = "GRIDIFACE_TOKEN"
    if path is not None:
        place = str(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeError) as problem:
            told = problem.strerror if isinstance(problem, OSError) else problem
            raise ConfigError(f"{path}: cannot be read: {told}; give the file that holds the token") from problem
    text = text.strip()
    if not text and path is None:
        return None
    if not re.fullmatch(r"[\x21-\x7e]{1,512}", text):
        raise ConfigError(f"{place} holds no token; `gridiface token create` makes one")
    return text


# --- helpers --------------------------------------------------------------------------------------------------------


def _asked(query: Mapping[str, object]) -> str:
    """The query part of an address; empty without any."""
    given = {name: str(value) for name, value in query.items() if value not in (None, "", False)}
    return f"?{urlencode(given)}" if given else ""


def _configured(path: Path) -> tuple[str, Path | None]:
    """(address, own certificate) of the server of a configuration."""
    block = load_config(path).operator
    if block is None:
        raise ConfigError(f"{path}: the block `operator` is switched off; the verbs need it")
    host, port = host_port(block.listen)
    if port == 0:
        raise ConfigError(f"{path}: operator.listen takes any free port; give the one it took with --url")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
    scheme, trust = ("http", None) if block.tls is None else ("https", block.tls.certificate)
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}", trust


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _connection(
    scheme: str, host: str, port: int | None, timeout_s: float, trust: Path | None
) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=_trusting(trust))
    return http.client.HTTPConnection(host, port, timeout=timeout_s)


def _trusting(own: Path | None) -> ssl.SSLContext:
    """TLS towards the server: its own certificate where the configuration names it, else what is trusted here."""
    try:
        if own is None:
            context = ssl.create_default_context()
            if os.environ.get("GRIDIFACE_CA"):
                context.load_verify_locations(cafile=os.environ["GRIDIFACE_CA"])
            return context
        context = ssl.create_default_context(cafile=str(own))
    except (OSError, ssl.SSLError) as problem:
        raise ConfigError(f"{own or os.environ.get('GRIDIFACE_CA')}: no certificates to trust: {problem}") from problem
    # The very certificate is known, so the name in it need not be the address that leads there.
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _refused(status: int, raw: bytes) -> GridifaceError:
    """The error that an answer stands for."""
    told: dict[str, Any] = {}
    try:
        told = dict(json.loads(raw))
        text, fix = str(told["detail"]), as_verbs(str(told.get("fix", "")))
    except (ValueError, KeyError, TypeError, AttributeError):
        text, fix = f"the server answered {status}", "is this gridiface's address?"
    if status == 401:  # the API speaks of headers
        fix = (
            "give a token with --token-file or GRIDIFACE_TOKEN; `gridiface token create NAME --config FILE` makes the "
            "first while the server is stopped, an admin's token makes more"
        )
    whole = printable(f"{text}; {fix}" if fix else text)
    kind = ConfigError if status in {401, 403, 421, 429} else StoreUnavailable if status == 503 else GridifaceError
    error = kind(whole)
    more = {name: told[name] for name in _TOLD_BESIDE if name in told}
    error.details = {"detail": text, "status": status, **({"fix": fix} if fix else {}), **more}
    return error
