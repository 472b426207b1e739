"""Runs in MLflow: options as parameters, a metric for each curve, figures as artifacts.

The server is the one given, or the one that MLflow's own settings name (``MLFLOW_TRACKING_URI``). Runs belong to the
experiment ``fedlens`` unless ``MLFLOW_EXPERIMENT_NAME`` names another.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from fedlens.experiment.flat import Value, shown

_AT_ONCE = 100
"""So many parameters MLflow takes at a time."""
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""MLflow's own settings would try a dead server for minutes, and print the run's address amid what the run prints."""


class MlflowTracker:
    """A `Tracker` for an MLflow server."""

    def __init__(self, uri: str | None) -> None:
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        self._uri = uri
        self._run = ""

    def begin(self, name: str, options: Mapping[str, Value]) -> None:
        """See `Tracker`."""
        self._client = MlflowClient(tracking_uri=self._uri)
        wanted = os.environ.get("MLFLOW_EXPERIMENT_NAME", "fedlens")
        known = self._client.get_experiment_by_name(wanted)
        experiment = known.experiment_id if known is not None else self._client.create_experiment(wanted)
        self._run = self._client.create_run(experiment, run_name=name).info.run_id
        parameters = [Param(option, shown(value)) for option, value in options.items()]
        for start in range(0, len(parameters), _AT_ONCE):
            self._client.log_batch(self._run, params=parameters[start : start + _AT_ONCE])

    def round(self, number: int, metrics: Mapping[str, float]) -> None:
        """See `Tracker`."""
        now = int(time.time() * 1000)
        self._client.log_batch(self._run, [Metric(name, value, now, number) for name, value in metrics.items()])

    def finish(self, files: list[Path]) -> None:
        """See `Tracker`."""
        if not self._run:  # there was no round left to play
            return
        for file in files:
            self._client.log_artifact(self._run, str(file))
        self._client.set_terminated(self._run, "FINISHED" if files else "KILLED")
