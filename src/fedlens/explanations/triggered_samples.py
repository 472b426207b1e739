"""Test samples without and with the trigger, and what the attacked and the benign model say of each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from fedlens.analysis.run_results import Run
from fedlens.core.errors import ConfigError
from fedlens.experiment.setting import Setting
from fedlens.runs.record import class_name
from fedlens.runs.state import read_checkpoint

SHOWN = 6
"""So many samples are shown, each of another class as far as there are so many classes."""


@dataclass(frozen=True)
class Answer:
    """What a model says of a sample.

    Attributes:
        clean: the class that it takes the sample for.
        triggered: the class that it takes it for with the trigger.
        confidence: its probability of the class wanted, with the trigger.
    """

    clean: str
    triggered: str
    confidence: float


@dataclass(frozen=True)
class TriggeredSample:
    """A test sample of which the attacker wants something.

    Attributes:
        index: in the test set.
        true: its class.
        wanted: the class that it is to be taken for with the trigger.
        clean: the input, shape ``[...]``.
        triggered: the input with the trigger.
        answers: of each model by its name.
    """

    index: int
    true: str
    wanted: str
    clean: Tensor
    triggered: Tensor
    answers: dict[str, Answer]


def triggered_samples(run: Run, setting: Setting, models: Mapping[str, nn.Module]) -> list[TriggeredSample]:
    """Return the first test sample of each class of which the run's goal wants something, at most `SHOWN`.

    Args:
        run: the run.
        setting: of its experiment.
        models: by name, in evaluation mode, on the setting's device.

    Raises:
        ConfigError: the goal wants nothing of any input.
    """
    if setting.goal is None or not setting.goal.asks:
        raise ConfigError(f"{run.path}: there is no trigger to be shown; -o goal=backdoor plants one")
    setting = as_trained(setting, run)
    test, classes, indices = setting.dataset.test, run.target.classes, asked(setting)
    wanted = setting.wanted(test.y)
    clean = test.x[indices]
    triggered = setting.changed(clean)
    said = {name: (_says(model, clean), _says(model, triggered)) for name, model in models.items()}
    samples = []
    for row, index in enumerate(indices):
        class_wanted = int(wanted[index])
        answers = {
            name: Answer(
                _class(classes, before[row]), _class(classes, after[row]), float(after[row, class_wanted].nan_to_num(0))
            )
            for name, (before, after) in said.items()
        }
        true = classes[int(test.y[index])]
        samples.append(TriggeredSample(index, true, classes[class_wanted], clean[row], triggered[row], answers))
    return samples


def as_trained(setting: Setting, run: Run) -> Setting:
    """Return the setting with the trigger as the run's attackers have trained it by the last round, if they do.

    Raises:
        DamagedRunError: the checkpoint, which has it, is missing or damaged.
    """
    if setting.goal is None or not setting.goal.trains:
        return setting
    team = read_checkpoint(str(run.path / "checkpoint.safetensors")).state.team
    return replace(setting, goal=setting.goal.trained(team))


def asked(setting: Setting) -> list[int]:
    """Return the index of the first test sample of each class of which the goal wants something, at most `SHOWN`."""
    labels = setting.dataset.test.y
    first: dict[int, int] = {}
    for index in (setting.wanted(labels) >= 0).nonzero()[:, 0].tolist():
        first.setdefault(int(labels[index]), index)
    return [first[number] for number in sorted(first)][:SHOWN]


def _says(model: nn.Module, x: Tensor) -> Tensor:
    """Return a model's probabilities, shape ``[n, classes]``."""
    with torch.no_grad():
        return torch.softmax(model(x.clone()).double(), dim=1).cpu()


def _class(classes: list[str], probabilities: Tensor) -> str:
    return class_name(classes, None if bool(probabilities.isnan().any()) else int(probabilities.argmax()))
