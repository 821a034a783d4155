import pytest

from gridiface.protocols.dnp3.outstation.handler import RestartCleared, TimeWritten
from gridiface.protocols.dnp3.points import PointConfig, PointType

AI = PointType.ANALOG_INPUT
CLEAR = "50 01 00 07 07 00"


def test_19_restart_is_told_until_it_is_cleared(build):
    peer = build()
    assert peer.hex("c0 17").startswith("c0 81 80 00")
    assert peer.hex(f"c1 02 {CLEAR}") == "c1 81 00 00"
    assert peer.hex("c2 17").startswith("c2 81 00 00")
    assert RestartCleared(1) in peer.notices()


@pytest.mark.parametrize(
    "text",
    [
        "50 01 00 07 07 01",
        "50 01 00 04 04 00",
        "50 01 00 06 07 00",
        "50 01 00 00 0f 00 00",
        "50 01 07 01 00",
        "50 01 06",
    ],
)
def test_20_no_other_indication_is_written(build, text):
    peer = build()
    assert peer.hex(f"c0 02 {text}") == "c0 81 80 04"


def test_20_need_time_is_cleared_where_configured(build):
    peer = build(need_time=True, clear_need_time_by_write=True)
    assert peer.hex("c0 17").startswith("c0 81 90 00")
    assert peer.hex("c1 02 50 01 00 04 04 00") == "c1 81 80 00"


def test_31_one_bad_header_changes_nothing(build):
    peer = build()
    assert peer.hex(f"c0 02 {CLEAR} 50 01 00 05 05 00") == "c0 81 80 04"
    assert peer.hex(f"c1 02 {CLEAR} 1e 01 00 00 00 01 00 00 00 00") == "c1 81 80 02"


def test_a_write_of_nothing_is_refused(build):
    assert build().hex("c0 02") == "c0 81 80 04"


def test_51_need_time_cycle(build):
    peer = build(need_time=True, time_sync_interval=60.0, now=1000.0)
    peer.clear_restart()
    assert peer.hex("c0 17").startswith("c0 81 10 00")
    assert peer.hex("c1 02 32 01 07 01 e8 03 00 00 00 00") == "c1 81 00 00"
    assert TimeWritten(1, 1000, -999_000) in peer.notices()
    peer.now += 60
    assert peer.hex("c2 17").startswith("c2 81 00 00")
    peer.now += 0.1
    assert peer.hex("c3 17").startswith("c3 81 10 00")


def test_51_lan_time_is_as_of_the_recorded_arrival(build):
    peer = build(now=1000.0)
    peer.clear_restart()
    assert peer.hex("c0 18") == "c0 81 00 00"
    peer.now += 0.25
    assert peer.hex("c1 02 32 03 07 01 e8 03 00 00 00 00") == "c1 81 00 00"
    assert TimeWritten(1, 1250, 1250 - 1_000_250) in peer.notices()


def test_51_a_repeated_record_counts_from_its_last_arrival(build):
    peer = build(now=1000.0)
    answer = peer.one("c0 18")
    peer.now += 5  # the answer was lost, the master sends the same again and takes the time of that
    assert peer.one("c0 18") == answer
    peer.now += 0.25
    peer.one("c1 02 32 03 07 01 e8 03 00 00 00 00")
    assert any(isinstance(notice, TimeWritten) and notice.time_ms == 1250 for notice in peer.notices())


def test_51_the_record_is_lost_when_another_request_comes_between(build):
    peer = build()
    peer.one("c0 18")
    peer.one("c1 17")
    assert peer.hex("c2 02 32 03 07 01 e8 03 00 00 00 00") == "c2 81 80 04"
    peer.one("c3 18")
    peer.one("c4 02 32 03 07 02 e8 03 00 00 00 00 00 00 00 00 00 00")
    assert peer.hex("c5 02 32 03 07 01 e8 03 00 00 00 00") == "c5 81 80 04"


@pytest.mark.parametrize(
    ("text", "iin2"), [("32 01 07 00", "04"), ("32 02 07 01" + "00" * 10, "02"), ("32 01 17 01 00" + "00" * 6, "04")]
)
def test_times_that_do_not_fit(build, text, iin2):
    assert build().one("c0 02" + text)[3] == int(iin2, 16)


def test_35_a_dead_band_written_is_obeyed(build):
    peer = build([PointConfig(AI, 0, event_class=1), PointConfig(AI, 1, event_class=1)])
    peer.clear_restart()
    for index in (0, 1):
        peer.update(AI, index, 0.0)
    events = len(peer.buffer)
    assert peer.hex("c0 02 22 01 00 00 00 0a 00") == "c0 81 02 00"
    assert peer.hex("c1 02 22 03 17 01 01 00 00 a0 40") == "c1 81 02 00"
    peer.update(AI, 0, 10.0)
    peer.update(AI, 1, 5.0)
    assert len(peer.buffer) == events
    peer.update(AI, 0, 10.5)
    assert len(peer.buffer) == events + 1
    assert peer.hex("c2 01 22 01 06") == "c2 81 02 00 22 01 00 00 01 0a 00 05 00"


@pytest.mark.parametrize(
    "text", ["22 01 00 07 07 0a 00", "22 03 00 00 00 00 00 80 bf", "22 03 00 00 00 00 00 c0 7f", "22 01 07 01 0a 00"]
)
def test_dead_bands_that_cannot_be(build, text):
    peer = build([PointConfig(AI, 0)])
    assert peer.hex("c0 02" + text) == "c0 81 80 04"


def test_a_dead_band_the_application_refuses(build):
    peer = build([PointConfig(AI, 0)])
    peer.handler.allow = False
    assert peer.hex("c0 02 22 01 00 00 00 0a 00") == "c0 81 80 04"
    assert peer.database.columns[AI].deadbands[0] == 0


def test_attributes_are_written_where_both_agree(build):
    peer = build(attributes={247: "old", 252: "maker"})
    peer.clear_restart()
    assert peer.hex("c0 02 00 f7 00 00 00 01 03 6e 65 77") == "c0 81 00 00"
    assert peer.hex("c1 01 00 f7 00 00 00") == "c1 81 00 00 00 f7 00 00 00 01 03 6e 65 77"
    assert peer.hex("c2 02 00 fc 00 00 00 01 03 6e 65 77") == "c2 81 00 04"
    assert peer.hex("c3 02 00 f7 00 00 00 02 01 05") == "c3 81 00 04"
    assert peer.hex("c4 02 00 f7 00 01 01 01 01 61") == "c4 81 00 04"
    peer.handler.allow = False
    assert peer.hex("c5 02 00 f7 00 00 00 01 01 61") == "c5 81 00 04"


def test_octet_strings_and_terminals_go_to_the_application(build):
    peer = build()
    peer.clear_restart()
    assert peer.hex("c0 02 6e 03 17 01 02 61 62 63") == "c0 81 00 00"
    assert peer.hex("c1 02 70 02 00 04 04 68 69") == "c1 81 00 00"
    assert peer.handler.written == [(2, b"abc"), (4, b"hi")]
    assert peer.hex("c2 02 6e 03 17 01 63 61 62 63") == "c2 81 00 04"
    assert peer.hex("c3 02 6e 03 07 01 61 62 63") == "c3 81 00 04"
    peer.handler.allow = False
    assert peer.hex("c4 02 6e 03 17 01 02 61 62 63") == "c4 81 00 04"
