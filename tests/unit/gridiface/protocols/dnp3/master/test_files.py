import pytest

from gridiface.protocols.dnp3.files import FileInfo, FileStatus
from gridiface.protocols.dnp3.master.files import (
    authenticate_file,
    delete_file,
    file_info,
    list_directory,
    read_file,
    write_file,
)
from gridiface.protocols.dnp3.master.settings import Failure


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 10_000])
@pytest.mark.parametrize("limits", [{}, {"max_tx_fragment": 249, "max_rx_fragment": 249}], ids=["wide", "narrow"])
def test_files_come_and_go_as_they_are(filed, size, limits):
    octets = bytes(number % 251 for number in range(size))
    joined = filed({"log": octets}, **limits)
    assert joined.do("read", read_file("log")).value == octets
    assert joined.do("write", write_file("copy", octets)).failure is None
    assert joined.store.files["copy"] == octets
    assert joined.do("append", write_file("copy", b"more", append=True)).failure is None
    assert joined.store.files["copy"] == octets + b"more"


def test_directories_and_descriptions(filed):
    joined = filed({"a": b"12", "b": b"3"})
    assert joined.do("list", list_directory("/")).value == [FileInfo("a", 2, 5), FileInfo("b", 1, 5)]
    assert joined.do("info", file_info("a")).value == FileInfo("a", 2, 5)
    assert joined.do("list", list_directory("/none")).failure is Failure.REFUSED
    assert joined.do("info", file_info("none")).value is FileStatus.NOT_FOUND


def test_deleting(filed):
    joined = filed({"a": b"12"})
    assert joined.do("delete", delete_file("a")).failure is None
    assert joined.do("delete", delete_file("a")).value is FileStatus.NOT_FOUND


def test_guarded_files_want_a_key(filed):
    joined = filed({"secret": b"12"})
    assert joined.do("read", read_file("secret")).value is FileStatus.PERMISSION_DENIED
    assert joined.do("key", authenticate_file("bo", "wrong")).failure is Failure.REFUSED
    key = joined.do("key", authenticate_file("bo", "pw")).value
    assert joined.do("read", read_file("secret", key=key)).value == b"12"


def test_without_files_all_is_refused(build, join, secure):
    joined = secure()
    joined.connect()
    assert joined.do("read", read_file("a")).failure is Failure.REFUSED
    assert joined.do("info", file_info("a")).failure is Failure.REFUSED


def test_a_write_beyond_the_limit_is_refused(filed):
    joined = filed()
    assert joined.do("write", write_file("big", bytes(5 * 1024 * 1024))).value is FileStatus.BUFFER_OVERRUN
