"""`gridiface init`: a folder with a commented configuration and, on request, a test PKI that fits it."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Annotated

import typer
import yaml

from gridiface.cli.terminal.quiet import note
from gridiface.errors import ConfigError
from gridiface.pki.folder import TestPki, write_credential
from gridiface.pki.identity import format_lfdi, lfdi_from_der

_TEMPLATE = """\
# yaml-language-server: $schema=gridiface.schema.json
# Configuration of gridiface. `gridiface check {name}` names file, line and fix of every mistake;
# docs/reference/configuration.md explains every key. Paths are relative to this file.
# Powers are in W: + delivered to the grid, - taken from it.

site: {site}                            # part of the identities derived for groups and devices
database: {database}{room}# or postgresql://USER@HOST/DATABASE

sep2:                                   # the IEEE 2030.5 server
  listen: {listen}                # 0.0.0.0:8443 to serve other machines
  tls:
    profile: strict                     # ECDHE-ECDSA-AES128-CCM8 only; `compatible` adds AES128-GCM
    certificate: pki/server.pem         # this server's certificate and its intermediates
    key: pki/server.key
    roots: [pki/serca.pem]              # whom we trust
    revoked: pki/revoked.txt            # kept by `gridiface pki revoke`, read again when it changes
  notifications: {{{reach}: true}}{pad}# subscribers {where} are notified, too
  in_band_registration: false           # true: unknown devices may register by POST /edev
  clients:                              # known beforehand: `gridiface pki lfdi CERTIFICATE` prints an LFDI
    - {{name: the utility, role: utility, certificate: pki/utility.pem}}
    - {{name: first inverter, role: device, certificate: pki/inverter1.pem, device: inverter1, pin: 111115}}

devices:
  - id: inverter1                       # speaks IEEE 2030.5 itself
    driver: sep2
    kind: pv_battery
  # - id: battery1                      # a SunSpec device behind Modbus/TCP
  #   driver: sunspec
  #   kind: battery
  #   connection: {{host: 192.0.2.10, port: 502, unit_id: 1, poll_period_s: 1}}

groups:                                 # each group is offered to the utility as one DER
  - id: fleet
    name: the whole fleet
    members: [inverter1]

operator:
{page}
{openadr}{dnp3}
logging: {{level: info, format: text}}
"""

_LOOPBACK = ("127.", "localhost:", "[::1]")

#: The page for this machine alone, and for others.
_PAGE_HERE = "  listen: {page}{room}# pages and REST; other machines need its `tls`, docs/operator/users.md"
_PAGE = """\
  listen: {page}{room}# pages and REST, docs/operator/users.md
  tls: {{certificate: pki/server.pem, key: pki/server.key}}  # of the test PKI: browsers ask before they trust it"""

#: Blocks of other protocols: written as comments unless they are asked for. Both work as they stand.
_OPENADR = """\
openadr:                                # docs/operator/openadr.md
  vtn:                                  # VENs that register here are members of the fleet
    vtn_id: GRIDIFACE
    listen: 127.0.0.1:8444              # without `tls` only this machine: for trials
    vens:
      - ven_id: VEN-A
        members:
          - {device: site-a, resource: site, signals: [setpoint], rated_load_w: 20000, groups: [fleet]}
  # vens:                               # utilities' programs that the fleet takes part in
  #   - name: utility
  #     url: https://vtn.example        # what comes before /OpenADR2/Simple/2.0b
  #     tls: {certificate: pki/ven.pem, key: pki/ven.key, roots: [pki/openadr-roots.pem]}
  #     programs: [{market_context: http://utility.example/dr, group: fleet}]
  #     resources: [{id: site, group: fleet}]
"""
_DNP3 = """\
dnp3:                                   # docs/operator/dnp3.md; `gridiface dnp3 poll 127.0.0.1:20000` reads it
  outstations:
    - name: gateway
      address: 10                       # link address of the outstation
      group: fleet                      # what its points and commands mean
      profile: iso-gateway              # ready-made point map; or der, or none
      masters:
        - {name: control-room, address: 1, sources: [127.0.0.1/32], unsolicited: {}}
  endpoints:
    - listen: 127.0.0.1:20000           # other machines: with `tls`, or on a network that you trust
"""
_BLOCKS = {"openadr": _OPENADR, "dnp3": _DNP3}


