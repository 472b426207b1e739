"""What an experiment on quantities has by default, and which options are for classes alone."""

from collections.abc import Iterator, Sequence
from typing import Any

from fedlens.core.recorded import Recorded
from fedlens.core.registry import name_of
from fedlens.data.dataset import Data
from fedlens.data.partition import Partition
from fedlens.defences.detector import Detector
from fedlens.experiment.aims import TARGETS
from fedlens.goals.damage import Damage
from fedlens.goals.goal import Goal
from fedlens.goals.target_samples import Target
from fedlens.training.local import LocalTraining, loss_fault

WHY = "the labels of these data are quantities, not classes"


def is_regression(data: Data) -> bool:
    """Tell whether labels are quantities, as far as the data set's class is at hand to tell."""
    return not isinstance(data, Recorded) and data.regression()


def with_goal(goal: Any, data: Data) -> Any:
    """Return the goal as it is written; for quantities the goal is damage where none is.

    Raises:
        ValueError: it is `TARGETS`, of which there are none.
    """
    if not is_regression(data):
        return goal
    if goal == TARGETS:
        raise ValueError(f"{TARGETS} are taken for another class, and {WHY}; e.g. -o goal=damage")
    return Damage() if goal is None else goal


def with_loss(local: LocalTraining, data: Data) -> LocalTraining:
    """Return the plan of training; for quantities with the squared error where no loss is written."""
    if "loss" in local.model_fields_set or not is_regression(data):
        return local
    return local.model_copy(update={"loss": "mse"})


def class_faults(
    partition: Partition,
    local: LocalTraining,
    *,
    checks: Sequence[Detector],
    metrics: Sequence[str],
    stop_at: float | None,
    goal: Goal | None,
    target: Target,
) -> Iterator[str]:
    """Yield what is wrong with options of an experiment on quantities, as they are for classes."""
    if partition.by_class:
        yield (
            f"partition: {name_of('partition', partition)} deals samples by class, and {WHY}; e.g. -o partition=iid, "
            "or -o partition=quantity-skew"
        )
    if (fault := loss_fault(local.is_regression, regression=True)) is not None:
        yield fault
    if goal is not None and goal.asks:
        yield f"goal: {name_of('goal', goal)} wants inputs taken for a class, and {WHY}; e.g. -o goal=damage"
    if target != Target():
        yield f"target: chooses samples to be taken for a class, and {WHY}; e.g. -o 'target={{}}'"
    if validating := [name_of("checks", check) for check in checks if check.validates]:
        rest = ", ".join(name for check in checks if (name := name_of("checks", check)) not in validating)
        yield f"checks: {', '.join(validating)} measures accuracy, and {WHY}; e.g. -o 'checks=[{rest}]'"
    if metrics:
        yield f"metrics: {', '.join(metrics)} is of classes, and {WHY}; errors are always measured: -o 'metrics=[]'"
    if stop_at is not None:
        yield f"stop_at: is an accuracy, and {WHY}; e.g. -o stop_at=null"
