from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
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


@pytest.fixture(params=["pretended", pytest.param("real", marks=pytest.mark.gpu)])
def gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A GPU: a real one, or one that finds tensors on the wrong device."""
    if request.param == "real":
        yield
        return
    from tests.pretended_gpu import pretended_gpu  # imports torch, which few tests need

    with pretended_gpu(monkeypatch):
        yield
