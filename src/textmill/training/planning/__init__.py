"""Planning of trainings: measured throughput, forecasts, scaling laws, and sizes for a budget."""

__all__ = ["candidates", "cost", "law", "plan", "scaling", "sizes", "speed"]
