"""The choice of target samples, for which the benign twin may be needed; an attack without any cannot be judged."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from fedlens.core.errors import UnjudgedError
from fedlens.experiment.setting import Setting
from fedlens.goals.target_samples import has_learnt
from fedlens.runs.record import RoundRecord
from fedlens.runs.record_values import destroyed, silent


class Twin(Protocol):
    """A benign twin, in the cache or in memory."""

    @property
    def records(self) -> Sequence[RoundRecord]:
        """Its rounds."""

    @property
    def last(self) -> Tensor:
        """The predictions of its last model, log-probabilities ``[samples, classes]``."""


def aimed(setting: Setting, twin: Twin | None) -> Setting:
    """Choose the setting's target samples, by default among those that its benign twin, if any, gets right."""
    target = setting.experiment.target
    if setting.goal is not None or twin is None or target.index is not None or target.select == "random":
        return setting.with_target(None)
    if target.select is None and silent(twin.records) is not None and destroyed(twin.records) is None:
        return setting.with_target(None)  # a model that answers NaN by its nature gets no sample right
    try:
        return setting.with_target(twin.last)
    except UnjudgedError as error:
        raise _unjudged(setting, twin, error) from None


def _unjudged(setting: Setting, twin: Twin, error: UnjudgedError) -> UnjudgedError:
    """Extend the error by the twin's condition and by remedies; another seed is none before anything is learnt."""
    experiment = setting.experiment
    if destroyed(twin.records) is not None or any(record.malformed for record in twin.records):
        reason = "without attack, clients sent updates, or the model has weights, that are not finite"
        rate = experiment.local.learning_rate / 10
        return UnjudgedError(f"{error.reason}: {reason}", [f"learn more slowly, e.g. -o local.learning_rate={rate:g}"])
    rounds = max(2 * experiment.rounds, experiment.rounds + 5)
    remedies = [f"train for longer, e.g. -o rounds={rounds}"]
    if has_learnt(twin.last, setting.dataset):
        remedies.append(f"take another seed, e.g. -o seed={experiment.seed + 1}")
    return UnjudgedError(error.reason, [*remedies, *error.remedies])
