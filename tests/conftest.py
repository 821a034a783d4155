"""What all tests share: how hypothesis searches, and what is logged.

Examples are drawn the same way in every run, so that a red run can be repeated; GRIDIFACE_EXPLORE=1 draws new ones.
No deadline: a loaded machine is not a defect.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from gridiface.app.log import Fields, JsonFormatter

settings.register_profile(
    "gridiface",
    deadline=None,
    derandomize=os.environ.get("GRIDIFACE_EXPLORE") != "1",
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("gridiface")


@pytest.fixture
def told() -> Iterator[list[dict[str, Any]]]:
    """What is logged while a test runs, as the JSON form of the log has it: one dict per record."""
    found: list[dict[str, Any]] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(json.loads(self.format(record)))

    handler = Keeper(logging.INFO)
    handler.addFilter(Fields())
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("gridiface")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield found
    logger.removeHandler(handler)
    logger.setLevel(level)
