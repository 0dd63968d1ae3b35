"""Planning of trainings: measured throughput, forecasts, and scaling laws."""
