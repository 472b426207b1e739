"""What a tracker is: it is told of a run and hands it on; and what there is to tell."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from fedlens.core.errors import ConfigError
from fedlens.core.quiet import be_quiet
from fedlens.core.redaction import redacted
from fedlens.experiment.flat import Value
from fedlens.runs.record_values import Record, beside, confidence


class Tracker(Protocol):
    """Hands a run on. It may raise anything and take its time: nobody waits for it."""

    def begin(self, name: str, options: Mapping[str, Value]) -> None:
        """A run begins, or goes on."""

    def round(self, number: int, metrics: Mapping[str, float]) -> None:
        """A round has been recorded."""

    def finish(self, files: list[Path]) -> None:
        """The run is over; these are its figures and other files worth looking at. Without any, it was cut short."""


def parse_tracker(word: str) -> Tracker:
    """The tracker that ``mlflow``, ``mlflow:URI`` or ``tensorboard:DIR`` stands for.

    Raises:
        ConfigError: it is none of these, or its package is not installed.
    """
    kind, _, place = word.partition(":")
    be_quiet()  # before MLflow is imported
    try:
        if kind == "mlflow":
            from fedlens.tracking.mlflow import MlflowTracker

            return MlflowTracker(place or None)
        if kind == "tensorboard" and place:
            from fedlens.tracking.tensorboard import TensorboardTracker

            return TensorboardTracker(Path(place))
    except ImportError as error:
        raise ConfigError(
            f"--track {redacted(word)}: {error.name} is not installed; pip install 'fedlens[tracking]'"
        ) from error
    raise ConfigError(f"--track {redacted(word)}: expected mlflow, mlflow:URI or tensorboard:DIR; e.g. --track mlflow")


def metrics_of(record: Record) -> dict[str, float]:
    """The numbers of a round's record that are worth a curve, by name."""
    found: dict[str, float] = _of_model("", record)
    if record["malicious"]:
        found |= {f"malicious/{name}": record["malicious"][name] for name in ("accuracy", "loss")}
    for name in ("control", "placebo"):
        if found_beside := beside(record, name):
            found |= _of_model(f"{name}/", found_beside)
    for name, check in record["checks"].items():
        found[f"checks/{name}/flagged"] = float(sum(check["flagged"]))
    return {name: value for name, value in found.items() if value is not None}


def _of_model(prefix: str, part: dict[str, Any]) -> dict[str, float]:
    found = {f"{prefix}{name}": part["quality"][name] for name in ("accuracy", "loss")}
    if part["target"]:
        found[f"{prefix}target/confidence"] = confidence(part["target"])
        found[f"{prefix}target/true_confidence"] = confidence(part["target"], "true_confidence")
    return found
