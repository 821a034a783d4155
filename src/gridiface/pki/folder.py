"""A test PKI in a folder: the CAs of one chain, and what they issued.

Layout, for a chain of depth four (a shorter one leaves out mca, then mica):

    serca.pem serca.key    the root; serca.pem is what a server trusts
    mca.pem mca.key  mica.pem mica.key
    ca.pem                 all CA certificates in one file, for clients that build their chain from it
    NAME.pem NAME.key      what was issued: own certificate first, then its issuers without the root
    revoked.txt            the local revocation list
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gridiface.errors import ConfigError, plainly
from gridiface.pki.authority import Credential, issue
from gridiface.pki.keyfiles import make_folder, read_certificates, read_key, write_file
from gridiface.pki.profiles import Profiles, default_profiles
from gridiface.pki.revocation import load_revocation

AUTHORITIES = {2: ("serca",), 3: ("serca", "mica"), 4: ("serca", "mca", "mica")}
"""Depth of a device's chain -> the CAs above it, root first."""

REVOKED = "revoked.txt"
CA_BUNDLE = "ca.pem"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RESERVED = {"serca", "mca", "mica", "ca"}
_TITLES = {"serca": "Test SERCA", "mca": "Test MCA", "mica": "Test MICA"}


class TestPki:
    """The CAs of one chain, and the folder they are kept in, if any.

    Attributes:
        authorities: word -> CA, root first.
    """

    # pytest must not take the name for a test.
    __test__ = False

    def __init__(self, authorities: dict[str, Credential], *, profiles: Profiles | None = None) -> None:
        self.authorities = authorities
        self.profiles = profiles or default_profiles()

    @classmethod
    def create(cls, *, depth: int = 3, now: float, profiles: Profiles | None = None) -> TestPki:
        """New CAs, in memory, for device chains of `depth` certificates (2, 3 or 4, the root counted).

        Raises:
            ConfigError: another depth.
        """
        if depth not in AUTHORITIES:
            raise ConfigError(f"a chain has 2, 3 or 4 certificates, not {depth} (IEEE 2030.5-2018 section 6.11)")
        known = profiles or default_profiles()
        made: dict[str, Credential] = {}
        above: Credential | None = None
        for word in AUTHORITIES[depth]:
            above = issue(known.get(word), _TITLES[word], now=now, issuer=above, profiles=known)
            made[word] = above
        return cls(made, profiles=known)

    @property
    def root(self) -> Credential:
        """The SERCA."""
        return self.authorities["serca"]

    @property
    def issuer(self) -> Credential:
        """The CA that issues to devices and servers: the lowest."""
        return list(self.authorities.values())[-1]

    def issue(
        self,
        profile: str,
        name: str,
        *,
        now: float,
        hosts: Sequence[str] = (),
        request: x509.CertificateSigningRequest | None = None,
    ) -> Credential:
        """A certificate of the named profile from the lowest CA.

        Raises:
            ConfigError: there is no such profile, it is a CA's, or see `authority.issue`.
        """
        chosen = self.profiles.get(profile)
        if chosen.ca:
            raise ConfigError(f"{profile!r} is a CA profile; the CAs are made by init")
        return issue(chosen, name, now=now, issuer=self.issuer, hosts=hosts, request=request, profiles=self.profiles)

    def ca_bundle(self) -> bytes:
        """All CA certificates in PEM, root first."""
        return b"".join(item.certificate.public_bytes(Encoding.PEM) for item in self.authorities.values())

    def save(self, folder: Path, *, force: bool = False) -> list[Path]:
        """Keep the CAs in `folder`; the paths written.

        Raises:
            ConfigError: a file is there already and `force` is not given; then nothing was written.
        """
        make_folder(folder)
        paths = [folder / f"{word}{end}" for word in self.authorities for end in (".key", ".pem")]
        refuse_existing([*paths, folder / CA_BUNDLE], force=force)
        for word, credential in self.authorities.items():
            write_credential(folder, word, credential, force=force)
        write_file(folder / CA_BUNDLE, self.ca_bundle(), force=force)
        return [*paths, folder / CA_BUNDLE]

    @classmethod
    def load(cls, folder: Path) -> TestPki:
        """The CAs that `save` left in `folder`.

        Raises:
            ConfigError: there are none, or their files do not belong together.
        """
        if not (folder / "serca.pem").exists():
            raise ConfigError(f"{folder}: no test PKI here; `gridiface pki init --dir {folder}` makes one")
        authorities: dict[str, Credential] = {}
        issuers: tuple[x509.Certificate, ...] = ()
        for word in ("serca", "mca", "mica"):
            if not (folder / f"{word}.pem").exists():
                continue
            certificate = read_certificates(folder / f"{word}.pem")[0]
            key = read_key(folder / f"{word}.key")
            if key.public_key() != certificate.public_key():
                raise ConfigError(f"{folder / word}.key is not the key of {word}.pem")
            authorities[word] = Credential(certificate, key, issuers)
            issuers = (certificate, *issuers)
        return cls(authorities)


def refuse_existing(paths: Sequence[Path], *, force: bool) -> None:
    """Make sure that writing `paths` replaces nothing.

    Raises:
        ConfigError: one is there already and `force` is not given.
    """
    there = [str(path) for path in paths if path.exists()]
    if there and not force:
        raise ConfigError(f"{', '.join(there)}: there already; give --force to replace")


def file_name(name: str) -> str:
    """`name` if it can be a file's name in the folder.

    Raises:
        ConfigError: it cannot, or it is a CA's.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r}: a name of letters, digits, dot, hyphen and underscore is wanted, 64 at most")
    if name in _RESERVED:
        raise ConfigError(f"{name!r} is the name of a CA's files; take another")
    return name


def write_credential(
    folder: Path, name: str, credential: Credential, *, force: bool = False
) -> tuple[Path, Path | None]:
    """Write NAME.pem (own certificate and issuers without the root) and, where the key is here, NAME.key.

    Raises:
        ConfigError: a file is there already and `force` is not given; then neither was written.
    """
    certificate = folder / f"{name}.pem"
    key = folder / f"{name}.key" if credential.key is not None else None
    refuse_existing([path for path in (certificate, key) if path is not None], force=force)
    if key is not None:
        write_file(key, credential.key_pem, secret=True, force=force)
    write_file(certificate, credential.chain_pem, force=force)
    return certificate, key


def revoke(list_file: Path, kind: str, value: str, reason: str) -> bool:
    """Append an entry to a local revocation list; False if it was there already.

    Raises:
        ConfigError: the list cannot be read or written.
    """
    if (kind, value) in load_revocation(list_file, ()).entries:
        return False
    try:
        before = list_file.read_bytes() if list_file.exists() else b"# revoked: kind value reason\n"
    except OSError as error:
        raise ConfigError(f"{list_file}: {plainly(error)}") from error
    if not before.endswith(b"\n"):
        before += b"\n"
    words = " ".join(reason.replace("#", " ").split())
    write_file(list_file, before + f"{kind} {value} {words}".rstrip().encode() + b"\n", force=True)
    return True
