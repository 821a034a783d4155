import pytest

from gridiface.protocols.dnp3.application import parse_request, parse_response
from gridiface.protocols.dnp3.authentication.algorithms import (
    AuthenticationError,
    AuthenticationSettings,
    KeyChangeMethod,
    MacAlgorithm,
    Statistic,
    User,
    UserOperation,
)
from gridiface.protocols.dnp3.authentication.objects import Challenge, Error, find
from gridiface.protocols.dnp3.authentication.users import Authority
from gridiface.protocols.dnp3.controls import AnalogOutput, CommandStatus
from gridiface.protocols.dnp3.link import FrameReader
from gridiface.protocols.dnp3.master import tasks
from gridiface.protocols.dnp3.master.authentication import MasterAuthentication
from gridiface.protocols.dnp3.master.settings import Failure

AUTHORITY_KEY = bytes(range(100, 132))


def operate(joined, value=5.0, *, select=False):
    return joined.do("control", tasks.control([(1, AnalogOutput(value))], select=select))


def test_session_keys_come_before_anything_else(secure):
    joined = secure()
    names = [event.name for event in joined.connect() if hasattr(event, "name")]
    assert names == ["session keys", "clear restart"]
    assert joined.guard.counts[Statistic.SESSION_KEY_CHANGES] == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"mac": MacAlgorithm.HMAC_SHA_256_16},
        {"mac": MacAlgorithm.HMAC_SHA_256_8},
        {"mac": MacAlgorithm.AES_GMAC_12},
        {"mac": MacAlgorithm.HMAC_SHA_1_10, "allow_sha_1": True},
        {"key": bytes(range(32))},
    ],
    ids=str,
)
@pytest.mark.parametrize("aggressive", [False, True])
def test_both_ends_agree_with_every_algorithm(secure, settings, aggressive):
    joined = secure(aggressive=aggressive, **settings)
    joined.connect()
    for number in range(5):
        for select in (True, False):
            assert [item.status for item in operate(joined, number, select=select).outcomes] == [CommandStatus.SUCCESS]
    assert [request.user for request in joined.handler.operated] == [1] * 10
    challenged = sum(octets.count(b"\x78\x01\x5b\x01") for octets in joined.to_master)
    assert challenged == (1 if aggressive else 16)


def test_keys_are_changed_by_time_and_by_count(secure):
    joined = secure(key_lifetime=100.0, key_messages=20)
    joined.connect()
    joined.advance(51)
    assert operate(joined).failure is None
    assert joined.guard.counts[Statistic.SESSION_KEY_CHANGES] == 2
    for number in range(15):
        assert operate(joined, number).failure is None
    assert joined.guard.counts[Statistic.SESSION_KEY_CHANGES] == 3


def test_a_wrong_update_key_gets_no_keys_and_no_control(secure):
    joined = secure(master_key=bytes(16))
    events = joined.connect()
    assert (
        next(event.failure for event in events if getattr(event, "name", "") == "session keys")
        is Failure.NOT_AUTHENTICATED
    )
    assert operate(joined).failure is not None
    assert joined.handler.operated == []
    assert joined.guard.counts[Statistic.FAILED_SESSION_KEY_CHANGES] >= 1


def test_keys_are_made_anew_after_a_restart_of_the_outstation(secure):
    joined = secure()
    joined.connect()
    joined.handler.restart_seconds = 1.0
    assert joined.do("restart", tasks.restart()).failure is None
    assert joined.do("poll", tasks.integrity_poll()).failure is None
    assert operate(joined).failure is None
    assert joined.guard.counts[Statistic.REKEYS_DUE_TO_RESTARTS] == 1


@pytest.mark.parametrize("aggressive", [False, True])
def test_over_a_wire_that_doubles_everything_each_command_is_done_once(secure, aggressive):
    joined = secure(aggressive=aggressive, key_messages=12)
    channel = joined.outstation.open(joined.now)
    joined.master.connected(joined.now)
    waiting = []

    def carry(until):
        """Each datagram arrives twice, the second time behind whatever is under way by then."""
        for _ in range(200):
            waiting.extend((channel.receive, octets) for octets in [joined.master.to_send(joined.now)] * 2 if octets)
            waiting.extend((joined.master.receive, octets) for octets in [channel.to_send(joined.now)] * 2 if octets)
            if not waiting:
                break
            take, octets = waiting.pop(0)
            take(octets, joined.now)
        return [event for event in joined.fetch() if getattr(event, "task", None) == until][-1]

    for number in range(20):
        task = joined.master.submit("control", tasks.control([(1, AnalogOutput(number))], select=bool(number % 2)))
        assert carry(task).failure is None
    assert [request.command.value for request in joined.handler.operated] == list(range(20))
    assert joined.guard.counts[Statistic.AUTHENTICATION_FAILURES] == 0


