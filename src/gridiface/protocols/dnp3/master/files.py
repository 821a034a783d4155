"""File transfer as tasks of a master: read, write, delete, describe, list.

Owns the dialogue of each (IEEE 1815 clause 5.3); layouts are files.py, sending and waiting master.py.
"""

from __future__ import annotations

from typing import TypeVar

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.application import FunctionCode
from gridiface.protocols.dnp3.files import (
    GROUP,
    FileAuthentication,
    FileCommand,
    FileCommandStatus,
    FileDescriptor,
    FileInfo,
    FileMode,
    FileStatus,
    FileTransport,
    FileTransportStatus,
)
from gridiface.protocols.dnp3.master.settings import Failure
from gridiface.protocols.dnp3.master.tasks import Ask, Outcome, Response, Task

MAX_FILE_OCTETS = 64 * 1024 * 1024
_T = TypeVar("_T", FileAuthentication, FileCommandStatus, FileDescriptor, FileTransport, FileTransportStatus)


def _object(response: Response, kind: type[_T]) -> _T | None:
    """The object of a kind in a response; None when there is none, or it does not parse."""
    for fragment in response.fragments:
        for header in fragment.headers:
            if (header.group, header.variation, header.count) != (GROUP, kind.VARIATION, 1):
                continue
            try:
                return kind.parse(next(octets for _, octets in header.objects()))
            except RemoteProtocolError:
                return None
    return None


def _status(response: Response) -> Outcome:
    """The outcome of a command that is answered with g70v4 or v6; its value is the status."""
    answer = _object(response, FileCommandStatus) or _object(response, FileTransportStatus)
    if answer is None:
        return Outcome(Failure.REFUSED if response.refused else Failure.MALFORMED)
    known = FileStatus._value2member_map_
    status = FileStatus(answer.status) if answer.status in known else FileStatus.UNDEFINED
    return Outcome(None if status is FileStatus.SUCCESS else Failure.REFUSED, value=status)


def authenticate_file(user: str, password: str) -> Task:
    """Asks for a key; the value of the outcome is the key."""
    response = yield Ask(FunctionCode.AUTHENTICATE_FILE, FileAuthentication(user, password).with_header())
    answer = _object(response, FileAuthentication)
    if answer is None or not answer.key:
        return Outcome(Failure.REFUSED)
    return Outcome(value=answer.key)


def read_file(name: str, *, block_size: int = 1024, key: int = 0) -> Task:
    """Reads a whole file; the value of the outcome is its octets, or the status that ended it."""
    response = yield Ask(FunctionCode.OPEN_FILE, FileCommand(name, FileMode.READ, 0, block_size, key).with_header())
    opened, outcome = _object(response, FileCommandStatus), _status(response)
    if opened is None or outcome.failure is not None:
        return outcome
    data, block = bytearray(), 0
    while True:
        response = yield Ask(FunctionCode.READ, FileTransport(opened.handle, block).with_header())
        part = _object(response, FileTransport)
        if part is None or part.block != block or len(data) > MAX_FILE_OCTETS:
            outcome = _status(response) if part is None else Outcome(Failure.MALFORMED)
            break
        data += part.data
        block += 1
        if part.last:
            outcome = Outcome(value=bytes(data))
            break
    yield Ask(FunctionCode.CLOSE_FILE, FileCommandStatus(opened.handle).with_header())
    return outcome


def list_directory(name: str, *, key: int = 0) -> Task:
    """Reads a directory; the value of the outcome is a list of FileInfo."""
    outcome = yield from read_file(name, key=key)
    if outcome.failure is not None or not isinstance(outcome.value, bytes):
        return outcome
    try:
        return Outcome(value=FileDescriptor.parse_all(outcome.value))
    except RemoteProtocolError:
        return Outcome(Failure.MALFORMED)


def write_file(name: str, octets: bytes, *, append: bool = False, block_size: int = 1024, key: int = 0) -> Task:
    """Writes a file, or appends to it; the value of the outcome is the status."""
    mode = FileMode.APPEND if append else FileMode.WRITE
    command = FileCommand(name, mode, len(octets), block_size, key)
    response = yield Ask(FunctionCode.OPEN_FILE, command.with_header())
    opened, outcome = _object(response, FileCommandStatus), _status(response)
    if opened is None or outcome.failure is not None or not opened.block_size:
        return outcome if outcome.failure is not None else Outcome(Failure.MALFORMED)
    step = min(block_size, opened.block_size)
    for block, at in enumerate(range(0, len(octets) or 1, step)):
        last = at + step >= len(octets)
        part = FileTransport(opened.handle, block, last, octets[at : at + step])
        response = yield Ask(FunctionCode.WRITE, part.with_header())
        outcome = _status(response)
        if outcome.failure is not None:
            yield Ask(FunctionCode.ABORT_FILE, FileCommandStatus(opened.handle).with_header())
            return outcome
    response = yield Ask(FunctionCode.CLOSE_FILE, FileCommandStatus(opened.handle).with_header())
    return _status(response)


def delete_file(name: str, *, key: int = 0) -> Task:
    """Deletes a file; the value of the outcome is the status."""
    response = yield Ask(FunctionCode.DELETE_FILE, FileCommand(name, FileMode.NONE, key=key).with_header())
    return _status(response)


def file_info(name: str) -> Task:
    """Describes a file; the value of the outcome is its FileInfo."""
    response = yield Ask(FunctionCode.GET_FILE_INFO, FileDescriptor(FileInfo(name, 0)).with_header())
    answer = _object(response, FileDescriptor)
    return _status(response) if answer is None else Outcome(value=answer.info)
