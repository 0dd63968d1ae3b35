"""Planning of trainings: measured throughput, forecasts, and scaling laws."""

__all__ = ["plan", "scaling", "speed"]
