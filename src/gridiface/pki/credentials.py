"""The TLS files of one listener, taken anew when they change: keys, roots, revocations, and the verdicts they give.

A reload never breaks a running service: while a changed file cannot be read, what was loaded before stays in force and
the log says why.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gridiface.errors import ConfigError, plainly
from gridiface.pki.certificate import Certificate, CertificateMalformed, parse_pem_certificates
from gridiface.pki.contexts import KeyPair, ProfileName, pem_files, server_context
from gridiface.pki.identity import fingerprint
from gridiface.pki.policy import check_chain
from gridiface.pki.revocation import Revocation, load_revocation
from gridiface.pki.rules import ChainRules, Verdict
from gridiface.pki.watch import Stamp, stamp

log = logging.getLogger("gridiface.tls")

_REMEMBERED_VERDICTS = 16_384
_MAX_SESSIONS = 1_024


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Which files a listener lives on.

    Attributes:
        key_pairs: own certificate chains with their keys.
        roots: PEM files of trust anchors, or folders of them.
        intermediates: PEM files of CAs for clients that send only their own certificate.
        revocation_list: the local list (see `revocation`); may not exist yet.
        crls: CRL files of CAs that make them.
    """

    key_pairs: tuple[KeyPair, ...]
    roots: tuple[Path, ...]
    intermediates: tuple[Path, ...] = ()
    revocation_list: Path | None = None
    crls: tuple[Path, ...] = ()

    def all_paths(self) -> list[Path]:
        """Every path whose change calls for a reload."""
        paths = [path for pair in self.key_pairs for path in (pair.certificate, pair.key)]
        paths += [*self.roots, *self.intermediates, *self.crls]
        return paths if self.revocation_list is None else [*paths, self.revocation_list]


def load_roots(paths: Sequence[Path]) -> list[Certificate]:
    """Certificates of PEM files or folders.

    Raises:
        ConfigError: a file is missing or holds no certificate.
    """
    found: list[Certificate] = []
    for path in pem_files(paths):
        try:
            found.extend(parse_pem_certificates(path.read_bytes()))
        except (OSError, CertificateMalformed) as error:
            raise ConfigError(f"{path}: {plainly(error)}") from error
    return found


class ChainPolicy:
    """`check_chain` with what one listener trusts, and a memory of accepted chains.

    A device that connects every few minutes shows the same chain each time; the memory saves computing its signatures
    again. It holds acceptances only, each no longer than the certificates of its path are valid.
    """

    def __init__(
        self,
        rules: ChainRules,
        roots: Sequence[Certificate],
        *,
        intermediates: Sequence[Certificate] = (),
        revocation: Revocation | None = None,
    ) -> None:
        self.rules = rules
        self._roots = tuple(roots)
        self._intermediates = tuple(intermediates)
        self._revocation = revocation or Revocation()
        self._accepted: dict[bytes, Verdict] = {}

    def check(self, chain: Sequence[bytes], *, now: float) -> Verdict:
        """The verdict on a chain at `now` (seconds since 1970 UTC)."""
        # The digests have one length each, so no two chains share a key.
        key = fingerprint(b"".join(fingerprint(der) for der in chain))
        known = self._accepted.get(key)
        if known is not None and now <= known.valid_until:
            return known
        verdict = check_chain(
            chain,
            now=now,
            rules=self.rules,
            roots=self._roots,
            intermediates=self._intermediates,
            revocation=self._revocation,
        )
        if verdict.accepted:
            if len(self._accepted) >= _REMEMBERED_VERDICTS:
                self._accepted.clear()
            self._accepted[key] = Verdict(verdict.identity, (), verdict.valid_until)
        return verdict


@dataclass(frozen=True, slots=True)
class TlsState:
    """What is in force: replaced as a whole on reload."""

    context: ssl.SSLContext
    policy: ChainPolicy


class TlsKeeper:
    """Holds the TLS state of one listener and renews it when its files change.

    Args:
        files: where everything is.
        profile: row of `contexts.PROFILES`.
        rules: what a client's chain must be.
        require_client: whether clients must show a certificate; one that is shown must hold in any case.

    Raises:
        ConfigError: a file is missing or unusable at the start.
    """

    def __init__(
        self, files: TlsFiles, *, profile: ProfileName = "strict", rules: ChainRules, require_client: bool = True
    ) -> None:
        self.files = files
        self.profile: ProfileName = profile
        self.rules = rules
        self.require_client = require_client
        self._stamp: Stamp = stamp(files.all_paths())
        self._complained: Stamp | None = None
        self.state = self._load()

    def _load(self) -> TlsState:
        files = self.files
        context = server_context(
            self.profile,
            key_pairs=files.key_pairs,
            roots=files.roots,
            intermediates=files.intermediates,
            require_client=self.require_client,
        )
        policy = ChainPolicy(
            self.rules,
            load_roots(files.roots),
            intermediates=load_roots(files.intermediates),
            revocation=load_revocation(files.revocation_list, files.crls),
        )
        return TlsState(context, policy)

    def reload_if_changed(self) -> bool:
        """Take changed files; True if the state is new and live connections have to be judged again.

        Files that cannot be used are tried again at each call: the fault may pass without a further change.
        """
        now = stamp(self.files.all_paths())
        if now == self._stamp:
            self._bound_sessions()
            return False
        try:
            self.state = self._load()
        except ConfigError as error:
            if now != self._complained:
                log.warning("TLS files changed and cannot be used, the former ones stay in force: %s", error)
            self._complained = now
            return False
        self._stamp, self._complained = now, None
        log.info("TLS files changed and were loaded")
        return True

    def _bound_sessions(self) -> None:
        # OpenSSL keeps up to 20,480 sessions with their chains and Python has no switch for it: begin afresh early.
        if self.state.context.session_stats()["number"] > _MAX_SESSIONS:
            try:
                self.state = TlsState(self._load().context, self.state.policy)
            except ConfigError as error:
                log.warning("the TLS context could not be renewed: %s", error)
