"""File transfer at an outstation: open, read, write, close, delete, describe, authenticate, abort.

Owns handles, block numbers and their order (IEEE 1815 clauses 4.4.3 and 5.3). What files there are and who may touch
them is the application's `FileStore`; a written file is handed over whole, when it is closed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.application import IIN, Fragment, FunctionCode, ObjectHeader
from gridiface.protocols.dnp3.files import (
    GROUP,
    FileAuthentication,
    FileCommand,
    FileCommandStatus,
    FileDescriptor,
    FileMode,
    FileStatus,
    FileStore,
    FileTransport,
    FileTransportStatus,
    FileType,
)

MAX_OPEN = 4
MAX_FILE_OCTETS = 4 * 1024 * 1024
IDLE_SECONDS = 120.0
_REMEMBERED = 16
_SIZE_UNKNOWN = 0xFFFFFFFF
_OVERHEAD_OCTETS = 4 + 6 + 8
"""Response header, object header with size, handle and block number."""


@dataclass(slots=True)
class _Open:
    """An open file: what is read, or what was written so far; `complete` once its last block went or came."""

    name: str
    mode: FileMode
    block_size: int
    data: bytearray
    used_at: float
    next_block: int = 0
    last_length: int = 0
    complete: bool = False
    announced: int = _SIZE_UNKNOWN

    @property
    def whole(self) -> bool:
        """Whether all came that was to be written: its last block, or as much as was announced."""
        if self.complete or len(self.data) == self.announced:
            return True
        return not self.next_block and self.announced == _SIZE_UNKNOWN


class FileTransfer:
    """The files that one master has open.

    Args:
        store: the application's files.
        master: the association's link address.
        max_tx_fragment, max_rx_fragment: bounds of a block.
    """

    def __init__(self, store: FileStore, master: int, *, max_tx_fragment: int, max_rx_fragment: int) -> None:
        self._store = store
        self._master = master
        self._max_read = max_tx_fragment - _OVERHEAD_OCTETS
        self._max_write = max_rx_fragment - _OVERHEAD_OCTETS
        self._open: dict[int, _Open] = {}
        self._expired: deque[int] = deque(maxlen=_REMEMBERED)
        self._next = 1

    def clear(self) -> None:
        """The connection or the device restarted: open files are closed, unfinished writes dropped."""
        self._open.clear()
        self._expired.clear()

    def command(self, request: Fragment, now: float) -> bytes:
        """Answers functions 25 to 30 with one object.

        Raises:
            RemoteProtocolError: not exactly one object of the right kind.
        """
        self._expire(now)
        octets, variation = _only_object(request)
        function = request.function
        if function == FunctionCode.AUTHENTICATE_FILE and variation == FileAuthentication.VARIATION:
            wish = FileAuthentication.parse(octets)
            key = self._store.authenticate(wish.user, wish.password, self._master)
            return FileAuthentication(key=key & 0xFFFFFFFF).with_header()
        if function == FunctionCode.OPEN_FILE and variation == FileCommand.VARIATION:
            return self._opened(FileCommand.parse(octets), now).with_header()
        if function == FunctionCode.DELETE_FILE and variation == FileCommand.VARIATION:
            return self._deleted(FileCommand.parse(octets)).with_header()
        if function == FunctionCode.GET_FILE_INFO and variation == FileDescriptor.VARIATION:
            return self._described(FileDescriptor.parse(octets))
        if variation == FileCommandStatus.VARIATION:
            closing = FileCommandStatus.parse(octets)
            if function == FunctionCode.CLOSE_FILE:
                return self._closed(closing).with_header()
            if function == FunctionCode.ABORT_FILE:
                return self._aborted(closing).with_header()
        raise RemoteProtocolError("another file object is needed", answer=IIN.OBJECT_UNKNOWN)

    def read_block(self, header: ObjectHeader, now: float) -> bytes:
        """Answers READ of g70v5 with the block, or with its status.

        Raises:
            RemoteProtocolError: not one g70v5.
        """
        self._expire(now)
        wish = FileTransport.parse(_transport(header))
        file = self._open.get(wish.handle)
        if file is None or file.mode is not FileMode.READ:
            status = self._absent(wish.handle) if file is None else FileStatus.INVALID_MODE
            return FileTransportStatus(wish.handle, wish.block, status).with_header()
        file.used_at = now
        # the block that was read last may be asked for again: its answer may have been lost; behind the last is none
        again = wish.block == file.next_block - 1
        if not again and (wish.block != file.next_block or file.complete):
            return FileTransportStatus(wish.handle, wish.block, FileStatus.BLOCK_SEQUENCE).with_header()
        file.next_block = wish.block + 1
        start = wish.block * file.block_size
        data = bytes(file.data[start : start + file.block_size])
        file.complete = start + file.block_size >= len(file.data)
        return FileTransport(wish.handle, wish.block, file.complete, data).with_header()

    def write_block(self, header: ObjectHeader, now: float) -> bytes:
        """Answers WRITE of g70v5 with the status of the block.

        Raises:
            RemoteProtocolError: not one g70v5.
        """
        self._expire(now)
        block = FileTransport.parse(_transport(header))
        file = self._open.get(block.handle)
        status = self._take(file, block) if file is not None else self._absent(block.handle)
        if file is not None:
            file.used_at = now
        return FileTransportStatus(block.handle, block.block, status).with_header()

    def _take(self, file: _Open, block: FileTransport) -> FileStatus:
        if file.mode is FileMode.READ:
            return FileStatus.INVALID_MODE
        if len(block.data) > file.block_size:
            return FileStatus.BLOCK_SIZE
        if block.block == file.next_block - 1 and block.data == file.data[len(file.data) - file.last_length :]:
            # told again, its answer was lost; other octets under this number are none that were taken
            return FileStatus.SUCCESS
        if block.block != file.next_block or file.complete:
            return FileStatus.BLOCK_SEQUENCE
        if len(file.data) + len(block.data) > MAX_FILE_OCTETS:
            return FileStatus.BUFFER_OVERRUN
        file.data += block.data
        file.next_block += 1
        file.last_length = len(block.data)
        file.complete = block.last
        return FileStatus.SUCCESS

    def _opened(self, wish: FileCommand, now: float) -> FileCommandStatus:
        status, data = self._prepare(wish)
        if status is not FileStatus.SUCCESS:
            return FileCommandStatus(0, 0, 0, wish.request, status)
        mode = FileMode(wish.mode)
        longest = self._max_read if mode is FileMode.READ else self._max_write
        block_size = min(wish.block_size or longest, longest)
        handle = self._next
        self._next = self._next % 0xFFFFFFFF + 1
        self._open[handle] = _Open(wish.name, mode, block_size, bytearray(data), now, announced=wish.size)
        size = len(data) if mode is FileMode.READ else wish.size
        return FileCommandStatus(handle, size, block_size, wish.request)

    def _prepare(self, wish: FileCommand) -> tuple[FileStatus, bytes]:
        """Whether a file may be opened, and what is in it when it is to be read."""
        if wish.mode not in (FileMode.READ, FileMode.WRITE, FileMode.APPEND):
            return FileStatus.INVALID_MODE, b""
        mode = FileMode(wish.mode)
        if len(self._open) >= MAX_OPEN:
            return FileStatus.TOO_MANY_OPEN, b""
        if mode is not FileMode.READ and any(file.name == wish.name for file in self._open.values()):
            return FileStatus.LOCKED, b""
        if mode is not FileMode.READ and wish.size != _SIZE_UNKNOWN and wish.size > MAX_FILE_OCTETS:
            return FileStatus.BUFFER_OVERRUN, b""
        status = self._store.allow(wish.name, mode, wish.key, self._master)
        if status is not FileStatus.SUCCESS or mode is not FileMode.READ:
            return status, b""
        info = self._store.info(wish.name)
        if info is None:
            return FileStatus.NOT_FOUND, b""
        if info.type is FileType.DIRECTORY:
            return FileStatus.SUCCESS, b"".join(
                FileDescriptor(item).octets() for item in self._store.entries(wish.name)
            )
        data = self._store.read(wish.name)
        return (FileStatus.NOT_FOUND, b"") if data is None else (FileStatus.SUCCESS, data)

    def _closed(self, wish: FileCommandStatus) -> FileCommandStatus:
        file = self._open.pop(wish.handle, None)
        if file is None:
            return FileCommandStatus(wish.handle, 0, 0, wish.request, FileStatus.INVALID_HANDLE)
        status = FileStatus.SUCCESS
        if file.mode is not FileMode.READ and not file.whole:
            # what is cut off may look whole to the application
            status = FileStatus.FATAL
        elif file.mode is not FileMode.READ:
            status = self._store.write(file.name, bytes(file.data), file.mode)
        return FileCommandStatus(wish.handle, len(file.data), file.block_size, wish.request, status)

    def _aborted(self, wish: FileCommandStatus) -> FileCommandStatus:
        file = self._open.pop(wish.handle, None)
        status = FileStatus.INVALID_HANDLE if file is None else FileStatus.SUCCESS
        return FileCommandStatus(wish.handle, 0, 0, wish.request, status)

    def _deleted(self, wish: FileCommand) -> FileCommandStatus:
        status = self._store.allow(wish.name, FileMode.NONE, wish.key, self._master)
        if any(file.name == wish.name for file in self._open.values()):
            status = FileStatus.LOCKED
        if status is FileStatus.SUCCESS:
            status = self._store.delete(wish.name)
        return FileCommandStatus(0, 0, 0, wish.request, status)

    def _described(self, wish: FileDescriptor) -> bytes:
        # the request has no place for a key: who may not read without one is told nothing
        status = self._store.allow(wish.info.name, FileMode.READ, 0, self._master)
        info = self._store.info(wish.info.name) if status is FileStatus.SUCCESS else None
        if info is None:
            status = FileStatus.NOT_FOUND if status is FileStatus.SUCCESS else status
            return FileCommandStatus(0, 0, 0, wish.request, status).with_header()
        return FileDescriptor(info, wish.request).with_header()

    def _expire(self, now: float) -> None:
        """Closes files that nobody touched for long; what was written into them is dropped."""
        for handle in [handle for handle, file in self._open.items() if now - file.used_at > IDLE_SECONDS]:
            del self._open[handle]
            self._expired.append(handle)

    def _absent(self, handle: int) -> FileStatus:
        """Why a handle is not there: it took too long, or there never was such a file."""
        return FileStatus.TIMEOUT if handle in self._expired else FileStatus.NOT_OPENED


def _only_object(request: Fragment) -> tuple[bytes, int]:
    """The one object of a file request and its variation."""
    if len(request.headers) != 1 or request.headers[0].group != GROUP or request.headers[0].count != 1:
        raise RemoteProtocolError("one file object is needed", answer=IIN.PARAMETER_ERROR)
    header = request.headers[0]
    return next(octets for _, octets in header.objects()), header.variation


def _transport(header: ObjectHeader) -> bytes:
    """The octets of the one g70v5 of a header."""
    if header.variation != FileTransport.VARIATION:
        raise RemoteProtocolError(f"g70v{header.variation} is not transferred", answer=IIN.OBJECT_UNKNOWN)
    if header.count != 1 or not header.body:
        raise RemoteProtocolError("one block at a time", answer=IIN.PARAMETER_ERROR)
    return next(octets for _, octets in header.objects())
