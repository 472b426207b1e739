"""What needs more than a run's records: its data, its final weights, and its benign twin's."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from fedlens.errors import FedlensError
from fedlens.explanations.models import find_twin_of, load_models
from fedlens.federation.evaluate import BLOCK
from fedlens.federation.setting import Setting, prepare
from fedlens.report.html.chart import Chart
from fedlens.report.html.classes import confusion, confusion_chart
from fedlens.runs.load import Run


@dataclass(frozen=True)
class Final:
    """What data and weights say.

    Attributes:
        inputs: the attacker's samples, shape ``[r, ...]``, if the data is at hand.
        confusion: the confusion matrices, if weights are at hand too.
        why: for what is missing, why it is, in a sentence.
    """

    inputs: Tensor | None = None
    confusion: Chart | None = None
    why: list[str] = field(default_factory=list)


def look_at(run: Run, data_dir: Path | None = None) -> Final:
    """The attacker's samples, and the confusion matrices, as far as data and weights are at hand."""
    try:
        setting = prepare(run.experiment, data_dir=data_dir)
        test = setting.dataset.test
        inputs = test.take(torch.tensor(run.target["index"])).x
    except (FedlensError, OSError, IndexError) as error:
        return Final(why=[f"The data is not at hand, so its samples cannot be shown ({_first_line(error)})."])
    try:
        matrices = {name: _matrix(model, setting) for name, model in _models(run, setting).items()}
    except FedlensError as error:
        return Final(inputs, None, [f"The confusion matrix is left out: {_first_line(error)}."])
    why = [] if len(matrices) == 2 or run.experiment.attack is None else [_no_twin(run)]
    return Final(inputs, confusion_chart(matrices, setting.dataset.classes), why)


def _models(run: Run, setting: Setting) -> dict[str, nn.Module]:
    """The benign and the attacked model; only the run's own where it has no twin, or that is not at hand."""
    try:
        benign, attacked = load_models(run, find_twin_of(run), setting)
    except FedlensError:
        network = setting.network()
        network.load(run.weights())
        return {"attacked" if run.experiment.attack else "global": network.module}
    return {"benign": benign, "attacked": attacked}


def _no_twin(run: Run) -> str:
    try:
        find_twin_of(run)
    except FedlensError as error:
        return f"The benign model's confusion matrix is left out: {_first_line(error)}."
    return "The benign model's confusion matrix is left out: its weights do not fit."


def _first_line(error: Exception) -> str:
    """What is wrong; the lines below say what was tried."""
    return str(error).splitlines()[0]


def _matrix(model: nn.Module, setting: Setting) -> Tensor:
    """The model's confusion matrix over the test set."""
    test = setting.dataset.test
    model.eval()
    with torch.no_grad():
        predicted = torch.cat([model(block).argmax(1) for block in torch.split(test.x, BLOCK)])
    return confusion(predicted.cpu(), test.y.cpu(), len(setting.dataset.classes))
