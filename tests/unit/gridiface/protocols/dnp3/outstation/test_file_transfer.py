import pytest

from gridiface.protocols.dnp3.application import FunctionCode, parse_response
from gridiface.protocols.dnp3.files import (
    FileCommand,
    FileCommandStatus,
    FileDescriptor,
    FileInfo,
    FileMode,
    FileStatus,
    FileTransport,
    FileTransportStatus,
)
from gridiface.protocols.dnp3.link import FrameReader
from gridiface.protocols.dnp3.transport import FragmentWriter, Reassembler


@pytest.fixture
def session(filed):
    """Sends one file request and returns IIN2 and the object of the answer."""

    def make(files=None, **settings):
        joined = filed(files, **settings)
        writer = FragmentWriter(0xC4, 10, 1)
        sequence = iter(range(10**6))

        def send(function, *objects):
            octets = bytes((0xC0 | next(sequence) & 15, function)) + b"".join(item.with_header() for item in objects)
            joined.channel.receive(writer.encode(octets), joined.now)
            assembler = Reassembler(65_536)
            for frame in FrameReader().feed(joined.channel.to_send(joined.now)):
                fragment = assembler.push(frame.payload)
            response = parse_response(fragment)
            bodies = [octets for header in response.headers for _, octets in header.objects()]
            return response.octets[3], (bodies or [b""])[0]

        joined.send = send
        joined.open = lambda name, mode=FileMode.READ, **more: FileCommandStatus.parse(
            send(FunctionCode.OPEN_FILE, FileCommand(name, mode, **more))[1]
        )
        return joined

    return make


def block_status(answer):
    return FileStatus(FileTransportStatus.parse(answer[1]).status)


def test_the_last_block_may_be_read_again_another_not(session):
    joined = session({"a": b"0123456789"})
    handle = joined.open("a", block_size=4).handle
    for block, data, last in ((0, b"0123", False), (0, b"0123", False), (1, b"4567", False), (2, b"89", True)):
        answer = joined.send(FunctionCode.READ, FileTransport(handle, block))
        assert FileTransport.parse(answer[1]) == FileTransport(handle, block, last, data)
    for behind in (0, 3):
        assert block_status(joined.send(FunctionCode.READ, FileTransport(handle, behind))) is FileStatus.BLOCK_SEQUENCE
    assert FileTransport.parse(joined.send(FunctionCode.READ, FileTransport(handle, 2))[1]).data == b"89"


@pytest.mark.parametrize(("octets", "lengths"), [(b"", [0]), (b"1234", [4]), (b"12345", [4, 1]), (b"12345678", [4, 4])])
def test_one_block_is_the_last_one_and_none_comes_behind_it(session, octets, lengths):
    joined = session({"a": octets})
    handle = joined.open("a", block_size=4).handle
    for block, length in enumerate(lengths):
        got = FileTransport.parse(joined.send(FunctionCode.READ, FileTransport(handle, block))[1])
        assert (len(got.data), got.last) == (length, block == len(lengths) - 1)
    behind = FileTransport(handle, len(lengths))
    assert block_status(joined.send(FunctionCode.READ, behind)) is FileStatus.BLOCK_SEQUENCE


def test_a_block_written_twice_counts_once(session):
    joined = session()
    handle = joined.open("a", FileMode.WRITE, size=6).handle
    for block, data, status in (
        (0, b"abc", FileStatus.SUCCESS),
        (0, b"abc", FileStatus.SUCCESS),
        (2, b"xyz", FileStatus.BLOCK_SEQUENCE),
        (1, b"def", FileStatus.SUCCESS),
    ):
        answer = joined.send(FunctionCode.WRITE, FileTransport(handle, block, block == 1, data))
        assert block_status(answer) is status
    assert "a" not in joined.store.files
    joined.send(FunctionCode.CLOSE_FILE, FileCommandStatus(handle))
    assert joined.store.files["a"] == b"abcdef"


@pytest.mark.parametrize(
    ("size", "blocks", "status"),
    [
        (6, [(b"abc", False)], FileStatus.FATAL),
        (6, [(b"abc", False), (b"def", False)], FileStatus.SUCCESS),
        (0xFFFFFFFF, [(b"abc", False)], FileStatus.FATAL),
        (0xFFFFFFFF, [(b"abc", True)], FileStatus.SUCCESS),
        (9, [(b"abc", True)], FileStatus.SUCCESS),
        (6, [], FileStatus.FATAL),
        (0, [], FileStatus.SUCCESS),
        (0xFFFFFFFF, [], FileStatus.SUCCESS),
    ],
)
def test_a_write_that_is_closed_before_its_end_is_not_taken(session, size, blocks, status):
    joined = session()
    handle = joined.open("a", FileMode.WRITE, size=size).handle
    for number, (data, last) in enumerate(blocks):
        joined.send(FunctionCode.WRITE, FileTransport(handle, number, last, data))
    answer = joined.send(FunctionCode.CLOSE_FILE, FileCommandStatus(handle))
    assert FileCommandStatus.parse(answer[1]).status == status
    assert joined.store.files == ({} if status else {"a": b"".join(data for data, _ in blocks)})


