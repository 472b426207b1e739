"""Runs in MLflow: options as parameters, a metric for each curve, figures as artifacts.

The server is given by its URI, or by MLflow's own settings (``MLFLOW_TRACKING_URI``). Runs belong to the experiment
``fedlens`` unless ``MLFLOW_EXPERIMENT_NAME`` names another.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from typing_extensions import override

from fedlens.experiment.flat import Value, shown
from fedlens.tracking.tracker import Tracker

_AT_ONCE = 100
"""The most parameters that MLflow takes at once."""
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""By its defaults, MLflow would try a dead server for minutes, and print the run's address amid the run's output."""


class MlflowTracker(Tracker):
    """A tracker that reports to an MLflow server."""

    def __init__(self, uri: str | None) -> None:
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        self._uri = uri
        self._run = ""

    @override
    def begin(self, name: str, options: Mapping[str, Value]) -> None:
        self._client = MlflowClient(tracking_uri=self._uri)
        experiment_name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "fedlens")
        existing = self._client.get_experiment_by_name(experiment_name)
        experiment = existing.experiment_id if existing is not None else self._client.create_experiment(experiment_name)
        self._run = self._client.create_run(experiment, run_name=name).info.run_id
        parameters = [Param(option, shown(value)) for option, value in options.items()]
        for start in range(0, len(parameters), _AT_ONCE):
            self._client.log_batch(self._run, params=parameters[start : start + _AT_ONCE])

    @override
    def round(self, number: int, metrics: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        self._client.log_batch(self._run, [Metric(name, value, now, number) for name, value in metrics.items()])

    @override
    def finish(self, files: list[Path]) -> None:
        if not self._run:  # the run was complete already
            return
        for file in files:
            self._client.log_artifact(self._run, str(file))
        self._client.set_terminated(self._run, "FINISHED" if files else "KILLED")
