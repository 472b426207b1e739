"""Which tracker ``--track`` names."""

from pathlib import Path

from fedlens.core.errors import ConfigError
from fedlens.core.quiet import be_quiet
from fedlens.core.redaction import redacted
from fedlens.tracking.tracker import Tracker


def parse_tracker(word: str) -> Tracker:
    """Create the tracker that ``mlflow``, ``mlflow:URI`` or ``tensorboard:DIR`` names.

    Raises:
        ConfigError: it is none of these, or its package is not installed.
    """
    kind, _, destination = word.partition(":")
    be_quiet()  # before MLflow is imported
    try:
        if kind == "mlflow":
            from fedlens.tracking.mlflow import MlflowTracker

            return MlflowTracker(destination or None)
        if kind == "tensorboard" and destination:
            from fedlens.tracking.tensorboard import TensorboardTracker

            return TensorboardTracker(Path(destination))
    except ImportError as error:
        raise ConfigError(
            f"--track {redacted(word)}: {error.name} is not installed; pip install 'fedlens[tracking]'"
        ) from error
    raise ConfigError(f"--track {redacted(word)}: expected mlflow, mlflow:URI or tensorboard:DIR; e.g. --track mlflow")
