"""What all tests share: how hypothesis searches.

Examples are drawn the same way in every run, so that a red run can be repeated; GRIDIFACE_EXPLORE=1 draws new ones.
No deadline: a loaded machine is not a defect.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "gridiface",
    deadline=None,
    derandomize=os.environ.get("GRIDIFACE_EXPLORE") != "1",
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("gridiface")
