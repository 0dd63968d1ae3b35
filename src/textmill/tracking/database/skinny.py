"""A faster import of MLflow, for commands that only read the store.

MLflow imports NumPy, pandas, SciPy and pyarrow if they are installed, and works without them, as
its package mlflow-skinny does: only model signatures and data frames need them, not its client.
"""

from __future__ import annotations

import sys

SKIPPED_PACKAGES = ("numpy", "pandas", "pyarrow", "scipy")


def load_skinny() -> None:
    """Import MLflow without those packages, which saves half a second of CPU time.

    Other modules can import them afterwards. The process cannot log models, or load them with
    mlflow.pyfunc. No effect if MLflow is already imported.
    """
    if "mlflow" in sys.modules:
        return
    hidden = [name for name in SKIPPED_PACKAGES if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: cannot be imported
    try:
        import mlflow  # noqa: F401
    finally:
        for name in hidden:
            del sys.modules[name]
