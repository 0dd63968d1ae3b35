"""Classification: one label for a text, from the mean of its final hidden states."""

__all__ = ["answers", "baselines", "examples", "network", "page", "settings"]
