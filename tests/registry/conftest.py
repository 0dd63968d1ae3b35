from __future__ import annotations

from tests.stores import (  # noqa: F401
    _none_left_running,
    _not_stopping,
    _probe,
    _probe_steps,
    calls,
    config,
    model_folder,
    seed,
    store,
    task_of,
)
