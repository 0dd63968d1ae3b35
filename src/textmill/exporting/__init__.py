"""Models as folders that other programs run: Hugging Face, ONNX, CTranslate2."""

__all__ = ["measuring", "new_folder", "other_libraries", "readme", "task_graphs"]
