"""The interface of trackers, and the metrics that they report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from fedlens.experiment.flat import Value
from fedlens.runs.record_values import Record, beside, confidence


class Tracker(Protocol):
    """Reports a run to another service. It may raise anything and take its time: nobody waits for it."""

    def begin(self, name: str, options: Mapping[str, Value]) -> None:
        """Report that a run begins or is resumed."""

    def round(self, number: int, metrics: Mapping[str, float]) -> None:
        """Report the metrics of a round."""

    def finish(self, files: list[Path]) -> None:
        """Report that the run is over, with its figures and other files worth looking at; none if it was cut short."""


def metrics_of(record: Record) -> dict[str, float]:
    """Return the numbers of a round's record that are worth a curve, by name."""
    metrics: dict[str, float] = _of_model("", record)
    if record["malicious"]:
        metrics |= {f"malicious/{name}": record["malicious"][name] for name in ("accuracy", "loss")}
    for name in ("control", "placebo"):
        if control := beside(record, name):
            metrics |= _of_model(f"{name}/", control)
    for name, check in record["checks"].items():
        metrics[f"checks/{name}/flagged"] = float(sum(check["flagged"]))
    return {name: value for name, value in metrics.items() if value is not None}


def _of_model(prefix: str, part: dict[str, Any]) -> dict[str, float]:
    """Return a model's metrics from its `part` of the record, the round's own or a control's."""
    metrics = {f"{prefix}{name}": part["quality"][name] for name in ("accuracy", "loss")}
    if part["target"]:
        metrics[f"{prefix}target/confidence"] = confidence(part["target"])
        metrics[f"{prefix}target/true_confidence"] = confidence(part["target"], "true_confidence")
    return metrics
