"""Implementation of commands that run without a flow."""

__all__ = ["champions", "checkup", "comparing", "forecast", "housekeeping", "inference"]
