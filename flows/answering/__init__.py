"""What commands answer from a store or a machine, without a flow."""

__all__ = ["answers", "checkup", "comparing", "housekeeping", "models", "planning"]
