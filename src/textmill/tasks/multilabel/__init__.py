"""Multi-label classification: any number of labels for a text, each decided by itself."""

__all__ = ["answers", "baselines", "examples", "network", "page"]
