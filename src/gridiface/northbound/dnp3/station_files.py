"""The files that an outstation shows to its masters: its device profile and the log of frames, read only.

Owns names and who may read; the dialogue is the protocol core's. A file is made when it is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from gridiface.protocols.dnp3.files import FileInfo, FileMode, FileStatus, FileStore, FileType

DEVICE_PROFILE = "device-profile.xml"
FRAME_LOG = "frames.log"
_ROOTS = frozenset({"", "/", "."})


class StationFiles(FileStore):
    """Read-only files by name.

    Args:
        makers: what makes the octets of each file.
        readers: link addresses of the masters that may read; others are denied, whatever they show.
    """

    def __init__(self, makers: Mapping[str, Callable[[], bytes]], readers: Iterable[int]) -> None:
        self._makers = dict(makers)
        self._readers = frozenset(readers)

    def info(self, name: str) -> FileInfo | None:
        """A file, or the one directory."""
        if name in _ROOTS:
            return FileInfo(name, len(self._makers), permissions=0o555, type=FileType.DIRECTORY)
        octets = self.read(name)
        return None if octets is None else FileInfo(name, len(octets))

    def entries(self, name: str) -> Iterable[FileInfo]:
        """All files."""
        found = (self.info(file) for file in self._makers) if name in _ROOTS else ()
        return [info for info in found if info is not None]

    def allow(self, name: str, mode: FileMode, key: int, master: int) -> FileStatus:
        """Reading, by masters that may."""
        permitted = mode is FileMode.READ and master in self._readers
        return FileStatus.SUCCESS if permitted else FileStatus.PERMISSION_DENIED

    def read(self, name: str) -> bytes | None:
        """A file's octets, made anew."""
        make = self._makers.get(name.lstrip("/"))
        return None if make is None else make()
