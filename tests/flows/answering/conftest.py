from tests.stores import model_folder, task_of

__all__ = ["model_folder", "task_of"]
