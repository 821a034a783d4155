import hmac
import random
from dataclasses import replace
from hashlib import sha256

import pytest

from gridiface.protocols.dnp3.application import parse_response
from gridiface.protocols.dnp3.authentication.algorithms import (
    AuthenticationError,
    KeyStatus,
    Statistic,
    User,
    UserOperation,
)
from gridiface.protocols.dnp3.authentication.objects import (
    Challenge,
    Error,
    Reply,
    SessionKeyStatus,
    UpdateKeyChangeRequest,
    find,
)
from gridiface.protocols.dnp3.authentication.users import Authority
from gridiface.protocols.dnp3.controls import AnalogOutput
from gridiface.protocols.dnp3.link import FrameReader
from gridiface.protocols.dnp3.master import tasks
from gridiface.protocols.dnp3.master.settings import Failure
from gridiface.protocols.dnp3.outstation.settings import TimePolicy, UnsolicitedSettings
from gridiface.protocols.dnp3.transport import FragmentWriter, Reassembler

OPERATE = "05 29 02 17 01 01 05 00 00"


@pytest.fixture
def attack(secure):
    """A session with keys, and a way to send fragments past the master."""

    def make(**settings):
        joined = secure(**settings)
        joined.connect()
        joined.writer = FragmentWriter(0xC4, 10, 1)

        def send(text):
            octets = bytes.fromhex(text) if isinstance(text, str) else text
            joined.channel.receive(joined.writer.encode(octets), joined.now)
            assembler, found = Reassembler(), []
            for frame in FrameReader().feed(joined.channel.to_send(joined.now)):
                fragment = assembler.push(frame.payload) if frame.control == 0x44 else None
                found += [] if fragment is None else [parse_response(fragment)]
            return found

        joined.send = send
        return joined

    return make


def error_of(fragments):
    return AuthenticationError(Error.parse(find(fragments[0], 7)).code)


def test_a_critical_request_is_challenged_and_not_executed(attack):
    joined = attack()
    (answer,) = joined.send(f"c5 {OPERATE}")
    challenge = Challenge.parse(find(answer, 1))
    assert (answer.function, answer.sequence, challenge.user, challenge.reason) == (131, 5, 0, 1)
    assert len(challenge.data) == 16
    assert joined.handler.operated == []


def test_a_read_is_not_challenged_unless_configured(attack):
    assert attack().send("c5 01 3c 01 06")[0].function == 129
    assert find(attack(also_critical=frozenset((1,))).send("c5 01 3c 01 06")[0], 1)


def test_a_read_held_back_by_a_report_is_challenged_too(attack):
    joined = attack(also_critical=frozenset((1,)), unsolicited=UnsolicitedSettings())
    reporter = joined.outstation.associations[1]._reporter
    joined.guard._pending = None
    reporter.restart()
    (null,) = joined.send("c0 17")[-1:]
    assert null.function == 130
    assert joined.send("c5 01 3c 01 06") == []
    assert find(joined.send(bytes((0xD0 | null.sequence, 0)))[0], 1)


def test_challenge_data_and_sequences_do_not_repeat(attack):
    joined = attack(reply_timeout=1.0)
    seen = set()
    for _ in range(20):
        challenge = Challenge.parse(find(joined.send(f"c5 {OPERATE}")[0], 1))
        seen.add((challenge.sequence, challenge.data))
        joined.now += 1
    assert len({sequence for sequence, _ in seen}) == len({data for _, data in seen}) == 20


def test_a_repeated_request_gets_the_same_challenge(attack):
    joined = attack()
    assert joined.send(f"c5 {OPERATE}")[0].octets == joined.send(f"c5 {OPERATE}")[0].octets


def test_another_critical_request_meanwhile_is_discarded(attack):
    joined = attack()
    joined.send(f"c5 {OPERATE}")
    assert joined.send("c6 0d") == []
    assert joined.guard.counts[Statistic.DISCARDED] == 1


def test_a_wrong_reply_is_refused_and_counted_and_errors_are_limited(attack):
    joined = attack(max_errors=2)
    answers = []
    for number in range(4):
        sequence = Challenge.parse(find(joined.send(f"c{number} {OPERATE}")[0], 1)).sequence
        answers.append(joined.send(bytes((0xC0 | number, 32)) + Reply(sequence, 1, bytes(16)).with_header()))
    assert [len(answer) for answer in answers] == [1, 1, 0, 0]
    assert error_of(answers[0]) is AuthenticationError.AUTHENTICATION_FAILED
    assert joined.guard.counts[Statistic.AUTHENTICATION_FAILURES] == 4
    assert joined.handler.operated == []


