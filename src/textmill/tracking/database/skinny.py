"""MLflow as its smaller distribution has it, for commands that answer and end.

MLflow loads NumPy, pandas, SciPy and pyarrow at its import where they are installed, and goes
without where they are not, as in its package mlflow-skinny: its client needs none of them, but
models' signatures and data frames do.
"""

from __future__ import annotations

import sys

LEFT_OUT = ("numpy", "pandas", "pyarrow", "scipy")


def load_skinny() -> None:
    """Load MLflow's client without those packages; half a second of processor time less.

    Others may load them afterwards. The process can log no model then, and read none through
    mlflow.pyfunc. Where MLflow is loaded already, it stays as it is.
    """
    if "mlflow" in sys.modules:
        return
    hidden = [name for name in LEFT_OUT if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: cannot be imported
    try:
        import mlflow  # noqa: F401
    finally:
        for name in hidden:
            del sys.modules[name]
