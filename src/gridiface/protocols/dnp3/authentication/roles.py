"""Secure Authentication v5: which functions are challenged, and what roles may do (IEEE 1815-2012 clause 7).

Owns the table of critical functions and the permissions of roles. Who is who is authentication.py's.
"""

from __future__ import annotations

from collections.abc import Set
from enum import IntFlag
from typing import Final

from gridiface.protocols.dnp3.application import FunctionCode


class Permission(IntFlag):
    """What a role may do."""

    MONITOR = 1
    OPERATE = 2
    FILES = 4
    CONFIGURE = 8
    SECURITY = 16


ROLES: Final[dict[int, Permission]] = {
    0: Permission.MONITOR,
    1: Permission.MONITOR | Permission.OPERATE,
    2: Permission.MONITOR | Permission.FILES | Permission.CONFIGURE,
    3: Permission.MONITOR | Permission.FILES | Permission.CONFIGURE,
    4: Permission.MONITOR | Permission.SECURITY,
    5: Permission.MONITOR,
    6: Permission.MONITOR | Permission.SECURITY,
    32768: Permission.MONITOR | Permission.OPERATE | Permission.FILES | Permission.CONFIGURE | Permission.SECURITY,
}
"""Viewer, operator, engineer, installer, security administrator, security auditor, role manager; 32768 single user."""

_OPERATING: Final = frozenset(
    (
        FunctionCode.SELECT,
        FunctionCode.OPERATE,
        FunctionCode.DIRECT_OPERATE,
        FunctionCode.DIRECT_OPERATE_NR,
    )
)
_READING: Final = frozenset(
    (
        FunctionCode.READ,
        FunctionCode.CONFIRM,
        FunctionCode.DELAY_MEASURE,
        FunctionCode.ENABLE_UNSOLICITED,
        FunctionCode.DISABLE_UNSOLICITED,
    )
)
_FREEZING: Final = frozenset(range(FunctionCode.IMMED_FREEZE, FunctionCode.FREEZE_AT_TIME_NR + 1))
_INDICATIONS, _TIME = 80, 50
FILE_FUNCTIONS: Final = frozenset(range(FunctionCode.OPEN_FILE, FunctionCode.ABORT_FILE + 1))

CRITICAL: Final[frozenset[int]] = FILE_FUNCTIONS | {
    FunctionCode.WRITE,
    *_OPERATING,
    FunctionCode.COLD_RESTART,
    FunctionCode.WARM_RESTART,
    FunctionCode.INITIALIZE_APPL,
    FunctionCode.START_APPL,
    FunctionCode.STOP_APPL,
    FunctionCode.SAVE_CONFIG,
    FunctionCode.ENABLE_UNSOLICITED,
    FunctionCode.DISABLE_UNSOLICITED,
    FunctionCode.RECORD_CURRENT_TIME,
    FunctionCode.ACTIVATE_CONFIG,
}
"""Functions that are always challenged; configuration may add others."""

OPTIONAL_CRITICAL: Final[dict[str, frozenset[int]]] = {
    "read": frozenset((FunctionCode.READ,)),
    "delay-measure": frozenset((FunctionCode.DELAY_MEASURE,)),
    "freeze": _FREEZING,
    "assign-class": frozenset((FunctionCode.ASSIGN_CLASS,)),
}
"""Those others, by what they are called in a configuration. Confirms are not among them: they ask for nothing."""


def needed(function: int, groups: Set[int] = frozenset()) -> Permission:
    """The permissions of which a function wants one; `groups` are those of the objects that it writes.

    What every master must do to be told anything at all wants no more than reading: which events come unasked, and that
    the restart was seen. The time and freezes are an operator's as well as an engineer's.
    """
    writes = function == FunctionCode.WRITE and bool(groups)
    if function in _READING or (writes and groups <= {_INDICATIONS}):
        return Permission.MONITOR
    if function in _OPERATING:
        return Permission.OPERATE
    if function in FILE_FUNCTIONS:
        return Permission.FILES
    timing = function == FunctionCode.RECORD_CURRENT_TIME or (writes and groups <= {_INDICATIONS, _TIME})
    return Permission.OPERATE | Permission.CONFIGURE if timing or function in _FREEZING else Permission.CONFIGURE
