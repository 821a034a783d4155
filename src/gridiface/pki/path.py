"""Finds the way from a peer's certificate to a trust anchor, and says what is missing where there is none.

Names, key identifiers and signatures only; whether the certificates on the way are fit is judged in `policy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from gridiface.pki.certificate import Certificate

_MAX_LENGTH = 8
_MAX_VERIFICATIONS = 48


class Gap(Enum):
    """Why no way to a trust anchor was found."""

    SELF_SIGNED = "the certificate is self-signed"
    UNKNOWN_ROOT = "the chain ends at a root that is not trusted"
    OTHER_KEY = "the issuer bears the name of a trusted root but is not it: the keys differ"
    BAD_SIGNATURE = "the signature does not verify with the issuer's key"
    NO_ISSUER = "the issuer's certificate was neither presented nor is it trusted"


@dataclass(frozen=True, slots=True)
class Path:
    """A way from a peer's certificate (first) upwards.

    Attributes:
        certificates: own first; ends with the trust anchor if `gap` is None, else as far as the way was found.
        gap: what is missing, None if nothing.
    """

    certificates: tuple[Certificate, ...]
    gap: Gap | None


class _Search:
    """Depth first, anchors first, with a bound on the signatures computed."""

    def __init__(
        self, presented: Sequence[Certificate], anchors: Sequence[Certificate], trusted: frozenset[str]
    ) -> None:
        self.presented = presented
        self.anchors = anchors
        self.trusted = trusted
        self.left = _MAX_VERIFICATIONS
        self.longest: tuple[Certificate, ...] = ()

    def signed(self, lower: Certificate, upper: Certificate) -> bool:
        # A signature by an algorithm that is refused anyway is not computed: the check that refuses it comes later.
        if lower.signature_hash not in self.trusted:
            return True
        if self.left <= 0:
            return False
        self.left -= 1
        return lower.is_signed_by(upper)

    def extend(self, way: tuple[Certificate, ...]) -> tuple[Certificate, ...] | None:
        if len(way) > len(self.longest):
            self.longest = way
        if len(way) >= _MAX_LENGTH:
            return None
        top = way[-1]
        for anchor in self.anchors:
            if top.names_as_issuer(anchor) and self.signed(top, anchor):
                return (*way, anchor)
        for candidate in self.presented:
            if candidate in way or not top.names_as_issuer(candidate) or not self.signed(top, candidate):
                continue
            found = self.extend((*way, candidate))
            if found is not None:
                return found
        return None


def build_path(
    chain: Sequence[Certificate],
    anchors: Sequence[Certificate],
    *,
    signature_hashes: frozenset[str],
    helpers: Sequence[Certificate] = (),
) -> Path:
    """The way from `chain[0]` to one of `anchors` over certificates of the chain and `helpers`.

    Args:
        chain: as presented, the peer's own certificate first, the rest in any order.
        anchors: trusted roots.
        signature_hashes: hash names whose signatures are worth computing.
        helpers: intermediates known locally, for peers that send only their own certificate.
    """
    leaf = chain[0]
    others = [item for item in (*chain[1:], *helpers) if item not in anchors]
    search = _Search(others, anchors, signature_hashes)
    found = search.extend((leaf,))
    if found is not None:
        return Path(found, None)
    return Path(search.longest, _why(search.longest, others, anchors))


def _why(way: Sequence[Certificate], others: Sequence[Certificate], anchors: Sequence[Certificate]) -> Gap:
    top = way[-1]
    if top.is_self_issued and top.is_signed_by(top):
        if len(way) == 1:
            return Gap.SELF_SIGNED
        same_name = any(anchor.parsed.subject == top.parsed.subject for anchor in anchors)
        return Gap.OTHER_KEY if same_name else Gap.UNKNOWN_ROOT
    if any(top.names_as_issuer(item) for item in (*anchors, *others)):
        return Gap.BAD_SIGNATURE
    if any(top.parsed.issuer == anchor.parsed.subject for anchor in anchors):
        return Gap.OTHER_KEY
    return Gap.NO_ISSUER
