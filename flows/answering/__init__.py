"""Implementation of commands that run without a flow."""

__all__ = [
    "champions",
    "checkup",
    "comparing",
    "export",
    "filtering",
    "forecast",
    "harness",
    "housekeeping",
    "inference",
    "input_rows",
    "recipes",
    "row_prediction",
]
