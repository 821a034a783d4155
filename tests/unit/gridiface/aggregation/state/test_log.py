"""The decision log: news against repetition, and what an entry about a control says."""

from tests.unit.gridiface.aggregation.conftest import T0, ask

from gridiface.aggregation.state.log import ENGINE, DecisionLog, device_target, group_target


def test_entries_come_out_once_and_in_order():
    log = DecisionLog()
    log.add(T0, device_target("a"), "set_w", "given", "first", value=5.0)
    log.add(T0 + 1, group_target("all"), "set_w", "cut", "second")
    assert log.pending
    assert [(one.at, one.target.id, one.reason, one.value) for one in log.drain()] == [
        (T0, "a", "first", 5.0),
        (T0 + 1, "all", "second", None),
    ]
    assert not log.pending
    assert log.drain() == ()


def test_what_the_engine_decides_by_itself_says_so_and_what_a_control_caused_names_its_source():
    log = DecisionLog()
    log.add(T0, device_target("a"), "set_w", "given", "why")
    log.about(T0, ask("c1", set_w=1.0, export_limit=2.0), "accepted", "why", value=3.0)
    log.about(T0, ask("c2"), "refused", "says nothing")
    own, control, empty = log.drain()
    assert own.source == ENGINE
    assert own.control_id == ""
    assert (control.control_id, control.signal, control.source.protocol) == ("c1", "export_limit+set_w", "utility")
    assert (control.target, control.value) == (group_target("all"), 3.0)
    assert empty.signal == "none"


def test_a_value_is_news_until_it_is_said_again_and_anew_when_it_was_forgotten():
    log = DecisionLog()
    assert log.news("limit", "all", value=5.0)
    assert not log.news("limit", "all", value=5.0)
    assert log.news("limit", "feeder", value=5.0)  # another key
    assert log.news("limit", "all", value=6.0)
    assert log.forget("limit", "all")
    assert not log.forget("limit", "all")
    assert log.news("limit", "all", value=6.0)
