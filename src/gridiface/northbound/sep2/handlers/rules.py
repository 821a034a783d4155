"""The rules of every function set whose resources are published, by wire class."""

from __future__ import annotations

from collections.abc import Mapping

from gridiface.northbound.sep2.handlers import (
    billing,
    drlc,
    files,
    messaging,
    prepayment,
    pricing,
    usage_points,
)
from gridiface.northbound.sep2.published.preparing import Rule

RULES: Mapping[type, Rule] = {
    **billing.RULES,
    **drlc.RULES,
    **files.RULES,
    **messaging.RULES,
    **prepayment.RULES,
    **pricing.RULES,
    **usage_points.RULES,
}
