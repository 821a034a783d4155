from __future__ import annotations

from gridiface.pki.alerts import Alert
from gridiface.pki.profiles import default_profiles
from gridiface.pki.rules import Check, Verdict, openadr_rules, sep2_rules


def test_the_first_refusing_check_decides() -> None:
    checks = (
        Check("a", "1", passed=True),
        Check("b", "2", passed=False, refuses=False, detail="only a note"),
        Check("c", "3", passed=False, detail="no", alert=Alert.UNKNOWN_CA),
        Check("d", "4", passed=False),
    )
    verdict = Verdict(None, checks)
    assert not verdict.accepted
    assert verdict.refusal is checks[2]
    assert verdict.notes == (checks[1],)
    assert verdict.describe() == "refused lfdi=? check=c (3): no; alert=unknown_ca"
    assert Verdict(None, checks[:2]).accepted
    assert Verdict(None, checks[:2]).describe() == "accepted lfdi=?"


def test_the_rules_of_the_standards() -> None:
    sep2, openadr = sep2_rules(), openadr_rules()
    assert (sep2.max_depth, sep2.curves, sep2.rsa_bits) == (4, {"secp256r1"}, None)
    assert sep2.policies == default_profiles().accepted["sep2"]
    assert (openadr.rsa_bits, openadr.policies) == (2048, None)