def test_too_many_failures_drop_the_session_keys(attack):
    joined = attack(max_failures=2)
    for number in range(3):
        sequence = Challenge.parse(find(joined.send(f"c{number} {OPERATE}")[0], 1)).sequence
        joined.send(bytes((0xC0 | number, 32)) + Reply(sequence, 1, bytes(16)).with_header())
    assert joined.guard.counts[Statistic.REKEYS_DUE_TO_FAILURE] == 1
    (status,) = joined.send("c4 20 78 04 07 01 01 00")
    assert SessionKeyStatus.parse(find(status, 5)).status == KeyStatus.AUTH_FAIL


def test_a_recorded_reply_is_worth_nothing_later(attack):
    joined = attack(aggressive=False)
    joined.do("control", tasks.control([(1, AnalogOutput(5))], select=False))
    request, reply = (octets for octets in joined.to_outstation[-2:])
    joined.guard._last_reply = b""
    joined.now += 100
    for octets in (request, reply, request, reply):
        joined.channel.receive(octets, joined.now)
    assert len(joined.handler.operated) == 1


def test_a_repeated_reply_gets_the_stored_response(attack):
    joined = attack(aggressive=False)
    joined.do("control", tasks.control([(1, AnalogOutput(5))], select=False))
    joined.channel.receive(joined.to_outstation[-1], joined.now)
    assert joined.channel.to_send(joined.now) != b""
    assert len(joined.handler.operated) == 1


def test_what_comes_twice_is_answered_twice_alike(attack):
    joined = attack(authority_key=bytes(range(100, 132)), max_errors=9)
    adding = Authority(bytes(range(100, 132))).certify(UserOperation.ADD, "bo", 1)
    for octets in (
        b"\xc4\x20\x78\x04\x07\x01\x01\x00",
        b"\xc5\x20" + adding.with_header(),
        b"\xc6\x20" + UpdateKeyChangeRequest(4, "bo", b"from").with_header(),
    ):
        first, second = joined.send(octets), joined.send(octets)
        assert first[0].octets == second[0].octets
    # not for ever: what comes in between ends it
    status = b"\xc7\x20\x78\x04\x07\x01\x01\x00"
    before = joined.send(status)[0].octets
    joined.send("c8 01 3c 01 06")
    assert joined.send(status)[0].octets != before
    assert error_of(joined.send(b"\xc9\x20" + adding.with_header())) is AuthenticationError.INVALID_CERTIFICATION


def test_a_recorded_aggressive_request_is_not_executed_again(attack):
    joined = attack()
    for value in (1, 2):
        joined.do("control", tasks.control([(1, AnalogOutput(value))], select=False))
    first, second = joined.to_outstation[-2:]
    for octets in (first, second, first):
        joined.channel.receive(octets, joined.now)
        joined.channel.to_send(joined.now)
    assert len(joined.handler.operated) == 2
    assert joined.guard.counts[Statistic.AUTHENTICATION_FAILURES] >= 1


def test_an_altered_aggressive_request_is_refused(attack):
    joined = attack()
    joined.do("control", tasks.control([(1, AnalogOutput(1))], select=False))
    octets = bytearray(joined.master.authentication.protect(bytes.fromhex(f"c9 {OPERATE}"), joined.now))
    octets[len(octets) - 30] ^= 1
    assert joined.send(bytes(octets)) == [] or len(joined.handler.operated) == 1
    assert len(joined.handler.operated) == 1


def test_aggressive_mode_is_refused_where_it_is_off(attack):
    joined = attack(aggressive=False)
    request = "c9 05 78 03 07 01 09 00 00 00 01 00 29 02 17 01 01 05 00 00 78 09 5b 01 10 00" + "00" * 16
    assert error_of(joined.send(request)) is AuthenticationError.AGGRESSIVE_NOT_SUPPORTED


def test_a_reply_out_of_turn_is_unexpected(attack):
    joined = attack()
    assert joined.send(b"\xc0\x20" + Reply(9, 1, bytes(16)).with_header()) == []
    assert joined.guard.counts[Statistic.UNEXPECTED_MESSAGES] == 1


def test_a_reply_too_late_is_worth_nothing(attack):
    joined = attack(reply_timeout=2.0)
    joined.send(f"c5 {OPERATE}")
    assert joined.channel.next_timer() == joined.now + 2
    joined.now += 2
    joined.channel.handle_timer(joined.now)
    assert joined.guard.counts[Statistic.REPLY_TIMEOUTS] == 1


def test_roles_limit_what_a_user_may_do(secure):
    joined = secure(role=0)
    joined.connect()
    done = joined.do("control", tasks.control([(1, AnalogOutput(1))], select=False))
    assert done.failure is Failure.NOT_AUTHENTICATED
    assert joined.guard.counts[Statistic.AUTHORIZATION_FAILURES] >= 1
    assert joined.handler.operated == []


