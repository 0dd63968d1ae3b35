"""Personal data in corpora, prompts and predictions, and filters of prompts and outputs."""

__all__ = [
    "characters",
    "filtering",
    "model_redaction",
    "placeholders",
    "pretokenized",
    "redaction",
]