def test_a_weaker_challenge_is_not_answered():
    master = MasterAuthentication(AuthenticationSettings(), User(1, "common", bytes(16)))
    weak = Challenge(1, 0, MacAlgorithm.HMAC_SHA_1_4, 1, b"abcd").with_header()
    assert master.reply(parse_response(b"\xc0\x83\0\0" + weak), b"", 0.0) is None
    assert master.protect(b"\xc0\x05", 0.0) == b"\xc0\x05"


@pytest.mark.parametrize("method", [KeyChangeMethod.AES_256_SHA_256, KeyChangeMethod.AES_256_GMAC])
def test_an_authority_adds_a_user_and_gives_it_a_key(secure, join, method):
    joined = secure()
    joined.connect()
    authority, own = Authority(AUTHORITY_KEY, method), joined.master.authentication
    certified = authority.certify(UserOperation.ADD, "bo", 1, role=1)
    assert joined.do("add", own.change_user(certified)).failure is None
    key = bytes(range(50, 82))
    done = joined.do("key", own.change_update_key(authority, "bo", key))
    assert done.failure is None
    assert (done.value.number, joined.guard.users.named("bo").update_key) == (2, key)
    joined.master.authentication = MasterAuthentication(own.settings, done.value)
    assert operate(joined).failure is None
    assert joined.handler.operated[-1].user == 2
    assert joined.do("write", tasks.write_deadbands({1: 1.0})).failure is Failure.NOT_AUTHENTICATED
    assert joined.guard.counts[Statistic.AUTHORIZATION_FAILURES] == 1
    assert joined.do("again", own.change_user(certified)).failure is Failure.NOT_AUTHENTICATED


def test_an_outstation_without_secure_authentication_takes_no_user_and_no_key(secure):
    joined = secure()
    own, authority = joined.master.authentication, Authority(AUTHORITY_KEY)
    joined.master.authentication = joined.outstation.associations[1].authentication = None
    joined.connect()
    assert joined.do("add", own.change_user(authority.certify(UserOperation.ADD, "bo", 1))).failure is Failure.REFUSED
    assert joined.do("key", own.change_update_key(authority, "bo", bytes(32))).failure is Failure.REFUSED


def test_the_masters_own_key_is_changed(secure):
    joined = secure()
    joined.connect()
    key = bytes(range(60, 92))
    own = joined.master.authentication
    assert joined.do("key", own.change_update_key(Authority(AUTHORITY_KEY), "common", key)).failure is None
    assert own.user.update_key == key
    assert operate(joined).failure is None
    assert joined.guard.counts[Statistic.UPDATE_KEY_CHANGES] == 1


def test_an_authority_with_another_key_changes_nothing(secure):
    joined = secure()
    joined.connect()
    own, stranger = joined.master.authentication, Authority(bytes(32))
    assert joined.do("add", own.change_user(stranger.certify(UserOperation.ADD, "bo", 1))).failure
    assert joined.do("key", own.change_update_key(stranger, "common", bytes(32))).failure is Failure.NOT_AUTHENTICATED
    assert joined.guard.counts[Statistic.FAILED_UPDATE_KEY_CHANGES] == 1
    assert joined.do("none", own.change_update_key(Authority(AUTHORITY_KEY), "bo", bytes(32))).failure


def test_an_outstation_that_wraps_with_a_key_of_another_length_is_told(secure):
    joined = secure(master_key=bytes(32))
    joined.connect()
    assert joined.guard.counts[Statistic.ERRORS_RECEIVED] >= 1
    assert any(b"\x21\x78\x07\x5b\x01" in octets for octets in joined.to_outstation)  # function 33, g120v7
    assert error_codes(joined) == {AuthenticationError.WRAP_NOT_SUPPORTED}
    assert operate(joined).failure is not None


def test_a_challenge_by_a_weaker_algorithm_is_objected_to_and_not_answered(secure):
    joined = secure(mac=MacAlgorithm.HMAC_SHA_256_8, aggressive=False)
    joined.master.authentication.settings = AuthenticationSettings(mac=MacAlgorithm.HMAC_SHA_256_8, aggressive=False)
    joined.connect()
    joined.master.authentication.settings = AuthenticationSettings(mac=MacAlgorithm.HMAC_SHA_256_16, aggressive=False)
    assert operate(joined).failure is Failure.NOT_AUTHENTICATED
    assert error_codes(joined) == {AuthenticationError.MAC_NOT_SUPPORTED}
    assert joined.handler.operated == []


def error_codes(joined):
    """The codes of the error objects that the master sent."""
    found = set()
    for octets in joined.to_outstation:
        for frame in FrameReader().feed(octets):
            fragment = frame.payload[1:]
            if fragment[1:2] == b"\x21":
                found.add(Error.parse(find(parse_request(fragment), 7)).code)
    return found
