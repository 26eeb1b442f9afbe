"""Recurrent nets beside ONNX Runtime."""
