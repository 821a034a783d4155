"""Loads certs/profiles.toml: which fields each kind of certificate carries, and which policies are accepted.

Data only; certificates are made in `authority` and judged in `policy`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gridiface.datafiles import data_folder
from gridiface.errors import ConfigError, plainly

ANY_POLICY = "2.5.29.32.0"
HARDWARE_MODULE_NAME = "1.3.6.1.5.5.7.8.4"
"""id-on-hardwareModuleName: the otherName of a device certificate (RFC 4108 section 5)."""

KeyUsageBit = Literal[
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
]


class Profile(BaseModel):
    """What one kind of certificate carries (IEEE 2030.5-2018 section 6.11)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    ca: bool
    subject: Literal["name", "empty"]
    san: Literal["none", "hardware", "host"]
    key_usage: tuple[KeyUsageBit, ...]
    policies: tuple[str, ...]
    path_length: int | None = None
    issued_by: tuple[str, ...] = ()


class _Hardware(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    hw_type: str


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    policies: dict[str, str]
    accepted: dict[str, tuple[str, ...]]
    hardware: _Hardware
    profiles: dict[str, Profile] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Profiles:
    """The whole file, policy words already resolved to dotted identifiers.

    Attributes:
        profiles: name -> profile; `policies` of each are dotted.
        policy_names: dotted identifier -> word, for people.
        accepted: rule set -> dotted identifiers of which a peer must carry one.
        hw_type: hwType of test devices, dotted.
    """

    profiles: dict[str, Profile]
    policy_names: dict[str, str]
    accepted: dict[str, frozenset[str]]
    hw_type: str

    def get(self, name: str) -> Profile:
        """The profile called `name`.

        Raises:
            ConfigError: there is none; the text lists those that exist.
        """
        try:
            return self.profiles[name]
        except KeyError:
            known = ", ".join(sorted(self.profiles))
            raise ConfigError(f"no certificate profile is called {name!r}; there are {known}") from None


def parse_profiles(text: str, *, source: str = "profiles.toml") -> Profiles:
    """Profiles from TOML text.

    Raises:
        ConfigError: the text is not TOML, has unknown or missing keys, or names a policy it does not define.
    """
    try:
        file = _File.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigError(f"{source}: {plainly(error)}") from error

    def dotted(words: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [word for word in words if word not in file.policies]
        if unknown:
            raise ConfigError(f"{source}: [policies] does not define {', '.join(unknown)}")
        return tuple(file.policies[word] for word in words)

    return Profiles(
        profiles={
            name: profile.model_copy(update={"policies": dotted(profile.policies)})
            for name, profile in file.profiles.items()
        },
        policy_names={number: word for word, number in file.policies.items()},
        accepted={name: frozenset(dotted(words)) for name, words in file.accepted.items()},
        hw_type=file.hardware.hw_type,
    )


def load_profiles(path: Path) -> Profiles:
    """Profiles from a file.

    Raises:
        ConfigError: it cannot be read, or see `parse_profiles`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {plainly(error)}") from error
    return parse_profiles(text, source=str(path))


@cache
def default_profiles() -> Profiles:
    """The profiles that this installation carries.

    Raises:
        ConfigError: the file is broken.
        FileNotFoundError: the installation is.
    """
    return load_profiles(data_folder("certs") / "profiles.toml")
