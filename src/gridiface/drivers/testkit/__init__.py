"""The examination that every driver passes: checks of `gridiface.drivers.api.Driver` against a simulated peer.

A driver's own tests give a factory of benches (a driver not yet open, and its peer) and call `examine`, or run each of
`CHECKS` as a test of its own. A check raises AssertionError with one sentence. Needs no test framework. A check that
needs a fault which the peer cannot show is left out, and named in the report.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from gridiface.drivers.api import ListeningDriver
from gridiface.drivers.testkit import commands, failures
from gridiface.drivers.testkit.bench import FAULTS, Bench, BenchFactory, Check, Held, Peer
from gridiface.errors import DeviceError

__all__ = ["CHECKS", "FAULTS", "Bench", "BenchFactory", "Check", "Held", "Peer", "Report", "examine", "run_check"]

#: No check takes longer; a driver that hangs fails by this.
PATIENCE_S = 30.0

#: Every check, with the faults that it needs.
CHECKS: tuple[tuple[Check, frozenset[str]], ...] = (
    (commands.opens_and_tells_its_nameplate, frozenset()),
    (commands.writes_what_it_acknowledges, frozenset()),
    (commands.positive_is_discharge, frozenset()),
    (commands.reads_in_watts, frozenset()),
    (commands.stays_inside_the_rating, frozenset()),
    (commands.rounds_a_ceiling_down, frozenset()),
    (commands.leaves_alone_what_is_not_named, frozenset()),
    (commands.lets_go, frozenset()),
    (commands.lets_go_of_one_quantity, frozenset()),
    (commands.refuses_an_empty_command, frozenset()),
    (failures.tells_silence, frozenset({"hang"})),
    (failures.tells_a_missing_device, frozenset({"off"})),
    (failures.tells_a_refusal_once, frozenset({"reject"})),
    (failures.believes_the_read_back_only, frozenset({"ignore"})),
    (failures.notices_wrong_values, frozenset({"wrong_values"})),
    (failures.comes_back, frozenset({"off"})),
    (failures.closes_twice, frozenset()),
    (failures.survives_cancellation, frozenset({"hang"})),
)


@dataclass(frozen=True, slots=True)
class Report:
    """Which checks a driver passed, and which its peer could not put."""

    passed: tuple[str, ...]
    left_out: tuple[str, ...]


async def run_check(check: Check, factory: BenchFactory) -> None:
    """One check on a bench of its own.

    Raises:
        AssertionError: the driver fails it, in one sentence.
    """
    async with factory() as bench:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await check(bench)
        except TimeoutError:
            raise AssertionError(f"{_name(check)}: the driver did not come back within {PATIENCE_S:g} s") from None
        except DeviceError as error:
            raise AssertionError(f"{_name(check)}: the driver raised {type(error).__name__}: {error.reason}") from error
        finally:
            await bench.peer.fault("none")
            await bench.driver.close()
            if isinstance(bench.driver, ListeningDriver):
                await bench.driver.end()


async def examine(factory: BenchFactory) -> Report:
    """All checks, each on a fresh bench.

    Raises:
        AssertionError: checks failed; a line for each, with its name and what it found.
    """
    passed: list[str] = []
    left_out: list[str] = []
    failed: list[str] = []
    for check, needs in CHECKS:
        async with factory() as probe:
            possible = needs <= probe.peer.faults
        if not possible:
            left_out.append(_name(check))
            continue
        try:
            await run_check(check, factory)
        except AssertionError as error:
            failed.append(f"{_name(check)}: {str(error).removeprefix(f'{_name(check)}: ')}")
        else:
            passed.append(_name(check))
    if failed:
        raise AssertionError(f"{len(failed)} of {len(CHECKS)} checks failed:\n" + "\n".join(failed))
    return Report(tuple(passed), tuple(left_out))


def _name(check: Check) -> str:
    return getattr(check, "__name__", repr(check))
