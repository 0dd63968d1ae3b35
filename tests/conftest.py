from __future__ import annotations

import os

from hypothesis import settings

# Test models are so small that a second thread costs more than it gains, and tests run two by two.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples in every run; to look for new ones, pytest --hypothesis-profile=default
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
