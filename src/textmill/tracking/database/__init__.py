"""The connection to a tracking store: opened, patient, found again where it was moved to."""
