"""R10: a whole DNP3 server fuzzed over TCP; after each frame the link status must be answered."""

from __future__ import annotations

from gridiface.cli.bench.dnp3 import whole_server
from gridiface.cli.chaos.scenario import Finding, Plan, Scenario
from gridiface.simulation.dnp3.fuzz import TcpFuzz

_SHORT, _FULL = 2_000, 1_000_000


def run(plan: Plan) -> Finding:
    """So many frames over one connection after another."""
    with whole_server() as port:
        report = TcpFuzz("127.0.0.1", port).run(plan.count(_SHORT, _FULL), plan.seed)
    return Finding(checks={"the link answers after each frame": not report.unanswered}, figures=report.as_dict())


SCENARIO = Scenario("dnp3-tcp", "R10", "a DNP3 server is fuzzed over TCP, with a health check after each frame", run)
