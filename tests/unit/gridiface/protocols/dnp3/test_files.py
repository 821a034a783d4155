import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.files import (
    FileAuthentication,
    FileCommand,
    FileCommandStatus,
    FileDescriptor,
    FileInfo,
    FileMode,
    FileStatus,
    FileStore,
    FileTransport,
    FileTransportStatus,
    FileType,
)

SAMPLES = [
    (FileAuthentication("bo", "pw", 7), "0c00 0200 0e00 0200 07000000 626f 7077"),
    (FileCommand("a.b", 1, 5, 512, 7, 3, 9, 0o644),
     "1a00 0300 090000000000 a401 07000000 05000000 0100 0002 0300 612e62"),
    (FileCommandStatus(1, 5, 512, 3, 0), "01000000 05000000 0002 0300 00"),
    (FileTransport(1, 2, True, b"ab"), "01000000 02000080 6162"),
    (FileTransportStatus(1, 2, 20), "01000000 02000000 14"),
    (FileDescriptor(FileInfo("d", 5, 9, 0o444, FileType.DIRECTORY), 3),
     "1400 0100 0000 05000000 090000000000 2401 0300 64"),
]  # fmt: skip


@pytest.mark.parametrize(("item", "octets"), SAMPLES, ids=lambda item: type(item).__name__)
def test_layouts(item, octets):
    assert item.octets().hex() == octets.replace(" ", "")
    assert type(item).parse(item.octets()) == item


@given(st.sampled_from([type(item) for item, _ in SAMPLES]), st.binary(max_size=60))
def test_any_octets_raise_nothing_but_the_remote_error(kind, octets):
    try:
        item = kind.parse(octets)
    except RemoteProtocolError:
        return
    assert isinstance(item, kind)


@given(st.lists(st.tuples(st.text("abc/.", min_size=1, max_size=20), st.integers(0, 2**32 - 1)), max_size=5))
def test_a_directory_is_its_records_one_behind_the_other(entries):
    infos = [FileInfo(name, size) for name, size in entries]
    octets = b"".join(FileDescriptor(info).octets() for info in infos)
    assert FileDescriptor.parse_all(octets) == infos


def test_names_must_lie_within_the_object_and_be_text():
    for text in ("1a00 ff00" + "00" * 22, "ffff 0100" + "00" * 22, "1a00 0100" + "00" * 22 + "ff"):
        with pytest.raises(RemoteProtocolError):
            FileCommand.parse(bytes.fromhex(text))


def test_a_password_does_not_show():
    assert "pw" not in repr(FileAuthentication("bo", "pw"))


def test_the_default_store_is_empty_and_refuses():
    store = FileStore()
    assert store.authenticate("a", "b", 1) == 0
    assert store.info("a") is None
    assert store.read("a") is None
    assert list(store.entries("a")) == []
    assert {
        store.allow("a", FileMode.READ, 0, 1),
        store.write("a", b"", FileMode.WRITE),
        store.delete("a"),
    } == {FileStatus.PERMISSION_DENIED}
