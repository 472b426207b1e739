"""Metrics as figures and pages name them, and which are shares between 0 and 1."""

from typing import TYPE_CHECKING

from fedlens.analysis.order import METRICS
from fedlens.analysis.success import ACHIEVED, TITLES, achieved_metrics

if TYPE_CHECKING:
    import pandas as pd

NAMED = {
    "confidence": "confidence in the target class",
    "true_confidence": "confidence in the true class",
    "asr": "attack success rate",
    "asr_twin": "attack success rate without attack",
    "accuracy_drop": "accuracy lost to the attack",
    "mae_rise": "rise of the MAE by the attack",
    "accuracy": "test accuracy",
    "mae": "test MAE",
    "rmse": "test RMSE",
    "nmae": "test MAE in standard deviations",
    "malicious_mae": "malicious model's MAE",
    "loss": "mean cross-entropy, nats",
    "malicious_accuracy": "malicious model's accuracy",
    "malicious_share": "weight of the malicious updates",
}
SHARES = (
    "accuracy", "confidence", "asr", "asr_twin", "success", "counts", "acted", "attacker", "rejected_precision",
    "rejected_recall", "f1", "auc",
)  # fmt: skip


def metric_title(metric: str) -> str:
    """Name a metric: ``attack success rate``, ``test accuracy in class sneaker``; one unknown by its column.

    Example:
        >>> metric_title("asr"), metric_title("accuracy.sneaker"), metric_title("distance_gap")
        ('attack success rate', 'test accuracy in class sneaker', 'distance gap')
    """
    if metric in TITLES:
        return TITLES[metric]
    name, dot, part = metric.partition(".")
    if name == "accuracy" and dot:
        return f"test accuracy in class {part}"
    return NAMED.get(metric) or metric.replace("_", " ")


def heading(metric: str) -> str:
    """Return the same with a capital, as charts and tables are headed."""
    title = metric_title(metric)
    return title[:1].upper() + title[1:]


def is_share(metric: str) -> bool:
    """Tell whether a metric is a share between 0 and 1, as ``asr`` and ``accuracy.sneaker``; ``accuracy_drop`` is none.

    Example:
        >>> is_share("control_accuracy"), is_share("asr.part0"), is_share("accuracy_drop")
        (True, True, False)
    """
    return metric.partition(".")[0].endswith(SHARES)


def measure_of(table: "pd.DataFrame") -> str:
    """Name the column that tells how good models are: of regressions alone their error, else the accuracy."""
    return "mae" if "mae" in table and ("accuracy" not in table or table["accuracy"].isna().all()) else "accuracy"


def shown_metrics(table: "pd.DataFrame") -> list[str]:
    """Name the metrics that the report of a sweep shows: what the attack achieved, the model's accuracy or error."""
    left_out = {"malicious_accuracy", "malicious_mae", *ACHIEVED} - {*achieved_metrics(table)}
    return [name for name in METRICS if name in table and table[name].notna().any() and name not in left_out]
