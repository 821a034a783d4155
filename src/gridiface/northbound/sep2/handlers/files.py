"""Files for download: what a File must be, its octets in whole or in part, and which files fit a device.

A File's fileURI leads either elsewhere, or to `/file/{id}/content` on this server, whose octets the operator hands in.
The octets are read from the store when somebody asks, because files are large and few ask.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from gridiface.domain.changes import PutDocument
from gridiface.domain.clock import Instant
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.published.preparing import Place, Rule
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.served.nodes import Item, Viewer
from gridiface.northbound.sep2.served.services import Services, bad_value
from gridiface.protocols.sep2.exchange import Reply
from gridiface.protocols.sep2.resources import File

_CONTENT = re.compile(r"(/file/\d+)/content")
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
#: Query parameters of the list of files, and the attribute that each compares.
_FILTERS: Mapping[str, str] = {
    "type": "type",
    "lFDI": "lFDI",
    "mfHwVer": "mfHwVer",
    "mfID": "mfID",
    "mfModel": "mfModel",
    "mfSerNum": "mfSerNum",
    "mfVer": "mfVer",
}


def content_path(path: str) -> str:
    """Where this server keeps the octets of a File."""
    return f"{path}/content"


def _check_file(file: File, place: Place) -> None:
    parts = urlsplit(file.fileURI)
    if parts.scheme not in {"", "http", "https"} or (not parts.scheme and not parts.path.startswith("/")):
        raise bad_value("fileURI is a path on this server, or http or https")
    if file.lFDI is not None and len(file.lFDI) != 40:
        raise bad_value("an LFDI has 40 hexadecimal digits")


RULES: Mapping[type, Rule] = {File: _check_file}


def fits(file: File, query: str) -> bool:
    """Whether a file is one that the query of a list asks for; attributes that a file leaves open fit everybody."""
    for name, wanted in parse_qsl(query, keep_blank_values=True):
        attribute = _FILTERS.get(name)
        known = getattr(file, attribute) if attribute is not None else None
        if known is None:
            continue
        if not _says(known, wanted, base=16 if name == "type" else 10):
            return False
    return True


def _says(known: object, wanted: str, *, base: int) -> bool:
    """Whether a query's text is an attribute's value; numbers are, with leading zeros or without."""
    if not isinstance(known, int):
        return str(known).upper() == wanted.upper()
    try:
        return int(wanted, base) == known
    except ValueError:
        return False


def filters(query: str) -> bool:
    """Whether a query names an attribute of files."""
    return any(name in _FILTERS for name, _ in parse_qsl(query, keep_blank_values=True))


class Files:
    """The octets of files."""

    def __init__(self, services: Services) -> None:
        self._s = services
        #: Tag and size by path of the File, of those that somebody asked for.
        self._known: dict[str, tuple[str, int]] = {}

    def check(self, octets: bytes) -> None:
        """Whether a file is one that is kept here.

        Raises:
            RemoteProtocolError: 413 where its octets are too many.
        """
        if len(octets) > self._s.settings.limits.file_bytes:
            raise RemoteProtocolError("the file is too large", answer=413)

    async def store(self, item: Item, octets: bytes, now: Instant) -> None:
        """Keep the octets of a File on this server; its size and fileURI follow.

        Raises:
            RemoteProtocolError: 413 where they are too many.
            StoreUnavailable: nothing was changed.
        """
        self.check(octets)
        file = replace(item.obj, fileURI=content_path(item.path), size=len(octets))
        head: dict[str, Any] = {"target": None, "by": item.data.by}
        if item.data.target is not None:
            head["target"] = [item.data.target.kind.value, item.data.target.id]
        async with self._s.locks.hold(content_path(item.path)):
            await self._s.ledger.commit(
                [
                    PutDocument(documents.CONTENTS, item.path, octets),
                    documents.put(documents.PUBLISHED, item.path, file, head),
                ]
            )
            self._known.pop(item.path, None)
        self._s.tree.set(item, file)

    def behind(self, path: str) -> Item | None:
        """The File whose octets are at `path`."""
        found = _CONTENT.fullmatch(path)
        return self._s.tree.item(found.group(1)) if found is not None else None

    def wanted(self, path: str, viewer: Viewer) -> str | None:
        """The path of the File whose octets are at `path`, where the viewer may read it."""
        item = self.behind(path)
        if item is None or not viewer.may_read(item.audience):
            return None
        return item.path

    async def read(self, path: str, wanted: str | None, if_range: str | None) -> Reply:
        """The octets of a File, or the part that a Range header asks for (RFC 9110, one range).

        Args:
            path: of the File.
            wanted: the Range header.
            if_range: the If-Range header; another tag than ours means the whole file.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        async with self._s.locks.hold(content_path(path)):
            return await self._read(path, wanted, if_range)

    async def describe(self, path: str) -> Reply:
        """The headers of a File's octets, without reading them: what a range is, is defined for GET alone (14.2).

        Raises:
            StoreUnavailable: the store does not answer.
        """
        async with self._s.locks.hold(content_path(path)):
            found = await self._tag_and_size(path)
        if found is None:
            return _refused(HTTPStatus.NOT_FOUND)
        return Reply(HTTPStatus.OK, _headers(found[0]) | {"Content-Length": str(found[1])})

    async def _read(self, path: str, wanted: str | None, if_range: str | None) -> Reply:
        found = await self._tag_and_size(path)
        if found is None:
            return _refused(HTTPStatus.NOT_FOUND)
        tag, size = found
        headers = _headers(tag)
        part = _part(wanted, size) if if_range in {None, tag} else None
        first, last = part or (0, size - 1)
        if first > last and part is not None:
            return _refused(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{size}"})
        octets = await self._s.ledger.octets(documents.CONTENTS, path, first, last + 1 - first)
        if octets is None:  # They left with the File.
            del self._known[path]
            return _refused(HTTPStatus.NOT_FOUND)
        headers["Content-Length"] = str(len(octets))
        if part is None:
            return Reply(HTTPStatus.OK, headers, octets)
        return Reply(HTTPStatus.PARTIAL_CONTENT, headers | {"Content-Range": f"bytes {first}-{last}/{size}"}, octets)

    async def _tag_and_size(self, path: str) -> tuple[str, int] | None:
        """What a range is a part of; worked out once, so that a part costs what a part costs."""
        if path not in self._known:
            octets = await self._s.ledger.octets(documents.CONTENTS, path)
            if octets is None:
                return None
            self._known[path] = (f'"{hashlib.sha256(octets).hexdigest()[:32]}"', len(octets))
        return self._known[path]


def _headers(tag: str) -> dict[str, str]:
    return {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes", "ETag": tag}


def _part(wanted: str | None, size: int) -> tuple[int, int] | None:
    """First and last octet; None for the whole, first above last where there is no such part."""
    found = _RANGE.fullmatch((wanted or "").strip())
    if found is None or not (found.group(1) or found.group(2)):
        return None
    if not found.group(1):
        length = min(int(found.group(2)), size)
        return size - length, size - 1
    first = int(found.group(1))
    last = int(found.group(2)) if found.group(2) else size - 1
    if found.group(2) and last < first:
        return None
    return (first, min(last, size - 1)) if first < size else (1, 0)


def _refused(status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, {"Content-Length": "0", **(headers or {})})
