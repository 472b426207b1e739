"""The interface of trackers, and the metrics that they report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from fedlens.experiment.flat import Value
from fedlens.runs.record import ControlRecord, RoundRecord
from fedlens.runs.record_values import numbers_of


class Tracker(Protocol):
    """Reports a run to another service. It may raise anything and take its time: nobody waits for it."""

    def begin(self, name: str, options: Mapping[str, Value]) -> None:
        """Report that a run begins or is resumed."""

    def round(self, number: int, metrics: Mapping[str, float]) -> None:
        """Report the metrics of a round."""

    def finish(self, files: list[Path]) -> None:
        """Report that the run is over, with its figures and other files worth looking at; none if it was cut short."""


def metrics_of(record: RoundRecord) -> dict[str, float]:
    """Return the numbers of a round's record that are worth a curve, by name."""
    metrics = _of_model("", record)
    if (model := record.malicious_model) is not None:
        metrics |= numbers_of(model, "malicious/")
    for name, control in record.controls.items():
        metrics |= _of_model(f"{name}/", control)
    for name in dict.fromkeys(name for client in record.clients for name in client.checks):
        flagged = [client.checks[name].flagged for client in record.clients if name in client.checks]
        metrics[f"checks/{name}/flagged"] = float(sum(flagged))
    return metrics


def _of_model(prefix: str, side: RoundRecord | ControlRecord) -> dict[str, float]:
    """Return a model's metrics, the round's own or a control's."""
    metrics = numbers_of(side.quality, prefix)
    if (target := side.target) is not None:
        metrics[f"{prefix}target/confidence"] = target.mean_confidence
        metrics[f"{prefix}target/true_confidence"] = target.mean_true_confidence
    if (backdoor := side.backdoor) is not None:
        metrics[f"{prefix}asr"] = backdoor.rate
    return metrics
