"""Runs reported to where teams already look: MLflow servers and TensorBoard's event files."""
