"""Content filters around the models of tasks."""

__all__ = ["classifiers", "filter_folder", "task_filter"]
