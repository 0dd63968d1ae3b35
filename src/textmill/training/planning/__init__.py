"""Planning of trainings: measured throughput, forecasts, scaling laws, and sizes for a budget."""

__all__ = ["cost", "law", "measure", "plan", "scaling", "sizes", "speed", "trial"]
