"""R9: the DNP3 core fuzzed in process, every function and object, right, nearly right, and noise."""

from __future__ import annotations

from gridiface.cli.chaos.scenario import Finding, Plan, Scenario
from gridiface.simulation.dnp3 import fuzz

_SHORT, _FULL = 20_000, 1_000_000


def run(plan: Plan) -> Finding:
    """So many inputs, a quarter against each kind of end point."""
    report = fuzz.run(plan.count(_SHORT, _FULL), plan.seed)
    return Finding(
        checks={
            "no exception escapes": not report.exceptions,
            "the link answers after each input": not report.unanswered,
            "no input takes 50 ms of the processor": not report.over_50_ms,
            "memory does not grow by 5 MiB": report.growth_mib < fuzz.MOST_GROWTH_MIB,
        },
        figures=report.as_dict(),
    )


SCENARIO = Scenario("dnp3-fuzz", "R9", "the DNP3 core is fuzzed in process", run)
