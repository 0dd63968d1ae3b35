from tests.stores import empty_database, model_folder, task_of

__all__ = ["empty_database", "model_folder", "task_of"]
