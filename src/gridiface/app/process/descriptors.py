"""How many connections each listener may hold, so that none of them can take the descriptors of all others.

Pure, but for the limit of the process. What is kept for the operator and DNP3 is northbound.descriptors'.
"""

from __future__ import annotations

import contextlib
import resource

from gridiface.app.config.model import Config
from gridiface.northbound.descriptors import spares

#: Database, logs, event loop, pipes, certificates being read again.
_OWN_FILES = 64
#: A listener of 2030.5 or OpenADR has at least this share of what the process may open.
_LEAST_SHARE = 4


def raise_descriptor_limit() -> None:
    """Use as many file descriptors as the system allows: every connection and device needs one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def kept_from(config: Config, part: str) -> int:
    """File descriptors that the listener of a part ("sep2" or "openadr") leaves to the rest of the process."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    own = _OWN_FILES + spares() + len(config.devices)
    if config.dnp3 is not None:
        own += sum(endpoint.connections for endpoint in config.dnp3.endpoints)
    if config.operator is not None:
        own += min(config.operator.limits.connections, max(_OWN_FILES, soft // 16))
    others = {"sep2": config.openadr, "openadr": config.sep2}[part]
    share = max(0, soft - own) // (1 if others is None else 2)
    least = soft // _LEAST_SHARE
    return soft - max(share, least)
