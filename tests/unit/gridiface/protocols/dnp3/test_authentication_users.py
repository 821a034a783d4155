import pytest

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.authentication import (
    AuthenticationError,
    AuthenticationSettings,
    KeyChangeMethod,
    User,
    UserOperation,
)
from gridiface.protocols.dnp3.authentication_users import Authority, UserRegister

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


def test_the_number_of_users_is_bounded():
    register = UserRegister()
    settings = AuthenticationSettings(authority_key=KEY, max_users=1)
    assert change(register, UserOperation.ADD, "a", 1, settings) is None
    assert change(register, UserOperation.ADD, "b", 2, settings) == AuthenticationError.INVALID_CERTIFICATION


def test_an_update_out_of_turn_is_unexpected():
    register = UserRegister([User(1, "common", b"k")])
    octets = bytes.fromhex("01000000 0100 0000")
    assert register.finish_update(octets, b"", SETTINGS) == AuthenticationError.UNEXPECTED_RESPONSE
    with pytest.raises(RemoteProtocolError):
        register.begin_update(b"", SETTINGS, 1, b"abcd")
