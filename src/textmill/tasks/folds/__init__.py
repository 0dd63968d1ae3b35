"""Cross-validation: scores of a task's training on the examples that each training did not see."""

__all__ = ["cross_validation", "division"]
