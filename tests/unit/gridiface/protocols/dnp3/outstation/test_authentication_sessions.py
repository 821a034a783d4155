import itertools

import pytest

from gridiface.protocols.dnp3.authentication.algorithms import (
    AuthenticationSettings,
    KeyStatus,
    KeyWrap,
    MacAlgorithm,
    User,
    wrap,
)
from gridiface.protocols.dnp3.authentication.users import UserRegister
from gridiface.protocols.dnp3.outstation.authentication_sessions import SessionTable

CONTROL, MONITORING = b"c" * 16, b"m" * 16


@pytest.fixture
def table():
    counting = itertools.count(1)
    users = UserRegister([User(1, "common", bytes(16)), User(2, "other", bytes(32))])
    made = SessionTable(AuthenticationSettings(), users, lambda length: bytes([next(counting)]) * length)
    made.users = users
    return made


def take(table, number=1, *, control=CONTROL, monitoring=MONITORING, status=None, now=0.0):
    """A key change for what the user was offered last."""
    user = table.users.find(number)
    offered = table.offer(user, now)
    plain = len(control).to_bytes(2, "little") + control + monitoring + (status or offered.unsigned())
    return table.change(user, wrap(user.update_key, plain), now)


def status(table, number=1, now=0.0):
    return KeyStatus(table.offer(table.users.find(number), now).status)


def test_keys_are_offered_changed_and_end(table):
    assert status(table) is KeyStatus.NOT_INIT
    assert take(table)
    assert (table.keys(1, 0.0).control, table.keys(1, 0.0).monitoring) == (CONTROL, MONITORING)
    assert (status(table), status(table, 2)) == (KeyStatus.OK, KeyStatus.NOT_INIT)
    assert table.keys(1, 1800.0) is None
    assert status(table, now=1800.0) is KeyStatus.COMM_FAIL


def test_every_offer_has_a_sequence_and_data_of_its_own(table):
    first, second = table.offer(table.users.find(1), 0.0), table.offer(table.users.find(2), 0.0)
    assert (first.sequence, second.sequence, table.next_sequence()) == (1, 2, 3)
    assert first.data != second.data
    assert (first.wrap, second.wrap) == (KeyWrap.AES_128, KeyWrap.AES_256)
    assert (first.algorithm, first.mac) == (MacAlgorithm.NONE, b"")


@pytest.mark.parametrize(
    "wrong",
    [
        {"control": b"c" * 8, "monitoring": b"m" * 8},
        {"control": b"c" * 40, "monitoring": b"m" * 40},
        {"monitoring": CONTROL},
        {"status": bytes(27)},
    ],
)
def test_a_change_that_is_not_right_ends_the_keys_there_were(table, wrong):
    assert take(table)
    assert not take(table, **wrong)
    assert table.keys(1, 0.0) is None
    assert status(table) is KeyStatus.AUTH_FAIL


def test_an_answered_challenge_counts_for_the_keys_under_which_it_was(table):
    take(table)
    table.answered(1)
    assert table.has_answered(1)
    take(table)
    assert not table.has_answered(1)


def test_keys_go_with_the_update_key_the_user_the_connection_and_the_device(table):
    take(table)
    take(table, 2)
    table.users.find(1).update_key = b"k" * 16
    assert table.keys(1, 0.0) is None
    table.drop_strangers()
    assert table
    table.drop_all(KeyStatus.COMM_FAIL)
    assert not table
    assert status(table, 2) is KeyStatus.COMM_FAIL
    table.forget()
    assert status(table, 2) is KeyStatus.NOT_INIT
