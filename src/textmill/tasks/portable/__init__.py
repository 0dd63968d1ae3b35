"""Task models without torch: their networks as ONNX graphs."""

__all__ = ["onnx_predictor", "padding", "protocols", "row_graph"]
