"""Trackers, which report runs to MLflow servers and to TensorBoard event files."""
