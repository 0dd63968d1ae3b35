"""Implementation of commands that run without a flow."""

__all__ = ["answers", "checkup", "comparing", "housekeeping", "models", "planning"]
