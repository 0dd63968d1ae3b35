"""Detection and redaction of personal data, in corpora, prompts and predictions."""
