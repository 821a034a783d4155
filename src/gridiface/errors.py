"""The error tree of gridiface; every exception that crosses a package border is one of these.

- GridifaceError
    - ProtocolError            a rule of a wire protocol was broken
        - LocalProtocolError   by us: a programming error, never caused by what a peer sends
        - RemoteProtocolError  by the peer: `answer` says what the protocol wants as reply
    - RefusedControl           a control was understood and cannot be taken
    - DeviceError              a device did not do what it was told
        - DeviceTimeout        it did not answer in time
        - DeviceRejected       it answered with a refusal
    - ConfigError              the operator's configuration is wrong: file, place and the fix are in the text
        - ConfigConflict       what is asked is right by itself, and stands against what is there
    - StoreUnavailable         nothing can be made durable now: answer 503, acknowledge nothing

Expected outcomes (an Acceptance, a CommandStatus) are values, not exceptions.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


class GridifaceError(Exception):
    """Base of all errors that gridiface raises on purpose.

    Attributes:
        details: for programs, beside the text: members of the problem that the command line prints with --json.
    """

    details: Mapping[str, Any] = MappingProxyType({})


class ProtocolError(GridifaceError):
    """A rule of a wire protocol was broken."""


class LocalProtocolError(ProtocolError):
    """We broke the rule: a caller used a protocol core in a way its docstring forbids."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the rule.

    Args:
        reason: one sentence for the log and for the answer's body; never holds a secret.
        answer: what the protocol wants as reply: an HTTP status, an IIN bit mask, an EiResponse code.
        detail: the protocol's own reason number where it has one (IEEE 2030.5 Error.reasonCode).
    """

    def __init__(self, reason: str, *, answer: int = 400, detail: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.answer = answer
        self.detail = detail


class RefusedControl(GridifaceError):
    """A control was understood and cannot be taken."""


class DeviceError(GridifaceError):
    """A device did not do what it was told.

    Args:
        reason: one sentence, with the register, point or call that failed.
        device_id: which device, where the raiser knows it.
    """

    def __init__(self, reason: str, *, device_id: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.device_id = device_id


class DeviceTimeout(DeviceError):
    """The device did not answer in time; whether it acted is unknown."""


class DeviceRejected(DeviceError):
    """The device answered with a refusal, or a read-back did not show what was written."""


class ConfigError(GridifaceError):
    """The operator's configuration is wrong; the text names file, place and the fix."""


def cannot_listen(where: str, problem: OSError) -> ConfigError:
    """Why an address cannot be listened on, and what to do about it.

    Args:
        where: the address, such as "127.0.0.1 port 8443".
        problem: what the system says.
    """
    fix = {
        errno.EADDRINUSE: "another program listens there (`gridiface doctor CONFIG` looks): stop it, or choose another",
        errno.EACCES: "ports below 1024 take CAP_NET_BIND_SERVICE, as the systemd unit gives it; or choose another",
        errno.EADDRNOTAVAIL: "this machine has no such address; 0.0.0.0 stands for all that it has",
    }.get(problem.errno or 0, "choose another")
    said = os.strerror(problem.errno) if problem.errno else str(problem)
    if (problem.errno or 0) < 0:  # the resolver's own numbers (gai_strerror)
        said, fix = (
            "no address is known for that name",
            "write an address; 0.0.0.0 stands for all that this machine has",
        )
    return ConfigError(f"cannot listen on {where}: {said}; {fix}")


class ConfigConflict(ConfigError):
    """What is asked is right by itself, and stands against what is there."""


class StoreUnavailable(GridifaceError):
    """Nothing can be made durable now; the caller must not acknowledge."""


def plainly(problem: Exception) -> str:
    """What is wrong with a file, for people who are told its path beside it.

    What the system says comes without its number and the path; a library's advice without the address of its page.
    """
    told = problem.strerror if isinstance(problem, OSError) else None
    return told or str(problem).partition(". See http")[0]
