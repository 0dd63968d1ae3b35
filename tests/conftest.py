from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Test models are so small that a second thread costs more than it gains, and tests run two by two.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples in every run; to look for new ones, pytest --hypothesis-profile=default
settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # of a machine that does other work as well
)
settings.load_profile("repeatable")
