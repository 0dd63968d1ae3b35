"""Planning of trainings: measured throughput, forecasts, scaling laws, and sizes for a budget."""

__all__ = ["backbones", "cost", "law", "plan", "scaling", "sizes", "speed"]
