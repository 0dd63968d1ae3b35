"""Detection and redaction of personal data, in corpora, prompts and predictions."""

__all__ = ["characters", "model_redaction", "placeholders", "pretokenized", "redaction"]
