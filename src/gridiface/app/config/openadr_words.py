"""Addresses, JIDs and fingerprints in the configuration of OpenADR, and what is said of wrong ones."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from gridiface.app.config.base import place_like
from gridiface.wording import worded

_JID = re.compile(r"[^\s@/\"&'<>:]{1,256}@[A-Za-z0-9.-]{1,253}/[^\s]{1,256}")
DOMAIN = worded(r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$", "the name of a domain")
_FINGERPRINT = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){9}")


def _fingerprint(text: str) -> str:
    found = text.strip().upper()
    if not _FINGERPRINT.fullmatch(found):
        raise ValueError("a fingerprint is ten octets as AA:BB:..., `gridiface pki lfdi CERTIFICATE` prints it")
    return found


def _address(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("write http:// or https:// and what comes before OpenADR2/Simple/2.0b")
    return text


def _jid(text: str) -> str:
    if not _JID.fullmatch(text):
        raise ValueError("write user@domain/resource, for example ven1@xmpp.example/gridiface")
    return text


def _bare(text: str) -> str:
    if "/" in text or not _JID.fullmatch(text + "/x"):
        raise ValueError("write user@domain, for example ven1@xmpp.example")
    return text.lower()


Jid = Annotated[str, AfterValidator(_jid)]
BareJid = Annotated[str, AfterValidator(_bare)]
Place = Annotated[str, place_like(8444)]
Fingerprint = Annotated[str, AfterValidator(_fingerprint)]
Address = Annotated[str, AfterValidator(_address)]
