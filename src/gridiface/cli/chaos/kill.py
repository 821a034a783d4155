"""R1: the server is killed under mixed writes; what it acknowledged is in the database after the restart, once."""

from __future__ import annotations

import asyncio
import statistics

from gridiface.cli.chaos.scenario import Finding, Plan, Scenario
from gridiface.simulation.load.killing import Account, kill_again_and_again


def run(plan: Plan) -> Finding:
    """5 kills, in the full form 1,000: readings, registrations and controls over the wire, SQLite."""
    return finding(asyncio.run(kill_again_and_again(plan.count(5, 1000), seed=plan.seed)))


def finding(account: Account) -> Finding:
    """What the account shows; that the server is ready within 2 s is a figure, because it depends on the machine."""
    return Finding(
        {
            "something was acknowledged in every round": account.acknowledged >= account.kills > 0,
            "nothing acknowledged is lost": not account.lost,
            "nothing is there twice": not account.doubled,
        },
        {
            "kills": account.kills,
            "acknowledged": account.acknowledged,
            "readings": account.readings,
            "registrations": account.registrations,
            "controls": account.controls,
            "lost": account.lost[:20],
            "doubled": account.doubled[:20],
            "ready_s": {
                "min": min(account.ready_s),
                "median": statistics.median(account.ready_s),
                "max": max(account.ready_s),
            }
            if account.ready_s
            else None,
        },
    )


SCENARIO = Scenario("kill", "R1", "the server is killed under mixed writes and loses nothing that it acknowledged", run)
