"""Which edition each client speaks: as the operator set it, else as its own documents show it.

A GET shows nothing but a schema level, and level 0 is that of 2013 (from memory), so it counts until there is a
document. What a client was found to speak is kept over a restart. A client that speaks plain 2018, as nearly all do,
costs one look-up. The translation itself is protocols.sep2.dialects.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from gridiface.domain.changes import Change, Document
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.served import documents
from gridiface.protocols.sep2.dialects import DIALECTS, Dialect, recognised
from gridiface.protocols.sep2.exchange import SEP_XML, Reply, negotiate

_log = logging.getLogger("gridiface.sep2")

#: Translated documents that are remembered, and the longest of them.
_REMEMBERED, _LONGEST = 512, 64 * 1024
SPACE = "sep2/dialect"
_LEVELS_2013 = frozenset({"-S0", "+S0"})


class Dialects:
    """The dialects of one server's clients.

    Args:
        settled: LFDI -> name of a dialect, "" for plain 2018; what is not named is found out.
        later: hands changes to the background writer.
    """

    def __init__(
        self,
        settled: Mapping[str, str],
        later: Callable[[Sequence[Change], Callable[[], None] | None], None] = lambda _changes, _then: None,
    ) -> None:
        self._settled = frozenset(settled)
        self._known: dict[str, Dialect] = {lfdi: DIALECTS[name] for lfdi, name in settled.items() if name}
        self._later = later
        self._plain: set[str] = set()
        self._remembered: dict[tuple[str, bytes], bytes] = {}

    def load(self, found: Iterable[Document]) -> None:
        """Take up what was found out before a restart."""
        for document in found:
            name = documents.open_record(document).head.get("name", "")
            if document.key not in self._settled and name in DIALECTS:
                self._known[document.key] = DIALECTS[name]

    def of(self, lfdi: str) -> str:
        """The name of a client's dialect; "" for plain 2018."""
        known = self._known.get(lfdi)
        return "" if known is None else known.name

    def asked(self, lfdi: str, accept: str | None) -> None:
        """Take note of what a GET says that it takes."""
        if accept is None or "S0" not in accept.upper() or not lfdi:
            return
        if lfdi in self._known or lfdi in self._settled or lfdi in self._plain:
            return
        with suppress(RemoteProtocolError):  # refused where it is answered
            if negotiate(accept) in _LEVELS_2013:
                self._learn(lfdi, "2013")

    def inward(self, lfdi: str, body: bytes) -> bytes:
        """A client's document as one of 2018.

        Raises:
            RemoteProtocolError: 400, 413: it cannot be read.
        """
        if body and lfdi and lfdi not in self._settled:
            self._learn(lfdi, recognised(body))
        dialect = self._known.get(lfdi)
        return body if dialect is None or recognised(body) in {"", None} else dialect.inward(body)

    def _learn(self, lfdi: str, name: str | None) -> None:
        if name == "":
            self._plain.add(lfdi)
        if name is None or name == self.of(lfdi) or (name == "" and self.of(lfdi).startswith("csipaus")):
            return  # a CSIP-AUS client names its namespace only where it is needed
        if name:
            _log.info("client %s speaks the edition %s of IEEE 2030.5", lfdi, name)
            self._known[lfdi] = DIALECTS[name]
        else:
            _log.info("client %s speaks the 2018 edition now", lfdi)
            self._known.pop(lfdi, None)
        change = documents.put(SPACE, lfdi, None, {"name": name}) if name else documents.delete(SPACE, lfdi)
        self._later([change], None)

    def outward(self, lfdi: str, reply: Reply) -> Reply:
        """A reply in the client's words."""
        if lfdi not in self._known or not reply.body or reply.header("content-type") != SEP_XML:
            return reply
        body = self.document(lfdi, reply.body)
        headers = {**reply.headers, "Content-Length": str(len(body))}
        return replace(reply, headers=headers, body=body)

    def document(self, lfdi: str, body: bytes) -> bytes:
        """A document in the client's words."""
        dialect = self._known.get(lfdi)
        if dialect is None or not body:
            return body
        key = (dialect.name, body)
        known = self._remembered.get(key)
        if known is None:
            known = dialect.outward(body)
            if len(body) <= _LONGEST:
                if len(self._remembered) >= _REMEMBERED:
                    self._remembered.clear()
                self._remembered[key] = known
        return known
