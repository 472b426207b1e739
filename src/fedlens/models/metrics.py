"""What is measured of a model on the test set besides accuracy, where somebody asks for it.

- ``balanced-accuracy``: the mean of the accuracies in each class that has samples (Brodersen et al., ICPR 2010);
- ``f1``: the mean over classes of the harmonic mean of precision and recall (macro F1);
- ``auc``: the area under the ROC curve: of two classes, for the second one; of more, the mean over classes of each
  against the rest.

They are scikit-learn's, and undefined (``None``) where a prediction is NaN, or for AUC where a class has no samples.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Metric = Literal["balanced-accuracy", "f1", "auc"]


def column(metric: Metric) -> str:
    """Return what a metric is called in records and tables: ``balanced_accuracy``."""
    return metric.replace("-", "_")


def measure(metrics: Iterable[Metric], log_probabilities: Tensor, labels: Tensor) -> dict[str, float | None]:
    """Measure log-probabilities ``[n, classes]`` for samples of classes `labels` (``[n]``), by `column`."""
    return {column(metric): _measured(metric, log_probabilities, labels) for metric in metrics}


def _measured(metric: Metric, log_probabilities: Tensor, labels: Tensor) -> float | None:
    from sklearn.metrics import f1_score, recall_score, roc_auc_score

    if bool(log_probabilities.isnan().any()):
        return None
    true, answers = labels.cpu().numpy(), log_probabilities.double().cpu()
    predicted = answers.argmax(dim=1).numpy()
    if metric == "balanced-accuracy":
        return float(recall_score(true, predicted, labels=sorted(set(true.tolist())), average="macro"))
    if metric == "f1":
        return float(f1_score(true, predicted, average="macro", zero_division=0))
    if len(set(true.tolist())) < answers.shape[1]:
        return None
    probabilities = answers.softmax(dim=1).numpy()
    if probabilities.shape[1] == 2:
        return float(roc_auc_score(true, probabilities[:, 1]))
    return float(roc_auc_score(true, probabilities, multi_class="ovr", average="macro"))
