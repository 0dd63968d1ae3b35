"""Labels that people give: what a kind of task says of them, and the file that they are in."""

__all__ = ["labelling", "saved_labels"]
