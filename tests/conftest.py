from __future__ import annotations

import os

# Test models are so small that a second thread costs more than it gains, and tests run two by two.
os.environ.setdefault("OMP_NUM_THREADS", "1")
