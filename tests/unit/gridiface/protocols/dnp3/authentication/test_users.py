import hmac
from hashlib import sha256

import pytest

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.authentication.algorithms import (
    AuthenticationError,
    AuthenticationSettings,
    KeyChangeMethod,
    User,
    UserOperation,
)
from gridiface.protocols.dnp3.authentication.objects import (
    UpdateKeyChange,
    UpdateKeyChangeReply,
    UpdateKeyChangeRequest,
)
from gridiface.protocols.dnp3.authentication.users import Authority, UserRegister

KEY = bytes(range(32))
SETTINGS = AuthenticationSettings(authority_key=KEY)


def change(register, operation, name, sequence, settings=SETTINGS, key=KEY, **more):
    return register.change(Authority(key).certify(operation, name, sequence, **more).octets(), settings, 0.0)


def test_the_authority_adds_changes_and_deletes_users():
    register = UserRegister([User(1, "common", b"k")])
    assert change(register, UserOperation.ADD, "bo", 1, role=1, days=10) is None
    added = register.named("bo")
    assert (added.number, added.role, added.expires_at, added.update_key) == (2, 1, 864_000.0, b"")
    assert change(register, UserOperation.CHANGE, "bo", 2, role=0) is None
    assert (added.role, added.expires_at) == (0, None)
    assert change(register, UserOperation.DELETE, "bo", 3) is None
    assert [user.name for user in register.all()] == ["common"]
    assert (register.revision, register.status_sequence) == (3, 3)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((UserOperation.ADD, "bo", 5), AuthenticationError.INVALID_CERTIFICATION),
        ((UserOperation.ADD, "common", 6), AuthenticationError.INVALID_CERTIFICATION),
        ((UserOperation.DELETE, "bo", 6), AuthenticationError.UNKNOWN_USER),
        ((7, "bo", 6), AuthenticationError.INVALID_CERTIFICATION),
    ],
)
def test_what_is_stale_doubled_or_unknown_is_refused(arguments, error):
    register = UserRegister([User(1, "common", b"k")], status_sequence=5)
    assert change(register, *arguments) == error
    assert register.revision == 0


def test_a_wrong_authority_an_unknown_role_and_no_authority_are_refused():
    register = UserRegister()
    assert change(register, UserOperation.ADD, "bo", 1, key=bytes(32)) == AuthenticationError.INVALID_CERTIFICATION
    assert change(register, UserOperation.ADD, "bo", 1, role=99) == AuthenticationError.INVALID_CERTIFICATION
    nobody = AuthenticationSettings()
    assert change(register, UserOperation.ADD, "bo", 1, nobody) == AuthenticationError.METHOD_NOT_PERMITTED


def test_asymmetric_and_sha_1_methods_are_refused():
    register = UserRegister()
    octets = bytearray(Authority(KEY).certify(UserOperation.ADD, "bo", 1).octets())
    for method in (67, KeyChangeMethod.AES_128_SHA_1):
        octets[0] = method
        assert register.change(bytes(octets), SETTINGS, 0.0) == AuthenticationError.METHOD_NOT_PERMITTED


#: g120v10 as opendnp3 2.1 sent it for an authority whose key is 32 octets AA: add "jim" as an operator for 365 days.
OPENDNP3_ADDS_JIM = bytes.fromhex(
    "04 01 00000000 0100 6d01 0300 0000 2000 6a696debeca03a7181ca1a5e976a15692621ad869b4e77349d4d503bc994e8b8536031"
)


def test_what_another_authority_certified_is_taken_and_its_sequence_may_begin_with_0():
    settings, register = AuthenticationSettings(authority_key=b"\xaa" * 32), UserRegister()
    assert register.change(OPENDNP3_ADDS_JIM, settings, 0.0) is None
    jim = register.named("jim")
    assert (jim.number, jim.role, jim.expires_at) == (2, 1, 365 * 86_400.0)
    assert register.change(OPENDNP3_ADDS_JIM, settings, 0.0) == AuthenticationError.INVALID_CERTIFICATION
    ours = Authority(b"\xaa" * 32).certify(UserOperation.ADD, "jim", 0, role=1, days=365)
    assert ours.octets() == OPENDNP3_ADDS_JIM


def test_a_proof_of_a_new_key_is_for_the_outstation_of_a_name_only():
    register, authority, key = UserRegister([User(1, "bo", b"")]), Authority(KEY), bytes(32)

    def finish(named):
        asked = UpdateKeyChangeRequest(4, "bo", b"from").octets()
        reply = UpdateKeyChangeReply.parse(register.begin_update(asked, SETTINGS, 9, b"data")[6:])
        change = UpdateKeyChange(reply.sequence, 1, authority.encrypt("bo", key, reply.data)).octets()
        given = hmac.new(key, named + b"from" + b"data" + bytes.fromhex("09000000 0100"), sha256).digest()
        return register.finish_update(change, given, SETTINGS)

    assert finish(b"another") == finish(b"bo") == AuthenticationError.AUTHENTICATION_FAILED
    number, answer = finish(b"outstation")
    assert number == 1
    assert answer[6:] == hmac.new(key, b"bo" + b"data" + b"from" + bytes.fromhex("09000000 0100"), sha256).digest()


def test_the_number_of_users_is_bounded():
    register = UserRegister()
    settings = AuthenticationSettings(authority_key=KEY, max_users=1)
    assert change(register, UserOperation.ADD, "a", 1, settings) is None
    assert change(register, UserOperation.ADD, "b", 2, settings) == AuthenticationError.INVALID_CERTIFICATION


def test_an_update_out_of_turn_is_unexpected():
    register = UserRegister([User(1, "common", b"k")])
    octets = bytes.fromhex("01000000 0100 0000")
    assert register.finish_update(octets, b"", SETTINGS) == AuthenticationError.AUTHENTICATION_FAILED
    with pytest.raises(RemoteProtocolError):
        register.begin_update(b"", SETTINGS, 1, b"abcd")
