from __future__ import annotations

from pathlib import Path

import pytest

from gridiface.datafiles import data_folder
from gridiface.errors import ConfigError
from gridiface.pki.profiles import default_profiles, load_profiles, parse_profiles

TEXT = (data_folder("certs") / "profiles.toml").read_text(encoding="utf-8")


def test_the_profiles_of_the_standard_are_there() -> None:
    assert set(default_profiles().profiles) == {
        "serca", "mca", "mica", "device", "aggregator", "utility", "operator", "server",
    }  # fmt: skip


def test_policies_are_resolved_to_numbers() -> None:
    profiles = default_profiles()
    assert profiles.get("device").policies[0] == "1.3.6.1.4.1.40732.1.1"
    assert profiles.policy_names["2.5.29.32.0"] == "any"


def test_each_role_of_a_client_has_a_policy_of_its_own() -> None:
    profiles = default_profiles()
    roles = [set(profiles.get(name).policies) for name in ("device", "aggregator", "utility", "operator")]
    assert all(not first & second for first in roles for second in roles if first is not second)
    assert all(role & profiles.accepted["sep2"] for role in roles)


def test_an_unknown_profile_names_those_that_exist() -> None:
    with pytest.raises(ConfigError, match="aggregator, device"):
        default_profiles().get("toaster")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('policies = ["any"]', 'policies = ["nobody"]', "nobody"),
        ("ca = true", "ca = true\ncolour = 3", "colour"),
        ('san = "hardware"', 'san = "velvet"', "velvet"),
        ("[policies]", "[policies", "profiles.toml"),
    ],
)
def test_a_mistake_in_the_file_is_told(before: str, after: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_profiles(TEXT.replace(before, after))


def test_a_missing_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml"):
        load_profiles(tmp_path / "gone.toml")
