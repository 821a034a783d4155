"""A master's link: whose frames count, what it answers by itself, and when it asks a silent outstation."""

from dataclasses import replace

import pytest

from gridiface.protocols.dnp3.link import Frame, encode
from gridiface.protocols.dnp3.master.link import MasterLink
from gridiface.protocols.dnp3.master.settings import MasterSettings

SETTINGS = MasterSettings(1, 10, keep_alive=30.0, link_timeout=5.0)
ANSWER = bytes.fromhex("c0 c0 81 00 00")


def fragments(link, *frames):
    return list(link.receive(b"".join(encode(frame) for frame in frames), 0.0))


def test_only_primary_frames_of_the_outstation_to_this_master_count():
    link = MasterLink(SETTINGS)
    frame = Frame(0x44, 1, 10, ANSWER)
    others = (0x0B, 1, 10), (0xC4, 1, 10), (0x44, 2, 10), (0x44, 1, 11)
    assert fragments(link, *(Frame(*other, ANSWER) for other in others), frame) == [ANSWER[1:]]
    assert link.take() == b""


def test_link_functions_are_answered_before_what_comes_of_the_frames_behind_them():
    link = MasterLink(SETTINGS)
    status, reset, data = Frame(0x49, 1, 10), Frame(0x40, 1, 10), Frame(0x73, 1, 10, ANSWER)
    assert fragments(link, status, reset, data, data) == [ANSWER[1:]]  # the second one is a retry
    assert link.waits
    assert link.take() == b"".join(encode(Frame(control, 10, 1)) for control in (0x8B, 0x80, 0x80, 0x80))
    assert not link.waits


def test_a_new_connection_forgets_half_a_frame_half_a_fragment_and_the_frame_count():
    link = MasterLink(SETTINGS)
    fragments(link, Frame(0x40, 1, 10), Frame(0x44, 1, 10, bytes.fromhex("40 c0 81")))
    list(link.receive(encode(Frame(0x44, 1, 10, ANSWER))[:12], 0.0))
    link.close()
    link.open(0.0)
    assert fragments(link, Frame(0x73, 1, 10, ANSWER)) == []  # not reset since
    assert fragments(link, Frame(0x44, 1, 10, bytes.fromhex("81 00 00"))) == []
    assert link.take() == b""


def test_a_silent_outstation_is_asked_and_given_up_once():
    link = MasterLink(SETTINGS)
    link.open(100.0)
    assert link.next_timer() == 130.0
    assert not link.handle_timer(130.0)
    assert link.take() == encode(Frame(0xC9, 10, 1))
    assert not link.handle_timer(134.9)
    assert link.handle_timer(135.0)
    assert not link.handle_timer(200.0)
    assert link.next_timer() is None
    assert MasterLink(replace(SETTINGS, keep_alive=None)).next_timer() is None


@pytest.mark.parametrize(("gap", "heard"), [(1.0, True), (None, False)])
def test_half_an_answer_on_a_line_that_loses_octets_does_not_swallow_the_next(gap, heard):
    link = MasterLink(MasterSettings(1, 10, frame_gap=gap))
    link.open(0.0)
    assert not list(link.receive(encode(Frame(0x44, 1, 10, b"\xc0" + bytes(200)))[:50], 10.0))
    assert bool(list(link.receive(encode(Frame(0x44, 1, 10, b"\xc1\xc1\x81\0\0")), 12.0))) is heard
