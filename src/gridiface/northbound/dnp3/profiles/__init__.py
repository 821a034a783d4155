"""Ready-made point maps: an ISO's gateway (iso.py) and the DER profile of IEEE 1815.2 (der.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gridiface.errors import ConfigError
from gridiface.northbound.dnp3.pointmap.points import PointEntry
from gridiface.northbound.dnp3.profiles.der import der_profile
from gridiface.northbound.dnp3.profiles.iso import iso_gateway

PROFILES: Mapping[str, Callable[[], tuple[PointEntry, ...]]] = {"iso-gateway": iso_gateway, "der": der_profile}


def profile(name: str) -> tuple[PointEntry, ...]:
    """The points of a profile.

    Raises:
        ConfigError: there is no such profile.
    """
    make = PROFILES.get(name)
    if make is None:
        raise ConfigError(f"no DNP3 profile is called {name!r}; there are {', '.join(PROFILES)}")
    return make()
