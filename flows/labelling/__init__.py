"""Labels by people, for the texts that a model is least sure of: `textmill label`."""

__all__ = ["label_session", "label_writer", "uncertain_rows"]
