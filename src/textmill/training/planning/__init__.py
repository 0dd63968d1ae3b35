"""How large a model, how many tokens and how long: measured speed and scaling laws."""