def test_an_aborted_or_abandoned_write_leaves_nothing(session):
    joined = session()
    handle = joined.open("a", FileMode.WRITE).handle
    joined.send(FunctionCode.WRITE, FileTransport(handle, 0, True, b"abc"))
    joined.send(FunctionCode.ABORT_FILE, FileCommandStatus(handle))
    handle = joined.open("a", FileMode.WRITE).handle
    joined.now += 121
    answer = joined.send(FunctionCode.WRITE, FileTransport(handle, 0, True, b"abc"))
    assert block_status(answer) is FileStatus.TIMEOUT
    assert block_status(joined.send(FunctionCode.READ, FileTransport(handle, 0))) is FileStatus.TIMEOUT
    assert joined.store.files == {}


@pytest.mark.parametrize(
    ("name", "mode", "more", "status"),
    [
        ("none", FileMode.READ, {}, FileStatus.NOT_FOUND),
        ("a", FileMode.NONE, {}, FileStatus.INVALID_MODE),
        ("a", 9, {}, FileStatus.INVALID_MODE),
        ("secret", FileMode.WRITE, {}, FileStatus.PERMISSION_DENIED),
        ("a", FileMode.WRITE, {"size": 2**31}, FileStatus.BUFFER_OVERRUN),
    ],
)
def test_what_is_not_opened(session, name, mode, more, status):
    assert session({"a": b""}).open(name, mode, **more).status == status


@pytest.mark.parametrize(
    ("name", "status"), [("secret", FileStatus.PERMISSION_DENIED), ("none", FileStatus.NOT_FOUND), ("a", None)]
)
def test_who_may_not_read_a_file_is_told_nothing_of_it(session, name, status):
    joined = session({"a": b"xyz", "secret": b"xyz"})
    _, octets = joined.send(FunctionCode.GET_FILE_INFO, FileDescriptor(FileInfo(name, 0)))
    if status is None:
        assert FileDescriptor.parse(octets).info.size == 3
    else:
        assert FileCommandStatus.parse(octets).status == status


def test_open_files_are_bounded_and_a_written_one_is_locked(session):
    joined = session({"a": b"x"})
    assert [joined.open("a").status for _ in range(5)] == [0, 0, 0, 0, FileStatus.TOO_MANY_OPEN]
    other = session({"a": b"x"})
    other.open("a")
    assert other.open("a", FileMode.WRITE).status == FileStatus.LOCKED
    answer = other.send(FunctionCode.DELETE_FILE, FileCommand("a", FileMode.NONE))
    assert FileCommandStatus.parse(answer[1]).status == FileStatus.LOCKED


def test_wrong_handles_modes_and_blocks(session):
    joined = session({"a": b"x"})
    reading, writing = joined.open("a").handle, joined.open("b", FileMode.WRITE).handle
    assert block_status(joined.send(FunctionCode.READ, FileTransport(99, 0))) is FileStatus.NOT_OPENED
    assert block_status(joined.send(FunctionCode.READ, FileTransport(writing, 0))) is FileStatus.INVALID_MODE
    assert block_status(joined.send(FunctionCode.WRITE, FileTransport(reading, 0))) is FileStatus.INVALID_MODE
    answer = joined.send(FunctionCode.WRITE, FileTransport(writing, 0, False, bytes(1500)))
    assert block_status(answer) is FileStatus.BLOCK_SIZE
    for function in (FunctionCode.CLOSE_FILE, FunctionCode.ABORT_FILE):
        answer = joined.send(function, FileCommandStatus(99))
        assert FileCommandStatus.parse(answer[1]).status == FileStatus.INVALID_HANDLE


def test_a_new_connection_closes_files(session):
    joined = session({"a": b"x"})
    handle = joined.open("a").handle
    joined.channel.close()
    joined.channel = joined.outstation.open(joined.now)
    assert block_status(joined.send(FunctionCode.READ, FileTransport(handle, 0))) is FileStatus.NOT_OPENED


def test_requests_with_other_objects_are_refused(session):
    joined = session({"a": b"x"})
    wish = FileCommand("a")
    assert joined.send(FunctionCode.OPEN_FILE, wish, wish)[0] == 4
    assert joined.send(FunctionCode.OPEN_FILE)[0] == 4
    assert joined.send(FunctionCode.OPEN_FILE, FileDescriptor(FileInfo("a", 0)))[0] == 2
    assert joined.send(FunctionCode.WRITE, FileTransport(1, 0), FileTransport(1, 1))[0] == 4
    assert joined.send(FunctionCode.WRITE, FileDescriptor(FileInfo("a", 0)))[0] == 2
    assert joined.send(FunctionCode.READ, FileDescriptor(FileInfo("a", 0)))[0] == 2


def test_without_files_the_objects_are_unknown(build):
    peer = build()
    assert peer.one(b"\xc0\x01" + FileTransport(1, 0).with_header())[3] == 2
    assert peer.one(b"\xc1\x02" + FileTransport(1, 0).with_header())[3] == 2
    assert peer.one(b"\xc2\x19" + FileCommand("a").with_header())[3] == 1
