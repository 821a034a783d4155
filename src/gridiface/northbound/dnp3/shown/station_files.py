"""The files that an outstation shows to its masters: device profile, log of frames, and configuration of its points.

Owns names and who may read; the dialogue is the protocol core's. A file is made when it is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from gridiface.protocols.dnp3.files import FileInfo, FileMode, FileStatus, FileStore, FileType

DEVICE_PROFILE = "device-profile.xml"
FRAME_LOG = "frames.log"
_ROOTS = frozenset({"", "/", "."})


class StationFiles(FileStore):
    """Files by name.

    Args:
        makers: what makes the octets of each file.
        readers: link addresses of the masters that may read, and write what may be written; others are denied, whatever
            they show.
        takers: what takes the octets of files that may be written, as a whole.
    """

    def __init__(
        self,
        makers: Mapping[str, Callable[[], bytes]],
        readers: Iterable[int],
        takers: Mapping[str, Callable[[bytes], FileStatus]] | None = None,
    ) -> None:
        self._makers = dict(makers)
        self._readers = frozenset(readers)
        self._takers = dict(takers or {})

    def info(self, name: str) -> FileInfo | None:
        """A file, or the one directory."""
        if name in _ROOTS:
            return FileInfo(name, len(self._makers), permissions=0o555, type=FileType.DIRECTORY)
        octets = self.read(name)
        permissions = 0o644 if name.lstrip("/") in self._takers else 0o444
        return None if octets is None else FileInfo(name, len(octets), permissions=permissions)

    def entries(self, name: str) -> Iterable[FileInfo]:
        """All files."""
        found = (self.info(file) for file in self._makers) if name in _ROOTS else ()
        return [info for info in found if info is not None]

    def allow(self, name: str, mode: FileMode, key: int, master: int) -> FileStatus:
        """Reading, and writing what may be written, by masters that may."""
        writes = mode is FileMode.WRITE and name.lstrip("/") in self._takers
        permitted = (mode is FileMode.READ or writes) and master in self._readers
        return FileStatus.SUCCESS if permitted else FileStatus.PERMISSION_DENIED

    def read(self, name: str) -> bytes | None:
        """A file's octets, made anew."""
        make = self._makers.get(name.lstrip("/"))
        return None if make is None else make()

    def write(self, name: str, octets: bytes, mode: FileMode) -> FileStatus:
        """A file that came whole."""
        take = self._takers.get(name.lstrip("/"))
        return FileStatus.PERMISSION_DENIED if take is None or mode is not FileMode.WRITE else take(octets)
