"""Detection and redaction of personal data, in corpora, prompts and predictions."""

__all__ = ["characters", "placeholders", "redaction", "stored", "words"]
