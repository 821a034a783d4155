"""Runs procedures, one fresh session each, and says of each: passed, failed, or not to be decided here, and why."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol
from xml.etree import ElementTree

from gridiface.conformance.procedures import Procedure, Step

_NAME = re.compile(r"\$\{([A-Za-z0-9_.]+)\}")
#: More of what went over the wire is not kept of one procedure.
_MOST_EVIDENCE = 400


class Verdict(Enum):
    """What a procedure came to."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Failed(Exception):
    """The peer did what the rule forbids, or did not what it demands."""


class Inconclusive(Exception):
    """The rule could not be tried: the peer has nothing to try it on, or an option is missing."""


class Session(Protocol):
    """What carries out the actions of one protocol; one for each procedure."""

    #: `${name}` in arguments.
    names: dict[str, str]
    #: One line for each message that was sent or came.
    evidence: list[str]

    @property
    def actions(self) -> Mapping[str, Callable[[Mapping[str, Any]], None]]:
        """Action name -> what carries it out, given the arguments."""

    def close(self) -> None:
        """End all connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one procedure came to. `step` counts from 1, 0 where none was begun."""

    id: str
    title: str
    cites: str
    verdict: Verdict
    reason: str = ""
    step: int = 0
    seconds: float = 0.0
    evidence: tuple[str, ...] = field(default=(), repr=False)


def run(
    procedures: Iterable[Procedure],
    make: Callable[[], Session],
    options: Iterable[str] = (),
    told: Callable[[Result], None] = lambda _: None,
) -> list[Result]:
    """Run them in order.

    Args:
        procedures: what to run.
        make: a new session.
        options: names of what the person who runs this has given, for `needs`.
        told: called with each result as it is known.
    """
    have, results = set(options), []
    for procedure in procedures:
        result = _run_one(procedure, make, have)
        told(result)
        results.append(result)
    return results


def _run_one(procedure: Procedure, make: Callable[[], Session], have: set[str]) -> Result:
    missing = [need for need in procedure.needs if need not in have]
    if missing:
        return _result(procedure, Verdict.INCONCLUSIVE, reason=f"needs --{', --'.join(missing)}")
    begin, number = time.monotonic(), 0
    session = make()
    try:
        for step in procedure.steps:
            number += 1
            _carry_out(session, step)
        verdict, reason = Verdict.PASS, ""
    except Failed as problem:
        verdict, reason = Verdict.FAIL, str(problem)
    except Inconclusive as problem:
        verdict, reason = Verdict.INCONCLUSIVE, str(problem)
    except (OSError, EOFError) as problem:
        # No answer where one must come is a failure of the peer, or of the way to it; it is no pass.
        verdict, reason = Verdict.FAIL, f"{type(problem).__name__}: {problem}"
    finally:
        session.close()
    seconds = time.monotonic() - begin
    evidence = tuple(session.evidence[:_MOST_EVIDENCE])
    return _result(procedure, verdict, reason=reason, step=number, seconds=seconds, evidence=evidence)


def _result(procedure: Procedure, verdict: Verdict, **more: Any) -> Result:
    return Result(id=procedure.id, title=procedure.title, cites=procedure.cites, verdict=verdict, **more)


def _carry_out(session: Session, step: Step) -> None:
    action = session.actions.get(step.action)
    if action is None:
        raise Inconclusive(f"no action is called {step.action!r}")
    action(_filled(step.arguments, session.names))


def _filled(value: Any, names: Mapping[str, str]) -> Any:
    """The value with every `${name}` in its texts replaced.

    Raises:
        Inconclusive: a name was not given by an earlier step.
    """
    if isinstance(value, str):
        for name in _NAME.findall(value):
            if name not in names:
                raise Inconclusive(f"an earlier step did not find {name}")
        return _NAME.sub(lambda match: names[match[1]], value)
    if isinstance(value, Mapping):
        return {key: _filled(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, names) for item in value]
    return value


def counts(results: Iterable[Result]) -> dict[str, int]:
    """How many of each verdict."""
    found = [result.verdict for result in results]
    return {verdict.value: found.count(verdict) for verdict in Verdict}


def as_json(results: Iterable[Result], *, evidence: bool) -> list[dict[str, Any]]:
    """Results as plain values; what went over the wire only where it is asked for."""
    return [
        {
            "id": result.id,
            "title": result.title,
            "cites": result.cites,
            "verdict": result.verdict.value,
            "reason": result.reason,
            "step": result.step,
            "seconds": round(result.seconds, 3),
            **({"evidence": list(result.evidence)} if evidence else {}),
        }
        for result in results
    ]


def as_junit(results: Iterable[Result], suite: str) -> bytes:
    """Results in the form that build servers read (JUnit XML); inconclusive ones count as skipped."""
    results = list(results)
    found = counts(results)
    root = ElementTree.Element(
        "testsuite",
        name=suite,
        tests=str(len(results)),
        failures=str(found["fail"]),
        skipped=str(found["inconclusive"]),
    )
    for result in results:
        case = ElementTree.SubElement(
            root, "testcase", classname=suite, name=f"{result.id} {result.title}", time=f"{result.seconds:.3f}"
        )
        if result.verdict is Verdict.FAIL:
            ElementTree.SubElement(case, "failure", message=f"step {result.step}: {result.reason}")
        elif result.verdict is Verdict.INCONCLUSIVE:
            ElementTree.SubElement(case, "skipped", message=result.reason)
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode").encode()