def test_expired_keys_are_told_as_communication_failure(attack):
    joined = attack(key_lifetime=100.0)
    joined.now += 100
    (status,) = joined.send("c4 20 78 04 07 01 01 00")
    assert SessionKeyStatus.parse(find(status, 5)).status == KeyStatus.COMM_FAIL


def test_unknown_users_and_users_without_a_key_get_no_status(attack):
    joined = attack(users=[User(1, "common", bytes(range(16))), User(2, "keyless", b"")], max_errors=9)
    for number in (2, 9):
        assert error_of(joined.send(f"c4 20 78 04 07 01 {number:02x} 00")) is AuthenticationError.UNKNOWN_USER


def test_what_wants_no_acknowledgement_gets_no_answer(attack):
    joined = attack()
    sequence = Challenge.parse(find(joined.send(f"c5 {OPERATE}")[0], 1)).sequence
    assert joined.send(b"\xc5\x21" + Reply(sequence, 1, bytes(16)).with_header()) == []
    assert joined.send("c6 21 78 04 07 01 01 00") == []
    assert joined.guard.counts[Statistic.UNEXPECTED_MESSAGES] == 2
    assert joined.guard.counts[Statistic.AUTHENTICATION_FAILURES] == 0


def test_a_master_may_challenge_the_last_response(attack):
    joined = attack()
    joined.send(f"c5 {OPERATE}")
    (response,) = joined.send("c6 01 3c 01 06")
    keys = joined.guard._sessions.keys(1, joined.now)
    asked = b"\xc7\x20" + Challenge(9, 1, 4, 1, b"asked it").with_header()
    (answer,) = joined.send(asked)
    reply = Reply.parse(find(answer, 2))
    signed = hmac.new(keys.monitoring, asked + response.octets, sha256).digest()[:16]
    assert (answer.function, reply.sequence, reply.user, reply.mac) == (131, 9, 1, signed)
    assert joined.guard.counts[Statistic.CRITICAL_SENT] == 1
    weak = b"\xc8\x20" + Challenge(10, 1, 1, 1, b"asked it").with_header()
    assert error_of(joined.send(weak)) is AuthenticationError.MAC_NOT_SUPPORTED
    assert joined.send(b"\xc9\x20" + Challenge(11, 7, 4, 1, b"asked it").with_header()) == []


def test_without_session_keys_no_response_is_signed(attack):
    joined = attack()
    joined.send("c6 01 3c 01 06")
    joined.guard.restart(joined.now)
    joined.send("c7 01 3c 01 06")
    assert joined.send(b"\xc8\x20" + Challenge(9, 1, 4, 1, b"asked it").with_header()) == []
    assert joined.guard.counts[Statistic.UNEXPECTED_MESSAGES] == 1


def test_who_goes_on_in_aggressive_mode_gives_up_what_waits_for_a_reply(attack):
    joined = attack()
    joined.do("control", tasks.control([(1, AnalogOutput(1))], select=False))
    own = joined.master.authentication
    sequence = Challenge.parse(find(joined.send(f"c5 {OPERATE}")[0], 1)).sequence
    own._challenge, own._csq = joined.guard._challenge, sequence
    assert joined.send(own.protect(bytes.fromhex(f"c6 {OPERATE}"), joined.now))[0].function == 129
    assert joined.guard._pending is None


def test_session_keys_end_with_the_connection(attack):
    joined = attack()
    joined.send(f"c5 {OPERATE}")
    joined.guard.disconnected()
    (status,) = joined.send("c4 20 78 04 07 01 01 00")
    assert SessionKeyStatus.parse(find(status, 5)).status == KeyStatus.COMM_FAIL
    assert joined.guard.next_timer() is None


def test_every_fragment_is_counted(attack):
    joined = attack()
    received, sent = Statistic.MESSAGES_RECEIVED, Statistic.MESSAGES_SENT
    before = joined.guard.counts[received], joined.guard.counts[sent]
    joined.send("c6 01 3c 01 06")
    joined.send("c6 00")
    assert (joined.guard.counts[received] - before[0], joined.guard.counts[sent] - before[1]) == (2, 1)


def test_an_operator_runs_a_master_of_its_own(secure):
    joined = secure(role=1)
    events = joined.connect()
    done = {event.name: event.failure for event in events if hasattr(event, "failure")}
    assert done["clear restart"] is None
    assert joined.do("control", tasks.control([(1, AnalogOutput(1))], select=False)).failure is None
    assert joined.do("deadband", tasks.write_deadbands({1: 1.0})).failure is Failure.NOT_AUTHENTICATED


def test_an_error_message_changes_nothing_but_a_count(attack):
    joined = attack()
    joined.send(f"c5 {OPERATE}")
    joined.send(b"\xc6\x21" + Error(1, 1, 0, 1, 0).with_header())
    assert joined.guard.counts[Statistic.ERRORS_RECEIVED] == 1
    assert joined.guard._pending is not None


