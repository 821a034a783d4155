"""A Prosody of Debian's with two VENs' accounts by certificate and a VTN's component, for tests over XMPP."""

from __future__ import annotations

import datetime
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gridiface.northbound.openadr.settings import XmppSettings
from gridiface.pki.contexts import KeyPair, client_context

PROSODY = shutil.which("prosody")
INSTALLED = PROSODY is not None and Path("/usr/lib/prosody/modules/mod_auth_ccert").exists()
DOMAIN, VTN_DOMAIN, SECRET = "xmpp.test", "vtn.xmpp.test", "a shared secret"
XMPP_ADDR = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5")


class Issuer:
    """A root that names XMPP users in id-on-xmppAddr, as servers that know SASL EXTERNAL expect."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "XMPP test root")])
        root = self._builder(self.name, self.key.public_key())
        root = root.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.root = folder / "root.pem"
        self.root.write_bytes(root.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject, key):
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
        )

    def issue(self, name: str, *, host: str | None = None, jid: str | None = None) -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key())
        if host:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        if jid:
            text = jid.encode()
            other = x509.OtherName(XMPP_ADDR, bytes([0x0C, len(text)]) + text)
            builder = builder.add_extension(x509.SubjectAlternativeName([other]), critical=False)
        certificate, private = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        private.chmod(0o600)
        return KeyPair(certificate, private)


@dataclass
class Prosody:
    """A running server. `stop` and `start` may alternate."""

    folder: Path
    issuer: Issuer
    port: int
    component_port: int
    process: subprocess.Popen | None = None

    def configure(self):
        server = self.issuer.issue("server", host=DOMAIN)
        (self.folder / "prosody.cfg.lua").write_text(
            f"""
run_as_root = true; daemonize = false; admins = {{}}
pidfile = "{self.folder}/prosody.pid"; data_path = "{self.folder}/data"; certificates = "{self.folder}"
plugin_paths = {{ "/usr/lib/prosody/modules" }}
modules_enabled = {{ "disco", "saslauth", "tls", "ping" }}
modules_disabled = {{ "s2s", "posix" }}
c2s_require_encryption = true
c2s_interfaces = {{ "127.0.0.1" }}; c2s_ports = {{ {self.port} }}
c2s_direct_tls_ports = {{}}; s2s_ports = {{}}; http_ports = {{}}; https_ports = {{}}
component_interfaces = {{ "127.0.0.1" }}; component_ports = {{ {self.component_port} }}
log = {{ debug = "{self.folder}/prosody.log" }}
VirtualHost "{DOMAIN}"
  authentication = "ccert"
  ssl = {{ key = "{server.key}", certificate = "{server.certificate}", cafile = "{self.issuer.root}",
          verify = {{ "peer", "client_once" }}, ciphers = "ECDHE-ECDSA-AES128-SHA256:AES128-SHA256" }}
Component "{VTN_DOMAIN}"
  component_secret = "{SECRET}"
"""
        )

    def start(self):
        """Start it, if it does not run."""
        if self.process is not None:
            return
        self.process = subprocess.Popen(  # in the foreground, so that it ends with us
            [PROSODY, "-F", "--config", str(self.folder / "prosody.cfg.lua")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for port in (self.port, self.component_port):
            end = time.monotonic() + 30
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert time.monotonic() < end, self.log()
                    assert self.process.poll() is None, self.log()
                    time.sleep(0.05)

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def log(self):
        path = self.folder / "prosody.log"
        return path.read_text() if path.exists() else "prosody wrote no log"

    def login(self, user: str, **more) -> XmppSettings:
        pair = self.issuer.issue(user, jid=f"{user}@{DOMAIN}")
        return XmppSettings(
            jid=f"{user}@{DOMAIN}/client",
            host="127.0.0.1",
            port=self.port,
            context=lambda: client_context("openadr", key_pairs=(pair,), roots=(self.issuer.root,)),
            **more,
        )

    def component(self, secret: str = SECRET) -> XmppSettings:
        return XmppSettings(jid=VTN_DOMAIN, host="127.0.0.1", port=self.component_port, secret=secret, component=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
