"""Learning curves: scores of models trained on more and more labels."""

__all__ = ["arms", "curve", "subsets"]
