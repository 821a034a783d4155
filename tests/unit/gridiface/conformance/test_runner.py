"""Verdicts: what passes, what fails, and what is neither; names between steps; reports."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from gridiface.conformance.procedures import Procedure, Step
from gridiface.conformance.runner import Failed, Inconclusive, Verdict, as_json, as_junit, counts, run


class Fake:
    """Does what the step says."""

    def __init__(self):
        self.names, self.evidence, self.closed, self.seen = {"given": "42"}, ["> a"], False, []
        self.actions = {"ok": self.seen.append, "raise": self._raise}

    def _raise(self, step):
        raise {"failed": Failed("no"), "open": Inconclusive("cannot"), "eof": EOFError("gone")}[step["what"]]

    def close(self):
        self.closed = True


def one(*steps, **more):
    return Procedure(id="A", title="t", cites="c", steps=tuple(Step(*step) for step in steps), **more)


@pytest.mark.parametrize(
    ("procedure", "verdict", "step"),
    [
        (one(("ok", {})), Verdict.PASS, 1),
        (one(("ok", {}), ("raise", {"what": "failed"})), Verdict.FAIL, 2),
        (one(("raise", {"what": "eof"})), Verdict.FAIL, 1),
        (one(("raise", {"what": "open"}), ("ok", {})), Verdict.INCONCLUSIVE, 1),
        (one(("unknown", {})), Verdict.INCONCLUSIVE, 1),
        (one(("ok", {"a": "${nowhere}"})), Verdict.INCONCLUSIVE, 1),
        (one(("ok", {}), needs=("utility",)), Verdict.INCONCLUSIVE, 0),
    ],
)
def test_verdicts(procedure, verdict, step):
    made = []

    def make():
        made.append(Fake())
        return made[-1]

    (result,) = run([procedure], make)
    assert (result.verdict, result.step) == (verdict, step)
    assert all(session.closed for session in made)
    assert bool(result.reason) is (verdict is not Verdict.PASS)


def test_names_are_filled_in_wherever_they_stand():
    session = Fake()
    run([one(("ok", {"a": "x${given}", "b": [{"c": "${given}"}], "d": 1}))], lambda: session)
    assert session.seen == [{"a": "x42", "b": [{"c": "42"}], "d": 1}]


def test_reports():
    told = []
    procedures = [one(("ok", {})), one(("raise", {"what": "failed"})), one(("ok", {}), needs=("x",))]
    results = run(procedures, Fake, told=told.append)
    assert told == results
    assert counts(results) == {"pass": 1, "fail": 1, "inconclusive": 1}
    assert [row["verdict"] for row in as_json(results, evidence=False)] == ["pass", "fail", "inconclusive"]
    assert as_json(results, evidence=True)[0]["evidence"] == ["> a"]
    suite = ElementTree.fromstring(as_junit(results, "s"))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    assert run([one(("ok", {}), needs=("x",))], Fake, options=["x"])[0].verdict is Verdict.PASS
