"""Classification: one label for a text, from the mean of its final hidden states."""

__all__ = [
    "answers",
    "baselines",
    "behaviour",
    "examples",
    "labelling",
    "network",
    "onnx_form",
    "page",
    "settings",
]
