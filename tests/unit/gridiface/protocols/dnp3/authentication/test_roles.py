import pytest

from gridiface.protocols.dnp3.application import FunctionCode
from gridiface.protocols.dnp3.authentication.algorithms import User
from gridiface.protocols.dnp3.authentication.roles import CRITICAL, OPTIONAL_CRITICAL, ROLES, Permission, needed


@pytest.mark.parametrize(
    ("function", "groups", "roles"),
    [
        # what every master does at its start: restart seen, events unasked
        (FunctionCode.WRITE, {80}, {0, 1, 2, 3, 4, 5, 6, 32_768}),
        (FunctionCode.ENABLE_UNSOLICITED, {60}, {0, 1, 2, 3, 4, 5, 6, 32_768}),
        (FunctionCode.WRITE, {50}, {1, 2, 3, 32_768}),
        (FunctionCode.RECORD_CURRENT_TIME, set(), {1, 2, 3, 32_768}),
        (FunctionCode.IMMED_FREEZE, {20}, {1, 2, 3, 32_768}),
        (FunctionCode.WRITE, {80, 34}, {2, 3, 32_768}),
        (FunctionCode.WRITE, set(), {2, 3, 32_768}),
        (FunctionCode.COLD_RESTART, set(), {2, 3, 32_768}),
        (FunctionCode.OPERATE, {41}, {1, 32_768}),
    ],
)
def test_who_may_do_what(function, groups, roles):
    assert {role for role in (*ROLES, 7) if User(1, "x", b"", role).may(function, 0, frozenset(groups))} == roles


def test_critical_functions_of_the_standard():
    assert {2, 3, 4, 5, 6, 13, 14, 16, 17, 18, 19, 20, 21, 24, 25, 26, 27, 28, 29, 30, 31} == CRITICAL


def test_what_may_be_challenged_beside_them_is_not_among_them():
    added = frozenset().union(*OPTIONAL_CRITICAL.values())
    assert added == {1, 7, 8, 9, 10, 11, 12, 22, 23}
    assert not added & CRITICAL


def test_what_no_table_names_wants_the_right_to_configure():
    assert needed(FunctionCode.ASSIGN_CLASS) is Permission.CONFIGURE
    assert needed(99) is Permission.CONFIGURE