def test_critical_broadcasts_are_discarded(attack):
    joined = attack()
    joined.channel.receive(
        FragmentWriter(0xC4, 0xFFFF, 1).encode(bytes.fromhex("c0 06 29 02 17 01 01 05 00 00")), joined.now
    )
    assert joined.handler.operated == []
    assert joined.guard.counts[Statistic.DISCARDED] == 1


def test_statistics_are_read_and_reported(attack):
    joined = attack()
    joined.send(f"c5 {OPERATE}")
    joined.now += 5
    joined.channel.handle_timer(joined.now)
    (answer,) = joined.send("c6 01 79 01 00 03 03")
    assert answer.octets[4:].hex(" ") == "79 01 00 03 03 01 00 00 01 00 00 00"
    (answer,) = joined.send("c7 01 7a 01 06")
    assert answer.octets[4:].hex(" ") == "7a 01 17 01 03 01 00 00 01 00 00 00"
    assert joined.send("c8 01 79 00 06")[0].headers[0].count == 18
    for wrong, iin2 in (("79 02 06", 2), ("79 01 07 01", 4), ("79 01 00 00 12", 4), ("7a 03 06", 2)):
        assert joined.send("c9 01" + wrong)[0].octets[3] == iin2


def test_without_authentication_its_objects_and_functions_are_unknown(build):
    peer = build()
    assert peer.one("c0 01 79 01 06")[3] == 2
    assert peer.one("c1 01 7a 01 06")[3] == 2
    assert peer.one("c2 20 78 04 07 01 01 00")[3] == 1


def test_any_authentication_octets_raise_nothing_and_operate_nothing(attack):
    joined = attack(max_errors=10**9)
    source = random.Random(5)
    for number in range(3000):
        body = source.randbytes(source.randrange(30))
        head = bytes((120, source.randrange(16), 0x5B, 1)) + len(body).to_bytes(2, "little")
        function = source.choice((32, 33, 5, 2))
        joined.send(bytes((0xC0 | number & 15, function)) + head + body)
        joined.send(bytes((0xC0 | number & 15, function)) + source.randbytes(12))
        joined.now += 0.5
    assert joined.handler.operated == []


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_the_wait_for_a_reply_and_the_life_of_keys_are_as_long_when_the_clock_is_set(attack, seconds):
    joined = attack(reply_timeout=2.0, key_lifetime=900.0)
    keys = joined.guard._sessions.keys(1, joined.now)
    left = keys.expires_at - joined.now
    assert find(joined.send(f"c5 {OPERATE}")[0], 1)
    joined.now += seconds
    joined.outstation.clock_set(seconds, joined.now)
    assert joined.guard.next_timer() == joined.now + 2.0
    assert keys.expires_at - joined.now == left
    joined.now += 2.0
    joined.guard.handle_timer(joined.now)
    assert joined.guard.counts[Statistic.REPLY_TIMEOUTS] == 1


def test_errors_are_told_with_the_time_of_events(attack):
    joined = attack(max_errors=9)
    state = joined.outstation.associations[1].state
    state.set_time(round(joined.now * 1000) + 5000, joined.now)
    assert error_time(joined, 1) == round(joined.now * 1000)
    state.settings = replace(state.settings, time_policy=TimePolicy.SHIFT_EVENTS)
    assert error_time(joined, 2) == round(joined.now * 1000) + 5000


def error_time(joined, sequence):
    (answer,) = joined.send(f"c{sequence} 20 78 04 07 01 63 00")
    return Error.parse(find(answer, 7)).time_ms


def test_asking_for_the_key_status_too_often_is_refused_until_keys_change_or_time_passes(attack):
    joined = attack(max_errors=99, max_status_requests=2, key_lifetime=100.0)
    ask = "78 04 07 01 01 00"
    for number in (1, 2):
        assert SessionKeyStatus.parse(find(joined.send(f"c{number} 20 {ask}")[0], 5)).status == KeyStatus.OK
    assert error_of(joined.send(f"c3 20 {ask}")) is AuthenticationError.STATUS_REQUESTS_EXCEEDED
    joined.now += 101
    assert SessionKeyStatus.parse(find(joined.send(f"c4 20 {ask}")[0], 5)).status == KeyStatus.COMM_FAIL
    joined.master.authentication.forget()
    assert joined.do("operate", tasks.control([(1, AnalogOutput(5.0))], select=False)).failure is None
    for number in (5, 6):
        assert find(joined.send(f"c{number} 20 {ask}")[0], 5)
    assert error_of(joined.send(f"c7 20 {ask}")) is AuthenticationError.STATUS_REQUESTS_EXCEEDED
