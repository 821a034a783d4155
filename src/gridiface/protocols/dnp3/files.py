"""File objects (g70) on the wire, their status codes, and what an outstation asks of a store of files.

Owns layouts (IEEE 1815 Annex A.35). The dialogue is outstation/file_transfer.py and master/files.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Self

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.application import IIN
from gridiface.protocols.dnp3.heads import sized_object

GROUP = 70
LAST_BLOCK = 0x8000_0000
MAX_NAME_OCTETS = 255


class FileMode(IntEnum):
    """How a file is opened; 0 stands in requests that open nothing."""

    NONE = 0
    READ = 1
    WRITE = 2
    APPEND = 3


class FileStatus(IntEnum):
    """Status codes of file commands and blocks."""

    SUCCESS = 0
    PERMISSION_DENIED = 1
    INVALID_MODE = 2
    NOT_FOUND = 3
    LOCKED = 4
    TOO_MANY_OPEN = 5
    INVALID_HANDLE = 6
    BLOCK_SIZE = 7
    COMM_LOST = 8
    CANNOT_ABORT = 9
    NOT_OPENED = 16
    TIMEOUT = 17
    BUFFER_OVERRUN = 18
    FATAL = 19
    BLOCK_SEQUENCE = 20
    UNDEFINED = 255


class FileType(IntEnum):
    """What a descriptor describes."""

    DIRECTORY = 0
    FILE = 1


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file or directory; `size` in octets, or entries of a directory."""

    name: str
    size: int
    time_ms: int = 0
    permissions: int = 0o444
    type: FileType = FileType.FILE


class FileStore:
    """The files that an outstation shows; every call answers at once. The default store is empty and refuses all.

    `key` is what `authenticate` gave, 0 without; `master` the association's link address.
    """

    def authenticate(self, user: str, password: str, master: int) -> int:
        """A key for later requests, 0 when name or password are wrong; compare in constant time."""
        return 0

    def info(self, name: str) -> FileInfo | None:
        """A file or directory by name, None when it is not there."""
        return None

    def entries(self, name: str) -> Iterable[FileInfo]:
        """What is in a directory."""
        return ()

    def allow(self, name: str, mode: FileMode, key: int, master: int) -> FileStatus:
        """Whether a file may be opened in a mode; mode NONE means deleted."""
        return FileStatus.PERMISSION_DENIED

    def read(self, name: str) -> bytes | None:
        """A file's octets."""
        return None

    def write(self, name: str, octets: bytes, mode: FileMode) -> FileStatus:
        """Takes a file that came whole, or octets to append."""
        return FileStatus.PERMISSION_DENIED

    def delete(self, name: str) -> FileStatus:
        """Removes a file."""
        return FileStatus.PERMISSION_DENIED


def _misfit(what: str) -> RemoteProtocolError:
    return RemoteProtocolError(what, answer=IIN.PARAMETER_ERROR)


def _text(octets: bytes, offset: int, size: int) -> str:
    """A string that an object points to."""
    if size > MAX_NAME_OCTETS or offset + size > len(octets):
        raise _misfit("a file object points behind its end")
    try:
        return octets[offset : offset + size].decode("utf-8")
    except UnicodeDecodeError as error:
        raise _misfit("a file name is not UTF-8") from error


class _Layout:
    HEAD: ClassVar[struct.Struct]
    VARIATION: ClassVar[int]

    @classmethod
    def head(cls, octets: bytes) -> tuple[int, ...]:
        """The numbers in front."""
        if len(octets) < cls.HEAD.size:
            raise _misfit("file object is too short")
        return cls.HEAD.unpack_from(octets)

    def octets(self) -> bytes:
        """The object without header."""
        raise NotImplementedError

    def with_header(self) -> bytes:
        """Header, size and object."""
        return sized_object(GROUP, self.VARIATION, self.octets())


@dataclass(frozen=True, slots=True)
class FileAuthentication(_Layout):
    """g70v2."""

    HEAD: ClassVar = struct.Struct("<HHHHI")
    VARIATION: ClassVar = 2
    user: str = ""
    password: str = ""
    key: int = 0

    def __repr__(self) -> str:
        return f"FileAuthentication(user={self.user!r})"

    def octets(self) -> bytes:
        """The object without header."""
        user, password = self.user.encode(), self.password.encode()
        at = self.HEAD.size
        head = self.HEAD.pack(at, len(user), at + len(user), len(password), self.key)
        return head + user + password

    @classmethod
    def parse(cls, octets: bytes) -> Self:
        """Raises RemoteProtocolError when it does not fit."""
        user_at, user_size, password_at, password_size, key = cls.head(octets)
        return cls(_text(octets, user_at, user_size), _text(octets, password_at, password_size), key)