def init(
    folder: Annotated[Path, typer.Argument(help="Folder to write into; it is made where it does not exist.")] = Path(
        "gridiface-site"
    ),
    site: Annotated[str, typer.Option(help="Name of the installation; without it the folder's.")] = "",
    listen: Annotated[str, typer.Option(help="HOST:PORT of the 2030.5 listener.")] = "127.0.0.1:8443",
    page: Annotated[
        str, typer.Option(help="HOST:PORT of the pages and the REST API; beyond this machine with TLS.")
    ] = "127.0.0.1:8080",
    database: Annotated[
        str, typer.Option(help="Where the database is to be: a URL, or a file beside the configuration.")
    ] = "sqlite:///gridiface.sqlite",
    host: Annotated[
        list[str] | None, typer.Option(help="Further names or addresses for the server's certificate; repeatable.")
    ] = None,
    pki: Annotated[bool, typer.Option(help="Also make a test PKI with server, utility and inverter1.")] = True,
    with_: Annotated[
        list[str] | None,
        typer.Option("--with", help=f"Also switch on: {', '.join(_BLOCKS)}; repeatable. Without: as comments."),
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace what is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write a commented configuration and a test PKI, ready for `gridiface serve`.

    Example: gridiface init my-site && gridiface serve my-site/gridiface.yaml

    As a service: gridiface init /etc/gridiface --database sqlite:////var/lib/gridiface/gridiface.sqlite
    """
    chosen = set(with_ or ())
    if unknown := chosen - _BLOCKS.keys():
        raise ConfigError(f"--with {sorted(unknown)[0]}: there are {', '.join(_BLOCKS)}")
    config = folder / "gridiface.yaml"
    if config.exists() and not force:
        raise ConfigError(f"{config}: there already; give --force to replace it")
    text = _text(config.name, site or _site_of(folder), chosen, listen=listen, page=page, database=database)
    _check(text, config)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise ConfigError(
            f"{folder}: cannot be made: {problem.strerror}; name a folder that you may write"
        ) from problem
    written = [config]
    if pki:
        written += _make_pki(folder / "pki", ["localhost", "127.0.0.1", "::1", *(host or [])], force=force)
    schema = folder / "gridiface.schema.json"
    try:
        config.write_text(text, encoding="utf-8")
        schema.write_text(_schema(), encoding="utf-8")
    except OSError as problem:
        raise ConfigError(f"{folder}: cannot be written: {problem.strerror}; look at its rights") from problem
    written.append(schema)
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), "files": [str(path) for path in written]}))
        return
    typer.echo(f"wrote {config}{' and a test PKI in ' + str(folder / 'pki') if pki else ''}")
    if pki or (folder / "pki" / "server.pem").exists():
        typer.echo(f"next: gridiface serve {config}")
    else:
        typer.echo(f"next: put the certificates that it names into {folder / 'pki'} (docs/operator/certificates.md);")
        typer.echo(f"what is missing yet: gridiface check {config}")


def _site_of(folder: Path) -> str:
    """What the installation is called: as its folder, where that can be a name; two sites must not share one."""
    from gridiface.domain.definitions import is_identifier  # noqa: PLC0415 - as the models

    name = folder.resolve().name
    return name if is_identifier(name) else "my-site"


def _check(text: str, path: Path) -> None:
    """Refuse what was given where it makes no configuration.

    Raises:
        ConfigError: what is wrong, and where.
    """
    from gridiface.app.config.load import parse_config  # noqa: PLC0415 - the models are heavy and only needed here

    parse_config(text, path)


def _scalar(value: str) -> str:
    """A text as YAML reads it back, quoted where it has to be."""
    text: str = yaml.safe_dump(value, allow_unicode=True, width=math.inf)
    return text.partition("\n")[0]


def _text(name: str, site: str, chosen: set[str], *, listen: str, page: str, database: str) -> str:
    blocks = {
        block: "\n" + (text if block in chosen else "".join(f"# {line}\n" for line in text.splitlines()))
        for block, text in _BLOCKS.items()
    }
    local = listen.startswith(_LOOPBACK)
    reach, where = ("loopback", "on this machine") if local else ("private_addresses", "in private networks")
    pad = " " * max(1, 40 - len(f"  notifications: {{{reach}: true}}"))
    shown = (_PAGE_HERE if page.startswith(_LOOPBACK) else _PAGE).format(page=page, room=_room("  listen: " + page))
    database, site = _scalar(database), _scalar(site)
    places = {"listen": listen, "page": shown, "database": database, "room": _room("database: " + database)}
    return _TEMPLATE.format(name=name, site=site, reach=reach, where=where, pad=pad, **places, **blocks)


def _room(before: str) -> str:
    """Blanks up to the column of the remarks."""
    return " " * max(1, 40 - len(before))


def _schema() -> str:
    from gridiface.app.config import reference  # noqa: PLC0415 - the models are heavy and only needed here

    return reference.json_schema()


def _make_pki(folder: Path, hosts: list[str], *, force: bool) -> list[Path]:
    now = time.time()
    authority = TestPki.create(depth=3, now=now)
    paths = authority.save(folder, force=force)
    for profile, name in (("server", "server"), ("utility", "utility"), ("device", "inverter1")):
        credential = authority.issue(profile, name, now=now, hosts=hosts if profile == "server" else ())
        paths += [path for path in write_credential(folder, name, credential, force=force) if path is not None]
        if profile != "server":
            note(f"{name}: LFDI {format_lfdi(lfdi_from_der(credential.der))}")
    return paths
