"""`gridiface pki`: a test PKI in a folder, and a look at any certificate.

Exit codes: 0 done, 1 a check failed, 2 wrong use (a file is missing, exists already, or cannot be read).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gridiface.errors import ConfigError, plainly
from gridiface.pki.authority import Credential, make_crl, make_request, new_key
from gridiface.pki.credentials import load_roots
from gridiface.pki.folder import (
    CA_BUNDLE,
    REVOKED,
    TestPki,
    file_name,
    refuse_existing,
    revoke,
    write_credential,
)
from gridiface.pki.identity import parse_lfdi
from gridiface.pki.inspection import Report, inspect_chain, names_of, read_chain
from gridiface.pki.keyfiles import key_pem, make_folder, read_key, write_file
from gridiface.pki.revocation import load_revocation, serial_name
from gridiface.pki.rules import CLIENT_AUTH, SERVER_AUTH, ChainRules, openadr_rules, sep2_rules

app = typer.Typer(
    name="pki",
    help="Make a test PKI, issue certificates, and see what a certificate is good for.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Folder = Annotated[Path, typer.Option("--dir", help="The folder of the test PKI.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that are there already.")]

#: OpenSSL counts its short tag as less than 112 bits and leaves it out at the level that distributions set.
_CIPHER = "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0"
_CRL_SECONDS = 30 * 86_400


def _show(data: dict[str, Any], *, as_json: bool, text: Callable[[], str]) -> None:
    typer.echo(json.dumps(data, indent=2) if as_json else text())


@app.command()
def init(
    folder: Folder = Path("pki"),
    depth: Annotated[int, typer.Option(help="Certificates in a device's chain, root counted: 2, 3 or 4.")] = 3,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Make the CAs of a test PKI: SERCA, MICA, and with --depth 4 an MCA between them.

    Example: gridiface pki init --dir pki
    """
    written = TestPki.create(depth=depth, now=time.time()).save(folder, force=force)
    _show(
        {"dir": str(folder), "depth": depth, "files": [str(path) for path in written]},
        as_json=as_json,
        text=lambda: (
            f"Test PKI in {folder}\n"
            f"  servers trust     {folder / 'serca.pem'}\n"
            f"  clients use       {folder / CA_BUNDLE}\n"
            f"Next: gridiface pki issue device --dir {folder} --name inv1"
        ),
    )