@dataclass(frozen=True, slots=True)
class FileCommand(_Layout):
    """g70v3."""

    HEAD: ClassVar = struct.Struct("<HHIHHIIHHH")
    VARIATION: ClassVar = 3
    name: str
    mode: int = FileMode.READ
    size: int = 0
    block_size: int = 1024
    key: int = 0
    request: int = 0
    time_ms: int = 0
    permissions: int = 0

    def octets(self) -> bytes:
        """The object without header."""
        name = self.name.encode()
        return (
            self.HEAD.pack(
                self.HEAD.size,
                len(name),
                self.time_ms & 0xFFFFFFFF,
                self.time_ms >> 32 & 0xFFFF,
                self.permissions,
                self.key,
                self.size,
                self.mode,
                self.block_size,
                self.request,
            )
            + name
        )

    @classmethod
    def parse(cls, octets: bytes) -> Self:
        """Raises RemoteProtocolError when it does not fit."""
        at, length, low, high, permissions, key, size, mode, block, request = cls.head(octets)
        name = _text(octets, at, length)
        return cls(name, mode, size, block, key, request, high << 32 | low, permissions)


@dataclass(frozen=True, slots=True)
class FileCommandStatus(_Layout):
    """g70v4."""

    HEAD: ClassVar = struct.Struct("<IIHHB")
    VARIATION: ClassVar = 4
    handle: int
    size: int = 0
    block_size: int = 0
    request: int = 0
    status: int = FileStatus.SUCCESS

    def octets(self) -> bytes:
        """The object without header."""
        return self.HEAD.pack(self.handle, self.size, self.block_size, self.request, self.status)

    @classmethod
    def parse(cls, octets: bytes) -> Self:
        """Raises RemoteProtocolError when it does not fit; text behind the status is passed over."""
        return cls(*cls.head(octets))


@dataclass(frozen=True, slots=True)
class FileTransport(_Layout):
    """g70v5."""

    HEAD: ClassVar = struct.Struct("<II")
    VARIATION: ClassVar = 5
    handle: int
    block: int
    last: bool = False
    data: bytes = b""

    def octets(self) -> bytes:
        """The object without header."""
        return self.HEAD.pack(self.handle, self.block | (LAST_BLOCK if self.last else 0)) + self.data

    @classmethod
    def parse(cls, octets: bytes) -> Self:
        """Raises RemoteProtocolError when it does not fit."""
        handle, block = cls.head(octets)
        return cls(handle, block & ~LAST_BLOCK, bool(block & LAST_BLOCK), octets[cls.HEAD.size :])


@dataclass(frozen=True, slots=True)
class FileTransportStatus(_Layout):
    """g70v6."""

    HEAD: ClassVar = struct.Struct("<IIB")
    VARIATION: ClassVar = 6
    handle: int
    block: int
    status: int = FileStatus.SUCCESS

    def octets(self) -> bytes:
        """The object without header."""
        return self.HEAD.pack(self.handle, self.block, self.status)

    @classmethod
    def parse(cls, octets: bytes) -> Self:
        """Raises RemoteProtocolError when it does not fit."""
        return cls(*cls.head(octets))


@dataclass(frozen=True, slots=True)
class FileDescriptor(_Layout):
    """g70v7."""

    HEAD: ClassVar = struct.Struct("<HHHIIHHH")
    VARIATION: ClassVar = 7
    info: FileInfo
    request: int = 0

    def octets(self) -> bytes:
        """The object without header."""
        info, name = self.info, self.info.name.encode()
        return (
            self.HEAD.pack(
                self.HEAD.size,
                len(name),
                info.type,
                info.size,
                info.time_ms & 0xFFFFFFFF,
                info.time_ms >> 32 & 0xFFFF,
                info.permissions,
                self.request,
            )
            + name
        )

    @classmethod
    def parse(cls, octets: bytes) -> Self:
        """Raises RemoteProtocolError when it does not fit."""
        at, length, kind, size, low, high, permissions, request = cls.head(octets)
        known = FileType(kind) if kind in FileType._value2member_map_ else FileType.FILE
        info = FileInfo(_text(octets, at, length), size, high << 32 | low, permissions, known)
        return cls(info, request)

    @classmethod
    def parse_all(cls, octets: bytes) -> list[FileInfo]:
        """The records of a directory that was read as a file, one behind the other."""
        found: list[FileInfo] = []
        while octets:
            head = cls.head(octets)
            end = cls.HEAD.size + head[1]
            found.append(cls.parse(octets[:end]).info)
            octets = octets[end:]
        return found
