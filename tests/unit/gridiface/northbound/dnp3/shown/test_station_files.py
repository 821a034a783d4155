"""Read-only files, for those who may."""

from gridiface.northbound.dnp3.shown.station_files import StationFiles
from gridiface.protocols.dnp3.files import FileMode, FileStatus, FileType

FILES = StationFiles({"a.txt": lambda: b"abc", "b.txt": lambda: b""}, readers=[1])


def test_files_and_their_directory():
    assert FILES.read("a.txt") == FILES.read("/a.txt") == b"abc"
    assert FILES.read("c.txt") is None
    assert FILES.info("a.txt").size == 3
    assert FILES.info("c.txt") is None
    root = FILES.info("/")
    assert (root.type, root.size) == (FileType.DIRECTORY, 2)
    assert [info.name for info in FILES.entries("/")] == ["a.txt", "b.txt"]
    assert list(FILES.entries("a.txt")) == []


def test_only_reading_by_readers():
    assert FILES.allow("a.txt", FileMode.READ, 0, 1) is FileStatus.SUCCESS
    for mode, master in ((FileMode.READ, 2), (FileMode.WRITE, 1), (FileMode.APPEND, 1), (FileMode.NONE, 1)):
        assert FILES.allow("a.txt", mode, 0, master) is FileStatus.PERMISSION_DENIED
    assert FILES.write("a.txt", b"", FileMode.WRITE) is FileStatus.PERMISSION_DENIED
    assert FILES.delete("a.txt") is FileStatus.PERMISSION_DENIED