@app.command()
def issue(
    profile: Annotated[str, typer.Argument(help="device, aggregator, utility, operator or server.")],
    name: Annotated[str, typer.Option(help="File name; also the hardware serial number or the common name.")],
    folder: Folder = Path("pki"),
    host: Annotated[list[str] | None, typer.Option(help="DNS name or address of a server; may be repeated.")] = None,
    csr: Annotated[Path | None, typer.Option(help="Certify the key of this request instead of a new one.")] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Issue a certificate: NAME.pem (with its issuers) and NAME.key.

    Example: gridiface pki issue server --dir pki --name server --host localhost --host 127.0.0.1
    """
    made = TestPki.load(folder).issue(
        profile, file_name(name), now=time.time(), hosts=host or (), request=_read_request(csr)
    )
    certificate, key = write_credential(folder, name, made, force=force)
    data = {
        "profile": profile,
        "certificate": str(certificate),
        "key": str(key) if key else None,
        **names_of(made.der),
    }
    _show(data, as_json=as_json, text=lambda: _issued_text(data, folder))


def _read_request(path: Path | None) -> x509.CertificateSigningRequest | None:
    if path is None:
        return None
    try:
        return x509.load_pem_x509_csr(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not a readable signing request ({plainly(error)})") from error


def _issued_text(data: dict[str, Any], folder: Path) -> str:
    lines = [f"{data['certificate']}  LFDI {data['lfdi']}  SFDI {data['sfdi']}"]
    if data["key"] and data["profile"] != "server":
        files = f"{data['certificate']} {data['key']} {folder / CA_BUNDLE}".split()
        lines += [
            "Try it:",
            f"  openssl s_client -connect HOST:PORT -tls1_2 -cipher {_CIPHER}"
            f" -cert {files[0]} -key {files[1]} -CAfile {files[2]}",
            f"  curl --tls-max 1.2 --ciphers {_CIPHER} --cert {files[0]} --key {files[1]} --cacert {files[2]}"
            " https://HOST:PORT/dcap",
        ]
    return "\n".join(lines)


@app.command()
def csr(
    name: Annotated[str, typer.Option(help="File name; also the common name with --named.")],
    folder: Folder = Path("pki"),
    named: Annotated[bool, typer.Option("--named", help="Ask with a subject; a device asks without.")] = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Make a key and a signing request for another authority: NAME.key and NAME.csr.

    Example: gridiface pki csr --dir pki --name inv2
    then:    gridiface pki issue device --dir pki --name inv2 --csr pki/inv2.csr
    """
    request_path, key_path = folder / f"{file_name(name)}.csr", folder / f"{name}.key"
    refuse_existing([request_path, key_path], force=force)
    key = new_key()
    request = make_request(name, key=key, empty_subject=not named)
    make_folder(folder)
    write_file(key_path, key_pem(key), secret=True, force=force)
    write_file(request_path, request.public_bytes(Encoding.PEM), force=force)
    data = {"request": str(request_path), "key": str(key_path)}
    _show(data, as_json=as_json, text=lambda: f"{request_path}\n{key_path}")


@app.command()
def lfdi(
    certificates: Annotated[list[Path], typer.Argument(help="PEM or DER files.")],
    as_json: AsJson = False,
) -> None:
    """Print LFDI, SFDI and OpenADR fingerprint of the first certificate of each file.

    Example: gridiface pki lfdi pki/inv1.pem
    """
    found = [{"file": str(path), **names_of(read_chain(path)[0].der)} for path in certificates]
    _show(
        {"certificates": found},
        as_json=as_json,
        text=lambda: "\n".join(
            f"{item['file']}\n  LFDI    {item['lfdi']}\n  SFDI    {item['sfdi']}  ({item['sfdi_for_people']})\n"
            f"  OpenADR {item['openadr_fingerprint']}"
            for item in found
        ),
    )


@app.command()
def inspect(
    certificate: Annotated[Path, typer.Argument(help="PEM file with a chain, own certificate first; or DER.")],
    roots: Annotated[
        list[Path] | None, typer.Option(help="Trusted roots; serca.pem beside the certificate if not given.")
    ] = None,
    revoked: Annotated[
        Path | None, typer.Option(help="Local revocation list; revoked.txt beside the certificate if not given.")
    ] = None,
    rules: Annotated[str, typer.Option(help="sep2 or openadr.")] = "sep2",
    server: Annotated[bool, typer.Option("--server", help="Judge it as a server's certificate.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Let deviations from the profile fail too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a certificate and every check it passes or fails; exit code 1 if a listener would refuse it.

    Example: gridiface pki inspect pki/inv1.pem --roots pki/serca.pem
    """
    if revoked is not None and not revoked.exists():
        raise ConfigError(f"{revoked} is not there: name the list that `gridiface pki revoke` keeps")
    beside = certificate.parent / "serca.pem"
    anchors = roots or ([beside] if beside.exists() else [])
    report = inspect_chain(
        read_chain(certificate),
        now=time.time(),
        rules=_rules(rules, server=server, strict=strict),
        roots=load_roots(anchors),
        revocation=load_revocation(revoked or certificate.parent / REVOKED, ()),
    )
    _show(report.as_json(), as_json=as_json, text=lambda: _report_text(report))
    if not report.accepted:
        raise typer.Exit(1)


def _rules(name: str, *, server: bool, strict: bool) -> ChainRules:
    purpose = SERVER_AUTH if server else CLIENT_AUTH
    if name == "sep2":
        return sep2_rules(purpose=purpose, strict_profile=strict)
    if name == "openadr":
        return openadr_rules(purpose=purpose)
    raise ConfigError(f"no rules are called {name!r}; there are sep2 and openadr")


def _report_text(report: Report) -> str:
    lines: list[str] = []
    for item in report.certificates:
        lines.append(f"{item['subject'] or '(empty subject)'}  issued by {item['issuer']}")
        lines.append(f"  LFDI {item['lfdi']}  SFDI {item['sfdi']}")
        lines.append(f"  key {item['key']}, valid {item['not_before']} to {item['not_after']}")
        if item["hardware"]:
            lines.append(f"  hardware type {item['hardware']['type']}, serial {item['hardware']['serial']!r}")
        if item["hosts"]:
            lines.append(f"  hosts {', '.join(item['hosts'])}")
        lines.append("  policies " + ", ".join(f"{p['oid']} {p['name']}".strip() for p in item["policies"]))
    kept = [check for check in report.checks if check.refuses or not check.passed]
    for check in kept:
        mark = "pass" if check.passed else ("FAIL" if check.refuses else "note")
        alert = f"  [{check.alert.name.lower()}]" if mark == "FAIL" else ""
        lines.append(f"{mark}  {check.name} ({check.clause}){': ' + check.detail if check.detail else ''}{alert}")
    lines.append(f"pass  profile (6.11): {len(report.checks) - len(kept)} further points")
    lines.append("accepted" if report.accepted else "refused")
    return "\n".join(lines)


@app.command("revoke")
def revoke_command(
    target: Annotated[str, typer.Argument(help="A certificate file, an LFDI (40 hex) or a fingerprint (64 hex).")],
    folder: Folder = Path("pki"),
    reason: Annotated[str, typer.Option(help="A few words for the log.")] = "",
    crl: Annotated[Path | None, typer.Option(help="Also write a CRL of the issuing CA with this certificate.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put a certificate on the local revocation list, revoked.txt; a running server takes it within seconds.

    Example: gridiface pki revoke pki/inv1.pem --dir pki --reason stolen
    """
    entries = _revocation_entries(target)
    new = [revoke(folder / REVOKED, kind, value, reason) for kind, value in entries.items()]
    if crl is not None:
        _write_crl(folder, Path(target), crl)
    data = {"list": str(folder / REVOKED), **entries, "added": any(new)}
    state = "is now" if any(new) else "was already"
    _show(
        data,
        as_json=as_json,
        text=lambda: "\n".join(f"{kind} {value} {state} revoked" for kind, value in entries.items()),
    )


def _revocation_entries(target: str) -> dict[str, str]:
    if Path(target).exists():
        certificate = read_chain(Path(target))[0]
        entries = {"lfdi": certificate.lfdi}
        if certificate.authority_key_id is not None:
            entries["serial"] = serial_name(certificate.serial, certificate.authority_key_id)
        return entries
    digits = target.replace(":", "").replace("-", "").upper()
    if re.fullmatch(r"[0-9A-F]{64}", digits):
        return {"fingerprint": digits}
    try:
        return {"lfdi": parse_lfdi(target).hex().upper()}
    except ConfigError:
        raise ConfigError(f"{target!r} is neither a file nor an LFDI nor a fingerprint") from None


def _write_crl(folder: Path, certificate: Path, crl: Path) -> None:
    if not certificate.exists():
        raise ConfigError("a CRL needs the certificate's file: it lists the serial number")
    serial = read_chain(certificate)[0].serial
    before: list[int] = []
    if crl.exists():
        try:
            before = [entry.serial_number for entry in x509.load_pem_x509_crl(crl.read_bytes())]
        except ValueError as error:
            raise ConfigError(f"{crl}: {error}") from error
    now = time.time()
    serials = sorted({*before, serial})
    data = make_crl(TestPki.load(folder).issuer, serials, now=now, next_update=now + _CRL_SECONDS)
    write_file(crl, data, force=True)


@app.command()
def bundle(
    name: Annotated[str, typer.Argument(help="Of a certificate issued in the folder.")],
    folder: Folder = Path("pki"),
    out: Annotated[Path | None, typer.Option(help="Where to; NAME.bundle.pem in the folder if not given.")] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Put key, chain and root into one file of mode 0600, for clients that want one.

    Example: gridiface pki bundle inv1 --dir pki
    """
    chain = read_chain(folder / f"{name}.pem")
    key = read_key(folder / f"{name}.key")
    if key.public_key() != chain[0].parsed.public_key():
        raise ConfigError(f"{folder / name}.key is not the key of {name}.pem")
    issuers = tuple(item.parsed for item in chain[1:])
    root = TestPki.load(folder).root.certificate
    whole = Credential(chain[0].parsed, key, (*issuers, root))
    target = out or folder / f"{name}.bundle.pem"
    write_file(target, whole.key_pem + whole.chain_pem + whole.root_pem, secret=True, force=force)
    _show({"bundle": str(target)}, as_json=as_json, text=lambda: str(target))
